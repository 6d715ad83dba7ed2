#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "recipe/recipe.h"

namespace merganser::plan {

/// Collects mistakes; one that every tensor repeats is kept once.
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}

  void add(Error error) {
    if (seen_.insert(error.text()).second) errors_.push_back(std::move(error));
  }
  void add(const recipe::Mark& mark, Code code, std::string message, std::string hint = "",
           std::string subject = "") {
    add({.code = code,
         .message = std::move(message),
         .file = file_,
         .line = mark.line,
         .column = mark.column,
         .subject = std::move(subject),
         .hint = std::move(hint)});
  }

  bool any() const { return !errors_.empty(); }
  std::vector<Error> take() { return std::move(errors_); }

 private:
  std::string file_;
  std::set<std::string> seen_;
  std::vector<Error> errors_;
};

}  // namespace merganser::plan
