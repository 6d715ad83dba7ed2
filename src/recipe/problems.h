#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "recipe/recipe.h"
#include "recipe/yaml.h"

namespace merganser::recipe {

/// Collects what is wrong with a recipe, so that its author sees everything in one go.
class Problems {
 public:
  Problems(std::string file, const Overrides& overrides)
      : file_(std::move(file)), overrides_(overrides) {}

  const std::string& file() const { return file_; }

  void error(Code code, const Place& place, std::string message, std::string hint = {},
             std::string subject = {});
  void warn(const Place& place, std::string message, std::string hint = {},
            std::string subject = {});
  void add(Error error) { errors_.push_back(std::move(error)); }
  void add_warning(Error warning) { warnings_.push_back(std::move(warning)); }

  /// Warns about keys of a map that are not among `known`.
  void warn_unknown_keys(const Node& map, const std::vector<std::string>& known);
  void warn_unknown_key(const Entry& entry, const std::vector<std::string>& known);

  std::size_t count() const { return errors_.size(); }
  /// The errors in the order of the text; beyond 50 they are only counted.
  std::vector<Error> take_errors();
  std::vector<Error> take_warnings();

 private:
  Error make(Code code, const Place& place, std::string message, std::string hint,
             std::string subject) const;

  std::string file_;
  const Overrides& overrides_;
  std::vector<Error> errors_;
  std::vector<Error> warnings_;
};

/// `did you mean "x"?` with the nearest of `known`, else all of them when they are few, else empty.
std::string suggest(std::string_view word, const std::vector<std::string>& known);

/// "a, b, c".
std::string join(const std::vector<std::string>& words);

}  // namespace merganser::recipe
