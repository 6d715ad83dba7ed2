#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace merganser::formats {

/// A people's JSON file (config.json, generation_config.json, tokenizer_config.json), kept as text:
/// reading looks values up, editing replaces the span of one value and leaves every other byte as
/// it was. NaN and Infinity are accepted here. Keys may be dotted
/// ("text_config.num_hidden_layers").
class Config {
 public:
  Config() = default;

  /// Checks HF-1: at most 16 MB, strict UTF-8, one object, nesting at most 64.
  static Result<Config> parse(std::string text, std::string file);

  bool empty() const { return text_.empty(); }
  const std::string& text() const { return text_; }
  const std::string& file() const { return file_; }

  bool has(std::string_view key) const;
  std::optional<std::string> string(std::string_view key) const;
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  /// The strings of an array of strings (`architectures`).
  std::vector<std::string> strings(std::string_view key) const;
  /// The raw JSON text of a value ("null", "[1, 2]"), for comparisons.
  std::optional<std::string> raw(std::string_view key) const;
  /// Keys of an object, "" for the top level, in file order.
  std::vector<std::string> keys(std::string_view key) const;
  /// Raw JSON texts of an array's elements.
  std::vector<std::string> elements(std::string_view key) const;

  /// Replaces the value of `key` with the JSON text `value`, or adds the key at the end of its
  /// object with the file's indentation.
  void set(std::string_view key, std::string_view value);

  /// Takes out `key` with its value and one comma. Does nothing when it is not there.
  void erase(std::string_view key);

 private:
  std::string text_;
  std::string file_;
};

}  // namespace merganser::formats
