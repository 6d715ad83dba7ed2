#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "core/file.h"
#include "core/hash.h"
#include "core/stage.h"
#include "exec/row_checks.h"
#include "plan/plan.h"

namespace merganser::exec {

/// What a run has done so far, in a file beside its unfinished output, so that a later run can go
/// on where this one ended, however it ended. The file is a key and then records that are only ever
/// added:
///
///   1. 8 bytes "MRGNSRJ2", 16 bytes key, 16 bytes hash of the inputs' times
///   2. records: u8 kind, u32 payload length n, n bytes payload, u64 xxh3 of kind and payload; all
///   little-endian
///        kind 1, a chunk that was written: u64 row, u64 chunk, u64 NaN and infinities in its
///        inputs, its hashes (16 bytes: output; then 16
///                for every input)
///        kind 2, facts of a survey of model scope: u32 stage, u32 survey, u64 count and reals, u64
///        count and whole numbers
///
/// A record that is torn or wrong ends the journal: what stands behind it is not believed and is
/// written over. A chunk is believed only if the output still holds bytes with that hash (the
/// executor checks). Adding is safe from several threads.
class Journal {
 public:
  struct ChunkRecord {
    std::uint64_t row = 0;
    std::uint64_t chunk = 0;
    std::uint64_t non_finite = 0;
    ChunkHashes hashes;
  };
  struct FactsRecord {
    std::uint32_t stage = 0;
    std::uint32_t survey = 0;
    std::shared_ptr<const Facts> facts;
  };

  /// True when there is a journal at `path`, and not the beginning of one that an earlier run came
  /// no further with.
  static bool begun(const std::filesystem::path& path);
  /// Starts a journal; `path` must not exist. Errors: io.
  static Result<std::unique_ptr<Journal>> create(const std::filesystem::path& path,
                                                 const plan::Plan& plan);
  /// Reads the journal of an earlier run of the same plan and goes on with it. Errors: io; bad_file
  /// when it is of another plan.
  static Result<std::unique_ptr<Journal>> resume(const std::filesystem::path& path,
                                                 const plan::Plan& plan);

  /// What the earlier run had done; empty after `create`.
  const std::vector<ChunkRecord>& chunks() const { return chunks_; }
  const std::vector<FactsRecord>& facts() const { return facts_; }
  /// True when inputs have other times than they had for the earlier run, though sizes and headers
  /// are the same.
  bool times_differ() const { return times_differ_; }

  Result<void> add(const ChunkRecord& record);
  Result<void> add(const FactsRecord& record);

 private:
  explicit Journal(OutputFile file) : file_(std::move(file)) {}
  Result<void> append(std::uint8_t kind, const std::string& payload);
  /// Reads records of `text` from `at` on; returns where the last good one ends.
  std::size_t read_records(const std::string& text, std::size_t at);

  OutputFile file_;
  std::mutex mutex_;  ///< Guards end_.
  std::uint64_t end_ = 0;
  std::vector<ChunkRecord> chunks_;
  std::vector<FactsRecord> facts_;
  bool times_differ_ = false;
};

/// What must be the same for a run to go on with another's work: recipe, seed, program version,
/// layout of the output, and the inputs' sizes and headers. Not: threads, memory, CPU level, times.
Hash128 plan_key(const plan::Plan& plan);

}  // namespace merganser::exec
