#include "formats/reading.h"

#include <array>

#include <fmt/format.h>

#include "core/utf8.h"

namespace merganser::formats {
namespace {

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  std::string_view name;
};

using namespace std::string_view_literals;

constexpr std::string_view kTorch = "PyTorch archives";

constexpr std::array kMagics{
    Magic{0, "PK\x03\x04"sv, kTorch},
    Magic{0, "\x80\x02"sv, kTorch},  // a pickle of protocol 2, as torch.save wrote before 1.6
    Magic{0, "\x80\x03"sv, "pickle files"},
    Magic{0, "\x80\x04"sv, "pickle files"},
    Magic{0, "\x80\x05"sv, "pickle files"},
    Magic{0, "GGUF"sv, "GGUF files"},
    Magic{0, "lmgg"sv, "GGML files"},
    Magic{0, "tjgg"sv, "GGML files"},
    Magic{0, "\x89HDF\r\n\x1a\n"sv, "HDF5 files"},
    Magic{0, "\x93NUMPY"sv, "NumPy files"},
    Magic{0, "\x1f\x8b"sv, "gzip archives"},
    Magic{257, "ustar"sv, "tar archives"},
};

/// A header of fewer than 2^32 bytes that starts like JSON: some magics are also small lengths.
bool may_be_safetensors(std::string_view prefix) {
  return prefix.size() > 8 && prefix.substr(4, 4) == "\0\0\0\0"sv &&
         "{ \t\r\n"sv.find(prefix[8]) != std::string_view::npos;
}

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
                 .hint = "convert it to safetensors first"};
  }
  return std::nullopt;
}

}  // namespace merganser::formats
