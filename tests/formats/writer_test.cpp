// Distribution of tensors over files.

#include "formats/writer.h"

#include <gtest/gtest.h>

#include "support.h"

namespace merganser::formats {
namespace {

std::vector<TensorInfo> tensors() {
  return {{"a", DType::u8, {40}},
          {"b", DType::f32, {15}},
          {"big", DType::u8, {200}},
          {"c", DType::u8, {1}}};
}

TEST(Writer, one_file_has_no_index) {
  const auto plan = plan_files(tensors(), 0, {{"format", "pt"}}, "1.0");
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->files.size(), 1U);
  EXPECT_EQ(plan->files[0].name, "model.safetensors");
  EXPECT_EQ(plan->files[0].bytes, plan->files[0].header.size() + 40 + 60 + 200 + 1);
  EXPECT_TRUE(plan->index.empty());
  EXPECT_EQ(plan->places[1].offset, plan->files[0].header.size());  // f32 before u8
  EXPECT_EQ(plan->places[0].offset, plan->files[0].header.size() + 60);
}

TEST(Writer, a_shard_is_closed_before_it_would_exceed_the_limit) {
  const auto plan = plan_files(tensors(), 100, {}, "1.0");
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->files.size(), 3U);
  const std::size_t file_of[] = {0, 0, 1, 2};  // 40 + 60 fill the first; 200 has one of its own
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(plan->places[i].file, file_of[i]);
  EXPECT_EQ(plan->files[2].name, "model-00003-of-00003.safetensors");
  EXPECT_EQ(plan->files[2].bytes, plan->files[2].header.size() + 1);
  EXPECT_EQ(plan->index, R"({
  "metadata": {
    "total_size": 301,
    "merganser_version": "1.0"
  },
  "weight_map": {
    "a": "model-00001-of-00003.safetensors",
    "b": "model-00001-of-00003.safetensors",
    "big": "model-00002-of-00003.safetensors",
    "c": "model-00003-of-00003.safetensors"
  }
}
)");
}

TEST(Writer, shards_fill_in_the_order_given_and_the_map_is_sorted) {
  const std::vector<TensorInfo> order{{"z", DType::u8, {2}}, {"a", DType::u8, {2}}};
  const auto plan = plan_files(order, 3, {}, "1");
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->places[0].file, 0U);
  EXPECT_EQ(plan->places[1].file, 1U);
  EXPECT_LT(plan->index.find("\"a\""), plan->index.find("\"z\""));
}

TEST(Writer, no_tensors_give_one_empty_file) {
  const auto plan = plan_files({}, 100, {}, "1");
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->files.size(), 1U);
  EXPECT_EQ(plan->files[0].bytes, 16U);
}

TEST(Writer, what_it_plans_reads_back) {
  const TempFolder folder;
  const auto list = tensors();
  const auto plan = plan_files(list, 100, {{"format", "pt"}}, "1.0");
  ASSERT_TRUE(plan);
  for (std::size_t f = 0; f < plan->files.size(); ++f) {
    std::string bytes(plan->files[f].bytes, '\0');
    plan->files[f].header.copy(bytes.data(), bytes.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (plan->places[i].file == f)
        bytes.replace(plan->places[i].offset, list[i].bytes(), list[i].bytes(), list[i].name[0]);
    }
    folder.write(plan->files[f].name, bytes);
  }
  const auto opened = open_sharded(folder.write(kIndexName, plan->index), {});
  ASSERT_TRUE(opened) << error_of(opened).text();
  for (const TensorInfo& tensor : list) {
    const std::size_t at = (*opened)->find(tensor.name);
    ASSERT_NE(at, Checkpoint::npos);
    EXPECT_EQ(tensor_bytes(**opened, at), std::string(tensor.bytes(), tensor.name[0]));
  }
}

}  // namespace
}  // namespace merganser::formats
