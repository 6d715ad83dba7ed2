#pragma once

#include <filesystem>
#include <vector>

#include "core/file.h"
#include "formats/writer.h"

namespace merganser::exec {

/// Where the encoded bytes of output tensors go: in any order, from several threads.
class Sink {
 public:
  virtual ~Sink() = default;
  /// Takes bytes of output tensor number `row` (in plan order), `offset` bytes behind its start.
  /// Errors: io.
  virtual Result<void> write(std::size_t row, std::uint64_t offset,
                             std::span<const std::byte> bytes) = 0;
  /// Reads what stands at a place now, to compare it with what a journal says. Errors: io.
  virtual Result<void> read_back(std::size_t row, std::uint64_t offset,
                                 std::span<std::byte> out) const = 0;
};

/// The weight files of an output, with their headers written and room for every tensor at its
/// planned place.
class OutputFiles : public Sink {
 public:
  /// Creates all files of `planned` in `folder`. Errors: io.
  static Result<OutputFiles> create(const std::filesystem::path& folder,
                                    const formats::PlannedCheckpoint& planned);
  /// Goes on with the files that an earlier run of the same plan left. Errors: io.
  static Result<OutputFiles> resume(const std::filesystem::path& folder,
                                    const formats::PlannedCheckpoint& planned);

  Result<void> write(std::size_t row, std::uint64_t offset,
                     std::span<const std::byte> bytes) override;
  Result<void> read_back(std::size_t row, std::uint64_t offset,
                         std::span<std::byte> out) const override;

  /// Syncs (unless told not to) and closes all files. Errors: io.
  Result<void> finish(bool sync);

 private:
  std::vector<OutputFile> files_;
  std::vector<File> readers_;  ///< Of a resumed run.
  std::vector<formats::Place> places_;
};

}  // namespace merganser::exec
