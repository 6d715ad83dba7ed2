#include "cli/run.h"

#include <csignal>
#include <cstdlib>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "fake_engine.h"

namespace merganser::cli {
namespace {

/// A stream that is read back as text.
class Memory {
 public:
  explicit Memory(const std::string& content = "") : file_(std::tmpfile()) {
    std::fwrite(content.data(), 1, content.size(), file_);
    std::rewind(file_);
  }
  ~Memory() { std::fclose(file_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  std::FILE* file() { return file_; }
  std::string text() {
    std::rewind(file_);
    std::string text;
    for (int c = std::fgetc(file_); c != EOF; c = std::fgetc(file_)) text += static_cast<char>(c);
    return text;
  }

 private:
  std::FILE* file_;
};

struct Done {
  int status;
  std::string out;
  std::string err;
};

Done call(std::vector<std::string> words, const std::string& input = "",
          const char* name = "/usr/bin/merganser") {
  words.insert(words.begin(), name);
  Memory out;
  Memory err;
  Memory in(input);
  const int status = run(words, {out.file(), err.file(), in.file()});
  return {status, out.text(), err.text()};
}

class Run : public ::testing::Test {
 protected:
  void SetUp() override {
    engine_ = FakeEngine{};
    engine_.plan.value.emplace().recipe = "recipe.yml";
    engine_.plan.value->tensors.resize(1);
    engine_.plan.value->tensors[0].name = "a.weight";
    engine_.merge.value.emplace().merged = 3;
  }
  FakeEngine& engine_ = fake_engine();
};

TEST_F(Run, findings_of_verify_are_data_and_make_the_status_1) {
  VerifyReport& report = engine_.verify.value.emplace();
  report.path = "model";
  report.files = 2;
  report.tensors = 7;
  EXPECT_EQ(call({"verify", "model", "--replay", "5", "--quiet"}).out,
            "model: 2 files, 7 tensors: no findings\n");
  EXPECT_EQ(engine_.replay, 5U);

  report.findings.push_back({.message = "too \x1b[2J short", .hint = "cut off\nfetch it again"});
  engine_.verify.status = Status::failed;
  const Done done = call({"verify", "model", "--quiet"});
  EXPECT_EQ(done.status, 1);
  EXPECT_EQ(done.out,
            ":0: too \\x1b[2J short (cut off\\x0afetch it again)\n"
            "model: 2 files, 7 tensors: 1 finding\n");
  const auto json = nlohmann::json::parse(call({"verify", "model", "--json", "--quiet"}).out);
  EXPECT_EQ(json["findings"][0]["message"], "too \x1b[2J short");
}

TEST_F(Run, reproduce_says_what_differs) {
  ReproduceReport& report = engine_.reproduce.value.emplace();
  report.merge.out = "new";
  report.merge.hashes.emplace_back("a.weight", "00");
  EXPECT_EQ(call({"reproduce", "out", "new", "--quiet"}).out, "new: the same, 1 tensor\n");
  EXPECT_EQ(engine_.out, "new");

  report.differences.emplace_back().message = "another hash";
  engine_.reproduce.status = Status::failed;
  const Done done = call({"reproduce", "out", "new", "--quiet"});
  EXPECT_EQ(done.status, 1);
  EXPECT_EQ(done.out, ":0: another hash\nnew: 1 difference\n");
}

TEST_F(Run, help_fits_a_screen) {
  const Done done = call({"--help"});
  EXPECT_EQ(done.status, 0);
  std::size_t lines = 0;
  std::size_t begin = 0;
  for (std::size_t end = done.out.find('\n'); end != std::string::npos;
       end = done.out.find('\n', begin)) {
    EXPECT_LE(end - begin, 80U);
    begin = end + 1;
    ++lines;
  }
  EXPECT_LE(lines, 24U);
  for (const Command& command : commands())
    EXPECT_NE(done.out.find(command.name), std::string::npos);
}

TEST_F(Run, every_command_has_its_help) {
  for (const Command& command : commands()) {
    const Done done = call({command.name, "--help"});
    EXPECT_EQ(done.status, 0);
    EXPECT_EQ(done.out.find(std::string("usage: merganser ") + command.name), 0U);
    EXPECT_EQ(done.out, call({"help", command.name}).out);
  }
}

TEST_F(Run, version) { EXPECT_EQ(call({"--version"}).out, "merganser 1.2.3\n"); }

TEST_F(Run, no_command_is_wrong_usage) {
  const Done done = call({});
  EXPECT_EQ(done.status, 2);
  EXPECT_EQ(done.out, "");
  EXPECT_NE(done.err, "");
}

TEST_F(Run, a_wrong_command_gets_the_nearest_one) {
  const Done done = call({"mergr"});
  EXPECT_EQ(done.status, 2);
  EXPECT_EQ(done.err, "error: there is no command mergr\n  hint: did you mean merge?\n");
}

TEST_F(Run, wrong_usage_is_json_where_json_was_asked_for) {
  const Done done = call({"plan", "--json"});
  EXPECT_EQ(done.status, 2);
  EXPECT_EQ(done.err, "");
  EXPECT_EQ(nlohmann::json::parse(done.out)["errors"][0]["code"], "usage");
}

TEST_F(Run, merge_talks_on_stderr_alone) {
  const Done done = call({"merge", "recipe.yml", "out"});
  EXPECT_EQ(done.status, 0);
  EXPECT_EQ(done.out, "");
  EXPECT_EQ(done.err.substr(0, 9), "3 merged;");
  EXPECT_EQ(engine_.recipe.path, "recipe.yml");
  EXPECT_EQ(engine_.out, "out");
}

TEST_F(Run, merge_called_as_mergekit_yaml) {
  const Done done =
      call({"recipe.yml", "out", "--cuda", "--lazy-unpickle", "-v"}, "", "bin/mergekit-yaml");
  EXPECT_EQ(done.status, 0);
  EXPECT_EQ(engine_.out, "out");
  EXPECT_NE(done.err.find("note: accepted without effect: --cuda, --lazy-unpickle\n"),
            std::string::npos)
      << done.err;
  EXPECT_EQ(call({"recipe.yml", "out", "--cuda"}, "", "mergekit-yaml").err.find("--cuda"),
            std::string::npos);
}

TEST_F(Run, other_tools_of_mergekit_are_not_there_yet) {
  const Done done = call({"a", "b"}, "", "mergekit-moe");
  EXPECT_EQ(done.status, 2);
  EXPECT_NE(done.err.find("mergekit-moe is not supported yet"), std::string::npos);
}

TEST_F(Run, a_dash_reads_the_recipe_from_standard_input) {
  EXPECT_EQ(call({"merge", "-", "out"}, "merge_method: linear\n").status, 0);
  EXPECT_EQ(engine_.recipe.path, "");
  EXPECT_EQ(engine_.recipe.text, "merge_method: linear\n");
}

TEST_F(Run, a_dry_run_is_a_plan) {
  engine_.during = [](Listener&) -> bool { throw std::logic_error("merged"); };
  const Done done = call({"merge", "recipe.yml", "out", "--dry-run"});
  EXPECT_EQ(done.status, 0);
  EXPECT_EQ(done.out.substr(0, 11), "recipe.yml:");
}

TEST_F(Run, quiet_leaves_warnings) {
  engine_.merge.value->non_finite = 2;
  const Done done = call({"merge", "recipe.yml", "out", "--quiet"});
  EXPECT_EQ(done.err,
            "warning: 2 values of the inputs are NaN or infinite and went into the result\n");
}

TEST_F(Run, every_problem_is_told_and_sets_the_status) {
  engine_.merge.value.reset();
  engine_.merge.status = Status::usage;
  engine_.merge.problems.resize(2);
  engine_.merge.problems[0].file = engine_.merge.problems[1].file = "recipe.yml";
  engine_.merge.problems[0].line = 3;
  engine_.merge.problems[1].line = 6;
  const Done done = call({"merge", "recipe.yml", "out"});
  EXPECT_EQ(done.status, 2);
  EXPECT_EQ(done.out, "");
  EXPECT_EQ(done.err, "error: recipe.yml:3: \nerror: recipe.yml:6: \n");
  const Done json = call({"merge", "recipe.yml", "out", "--json"});
  EXPECT_EQ(json.status, 2);
  EXPECT_EQ(nlohmann::json::parse(json.out)["errors"][1]["line"], 6);
}

TEST_F(Run, an_output_that_exists_gets_the_flag_that_helps) {
  engine_.merge.value.reset();
  engine_.merge.status = Status::failed;
  engine_.merge.problems.emplace_back().code = "output-exists";
  const Done done = call({"merge", "recipe.yml", "out", "--json"});
  EXPECT_EQ(done.status, 1);
  EXPECT_EQ(nlohmann::json::parse(done.out)["errors"][0]["hint"], "--overwrite replaces it");
}

TEST_F(Run, one_signal_stops_a_merge_in_order) {
  for (const auto& [signal, status] : {std::pair(SIGINT, 130), std::pair(SIGTERM, 75)}) {
    engine_.during = [signal = signal](Listener& listener) {
      EXPECT_TRUE(listener.progress(0, 10, "a"));
      std::raise(signal);
      return listener.progress(1, 10, "b");
    };
    EXPECT_EQ(call({"merge", "recipe.yml", "out"}).status, status);
  }
}

TEST_F(Run, a_second_signal_ends_the_program) {
  engine_.during = [](Listener&) {
    std::raise(SIGINT);
    std::raise(SIGINT);
    return true;
  };
  EXPECT_EXIT(call({"merge", "recipe.yml", "out"}), ::testing::ExitedWithCode(130), "");
}

TEST_F(Run, progress_json_is_a_line_a_step) {
  engine_.during = [](Listener& listener) { return listener.progress(0, 10, "a"); };
  const Done done = call({"merge", "recipe.yml", "out", "--progress", "json"});
  const std::string line = done.err.substr(0, done.err.find('\n'));
  EXPECT_EQ(nlohmann::json::parse(line)["total_bytes"], 10);
}

TEST_F(Run, explain_finds_the_tensor_or_says_which_was_meant) {
  EXPECT_EQ(call({"explain", "recipe.yml", "a.weight"}).out.substr(0, 9), "a.weight\n");
  EXPECT_FALSE(engine_.options.sample);
  const Done done = call({"explain", "recipe.yml", "a.weighd"});
  EXPECT_EQ(done.status, 2);
  EXPECT_NE(done.err.find("did you mean a.weight?"), std::string::npos);
}

TEST_F(Run, methods_names_the_nearest_one) {
  EXPECT_EQ(call({"methods", "ties"}).out.substr(0, 5), "ties\n");
  const Done done = call({"methods", "tiee"});
  EXPECT_EQ(done.status, 2);
  EXPECT_NE(done.err.find("did you mean ties?"), std::string::npos);
}

TEST_F(Run, a_full_disk_is_a_failure) {
  std::FILE* full = std::fopen("/dev/full", "w");
  if (full == nullptr) GTEST_SKIP() << "no /dev/full";
  Memory err;
  EXPECT_EQ(run({"merganser", "--help"}, {full, err.file(), stdin}), 1);
  std::fclose(full);
}

TEST_F(Run, completion_scripts_hold_commands_flags_and_methods) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Done done = call({"completion", shell});
    EXPECT_EQ(done.status, 0);
    for (const char* word : {"explain", "cpu-level", "linear ties", "baseline sse4"}) {
      EXPECT_NE(done.out.find(word), std::string::npos) << shell << " " << word;
    }
  }
  EXPECT_EQ(call({"completion", "tcsh"}).status, 2);
}

TEST_F(Run, the_bash_completion_is_a_valid_script) {
  const std::string path = ::testing::TempDir() + "merganser-completion.bash";
  std::FILE* file = std::fopen(path.c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs(call({"completion", "bash"}).out.c_str(), file);
  std::fclose(file);
  EXPECT_EQ(std::system(("bash -n " + path).c_str()), 0);
}

}  // namespace
}  // namespace merganser::cli
