#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/result.h"
#include "formats/pickle.h"
#include "formats/reading.h"

namespace merganser::formats {

/// What a file of torch.save holds: a pickle, and the storages that it names.
struct TorchContents {
  Pickled pickled;
  std::vector<std::uint64_t>
      places;  ///< Byte of the file where each storage's visible part starts.
  bool big_endian = false;
  std::string header_hash;  ///< Of the bytes that say what lies where.
};

/// The container since torch 1.6, a ZIP archive; checks ZP-1 to ZP-8 and the pickle. Errors: io;
/// bad_file with its check; unsupported for other archives (TorchScript, torch.package, NumPy).
Result<TorchContents> read_torch_zip(const File& file, const Reading& reading);

/// The container before torch 1.6, pickles and storages one behind the other; checks LG-1 to LG-5
/// and the pickles. Errors: as above.
Result<TorchContents> read_torch_legacy(const File& file, const Reading& reading);

}  // namespace merganser::formats
