#include "core/error.h"

#include <array>

namespace merganser {
namespace {

struct CodeInfo {
  std::string_view id;
  int status;
};

constexpr std::array kCodes{
#define MERGANSER_CODE_INFO(name, id, status) CodeInfo{id, status},
    MERGANSER_CODES(MERGANSER_CODE_INFO)
#undef MERGANSER_CODE_INFO
};

}  // namespace

std::string_view code_id(Code code) { return kCodes[static_cast<std::size_t>(code)].id; }

int exit_status(Code code) { return kCodes[static_cast<std::size_t>(code)].status; }

std::string Error::text() const {
  std::string out;
  if (!file.empty()) {
    out = file;
    if (line > 0) out += ":" + std::to_string(line) + ":" + std::to_string(column);
    out += ": ";
  }
  out += message;
  if (!check.empty()) out += " [" + check + "]";
  if (!hint.empty()) out += "\n  hint: " + hint;
  return out;
}

}  // namespace merganser
