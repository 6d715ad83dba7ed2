// diff against sums taken one entry after the other in long double, which shares no code with it.
// Tolerance: the f64 sums of n entries have a relative error of at most (n / 16 + 5) 2^-53 against
// the sum of magnitudes, 2e-12 for the 300,001 entries here, plus one for each tile; 1e-11 covers
// both. Not covered: models larger than the page cache, files that change while they are read.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "merganser/merganser.h"

#include "core/cpu.h"
#include "model_folder.h"

namespace merganser::engine {
namespace {

constexpr double kTolerance = 1e-11;

std::vector<double> random_values(std::size_t n, unsigned seed, double scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, scale);
  std::vector<double> values(n);
  // Some zeros, because they count for no sign.
  for (double& v : values) v = random() % 16 == 0 ? 0 : normal(random);
  return values;
}

/// The values as a tensor of that type holds them.
std::vector<double> rounded(std::vector<double> values, DType dtype) {
  kernels::round_to(dtype, values.data(), values.size());
  return values;
}

struct Oracle {
  long double aa = 0, bb = 0, dd = 0, xx = 0, xy = 0, yy = 0, largest = 0;
  std::uint64_t elements = 0, shared = 0, opposite = 0;

  void add(const std::vector<double>& a, const std::vector<double>& b,
           const std::vector<double>& base = {}) {
    for (std::size_t i = 0; i < a.size(); ++i) {
      const long double p = a[i];
      const long double q = b[i];
      const long double from = base.empty() ? 0.0L : base[i];
      const long double x = p - from;
      const long double y = q - from;
      aa += p * p;
      bb += q * q;
      dd += (p - q) * (p - q);
      xx += x * x;
      xy += x * y;
      yy += y * y;
      largest = std::max(largest, std::abs(p - q));
      if (x == 0 || y == 0) continue;
      ++shared;
      if ((x < 0) != (y < 0)) ++opposite;
    }
    elements += a.size();
  }

  void expect(const Difference& found) const {
    SCOPED_TRACE(found.name);
    const auto near = [](double value, long double expected) {
      EXPECT_NEAR(value, static_cast<double>(expected),
                  kTolerance * std::abs(static_cast<double>(expected)) + 1e-15);
    };
    EXPECT_EQ(found.elements, elements);
    near(found.norm_a, std::sqrt(aa));
    near(found.norm_b, std::sqrt(bb));
    near(found.norm_difference, std::sqrt(dd));
    near(found.relative, std::sqrt(dd / aa));
    EXPECT_NEAR(found.cosine, static_cast<double>(xy / std::sqrt(xx * yy)), kTolerance);
    EXPECT_DOUBLE_EQ(found.sign_conflicts,
                     static_cast<double>(opposite) / static_cast<double>(shared));
    near(found.largest, largest);
  }
};

Answer<DiffReport> diff_of(const std::string& a, const std::string& b, const std::string& base = "",
                           const Options& options = {}) {
  Listener quiet;
  return diff(a, b, base, options, quiet);
}

const Difference& named(const std::vector<Difference>& all, std::string_view name) {
  static const Difference kNone;
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const auto& d) { return d.name == name; });
  EXPECT_NE(at, all.end()) << name;
  return at == all.end() ? kNone : *at;
}

TEST(Diff, agrees_with_a_slow_sum_at_every_length_that_ends_elsewhere) {
  for (const std::size_t n : {1, 2, 15, 16, 17, 4095, 4096, 4097, 262144, 262145, 300001}) {
    SCOPED_TRACE(n);
    const ModelFolders folders;
    const auto a = rounded(random_values(n, 1), DType::f32);
    const auto b = rounded(random_values(n, 2), DType::f32);
    const auto base = rounded(random_values(n, 3, 0.1), DType::f32);
    const auto path_a = folders.write("a", {tensor("w", DType::f32, {n}, a)});
    const auto path_b = folders.write("b", {tensor("w", DType::f32, {n}, b)});
    const auto path_base = folders.write("base", {tensor("w", DType::f32, {n}, base)});

    Oracle values;
    values.add(a, b);
    if (values.shared == 0) continue;
    const auto plain = diff_of(path_a, path_b);
    ASSERT_TRUE(plain) << plain.problems.front().text();
    EXPECT_TRUE(plain.notes.empty());
    values.expect(plain.value->tensors.front());

    Oracle deltas;
    deltas.add(a, b, base);
    const auto with_base = diff_of(path_a, path_b, path_base);
    ASSERT_TRUE(with_base) << with_base.problems.front().text();
    deltas.expect(with_base.value->tensors.front());
    EXPECT_EQ(with_base.value->base, path_base);
  }
}

TEST(Diff, compares_across_dtypes) {
  for (const DType left : {DType::f64, DType::f32, DType::f16, DType::bf16, DType::f8e4m3}) {
    for (const DType right : {DType::f64, DType::bf16, DType::f8e5m2}) {
      SCOPED_TRACE(std::string(torch_name(left)) + " and " + std::string(torch_name(right)));
      const ModelFolders folders;
      const auto a = random_values(5000, 1);
      const auto b = random_values(5000, 2);
      const auto base = random_values(5000, 3);
      const auto answer =
          diff_of(folders.write("a", {tensor("w", left, {50, 100}, a)}),
                  folders.write("b", {tensor("w", right, {50, 100}, b)}),
                  folders.write("base", {tensor("w", DType::f16, {50, 100}, base)}));
      ASSERT_TRUE(answer);
      Oracle oracle;
      oracle.add(rounded(a, left), rounded(b, right), rounded(base, DType::f16));
      oracle.expect(answer.value->all);
      EXPECT_FALSE(answer.value->all.equal);
    }
  }
}

/// Two layers, an embedding and a norm.
std::vector<MemoryTensor> small_model(unsigned seed, std::string_view prefix = "model.") {
  const auto name = [&](std::string_view rest) { return std::string(prefix) + std::string(rest); };
  const auto of = [&](std::string_view rest, Shape shape) {
    return tensor(name(rest), DType::bf16, shape, random_values(elements(shape), seed++));
  };
  std::vector<MemoryTensor> tensors;
  tensors.push_back(of("embed_tokens.weight", {32, 8}));
  for (const char* layer : {"layers.0.", "layers.1."}) {
    tensors.push_back(of(std::string(layer) + "self_attn.q_proj.weight", {8, 8}));
    tensors.push_back(of(std::string(layer) + "mlp.up_proj.weight", {16, 8}));
    tensors.push_back(of(std::string(layer) + "input_layernorm.weight", {8}));
  }
  tensors.push_back(of("norm.weight", {8}));
  return tensors;
}

std::vector<double> values_of(const MemoryTensor& tensor) {
  std::vector<double> values(tensor.info.elements());
  kernels::widen(tensor.info.dtype, tensor.data.data(), values.data(), values.size());
  return values;
}

TEST(Diff, adds_up_layers_roles_and_everything) {
  const ModelFolders folders;
  const auto a = small_model(1);
  const auto b = small_model(100);
  const auto answer = diff_of(folders.write("a", a), folders.write("b", b));
  ASSERT_TRUE(answer);
  const DiffReport& report = *answer.value;

  Oracle all, layer_1, attention;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto x = values_of(a[i]);
    const auto y = values_of(b[i]);
    all.add(x, y);
    if (a[i].info.name.find("layers.1.") != std::string::npos) layer_1.add(x, y);
    if (a[i].info.name.find("self_attn") != std::string::npos) attention.add(x, y);
  }
  all.expect(report.all);
  EXPECT_EQ(report.all.name, "all");
  ASSERT_EQ(report.layers.size(), 2U);
  EXPECT_EQ(report.layers[0].name, "layer 0");
  layer_1.expect(named(report.layers, "layer 1"));
  attention.expect(named(report.roles, "attention"));
  ASSERT_EQ(report.tensors.size(), a.size());
  EXPECT_TRUE(std::is_sorted(report.tensors.begin(), report.tensors.end(),
                             [](const auto& x, const auto& y) { return x.name < y.name; }));
}

TEST(Diff, tells_stacks_of_layers_apart) {
  const ModelFolders folders;
  const std::vector<double> eight(8, 0.5);
  std::vector<MemoryTensor> model = small_model(1);
  for (const char* name : {"visual.blocks.0.attn.qkv.weight", "visual.blocks.1.attn.qkv.weight"}) {
    model.push_back(tensor(name, DType::bf16, {4, 2}, eight));
  }
  const auto answer = diff_of(folders.write("a", model), folders.write("b", model));
  ASSERT_TRUE(answer);
  std::vector<std::string> labels;
  for (const Difference& layer : answer.value->layers) labels.push_back(layer.name);
  EXPECT_EQ(labels, (std::vector<std::string>{"text layer 0", "text layer 1", "vision layer 0",
                                              "vision layer 1"}));
}

TEST(Diff, finds_a_model_equal_to_itself) {
  const ModelFolders folders;
  const auto path = folders.write("a", small_model(1));
  const auto answer = diff_of(path, path);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer.value->all.equal);
  EXPECT_EQ(answer.value->all.norm_difference, 0);
  EXPECT_EQ(answer.value->all.relative, 0);
  EXPECT_EQ(answer.value->all.largest, 0);
  EXPECT_EQ(answer.value->all.sign_conflicts, 0);
  EXPECT_DOUBLE_EQ(answer.value->all.cosine, 1);
  // Nothing moved, so no angle exists.
  const auto with_base = diff_of(path, path, path);
  ASSERT_TRUE(with_base);
  EXPECT_TRUE(std::isnan(with_base.value->all.cosine));
  EXPECT_TRUE(std::isnan(with_base.value->all.sign_conflicts));
}

TEST(Diff, sees_a_byte_where_no_value_differs) {
  const ModelFolders folders;
  const auto answer = diff_of(folders.write("a", {tensor("w", DType::f32, {2}, {0.0, 1.0})}),
                              folders.write("b", {tensor("w", DType::f32, {2}, {-0.0, 1.0})}));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer.value->all.norm_difference, 0);
  EXPECT_FALSE(answer.value->all.equal);
}

TEST(Diff, matches_names_that_families_spell_differently) {
  const ModelFolders folders;
  const auto answer =
      diff_of(folders.write("a", small_model(1)), folders.write("b", small_model(1, "")));
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer.value->all.equal);
  EXPECT_TRUE(answer.value->only_a.empty());
  EXPECT_EQ(answer.value->layers.size(), 2U);
  EXPECT_EQ(answer.value->tensors.front().name, "model.embed_tokens.weight");
}

TEST(Diff, lists_what_has_no_partner) {
  const ModelFolders folders;
  auto a = small_model(1);
  auto b = small_model(1);
  a.push_back(tensor("model.extra", DType::f32, {1}, {1}));
  b.erase(b.begin() + 1);  // layer 0's q_proj
  b.push_back(tensor("lm_head.weight", DType::bf16, {32, 8}, random_values(256, 7)));
  b.front() = tensor("model.embed_tokens.weight", DType::bf16, {33, 8}, random_values(264, 7));
  const auto answer = diff_of(folders.write("a", a), folders.write("b", b));
  ASSERT_TRUE(answer);
  const DiffReport& report = *answer.value;
  EXPECT_EQ(report.only_a,
            (std::vector<std::string>{"model.extra", "model.layers.0.self_attn.q_proj.weight"}));
  EXPECT_EQ(report.only_b, (std::vector<std::string>{"lm_head.weight"}));
  EXPECT_EQ(report.shapes_differ, (std::vector<std::string>{"model.embed_tokens.weight"}));
  // What was compared is the same, but the models are not.
  EXPECT_EQ(report.all.norm_difference, 0);
  EXPECT_FALSE(report.all.equal);
  EXPECT_FALSE(named(report.layers, "layer 0").equal);
  EXPECT_TRUE(named(report.layers, "layer 1").equal);
  // Nothing of the embedding could be compared, so it has no row.
  for (const Difference& role : report.roles) EXPECT_NE(role.name, "embedding");
}

TEST(Diff, compares_integers_by_their_bytes_only) {
  const ModelFolders folders;
  const auto w = tensor("w", DType::f32, {2}, {3, 4});
  const auto a = folders.write("a", {w, raw_tensor("ids", DType::i32, {2}, std::string(8, '\1'))});
  const auto b = folders.write("b", {w, raw_tensor("ids", DType::i32, {2}, std::string(8, '\2'))});
  const auto answer = diff_of(a, b);
  ASSERT_TRUE(answer);
  const Difference& ids = named(answer.value->tensors, "ids");
  EXPECT_EQ(ids.elements, 2U);
  EXPECT_FALSE(ids.equal);
  EXPECT_TRUE(std::isnan(ids.norm_a));
  EXPECT_TRUE(std::isnan(ids.cosine));
  EXPECT_EQ(answer.value->all.elements, 2U);
  EXPECT_EQ(answer.value->all.norm_a, 5);
  EXPECT_FALSE(answer.value->all.equal);
  EXPECT_TRUE(named(diff_of(a, a).value->tensors, "ids").equal);
}

TEST(Diff, leaves_tensors_without_a_base_out_of_angles) {
  const ModelFolders folders;
  const auto a = folders.write(
      "a", {tensor("u", DType::f32, {2}, {2, 0}), tensor("w", DType::f32, {2}, {5, 5})});
  const auto b = folders.write(
      "b", {tensor("u", DType::f32, {2}, {1, 1}), tensor("w", DType::f32, {2}, {-5, -5})});
  const auto base = folders.write("base", {tensor("u", DType::f32, {2}, {1, 0})});
  const auto answer = diff_of(a, b, base);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(std::isnan(named(answer.value->tensors, "w").cosine));
  EXPECT_EQ(named(answer.value->tensors, "w").largest, 10);
  EXPECT_EQ(answer.value->all.cosine, 0);  // (1, 0) and (0, 1)
  ASSERT_EQ(answer.notes.size(), 1U);
  EXPECT_EQ(answer.notes.front().code, "missing-tensor");
  EXPECT_EQ(answer.notes.front().subject, "w");

  const auto strict = diff_of(a, b, base, {.strict = true});
  EXPECT_FALSE(strict);
  EXPECT_EQ(strict.status, Status::failed);
  EXPECT_EQ(strict.problems.size(), 1U);
}

TEST(Diff, shows_what_is_not_finite) {
  const ModelFolders folders;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const auto answer = diff_of(folders.write("a", {tensor("u", DType::bf16, {3}, {1, nan, infinity}),
                                                  tensor("w", DType::bf16, {1}, {1})}),
                              folders.write("b", {tensor("u", DType::bf16, {3}, {1, 2, 3}),
                                                  tensor("w", DType::bf16, {1}, {2})}));
  ASSERT_TRUE(answer);
  EXPECT_TRUE(std::isnan(answer.value->all.norm_difference));
  EXPECT_TRUE(std::isnan(answer.value->all.largest));
  EXPECT_TRUE(std::isnan(named(answer.value->tensors, "u").cosine));
  EXPECT_EQ(named(answer.value->tensors, "w").largest, 1);
  ASSERT_EQ(answer.notes.size(), 1U);
  EXPECT_EQ(answer.notes.front().code, "not-finite");
  EXPECT_EQ(answer.notes.front().subject, "u");
  EXPECT_NE(answer.notes.front().message.find("2 entries"), std::string::npos);
}

TEST(Diff, says_the_same_bits_at_every_cpu_level) {
  const ModelFolders folders;
  const auto a = folders.write("a", {tensor("w", DType::f32, {300001}, random_values(300001, 1))});
  const auto b = folders.write("b", {tensor("w", DType::f16, {300001}, random_values(300001, 2))});
  const auto base =
      folders.write("c", {tensor("w", DType::f64, {300001}, random_values(300001, 3))});
  const auto bits = [&](const Options& options) {
    std::vector<std::uint64_t> all;
    for (const std::string& from : {std::string(), base}) {
      const auto answer = diff_of(a, b, from, options);
      const Difference& d = answer.value->all;
      for (const double v : {d.norm_a, d.norm_b, d.norm_difference, d.relative, d.cosine,
                             d.sign_conflicts, d.largest}) {
        all.push_back(std::bit_cast<std::uint64_t>(v));
      }
    }
    return all;
  };
  const auto expected = bits({.cpu_level = "baseline"});
  for (const Level level : {Level::sse4, Level::avx2, Level::avx512}) {
    if (!is_supported(level)) continue;
    EXPECT_EQ(bits({.cpu_level = std::string(level_name(level))}), expected) << level_name(level);
  }
}

TEST(Diff, reports_progress_and_stops_when_told_to) {
  struct Watching : Listener {
    bool progress(std::uint64_t done, std::uint64_t total, std::string_view name) override {
      EXPECT_GT(done, last);
      EXPECT_EQ(name, "w");
      last = done;
      all = total;
      return done < stop;
    }
    std::uint64_t last = 0;
    std::uint64_t all = 0;
    std::uint64_t stop = std::numeric_limits<std::uint64_t>::max();
  };
  const ModelFolders folders;
  const auto path =
      folders.write("a", {tensor("w", DType::f32, {600000}, random_values(600000, 1))});
  Watching to_the_end;
  ASSERT_TRUE(diff(path, path, path, {}, to_the_end));
  EXPECT_EQ(to_the_end.last, 3U * 600000U * 4U);
  EXPECT_EQ(to_the_end.all, to_the_end.last);

  Watching stopping;
  stopping.stop = 1;
  const auto answer = diff(path, path, "", {}, stopping);
  EXPECT_FALSE(answer);
  EXPECT_EQ(answer.status, Status::interrupted);
  ASSERT_EQ(answer.problems.size(), 1U);
  EXPECT_EQ(answer.problems.front().code, "interrupted");
  EXPECT_EQ(stopping.last, 2U * 262144U * 4U);
}

TEST(Diff, handles_empty_tensors_and_scalars) {
  const ModelFolders folders;
  const auto path = folders.write(
      "a", {raw_tensor("empty", DType::f32, {0, 4}, ""), tensor("scalar", DType::f16, {}, {-2})});
  const auto answer = diff_of(path, path);
  ASSERT_TRUE(answer);
  EXPECT_EQ(named(answer.value->tensors, "empty").elements, 0U);
  EXPECT_TRUE(named(answer.value->tensors, "empty").equal);
  EXPECT_EQ(named(answer.value->tensors, "scalar").norm_a, 2);
  EXPECT_EQ(named(answer.value->tensors, "scalar").cosine, 1);
}

TEST(Diff, reports_every_model_that_is_not_there) {
  const ModelFolders folders;
  const auto a = folders.write("a", {tensor("w", DType::f32, {1}, {1})});
  const auto gone = (folders.path() / "gone").string();
  const auto answer = diff_of(gone, a, gone);
  EXPECT_FALSE(answer);
  ASSERT_EQ(answer.problems.size(), 2U);
  EXPECT_EQ(answer.problems.front().code, "model-not-found");
  EXPECT_EQ(answer.status, Status::failed);
}

TEST(Diff, refuses_a_cpu_level_that_does_not_exist) {
  const ModelFolders folders;
  const auto a = folders.write("a", {tensor("w", DType::f32, {1}, {1})});
  const auto answer = diff_of(a, a, "", {.cpu_level = "mmx"});
  EXPECT_FALSE(answer);
  EXPECT_EQ(answer.status, Status::usage);
}

}  // namespace
}  // namespace merganser::engine
