// Whole merges on disk: OUT is whole or as it was, whatever goes wrong, and nothing is left beside
// it except what --resume needs. Not tested here: kill -9, signals, a real full disk
// (tests/integration/test_crash.py).

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "merganser/merganser.h"

#include "core/file.h"
#include "model_folder.h"

namespace merganser::engine {
namespace {

namespace fs = std::filesystem;

std::string slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Every file below a folder (or the file itself) with its bytes.
std::map<std::string, std::string> all_files(const fs::path& root) {
  std::map<std::string, std::string> files;
  if (fs::is_regular_file(root)) files[""] = slurp(root);
  if (!fs::is_directory(root)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const bool folder = entry.is_directory();
    files[fs::relative(entry.path(), root).string() + (folder ? "/" : "")] =
        folder ? "" : slurp(entry.path());
  }
  return files;
}

/// Stops at progress call number `last`.
class Stop final : public Listener {
 public:
  explicit Stop(int last = -1) : left_(last) {}
  bool progress(std::uint64_t, std::uint64_t, std::string_view) override { return left_-- != 0; }

 private:
  int left_;
};

class Merge : public testing::Test {
 protected:
  Merge() {
    std::vector<double> values(700000);
    for (const char* name : {"a", "b"}) {
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<double>((i * (name[0] - 90)) % 513) / 64;
      folders_.write("in/" + std::string(name),
                     {tensor("model.embed_tokens.weight", DType::bf16, {700000}, values),
                      tensor("model.norm.weight", DType::f32, {5}, {1, 2, 3, 4, 5}),
                      tensor("none", DType::f32, {0}, {})},
                     R"({"model_type": "llama"})");
    }
    fs::create_directory(out().parent_path());
  }

  fs::path out() const { return folders_.path() / "place" / "out"; }
  fs::path model(const std::string& name) const { return folders_.path() / "in" / name; }

  RecipeSource recipe(const std::string& weight = "1") const {
    RecipeSource source;
    source.text = "merge_method: linear\nmodels:\n- {model: " + model("a").string() +
                  ", parameters: {weight: " + weight + "}}\n- {model: " + model("b").string() +
                  ", parameters: {weight: 1}}\n";
    return source;
  }

  Answer<MergeReport> run(const fs::path& to, const Options& options = {}, int stop = -1,
                          const std::string& weight = "1") const {
    Stop listener(stop);
    return merge(recipe(weight), to.string(), options, listener);
  }
  Answer<MergeReport> run(const Options& options = {}) const { return run(out(), options); }

  /// Names beside OUT, itself included.
  std::vector<std::string> beside() const { return list_folder(out().parent_path()); }

  static std::string text(const Answer<MergeReport>& answer) {
    return answer.problems.empty() ? "" : answer.problems[0].text();
  }

  ModelFolders folders_;
};

using Names = std::vector<std::string>;
const std::string kPart = ".out.merganser-part";

TEST_F(Merge, makes_a_folder) {
  const auto inputs = all_files(folders_.path() / "in");
  const auto answer = run();
  ASSERT_TRUE(answer) << text(answer);
  EXPECT_EQ(beside(), Names{"out"});
  EXPECT_EQ(list_folder(out()),
            (Names{"README.md", "config.json", "merganser.json", "merganser.yml",
                   "mergekit_config.yml", "model.safetensors"}));
  EXPECT_EQ(answer.value->merged, 3U);
  EXPECT_EQ(answer.value->written_bytes, 700000U * 2 + 20);
  EXPECT_EQ(answer.value->hashes.size(), 3U);
  EXPECT_GT(fs::file_size(out() / "model.safetensors"), 700000U * 2 + 20);
  EXPECT_TRUE(all_files(folders_.path() / "in") == inputs);
}

TEST_F(Merge, makes_a_single_file_with_its_record) {
  ASSERT_TRUE(run());
  const fs::path file = out().parent_path() / "one.safetensors";
  const auto answer = run(file);
  ASSERT_TRUE(answer) << text(answer);
  EXPECT_EQ(beside(), (Names{"one.safetensors", "one.safetensors.json", "out"}));
  // The headers differ: a file that stands alone carries its recipe.
  constexpr std::size_t kData = 700000 * 2 + 20;
  const std::string one = slurp(file);
  const std::string shard = slurp(out() / "model.safetensors");
  ASSERT_GT(one.size(), kData);
  EXPECT_TRUE(one.substr(one.size() - kData) == shard.substr(shard.size() - kData));
  EXPECT_NE(slurp(file.string() + ".json").find("\"tensors\""), std::string::npos);
}

TEST_F(Merge, makes_the_same_bytes_with_any_threads_memory_and_level) {
  ASSERT_TRUE(run());
  const auto expected = all_files(out());
  for (const unsigned threads : {1U, 2U, 5U}) {
    for (const char* level : {"baseline", ""}) {
      Options options{.threads = threads, .overwrite = true, .sync = false};
      options.cpu_level = level;
      const auto answer = run(options);
      ASSERT_TRUE(answer) << text(answer);
      EXPECT_TRUE(all_files(out()) == expected);
    }
  }
}

TEST_F(Merge, does_not_touch_an_out_that_holds_something) {
  fs::create_directory(out());
  std::ofstream(out() / "mine") << "1";
  const auto before = all_files(out().parent_path());
  for (const bool resume : {false, true}) {
    const auto answer = run({.resume = resume});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.problems[0].code, "output-exists");
    EXPECT_EQ(answer.status, Status::failed);
    EXPECT_EQ(all_files(out().parent_path()), before);
  }
  const auto answer = run({.overwrite = true});
  ASSERT_TRUE(answer) << text(answer);
  EXPECT_FALSE(fs::exists(out() / "mine"));
  EXPECT_EQ(beside(), Names{"out"});
}

TEST_F(Merge, fills_an_empty_folder_and_makes_missing_parents) {
  fs::create_directory(out());
  EXPECT_TRUE(run());
  EXPECT_TRUE(run(out().parent_path() / "new" / "deep"));
}

TEST_F(Merge, refuses_an_out_that_would_replace_an_input) {
  const auto before = all_files(folders_.path());
  for (const fs::path& to : {model("a"), folders_.path() / "in", model("a") / "model.safetensors",
                             model("a") / ".." / "b"}) {
    const auto answer = run(to, {.overwrite = true});
    ASSERT_FALSE(answer) << to;
    EXPECT_EQ(answer.problems[0].check, "RD-8");
    EXPECT_TRUE(all_files(folders_.path()) == before);
  }
}

TEST_F(Merge, interrupted_is_resumable_and_ends_with_the_same_bytes) {
  ASSERT_TRUE(run(out().parent_path() / "whole"));
  const auto expected = all_files(out().parent_path() / "whole");
  for (int stop = 0; stop < 5; ++stop) {
    fs::remove_all(out());
    const auto stopped = run(out(), {.threads = 1}, stop);
    if (stopped) break;
    EXPECT_EQ(stopped.problems[0].code, "interrupted");
    EXPECT_EQ(beside(), (Names{kPart, "whole"}));
    const auto refused = run();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.problems[0].code, "output-exists");
    EXPECT_NE(refused.problems[0].hint.find("--resume"), std::string::npos);
    const auto answer = run({.resume = true});
    ASSERT_TRUE(answer) << text(answer);
    EXPECT_EQ(beside(), (Names{"out", "whole"}));
    EXPECT_TRUE(all_files(out()) == expected);
    EXPECT_EQ(answer.value->written_bytes, 700000U * 2 + 20);
  }
}

TEST_F(Merge, resumes_nothing_and_what_is_finished) {
  ASSERT_TRUE(run({.resume = true}));
  const auto expected = all_files(out());
  const auto again = run({.resume = true});
  ASSERT_TRUE(again) << text(again);
  EXPECT_EQ(again.notes.at(0).code, "finished");
  EXPECT_TRUE(all_files(out()) == expected);
}

TEST_F(Merge, does_not_resume_another_recipe_and_keeps_its_part) {
  ASSERT_FALSE(run(out(), {.threads = 1}, 1));
  const auto part = all_files(out().parent_path());
  const auto answer = run(out(), {.resume = true}, -1, "2");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.problems[0].code, "bad-file");
  EXPECT_TRUE(all_files(out().parent_path()) == part);
  EXPECT_TRUE(run({.resume = true}));
  fs::remove_all(out());
  ASSERT_FALSE(run(out(), {.threads = 1}, 1));
  EXPECT_TRUE(run(out(), {.overwrite = true}, -1, "2"));
  EXPECT_EQ(beside(), Names{"out"});
}

// A process may be killed while it writes what stands beside the weights, or before its journal has
// begun.
TEST_F(Merge, resumes_a_part_that_was_left_at_any_stage) {
  ASSERT_TRUE(run());
  const auto expected = all_files(out());
  const fs::path part = out().parent_path() / kPart;
  const auto leave = [&] {
    fs::remove_all(out());
    ASSERT_FALSE(run(out(), {.threads = 1}, 1));
  };
  const auto goes_on = [&] {
    const auto answer = run({.resume = true});
    ASSERT_TRUE(answer) << text(answer);
    EXPECT_EQ(beside(), Names{"out"});
    EXPECT_TRUE(all_files(out()) == expected);
  };
  leave();
  for (const char* name : {"merganser.yml", "merganser.json", "README.md", "config.json"})
    std::ofstream(part / name) << "hal";
  goes_on();
  leave();
  std::ofstream(part / "journal") << "MRG";
  goes_on();
  leave();
  fs::remove(part / "journal");
  std::ofstream(part / "merganser.yml") << "hal";
  goes_on();
  leave();
  fs::resize_file(part / "model.safetensors", 3);
  goes_on();
  leave();
  for (const auto& entry : fs::directory_iterator(part)) fs::remove_all(entry.path());
  goes_on();
  fs::remove_all(out());
  fs::create_directory(part);
  ASSERT_TRUE(run());
  EXPECT_EQ(beside(), Names{"out"});
}

TEST_F(Merge, says_so_when_only_times_of_inputs_differ) {
  ASSERT_FALSE(run(out(), {.threads = 1}, 1));
  const fs::path weights = model("a") / "model.safetensors";
  fs::last_write_time(weights, fs::last_write_time(weights) + std::chrono::seconds(5));
  const auto answer = run({.resume = true});
  ASSERT_TRUE(answer) << text(answer);
  ASSERT_EQ(answer.notes.size(), 1U);
  EXPECT_EQ(answer.notes[0].code, "inputs-touched");
}

TEST_F(Merge, one_of_two_at_once_wins) {
  for (const bool overwrite : {false, true}) {
    for (int round = 0; round < 25; ++round) {
      fs::remove_all(out());
      std::vector<Answer<MergeReport>> answers(3);
      std::vector<std::thread> threads;
      for (auto& answer : answers) {
        threads.emplace_back(
            [&] { answer = run({.threads = 1, .overwrite = overwrite, .sync = false}); });
      }
      for (std::thread& thread : threads) thread.join();
      int won = 0;
      for (const auto& answer : answers) {
        won += answer ? 1 : 0;
        if (!answer) {
          EXPECT_EQ(answer.problems[0].code, "output-exists") << text(answer);
          EXPECT_EQ(text(answer).find("was interrupted"), std::string::npos) << text(answer);
        }
      }
      EXPECT_GE(won, 1);
      if (!overwrite) {
        EXPECT_EQ(won, 1);
      }
      ASSERT_EQ(beside(), Names{"out"});
      ASSERT_EQ(list_folder(out()).size(), 6U);
    }
  }
}

TEST_F(Merge, holds_its_place_while_it_works) {
  class Second final : public Listener {
   public:
    explicit Second(std::function<void()> then) : then_(std::move(then)) {}
    bool progress(std::uint64_t, std::uint64_t, std::string_view) override {
      if (then_) std::exchange(then_, nullptr)();
      return true;
    }

   private:
    std::function<void()> then_;
  };
  for (const Options& other : {Options{}, Options{.overwrite = true}, Options{.resume = true}}) {
    fs::remove_all(out());
    Second listener([&] {
      const auto second = run(other);
      ASSERT_FALSE(second);
      EXPECT_NE(text(second).find("another merganser is writing it"), std::string::npos)
          << text(second);
    });
    const auto answer = merge(recipe(), out().string(), {}, listener);
    ASSERT_TRUE(answer) << text(answer);
    EXPECT_EQ(beside(), Names{"out"});
  }
}

/// Lets call number `at` of one kind fail, with what a full or broken disk says.
class Fault {
 public:
  enum Kind { kOpen, kRead, kWrite, kSize, kSync, kRename, kKinds };
  Fault(Kind kind, int at) {
    chosen = kind;
    left = at;
    struck = false;
    real = file_calls();
    file_calls().open = [](const char* path, int flags, mode_t mode) {
      return hit(kOpen, EMFILE) ? -1 : real.open(path, flags, mode);
    };
    file_calls().pread = [](int fd, void* data, std::size_t n, off_t at_byte) {
      return hit(kRead, EIO) ? ssize_t{-1} : real.pread(fd, data, n, at_byte);
    };
    file_calls().pwrite = [](int fd, const void* data, std::size_t n, off_t at_byte) {
      return hit(kWrite, ENOSPC) ? ssize_t{-1} : real.pwrite(fd, data, n, at_byte);
    };
    file_calls().ftruncate = [](int fd, off_t n) {
      return hit(kSize, EFBIG) ? -1 : real.ftruncate(fd, n);
    };
    file_calls().fsync = [](int fd) { return hit(kSync, EIO) ? -1 : real.fsync(fd); };
    file_calls().rename = [](const char* from, const char* to) {
      return hit(kRename, EACCES) ? -1 : real.rename(from, to);
    };
    // Names are renamed one by one only where they cannot be swapped.
    if (kind == kRename) file_calls().exchange = [](const char*, const char*) { return cannot(); };
  }
  ~Fault() { file_calls() = real; }
  static inline std::atomic<bool> struck;

 private:
  static int cannot() {
    errno = EINVAL;
    return -1;
  }
  static bool hit(Kind kind, int reason) {
    if (kind != chosen || left-- != 0) return false;
    struck = true;
    errno = reason;
    return true;
  }
  static inline Kind chosen;
  static inline std::atomic<int> left;
  static inline FileCalls real;
};

TEST_F(Merge, leaves_all_as_it_was_wherever_the_disk_fails) {
  const auto inputs = all_files(folders_.path() / "in");
  for (int kind = 0; kind < Fault::kKinds; ++kind) {
    for (const bool overwrite : {false, true}) {
      fs::remove_all(out());
      if (overwrite) {
        fs::create_directory(out());
        std::ofstream(out() / "mine") << "1";
      }
      const auto before = all_files(out().parent_path());
      bool ended = false;
      for (int at = 0; at < 200; ++at) {
        SCOPED_TRACE("kind " + std::to_string(kind) + ", call " + std::to_string(at));
        Answer<MergeReport> answer;
        {
          const Fault fault(static_cast<Fault::Kind>(kind), at);
          answer = run({.threads = 2, .overwrite = overwrite});
          ended = !Fault::struck;
        }
        if (ended) {
          EXPECT_TRUE(answer) << text(answer);
          break;
        }
        // Only the sync of the parent, which opens it, comes after OUT has its name.
        if (fs::exists(out() / "merganser.json")) {
          EXPECT_TRUE(kind == Fault::kSync || kind == Fault::kOpen);
          EXPECT_EQ(beside(), Names{"out"});
          fs::remove_all(out());
          if (overwrite) {
            fs::create_directory(out());
            std::ofstream(out() / "mine") << "1";
          }
          continue;
        }
        ASSERT_FALSE(answer);
        EXPECT_FALSE(answer.problems[0].message.empty());
        ASSERT_TRUE(all_files(out().parent_path()) == before) << testing::PrintToString(beside());
      }
      EXPECT_TRUE(ended);
    }
  }
  EXPECT_TRUE(all_files(folders_.path() / "in") == inputs);
}

// As if it had been killed between the two renames: from the second on, none is done.
TEST_F(Merge, that_was_killed_while_it_replaced_out_is_mended) {
  ASSERT_TRUE(run());
  const auto before = all_files(out());
  const auto kill = [&] {
    static int left;
    static FileCalls real;
    left = 1;
    real = file_calls();
    file_calls().exchange = [](const char*, const char*) { return -1; };
    file_calls().rename = [](const char* from, const char* to) {
      return left-- > 0 ? real.rename(from, to) : -1;
    };
    const auto answer = run(out(), {.overwrite = true}, -1, "2");
    file_calls() = real;
    ASSERT_FALSE(answer);
    ASSERT_EQ(beside(), Names{".out.merganser-replaced"});
  };
  for (const bool resume : {false, true}) {
    kill();
    const auto refused = run({.resume = resume});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.problems[0].code, "output-exists");
    EXPECT_EQ(beside(), Names{"out"});
    EXPECT_TRUE(all_files(out()) == before);
  }
  kill();
  const auto answer = run(out(), {.overwrite = true}, -1, "2");
  ASSERT_TRUE(answer) << text(answer);
  EXPECT_EQ(beside(), Names{"out"});
  EXPECT_FALSE(all_files(out()) == before);
}

TEST_F(Merge, that_was_killed_after_it_replaced_out_leaves_nothing_that_stays) {
  ASSERT_TRUE(run());
  for (const char* left : {".out.merganser-replaced", ".out.merganser-part"}) {
    fs::create_directory(out().parent_path() / left);
    std::ofstream(out().parent_path() / left / "old") << "1";
    const auto answer = run({.overwrite = true});
    ASSERT_TRUE(answer) << text(answer);
    EXPECT_EQ(beside(), Names{"out"});
    EXPECT_FALSE(fs::exists(out() / "old"));
  }
}

TEST_F(Merge, does_not_lose_warnings_when_it_fails) {
  RecipeSource source = recipe();
  source.text += "unknown_key: 1\n";
  Stop listener;
  const auto check = [&](const std::string& to, const Options& options) {
    const auto answer = merge(source, to, options, listener);
    ASSERT_FALSE(answer);
    ASSERT_EQ(answer.notes.size(), 1U) << to;
    EXPECT_EQ(answer.notes[0].subject, "unknown_key");
  };
  check(model("a").string(), {.overwrite = true});
  check(out().string(), {.memory_bytes = 1 << 20});
  check(out().string(), {.cpu_level = "z80"});
  check((model("a") / "config.json" / "x").string(), {});
}

TEST_F(Merge, takes_a_folder_for_scratch_files_that_is_there) {
  const auto refused = run({.scratch_folder = (folders_.path() / "gone").string()});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.problems[0].code, "usage");
  EXPECT_NE(text(refused).find("expected a folder that can be written to"), std::string::npos);
  EXPECT_FALSE(run({.scratch_folder = (model("a") / "config.json").string()}));
  EXPECT_TRUE(run({.scratch_folder = folders_.path().string()}));
}

TEST_F(Merge, of_a_single_file_leaves_nothing_when_it_fails) {
  const fs::path file = out().parent_path() / "one.safetensors";
  for (int at = 0; at < 100; ++at) {
    bool ended = false;
    {
      const Fault fault(Fault::kWrite, at);
      const auto answer = run(file, {.threads = 1});
      ended = !Fault::struck;
      EXPECT_EQ(static_cast<bool>(answer), ended);
    }
    if (ended) break;
    ASSERT_EQ(beside(), Names{});
  }
  EXPECT_EQ(beside(), (Names{"one.safetensors", "one.safetensors.json"}));
}

TEST_F(Merge, says_what_is_missing_when_memory_is_too_small) {
  const auto answer = run({.memory_bytes = 1 << 20});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.problems[0].code, "memory-budget");
  EXPECT_NE(answer.problems[0].hint.find("--memory"), std::string::npos);
  EXPECT_EQ(beside(), Names{});
}

}  // namespace
}  // namespace merganser::engine
