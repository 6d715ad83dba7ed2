// Models by the name they have on a hub, found in its cache: which revision is taken, what is told
// when something is not there, and layouts that lie, one lie each.

#include "formats/hub.h"

#include <stdlib.h>

#include <filesystem>
#include <map>
#include <optional>

#include <gtest/gtest.h>

#include "core/sha.h"
#include "support.h"

namespace merganser::formats {
namespace {

namespace fs = std::filesystem;

const std::string kFirst(40, 'a');
const std::string kSecond = "a1b2c3" + std::string(34, '0');

/// Environment variables for one test; the earlier values come back.
class Variables {
 public:
  ~Variables() {
    for (const auto& [name, value] : before_) {
      value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
    }
  }
  void set(const std::string& name, const std::optional<std::string>& value) {
    const char* old = ::getenv(name.c_str());
    before_.try_emplace(name, old == nullptr ? std::nullopt : std::optional<std::string>(old));
    value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
  }

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

class Hub : public testing::Test {
 protected:
  Hub() {
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE",
                             "HF_HOME", "XDG_CACHE_HOME", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"})
      variables_.set(name, std::nullopt);
  }

  fs::path root() const { return folder_ / "hub"; }
  fs::path repository() const { return root() / "models--org--name"; }
  void write(const std::string& name, std::string_view bytes) const {
    folder_.write("hub/models--org--name/" + name, bytes);
  }
  /// A file of a snapshot: a link to a blob.
  void add(const std::string& commit, const std::string& file, const std::string& blob,
           std::string_view bytes) const {
    write("blobs/" + blob, bytes);
    link(commit, file, "../../blobs/" + blob);
  }
  void link(const std::string& commit, const std::string& file, const std::string& target) const {
    const fs::path at = repository() / "snapshots" / commit / file;
    fs::create_directories(at.parent_path());
    fs::create_symlink(target, at);
  }
  /// A model of one tensor, whose name tells snapshots apart.
  void add_model(const std::string& commit, const std::string& tensor) const {
    add(commit, "config.json", "c-" + tensor, "{\"model_type\": \"llama\"}");
    add(commit, "model.safetensors", "w-" + tensor,
        safetensors("{\"" + tensor + R"(":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2));
  }

  Result<Model> open(const ModelName& name) const {
    ReadOptions options;
    options.cache_dir = root();
    return open_named(name, options);
  }
  Error error(const ModelName& name) const { return error_of(open(name)); }
  /// Name of the first tensor: tells which snapshot was taken.
  std::string tensor(const ModelName& name) const {
    const auto model = open(name);
    return model ? model->weights->tensors().front().name : error_of(model).text();
  }
  std::string notes(const ModelName& name) const {
    const auto model = open(name);
    std::string all;
    if (model) {
      for (const std::string& note : model->notes) all += note + "\n";
    }
    return all;
  }

  TempFolder folder_;
  Variables variables_;
};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_F(Hub, takes_the_snapshot_where_main_stands) {
  add_model(kFirst, "first");
  add_model(kSecond, "second");
  write("refs/main", kSecond);
  const auto model = open({"org/name", ""});
  ASSERT_TRUE(model) << error_of(model).text();
  EXPECT_EQ(model->weights->tensors().front().name, "second");
  EXPECT_EQ(model->commit, kSecond);
  EXPECT_TRUE(model->notes.empty());
}

TEST_F(Hub, takes_commits_branches_and_pull_requests) {
  add_model(kFirst, "first");
  add_model(kSecond, "second");
  write("refs/main", kSecond + "\n");
  write("refs/v1.0", kFirst);
  write("refs/refs/pr/7", kFirst);
  EXPECT_EQ(tensor({"org/name", kFirst}), "first");
  EXPECT_EQ(tensor({"org/name", "v1.0"}), "first");
  EXPECT_EQ(tensor({"org/name", "refs/pr/7"}), "first");
  EXPECT_EQ(tensor({"org/name", "main"}), "second");
}

TEST_F(Hub, takes_the_beginning_of_one_commit_and_says_so) {
  add_model(kFirst, "first");
  add_model(kSecond, "second");
  EXPECT_EQ(tensor({"org/name", "a1b2c"}), "second");
  EXPECT_TRUE(has(notes({"org/name", "a1b2c"}), "taken for commit " + kSecond));
  EXPECT_TRUE(has(error({"org/name", "a1b2"}).message, "no revision a1b2"));
  const std::string other = "a1b2c4" + std::string(34, '0');
  add_model(other, "other");
  EXPECT_TRUE(has(error({"org/name", "a1b2c"}).message, "beginning of 2 commits"));
}

TEST_F(Hub, prefers_a_branch_to_a_commit_that_begins_like_it) {
  add_model(kFirst, "first");
  add_model(kSecond, "second");
  write("refs/a1b2c3", kFirst);
  EXPECT_EQ(tensor({"org/name", "a1b2c3"}), "first");
}

TEST_F(Hub, takes_the_only_snapshot_for_main_and_says_so) {
  add_model(kFirst, "first");
  EXPECT_EQ(tensor({"org/name", ""}), "first");
  EXPECT_TRUE(has(notes({"org/name", ""}), "only snapshot"));
}

TEST_F(Hub, refuses_to_guess_between_snapshots) {
  add_model(kFirst, "first");
  add_model(kSecond, "second");
  const Error found = error({"org/name", ""});
  EXPECT_EQ(found.code, Code::model_not_found);
  EXPECT_TRUE(has(found.hint, "hf download org/name"));
}

TEST_F(Hub, reads_plain_files_where_links_were_unavailable) {
  write("snapshots/" + kFirst + "/model.safetensors",
        safetensors(R"({"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2));
  EXPECT_EQ(tensor({"org/name", kFirst}), "w");
}

TEST_F(Hub, a_path_wins_over_a_model_of_the_same_name) {
  add_model(kFirst, "first");
  folder_.write("org/name/model.safetensors",
                safetensors(R"({"local":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2));
  const fs::path before = fs::current_path();
  fs::current_path(folder_.path());
  const std::string found = tensor({"org/name", ""});
  const std::string said = notes({"org/name", "v1"});
  fs::current_path(before);
  EXPECT_EQ(found, "local");
  EXPECT_TRUE(has(said, "the path was taken"));
  EXPECT_TRUE(has(said, "its revision v1 means nothing"));
}

TEST_F(Hub, says_what_to_run_for_a_model_that_is_not_there) {
  const Error found = error({"other/model", "v2"});
  EXPECT_EQ(found.code, Code::model_not_found);
  EXPECT_EQ(found.hint, "hf download other/model --revision v2 --cache-dir " + root().string());
  variables_.set("HF_HUB_OFFLINE", "yes");
  variables_.set("HF_HUB_CACHE", root().string());
  EXPECT_EQ(error_of(locate_model({"other/model", ""}, {})).hint,
            "HF_HUB_OFFLINE=0 hf download other/model");
}

TEST_F(Hub, leaves_what_is_no_name_of_a_hub_a_path) {
  for (const char* name : {"./models/base", "/models/base", "a/b/c", "org/na--me", "org/..",
                           "org/name.git", "-org/name", "org/"}) {
    const auto place = locate_model({name, ""}, root());
    ASSERT_TRUE(place) << name;
    EXPECT_EQ(place->path, name);
  }
}

TEST_F(Hub, splits_a_revision_off_unless_the_whole_is_a_path) {
  EXPECT_EQ(model_name("org/name@v1").path, "org/name");
  EXPECT_EQ(model_name("org/name@v1").revision, "v1");
  EXPECT_EQ(model_name("org/name").revision, "");
  const fs::path odd = folder_.write("mo@del", "");
  EXPECT_EQ(model_name(odd.string()).path, odd.string());
}

TEST_F(Hub, looks_where_the_variables_say) {
  std::vector<std::string> notes;
  variables_.set("HOME", "/home/me");
  EXPECT_EQ(hub_root({}, notes), "/home/me/.cache/huggingface/hub");
  variables_.set("XDG_CACHE_HOME", "/x");
  EXPECT_EQ(hub_root({}, notes), "/x/huggingface/hub");
  variables_.set("HF_HOME", "~/hf");
  EXPECT_EQ(hub_root({}, notes), "/home/me/hf/hub");
  EXPECT_TRUE(notes.empty());
  variables_.set("TRANSFORMERS_CACHE", "/t");
  EXPECT_EQ(hub_root({}, notes), "/t");
  EXPECT_EQ(notes.size(), 1U);
  variables_.set("HUGGINGFACE_HUB_CACHE", "$HF_HOME/old");
  EXPECT_EQ(hub_root({}, notes), "~/hf/old");
  variables_.set("HF_HUB_CACHE", "${XDG_CACHE_HOME}y/$NOWHERE_AT_ALL");
  EXPECT_EQ(hub_root({}, notes), "/xy/$NOWHERE_AT_ALL");
  EXPECT_EQ(hub_root("~/mine", notes), "/home/me/mine");
}

TEST_F(Hub, hc_1_refuses_a_link_that_leaves_its_repository) {
  add_model(kFirst, "first");
  folder_.write("secret", "key");
  link(kFirst, "sub/vocab.txt", "../../../../../secret");
  EXPECT_TRUE(names(error({"org/name", kFirst}), "HC-1", "secret"));
  // The same when somebody names the folder itself.
  EXPECT_TRUE(names(error({(repository() / "snapshots" / kFirst).string(), ""}), "HC-1", "secret"));
}

TEST_F(Hub, hc_1_refuses_a_snapshot_that_lies_elsewhere) {
  folder_.write("elsewhere/model.safetensors",
                safetensors(R"({"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2));
  fs::create_directories(repository() / "snapshots");
  fs::create_directory_symlink(folder_ / "elsewhere", repository() / "snapshots" / kFirst);
  EXPECT_TRUE(names(error({"org/name", kFirst}), "HC-1", "elsewhere"));
}

TEST_F(Hub, hc_2_refuses_a_ref_that_is_no_commit) {
  add_model(kFirst, "first");
  for (const std::string& text : {std::string("../../other"), std::string(), std::string(39, 'a'),
                                  kFirst + " x", std::string(300, 'a')}) {
    write("refs/main", text);
    EXPECT_TRUE(names(error({"org/name", ""}), "HC-2", "40 hex digits")) << text;
  }
}

TEST_F(Hub, hc_3_refuses_a_link_to_nothing) {
  add_model(kFirst, "first");
  link(kFirst, "tokenizer.json", "../../blobs/gone");
  const Error found = error({"org/name", kFirst});
  EXPECT_TRUE(names(found, "HC-3", "tokenizer.json"));
  EXPECT_TRUE(has(found.hint, "hf download org/name"));
}

TEST_F(Hub, hc_3_tells_of_a_download_that_was_interrupted) {
  add(kFirst, "config.json", "c", "{}");
  write("blobs/1234.incomplete", "part");
  EXPECT_TRUE(names(error({"org/name", kFirst}), "HC-3", "1234.incomplete"));
}

TEST_F(Hub, hc_4_compares_blobs_with_their_names) {
  const std::string sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  const std::string git = "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f";  // git hash-object
  add(kFirst, "model.bin", sha256, "abc");
  add(kFirst, "config.json", git, "abc");
  add(kFirst, "README.md", "of-another-kind", "abc");
  const fs::path snapshot = repository() / "snapshots" / kFirst;
  auto found = check_blobs(snapshot);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->empty());
  write("blobs/" + sha256, "abd");
  write("blobs/" + git, "ab");
  found = check_blobs(snapshot);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2U);
  EXPECT_TRUE(names(found->front(), "HC-4", git));
  EXPECT_TRUE(names(found->back(), "HC-4", sha256));
}

TEST_F(Hub, rd_5_refuses_a_revision_that_climbs) {
  add_model(kFirst, "first");
  EXPECT_TRUE(names(error({"org/name", "../../refs/main"}), "RD-5", ".."));
}

TEST_F(Hub, tells_what_is_absent_from_what_was_not_fetched) {
  add(kFirst, "README.md", "r", "hello");
  EXPECT_TRUE(has(error({"org/name", kFirst}).hint, "not in the cache"));
  write(".no_exist/" + kFirst + "/model.safetensors", "");
  EXPECT_TRUE(has(error({"org/name", kFirst}).hint, "not in that repository"));
}

TEST_F(Hub, names_the_shard_that_was_not_fetched) {
  add(kFirst, "model.safetensors.index.json", "i",
      R"({"weight_map": {"w": "model-00001-of-00002.safetensors"}})");
  const Error found = error({"org/name", kFirst});
  EXPECT_TRUE(names(found, "IX-2", "model-00001-of-00002.safetensors"));
  EXPECT_TRUE(has(found.hint, "hf download org/name"));
}

TEST_F(Hub, notes_a_config_that_was_not_fetched) {
  add(kFirst, "model.safetensors", "w",
      safetensors(R"({"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2));
  EXPECT_TRUE(has(notes({"org/name", kFirst}), "config.json is not in the cache"));
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(Sha, gives_the_published_hashes) {  // FIPS 180-4, and every place where the padding can fall
  Sha1 one;
  one.add(bytes_of("abc"));
  EXPECT_EQ(one.hex(), "a9993e364706816aba3e25717850c26c9cd0d89d");
  Sha256 two;
  two.add(bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"));
  EXPECT_EQ(two.hex(), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256().hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha, does_not_care_how_a_message_is_cut) {
  const std::string text(1000, 'x');
  Sha256 whole;
  whole.add(bytes_of(text));
  const std::string expected = whole.hex();
  for (const std::size_t piece : {1U, 3U, 63U, 64U, 65U, 200U}) {
    Sha256 cut;
    for (std::size_t at = 0; at < text.size(); at += piece)
      cut.add(bytes_of(text.substr(at, piece)));
    EXPECT_EQ(cut.hex(), expected);
  }
}

}  // namespace
}  // namespace merganser::formats
