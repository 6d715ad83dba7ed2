#include "formats/hub.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>

#include "core/file.h"
#include "core/sha.h"
#include "core/utf8.h"

namespace merganser::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestRef = 256;
constexpr std::size_t kCommitDigits = 40;
constexpr std::size_t kLeastDigits = 5;  ///< Of the beginning of a commit.
constexpr std::string_view kMain = "main";
constexpr std::string_view kSpace = " \t\r\n";

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): nothing sets it
  return value == nullptr ? "" : value;
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// Puts in `~` and `$VAR` as a shell would; a variable that is not set stays as written.
fs::path expanded(std::string text) {
  if (text == "~" || text.starts_with("~/")) text.replace(0, 1, variable("HOME"));
  for (std::size_t at = text.find('$'); at != text.npos; at = text.find('$', at + 1)) {
    const bool braced = text[at + 1] == '{';
    const std::size_t first = at + (braced ? 2 : 1);
    std::size_t last = first;
    while (last < text.size() && is_word(text[last])) ++last;
    if (braced && (last == text.size() || text[last] != '}')) continue;
    const std::string value = variable(text.substr(first, last - first));
    if (!value.empty()) text.replace(at, last + (braced ? 1 : 0) - at, value);
  }
  return text;
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_commit(std::string_view text) { return text.size() == kCommitDigits && is_hex(text); }

bool is_name_part(std::string_view part) {
  constexpr std::size_t kLongest = 96;
  return !part.empty() && part.size() <= kLongest &&
         std::all_of(part.begin(), part.end(),
                     [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

/// `org/name`, or `name` of the hub's early days.
bool is_repository(std::string_view name) {
  if (name.find("--") != name.npos || name.find("..") != name.npos || name.ends_with(".git"))
    return false;
  const std::size_t slash = name.find('/');
  const bool parts = is_name_part(name.substr(0, slash)) &&
                     (slash == name.npos || is_name_part(name.substr(slash + 1)));
  return parts && std::isalnum(static_cast<unsigned char>(name.front())) != 0;
}

std::string folder_name(std::string name) {
  if (const std::size_t slash = name.find('/'); slash != name.npos) name.replace(slash, 1, "--");
  return "models--" + name;
}

/// The repository of a snapshot, where a path is one.
std::optional<fs::path> repository_of(const fs::path& path) {
  std::error_code failure;
  const fs::path snapshot = fs::absolute(path, failure).lexically_normal();
  const fs::path plain = snapshot.has_filename() ? snapshot : snapshot.parent_path();
  const fs::path repository = plain.parent_path().parent_path();
  const bool fits = is_commit(plain.filename().string()) &&
                    plain.parent_path().filename() == "snapshots" &&
                    repository.filename().string().starts_with("models--");
  return fits ? std::optional(repository) : std::nullopt;
}

std::string commit_of(const fs::path& path) {
  return path.has_filename() ? path.filename().string() : path.parent_path().filename().string();
}

bool is_offline() {
  constexpr std::array kVariables{"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"};
  return std::any_of(kVariables.begin(), kVariables.end(), [](const char* name) {
    std::string value = variable(name);
    std::transform(value.begin(), value.end(), value.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
  });
}

/// The line that fetches a model, ready to be run.
std::string command(const ModelName& name, const fs::path& cache_dir) {
  return fmt::format("{}hf download {}{}{}{}", is_offline() ? "HF_HUB_OFFLINE=0 " : "", name.path,
                     name.revision.empty() ? "" : " --revision " + name.revision,
                     cache_dir.empty() ? "" : " --cache-dir ", cache_dir.string());
}

Error bad(std::string_view check, std::string message, const fs::path& file,
          std::string hint = "") {
  return {.code = Code::bad_file,
          .message = std::move(message),
          .file = file.string(),
          .check = std::string(check),
          .hint = std::move(hint)};
}

/// One repository of a cache, and the name that it was asked by.
class Repository {
 public:
  Repository(fs::path folder, ModelName name, fs::path cache_dir)
      : folder_(std::move(folder)), name_(std::move(name)), cache_dir_(std::move(cache_dir)) {}

  /// The snapshot of the revision that is asked for.
  Result<fs::path> find(std::vector<std::string>& notes) const {
    MERGANSER_TRY(const std::string commit, commit_wanted(notes));
    fs::path snapshot = folder_ / "snapshots" / commit;
    if (!is_there(snapshot))
      return absent(fmt::format("the cache has no files of commit {}", commit));
    return snapshot;
  }

  /// Checks every link of a snapshot before one is followed.
  Result<void> check(const fs::path& snapshot) const {
    MERGANSER_TRY(check_link(snapshot, {}));
    std::error_code failure;
    fs::recursive_directory_iterator at(snapshot, failure);
    for (const fs::recursive_directory_iterator end; !failure && at != end; at.increment(failure)) {
      if (!fs::is_symlink(at->symlink_status())) continue;
      MERGANSER_TRY(check_link(at->path(), at->path().lexically_relative(snapshot)));
    }
    if (failure) return io_error("cannot be listed", snapshot, failure.value());
    return {};
  }

  /// The first download that was not finished, if there is one.
  std::optional<std::string> unfinished() const {
    for (const std::string& name : list_folder(folder_ / "blobs")) {
      if (name.ends_with(".incomplete")) return name;
    }
    return std::nullopt;
  }

  bool knows_absent(const std::string& commit, const std::string& file) const {
    return is_there(folder_ / ".no_exist" / commit / file);
  }

  std::string fetch() const { return command(name_, cache_dir_); }

 private:
  Error absent(std::string message) const {
    return {.code = Code::model_not_found,
            .message = std::move(message),
            .file = folder_.string(),
            .subject = name_.path,
            .hint = fetch()};
  }

  Result<std::string> commit_wanted(std::vector<std::string>& notes) const {
    const std::string revision = name_.revision.empty() ? std::string(kMain) : name_.revision;
    if (is_commit(revision)) return revision;
    MERGANSER_TRY(const auto by_ref, read_ref(revision));
    if (by_ref) return *by_ref;
    const std::vector<std::string> commits = list_folder(folder_ / "snapshots");
    if (revision == kMain && commits.size() == 1 && is_commit(commits.front())) {
      notes.push_back(
          fmt::format("the cache does not say where main stands; its only snapshot, {}, "
                      "was taken",
                      commits.front()));
      return commits.front();
    }
    return by_beginning(revision, commits, notes);
  }

  /// HC-2. Nothing when the cache has no such ref.
  Result<std::optional<std::string>> read_ref(const std::string& revision) const {
    const auto relative = safe_relative_path(revision);
    if (!relative) {
      return Error{.code = Code::bad_file,
                   .message = fmt::format("revision \"{}\": {}", printable(revision),
                                          relative.error().message),
                   .subject = printable(name_.path),
                   .check = "RD-5"};
    }
    const fs::path refs = folder_ / "refs";
    std::error_code failure;
    if (!fs::is_regular_file(refs / *relative, failure)) return std::optional<std::string>();
    MERGANSER_TRY(const fs::path file, resolve_inside(refs, *relative));
    auto text = read_small_file(file, kLargestRef);
    if (!text && text.error().code != Code::bad_file) return std::move(text).error();
    const std::string all = text ? *std::move(text) : std::string();
    const std::size_t first = all.find_first_not_of(kSpace);
    const std::string commit =
        first == all.npos ? "" : all.substr(first, all.find_last_not_of(kSpace) + 1 - first);
    if (is_commit(commit)) return std::optional(commit);
    return bad("HC-2", "expected a commit of 40 hex digits, found something else", refs / *relative,
               fetch());
  }

  Result<std::string> by_beginning(const std::string& revision,
                                   const std::vector<std::string>& commits,
                                   std::vector<std::string>& notes) const {
    std::vector<std::string> fits;
    if (revision.size() >= kLeastDigits && is_hex(revision)) {
      std::copy_if(commits.begin(), commits.end(), std::back_inserter(fits),
                   [&](const std::string& commit) { return commit.starts_with(revision); });
    }
    if (fits.size() > 1) {
      return absent(fmt::format("revision {} is the beginning of {} commits in the cache", revision,
                                fits.size()));
    }
    if (fits.empty())
      return absent(fmt::format("the cache has no revision {}", printable(revision)));
    notes.push_back(fmt::format("revision {} was taken for commit {}", revision, fits.front()));
    return fits.front();
  }

  /// HC-1 and HC-3 for a file or link of a snapshot.
  Result<void> check_link(const fs::path& path, const fs::path& relative) const {
    std::error_code failure;
    const fs::path inside = fs::canonical(folder_, failure);
    const fs::path real = fs::canonical(path, failure);
    if (failure) {
      return bad("HC-3",
                 fmt::format("the download is incomplete: {} leads to nothing",
                             printable(relative.string())),
                 path, fetch());
    }
    if (std::mismatch(inside.begin(), inside.end(), real.begin(), real.end()).first == inside.end())
      return {};
    return bad(
        "HC-1",
        fmt::format("a link that leaves its repository: it leads to {}", printable(real.string())),
        path);
  }

  fs::path folder_;
  ModelName name_;
  fs::path cache_dir_;
};

Result<Located> located_path(const ModelName& name, const fs::path& root, Located found) {
  found.path = name.path;
  if (!name.revision.empty()) {
    found.notes.push_back(fmt::format("{} is a path: its revision {} means nothing",
                                      printable(name.path), printable(name.revision)));
  }
  if (is_repository(name.path) && is_there(root / folder_name(name.path))) {
    found.notes.push_back(
        fmt::format("{} is both a path and a model in the hub's cache: the path was taken",
                    printable(name.path)));
  }
  if (const auto folder = repository_of(found.path)) {
    found.commit = commit_of(found.path);
    MERGANSER_TRY(Repository(*folder, name, {}).check(found.path));
  }
  return found;
}

/// What a snapshot lacks is either not in the repository at all or was never fetched.
Error explained(Error error, const Repository& repository, const Located& place) {
  const bool shard = error.check == "IX-2" && !is_there(place.path / error.subject);
  if (error.code != Code::model_not_found && !shard) return error;
  const std::string file = shard ? error.subject : "model.safetensors";
  if (repository.knows_absent(place.commit, file)) {
    error.hint = fmt::format("{} is not in that repository", file);
    return error;
  }
  if (const auto part = repository.unfinished()) {
    error.code = Code::bad_file;
    error.check = "HC-3";
    error.message = fmt::format("the download is incomplete, blobs/{} is a part: {}",
                                printable(*part), error.message);
  }
  error.hint = "it is not in the cache; fetch it with:  " + repository.fetch();
  return error;
}

void note_absent_config(const Repository& repository, Model& model) {
  if (!model.is_folder || !model.config.empty()) return;
  model.notes.push_back(repository.knows_absent(model.commit, "config.json")
                            ? "config.json is not in that repository"
                            : "config.json is not in the cache; fetch it with:  " +
                                  repository.fetch());
}

Result<std::string> hash_of(const File& file, bool git) {
  constexpr std::uint64_t kPiece = 1 << 20;
  Sha256 sha256;
  Sha1 sha1;
  const std::string head = fmt::format("blob {}", file.size());
  sha1.add(std::as_bytes(std::span(head.c_str(), head.size() + 1)));  // with its NUL, as git does
  std::vector<std::byte> piece;
  for (std::uint64_t at = 0; at < file.size(); at += piece.size()) {
    piece.resize(std::min(kPiece, file.size() - at));
    MERGANSER_TRY(file.read_exact(at, piece));
    git ? sha1.add(piece) : sha256.add(piece);
  }
  return git ? sha1.hex() : sha256.hex();
}

}  // namespace

ModelName model_name(std::string_view text) {
  const std::size_t at = text.find('@');
  if (at == text.npos || text.find('@', at + 1) != text.npos || is_there(text))
    return {std::string(text), ""};
  return {std::string(text.substr(0, at)), std::string(text.substr(at + 1))};
}

fs::path hub_root(const fs::path& cache_dir, std::vector<std::string>& notes) {
  if (!cache_dir.empty()) return expanded(cache_dir.string());
  struct Source {
    const char* name;
    const char* below;  ///< Folder in it that is the root.
  };
  constexpr std::array kSources{Source{"HF_HUB_CACHE", ""}, Source{"HUGGINGFACE_HUB_CACHE", ""},
                                Source{"TRANSFORMERS_CACHE", ""}, Source{"HF_HOME", "hub"},
                                Source{"XDG_CACHE_HOME", "huggingface/hub"}};
  for (const auto& [name, below] : kSources) {
    const std::string value = variable(name);
    if (value.empty()) continue;
    if (std::string_view(name) == "TRANSFORMERS_CACHE") {
      notes.emplace_back("TRANSFORMERS_CACHE is out of use, set HF_HUB_CACHE instead");
    }
    return *below == '\0' ? expanded(value) : expanded(value) / below;
  }
  return expanded("~/.cache/huggingface/hub");
}

Result<Located> locate_model(const ModelName& name, const fs::path& cache_dir) {
  Located found;
  std::vector<std::string> notes;
  const fs::path root = hub_root(cache_dir, notes);
  if (is_there(name.path)) return located_path(name, root, std::move(found));
  if (!is_repository(name.path)) {
    found.path = name.path;
    return found;
  }
  const fs::path folder = root / folder_name(name.path);
  found.notes = std::move(notes);
  if (!is_there(folder)) {
    return Error{.code = Code::model_not_found,
                 .message = fmt::format("found neither a path of that name nor such a model in the "
                                        "hub's cache {}",
                                        root.string()),
                 .file = name.path,
                 .subject = name.path,
                 .hint = command(name, cache_dir)};
  }
  const Repository repository(folder, name, cache_dir);
  MERGANSER_TRY(found.path, repository.find(found.notes));
  MERGANSER_TRY(repository.check(found.path));
  found.commit = commit_of(found.path);
  return found;
}

Result<Model> open_named(const ModelName& name, const ReadOptions& options) {
  MERGANSER_TRY(Located place, locate_model(name, options.cache_dir));
  auto model = open_model(place.path, options);
  if (!place.commit.empty()) {
    const Repository repository(place.path.parent_path().parent_path(), name, options.cache_dir);
    if (!model) return explained(std::move(model).error(), repository, place);
    model->commit = place.commit;
    note_absent_config(repository, *model);
  }
  if (model) model->notes.insert(model->notes.begin(), place.notes.begin(), place.notes.end());
  return model;
}

Result<std::vector<Error>> check_blobs(const fs::path& snapshot) {
  constexpr std::size_t kSha256Digits = 64;
  std::vector<Error> found;
  if (!repository_of(snapshot)) return found;
  std::vector<fs::path> links;
  std::error_code failure;
  fs::recursive_directory_iterator at(snapshot, failure);
  for (const fs::recursive_directory_iterator end; !failure && at != end; at.increment(failure)) {
    if (fs::is_symlink(at->symlink_status())) links.push_back(at->path());
  }
  if (failure) return io_error("cannot be listed", snapshot, failure.value());
  std::sort(links.begin(), links.end());
  for (const fs::path& link : links) {
    const std::string name = fs::canonical(link, failure).filename().string();
    const bool named = is_hex(name) && (is_commit(name) || name.size() == kSha256Digits);
    if (failure || !named || fs::is_directory(link, failure)) continue;
    MERGANSER_TRY(const File file, File::open(link));
    MERGANSER_TRY(const std::string hash, hash_of(file, is_commit(name)));
    if (hash == name) continue;
    found.push_back(
        bad("HC-4", fmt::format("expected the hash {} that names its blob, found {}", name, hash),
            link, "remove the blob and fetch the model again"));
  }
  return found;
}

}  // namespace merganser::formats
