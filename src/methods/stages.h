#pragma once

#include <cstdint>
#include <vector>

#include "core/stage.h"

/// Stages that several methods put together. Each stands in the file of the method or step it
/// belongs to.
namespace merganser::methods {

/// out = sum_k w_k x_k over models, divided by sum_k w_k when `normalize`. In linear.cpp.
struct LinearParams {
  PerModel<double> weight = 1.0;
  bool normalize = true;
  bool trainable_only = false;

  bool operator==(const LinearParams&) const = default;
};
extern const Stage linear_combination;

/// out = sum_k w_k delta_k, divided by sum_k w_k when `normalize`. In task_arithmetic.cpp.
struct SumParams {
  PerModel<double> weight = 1.0;
  bool normalize = false;

  bool operator==(const SumParams&) const = default;
};
extern const Stage weighted_sum;

/// Over what a statistic of a stage is taken.
enum class Reach : std::uint8_t { tensor, model, row };
constexpr Scope scope_of(Reach reach) {
  return reach == Reach::model ? Scope::model : Scope::tensor;
}

/// Per entry: elects a sign by weighted mass and combines the deltas that agree with it. In
/// ties.cpp.
enum class ZeroSign : std::uint8_t { positive, majority };
enum class Aggregate : std::uint8_t { mean, sum, max };
struct ElectParams {
  PerModel<double> weight = 1.0;
  bool normalize = true;
  Aggregate aggregate = Aggregate::mean;
  ZeroSign zero_sign = ZeroSign::positive;
  Reach scope = Reach::tensor;  ///< Over what the majority is counted.

  bool operator==(const ElectParams&) const = default;
};
extern const Stage elect;
/// Those of a method whose Params name them alike.
template <class Params>
ElectParams vote_of(const Params& p) {
  return {.weight = p.weight,
          .normalize = p.normalize,
          .aggregate = p.aggregate,
          .zero_sign = p.zero_sign,
          .scope = p.scope};
}

/// Keeps the largest magnitudes of every delta. In steps/trim.cpp.
enum class Cut : std::uint8_t { exact, threshold };
struct TrimParams {
  PerModel<double> density = 1.0;
  Reach scope = Reach::tensor;
  Cut cut = Cut::exact;
  bool rescale = false;  ///< Scale what is left to the L1 norm of the whole.

  bool operator==(const TrimParams&) const = default;
};
extern const Stage trim;

/// Drops the largest magnitudes of every delta and keeps those behind them. In
/// steps/breadcrumbs.cpp.
struct BandParams {
  PerModel<double> keep = 1.0;
  PerModel<double> top = 0.0;
  Reach scope = Reach::tensor;
  Cut cut = Cut::exact;
  bool rescale = false;    ///< Scale what is left to the L1 norm of the whole.
  bool top_first = false;  ///< Where both shares do not fit: drop all of the top and keep less,
                           ///< instead of dropping less; and keep = 1 still drops the top.

  bool operator==(const BandParams&) const = default;
};
extern const Stage band;

/// Drops entries at random. In steps/dare.cpp.
enum class RescaleBy : std::uint8_t { l1, probability, none };
struct DareParams {
  PerModel<double> keep = 1.0;  ///< Probability with which an entry stays.
  RescaleBy rescale_by = RescaleBy::probability;

  bool operator==(const DareParams&) const = default;
};
extern const Stage dare;

/// Drops entries at random, the smaller of a row rather than the larger. In steps/della.cpp.
struct DellaParams {
  PerModel<double> keep = 1.0;      ///< Mean probability with which an entry stays.
  PerModel<double> epsilon = 0.15;  ///< How far the ends of a row lie from it.
  RescaleBy rescale_by = RescaleBy::probability;

  bool operator==(const DellaParams&) const = default;
};
extern const Stage della;
/// Refuses probabilities that are none; `epsilon` is the name of the parameter to blame.
Result<void> check_della(const DellaParams& params, const Inputs& inputs, const char* epsilon);
/// The check of a method whose Params name them alike.
template <class Params>
Result<void> check_della_of(void* params, const Inputs& inputs) {
  const auto& p = *static_cast<const Params*>(params);
  return check_della({p.density, p.epsilon, p.rescale_by}, inputs, "epsilon");
}

/// Multiplies. In steps/scale.cpp.
struct ScaleParams {
  PerModel<double> by = 1.0;

  bool operator==(const ScaleParams&) const = default;
};
extern const Stage scale;

// Every method and step, so that each may be defined as a constant in its own file.
#define METHOD(name) extern const Method name##_method;
#define STEP(name) extern const Method name##_step;
#include "methods/methods.def"
#undef METHOD
#undef STEP

}  // namespace merganser::methods
