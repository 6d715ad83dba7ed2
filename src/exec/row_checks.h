#pragma once

#include <set>
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
Result<void> check_finite(const plan::Plan& plan, const plan::PlannedRow& row,
                          const ChunkBytes& bytes, const NonFinite& bad);

/// For copies that all models must agree on: compares a chunk's bytes.
Result<void> check_agreement(const plan::Plan& plan, const plan::PlannedRow& row,
                             const ChunkBytes& bytes);

/// Content hashes of the inputs: over each file's header hash and the hashes of the tensors that
/// were read, in plan order. A tensor that several rows read counts once, with the first.
class InputHashes {
 public:
  explicit InputHashes(const plan::Plan& plan);

  /// Adds a chunk of every input of a row, in order of the chunks.
  void add_chunk(const plan::PlannedRow& row, const ChunkBytes& bytes);
  void end_row(const plan::PlannedRow& row);
  std::vector<std::string> hex() const;

 private:
  std::vector<Hasher> inputs_;
  std::set<std::pair<std::size_t, std::size_t>>
      seen_;  ///< Inputs and tensors of rows that have ended.
};

}  // namespace merganser::exec
