#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "recipe/problems.h"
#include "recipe/recipe.h"
#include "recipe/yaml.h"

namespace merganser::recipe {

// Readers of the parts that recipes are made of. Each reports what is wrong and then gives nothing,
// or what it could read.

/// The entry of that key; nullptr when it is absent or null.
const Entry* given(const Node& map, std::string_view key);

/// The source text of a scalar, numbers and booleans included: `name: 7` is a name.
std::optional<std::string> read_text(const Node& node, const std::string& what, Problems& problems);

/// A whole number; integral floats and strings that spell one count.
std::optional<std::int64_t> read_integer(const Node& node, const std::string& what,
                                         Problems& problems);

/// True or false in any spelling that a boolean parameter accepts.
std::optional<bool> read_boolean(const Node& node, const std::string& what, Problems& problems);

/// One of a few words, by index.
std::optional<std::size_t> read_choice(const Node& node, const std::string& what,
                                       const std::vector<std::string>& words, Problems& problems);

/// The name of a type that merges can compute or store with.
std::optional<DType> read_dtype(const Node& node, Problems& problems);

/// Bytes: `5GB`, `500MiB`, `1B` (a billion, as mergekit writes it), or a plain number.
std::optional<std::uint64_t> read_size(const Node& node, const std::string& what,
                                       Problems& problems);

std::optional<ModelRef> read_model(const Node& node, Problems& problems);
/// A list of renames, or one of the named ones in `presets`.
std::vector<Rename> read_renames(const Node& node,
                                 const std::map<std::string, std::vector<Rename>>& presets,
                                 Problems& problems);

enum class RuleFor { keep, only };
std::optional<Rule> read_rule(const Node& node, RuleFor use, Problems& problems);

/// Reports every scalar of a setting that `field` of `owner` cannot take.
void check_values(const Node& setting, const Field& field, const std::string& owner,
                  Problems& problems);

/// Reports every scalar of a setting that names no variant of `owner`.
void check_variants(const Node& setting, const Fields& fields, const std::string& owner,
                    Problems& problems);

/// A scalar, a gradient, a conditional or a list of conditionals.
std::optional<Setting> read_setting(const std::string& name, const Node& node, Problems& problems);

std::optional<Tokenizer> read_tokenizer(const Node& node, Problems& problems);
std::optional<Tokenizer> read_tokenizer_source(const Node& node, Problems& problems);

}  // namespace merganser::recipe
