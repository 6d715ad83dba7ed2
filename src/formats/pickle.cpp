#include "formats/pickle.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "core/utf8.h"
#include "formats/little_endian.h"
#include "formats/pickle_builder.h"

// A pickle is a program for a machine with a stack, marks on that stack, and a memo of numbered
// values. One byte names an operation, its operands follow (little-endian, but for BINFLOAT); STOP
// ends the program, whose result is the one value left. The machine here runs every operation that
// builds data; those that look something up or call it go to the builder, which does neither.

namespace merganser::formats {
namespace {

constexpr std::uint64_t kLargestPickle = 256'000'000;
constexpr std::uint64_t kMostOperations = 50'000'000;
constexpr std::uint64_t kMostNodes = 20'000'000;
constexpr std::size_t kDeepestStack = 1'000'000;
constexpr std::uint64_t kLargestMemo = 10'000'000;
constexpr std::size_t kDeepestGraph = 256;
constexpr std::uint64_t kNewestProtocol = 5;
constexpr std::size_t kFirstBytes = 4096;

// 0x1950a86a20f9469cfc6c, the lowest byte first.
constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/// Operations by their byte.
enum : unsigned char {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kBinFloat = 'G',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kDict = 'd',
  kEmptyDict = '}',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kList = 'l',
  kEmptyList = ']',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kEmptyTuple = ')',
  kSetItems = 'u',
  kProto = 0x80,
  kNewObj = 0x81,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kEmptySet = 0x8f,
  kAddItems = 0x90,
  kFrozenSet = 0x91,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
};

/// Operations that are refused, for messages.
struct Refused {
  unsigned char byte;
  std::string_view name;
};
constexpr std::array kRefused{
    Refused{'i', "INST"},        Refused{'o', "OBJ"},          Refused{0x92, "NEWOBJ_EX"},
    Refused{0x82, "EXT1"},       Refused{0x83, "EXT2"},        Refused{0x84, "EXT4"},
    Refused{'P', "PERSID"},      Refused{'g', "GET"},          Refused{'p', "PUT"},
    Refused{'I', "INT"},         Refused{'L', "LONG"},         Refused{'F', "FLOAT"},
    Refused{'S', "STRING"},      Refused{'V', "UNICODE"},      Refused{0x8e, "BINBYTES8"},
    Refused{0x96, "BYTEARRAY8"}, Refused{0x97, "NEXT_BUFFER"}, Refused{0x98, "READONLY_BUFFER"},
};

std::string operation_name(unsigned char byte) {
  const auto at = std::find_if(kRefused.begin(), kRefused.end(),
                               [&](const Refused& refused) { return refused.byte == byte; });
  return at != kRefused.end() ? std::string(at->name) : fmt::format("0x{:02x}", byte);
}

/// The machine's numbered values. Writers count up from 0; other numbers are kept apart, so that a
/// large one costs no more than a small one.
class Memo {
 public:
  void put(std::uint64_t number, const PickleValue& value) {
    if (number < dense_.size()) {
      dense_[number] = value;
    } else if (number == dense_.size()) {
      dense_.push_back(value);
    } else {
      sparse_[number] = value;
    }
  }

  const PickleValue* get(std::uint64_t number) const {
    const auto at = sparse_.find(number);
    if (at != sparse_.end()) return &at->second;
    return number < dense_.size() ? &dense_[number] : nullptr;
  }

  std::uint64_t size() const { return dense_.size() + sparse_.size(); }

 private:
  std::vector<PickleValue> dense_;
  std::unordered_map<std::uint64_t, PickleValue> sparse_;
};

class Unpickler {
 public:
  Unpickler(PickleSource source, PickleContainer container, const Reading& reading)
      : source_(std::move(source)),
        reading_(reading),
        limit_(std::min(source_.file != nullptr ? source_.bytes : source_.text.size(),
                        kLargestPickle)),
        builder_(pickled_, container, reading) {
    pickled_.bytes = std::move(source_.text);
  }

  Result<Pickled> run() {
    for (std::uint64_t operations = 0; !stopped_; ++operations) {
      builder_.at(at_);
      if (operations == kMostOperations || pickled_.nodes.size() > kMostNodes) {
        return bad("PK-7", "takes more operations than any checkpoint");
      }
      MERGANSER_TRY(const std::uint64_t operation, unsigned_operand(1));
      MERGANSER_TRY(step(static_cast<unsigned char>(operation)));
      if (stack_.size() > kDeepestStack || marks_.size() > kDeepestStack) {
        return bad("PK-6", fmt::format("stacks more than {} values", kDeepestStack));
      }
    }
    if (stack_.size() != 1 || !marks_.empty()) {
      return bad("PK-9", fmt::format("ends with {} values and {} marks, expected one value",
                                     stack_.size(), marks_.size()));
    }
    pickled_.root = stack_.front();
    pickled_.bytes.resize(at_);
    return std::move(pickled_);
  }

 private:
  using Items = std::vector<PickleValue>;

  Error bad(std::string_view check, std::string_view what) const {
    return builder_.bad(check, what);
  }

  Result<void> step(unsigned char operation) {
    switch (operation) {
      case kProto:
        return protocol();
      case kFrame:
        return frame();
      case kStop:
        stopped_ = true;
        return {};
      case kMark:
        marks_.push_back(stack_.size());
        return {};
      case kPop:
        return pop_one();
      case kPopMark:
        return pop_mark();
      case kDup:
        MERGANSER_TRY(need(1));
        return push(stack_.back());
      case kBinPut:
      case kLongBinPut:
        return put(operation == kBinPut ? 1 : 4);
      case kMemoize:
        return memoize(memo_.size());
      case kBinGet:
      case kLongBinGet:
        return get(operation == kBinGet ? 1 : 4);
      case kGlobal:
        return global();
      case kStackGlobal:
        return stack_global();
      case kReduce:
      case kNewObj:
        return call(operation == kNewObj);
      case kBuild:
        return build();
      case kBinPersId:
        return persistent();
      case kAppend:
      case kAppends:
      case kAddItems:
        return append(operation);
      case kSetItem:
      case kSetItems:
        return set_items(operation == kSetItem);
      default:
        return collection(operation);
    }
  }

  /// Operations that make a collection of what is on the stack.
  Result<void> collection(unsigned char operation) {
    switch (operation) {
      case kEmptyTuple:
        return push(builder_.make(PickleKind::tuple, {}));
      case kEmptyList:
        return push(builder_.make(PickleKind::list, {}));
      case kEmptyDict:
        return push(builder_.make(PickleKind::dict, {}));
      case kEmptySet:
        return push(builder_.make(PickleKind::set, {}));
      case kTuple1:
      case kTuple2:
      case kTuple3:
        return tuple(operation - kTuple1 + 1);
      case kTuple:
        return from_mark(PickleKind::tuple);
      case kList:
        return from_mark(PickleKind::list);
      case kFrozenSet:
        return from_mark(PickleKind::set);
      case kDict:
        return from_mark(PickleKind::dict);
      default:
        return constant(operation);
    }
  }

  /// Operations that push a value of their own.
  Result<void> constant(unsigned char operation) {
    switch (operation) {
      case kNone:
        return push({});
      case kNewTrue:
      case kNewFalse:
        return push({.kind = PickleKind::boolean, .data = operation == kNewTrue ? 1U : 0U});
      case kBinInt:
        return binary_integer();
      case kBinInt1:
      case kBinInt2:
        return small_integer(operation == kBinInt1 ? 1 : 2);
      case kLong1:
      case kLong4:
        return long_integer(operation == kLong1 ? 1 : 4);
      case kBinFloat:
        return real();
      case kShortBinUnicode:
        return text(1);
      case kBinUnicode:
        return text(4);
      case kBinUnicode8:
        return text(8);
      case kShortBinString:
        return span(PickleKind::text, 1);
      case kBinString:
        return span(PickleKind::text, 4);
      case kShortBinBytes:
        return span(PickleKind::bytes, 1);
      case kBinBytes:
        return span(PickleKind::bytes, 4);
      default:
        return bad("PK-1", fmt::format("has the operation {}, which is not accepted,",
                                       operation_name(operation)));
    }
  }

  // ---- bytes

  /// PK-7: makes the next `count` bytes available.
  Result<void> ensure(std::uint64_t count) {
    if (count > limit_ - at_) {
      return limit_ == kLargestPickle
                 ? bad("PK-7", fmt::format("has more than {} bytes", kLargestPickle))
                 : bad("PK-7",
                       fmt::format("asks for {} bytes where {} are left", count, limit_ - at_));
    }
    std::string& bytes = pickled_.bytes;
    if (at_ + count <= bytes.size()) return {};
    const std::size_t had = bytes.size();
    bytes.resize(std::min<std::uint64_t>(limit_, std::max({at_ + count, 2 * had, kFirstBytes})));
    return source_.file->read_exact(source_.offset + had,
                                    std::as_writable_bytes(std::span(bytes).subspan(had)));
  }

  Result<std::uint64_t> unsigned_operand(std::size_t width) {
    MERGANSER_TRY(ensure(width));
    const std::uint64_t value = read_unsigned(pickled_.bytes, at_, width);
    at_ += width;
    return value;
  }

  /// A run of bytes whose length has `width` bytes.
  Result<PickleValue> take(PickleKind kind, std::size_t width) {
    MERGANSER_TRY(const std::uint64_t length, unsigned_operand(width));
    MERGANSER_TRY(ensure(length));
    const PickleValue value{
        .kind = kind, .length = static_cast<std::uint32_t>(length), .data = at_};
    at_ += length;
    return value;
  }

  /// The bytes up to the end of the line, which is skipped.
  Result<PickleValue> line() {
    const std::uint64_t start = at_;
    while (true) {
      MERGANSER_TRY(const std::uint64_t byte, unsigned_operand(1));
      if (byte == '\n') break;
    }
    return PickleValue{.kind = PickleKind::text,
                       .length = static_cast<std::uint32_t>(at_ - 1 - start),
                       .data = start};
  }

  // ---- stack

  Result<void> push(const PickleValue& value) {
    stack_.push_back(value);
    return {};
  }

  /// PK-6: at least `count` values stand above the last mark.
  Result<void> need(std::size_t count) const {
    const std::size_t bottom = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() - bottom >= count) return {};
    return bad("PK-6", fmt::format("needs {} values on its stack, which has {},", count,
                                   stack_.size() - bottom));
  }

  PickleValue pop() {
    const PickleValue value = stack_.back();
    stack_.pop_back();
    return value;
  }

  /// PK-6: takes off all that stands above the last mark, and the mark.
  Result<Items> pop_to_mark() {
    if (marks_.empty()) return bad("PK-6", "needs a mark on its stack");
    const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    Items items(from, stack_.end());
    stack_.erase(from, stack_.end());
    marks_.pop_back();
    return items;
  }

  Result<void> pop_one() {
    // As the reference does: a mark is a value too.
    if (!marks_.empty() && marks_.back() == stack_.size()) {
      marks_.pop_back();
      return {};
    }
    MERGANSER_TRY(need(1));
    stack_.pop_back();
    return {};
  }

  Result<void> pop_mark() {
    MERGANSER_TRY(const Items dropped, pop_to_mark());
    return {};
  }

  // ---- memo

  Result<void> memoize(std::uint64_t number) {
    MERGANSER_TRY(need(1));
    if (number > kLargestMemo) {
      return bad("PK-6",
                 fmt::format("numbers a value {}, expected at most {},", number, kLargestMemo));
    }
    memo_.put(number, stack_.back());
    return {};
  }

  Result<void> put(std::size_t width) {
    MERGANSER_TRY(const std::uint64_t number, unsigned_operand(width));
    return memoize(number);
  }

  Result<void> get(std::size_t width) {
    MERGANSER_TRY(const std::uint64_t number, unsigned_operand(width));
    const PickleValue* value = memo_.get(number);
    if (value == nullptr)
      return bad("PK-6", fmt::format("asks for value {}, which it never made,", number));
    return push(*value);
  }

  // ---- constants

  Result<void> protocol() {
    MERGANSER_TRY(const std::uint64_t version, unsigned_operand(1));
    if (version <= kNewestProtocol) return {};
    return bad("PK-1",
               fmt::format("is of protocol {}, expected at most {},", version, kNewestProtocol));
  }

  Result<void> frame() {
    MERGANSER_TRY(const std::uint64_t length, unsigned_operand(8));
    return ensure(length);
  }

  Result<void> small_integer(std::size_t width) {
    MERGANSER_TRY(const std::uint64_t value, unsigned_operand(width));
    return push({.kind = PickleKind::integer, .data = value});
  }

  Result<void> binary_integer() {
    MERGANSER_TRY(const std::uint64_t value, unsigned_operand(4));
    const auto wide = static_cast<std::int64_t>(static_cast<std::int32_t>(value));
    return push({.kind = PickleKind::integer, .data = static_cast<std::uint64_t>(wide)});
  }

  Result<void> long_integer(std::size_t width) {
    MERGANSER_TRY(const PickleValue span, take(PickleKind::integer, width));
    const std::string_view digits = pickled_.text(span);
    if (digits == kMagic) return push({.kind = PickleKind::magic});
    if (digits.size() > 8) {
      return bad("PK-1",
                 fmt::format("has an integer of {} bytes, expected at most 8,", digits.size()));
    }
    std::uint64_t value = read_unsigned(digits, 0, digits.size());
    const bool negative =
        !digits.empty() && (static_cast<unsigned char>(digits.back()) & 0x80) != 0;
    if (negative && digits.size() < 8) value |= ~std::uint64_t{0} << (8 * digits.size());
    return push({.kind = PickleKind::integer, .data = value});
  }

  Result<void> real() {
    MERGANSER_TRY(const std::uint64_t swapped, unsigned_operand(8));
    return push({.kind = PickleKind::real, .data = __builtin_bswap64(swapped)});
  }

  Result<void> span(PickleKind kind, std::size_t width) {
    MERGANSER_TRY(const PickleValue value, take(kind, width));
    return push(value);
  }

  Result<void> text(std::size_t width) {
    MERGANSER_TRY(const PickleValue value, take(PickleKind::text, width));
    const std::size_t invalid = find_invalid_utf8(pickled_.text(value));
    if (invalid == std::string_view::npos) return push(value);
    return bad("PK-10", fmt::format("has text that is not valid UTF-8 at its byte {},", invalid));
  }

  // ---- collections

  Result<void> tuple(std::size_t count) {
    MERGANSER_TRY(need(count));
    const auto from = stack_.end() - static_cast<std::ptrdiff_t>(count);
    Items items(from, stack_.end());
    stack_.erase(from, stack_.end());
    return push(builder_.make(PickleKind::tuple, std::move(items)));
  }

  Result<void> from_mark(PickleKind kind) {
    MERGANSER_TRY(Items items, pop_to_mark());
    if (kind == PickleKind::dict && items.size() % 2 != 0)
      return bad("PK-6", "has a key without a value");
    return push(builder_.make(kind, std::move(items)));
  }

  Result<Items> taken(bool one) {
    if (!one) return pop_to_mark();
    MERGANSER_TRY(need(1));
    return Items{pop()};
  }

  /// Puts `items` behind those of the collection on top of the stack.
  void extend(const Items& items) {
    if (stack_.back().is(PickleKind::opaque)) return;
    Items& node = pickled_.nodes[stack_.back().data];
    node.insert(node.end(), items.begin(), items.end());
  }

  Result<void> append(unsigned char operation) {
    MERGANSER_TRY(const Items items, taken(operation == kAppend));
    MERGANSER_TRY(need(1));
    const PickleKind due = operation == kAddItems ? PickleKind::set : PickleKind::list;
    if (!stack_.back().is(due) && !stack_.back().is(PickleKind::opaque)) {
      return bad("PK-3", "adds to something that is no such collection");
    }
    extend(items);
    return {};
  }

  Result<void> set_items(bool one) {
    if (one) MERGANSER_TRY(need(2));
    Items items;
    if (one) {
      items.assign(stack_.end() - 2, stack_.end());
      stack_.erase(stack_.end() - 2, stack_.end());
    } else {
      MERGANSER_TRY(items, pop_to_mark());
    }
    MERGANSER_TRY(need(1));
    if (items.size() % 2 != 0) return bad("PK-6", "has a key without a value");
    if (!stack_.back().is_dict() && !stack_.back().is(PickleKind::opaque)) {
      return bad("PK-3", "sets items of something that is no dict");
    }
    extend(items);
    return {};
  }

  // ---- names and calls

  Result<void> push_global(const PickleValue& module, const PickleValue& name,
                           const PickleValue& span) {
    // Copies: the builder sees the names while nothing moves the bytes, but says them in errors.
    MERGANSER_TRY(const PickleValue value,
                  builder_.global(pickled_.text(module), pickled_.text(name), span));
    return push(value);
  }

  Result<void> global() {
    MERGANSER_TRY(const PickleValue module, line());
    MERGANSER_TRY(const PickleValue name, line());
    PickleValue both = module;
    both.length += 1 + name.length;
    return push_global(module, name, both);
  }

  Result<void> stack_global() {
    MERGANSER_TRY(need(2));
    const PickleValue name = pop();
    const PickleValue module = pop();
    if (!name.is(PickleKind::text) || !module.is(PickleKind::text)) {
      return bad("PK-2", "names something by what is no text");
    }
    return push_global(module, name, name);
  }

  Result<void> call(bool makes_new) {
    MERGANSER_TRY(need(2));
    const PickleValue arguments = pop();
    const PickleValue callee = pop();
    MERGANSER_TRY(const PickleValue value, makes_new ? builder_.make_new(callee, arguments)
                                                     : builder_.call(callee, arguments));
    return push(value);
  }

  /// PK-4: the state is dropped.
  Result<void> build() {
    MERGANSER_TRY(need(2));
    stack_.pop_back();
    const PickleKind kind = stack_.back().kind;
    if (kind == PickleKind::ordered_dict || kind == PickleKind::tensor ||
        kind == PickleKind::numpy_dtype || kind == PickleKind::opaque) {
      return {};
    }
    return bad("PK-4", "sets the state of something that has none");
  }

  Result<void> persistent() {
    MERGANSER_TRY(need(1));
    MERGANSER_TRY(const PickleValue value, builder_.storage(pop()));
    return push(value);
  }

  PickleSource source_;
  const Reading& reading_;
  std::uint64_t limit_;
  Pickled pickled_;
  PickleBuilder builder_;
  Memo memo_;
  std::vector<PickleValue> stack_;
  std::vector<std::size_t> marks_;  ///< Heights of the stack.
  std::uint64_t at_ = 0;
  bool stopped_ = false;
};

/// Walks everything that hangs on the root, each collection once, without recursion.
class GraphWalk {
 public:
  GraphWalk(const Pickled& pickled, const Reading& reading)
      : pickled_(pickled), reading_(reading), states_(pickled.nodes.size(), State::unseen) {}

  /// PK-8 and the depth that readers bear.
  Result<void> check() {
    MERGANSER_TRY(enter(pickled_.root));
    while (!path_.empty()) {
      Step& step = path_.back();
      const auto& items = pickled_.nodes[step.node];
      if (step.next < items.size()) {
        MERGANSER_TRY(enter(items[step.next++]));
      } else {
        states_[step.node] = State::done;
        path_.pop_back();
      }
    }
    return {};
  }

 private:
  enum class State : std::uint8_t { unseen, open, done };
  struct Step {
    std::size_t node;
    std::size_t next;
  };

  Result<void> enter(const PickleValue& value) {
    if (!value.has_items()) return {};
    State& state = states_[value.data];
    if (state == State::open)
      return reading_.bad("PK-8", "the pickle has a value that holds itself");
    if (state == State::done) return {};
    if (path_.size() == kDeepestGraph) {
      return reading_.bad("RD-4",
                          fmt::format("the pickle nests deeper than {} levels", kDeepestGraph));
    }
    state = State::open;
    path_.push_back({value.data, 0});
    return {};
  }

  const Pickled& pickled_;
  const Reading& reading_;
  std::vector<State> states_;
  std::vector<Step> path_;
};

}  // namespace

std::vector<std::uint64_t> Pickled::numbers(std::uint32_t node) const {
  std::vector<std::uint64_t> numbers;
  numbers.reserve(nodes[node].size());
  for (const PickleValue& value : nodes[node]) numbers.push_back(value.data);
  return numbers;
}

Result<Pickled> read_pickle(PickleSource source, PickleContainer container,
                            const Reading& reading) {
  MERGANSER_TRY(Pickled pickled, Unpickler(std::move(source), container, reading).run());
  MERGANSER_TRY(GraphWalk(pickled, reading).check());
  return pickled;
}

}  // namespace merganser::formats
