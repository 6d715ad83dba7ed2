#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "formats/model.h"

// The hub's cache, as its own client lays it out:
//
//   <root>/models--<org>--<name>/
//     refs/<revision>              the commit that a branch, tag or pull request stands at: 40 hex
//                                  digits; "/" of a revision makes folders
//     blobs/<sha1 or sha256>       contents; `*.incomplete` while they are fetched
//     snapshots/<commit>/<file>    links into blobs, or plain files where links are unavailable
//     .no_exist/<commit>/<file>    empty: known to be absent from the repository

namespace merganser::formats {

/// A model as people name it: a path, or `org/name` on a hub; with a revision, if they care.
struct ModelName {
  std::string path;
  std::string revision;
};

/// Reads `MODEL[@REVISION]`. What is there as a path is one, whatever it is called.
ModelName model_name(std::string_view text);

/// Where a model lies that was named.
struct Located {
  std::filesystem::path path;
  std::string commit;              ///< Of a snapshot in a hub's cache; empty for other paths.
  std::vector<std::string> notes;  ///< How the name was understood, where that is not plain.
};

/// Root of the hub's cache: `cache_dir`, else what HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE,
/// TRANSFORMERS_CACHE, HF_HOME or XDG_CACHE_HOME say, else ~/.cache/huggingface/hub; `~` and
/// `$VAR` are expanded. A name that is out of use is told in `notes`.
std::filesystem::path hub_root(const std::filesystem::path& cache_dir,
                               std::vector<std::string>& notes);

/// Finds a model without asking any network: a path that exists wins, then the snapshot of that
/// revision (default: main) in the cache. Unique beginnings of commits stand for them, and so does
/// the only snapshot for main. A name that can be neither is given back as a path. Errors:
/// model_not_found with the command that fetches it; bad_file HC-1 (a link that leaves its
/// repository), HC-2 (a ref that is no commit), HC-3 (a link to nothing: the download was
/// interrupted), RD-5 (a revision that is no relative path).
Result<Located> locate_model(const ModelName& name, const std::filesystem::path& cache_dir);

/// Finds a model and opens it. Errors: as locate_model and open_model; files that a snapshot lacks
/// are told apart as absent from the repository and as not fetched.
Result<Model> open_named(const ModelName& name, const ReadOptions& options);

/// Hashes the blobs that a snapshot links to and compares them with their names (HC-4): sha256 for
/// names of 64 digits, git's sha1 for those of 40. Reads every byte. Returns what does not agree;
/// nothing for a folder that is no snapshot. Errors: io.
Result<std::vector<Error>> check_blobs(const std::filesystem::path& snapshot);

}  // namespace merganser::formats
