#include "formats/strict_json.h"

#include <fmt/format.h>

#include "core/utf8.h"

namespace merganser::formats {
namespace {

constexpr std::size_t kDeepest = 64;  // RD-4

std::string problem(simdjson::error_code code, std::string_view text) {
  if (code == simdjson::UTF8_ERROR) {
    return fmt::format("the JSON text is not valid UTF-8 at its byte {}", find_invalid_utf8(text));
  }
  if (code == simdjson::DEPTH_ERROR) {
    return fmt::format("the JSON text is nested deeper than {} levels", kDeepest);
  }
  return fmt::format("expected one JSON object, found something else in its {} bytes ({})",
                     text.size(), simdjson::error_message(code));
}

}  // namespace

Result<simdjson::dom::object> StrictJson::parse(std::string text, const Reading& reading,
                                                std::string_view check) {
  text_ = std::move(text);
  const std::size_t bytes = text_.size();
  text_.resize(bytes + simdjson::SIMDJSON_PADDING, ' ');
  const auto fail = [&](simdjson::error_code code) {
    return reading.bad(check, problem(code, std::string_view(text_).substr(0, bytes)));
  };
  if (const auto code = parser_.allocate(bytes, kDeepest)) return fail(code);
  simdjson::dom::element root;
  if (const auto code = parser_.parse(text_.data(), bytes, false).get(root)) return fail(code);
  simdjson::dom::object object;
  if (const auto code = root.get(object)) return fail(code);
  return object;
}

}  // namespace merganser::formats
