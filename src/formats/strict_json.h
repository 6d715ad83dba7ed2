#pragma once

#include <string>
#include <string_view>

#include <simdjson.h>

#include "formats/reading.h"

namespace merganser::formats {

/// A JSON text read by the strict rules (RD-11): valid UTF-8, exactly one object, at most 64 levels
/// deep. Duplicate keys are kept, so that the caller finds them. Used for headers and indexes.
class StrictJson {
 public:
  /// Takes `text` over; what the object points at lives as long as this. Errors: bad_file with the
  /// id `check`.
  Result<simdjson::dom::object> parse(std::string text, const Reading& reading,
                                      std::string_view check);

 private:
  simdjson::dom::parser parser_;
  std::string text_;
};

}  // namespace merganser::formats
