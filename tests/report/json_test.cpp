#include "report/json.h"

#include <limits>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "reports.h"

namespace merganser::report {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> keys(const Json& json) {
  std::vector<std::string> list;
  for (const auto& item : json.items()) list.push_back(item.key());
  return list;
}

TEST(Json, plan_has_the_promised_keys) {
  const Json plan = Json::parse(plan_json(plan_report(), {}));
  EXPECT_EQ(keys(plan), (std::vector<std::string>{
                            "recipe", "method", "steps", "output", "peak_bytes", "read_bytes",
                            "write_bytes", "readings", "seed", "merged", "copied", "inputs",
                            "disagreements", "notes", "warnings", "tensors"}));
  EXPECT_EQ(plan["output"].dump(), R"({"path":"merged","files":2,"free_bytes":120000000000})");
  EXPECT_EQ(plan["peak_bytes"], 1'100'000'000);
  EXPECT_EQ(plan["copied"].dump(), R"({"integers":40,"kept from vlm":8})");
  EXPECT_EQ(plan["inputs"][1]["delta"], nullptr);
  EXPECT_EQ(plan["inputs"][1]["base"], true);
}

TEST(Json, parameters_are_numbers_where_they_are_numbers) {
  const Json plan = Json::parse(plan_json(plan_report(), {}));
  EXPECT_EQ(
      plan["tensors"][0].dump(),
      R"({"name":"model.layers.0.mlp.up_proj.weight","shape":[11008,4096],"dtype":"bfloat16","method":"ties",)"
      R"("why":"","inputs":["math","code","base"],"role":"mlp.up","layer":0,"parameters":{"density":0.2,)"
      R"("weight":{"math":1,"code":0.5},"normalize":true,"scope":"model"}})");
  EXPECT_EQ(plan["tensors"][1]["parameters"].dump(), "{}");
}

TEST(Json, explain_says_where_parameters_came_from) {
  const Json tensor = Json::parse(explain_json(merged_tensor(), {}));
  EXPECT_EQ(tensor["parameters"][2].dump(),
            R"({"name":"weight","model":"code","value":0.5,"from":"recipe.yml:7:26"})");
}

TEST(Json, merge_holds_plan_and_hashes) {
  const Json merge = Json::parse(merge_json(merge_report(), {}));
  EXPECT_EQ(keys(merge),
            (std::vector<std::string>{"output", "merged", "copied", "read_bytes", "written_bytes",
                                      "seconds", "peak_rss_bytes", "non_finite", "first_non_finite",
                                      "warnings", "plan", "hashes"}));
  EXPECT_EQ(merge["hashes"].dump(), R"({"position_ids":"00ff"})");
  EXPECT_EQ(merge["plan"]["tensors"].size(), 2U);
}

TEST(Json, inspect_lists_tensors_when_asked) {
  EXPECT_FALSE(Json::parse(inspect_json(inspect_report(), false, {})).contains("tensors"));
  const Json model = Json::parse(inspect_json(inspect_report(), true, {}));
  EXPECT_EQ(
      model["tensors"][1].dump(),
      R"({"name":"model.layers.0.mlp.up_proj.weight","dtype":"bfloat16","shape":[10,30],"layer":0,"role":"mlp.up"})");
  EXPECT_EQ(model["tied"].dump(), R"({"lm_head.weight":"model.embed_tokens.weight"})");
  EXPECT_EQ(model["shared"].dump(), R"([["a.weight","b.weight"]])");
  EXPECT_EQ(model["layers"].dump(), R"({"model.layers.":2})");
}

TEST(Json, what_is_not_finite_is_null) {
  DiffReport diff = diff_report();
  diff.all.cosine = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Json::parse(diff_json(diff, {}))["all"]["cosine"], nullptr);
}

TEST(Json, errors_have_all_their_keys) {
  Problem problem;
  problem.code = "recipe-value";
  problem.message = "no";
  problem.file = "recipe.yml";
  problem.line = 3;
  problem.column = 8;
  EXPECT_EQ(
      Json::parse(errors_json({problem}, {})).dump(),
      R"({"errors":[{"code":"recipe-value","file":"recipe.yml","line":3,"column":8,"subject":"","message":"no",)"
      R"("hint":"","check":""}],"warnings":[]})");
}

TEST(Json, broken_utf8_in_a_name_stays_json) {
  Problem problem;
  problem.subject = "up_\xffroj";
  EXPECT_EQ(Json::parse(errors_json({problem}, {}))["errors"][0]["subject"], "up_\xef\xbf\xbdroj");
}

TEST(Json, methods_describe_themselves) {
  const Json list = Json::parse(methods_json({method_doc()}));
  EXPECT_EQ(
      list["methods"][0]["parameters"][0].dump(),
      R"({"name":"density","says":"share of entries that stay","kind":"number","default":"1","range":"0 to 1",)"
      R"("options":[],"per_model":true})");
  EXPECT_EQ(Json::parse(method_json(method_doc())), list["methods"][0]);
}

TEST(Json, progress_is_one_line) {
  EXPECT_EQ(progress_json({5, 10, 0.5, "a\"b"}),
            R"({"done_bytes":5,"total_bytes":10,"seconds":0.5,"tensor":"a\"b"})");
}

}  // namespace
}  // namespace merganser::report
