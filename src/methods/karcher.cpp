#include <algorithm>
#include <array>
#include <cmath>

#include "core/math.h"
#include "methods/stages.h"
#include "methods/surveys/gram.h"

namespace merganser::methods {
namespace {

struct Params {
  std::int64_t max_iter = 10;
  double tol = 1e-5;

  bool operator==(const Params&) const = default;
};

constexpr std::array kFields{
    field<&Params::max_iter>("max_iter", "steps at the most"),
    field<&Params::tol>(
        "tol", "stops when a step is shorter; models shorter, and angles smaller, count as 0"),
    accepted("weight", "no effect: all models count the same")};

constexpr Doc kDoc{
    .says = "Mean on the sphere with the least squared angles to all models (Karcher mean).",
    .formula =
        "u_k = x_k / |x_k|,  u = sum_k u_k / |sum_k u_k|, then up to max_iter times\n"
        "t   = mean_k a_k (u_k - (u_k . u) u) / sin a_k,  a_k = angle(u_k, u)\n"
        "u   = cos|t| u + sin|t| t / |t|, until |t| < tol\n"
        "out = mean_k |x_k| * u",
    .source = "Karcher 1977; mergekit 0.1.5 karcher.py",
    .departs =
        "steps are taken on the inner products of the models, which are summed in f64; a model "
        "opposite to u has no direction from it and is left out of the step; one model is given "
        "back as it is",
    .claims = {.copies_give_back = true, .order_free = true}};

/// Sine of the largest angle that inner products in f64 cannot tell from 0 or from pi.
constexpr double kStraight = 0x1p-26;

/// Finds u as a combination of unit vectors: u = sum_k at_[k] u_k over the models that are not 0.
class Mean {
 public:
  Mean(const Params& params, std::span<const double> gram, std::size_t models)
      : p_(params), gram_(gram), at_(models), tangent_(models) {
    for (std::size_t k = 0; k < models; ++k) {
      norms_.push_back(std::sqrt(gram[surveys::gram_index(k, k)]));
      if (norms_[k] > p_.tol) valid_.push_back(k);
    }
  }

  /// The factor on each model.
  std::vector<double> run() {
    std::vector<double> factors(norms_.size());
    if (valid_.empty()) return factors;
    start();
    for (std::int64_t i = 0; i < p_.max_iter; ++i) {
      if (!step()) break;
    }
    double length = 0;
    for (const double norm : norms_) length += norm / static_cast<double>(norms_.size());
    for (const std::size_t k : valid_) factors[k] = length * at_[k] / norms_[k];
    return factors;
  }

 private:
  /// u_i . u_j.
  double unit(std::size_t i, std::size_t j) const {
    return i == j ? 1.0 : gram_[surveys::gram_index(i, j)] / (norms_[i] * norms_[j]);
  }

  double length(const std::vector<double>& combination) const {
    double square = 0;
    for (const std::size_t i : valid_) {
      for (const std::size_t j : valid_) square += combination[i] * combination[j] * unit(i, j);
    }
    return std::sqrt(std::max(square, 0.0));
  }

  void start() {
    for (const std::size_t k : valid_) at_[k] = 1.0 / static_cast<double>(valid_.size());
    const double norm = length(at_);
    if (norm < std::max(p_.tol, kStraight)) {
      // Directions that cancel: mergekit starts from the first.
      std::fill(at_.begin(), at_.end(), 0.0);
      at_[valid_.front()] = 1;
    } else {
      for (double& a : at_) a /= norm;
    }
  }

  /// One step towards the mean; false when there is nothing left to go.
  bool step() {
    std::fill(tangent_.begin(), tangent_.end(), 0.0);
    double back = 0;
    for (const std::size_t k : valid_) {
      double cosine = 0;
      for (const std::size_t j : valid_) cosine += at_[j] * unit(k, j);
      cosine = std::clamp(cosine, -1.0, 1.0);
      const double angle = math::acos(cosine);
      const double sine = math::sin(angle);
      if (angle < p_.tol || sine < kStraight) continue;
      const double pull = angle / sine / static_cast<double>(valid_.size());
      tangent_[k] += pull;
      back += pull * cosine;
    }
    for (const std::size_t k : valid_) tangent_[k] -= back * at_[k];
    const double size = length(tangent_);
    if (size < std::max(p_.tol, kStraight)) return false;
    for (const std::size_t k : valid_)
      at_[k] = math::cos(size) * at_[k] + math::sin(size) / size * tangent_[k];
    const double norm = length(at_);
    if (norm > p_.tol) {
      for (double& a : at_) a /= norm;
    }
    return true;
  }

  const Params& p_;
  std::span<const double> gram_;
  std::vector<double> norms_;
  std::vector<std::size_t> valid_;
  std::vector<double> at_;
  std::vector<double> tangent_;
};

/// real[k]: the factor on model k.
Result<Facts> finish(const Group& group, const State& state, FactsSoFar) {
  const Row& row = group.front();
  return Facts{.real = Mean(row.params<Params>(), state.reals[0], row.models.size()).run()};
}

constexpr Survey kSurveys[]{{"inner products of the models", &surveys::several_scope,
                             &surveys::gram_state, &surveys::gram_fold, &finish}};

const Stage kKarcher{.name = "karcher",
                     .space = Space::models,
                     .finite = true,
                     .surveys = kSurveys,
                     .tile = MERGANSER_KERNEL(surveys::combine_models)};

std::vector<StageUse> stages(const void* params) {
  return {use(kKarcher, *static_cast<const Params*>(params))};
}

}  // namespace

const Method karcher_method{.name = "karcher",
                            .doc = kDoc,
                            .fields = fields<Params>(kFields),
                            .needs = {.base = Base::counted},
                            .stages = &stages};

}  // namespace merganser::methods
