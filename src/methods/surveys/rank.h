#pragma once

#include <cstdint>

#include "core/stage.h"
#include "methods/surveys/digits.h"

/// The exact k-th largest magnitude of every input, by the digits of digits.h.
///
/// Before the digits three surveys may spare them, in f32: a sample, digit by digit, brackets the
/// cut, and one reading counts what lies above the bracket and lists what lies in it, chunk by
/// chunk. Where many entries have the magnitude that the sample cuts at, as deltas of 16-bit models
/// do, the bracket is that magnitude alone and is only counted. Either the cut turns out to lie in
/// the bracket, and is exact, or the bracket missed it and the digits decide.
namespace merganser::methods::surveys {

inline constexpr int kSample = 0;  ///< Numbers of the surveys of a stage that ranks.
inline constexpr int kBrackets = 1;
inline constexpr int kNear = 2;
inline constexpr int kFirstDigit = 3;

/// 1-based rank from the top that an input's cut stands at; 0 keeps nothing, more than `count`
/// everything.
using WantedRank = std::uint64_t (*)(const Row& row, std::uint32_t input, std::uint64_t count);

/// Whether a tensor is worth a sample: it is ranked alone, in f32, and long.
bool worth_a_sample(const Row& row);

/// The first digit of each input's cut in a sample; the state is that of a digit.
Result<Facts> sample_digit(const Group& group, const State& state, WantedRank wanted);
/// Folds of its digits.
extern const Kernel<FoldFn> sample_fold[2];
/// The bracket of each input, behind the second; empty facts where one is not narrow enough.
Result<Facts> bracket_cuts(const Group& group, const State& state, const Facts& sample);

/// State, fold and facts of the entries near the cut. The facts are those of a last digit, and
/// behind them, for each chunk and input, how many of the chunk's equals come among the `rank`
/// first of all. Empty where the brackets missed.
std::vector<Part> near_state(const Row& row);
extern const Kernel<FoldFn> near_fold;
Result<Facts> find_near(const Group& group, const State& state, const Facts& brackets,
                        WantedRank wanted);
bool found_near(FactsSoFar facts);
/// Of found facts: equals that chunk number `chunk` of the tensor keeps.
std::int64_t equals_kept(const Row& row, FactsSoFar facts, std::uint64_t chunk, std::size_t input);

/// State and fold of digit number `digit`.
std::vector<Part> digit_state(const Row& row);
extern const Kernel<FoldFn> digit_fold[kDigits];

/// Starts the searches of all inputs from the counts of the first digit.
Result<Facts> first_digit(const Group& group, const State& state, WantedRank wanted);
/// Goes one digit deeper.
Result<Facts> next_digit(const Group& group, const State& state, const Facts& before);

}  // namespace merganser::methods::surveys
