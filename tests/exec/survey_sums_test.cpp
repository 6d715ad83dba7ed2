// Sums of surveys: the same bits in whatever order chunks come back, and however many are out at a
// time.

#include "exec/survey_sums.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include <gtest/gtest.h>

namespace merganser::exec {
namespace {

const std::vector<Part> kParts{
    {Part::Type::real, 3}, {Part::Type::whole, 2}, {Part::Type::whole, 2, true}};
const std::vector<std::uint64_t> kChunks{4, 1, 0, 7};  // by row
constexpr std::uint64_t kAll = 12;

struct Chunk {
  std::size_t row = 0;
  std::uint64_t chunk = 0;   // in the row
  std::uint64_t number = 0;  // in all rows
};

std::vector<Chunk> chunks() {
  std::vector<Chunk> all;
  for (std::size_t r = 0; r < kChunks.size(); ++r) {
    for (std::uint64_t c = 0; c < kChunks[r]; ++c) all.push_back({r, c, all.size()});
  }
  return all;
}

/// Numbers of very different sizes, so that another order gives other bits.
double real_of(std::uint64_t number, std::size_t i) {
  const double sign = (number + i) % 3 == 0 ? -1 : 1;
  return sign * std::ldexp(1.0 + static_cast<double>(number * 7 + i) / 97,
                           static_cast<int>((number * 5 + i * 11) % 50));
}
std::int64_t whole_of(std::uint64_t number, std::size_t i) {
  return static_cast<std::int64_t>(number * 10 + i) - 30;
}

struct Sums {
  std::vector<double> reals;
  std::vector<std::int64_t> wholes;
  std::vector<std::int64_t> per_chunk;
};

/// Gives chunks back in the order of `order`, with up to `most` of them out.
Sums gather(std::vector<Chunk> order, std::size_t most) {
  SurveySums sums(kParts, kAll);
  for (std::size_t first = 0; first < order.size(); first += most) {
    const std::size_t end = std::min(order.size(), first + most);
    std::vector<std::unique_ptr<StateArrays>> out;
    for (std::size_t i = first; i < end; ++i) {
      out.push_back(sums.borrow());
      State state = sums.view(*out.back(), order[i].number);
      for (std::size_t j = 0; j < 3; ++j) {
        EXPECT_EQ(state.reals[0][j], 0.0);
        state.reals[0][j] += real_of(order[i].number, j);
      }
      for (std::size_t j = 0; j < 2; ++j) {
        state.wholes[1][j] += whole_of(order[i].number, j);
        state.wholes[2][j] += whole_of(order[i].number, j + 2);
      }
    }
    for (std::size_t i = first; i < end; ++i)
      sums.give_back(std::move(out[i - first]), order[i].row, order[i].chunk);
  }
  const State state = sums.finish();
  return {{state.reals[0].begin(), state.reals[0].end()},
          {state.wholes[1].begin(), state.wholes[1].end()},
          {state.wholes[2].begin(), state.wholes[2].end()}};
}

TEST(SurveySums, add_reals_chunk_by_chunk_then_row_by_row) {
  std::vector<double> expected(3, 0.0);
  std::uint64_t number = 0;
  for (const std::uint64_t count : kChunks) {
    std::vector<double> row(3, 0.0);
    for (std::uint64_t c = 0; c < count; ++c, ++number) {
      for (std::size_t j = 0; j < 3; ++j) row[j] += real_of(number, j);
    }
    for (std::size_t j = 0; j < 3; ++j) expected[j] += row[j];
  }
  EXPECT_EQ(gather(chunks(), 1).reals, expected);
}

TEST(SurveySums, are_the_same_in_any_order) {
  const Sums expected = gather(chunks(), 1);
  std::mt19937_64 random(1);
  for (int n = 0; n < 500; ++n) {
    std::vector<Chunk> order = chunks();
    std::shuffle(order.begin(), order.end(), random);
    const Sums sums = gather(order, 1 + random() % 5);
    ASSERT_EQ(std::memcmp(sums.reals.data(), expected.reals.data(), sizeof(double) * 3), 0);
    ASSERT_EQ(sums.wholes, expected.wholes);
    ASSERT_EQ(sums.per_chunk, expected.per_chunk);
  }
}

TEST(SurveySums, keep_per_chunk_numbers_apart) {
  const Sums sums = gather(chunks(), 3);
  ASSERT_EQ(sums.per_chunk.size(), 2 * kAll);
  for (std::uint64_t number = 0; number < kAll; ++number) {
    EXPECT_EQ(sums.per_chunk[2 * number], whole_of(number, 2));
    EXPECT_EQ(sums.per_chunk[2 * number + 1], whole_of(number, 3));
  }
}

TEST(SurveySums, of_nothing_are_zero) {
  const Sums sums = gather({}, 1);
  EXPECT_EQ(sums.reals, std::vector<double>(3, 0.0));
  EXPECT_EQ(sums.wholes, std::vector<std::int64_t>(2, 0));
}

}  // namespace
}  // namespace merganser::exec
