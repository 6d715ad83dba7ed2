#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "merganser/merganser.h"

namespace merganser::cli {

enum class ProgressKind { automatic, plain, json, none };

/// What a command line said.
struct Arguments {
  std::vector<std::string> words;  ///< What is no flag: RECIPE, OUT, ...
  RecipeSource source;             ///< `set` and `variables`; the recipe is one of the words.
  Options options;
  std::string base;             ///< diff --base
  std::string report_file;      ///< merge --report
  std::string markdown_folder;  ///< methods --markdown
  std::size_t replay = 0;       ///< verify --replay
  ProgressKind progress = ProgressKind::automatic;
  bool json = false;
  bool tensors = false;
  bool dry_run = false;
  bool help = false;
  bool quiet = false;
  int verbosity = 0;
  bool safe_serialization = true;
  std::vector<std::string> without_effect;  ///< Flags that were given and mean nothing here.
};

/// Commands that a flag belongs to, as bits.
enum Uses : std::uint32_t {
  kMerge = 1,
  kPlan = 2,
  kExplain = 4,
  kInspect = 8,
  kDiff = 16,
  kMethods = 32,
  kCompletion = 64,
  kVerify = 128,
  kReproduce = 256,
  kConvert = 512,
  kAll = 1023,
  kPlainTensors = 1024,  ///< Of merge when it is called mergekit-pytorch.
};

/// Where a flag stands in the help.
enum class Group { common, mergekit, hidden };

/// A flag, known to the parser, the help and the shells through this alone.
struct Flag {
  const char* name;     ///< Without dashes.
  const char* aliases;  ///< More spellings as typed, separated by commas: "-j,--num-threads".
  const char* value;    ///< "N", "PATH=VALUE"; empty for a switch.
  const char* choices;  ///< Values separated by spaces; empty: any.
  bool negatable;       ///< `--no-NAME` exists.
  std::uint32_t uses;
  Group group;
  const char* says;
  /// Takes the value ("true" or "false" of a switch). Returns what was expected instead, or empty.
  const char* (*apply)(Arguments& arguments, const Flag& flag, std::string_view value);
};

std::span<const Flag> flags();

/// "--NAME".
std::string spelled(const Flag& flag);

}  // namespace merganser::cli
