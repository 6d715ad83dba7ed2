#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace merganser::formats {

/// The tokens of a model with their ids: those of its vocabulary and the added ones, whose ids win
/// where both have a token.
class TokenIds {
 public:
  struct Token {
    std::string_view text;  ///< Lives as long as the table.
    std::uint32_t id = 0;
  };

  void add(std::string_view text, std::uint32_t id, bool added);
  /// To be called once, after the last token. Returns a text that the vocabulary has twice, if any.
  std::optional<std::string> finish();

  std::size_t size() const { return entries_.size(); }
  std::uint32_t largest_id() const;
  /// Token number i of all by text, in byte order.
  Token operator[](std::size_t i) const;

 private:
  struct Entry {
    std::uint32_t offset;
    std::uint32_t bytes;
    std::uint32_t id;
    bool added;
  };
  std::string_view text(const Entry& entry) const;

  std::string texts_;
  std::vector<Entry> entries_;
};

/// Reads the tokens of a model folder from the first that it has of tokenizer.json, vocab.json and
/// vocab.txt; nothing when it has none of them. The files are read in pieces: memory is about 40
/// bytes a token. Errors: io; bad_file TK-1 (no tokenizer, ids far beyond their number, a file
/// above 512 MB), TK-2 (a token twice).
Result<std::optional<TokenIds>> read_token_ids(const std::filesystem::path& folder);

/// The same of one file; its name decides how it is read.
Result<TokenIds> read_token_file(const std::filesystem::path& path);

}  // namespace merganser::formats
