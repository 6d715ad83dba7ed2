#include <algorithm>
#include <array>
#include <cmath>

#include "core/math.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "methods/stages.h"

namespace merganser::methods {
namespace {

struct Params {
  PerModel<double> weight = 1.0;
  bool nuslerp_flatten = true;
  bool nuslerp_row_wise = false;

  bool operator==(const Params&) const = default;
};

constexpr std::array kFields{
    field<&Params::weight>("weight", "t = w_2 / (w_1 + w_2)").required(),
    field<&Params::nuslerp_flatten>("nuslerp_flatten",
                                    "a tensor is one vector; otherwise it is many"),
    field<&Params::nuslerp_row_wise>("nuslerp_row_wise",
                                     "without flatten: vectors along the first axis (columns of a "
                                     "matrix) instead of the last (its rows)")};

constexpr Doc kDoc{
    .says = "Spherical interpolation of two models, or of their deltas when there is a base.",
    .formula =
        "c = cos angle(v_1, v_2), a = acos c, t = w_2 / (w_1 + w_2)\n"
        "out = (sin((1-t) a) v_1 + sin(t a) v_2) / sin a;  (1-t) v_1 + t v_2 where 1 - c^2 <= "
        "1e-16",
    .source = "mergekit 0.1.5",
    .departs =
        "dots and norms are summed in f64; t = 0.5 where the weights add up to less than 1e-6, as "
        "in mergekit",
    .claims = {.copies_give_back = true}};

/// Inner products of two vectors.
struct Products {
  double aa = 0;
  double bb = 0;
  double ab = 0;
};

struct Factors {
  double first = 0;
  double second = 0;
};

/// Position between the present models: the tensor's first two.
double position(const Row& row) {
  const auto& p = row.params<Params>();
  const double first = row.of(p.weight, 0);
  const double second = row.of(p.weight, 1);
  return std::abs(first + second) < 1e-6 ? 0.5 : second / (first + second);
}

Factors factors(const Products& v, double t) {
  // Norms below 1e-7 count as 1e-7: mergekit's guard against zero vectors.
  const double divisor = std::max(std::sqrt(v.aa), 1e-7) * std::max(std::sqrt(v.bb), 1e-7);
  const double cosine = std::clamp(v.ab / divisor, -1.0, 1.0);
  if (1 - cosine * cosine <= 1e-16) return {1 - t, t};
  const double angle = math::acos(cosine);
  const double sine = math::sin(angle);
  return {math::sin((1 - t) * angle) / sine, math::sin(t * angle) / sine};
}

bool by_columns(const Row& row) {
  const auto& p = row.params<Params>();
  return !p.nuslerp_flatten && p.nuslerp_row_wise && row.shape.size() > 1;
}

/// Vectors along the first axis: as many as one slice of it has elements.
std::size_t vectors(const Row& row) {
  return by_columns(row)
             ? static_cast<std::size_t>(row.elements / std::max<std::uint64_t>(row.shape[0], 1))
             : 1;
}

Scope products_scope(const Row& row) {
  return row.params<Params>().nuslerp_flatten || by_columns(row) ? Scope::tensor : Scope::none;
}

std::vector<Part> products_state(const Row& row) { return {{.count = 3 * vectors(row)}}; }

template <class T>
void fold_products(const Row& row, FactsSoFar, const Tile<T>& in, State& state, Scratch&) noexcept {
  const T* a = in.x[0];
  const T* b = in.x[1];
  const std::span<double> sums = state.reals[0];
  if (!by_columns(row)) {
    sums[0] += kernels::dot(a, a, in.n);
    sums[1] += kernels::dot(b, b, in.n);
    sums[2] += kernels::dot(a, b, in.n);
    return;
  }
  std::size_t column = in.first % vectors(row);
  for (std::size_t i = 0; i < in.n; ++i) {
    const double x = a[i];
    const double y = b[i];
    sums[3 * column] += x * x;
    sums[3 * column + 1] += y * y;
    sums[3 * column + 2] += x * y;
    if (++column == vectors(row)) column = 0;
  }
}

/// real[2 v] and real[2 v + 1]: the factors of vector v.
Result<Facts> finish_products(const Group& group, const State& state, FactsSoFar) {
  const auto& sums = state.reals[0];
  const double t = position(group.front());
  Facts facts;
  for (std::size_t v = 0; v + 2 < sums.size(); v += 3) {
    const Factors f = factors({sums[v], sums[v + 1], sums[v + 2]}, t);
    facts.real.insert(facts.real.end(), {f.first, f.second});
  }
  return facts;
}

template <class T>
void interpolate(const Row& row, FactsSoFar facts, const Tile<T>& in, Scratch&) noexcept {
  const T* a = in.x[0];
  const T* b = in.x[1];
  if (by_columns(row)) {
    const double* factor = facts[0]->real.data();
    std::size_t column = in.first % vectors(row);
    for (std::size_t i = 0; i < in.n; ++i) {
      in.out[i] =
          static_cast<T>(factor[2 * column]) * a[i] + static_cast<T>(factor[2 * column + 1]) * b[i];
      if (++column == vectors(row)) column = 0;
    }
    return;
  }
  Factors f;
  if (row.params<Params>().nuslerp_flatten) {
    f = {facts[0]->real[0], facts[0]->real[1]};
  } else {
    f = factors({kernels::dot(a, a, in.n), kernels::dot(b, b, in.n), kernels::dot(a, b, in.n)},
                position(row));
  }
  kernels::scale(in.n, a, static_cast<T>(f.first), in.out);
  kernels::add_scaled(in.n, b, static_cast<T>(f.second), in.out);
}

Grain grain_for(const Row& row) {
  return row.params<Params>().nuslerp_flatten || by_columns(row) ? Grain::element : Grain::row;
}

constexpr Kernel<FoldFn> kFoldProducts = MERGANSER_KERNEL(fold_products);
constexpr Survey kSurveys[]{{"inner products of the two", &products_scope, &products_state,
                             &kFoldProducts, &finish_products}};

const Stage kNuslerp{.name = "nuslerp",
                     .space = Space::deltas,
                     .finite = true,
                     .surveys = kSurveys,
                     .tile = MERGANSER_KERNEL(interpolate),
                     .grain_for = &grain_for};

std::vector<StageUse> stages(const void* params) {
  return {use(kNuslerp, *static_cast<const Params*>(params))};
}

}  // namespace

const Method nuslerp_method{
    .name = "nuslerp",
    .doc = kDoc,
    .fields = fields<Params>(kFields),
    .needs = {.base = Base::optional, .least_models = 2, .most_models = 2, .lone_passes = true},
    .stages = &stages};

}  // namespace merganser::methods
