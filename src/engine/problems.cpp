#include "engine/problems.h"

namespace merganser {

std::string Problem::text() const {
  return Error{.message = message,
               .file = file,
               .line = line,
               .column = column,
               .subject = subject,
               .check = check,
               .hint = hint}
      .text();
}

namespace engine {

Problem to_problem(const Error& error) {
  return {.code = std::string(code_id(error.code)),
          .message = error.message,
          .file = error.file,
          .line = error.line,
          .column = error.column,
          .subject = error.subject,
          .check = error.check,
          .hint = error.hint};
}

std::vector<Problem> to_problems(const std::vector<Error>& errors) {
  std::vector<Problem> problems;
  for (const Error& error : errors) problems.push_back(to_problem(error));
  return problems;
}

Status status_of(const std::vector<Error>& errors) {
  // Only a listener interrupts; what the signal meant is known to the one who caught it.
  if (errors.front().code == Code::interrupted) return Status::interrupted;
  return static_cast<Status>(exit_status(errors.front().code));
}

}  // namespace engine
}  // namespace merganser
