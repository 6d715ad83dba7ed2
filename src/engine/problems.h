#pragma once

#include <utility>
#include <vector>

#include "merganser/merganser.h"

#include "core/error.h"
#include "core/result.h"

namespace merganser::engine {

Problem to_problem(const Error& error);
std::vector<Problem> to_problems(const std::vector<Error>& errors);

/// The status of a call that ends with these errors: the first decides.
Status status_of(const std::vector<Error>& errors);

template <class T>
Answer<T> failed(const std::vector<Error>& errors, const std::vector<Error>& warnings = {}) {
  Answer<T> answer;
  answer.status = status_of(errors);
  answer.problems = to_problems(errors);
  answer.notes = to_problems(warnings);
  return answer;
}

template <class T>
Answer<T> failed(Error error) {
  return failed<T>(std::vector<Error>{std::move(error)});
}

/// The answer with what is to be said about its recipe before its own notes. Under `strict` a
/// recipe with warnings has failed by them, and they stand among the problems.
template <class T>
Answer<T> with_warnings(Answer<T> answer, const std::vector<Error>& warnings, bool strict) {
  if (strict) return answer;
  std::vector<Problem> notes = to_problems(warnings);
  answer.notes.insert(answer.notes.begin(), notes.begin(), notes.end());
  return answer;
}

}  // namespace merganser::engine

/// `MERGANSER_ANSWER(Report, auto x, f());` binds the value of a Result or Checked, or returns a
/// failed Answer<Report>.
#define MERGANSER_ANSWER(Report, decl, expr) \
  MERGANSER_ANSWER_2_(MERGANSER_TRY_CAT_(answer_value_, __LINE__), Report, decl, expr)
#define MERGANSER_ANSWER_2_(name, Report, decl, expr)                                   \
  auto name = (expr);                                                                   \
  if (!name)                                                                            \
    return ::merganser::engine::failed<Report>(::merganser::engine::errors_of(name),    \
                                               ::merganser::engine::warnings_of(name)); \
  decl = *std::move(name)

namespace merganser::engine {

template <class T>
std::vector<Error> errors_of(const Result<T>& result) {
  return {result.error()};
}
template <class T>
std::vector<Error> errors_of(const Checked<T>& checked) {
  return checked.errors();
}
template <class T>
std::vector<Error> warnings_of(const Result<T>& /*result*/) {
  return {};
}
template <class T>
std::vector<Error> warnings_of(const Checked<T>& checked) {
  return checked.warnings();
}

}  // namespace merganser::engine
