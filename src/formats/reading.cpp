#include "formats/reading.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/utf8.h"

namespace merganser::formats {
namespace {

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  std::string_view name;
  std::string_view hint = "convert it to safetensors first";
};

constexpr std::size_t kLongestName = 4096;

using namespace std::string_view_literals;

constexpr std::array kMagics{
    Magic{0, "GGUF"sv, "GGUF files"},
    Magic{0, "lmgg"sv, "GGML files"},
    Magic{0, "tjgg"sv, "GGML files"},
    Magic{0, "\x89HDF\r\n\x1a\n"sv, "HDF5 files"},
    Magic{0, "\x93NUMPY"sv, "NumPy files"},
    Magic{0, "\x1f\x8b"sv, "gzip archives"},
    Magic{257, "ustar"sv, "tar archives",
          "if torch wrote it (before 0.1.10): load it with torch and save it again"},
};

}  // namespace

Error Reading::bad(std::string_view check, std::string message, std::string_view subject,
                   std::string hint) const {
  return {.code = Code::bad_file,
          .message = std::move(message),
          .file = file,
          .subject = printable(subject),
          .check = std::string(check),
          .hint = std::move(hint)};
}

Result<void> Reading::found(Error error) const {
  constexpr std::size_t kMostFindings = 1000;
  if (options.findings == nullptr || kept() == kMostFindings) return error;
  options.findings->push_back(std::move(error));
  return {};
}

std::size_t Reading::kept() const {
  return options.findings == nullptr ? 0 : options.findings->size();
}

Result<void> Reading::nothing_since(std::size_t before) const {
  if (kept() == before) return {};
  return (*options.findings)[before];
}

Result<void> Reading::strict(Error error) const {
  if (!options.lenient) return found(std::move(error));
  note(fmt::format("{}: {} [{}]", error.file, error.message, error.check));
  return {};
}

Result<void> check_tensor_name(std::string_view name, const Reading& reading) {
  const auto bad = [&](std::string_view what) {
    return reading.bad("RD-6", fmt::format("tensor \"{}\" {}", printable(name), what), name);
  };
  if (name.empty() || name.size() > kLongestName) {
    return bad(fmt::format("has a name of {} bytes, expected 1 to {}", name.size(), kLongestName));
  }
  if (name.find('\0') != name.npos) return bad("has a NUL in its name");
  const bool control = std::any_of(name.begin(), name.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (control) return reading.strict(bad("has a control character in its name"));
  return {};
}

bool may_be_safetensors(std::string_view prefix) {
  return prefix.size() > 8 && prefix.substr(4, 4) == "\0\0\0\0"sv &&
         "{ \t\r\n"sv.find(prefix[8]) != std::string_view::npos;
}

void Reading::note(std::string text) const {
  if (notes != nullptr) notes->push_back(std::move(text));
}

std::optional<Error> foreign_format(const std::filesystem::path& path, std::string_view prefix) {
  if (prefix.starts_with("version https://git-lfs")) {
    return Error{.code = Code::bad_file,
                 .message = "is a git LFS pointer of a few lines, not the weights themselves",
                 .file = path.string(),
                 .check = "ST-15",
                 .hint = "fetch the file it stands for with: git lfs pull"};
  }
  if (may_be_safetensors(prefix)) return std::nullopt;
  for (const Magic& magic : kMagics) {
    if (prefix.size() < magic.offset || !prefix.substr(magic.offset).starts_with(magic.bytes))
      continue;
    return Error{.code = Code::unsupported,
                 .message = fmt::format("reading {} is not supported yet", magic.name),
                 .file = path.string(),
                 .hint = std::string(magic.hint)};
  }
  return std::nullopt;
}

}  // namespace merganser::formats
