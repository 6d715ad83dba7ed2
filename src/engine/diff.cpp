#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "merganser/merganser.h"

#include "architecture/architecture.h"
#include "core/cpu.h"
#include "engine/open.h"
#include "engine/problems.h"
#include "formats/hub.h"
#include "kernels/convert.h"
#include "kernels/reduce.h"

namespace merganser {
namespace {

/// Entries that are read at once and that are worked on at once. A change changes the last bits of
/// figures.
constexpr std::uint64_t kChunk = std::uint64_t{1} << 18;
constexpr std::size_t kTile = 4096;

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

/// What all figures follow from. Sums over more than a tile add up the tiles' sums from left to
/// right, those over more than a tensor the tensors' in the order of their names in A.
struct Sums {
  std::uint64_t elements = 0;
  double aa = 0;  ///< sum a^2; b^2; (a - b)^2.
  double bb = 0;
  double dd = 0;
  double xx = 0;  ///< Of what the angle is between, deltas or values: sum x^2; x y; y^2.
  double xy = 0;
  double yy = 0;
  std::uint64_t shared = 0;    ///< Entries where neither x nor y is 0.
  std::uint64_t opposite = 0;  ///< Those of them where the signs differ.
  double largest = 0;          ///< Largest |a - b|; NaN when one of them is.

  void add(const Sums& more) {
    elements += more.elements;
    aa += more.aa;
    bb += more.bb;
    dd += more.dd;
    xx += more.xx;
    xy += more.xy;
    yy += more.yy;
    shared += more.shared;
    opposite += more.opposite;
    if (!(more.largest <= largest)) largest = std::isnan(largest) ? largest : more.largest;
  }
};

/// Largest |a_i - b_i|; NaN when one of them is. Doubles without a sign are ordered like their
/// bits, NaN last, and a maximum of integers becomes vectors where one of doubles does not.
template <class T>
double largest_difference(std::size_t n, const T* a, const T* b) noexcept {
  std::int64_t largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const auto apart = std::bit_cast<std::int64_t>(std::abs(double{a[i]} - double{b[i]}));
    largest = apart > largest ? apart : largest;
  }
  return std::bit_cast<double>(largest);
}

/// Counts the signs of a_i - origin(i) and b_i - origin(i). Comparing says what the exact
/// difference would; nothing is rounded. An entry with a NaN counts nowhere.
template <class T, class Origin>
void count_signs(std::size_t n, const T* a, const T* b, Origin origin, Sums& sums) noexcept {
  // 32 bits count a tile and fill vectors like floats do.
  std::uint32_t shared = 0;
  std::uint32_t opposite = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const T from = origin(i);
    const unsigned a_up = a[i] > from;
    const unsigned a_down = a[i] < from;
    const unsigned b_up = b[i] > from;
    const unsigned b_down = b[i] < from;
    opposite += (a_up & b_down) | (a_down & b_up);
    shared += (a_up | a_down) & (b_up | b_down);
  }
  sums.shared = shared;
  sums.opposite = opposite;
}

/// The sums of a tile of values. Products of floats are exact in f64; differences of floats are
/// rounded to 53 bits.
template <class T>
Sums compare(std::size_t n, const T* a, const T* b) noexcept {
  Sums sums;
  const auto [aa, ab, bb, dd] = kernels::sums16<4>(n, [=](std::size_t i) {
    const double x = a[i];
    const double y = b[i];
    const double d = x - y;
    return std::array<double, 4>{x * x, x * y, y * y, d * d};
  });
  sums.elements = n;
  sums.aa = sums.xx = aa;
  sums.bb = sums.yy = bb;
  sums.xy = ab;
  sums.dd = dd;
  sums.largest = largest_difference(n, a, b);
  count_signs(n, a, b, [](std::size_t) { return T{0}; }, sums);
  return sums;
}

/// The same with the angle between the deltas.
template <class T>
Sums compare_deltas(std::size_t n, const T* a, const T* b, const T* base) noexcept {
  Sums sums;
  const auto [aa, bb, dd] = kernels::sums16<3>(n, [=](std::size_t i) {
    const double x = a[i];
    const double y = b[i];
    const double d = x - y;
    return std::array<double, 3>{x * x, y * y, d * d};
  });
  const auto [xx, xy, yy] = kernels::sums16<3>(n, [=](std::size_t i) {
    const double from = base[i];
    const double x = double{a[i]} - from;
    const double y = double{b[i]} - from;
    return std::array<double, 3>{x * x, x * y, y * y};
  });
  sums.elements = n;
  sums.aa = aa;
  sums.bb = bb;
  sums.dd = dd;
  sums.xx = xx;
  sums.xy = xy;
  sums.yy = yy;
  sums.largest = largest_difference(n, a, b);
  count_signs(n, a, b, [=](std::size_t i) { return base[i]; }, sums);
  return sums;
}

/// One of the models that are compared.
struct Side {
  std::shared_ptr<const formats::Model> model;
  std::shared_ptr<const Checkpoint> weights;  ///< As merges read them.
  std::vector<std::string> notes;
  architecture::Architecture architecture;
  std::uint64_t non_finite = 0;  ///< Entries that are infinite or NaN, where figures are made.
  std::string first_non_finite;  ///< Tensor with the first of them.

  std::span<const TensorInfo> tensors() const { return weights->tensors(); }
  std::string path() const { return model->path.string(); }
};

/// Tensors of one canonical name and shape, as their numbers in A, B and the base.
struct Pair {
  static constexpr std::size_t kNone = Checkpoint::npos;
  std::size_t a = kNone;
  std::size_t b = kNone;
  std::size_t base = kNone;
  bool figures = false;  ///< Both can be computed with; otherwise only bytes are compared.
  bool bytes = false;    ///< The dtypes are equal, so bytes can be.
};

struct Compared {
  Sums sums;
  bool equal = true;
};

/// Reads pairs of tensors chunk by chunk. Memory: three chunks as stored and three tiles.
class Comparer {
 public:
  Comparer(Side& a, Side& b, Side* base, Level level, Listener& listener)
      : sides_{&a, &b, base}, level_(level), listener_(listener) {}

  std::uint64_t bytes(const Pair& pair) const {
    std::uint64_t sum = 0;
    for (std::size_t side = 0; side < 3; ++side) {
      if (reads(pair, side)) sum += info(pair, side).bytes();
    }
    return sum;
  }
  void expect(std::uint64_t total) { total_ = total; }

  /// Errors: io; interrupted.
  Result<Compared> run(const Pair& pair) {
    Compared compared;
    compared.equal = pair.bytes;
    bool wide = false;
    for (std::size_t side = 0; side < 3; ++side) {
      if (reads(pair, side)) wide |= info(pair, side).dtype == DType::f64;
    }
    const std::uint64_t elements = pair.figures || pair.bytes ? info(pair, 0).elements() : 0;
    for (std::uint64_t first = 0; first < elements; first += kChunk) {
      const auto n = static_cast<std::size_t>(std::min(kChunk, elements - first));
      MERGANSER_TRY(read(pair, first, n));
      // Not `==` of the vectors, which goes byte by byte.
      if (compared.equal) {
        compared.equal = std::memcmp(stored_[0].data(), stored_[1].data(), stored_[0].size()) == 0;
      }
      if (pair.figures) {
        wide ? add_chunk(pair, n, wide_, compared.sums)
             : add_chunk(pair, n, narrow_, compared.sums);
      }
      if (!listener_.progress(done_, total_, info(pair, 0).name)) {
        return Error{.code = Code::interrupted, .message = "stopped before the end"};
      }
    }
    return compared;
  }

 private:
  template <class T>
  using Tiles = std::array<std::vector<T>, 3>;

  const TensorInfo& info(const Pair& pair, std::size_t side) const {
    return sides_[side]->tensors()[number(pair, side)];
  }
  static std::size_t number(const Pair& pair, std::size_t side) {
    return side == 0 ? pair.a : side == 1 ? pair.b : pair.base;
  }
  static bool reads(const Pair& pair, std::size_t side) {
    if (side == 2) return pair.figures && pair.base != Pair::kNone;
    return pair.figures || pair.bytes;
  }

  Result<void> read(const Pair& pair, std::uint64_t first, std::size_t n) {
    for (std::size_t side = 0; side < 3; ++side) {
      if (!reads(pair, side)) continue;
      stored_[side].resize(stored_bytes(info(pair, side).dtype, n));
      MERGANSER_TRY(sides_[side]->weights->read(number(pair, side), first, stored_[side]));
      done_ += stored_[side].size();
    }
    return {};
  }

  template <class T>
  void add_chunk(const Pair& pair, std::size_t n, Tiles<T>& tiles, Sums& sums) {
    for (std::size_t start = 0; start < n; start += kTile) {
      const std::size_t size = std::min(kTile, n - start);
      for (std::size_t side = 0; side < 3; ++side) {
        if (!reads(pair, side)) continue;
        const TensorInfo& tensor = info(pair, side);
        tiles[side].resize(kTile);
        const std::byte* from = stored_[side].data() + stored_bytes(tensor.dtype, start);
        const auto bad = kernels::widen(level_, tensor.dtype, from, tiles[side].data(), size);
        if (bad == 0) continue;
        Side& of = *sides_[side];
        if (of.non_finite == 0) of.first_non_finite = tensor.name;
        of.non_finite += bad;
      }
      const T* a = tiles[0].data();
      const T* b = tiles[1].data();
      if (sides_[2] == nullptr) {
        sums.add(per_level<&compare<T>>.at(level_)(size, a, b));
      } else if (pair.base != Pair::kNone) {
        sums.add(per_level<&compare_deltas<T>>.at(level_)(size, a, b, tiles[2].data()));
      } else {
        Sums values = per_level<&compare<T>>.at(level_)(size, a, b);
        values.xx = values.xy = values.yy = 0;
        values.shared = values.opposite = 0;
        sums.add(values);
      }
    }
  }

  std::array<Side*, 3> sides_;  ///< A, B, and the base or null.
  Level level_;
  Listener& listener_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  std::array<std::vector<std::byte>, 3> stored_;
  Tiles<float> narrow_;
  Tiles<double> wide_;
};

/// Figures whose formula has no value are NaN: all of a tensor that is only compared as bytes, the
/// angle where one side is 0 throughout, the conflicts where no entry has two signs.
Difference difference(std::string name, const Sums& sums, bool equal) {
  Difference out{.name = std::move(name), .elements = sums.elements, .equal = equal};
  out.norm_a = std::sqrt(sums.aa);
  out.norm_b = std::sqrt(sums.bb);
  out.norm_difference = std::sqrt(sums.dd);
  out.relative = sums.dd == 0 ? 0 : out.norm_difference / out.norm_a;
  // Two roots, since the product of two sums can leave the range.
  const double lengths = std::sqrt(sums.xx) * std::sqrt(sums.yy);
  out.cosine = lengths == 0 ? kUndefined : std::clamp(sums.xy / lengths, -1.0, 1.0);
  out.sign_conflicts = sums.shared == 0
                           ? kUndefined
                           : static_cast<double>(sums.opposite) / static_cast<double>(sums.shared);
  out.largest = sums.largest;
  return out;
}

Difference without_figures(std::string name, std::uint64_t elements, bool equal) {
  return {.name = std::move(name),
          .elements = elements,
          .norm_a = kUndefined,
          .norm_b = kUndefined,
          .norm_difference = kUndefined,
          .relative = kUndefined,
          .cosine = kUndefined,
          .sign_conflicts = kUndefined,
          .largest = kUndefined,
          .equal = equal};
}

/// A layer, a role or everything. It shows when a pair of it was compared, and is equal when
/// nothing of it is missing on either side.
struct Group {
  Sums sums;
  bool equal = true;
  bool shows = false;
  bool figures = false;

  Difference as(std::string name) const {
    return figures ? difference(std::move(name), sums, equal)
                   : without_figures(std::move(name), 0, equal);
  }
};

/// Figures added up by what tensors mean. `elements` counts what the sums are over.
class Groups {
 public:
  void add(const architecture::Meaning& meaning, const Compared& compared, bool figures) {
    each(meaning, [&](Group& group) {
      group.sums.add(compared.sums);
      group.equal &= compared.equal;
      group.figures |= figures;
      group.shows = true;
    });
  }

  void add_unpaired(const architecture::Meaning& meaning) {
    each(meaning, [](Group& group) { group.equal = false; });
  }

  void report(const architecture::Architecture& architecture, DiffReport& report) const {
    report.all = all_.as("all");
    std::set<std::string> shown;
    for (const auto& [key, group] : layers_) {
      if (group.shows) shown.insert(key.first);
    }
    for (const auto& [key, group] : layers_) {
      if (!group.shows) continue;
      const std::string stack = shown.size() > 1 ? stack_name(architecture, key.first) : "";
      report.layers.push_back(group.as(fmt::format("{}layer {}", stack, key.second)));
    }
    for (const auto& [role, group] : roles_) {
      if (group.shows) report.roles.push_back(group.as(std::string(role_name(role))));
    }
  }

 private:
  template <class Change>
  void each(const architecture::Meaning& meaning, Change change) {
    change(all_);
    change(roles_[meaning.role]);
    if (meaning.layer >= 0) {
      // Models that spell the front of their names differently have different containers for the
      // same layers.
      change(layers_[{architecture::canonical_name(meaning.container), meaning.layer}]);
    }
  }

  /// The word before "layer" that tells stacks apart: the module's ("vision "), else the prefix.
  static std::string stack_name(const architecture::Architecture& architecture,
                                const std::string& container) {
    for (const architecture::Module& module : architecture.modules) {
      if (architecture::canonical_name(module.container) != container) continue;
      if (module.name == "default") return "";
      for (const std::string_view tail : {"_tower", "_decoder", "_model"}) {
        if (module.name.ends_with(tail)) {
          return module.name.substr(0, module.name.size() - tail.size()) + " ";
        }
      }
      break;
    }
    const std::size_t end = container.find_last_not_of('.');
    return container.substr(0, end + 1) + " ";
  }

  Group all_;
  std::map<std::pair<std::string, int>, Group> layers_;
  std::map<Role, Group> roles_;
};

Result<Side> open_side(const std::string& path, const Options& options) {
  Side side;
  MERGANSER_TRY(formats::Model model,
                formats::open_named(formats::model_name(path), engine::read_options(options)));
  side.model = std::make_shared<const formats::Model>(std::move(model));
  MERGANSER_TRY(views::Dequantized plain, engine::dequantized(side.model));
  side.weights = std::move(plain.weights);
  side.notes = side.model->notes;
  side.notes.insert(side.notes.end(), plain.notes.begin(), plain.notes.end());
  side.architecture = architecture::describe(*side.weights, side.model->config);
  return side;
}

/// Number of each tensor by its canonical name.
std::unordered_map<std::string_view, std::size_t> by_canonical(const Side& side) {
  std::unordered_map<std::string_view, std::size_t> numbers;
  const auto& meanings = side.architecture.meanings;
  for (std::size_t i = 0; i < meanings.size(); ++i) numbers.emplace(meanings[i].canonical, i);
  return numbers;
}

/// Everything that is known from headers.
class Diff {
 public:
  Diff(Side& a, Side& b, Side* base) : a_(a), b_(b), base_(base) {}

  /// Pairs tensors, in the order of A's names.
  void match() {
    const auto in_b = by_canonical(b_);
    const auto in_base = base_ != nullptr ? by_canonical(*base_) : decltype(in_b){};
    std::vector<bool> met(b_.tensors().size());
    for (std::size_t i = 0; i < a_.tensors().size(); ++i) {
      const TensorInfo& tensor = a_.tensors()[i];
      const architecture::Meaning& meaning = a_.architecture.meanings[i];
      const auto other = in_b.find(meaning.canonical);
      if (other == in_b.end()) {
        report_.only_a.push_back(tensor.name);
        groups_.add_unpaired(meaning);
        continue;
      }
      met[other->second] = true;
      const TensorInfo& match = b_.tensors()[other->second];
      if (match.shape != tensor.shape) {
        report_.shapes_differ.push_back(tensor.name);
        groups_.add_unpaired(meaning);
        continue;
      }
      Pair pair{.a = i, .b = other->second};
      pair.figures = is_arithmetic(tensor.dtype) && is_arithmetic(match.dtype);
      pair.bytes = tensor.dtype == match.dtype;
      if (base_ != nullptr && pair.figures) find_base(in_base, meaning.canonical, tensor, pair);
      pairs_.push_back(pair);
    }
    for (std::size_t i = 0; i < met.size(); ++i) {
      if (met[i]) continue;
      report_.only_b.push_back(b_.tensors()[i].name);
      groups_.add_unpaired(b_.architecture.meanings[i]);
    }
  }

  /// What a user should know before the weights are read.
  std::vector<Problem> header_notes() const {
    std::vector<Problem> notes;
    for (const Side* side : sides()) {
      if (side == nullptr) continue;
      for (const std::string& note : side->notes) {
        notes.push_back({.code = std::string(code_id(Code::bad_file)), .message = note});
      }
    }
    if (without_base_ > 0) {
      notes.push_back(engine::to_problem(
          {.code = Code::missing_tensor,
           .message =
               fmt::format("the base lacks {} of {} compared tensors, or has them in another "
                           "shape, the first {}: cosines and sign conflicts leave them out",
                           without_base_, pairs_.size(), first_without_base_),
           .file = base_->path(),
           .subject = first_without_base_}));
    }
    return notes;
  }

  Result<DiffReport> run(Level level, Listener& listener) {
    Comparer comparer(a_, b_, base_, level, listener);
    std::uint64_t total = 0;
    for (const Pair& pair : pairs_) total += comparer.bytes(pair);
    comparer.expect(total);
    for (const Pair& pair : pairs_) {
      const TensorInfo& tensor = a_.tensors()[pair.a];
      MERGANSER_TRY(const Compared compared, comparer.run(pair));
      report_.tensors.push_back(
          pair.figures ? difference(tensor.name, compared.sums, compared.equal)
                       : without_figures(tensor.name, tensor.elements(), compared.equal));
      groups_.add(a_.architecture.meanings[pair.a], compared, pair.figures);
    }
    groups_.report(a_.architecture, report_);
    return std::move(report_);
  }

  /// What only the weights tell.
  std::vector<Problem> value_notes() const {
    std::vector<Problem> notes;
    for (const Side* side : sides()) {
      if (side == nullptr || side->non_finite == 0) continue;
      notes.push_back(engine::to_problem(
          {.code = Code::not_finite,
           .message = fmt::format("{} entries are infinite or NaN, the first in {}: figures over "
                                  "them are not finite either",
                                  side->non_finite, side->first_non_finite),
           .file = side->path(),
           .subject = side->first_non_finite}));
    }
    return notes;
  }

 private:
  std::array<const Side*, 3> sides() const { return {&a_, &b_, base_}; }

  void find_base(const std::unordered_map<std::string_view, std::size_t>& in_base,
                 std::string_view canonical, const TensorInfo& tensor, Pair& pair) {
    const auto found = in_base.find(canonical);
    if (found != in_base.end()) {
      const TensorInfo& match = base_->tensors()[found->second];
      if (match.shape == tensor.shape && is_arithmetic(match.dtype)) {
        pair.base = found->second;
        return;
      }
    }
    if (without_base_++ == 0) first_without_base_ = tensor.name;
  }

  Side& a_;
  Side& b_;
  Side* base_;
  std::vector<Pair> pairs_;
  std::size_t without_base_ = 0;
  std::string first_without_base_;
  DiffReport report_;
  Groups groups_;
};

}  // namespace

Answer<DiffReport> diff(const std::string& a, const std::string& b, const std::string& base,
                        const Options& options, Listener& listener) {
  const FloatEnvironment environment;
  MERGANSER_ANSWER(
      DiffReport, const Level level,
      options.cpu_level.empty() ? level_from_environment() : level_from_name(options.cpu_level));
  std::vector<Side> sides;
  std::vector<Error> errors;
  for (const std::string& path : {a, b, base}) {
    if (sides.size() == 2 && path.empty()) break;
    auto side = open_side(path, options);
    side ? sides.push_back(*std::move(side)) : errors.push_back(side.error());
  }
  if (!errors.empty()) return engine::failed<DiffReport>(errors);

  Diff work(sides[0], sides[1], sides.size() > 2 ? &sides[2] : nullptr);
  work.match();
  Answer<DiffReport> answer;
  answer.notes = work.header_notes();
  const auto refused = [&] { return options.strict && !answer.notes.empty(); };
  if (!refused()) {
    MERGANSER_ANSWER(DiffReport, DiffReport report, work.run(level, listener));
    for (Problem& note : work.value_notes()) answer.notes.push_back(std::move(note));
    report.a = a;
    report.b = b;
    report.base = base;
    if (!refused()) {
      answer.value = std::move(report);
      return answer;
    }
  }
  answer.problems = std::exchange(answer.notes, {});
  answer.status = Status::failed;
  return answer;
}

}  // namespace merganser
