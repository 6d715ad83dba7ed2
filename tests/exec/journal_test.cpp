// What a run leaves for a later one: read back as it was, up to the first byte that is not as it
// was written.

#include "exec/journal.h"

#include <cerrno>

#include <gtest/gtest.h>

#include "support/merge.h"
#include "temp_folder.h"

namespace merganser::exec {
namespace {

/// Weights that say they come from a file.
class Stamped final : public Checkpoint {
 public:
  Stamped(std::shared_ptr<const Checkpoint> weights, SourceFile file)
      : weights_(std::move(weights)), file_(std::move(file)) {}
  std::span<const TensorInfo> tensors() const override { return weights_->tensors(); }
  Result<void> read(std::size_t tensor, std::uint64_t first,
                    std::span<std::byte> out) const override {
    return weights_->read(tensor, first, out);
  }
  std::vector<SourceFile> files() const override { return {file_}; }

 private:
  std::shared_ptr<const Checkpoint> weights_;
  SourceFile file_;
};

constexpr const char* kRecipe =
    "merge_method: linear\nmodels: [{model: a, parameters: {weight: 1}}]\n";

plan::Plan a_plan(const SourceFile& file = {"a", 100, 5, "cafe"},
                  const std::string& recipe = kRecipe) {
  auto plan = trial::plan_of(trial::vectors({{"a", {1, 2, 3}}}), recipe);
  EXPECT_TRUE(plan);
  plan->inputs[0].weights = std::make_shared<Stamped>(plan->inputs[0].weights, file);
  return *std::move(plan);
}

Journal::ChunkRecord chunk(std::uint64_t n) {
  return {.row = n,
          .chunk = n * n,
          .non_finite = n % 2,
          .hashes = {.out = {n, n + 1}, .inputs = {{n + 2, n + 3}, {n + 4, 0}}}};
}

Journal::FactsRecord facts() {
  return {
      .stage = 512, .survey = 3, .facts = std::make_shared<const Facts>(Facts{{1.5, -0.0}, {7}})};
}

/// A journal with chunk 0, facts, chunk 1, chunk 2.
void write(const std::filesystem::path& path) {
  auto journal = Journal::create(path, a_plan());
  ASSERT_TRUE(journal) << journal.error().text();
  EXPECT_TRUE((*journal)->add(chunk(0)));
  EXPECT_TRUE((*journal)->add(facts()));
  EXPECT_TRUE((*journal)->add(chunk(1)));
  EXPECT_TRUE((*journal)->add(chunk(2)));
}

void expect_chunk(const Journal::ChunkRecord& found, const Journal::ChunkRecord& expected) {
  EXPECT_EQ(found.row, expected.row);
  EXPECT_EQ(found.chunk, expected.chunk);
  EXPECT_EQ(found.non_finite, expected.non_finite);
  EXPECT_EQ(found.hashes.out, expected.hashes.out);
  EXPECT_EQ(found.hashes.inputs, expected.hashes.inputs);
}

/// Good records, in the order in which `write` wrote them: none missing, none wrong, none after a
/// gap.
void expect_beginning(const Journal& journal, std::size_t records) {
  ASSERT_EQ(journal.chunks().size() + journal.facts().size(), records);
  ASSERT_EQ(journal.facts().size(), records >= 2 ? 1U : 0U);
  for (std::size_t i = 0; i < journal.chunks().size(); ++i)
    expect_chunk(journal.chunks()[i], chunk(i));
  if (records < 2) return;
  EXPECT_EQ(journal.facts()[0].stage, 512U);
  EXPECT_EQ(journal.facts()[0].survey, 3U);
  EXPECT_EQ(journal.facts()[0].facts->real, facts().facts->real);
  EXPECT_EQ(journal.facts()[0].facts->whole, facts().facts->whole);
}

TEST(Journal, gives_back_what_was_added) {
  const TempFolder folder;
  write(folder / "journal");
  const auto journal = Journal::resume(folder / "journal", a_plan());
  ASSERT_TRUE(journal) << journal.error().text();
  expect_beginning(**journal, 4);
  EXPECT_FALSE((*journal)->times_differ());
}

// Lengths of the frames: 13 bytes around payloads of 24 + 48 bytes for a chunk, 8 + 8 + 16 + 8 + 8
// for the facts.
constexpr std::size_t kHeader = 40;
constexpr std::size_t kChunk = 13 + 24 + 48;
constexpr std::size_t kFacts = 13 + 48;
constexpr std::size_t kEnds[]{kHeader + kChunk, kHeader + kChunk + kFacts,
                              kHeader + 2 * kChunk + kFacts, kHeader + 3 * kChunk + kFacts};

std::size_t whole_before(std::size_t byte) {
  return static_cast<std::size_t>(std::upper_bound(std::begin(kEnds), std::end(kEnds), byte) -
                                  std::begin(kEnds));
}

TEST(Journal, believes_what_stands_before_a_torn_end) {
  const TempFolder folder;
  write(folder / "journal");
  const std::string text = slurp(folder / "journal");
  ASSERT_EQ(text.size(), kEnds[3]);
  for (std::size_t length = 0; length <= text.size(); ++length) {
    SCOPED_TRACE(length);
    spill(folder / "torn", text.substr(0, length));
    EXPECT_EQ(Journal::begun(folder / "torn"), length >= kHeader);
    auto journal = Journal::resume(folder / "torn", a_plan());
    ASSERT_EQ(static_cast<bool>(journal), length >= kHeader);
    if (!journal) continue;
    expect_beginning(**journal, whole_before(length));
    // What is added now stands right behind it.
    ASSERT_TRUE((*journal)->add(chunk(9)));
    journal->reset();
    const auto again = Journal::resume(folder / "torn", a_plan());
    ASSERT_TRUE(again);
    ASSERT_EQ((*again)->chunks().size() + (*again)->facts().size(), whole_before(length) + 1);
    expect_chunk((*again)->chunks().back(), chunk(9));
  }
}

TEST(Journal, believes_nothing_from_a_flipped_bit_on) {
  const TempFolder folder;
  write(folder / "journal");
  const std::string text = slurp(folder / "journal");
  for (std::size_t at = kHeader; at < text.size(); ++at) {
    for (const int bit : {0, 3, 7}) {
      SCOPED_TRACE(at);
      std::string flipped = text;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      spill(folder / "flipped", flipped);
      const auto journal = Journal::resume(folder / "flipped", a_plan());
      ASSERT_TRUE(journal);
      expect_beginning(**journal, whole_before(at));
    }
  }
}

TEST(Journal, of_another_plan_is_refused) {
  const TempFolder folder;
  write(folder / "journal");
  std::vector<plan::Plan> others;
  others.push_back(a_plan({"a", 101, 5, "cafe"}));
  others.push_back(a_plan({"a", 100, 5, "beef"}));
  others.push_back(a_plan({"a", 100, 5, "cafe"},
                          "merge_method: linear\nmodels: [{model: a, parameters: {weight: 2}}]\n"));
  others.push_back(a_plan({"a", 100, 5, "cafe"}, std::string(kRecipe) + "out_dtype: bfloat16\n"));
  others.push_back(a_plan());
  others.back().seed = 77;
  for (const plan::Plan& other : others) {
    const auto journal = Journal::resume(folder / "journal", other);
    ASSERT_FALSE(journal);
    EXPECT_EQ(journal.error().code, Code::bad_file);
    EXPECT_NE(journal.error().hint.find("--overwrite"), std::string::npos);
  }
  std::string text = slurp(folder / "journal");
  text[0] = 'X';
  spill(folder / "journal", text);
  EXPECT_FALSE(Journal::resume(folder / "journal", a_plan()));
}

TEST(Journal, goes_on_when_only_times_differ_and_says_so) {
  const TempFolder folder;
  write(folder / "journal");
  const auto journal = Journal::resume(folder / "journal", a_plan({"elsewhere", 100, 6, "cafe"}));
  ASSERT_TRUE(journal);
  EXPECT_TRUE((*journal)->times_differ());
  expect_beginning(**journal, 4);
}

TEST(Journal, does_not_start_over_another) {
  const TempFolder folder;
  write(folder / "journal");
  EXPECT_EQ(Journal::create(folder / "journal", a_plan()).error().code, Code::output_exists);
}

class FullDisk {
 public:
  FullDisk() {
    file_calls().pwrite = [](int, const void*, std::size_t, off_t) -> ssize_t {
      return errno = ENOSPC, -1;
    };
  }
  ~FullDisk() { file_calls() = before_; }

 private:
  FileCalls before_ = file_calls();
};

TEST(Journal, tells_of_a_full_disk) {
  const TempFolder folder;
  auto journal = Journal::create(folder / "journal", a_plan());
  ASSERT_TRUE(journal);
  ASSERT_TRUE((*journal)->add(chunk(0)));
  {
    const FullDisk full;
    const auto added = (*journal)->add(chunk(1));
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, Code::io);
    EXPECT_NE(added.error().hint.find("disk is full"), std::string::npos);
    EXPECT_FALSE(Journal::create(folder / "other", a_plan()));
  }
  const auto again = Journal::resume(folder / "journal", a_plan());
  ASSERT_TRUE(again);
  expect_beginning(**again, 1);
}

}  // namespace
}  // namespace merganser::exec
