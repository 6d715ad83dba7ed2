// What a pickle may claim, one lie a test, and the tricks by which pickles run programs: each is
// refused by name. The pickles are put together operation by operation. Not covered: that nothing
// is run, which the tests in Python watch from outside.

#include "formats/pickle.h"

#include <gtest/gtest.h>

#include "support.h"
#include "torch_files.h"

namespace merganser::formats {
namespace {

using namespace std::string_literals;

const ReadOptions kStrict;
const ReadOptions kOpaque{.allow_opaque = true};

Result<Pickled> unpickled(std::string bytes, const ReadOptions& options = kStrict,
                          PickleContainer container = PickleContainer::zip) {
  const Reading reading{"data.pkl", options, nullptr};
  return read_pickle({.text = std::move(bytes)}, container, reading);
}

struct Lie {
  const char* title;
  std::string bytes;
  const char* check;
  const char* message;
};

std::string repeated(std::string_view part, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += part;
  return all;
}

std::string one_tensor(const std::vector<std::int64_t>& shape,
                       const std::vector<std::int64_t>& strides, std::int64_t offset = 0) {
  return pickle(tensor(storage("0", "Float", 24), offset, shape, strides));
}

/// A persistent id of these items.
std::string outside(std::initializer_list<std::string> items) { return pickle(tuple(items) + "Q"); }

std::vector<Lie> lies() {
  const std::string float_storage = global("torch", "FloatStorage");
  const std::string rebuild = global("torch._utils", "_rebuild_tensor_v2");
  const std::string ordered = global("collections", "OrderedDict");
  return {
      {"instance by name", pickle("(" + text("id") + "iposix\nsystem\n"), "PK-1", "operation INST"},
      {"object", pickle("(" + ordered + "o"), "PK-1", "operation OBJ"},
      {"new object with keywords", pickle(ordered + ")}\x92"), "PK-1", "operation NEWOBJ_EX"},
      {"extension", pickle("\x82\x01"), "PK-1", "operation EXT1"},
      {"id as text", pickle("P1\n"), "PK-1", "operation PERSID"},
      {"number as text", pickle("I1\n"), "PK-1", "operation INT"},
      {"buffer from outside", pickle("\x97"), "PK-1", "operation NEXT_BUFFER"},
      {"unknown operation", pickle("\xff"), "PK-1", "operation 0xff"},
      {"protocol of the future", "\x80\x06N.", "PK-1", "protocol 6"},
      {"huge integer", pickle("\x8a\x09" + std::string(9, '\1')), "PK-1", "integer of 9 bytes"},
      {"system", pickle(call(global("posix", "system"), tuple({text("id")}))), "PK-2",
       "names \"posix system\""},
      {"system of os", pickle(call(global("os", "system"), tuple({text("id")}))), "PK-2",
       "names \"os system\""},
      {"system from the stack", pickle(text("posix") + text("system") + "\x93"), "PK-2",
       "names \"posix system\""},
      {"exec", pickle(global("builtins", "exec")), "PK-2", "names \"builtins exec\""},
      {"eval of Python 2", pickle(global("__builtin__", "eval")), "PK-2", "__builtin__ eval"},
      {"attributes", pickle(global("torch", "serialization.os.system")), "PK-2",
       "which is no module and name"},
      {"escape sequence", pickle(global("torch\x1b[2J", "Size")), "PK-2", "no module and name"},
      {"long name", pickle(global("torch", std::string(300, 'x'))), "PK-2", "no module and name"},
      {"name that is no text", pickle("K\x01" + text("system") + "\x93"), "PK-2", "no text"},
      {"quantised", pickle(global("torch._utils", "_rebuild_qtensor")), "PK-2",
       "holds a quantised tensor"},
      {"sparse", pickle(global("torch._utils", "_rebuild_sparse_tensor")), "PK-2",
       "holds a sparse tensor"},
      {"complex of 128 bits", pickle(global("torch", "ComplexDoubleStorage")), "PK-2",
       "128-bit complex"},
      {"tensor of a dict", pickle(call(rebuild, tuple({"}"}))), "PK-3",
       "calls _rebuild_tensor_v2 with other arguments"},
      {"call of a dtype", pickle(call(global("torch", "float32"), ")")), "PK-3",
       "calls float32, which is no function"},
      {"call of text", pickle(call(text("f"), ")")), "PK-3", "no function"},
      {"call without a tuple", pickle(call(ordered, "]")), "PK-3", "without a tuple"},
      {"ordered dict of numbers", pickle(call(ordered, tuple({tuple({"K\x01"})}))), "PK-3",
       "calls OrderedDict"},
      {"new parameter", pickle(global("torch.nn.parameter", "Parameter") + ")\x81"), "PK-3",
       "no collection"},
      {"append to a tuple",
       pickle(")K\x01"
              "a"),
       "PK-3", "adds to something"},
      {"items of a list", pickle("]K\x01K\x02s"), "PK-3", "sets items of something"},
      {"type with a state",
       pickle(call(global("torch._tensor", "_rebuild_from_type_v2"),
                   tuple({rebuild, global("torch", "Tensor"), ")", dict({{"x", "K\x01"}})}))),
       "PK-3", "a state of nothing or text"},
      {"state of a list", pickle("]}b"), "PK-4", "sets the state of something that has none"},
      {"state of a dict", pickle("}}b"), "PK-4", "sets the state"},
      {"module", outside({text("module"), text("Net"), text("net.py"), text("code")}), "PK-5",
       "holds a whole module"},
      {"id that is text", pickle(text("0") + "Q"), "PK-5", "expected a tuple"},
      {"six fields in a ZIP",
       outside({text("storage"), float_storage, text("0"), text("cpu"), integer(1), "N"}), "PK-5",
       "expected 5 fields"},
      {"key that climbs",
       outside({text("storage"), float_storage, text("../../x"), text("cpu"), integer(1)}), "PK-5",
       "letters and digits"},
      {"long key",
       outside(
           {text("storage"), float_storage, text(std::string(65, '1')), text("cpu"), integer(1)}),
       "PK-5", "letters and digits"},
      {"no type", outside({text("storage"), text("Float"), text("0"), text("cpu"), integer(1)}),
       "PK-5", "a type of storage"},
      {"negative size",
       outside({text("storage"), float_storage, text("0"), text("cpu"), integer(-1)}), "PK-5",
       "a place and a size"},
      {"size beyond 64 bits",
       outside({text("storage"), float_storage, text("0"), text("cpu"), integer(1LL << 62)}),
       "PK-5", "fits 64 bits"},
      {"empty stack", pickle("0"), "PK-6", "needs 1 values on its stack"},
      {"no mark", pickle("K\x01t"), "PK-6", "needs a mark"},
      {"below the mark", pickle("K\x01(\x85"), "PK-6", "needs 1 values"},
      {"value never made", pickle("h\x05"), "PK-6", "asks for value 5"},
      {"huge memo", pickle("Nr\xff\xff\xff\xff"), "PK-6", "numbers a value 4294967295"},
      {"key without a value",
       pickle("(K\x01"
              "d"),
       "PK-6", "a key without a value"},
      {"deep stack", pickle(repeated("N", 1'000'001)), "PK-6", "stacks more than"},
      {"long text",
       pickle("X\xff\xff\xff\xff"
              "abc"),
       "PK-7", "asks for 4294967295 bytes where 4"},
      {"longer text", pickle("\x8d" + number(~0ULL, 8)), "PK-7", "asks for 18446744073709551615"},
      {"frame behind the end", "\x80\x04\x95" + number(100, 8) + "N.", "PK-7", "asks for 100"},
      {"copies of copies",
       pickle("(" + repeated("N", 100) + "lq\0"s + "0" +
              repeated(call(global("builtins", "set"), "h\0\x85"s) + "0", 9) + "N"),
       "PK-7", "copies more values than it holds"},
      {"list in itself", pickle("]q\0h\0a"s), "PK-8", "a value that holds itself"},
      {"dict in a list in itself", pickle("}q\0X\1\0\0\0k]h\0as"s), "PK-8", "holds itself"},
      {"nothing left", pickle(""), "PK-9", "ends with 0 values"},
      {"two left", pickle("NN"), "PK-9", "ends with 2 values"},
      {"open mark", pickle("(N"), "PK-9", "1 marks"},
      {"no end", "\x80\x02N", "PK-7", "asks for 1 bytes where 0 are left"},
      {"text in Latin-1", pickle(text("caf\xe9")), "PK-10", "not valid UTF-8 at its byte 3"},
      {"33 dimensions",
       one_tensor(std::vector<std::int64_t>(33, 1), std::vector<std::int64_t>(33, 1)), "PK-11",
       "33 dimensions"},
      {"strides of another shape", one_tensor({2, 3}, {1}), "PK-11", "2 dimensions with 1 strides"},
      {"negative stride", one_tensor({4, 6}, {-6, 1}), "PK-11", "no count"},
      {"negative size of a dimension", one_tensor({-4, 6}, {6, 1}), "PK-11", "no count"},
      {"negative offset", one_tensor({4}, {1}, -1), "PK-11", "negative offset"},
      {"beyond the storage", one_tensor({4, 6}, {6, 1}, 1), "PK-11",
       "reaches beyond the 24 elements of storage 0"},
      {"stride beyond the storage", one_tensor({4, 6}, {7, 1}), "PK-11", "reaches beyond"},
      {"reach beyond 64 bits", one_tensor({3}, {INT64_MAX}), "PK-11", "reaches beyond"},
      {"elements beyond 64 bits", one_tensor({INT64_MAX, INT64_MAX, 8}, {0, 0, 0}), "PK-11",
       "reaches beyond"},
      {"four bytes as a terabyte",
       pickle(tensor(storage("0", "Float", 1), 0, {1 << 20, 1 << 20}, {0, 0})), "PK-12",
       "a tensor of 1099511627776 elements over a storage of 1"},
      {"65 of one", pickle(tensor(storage("0", "Float", 1), 0, {65}, {0})), "PK-12",
       "65 elements over a storage of 1"},
      {"deep nesting", pickle(repeated("(", 300) + "N" + repeated("t", 300)), "RD-4",
       "deeper than 256"},
  };
}

TEST(Pickle, refuses_every_lie) {
  for (const Lie& lie : lies()) {
    EXPECT_TRUE(names(error_of(unpickled(lie.bytes)), lie.check, lie.message)) << lie.title;
  }
}

TEST(Pickle, refuses_views_beyond_their_storage) {
  const auto view = [](std::int64_t offset, std::int64_t elements) {
    return unpickled(
        pickle(storage("0", "Float", 8, tuple({text("v"), integer(offset), integer(elements)}))),
        kStrict, PickleContainer::legacy);
  };
  EXPECT_TRUE(view(3, 5));
  EXPECT_TRUE(names(error_of(view(3, 6)), "LG-5", "a view of 6 elements from 3 on in storage 0"));
  EXPECT_TRUE(names(error_of(view(9, 0)), "LG-5", "from 9 on"));
  EXPECT_TRUE(names(error_of(view(-1, 2)), "LG-5", "no (key, offset, elements)"));
}

TEST(Pickle, builds_plain_data) {
  const auto pickled = unpickled(pickle(dict(
      {{"none", "N"},
       {"true", "\x88"},
       {"int", "J\xfe\xff\xff\xff"},
       {"long", "\x8a\x01\xff"},
       {"real", "G\x3f\xf8\0\0\0\0\0\0"s},
       {"old text", "U\3abc"},
       {"list", "](K\1K\2e"},
       {"tuple", "K\1K\2K\3\x87"},
       {"set", "\x8f(K\1\x90"},
       {"counter", call(global("collections", "Counter"), tuple({dict({{"a", "K\1"}})}))},
       {"bytes", call(global("_codecs", "encode"), tuple({text("x"), text("latin1")}))},
       {"scalar", call(global("numpy.core.multiarray", "scalar"),
                       tuple({call(global("numpy", "dtype"), tuple({text("f8"), "K\0"s, "K\1"})) +
                                  tuple({"K\3"}) + "b",
                              "C\1x"}))}})));
  ASSERT_TRUE(pickled) << error_of(pickled).text();
  const auto items = pickled->items(pickled->root);
  ASSERT_EQ(items.size(), 24U);
  EXPECT_EQ(pickled->text(items[0]), "none");
  EXPECT_TRUE(items[1].is(PickleKind::none));
  EXPECT_EQ(items[3].data, 1U);
  EXPECT_EQ(static_cast<std::int64_t>(items[5].data), -2);
  EXPECT_EQ(static_cast<std::int64_t>(items[7].data), -1);
  EXPECT_EQ(items[9].data, 0x3ff8000000000000U);
  EXPECT_EQ(pickled->text(items[11]), "abc");
  EXPECT_EQ(pickled->items(items[13]).size(), 2U);
  EXPECT_EQ(pickled->items(items[15])[2].data, 3U);
  EXPECT_EQ(pickled->items(items[17]).size(), 1U);
  EXPECT_TRUE(items[19].is_dict());
  EXPECT_TRUE(items[21].is(PickleKind::bytes));
  EXPECT_TRUE(items[23].is(PickleKind::number));
}

TEST(Pickle, shares_what_is_shared) {
  // Forty times a pair of what came before: 2^40 leaves if they were copied or walked one by one.
  const auto pickled = unpickled(pickle("N" + repeated("2\x86", 40)));
  ASSERT_TRUE(pickled) << error_of(pickled).text();
  EXPECT_EQ(pickled->nodes.size(), 40U);
}

TEST(Pickle, reads_past_unknown_classes_only_when_asked) {
  const std::string bytes = pickle(
      dict({{"args", global("argparse", "Namespace") + ")\x81" + dict({{"lr", "K\1"}}) + "b"},
            {"step", "K\1"}}));
  const Error refused = error_of(unpickled(bytes));
  EXPECT_TRUE(names(refused, "PK-2", "names \"argparse Namespace\""));
  EXPECT_NE(refused.hint.find("--allow-opaque"), std::string::npos);
  const auto pickled = unpickled(bytes, kOpaque);
  ASSERT_TRUE(pickled) << error_of(pickled).text();
  const PickleValue args = pickled->items(pickled->root)[1];
  EXPECT_TRUE(args.is(PickleKind::opaque));
  EXPECT_EQ(pickled->text(args), "argparse\nNamespace");
  // What is known to be no plain tensor stays refused, and so does what is no name.
  EXPECT_FALSE(unpickled(pickle(global("torch._utils", "_rebuild_qtensor")), kOpaque));
  EXPECT_FALSE(unpickled(pickle(global("os", "path.join")), kOpaque));
}

TEST(Pickle, survives_every_cut_and_many_changes) {
  const std::string good =
      pickle(dict({{"w", plain_tensor("0", {4, 6})},
                   {"p", call(global("torch._utils", "_rebuild_parameter"),
                              tuple({plain_tensor("1", {3}, "Half"), "\x88",
                                     call(global("collections", "OrderedDict"), ")")}))}}));
  ASSERT_TRUE(unpickled(good)) << error_of(unpickled(good)).text();
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(unpickled(good.substr(0, size))) << size;
  }
  std::uint32_t random = 1;
  for (int round = 0; round < 20'000; ++round) {
    std::string changed = good;
    for (int i = 0; i < 2; ++i) {
      random = random * 1664525 + 1013904223;
      changed[(random >> 8) % changed.size()] = static_cast<char>(random >> 24);
    }
    const auto pickled = unpickled(changed, round % 2 == 0 ? kStrict : kOpaque);
    EXPECT_TRUE(pickled || !pickled.error().check.empty()) << error_of(pickled).text();
  }
}

}  // namespace
}  // namespace merganser::formats
