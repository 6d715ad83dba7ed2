#pragma once

#include <string>
#include <string_view>

namespace merganser {

/// Kinds of failure. The text id is stable (scripts read it from `--json`), the exit status follows
/// from the kind: 2 for what is wrong with the command line or the recipe, 1 for the rest.
#define MERGANSER_CODES(CODE)                             \
  CODE(usage, "usage", 2)                                 \
  CODE(recipe_syntax, "recipe-syntax", 2)                 \
  CODE(recipe_key, "recipe-key", 2)                       \
  CODE(recipe_value, "recipe-value", 2)                   \
  CODE(recipe_missing, "recipe-missing", 2)               \
  CODE(recipe_conflict, "recipe-conflict", 2)             \
  CODE(unknown_method, "unknown-method", 2)               \
  CODE(wrong_input_count, "wrong-input-count", 2)         \
  CODE(unsupported, "unsupported", 1)                     \
  CODE(model_not_found, "model-not-found", 1)             \
  CODE(architecture_mismatch, "architecture-mismatch", 1) \
  CODE(missing_tensor, "missing-tensor", 1)               \
  CODE(shape_mismatch, "shape-mismatch", 1)               \
  CODE(dtype_mismatch, "dtype-mismatch", 1)               \
  CODE(value_mismatch, "value-mismatch", 1)               \
  CODE(not_finite, "not-finite", 1)                       \
  CODE(arithmetic, "arithmetic", 1)                       \
  CODE(bad_file, "bad-file", 1)                           \
  CODE(io, "io", 1)                                       \
  CODE(output_exists, "output-exists", 1)                 \
  CODE(memory_budget, "memory-budget", 1)                 \
  CODE(disagreement, "disagreement", 1)                   \
  CODE(interrupted, "interrupted", 75)

enum class Code {
#define MERGANSER_CODE_NAME(name, id, status) name,
  MERGANSER_CODES(MERGANSER_CODE_NAME)
#undef MERGANSER_CODE_NAME
};

/// The stable text id of a code, as in `--json` and docs/errors.md.
std::string_view code_id(Code code);

/// Exit status of a command that ends with this error.
int exit_status(Code code);

/// One failure: what, where, one sentence with what was expected and what was found, and how to
/// mend it.
struct Error {
  Code code = Code::io;
  std::string message;  ///< One sentence without its place; starts in lower case, no full stop.
  std::string file;     ///< File it speaks of; empty when none.
  int line = 0;         ///< 1-based place in `file`; 0 when it has none.
  int column = 0;       ///< 1-based.
  std::string subject;  ///< Tensor, key or model it speaks of; may be empty.
  std::string check;    ///< Id of the failed format check ("ST-9"); may be empty.
  std::string hint;     ///< What to do about it, possibly a line to paste; may be empty.

  /// `file:line:column: message [check]`, and the hint on a line of its own when there is one.
  std::string text() const;
};

}  // namespace merganser
