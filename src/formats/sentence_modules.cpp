#include "formats/sentence_modules.h"

#include <fmt/format.h>

#include "core/file.h"
#include "core/utf8.h"
#include "formats/config.h"

namespace merganser::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargest = 1'000'000;

}  // namespace

Result<std::vector<SentenceModule>> read_sentence_modules(const fs::path& folder) {
  const fs::path file = folder / "modules.json";
  std::vector<SentenceModule> modules;
  std::error_code failure;
  if (!fs::is_regular_file(file, failure)) return modules;
  const auto bad = [&](std::string_view check, std::string message) {
    return Error{.code = Code::bad_file,
                 .message = std::move(message),
                 .file = file.string(),
                 .check = std::string(check)};
  };
  MERGANSER_TRY(const std::string list, read_small_file(file, kLargest));
  // A config is an object; the file is a list.
  MERGANSER_TRY(const Config config, Config::parse("{\"modules\": " + list + "}", file.string()));
  if (config.keys("").size() != 1 || !config.raw("modules")->starts_with('['))
    return bad("SB-1", "expected a list of modules");
  for (const std::string& text : config.elements("modules")) {
    auto module = Config::parse(text, file.string());
    const auto path = module ? module->string("path") : std::nullopt;
    if (!path) return bad("SB-1", "expected a module with a path, found " + printable(text));
    if (!path->empty()) {
      const auto relative = safe_relative_path(*path);
      if (!relative) {
        return bad("SB-1",
                   fmt::format("module \"{}\": {}", printable(*path), relative.error().message));
      }
    }
    const auto type = module->string("type");
    if (!type)
      return bad("SB-2", fmt::format("the type of module \"{}\" is no string", printable(*path)));
    modules.push_back({*path, type->substr(type->rfind('.') + 1)});
  }
  return modules;
}

}  // namespace merganser::formats
