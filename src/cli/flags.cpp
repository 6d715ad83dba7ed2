#include "cli/flags.h"

#include <array>
#include <limits>

#include "cli/sizes.h"

namespace merganser::cli {
namespace {

constexpr const char* kFine = "";

using Apply = const char* (*)(Arguments&, const Flag&, std::string_view);

template <bool Arguments::* Member>
const char* set_switch(Arguments& a, const Flag&, std::string_view value) {
  a.*Member = value == "true";
  return kFine;
}

template <bool Options::* Member>
const char* set_option(Arguments& a, const Flag&, std::string_view value) {
  a.options.*Member = value == "true";
  return kFine;
}

/// For a flag that is written --no-x and clears x.
template <bool Options::* Member>
const char* clear_option(Arguments& a, const Flag&, std::string_view value) {
  a.options.*Member = value != "true";
  return kFine;
}

template <std::string Options::* Member>
const char* set_option_text(Arguments& a, const Flag&, std::string_view value) {
  a.options.*Member = value;
  return kFine;
}

template <std::string Arguments::* Member>
const char* set_text(Arguments& a, const Flag&, std::string_view value) {
  a.*Member = value;
  return kFine;
}

const char* note(Arguments& a, const Flag& flag, std::string_view value) {
  a.without_effect.push_back((value == "false" && flag.negatable ? "--no-" : "--") +
                             std::string(flag.name));
  return kFine;
}

const char* set_replay(Arguments& a, const Flag&, std::string_view value) {
  const auto count = parse_count(value);
  if (!count) return "a whole number";
  a.replay = static_cast<std::size_t>(*count);
  return kFine;
}

const char* set_seed(Arguments& a, const Flag&, std::string_view value) {
  a.options.seed = parse_count(value);
  return a.options.seed ? kFine : "a whole number from 0 to 2^64 - 1";
}

const char* set_threads(Arguments& a, const Flag&, std::string_view value) {
  const auto count = parse_count(value);
  if (!count || *count == 0 || *count > std::numeric_limits<unsigned>::max()) {
    return "a whole number from 1";
  }
  a.options.threads = static_cast<unsigned>(*count);
  return kFine;
}

const char* set_memory(Arguments& a, const Flag&, std::string_view value) {
  a.options.memory_bytes.reset();
  if (value == "auto") return kFine;
  a.options.memory_bytes = parse_memory(value);
  return a.options.memory_bytes ? kFine : "auto or a size such as 512MiB or 4GB";
}

const char* set_shard_size(Arguments& a, const Flag&, std::string_view value) {
  a.options.shard_bytes = parse_shard_size(value);
  return a.options.shard_bytes ? kFine
                               : "a number of bytes such as 5B, 500M or 5GB; 0 for one file";
}

const char* set_cpu_level(Arguments& a, const Flag&, std::string_view value) {
  a.options.cpu_level = value;
  return kFine;
}

const char* set_progress(Arguments& a, const Flag&, std::string_view value) {
  a.progress = value == "plain"  ? ProgressKind::plain
               : value == "json" ? ProgressKind::json
               : value == "none" ? ProgressKind::none
                                 : ProgressKind::automatic;
  return kFine;
}

const char* add_set(Arguments& a, const Flag&, std::string_view value) {
  const std::size_t at = value.find('=');
  if (at == std::string_view::npos || at == 0) return "PATH=VALUE, as in parameters.density=0.2";
  a.source.set.emplace_back(value.substr(0, at), value.substr(at + 1));
  return kFine;
}

const char* add_variable(Arguments& a, const Flag&, std::string_view value) {
  const std::size_t at = value.find('=');
  if (at == std::string_view::npos || at == 0) return "NAME=VALUE";
  a.source.variables.insert_or_assign(std::string(value.substr(0, at)),
                                      std::string(value.substr(at + 1)));
  return kFine;
}

const char* add_verbosity(Arguments& a, const Flag&, std::string_view) {
  ++a.verbosity;
  return kFine;
}

constexpr std::uint32_t kRecipe = kMerge | kPlan | kExplain;
constexpr std::uint32_t kWriting = kMerge | kReproduce | kConvert;
constexpr std::uint32_t kFiles = kRecipe | kInspect | kDiff | kVerify | kReproduce | kConvert;

constexpr Flag on(const char* name, std::uint32_t uses, const char* says, Apply apply) {
  return {name, "", "", "", false, uses, Group::common, says, apply};
}
constexpr Flag pair(const char* name, std::uint32_t uses, const char* says, Apply apply) {
  return {name, "", "", "", true, uses, Group::common, says, apply};
}
constexpr Flag with(const char* name, const char* value, std::uint32_t uses, const char* says,
                    Apply apply, const char* choices = "") {
  return {name, "", value, choices, false, uses, Group::common, says, apply};
}
/// Flags of mergekit that ask for what is always so, or for what does not exist here.
constexpr Flag idle(const char* name, const char* value = "") {
  return {name, "", value, "", *value == 0, kMerge, Group::mergekit, "", note};
}
constexpr Flag also(Flag flag, const char* aliases) {
  flag.aliases = aliases;
  return flag;
}
constexpr Flag grouped(Flag flag, Group group) {
  flag.group = group;
  return flag;
}

constexpr std::array kFlags{
    with("set", "PATH=VALUE", kRecipe, "change a value of the recipe (repeatable)", add_set),
    with("var", "NAME=VALUE", kRecipe, "give a variable of the recipe (repeatable)", add_variable),
    on("overwrite", kWriting, "replace what is at OUT", set_option<&Options::overwrite>),
    on("verify", kWriting, "read the output back and compare its hashes",
       set_option<&Options::verify>),
    with("only-tensor", "GLOB", kMerge | kPlan, "make only these tensors, for debugging",
         set_option_text<&Options::only_tensor>),
    with("replay", "N", kVerify, "compute N tensors of a merge again and compare", set_replay),
    on("check-finite", kVerify, "look for NaN and infinity; compare checksums of archives",
       set_option<&Options::check_finite>),
    on("resume", kMerge | kConvert, "go on with what was interrupted",
       set_option<&Options::resume>),
    with("dtype", "NAME", kConvert, "store floating tensors as float32, float16, bfloat16, ...",
         set_option_text<&Options::dtype>),
    on("dry-run", kMerge, "show the plan and stop", set_switch<&Arguments::dry_run>),
    with("base", "MODEL", kDiff, "compare a and b by their deltas from this model",
         set_text<&Arguments::base>),
    on("tensors", kPlan | kInspect | kDiff, "list every tensor", set_switch<&Arguments::tensors>),
    on("no-sample", kPlan, "read headers only, no sample of weights",
       clear_option<&Options::sample>),
    also(with("seed", "N", kRecipe, "seed of random choices, over the recipe's own", set_seed),
         "--random-seed"),
    also(with("threads", "N", kWriting | kPlan | kDiff, "threads (default: what affinity allows)",
              set_threads),
         "--num-threads,-j"),
    with("memory", "SIZE", kWriting | kPlan | kDiff,
         "stay within, as 512MiB or 4GB (default: auto)", set_memory),
    with("cpu-level", "LEVEL", kMerge | kPlan | kDiff | kConvert,
         "use no newer CPU instructions than these", set_cpu_level, "baseline sse4 avx2 avx512"),
    with("out-shard-size", "SIZE", kMerge | kPlan | kConvert,
         "bytes a file (default: 5B); 0: one file", set_shard_size),
    pair("copy-tokenizer", kMerge | kPlan | kConvert, "copy the tokenizer (default)",
         set_option<&Options::copy_tokenizer>),
    pair("write-model-card", kMerge | kPlan, "write README.md and mergekit_config.yml (default)",
         set_option<&Options::write_model_card>),
    on("no-copy-code", kMerge | kPlan | kConvert, "leave out the code files that the config names",
       clear_option<&Options::copy_code>),
    with("tmp", "DIR", kWriting,
         "where scratch files go, of methods that keep any (none does yet); unfinished "
         "output lies beside OUT",
         set_option_text<&Options::scratch_folder>),
    on("no-sync", kMerge | kConvert, "do not wait for the disk", clear_option<&Options::sync>),
    pair("allow-crimes", kRecipe, "merge models of different classes by tensor name",
         set_option<&Options::allow_crimes>),
    on("strict", kRecipe, "notes and disagreements are errors", set_option<&Options::strict>),
    on("lenient", kFiles, "forgive what the format rules call forgivable",
       set_option<&Options::lenient>),
    on("allow-opaque", kFiles, "read past unknown classes in pickles, without running them",
       set_option<&Options::allow_opaque>),
    with("cache-dir", "DIR", kFiles, "where downloaded models lie (default: as HF_HUB_CACHE says)",
         set_option_text<&Options::cache_dir>),
    on("json", kFiles | kMethods, "one JSON document on stdout (docs/json.md)",
       set_switch<&Arguments::json>),
    with("report", "FILE", kMerge | kConvert, "write the JSON report to a file too",
         set_text<&Arguments::report_file>),
    with("progress", "KIND", kWriting | kDiff | kVerify, "how to show progress on stderr",
         set_progress, "auto plain json none"),
    also(on("quiet", kFiles, "errors and warnings only", set_switch<&Arguments::quiet>), "-q"),
    also(on("verbose", kFiles, "say more (repeatable)", add_verbosity), "-v"),
    grouped(with("markdown", "FOLDER", kMethods, "write a page for each method",
                 set_text<&Arguments::markdown_folder>),
            Group::hidden),
    also(on("help", kAll, "this text", set_switch<&Arguments::help>), "-h"),

    grouped(pair("safe-serialization", kMerge, "", set_switch<&Arguments::safe_serialization>),
            Group::mergekit),
    grouped(also(on("tensor-intersection", kPlainTensors, "leave out tensors that some model lacks",
                    set_option<&Options::tensor_intersection>),
                 "-i"),
            Group::mergekit),
    grouped(also(on("tensor-union", kPlainTensors, "merge tensors over the models that have them",
                    set_option<&Options::tensor_union>),
                 "-u"),
            Group::mergekit),
    grouped(with("transformers-cache", "PATH", kMerge, "", set_option_text<&Options::cache_dir>),
            Group::mergekit),
    idle("unsafe-truncate-embeddings"),
    idle("lora-merge-cache", "PATH"),
    idle("lora-merge-dtype", "NAME"),
    idle("cuda"),
    idle("device", "NAME"),
    idle("low-cpu-memory"),
    idle("clone-tensors"),
    idle("trust-remote-code"),
    idle("lazy-unpickle"),
    idle("read-to-gpu"),
    idle("multi-gpu"),
    idle("gpu-rich"),
    idle("async-write"),
    idle("write-threads", "N"),
};

}  // namespace

std::span<const Flag> flags() { return kFlags; }

std::string spelled(const Flag& flag) { return "--" + std::string(flag.name); }

}  // namespace merganser::cli
