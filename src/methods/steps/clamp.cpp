#include <algorithm>
#include <array>

#include "methods/stages.h"

namespace merganser::methods {
namespace {

struct Params {
  Names between;
  std::array<std::uint32_t, 2> inputs{};  ///< Their places, filled in by check().

  bool operator==(const Params&) const = default;
};

constexpr std::array kFields{
    field<&Params::between>("between",
                            "names of the two models that span the range; `base` is the base")
        .required()};

constexpr Doc kDoc{
    .says = "Keeps every entry of the merged delta within the range that two models span.",
    .formula = "m <- min(max(m, min(delta_a, delta_b)), max(delta_a, delta_b))",
    .departs = "where one of the two lacks the tensor nothing is clamped",
    .claims = {.copies_give_back = true}};

Result<void> check(void* params, const Inputs& inputs) {
  auto& p = *static_cast<Params*>(params);
  const Error wrong{.code = Code::recipe_value,
                    .message = "`between` takes the names of two models",
                    .subject = "between",
                    .hint = "between: [" + inputs.names.front() + ", " + inputs.names.back() + "]"};
  if (p.between.size() != p.inputs.size()) return wrong;
  for (std::size_t i = 0; i < p.inputs.size(); ++i) {
    p.inputs[i] = inputs.find(p.between[i]);
    if (p.inputs[i] == kNoInput) return wrong;
  }
  return {};
}

/// Delta of an input as the method saw it; null where the tensor has none. The base's is 0, as
/// scratch is.
template <class T>
const T* seen_delta(const Row& row, const Tile<T>& in, const Scratch& scratch,
                    std::uint32_t input) {
  if (input == row.base) return scratch.as<T>(in.n).data();
  const auto at = std::find(row.seen.begin(), row.seen.end(), input);
  return at == row.seen.end() ? nullptr : in.seen[static_cast<std::size_t>(at - row.seen.begin())];
}

template <class T>
void clamp(const Row& row, FactsSoFar, const Tile<T>& in, Scratch& scratch) noexcept {
  const auto& p = row.params<Params>();
  const T* a = seen_delta(row, in, scratch, p.inputs[0]);
  const T* b = seen_delta(row, in, scratch, p.inputs[1]);
  if (a == nullptr || b == nullptr) return;
  T* x = in.x[0];
  for (std::size_t i = 0; i < in.n; ++i)
    x[i] = std::min(std::max(x[i], std::min(a[i], b[i])), std::max(a[i], b[i]));
}

std::size_t scratch_bytes(const Row& row) {
  return row.tile_elements * (row.wide ? sizeof(double) : sizeof(float));
}

const Stage kClamp{.name = "clamp",
                   .space = Space::deltas,
                   .yields = Yields::each,
                   .looks_back = true,
                   .tile = MERGANSER_KERNEL(clamp),
                   .scratch = &scratch_bytes};

std::vector<StageUse> stages(const void* params) {
  return {use(kClamp, *static_cast<const Params*>(params))};
}

}  // namespace

const Method clamp_step{.name = "clamp",
                        .doc = kDoc,
                        .fields = fields<Params>(kFields),
                        .stages = &stages,
                        .check = &check,
                        .in_finish = true};

}  // namespace merganser::methods
