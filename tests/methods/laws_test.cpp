// Laws that every method without data keeps as far as it claims them, and that all keep. A method
// or step that cases() does not list fails here. Tolerances: see each law. Not tested here: what a
// method computes; that is in the file of its name.
#include "laws.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>

#include "methods/registry.h"

namespace merganser::trial {
namespace {

const std::vector<std::vector<DType>> kTypes{{DType::f32},
                                             {DType::bf16},
                                             {DType::f16},
                                             {DType::f64},
                                             {DType::f32, DType::bf16, DType::f16, DType::f64}};

class Laws : public testing::TestWithParam<Case> {};
// One suite for each claim, over the cases that make it.
class CopiesLaw : public Laws {};
class OrderLaw : public Laws {};
class LambdaLaw : public Laws {};
class ScaleLaw : public Laws {};

std::vector<Case> that_claim(bool Claims::* claim) {
  std::vector<Case> found;
  for (const Case& c : cases()) {
    if (claims_of(c).*claim) found.push_back(c);
  }
  return found;
}

std::string case_name(const testing::TestParamInfo<Case>& info) { return info.param.name; }

/// Distance in units in the last place of f32 or f64, by the order of their bits.
template <class Float, class Bits>
Bits ulps(Float a, Float b) {
  const auto key = [](Float x) {
    const Bits all = std::bit_cast<Bits>(x);
    return all < 0 ? std::numeric_limits<Bits>::min() - all : all;
  };
  return std::abs(key(a) - key(b));
}

/// 16-bit types byte for byte, others within one unit in the last place.
testing::AssertionResult gives_back(DType type, const std::vector<std::byte>& merged,
                                    const std::vector<std::byte>& model) {
  if (bits(type) == 16) {
    if (merged == model) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "bytes differ";
  }
  const std::vector<double> a = values_of(type, merged);
  const std::vector<double> b = values_of(type, model);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::int64_t apart =
        type == DType::f64
            ? ulps<double, std::int64_t>(a[i], b[i])
            : ulps<float, std::int32_t>(static_cast<float>(a[i]), static_cast<float>(b[i]));
    if (apart > 1) {
      return testing::AssertionFailure()
             << apart << " ulp between " << a[i] << " and " << b[i] << " at " << i;
    }
  }
  return testing::AssertionSuccess();
}

TEST(law_cases, list_every_method_and_step) {
  for (const Method* method : methods::methods()) {
    EXPECT_TRUE(std::any_of(cases().begin(), cases().end(), [&](const Case& c) {
      return c.method == std::string_view(method->name);
    })) << method->name;
  }
  for (const Method* step : methods::steps()) {
    EXPECT_TRUE(std::any_of(cases().begin(), cases().end(), [&](const Case& c) {
      return std::string_view(c.steps).find("step: " + std::string(step->name)) !=
             std::string_view::npos;
    })) << step->name;
  }
}

TEST_P(CopiesLaw, copies_give_the_model_back) {
  const Case& c = GetParam();
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const auto& types = kTypes[seed % kTypes.size()];
    const Model model = Draw(seed).model(types, false);
    Models models{{"base", model}};
    for (int i = 0; i < c.models; ++i) models[model_name(i)] = model;
    const Merged merged = merge(models, recipe_of(c));
    for (const MemoryTensor& t : model.tensors) {
      EXPECT_TRUE(gives_back(t.info.dtype, merged.bytes.at(t.info.name), t.data))
          << "seed " << seed << ", " << t.info.name << " " << torch_name(t.info.dtype);
    }
  }
}

// On the grid all sums and all products with the weights are exact, so that no vote depends on the
// order; divisions and factors are rounded: 2^-20 is 8 roundings of numbers below 2.
TEST_P(OrderLaw, order_of_models_does_not_matter) {
  const Case& c = GetParam();
  std::vector<int> order;
  for (int model = 0; model < c.models; ++model) order.push_back(model);
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Models models = Draw(seed).models(c, {DType::f32}, true);
    const Merged forward = merge(models, recipe_of(c));
    std::next_permutation(order.begin(), order.end());
    const Merged permuted = merge(models, recipe_of(c, order));
    for (const auto& [name, bytes] : forward.bytes) {
      SCOPED_TRACE(name);
      expect_near(permuted[name], forward[name], 0x1p-20 * 4);
    }
  }
}

TEST_P(LambdaLaw, lambda_zero_gives_the_base) {
  const Case& c = GetParam();
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Models models = Draw(seed).models(c, kTypes[seed % kTypes.size()], false);
    const Merged merged = merge(models, recipe_of(c, "lambda: 0"));
    for (const MemoryTensor& t : models.at("base").tensors) {
      EXPECT_EQ(merged.bytes.at(t.info.name), t.data) << "seed " << seed << ", " << t.info.name;
    }
  }
}

// Over a base of zeros a delta is the model, and a factor of 2 is exact everywhere.
TEST_P(ScaleLaw, deltas_twice_as_large_change_the_base_twice_as_much) {
  const Case& c = GetParam();
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    Models models = Draw(seed).models(c, {DType::f32, DType::f64}, false);
    for (MemoryTensor& t : models["base"].tensors)
      std::fill(t.data.begin(), t.data.end(), std::byte{0});
    Models doubled = models;
    for (auto& [name, model] : doubled) {
      for (MemoryTensor& t : model.tensors) {
        std::vector<double> values = values_of(t.info.dtype, t.data);
        for (double& value : values) value *= 2;
        t = tensor(t.info.name, t.info.shape, values, t.info.dtype);
      }
    }
    const Merged once = merge(models, recipe_of(c));
    const Merged twice = merge(doubled, recipe_of(c));
    for (const auto& [name, bytes] : once.bytes) {
      std::vector<double> expected = once[name];
      for (double& value : expected) value *= 2;
      // Subnormal numbers are rounded to a grid that does not scale.
      expect_near(twice[name], expected, 1e-40);
    }
  }
}

TEST_P(Laws, every_cpu_level_gives_the_same_bytes) {
  const Case& c = GetParam();
  for (std::uint64_t seed = 0; seed < kTypes.size() + 1; ++seed) {
    const bool large = seed == kTypes.size();
    const auto& types = kTypes[large ? 0 : seed];
    const Models models = Draw(seed).models(c, types, seed % 2 == 1, large);
    const Merged baseline = merge(models, recipe_of(c), Level::baseline);
    ASSERT_EQ(baseline.error(), "");
    for (const Level level : levels_here()) {
      const Merged merged = merge(models, recipe_of(c), level);
      for (const auto& [name, bytes] : baseline.bytes) {
        EXPECT_EQ(merged.bytes.at(name) == bytes, true)
            << level_name(level) << ", seed " << seed << ", " << name;
      }
    }
  }
}

TEST_P(Laws, dtype_rounds_the_inputs_first) {
  const Case& c = GetParam();
  const Models models = Draw(1).models(c, {DType::f32}, false);
  Models rounded = models;
  for (auto& [name, model] : rounded) {
    for (MemoryTensor& t : model.tensors)
      t = tensor(t.info.name, t.info.shape, values_of(t.info.dtype, t.data), DType::bf16);
  }
  EXPECT_EQ(merge(models, recipe_of(c, "", "dtype: bfloat16")).bytes,
            merge(rounded, recipe_of(c)).bytes);
}

TEST_P(Laws, out_dtype_rounds_the_result_once) {
  const Case& c = GetParam();
  const Models models = Draw(2).models(c, {DType::f32}, false);
  const Merged exact = merge(models, recipe_of(c));
  const Merged rounded = merge(models, recipe_of(c, "", "out_dtype: float16"));
  for (const auto& [name, bytes] : exact.bytes) {
    const std::vector<double> values = exact[name];
    EXPECT_EQ(rounded.bytes.at(name), tensor(name, {values.size()}, values, DType::f16).data)
        << name;
  }
}

// The grid makes cuts and votes the same in both; what is left are roundings of numbers below 8.
TEST_P(Laws, double_precision_differs_by_rounding_alone) {
  const Case& c = GetParam();
  const Models models = Draw(3).models(c, {DType::f32}, true);
  const Merged narrow = merge(models, recipe_of(c));
  const Merged wide = merge(models, recipe_of(c, "", "dtype: float64"));
  for (const auto& [name, bytes] : narrow.bytes) {
    SCOPED_TRACE(name);
    double largest = 1;
    for (const double value : wide[name]) largest = std::max(largest, std::abs(value));
    expect_near(narrow[name], wide[name], largest * 0x1p-20);
  }
}

TEST_P(Laws, nan_is_an_error_with_its_place_or_is_counted) {
  const Case& c = GetParam();
  Models models = Draw(4).models(c, {DType::f32}, false);
  for (MemoryTensor& t : models["a"].tensors) {
    if (t.info.name != "m5x7") continue;
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(t.data.data() + 4 * 11, &nan, 4);
  }
  const auto plan = plan_of(models, recipe_of(c));
  ASSERT_TRUE(plan);
  const auto row = std::find_if(plan->rows.begin(), plan->rows.end(),
                                [](const plan::PlannedRow& r) { return r.name == "m5x7"; });
  const bool strict = std::any_of(row->chain.begin(), row->chain.end(),
                                  [](const plan::Link& link) { return link.stage->finite; });
  const Merged merged = merge(models, recipe_of(c), best_level());
  if (strict) {
    ASSERT_EQ(merged.errors.size(), 1u);
    EXPECT_EQ(merged.errors[0].code, Code::not_finite);
    EXPECT_NE(merged.error().find("\"m5x7\""), std::string::npos) << merged.error();
    EXPECT_NE(merged.error().find("`a`"), std::string::npos) << merged.error();
    EXPECT_NE(merged.error().find("element 11:"), std::string::npos) << merged.error();
    return;
  }
  ASSERT_EQ(merged.error(), "");
  if (row->copy) return;
  EXPECT_EQ(merged.outcome.non_finite, 1u);
  EXPECT_EQ(merged.outcome.first_non_finite, "m5x7");
  // A drop may take the entry.
  if (std::string_view(c.name).find("dare") == std::string_view::npos) {
    EXPECT_TRUE(std::isnan(merged["m5x7"][11]));
  }
}

TEST_P(Laws, whole_numbers_are_copied_and_must_agree) {
  const Case& c = GetParam();
  Models models = Draw(5).models(c, {DType::f32}, false);
  for (auto& [name, model] : models)
    model.tensors.push_back(whole_numbers("steps", {1, -2, 3'000'000'000}));
  const Merged merged = merge(models, recipe_of(c));
  EXPECT_EQ(merged.bytes.at("steps"), models["a"].tensors.back().data);
  if (c.models + (c.base ? 1 : 0) < 2) return;
  models["a"].tensors.back() = whole_numbers("steps", {1, -2, 4});
  const Merged other = merge(models, recipe_of(c), best_level());
  const Needs& needs = methods::find_method(c.method)->needs;
  if (needs.buffers_of_first) {
    EXPECT_EQ(other.bytes.at("steps"), models["a"].tensors.back().data);
  } else {
    ASSERT_EQ(other.errors.size(), 1u);
    EXPECT_EQ(other.errors[0].code, Code::value_mismatch);
    EXPECT_EQ(other.errors[0].subject, "steps");
  }
}

TEST_P(Laws, only_drops_depend_on_the_seed) {
  const Case& c = GetParam();
  const Models models = Draw(6).models(c, {DType::f32}, true);
  const Merged once = merge(models, recipe_of(c, "", "seed: 1"));
  const Merged again = merge(models, recipe_of(c, "", "seed: 1"));
  const Merged other = merge(models, recipe_of(c, "", "seed: 2"));
  EXPECT_EQ(once.bytes, again.bytes);
  const std::string_view name = c.name;
  const bool drops = name.find("dare") != name.npos || name.find("drops") != name.npos;
  EXPECT_EQ(once.bytes != other.bytes, drops);
}

INSTANTIATE_TEST_SUITE_P(methods, Laws, testing::ValuesIn(cases()), case_name);
INSTANTIATE_TEST_SUITE_P(methods, CopiesLaw,
                         testing::ValuesIn(that_claim(&Claims::copies_give_back)), case_name);
INSTANTIATE_TEST_SUITE_P(methods, OrderLaw, testing::ValuesIn(that_claim(&Claims::order_free)),
                         case_name);
INSTANTIATE_TEST_SUITE_P(methods, LambdaLaw,
                         testing::ValuesIn(that_claim(&Claims::zero_lambda_gives_base)), case_name);
INSTANTIATE_TEST_SUITE_P(methods, ScaleLaw,
                         testing::ValuesIn(that_claim(&Claims::scales_with_deltas)), case_name);

}  // namespace
}  // namespace merganser::trial
