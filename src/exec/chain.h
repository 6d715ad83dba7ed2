#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/cpu.h"
#include "core/stage.h"
#include "plan/plan.h"

namespace merganser::exec {

/// Facts of one row: by link of its chain, by survey of the link's stage. Shared, because a survey
/// of model scope has one set for all rows.
using RowFacts = std::vector<std::vector<std::shared_ptr<const Facts>>>;
RowFacts empty_facts(const plan::PlannedRow& row);
/// What a survey that is left out leaves: empty facts, the same ones for all.
std::shared_ptr<const Facts> no_facts();

/// The next survey of a row that has no facts yet.
struct Pending {
  std::size_t link = 0;
  std::size_t survey = 0;
  Scope scope = Scope::none;  ///< none: all facts are there, the row can be merged.
};
/// Finds it, and gives those that only spare others, or are not wanted, empty facts on the way.
Pending next_survey(const plan::PlannedRow& row, RowFacts& facts);

/// Whether a survey whose turn it is has to be run, by the facts before it.
bool is_wanted(const plan::PlannedRow& row, const RowFacts& facts, const Pending& survey);

/// Stored bytes of consecutive elements of a row's inputs: of a whole chunk, or of a part of it.
struct Piece {
  std::uint64_t chunk = 0;     ///< Number of the chunk in the row.
  std::uint64_t first = 0;     ///< First element, counted from the chunk's.
  std::uint64_t elements = 0;  ///< Whole tiles, but for the chunk's last piece.
  bool begins = true;          ///< It is the first of its chunk that is looked at.
  std::vector<std::span<const std::byte>> models;
  std::span<const std::byte> base;  ///< Empty where the row has none.
};

/// What a piece's inputs held that is no finite number.
struct NonFinite {
  std::uint64_t count = 0;
  std::size_t source = 0;  ///< First source that had one; models first, then the base.
};

/// Takes chunks of one row through its chain: widens tiles, puts in minus and plus base where
/// neighbouring stages differ in what they work on, runs stages and surveys, encodes. Owns the
/// working memory of one thread. Which chunks it sees, and in which order, changes nothing, nor
/// does it how a chunk is cut into pieces; they come one behind the other.
class ChainRunner {
 public:
  /// Both must outlive the runner; facts may be added to between chunks.
  ChainRunner(const plan::Plan& plan, const plan::PlannedRow& row, const RowFacts& facts,
              Level level);
  ~ChainRunner();
  ChainRunner(const ChainRunner&) = delete;
  ChainRunner& operator=(const ChainRunner&) = delete;

  /// Bytes that a runner for this row allocates.
  static std::size_t working_bytes(const plan::PlannedRow& row);

  /// Folds a piece into `state` (its reals: sums of its chunk alone) for one survey.
  NonFinite fold(const Piece& piece, const Pending& survey, State& state);

  /// Merges a piece: writes its elements, encoded, to `out`.
  NonFinite merge(const Piece& piece, std::span<std::byte> out);

 private:
  template <class T>
  class Tiles;
  struct Any;
  std::unique_ptr<Any> tiles_;
};

/// Elements of chunk number `chunk`: the last may be shorter.
std::uint64_t chunk_size(const plan::PlannedRow& row, std::uint64_t chunk);

}  // namespace merganser::exec
