#pragma once

#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "core/assert.h"
#include "core/error.h"

namespace merganser {

/// A value or the error that took its place; shaped like `std::expected`.
template <class T>
class [[nodiscard]] Result {
 public:
  // Both conversions are implicit on purpose: `return value;` and `return error;` are the whole
  // use.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  T& value() {
    MERGANSER_ASSERT(state_.index() == 0, "value() of a failed Result");
    return *std::get_if<0>(&state_);
  }
  const T& value() const {
    MERGANSER_ASSERT(state_.index() == 0, "value() of a failed Result");
    return *std::get_if<0>(&state_);
  }
  const Error& error() const& {
    MERGANSER_ASSERT(state_.index() == 1, "error() of a good Result");
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    MERGANSER_ASSERT(state_.index() == 1, "error() of a good Result");
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT

  explicit operator bool() const { return !error_.has_value(); }
  const Error& error() const& {
    MERGANSER_ASSERT(error_.has_value(), "error() of a good Result");
    return *error_;
  }
  Error&& error() && {
    MERGANSER_ASSERT(error_.has_value(), "error() of a good Result");
    return std::move(*error_);
  }

 private:
  std::optional<Error> error_;
};

/// A value, or every mistake that was found (at least one): for recipes and plans, whose author
/// wants all of them in one go.
template <class T>
class [[nodiscard]] Checked {
 public:
  Checked(T value) : value_(std::move(value)) {}                        // NOLINT
  Checked(std::vector<Error> errors, std::vector<Error> warnings = {})  // NOLINT
      : errors_(std::move(errors)), warnings_(std::move(warnings)) {
    MERGANSER_ASSERT(!errors_.empty(), "a failed Checked without errors");
  }
  Checked(Error error) { errors_.push_back(std::move(error)); }  // NOLINT

  explicit operator bool() const { return value_.has_value(); }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return std::move(*value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  const std::vector<Error>& errors() const { return errors_; }
  /// What else was noticed beside the errors; a good value carries its own.
  const std::vector<Error>& warnings() const { return warnings_; }

 private:
  std::optional<T> value_;
  std::vector<Error> errors_;
  std::vector<Error> warnings_;
};

}  // namespace merganser

/// `MERGANSER_TRY(auto x, f());` binds the value or returns the error; `MERGANSER_TRY(f());` does
/// the same for `Result<void>`. For use in functions that return a Result.
#define MERGANSER_TRY(...) \
  MERGANSER_TRY_PICK_(__VA_ARGS__, MERGANSER_TRY_2_, MERGANSER_TRY_1_)(__VA_ARGS__)
#define MERGANSER_TRY_PICK_(a, b, name, ...) name
#define MERGANSER_TRY_1_(expr)                                                          \
  do {                                                                                  \
    if (auto try_result_ = (expr); !try_result_) return std::move(try_result_).error(); \
  } while (false)
#define MERGANSER_TRY_2_(decl, expr) \
  MERGANSER_TRY_3_(MERGANSER_TRY_CAT_(try_value_, __LINE__), decl, expr)
#define MERGANSER_TRY_3_(name, decl, expr)   \
  auto name = (expr);                        \
  if (!name) return std::move(name).error(); \
  decl = *std::move(name)
#define MERGANSER_TRY_CAT_(a, b) MERGANSER_TRY_CAT_2_(a, b)
#define MERGANSER_TRY_CAT_2_(a, b) a##b
