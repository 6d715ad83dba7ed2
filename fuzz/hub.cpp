// The name of a model (the first line) and what its ref says (the rest), beside a cache with one
// snapshot. Whatever both are, a commit that is found lies in its repository of this cache.

#include "formats/hub.h"

#include <algorithm>

#include "core/file.h"
#include "target.h"

namespace merganser::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCommit = "0123456789abcdef0123456789abcdef01234567";

/// The root of a cache with one repository, `org/name`.
const fs::path& cache() {
  static const fs::path kRoot = [] {
    fs::path root = folder() / "cache";
    const fs::path repository = root / "models--org--name";
    fs::create_directories(repository / "snapshots" / kCommit);
    fs::create_directories(repository / "refs");
    fs::create_directories(repository / "blobs");
    write(("cache/models--org--name/snapshots" / fs::path(kCommit) / "config.json").string(), "{}");
    return root;
  }();
  return kRoot;
}

bool inside(const fs::path& path, const fs::path& root) {
  const fs::path real = fs::canonical(path);
  const fs::path top = fs::canonical(root);
  return std::mismatch(top.begin(), top.end(), real.begin(), real.end()).first == top.end();
}

}  // namespace

void try_input(std::string_view bytes) {
  const std::size_t end = std::min(bytes.find('\n'), bytes.size());
  const std::string_view name = bytes.substr(0, end);
  if (name.find('\0') != name.npos) return;  // no command line can say it
  const fs::path repository = cache() / "models--org--name";
  write("cache/models--org--name/refs/main", bytes.substr(std::min(end + 1, bytes.size())));
  const formats::ModelName model = formats::model_name(name);
  const auto located = formats::locate_model(model, cache());
  if (!located || located->commit.empty()) return;
  must(located->commit == kCommit, "a commit that the cache does not have");
  must(inside(located->path, repository), "a snapshot outside its repository");
  must(static_cast<bool>(formats::check_blobs(located->path)), "its blobs cannot be checked");
}

}  // namespace merganser::fuzz
