#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>

#include "methods/stages.h"

namespace merganser::methods {
namespace {

/// One step of a stack machine over tiles.
struct Op {
  enum class Kind : std::uint8_t {
    number,
    input,
    add,
    subtract,
    multiply,
    divide,
    negate,
    min,
    max,
    abs,
    sign
  };
  Kind kind = Kind::number;
  double number = 0;
  std::uint32_t input = 0;

  bool operator==(const Op&) const = default;
};

struct Params {
  std::string formula;
  std::vector<Op> program;  ///< Filled in by check().
  std::size_t depth = 0;    ///< Tiles on the stack at the most.

  bool operator==(const Params&) const = default;
};

constexpr std::array kFields{
    field<&Params::formula>(
        "formula",
        "an expression over model names, `base` and numbers; names with other characters than "
        "letters, digits, _ and . go in backquotes")
        .required()};

constexpr Doc kDoc{
    .says = "Computes every entry by an expression over the models, for one-off ideas.",
    .formula =
        "out = a + 0.7*(b - c)        + - * / ( ) min(a, b, ...) max(a, b, ...) abs(a) sign(a) "
        "clamp(a, low, high)",
    .departs = "evaluated from the left in f32 (f64 for f64 models), rounded once at the end",
    .claims = {}};

/// Recursive descent over the formula's text; the first mistake stays and ends the walk.
class Compiler {
 public:
  Compiler(Params& params, const Inputs& inputs) : p_(params), inputs_(inputs) {}

  Result<void> run() {
    expression();
    skip_space();
    if (!failed() && at_ < p_.formula.size())
      fail("unexpected `" + p_.formula.substr(at_, 1) + "`");
    if (failed()) {
      return Error{.code = Code::recipe_value,
                   .message = "formula: " + message_ + " at character " + std::to_string(at_ + 1) +
                              " of `" + p_.formula + "`",
                   .subject = "formula",
                   .hint = hint_};
    }
    return {};
  }

 private:
  static constexpr int kMaxNesting = 100;

  bool failed() const { return !message_.empty(); }

  void fail(std::string message, std::string hint = "") {
    if (failed()) return;
    message_ = std::move(message);
    hint_ = std::move(hint);
  }

  void skip_space() {
    while (at_ < p_.formula.size() &&
           std::isspace(static_cast<unsigned char>(p_.formula[at_])) != 0)
      ++at_;
  }

  bool take(char c) {
    skip_space();
    if (at_ >= p_.formula.size() || p_.formula[at_] != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!take(c)) fail(std::string("expected `") + c + "`");
  }

  void push(Op op) {
    p_.program.push_back(op);
    p_.depth = std::max(p_.depth, ++height_);
  }

  void apply(Op::Kind kind, std::size_t operands) {
    p_.program.push_back({kind});
    height_ -= operands - 1;
  }

  void expression() {
    if (++nesting_ > kMaxNesting) fail("nested too deeply");
    if (failed()) return;
    term();
    while (!failed()) {
      if (take('+')) {
        term();
        apply(Op::Kind::add, 2);
      } else if (take('-')) {
        term();
        apply(Op::Kind::subtract, 2);
      } else {
        break;
      }
    }
    --nesting_;
  }

  void term() {
    factor();
    while (!failed()) {
      if (take('*')) {
        factor();
        apply(Op::Kind::multiply, 2);
      } else if (take('/')) {
        factor();
        apply(Op::Kind::divide, 2);
      } else {
        break;
      }
    }
  }

  void factor() {
    bool negative = false;
    while (take('-')) negative = !negative;
    primary();
    if (negative && !failed()) apply(Op::Kind::negate, 1);
  }

  void primary() {
    skip_space();
    if (at_ >= p_.formula.size()) return fail("something is missing at the end");
    const char c = p_.formula[at_];
    if (take('(')) {
      expression();
      expect(')');
    } else if (c == '`') {
      quoted_name();
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.') {
      number();
    } else if (std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_') {
      word();
    } else {
      fail(std::string("unexpected `") + c + "`");
    }
  }

  void number() {
    Op op;
    const char* begin = p_.formula.data() + at_;
    const auto [end, error] =
        std::from_chars(begin, p_.formula.data() + p_.formula.size(), op.number);
    if (error != std::errc()) return fail("not a number");
    at_ += static_cast<std::size_t>(end - begin);
    push(op);
  }

  void quoted_name() {
    const std::size_t end = p_.formula.find('`', at_ + 1);
    if (end == std::string::npos) return fail("the backquote is not closed");
    input(p_.formula.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
  }

  void word() {
    std::size_t end = at_;
    const auto in_word = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
    };
    while (end < p_.formula.size() && in_word(p_.formula[end])) ++end;
    const std::string name = p_.formula.substr(at_, end - at_);
    const std::size_t start = at_;
    at_ = end;
    if (take('(')) return call(name, start);
    at_ = start;
    input(name);
    if (!failed()) at_ = end;
  }

  void input(const std::string& name) {
    const std::uint32_t place = inputs_.find(name);
    if (place == kNoInput) {
      std::string known;
      for (const std::string& n : inputs_.names) known += (known.empty() ? "" : ", ") + n;
      return fail("there is no model `" + name + "`", "models: " + known);
    }
    push({.kind = Op::Kind::input, .input = place});
  }

  void call(const std::string& name, std::size_t start) {
    std::size_t arguments = 0;
    do {
      expression();
      if (failed()) return;
      fold_argument(name, ++arguments);
    } while (take(','));
    expect(')');
    if (failed()) return;
    if ((name == "min" || name == "max") && arguments >= 2) return;
    if (name == "clamp" && arguments == 3) return;
    if (name == "abs" && arguments == 1) return apply(Op::Kind::abs, 1);
    if (name == "sign" && arguments == 1) return apply(Op::Kind::sign, 1);
    at_ = start;
    fail("`" + name + "` with " + std::to_string(arguments) + " arguments is not a function",
         "functions: min(a, b, ...), max(a, b, ...), abs(a), sign(a), clamp(a, low, high)");
  }

  /// Functions of several arguments are applied as their arguments come: clamp(x, low, high) =
  /// min(max(x, low), high).
  void fold_argument(const std::string& name, std::size_t argument) {
    if (argument < 2) return;
    if (name == "min" || (name == "clamp" && argument == 3)) {
      apply(Op::Kind::min, 2);
    } else if (name == "max" || (name == "clamp" && argument == 2)) {
      apply(Op::Kind::max, 2);
    }
  }

  Params& p_;
  const Inputs& inputs_;
  std::size_t at_ = 0;
  std::size_t height_ = 0;
  int nesting_ = 0;
  std::string message_;
  std::string hint_;
};

Result<void> check(void* params, const Inputs& inputs) {
  auto& p = *static_cast<Params*>(params);
  p.program.clear();
  p.depth = 0;
  return Compiler(p, inputs).run();
}

template <class T>
const T* operand(const Row& row, const Tile<T>& in, std::uint32_t input) {
  if (input == row.base) return in.base;
  const auto at = std::find(row.models.begin(), row.models.end(), input);
  MERGANSER_ASSERT(at != row.models.end(),
                   "the plan let a tensor through that a named model lacks");
  return in.x[static_cast<std::size_t>(at - row.models.begin())];
}

template <class T>
void combine(T* a, const T* b, std::size_t n, Op::Kind kind) {
  switch (kind) {
    case Op::Kind::add:
      for (std::size_t i = 0; i < n; ++i) a[i] += b[i];
      break;
    case Op::Kind::subtract:
      for (std::size_t i = 0; i < n; ++i) a[i] -= b[i];
      break;
    case Op::Kind::multiply:
      for (std::size_t i = 0; i < n; ++i) a[i] *= b[i];
      break;
    case Op::Kind::divide:
      for (std::size_t i = 0; i < n; ++i) a[i] /= b[i];
      break;
    case Op::Kind::min:
      for (std::size_t i = 0; i < n; ++i) a[i] = std::min(a[i], b[i]);
      break;
    default:
      for (std::size_t i = 0; i < n; ++i) a[i] = std::max(a[i], b[i]);
      break;
  }
}

template <class T>
void change(T* a, std::size_t n, Op::Kind kind) {
  switch (kind) {
    case Op::Kind::negate:
      for (std::size_t i = 0; i < n; ++i) a[i] = -a[i];
      break;
    case Op::Kind::abs:
      for (std::size_t i = 0; i < n; ++i) a[i] = std::abs(a[i]);
      break;
    default:
      for (std::size_t i = 0; i < n; ++i)
        a[i] = static_cast<T>((a[i] > 0 ? 1 : 0) - (a[i] < 0 ? 1 : 0));
      break;
  }
}

/// Runs the program over whole tiles: `top` points behind the uppermost one.
template <class T>
void evaluate(const Row& row, FactsSoFar, const Tile<T>& in, Scratch& scratch) noexcept {
  const auto& p = row.params<Params>();
  const std::size_t n = in.n;
  T* top = scratch.as<T>(p.depth * n).data();
  for (const Op& op : p.program) {
    switch (op.kind) {
      case Op::Kind::number:
        std::fill_n(top, n, static_cast<T>(op.number));
        top += n;
        break;
      case Op::Kind::input:
        std::copy_n(operand(row, in, op.input), n, top);
        top += n;
        break;
      case Op::Kind::negate:
      case Op::Kind::abs:
      case Op::Kind::sign:
        change(top - n, n, op.kind);
        break;
      default:
        top -= n;
        combine(top - n, top, n, op.kind);
        break;
    }
  }
  std::copy_n(top - n, n, in.out);
}

std::size_t scratch_bytes(const Row& row) {
  return row.params<Params>().depth * row.tile_elements *
         (row.wide ? sizeof(double) : sizeof(float));
}

const Stage kFormula{.name = "formula",
                     .space = Space::models,
                     .tile = MERGANSER_KERNEL(evaluate),
                     .scratch = &scratch_bytes};

std::vector<StageUse> stages(const void* params) {
  return {use(kFormula, *static_cast<const Params*>(params))};
}

}  // namespace

const Method formula_method{.name = "formula",
                            .doc = kDoc,
                            .fields = fields<Params>(kFields),
                            .needs = {.base = Base::optional, .every_model = true},
                            .stages = &stages,
                            .check = &check};

}  // namespace merganser::methods
