#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/cpu.h"
#include "core/memory_checkpoint.h"
#include "exec/run.h"
#include "plan/plan.h"

/// Whole merges in memory, for tests: tensors and a recipe's text in, tensors or errors out. No
/// file is touched; recipes name models by their key.
namespace merganser::trial {

/// A tensor with these values, rounded to `dtype` (any arithmetic type); as many as the shape has
/// elements.
MemoryTensor tensor(std::string name, Shape shape, const std::vector<double>& values,
                    DType dtype = DType::f32);

/// An i64 tensor, which methods only copy.
MemoryTensor whole_numbers(std::string name, const std::vector<std::int64_t>& values);

/// The values of stored bytes.
std::vector<double> values_of(DType dtype, const std::vector<std::byte>& bytes);

struct Model {
  std::vector<MemoryTensor> tensors;
  std::string config;  ///< Text of config.json; may be empty.
};
using Models = std::map<std::string, Model>;

/// Models of one f32 tensor "w", a vector.
Models vectors(const std::map<std::string, std::vector<double>>& values);

/// Plans a recipe's text ("recipe.yml" in messages) over the models.
Checked<plan::Plan> plan_of(const Models& models, const std::string& recipe,
                            const plan::Options& options = {});

/// The mistakes that planning finds, each as `Error::text`; empty when it finds none.
std::vector<std::string> mistakes(const Models& models, const std::string& recipe,
                                  const plan::Options& options = {});

/// What a merge left.
struct Merged {
  std::vector<Error> errors;  ///< Of the plan or the run; the rest is empty then.
  exec::Outcome outcome;
  std::map<std::string, std::vector<std::byte>> bytes;  ///< By output tensor.
  std::map<std::string, DType> dtypes;

  /// The values of a tensor; a failed test and nothing where there is none.
  std::vector<double> operator[](const std::string& name) const;
  /// All errors as text, a line or two each.
  std::string error() const;
};

/// Merges at a CPU level with the reference executor.
Merged merge(const Models& models, const std::string& recipe, Level level,
             const plan::Options& options = {});
/// The same at the best level, for which no error is expected.
Merged merge(const Models& models, const std::string& recipe);
/// Tensor "w" of such a merge.
std::vector<double> merge_w(const Models& models, const std::string& recipe);

/// The levels that this machine can run, baseline first.
std::vector<Level> levels_here();

/// Fails the test where two lists differ in length, or somewhere by more than `tolerance`.
void expect_near(const std::vector<double>& actual, const std::vector<double>& expected,
                 double tolerance);

}  // namespace merganser::trial
