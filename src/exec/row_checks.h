#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/hash.h"
#include "exec/chain.h"
#include "plan/plan.h"

/// What every executor checks and records while it works through rows.
namespace merganser::exec {

const TensorInfo& tensor_of(const plan::Plan& plan, const plan::Source& source);

/// An error for NaN and infinities in a row whose stages cannot have them; names model, tensor and
/// first index.
Result<void> check_finite(const plan::Plan& plan, const plan::PlannedRow& row, const Piece& piece,
                          const NonFinite& bad);

/// For copies that all models must agree on: compares a piece's bytes.
Result<void> check_agreement(const plan::Plan& plan, const plan::PlannedRow& row,
                             const Piece& piece);

/// Hashes of one chunk: of what was written, and of the stored bytes of every input (the models,
/// then the base).
struct ChunkHashes {
  Hash128 out;
  std::vector<Hash128> inputs;
};

/// Tensors that a row reads.
inline std::size_t inputs_of(const plan::PlannedRow& row) {
  return row.sources.size() + (row.base ? 1 : 0);
}

/// Makes them while the chunk's pieces are at hand, one behind the other.
class ChunkHasher {
 public:
  explicit ChunkHasher(const plan::PlannedRow& row) : inputs_(inputs_of(row)) {}

  /// `out`: what becomes of the piece.
  void add(const Piece& piece, std::span<const std::byte> out);
  ChunkHashes finish() const;

 private:
  Hasher out_;
  std::vector<Hasher> inputs_;
};

/// Hashes of all chunks of a run, put together when it is over: by output tensor over its chunks;
/// by input over its files' header hashes and the chunks of the tensors that were read, in plan
/// order. A tensor that several rows read counts once, with the first. Chunks may come in any
/// order; different chunks from different threads.
class HashLog {
 public:
  explicit HashLog(const plan::Plan& plan);

  /// Copied into memory that was taken at the start: small pieces that stay, allocated among the
  /// large ones that come and go with every chunk, would let the heap grow without end.
  void set(std::size_t row, std::uint64_t chunk, const ChunkHashes& hashes) {
    chunks_[row][chunk] = hashes;
  }
  std::vector<std::string> outputs() const;
  std::vector<std::string> inputs() const;

 private:
  const plan::Plan& plan_;
  std::vector<std::vector<ChunkHashes>> chunks_;
};

}  // namespace merganser::exec
