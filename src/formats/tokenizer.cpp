#include "formats/tokenizer.h"

#include <algorithm>
#include <array>
#include <istream>
#include <streambuf>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "core/utf8.h"

// Where a tokenizer keeps its tokens:
//
//   tokenizer.json  an object with
//     "model": {"vocab": {"<token>": id, ...}}        BPE, WordPiece, WordLevel
//     "model": {"vocab": [["<token>", score], ...]}   Unigram: ids count from 0
//     "added_tokens": [{"id": id, "content": "<token>", ...}, ...]
//   vocab.json      {"<token>": id, ...}
//   vocab.txt       a token a line, ids count from 0
//
// Everything else in them, merges above all, is passed over as it is read.

namespace merganser::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestFile = 512'000'000;
constexpr std::uint64_t kLargestId = (std::uint64_t{1} << 31) - 1;
constexpr std::uint64_t kMostTextBytes = std::uint64_t{1} << 31;
constexpr std::size_t kDeepest = 64;  // RD-4

Error bad(const fs::path& path, std::string_view check, std::string message) {
  return {.code = Code::bad_file,
          .message = std::move(message),
          .file = path.string(),
          .check = std::string(check)};
}

/// A file as a stream that holds one piece of it.
class Pieces final : public std::streambuf {
 public:
  explicit Pieces(const File& file) : file_(file) {}

  /// What went wrong while reading, if anything.
  const std::optional<Error>& failure() const { return failure_; }

 protected:
  int_type underflow() override {
    const auto bytes =
        static_cast<std::size_t>(std::min<std::uint64_t>(piece_.size(), file_.size() - offset_));
    if (bytes == 0 || failure_) return traits_type::eof();
    const auto piece = std::as_writable_bytes(std::span(piece_).first(bytes));
    if (auto read = file_.read_exact(offset_, piece); !read) {
      failure_ = read.error();
      return traits_type::eof();
    }
    offset_ += bytes;
    setg(piece_.data(), piece_.data(), piece_.data() + bytes);
    return traits_type::to_int_type(piece_[0]);
  }

 private:
  const File& file_;
  std::uint64_t offset_ = 0;
  std::array<char, 65536> piece_{};
  std::optional<Error> failure_;
};

/// Takes the tokens out of the events of a JSON text. Its functions return false to stop the
/// parser; why() then says what is wrong.
class TokenReader {
 public:
  /// `is_map`: the text is a map of tokens (vocab.json), and not a tokenizer.
  TokenReader(TokenIds& tokens, bool is_map) : tokens_(tokens), is_map_(is_map) {}

  const std::string& why() const { return why_; }
  bool has_vocabulary() const { return has_vocabulary_; }

  bool null() { return scalar(); }
  bool boolean(bool) { return scalar(); }
  bool number_float(double, const std::string&) { return scalar(); }
  bool binary(std::vector<std::uint8_t>&) { return scalar(); }
  bool number_integer(std::int64_t value) {
    return is_id() ? stop(fmt::format("token \"{}\" has the id {}", shown(), value)) : scalar();
  }
  bool number_unsigned(std::uint64_t value) {
    if (!is_id()) return scalar();
    if (value > kLargestId) {
      return stop(fmt::format("token \"{}\" has the id {}, expected at most {}", shown(), value,
                              kLargestId));
    }
    if (at() == Place::added) {
      id_ = value;
      return true;
    }
    return add(key_, value, false);
  }
  bool string(std::string& value) {
    if (at() == Place::added && key_ == "content") {
      text_ = std::move(value);
      return true;
    }
    if (at() == Place::piece && !std::exchange(piece_seen_, true))
      return add(value, pieces_++, false);
    return scalar();
  }
  bool start_object(std::size_t) {
    if (is_id()) return scalar();
    switch (at()) {
      case Place::outside:
        return enter(is_map_ ? Place::map : Place::top);
      case Place::top:
        return enter(key_ == "model" ? Place::model : Place::other);
      case Place::model:
        return enter(key_ == "vocab" ? Place::map : Place::other);
      case Place::added_list:
        text_.reset();
        id_.reset();
        return enter(Place::added);
      default:
        return enter(Place::other);
    }
  }
  bool start_array(std::size_t) {
    if (is_id()) return scalar();
    if (at() == Place::outside) return stop("expected an object, found a list");
    if (at() == Place::top && key_ == "added_tokens") return enter(Place::added_list);
    if (at() == Place::model && key_ == "vocab") return enter(Place::list);
    if (at() == Place::list) {
      piece_seen_ = false;
      return enter(Place::piece);
    }
    return enter(Place::other);
  }
  bool key(std::string& name) {
    if (at() != Place::other) key_ = std::move(name);
    return true;
  }
  bool end_object() {
    if (at() == Place::added) {
      if (!text_ || !id_) return stop("an added token has no content or no id");
      if (!add(*text_, *id_, true)) return false;
    }
    places_.pop_back();
    return true;
  }
  bool end_array() {
    if (at() == Place::piece && !piece_seen_)
      return stop(fmt::format("token number {} has no text", pieces_));
    places_.pop_back();
    return true;
  }
  bool parse_error(std::size_t byte, const std::string&, const nlohmann::json::exception&) {
    return stop(fmt::format("is no JSON text at its byte {}", byte));
  }

 private:
  enum class Place : std::uint8_t {
    outside,
    top,
    model,
    map,         ///< Of tokens to ids.
    list,        ///< Of pieces.
    piece,       ///< A token and its score.
    added_list,  ///< Of added tokens.
    added,
    other,
  };

  Place at() const { return places_.empty() ? Place::outside : places_.back(); }
  bool enter(Place place) {
    if (places_.size() == kDeepest)
      return stop(fmt::format("is nested deeper than {} levels", kDeepest));
    has_vocabulary_ = has_vocabulary_ || place == Place::map || place == Place::list;
    places_.push_back(place);
    return true;
  }
  /// An id is expected here, and nothing else.
  bool is_id() const { return at() == Place::map || (at() == Place::added && key_ == "id"); }
  bool scalar() {
    if (is_id()) return stop(fmt::format("token \"{}\" has no whole number as its id", shown()));
    if (at() == Place::list) return stop(fmt::format("token number {} is no pair", pieces_));
    return at() != Place::outside || stop("expected an object, found something else");
  }
  bool add(std::string_view text, std::uint64_t id, bool added) {
    text_bytes_ += text.size();
    if (text_bytes_ > kMostTextBytes) return stop("has too many tokens");
    tokens_.add(text, static_cast<std::uint32_t>(id), added);
    return true;
  }
  std::string shown() const { return printable(at() == Place::added ? text_.value_or("") : key_); }
  bool stop(std::string why) {
    why_ = std::move(why);
    return false;
  }

  TokenIds& tokens_;
  bool is_map_;
  std::vector<Place> places_;
  std::string key_;
  std::optional<std::string> text_;  ///< Of the added token at hand.
  std::optional<std::uint64_t> id_;
  bool piece_seen_ = false;
  std::uint64_t pieces_ = 0;
  std::uint64_t text_bytes_ = 0;
  bool has_vocabulary_ = false;
  std::string why_;
};

Result<void> read_json(std::istream& in, const fs::path& path, bool is_map, TokenIds& tokens) {
  TokenReader reader(tokens, is_map);
  if (!nlohmann::json::sax_parse(in, &reader)) return bad(path, "TK-1", reader.why());
  if (!reader.has_vocabulary()) return bad(path, "TK-1", "has no vocabulary");
  return {};
}

Result<void> read_lines(std::istream& in, const fs::path& path, TokenIds& tokens) {
  std::uint32_t id = 0;
  for (std::string line; std::getline(in, line); ++id) {
    if (line.ends_with('\r')) line.pop_back();
    if (find_invalid_utf8(line) != line.npos)
      return bad(path, "TK-1", fmt::format("line {} is not valid UTF-8", id + 1));
    tokens.add(line, id, false);
  }
  return {};
}

}  // namespace

void TokenIds::add(std::string_view text, std::uint32_t id, bool added) {
  entries_.push_back({static_cast<std::uint32_t>(texts_.size()),
                      static_cast<std::uint32_t>(text.size()), id, added});
  texts_ += text;
}

std::optional<std::string> TokenIds::finish() {
  std::sort(entries_.begin(), entries_.end(), [this](const Entry& a, const Entry& b) {
    const int order = text(a).compare(text(b));
    return order != 0 ? order < 0 : a.added > b.added;
  });
  std::size_t kept = 0;
  for (const Entry& entry : entries_) {
    const bool again = kept > 0 && text(entries_[kept - 1]) == text(entry);
    if (again && entries_[kept - 1].added == entry.added && entries_[kept - 1].id != entry.id)
      return std::string(text(entry));
    if (!again) entries_[kept++] = entry;
  }
  entries_.resize(kept);
  return std::nullopt;
}

std::uint32_t TokenIds::largest_id() const {
  std::uint32_t largest = 0;
  for (const Entry& entry : entries_) largest = std::max(largest, entry.id);
  return largest;
}

TokenIds::Token TokenIds::operator[](std::size_t i) const {
  return {text(entries_[i]), entries_[i].id};
}

std::string_view TokenIds::text(const Entry& entry) const {
  return std::string_view(texts_).substr(entry.offset, entry.bytes);
}

Result<TokenIds> read_token_file(const fs::path& path) {
  MERGANSER_TRY(const File file, File::open(path));
  if (file.size() > kLargestFile) {
    return bad(path, "TK-1",
               fmt::format("has {} bytes, expected at most {}", file.size(), kLargestFile));
  }
  Pieces pieces(file);
  std::istream in(&pieces);
  TokenIds tokens;
  auto read = path.extension() == ".txt"
                  ? read_lines(in, path, tokens)
                  : read_json(in, path, path.filename() == "vocab.json", tokens);
  if (pieces.failure()) return *pieces.failure();
  if (!read) return std::move(read).error();
  if (const auto twice = tokens.finish())
    return bad(path, "TK-2", fmt::format("token \"{}\" stands there twice", printable(*twice)));
  // Whoever makes an array with a place per id must not be led to make a huge one.
  if (const std::uint64_t limit = 4 * std::uint64_t{tokens.size()} + 1024;
      tokens.largest_id() >= limit) {
    return bad(path, "TK-1",
               fmt::format("has the id {} among {} tokens, expected less than {}",
                           tokens.largest_id(), tokens.size(), limit));
  }
  return tokens;
}

Result<std::optional<TokenIds>> read_token_ids(const fs::path& folder) {
  for (const char* name : {"tokenizer.json", "vocab.json", "vocab.txt"}) {
    std::error_code failure;
    if (!fs::exists(folder / name, failure)) continue;
    MERGANSER_TRY(TokenIds tokens, read_token_file(folder / name));
    return std::optional<TokenIds>(std::move(tokens));
  }
  return std::optional<TokenIds>();
}

}  // namespace merganser::formats
