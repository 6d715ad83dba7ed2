#include "views/without.h"

#include <array>
#include <cstring>

#include <gtest/gtest.h>

#include "core/memory_checkpoint.h"
#include "views/rename.h"

namespace merganser::views {
namespace {

using Groups = std::vector<std::vector<std::size_t>>;

/// Four tensors whose one value is their number, of which the first, second and last are one.
class Aliased final : public Checkpoint {
 public:
  Aliased() {
    for (const char* name : {"a", "b", "c", "d"}) infos_.push_back({name, DType::f32, {1}});
  }
  std::span<const TensorInfo> tensors() const override { return infos_; }
  Result<void> read(std::size_t tensor, std::uint64_t, std::span<std::byte> out) const override {
    const auto value = static_cast<float>(tensor);
    std::memcpy(out.data(), &value, sizeof value);
    return {};
  }
  std::vector<SourceFile> files() const override { return {{.path = "file"}}; }
  Groups aliases() const override { return {{0, 1, 3}}; }
  std::uint64_t reading_bytes() const override { return 7; }

 private:
  std::vector<TensorInfo> infos_;
};

float value_of(const Checkpoint& checkpoint, std::string_view name) {
  std::array<std::byte, 4> bytes{};
  EXPECT_TRUE(checkpoint.read(checkpoint.find(name), 0, bytes));
  float value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

TEST(Without, hides_tensors_and_reads_the_others) {
  const auto view = without(std::make_shared<Aliased>(), {1});
  ASSERT_EQ(view->tensors().size(), 3U);
  EXPECT_EQ(view->find("b"), Checkpoint::npos);
  EXPECT_EQ(value_of(*view, "c"), 2.0f);
  EXPECT_EQ(value_of(*view, "d"), 3.0f);
  EXPECT_EQ(view->files().front().path, "file");
  EXPECT_EQ(view->reading_bytes(), 7U);
}

TEST(Without, numbers_aliases_anew_and_drops_groups_of_one) {
  EXPECT_EQ(without(std::make_shared<Aliased>(), {1})->aliases(), (Groups{{0, 2}}));
  EXPECT_EQ(without(std::make_shared<Aliased>(), {0, 1})->aliases(), Groups{});
  EXPECT_EQ(without(std::make_shared<Aliased>(), {})->aliases(), (Groups{{0, 1, 3}}));
}

TEST(Rename, numbers_aliases_anew) {
  const RenameRule rules[] = {{"^a$", "z"}};
  const auto view = rename(std::make_shared<Aliased>(), rules);
  ASSERT_TRUE(view);
  EXPECT_EQ((*view)->aliases(), (Groups{{0, 2, 3}}));  // b, d and z
  EXPECT_EQ((*view)->reading_bytes(), 7U);
}

}  // namespace
}  // namespace merganser::views
