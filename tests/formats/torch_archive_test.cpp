// Files of torch.save put together by hand: what they may claim, one lie a test, and that every
// element is the one that torch would read. Real files, old and new, are read by the tests in
// Python.

#include "formats/torch_archive.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include <gtest/gtest.h>

#include "core/file.h"
#include "formats/safetensors.h"
#include "formats/weights.h"
#include "support.h"
#include "torch_files.h"

namespace merganser::formats {
namespace {

using namespace std::string_literals;

const ReadOptions kStrict;

Result<std::unique_ptr<Checkpoint>> opened(const TempFolder& folder, std::string_view bytes,
                                           std::vector<std::string>* notes = nullptr,
                                           const ReadOptions& options = kStrict) {
  return open_weights(folder.write("file", bytes), options, notes);
}

struct Lie {
  const char* title;
  std::string bytes;
  const char* check;
  const char* message;
};

std::string preface(std::string_view magic, std::string_view protocol, std::string_view system) {
  return pickle(magic) + pickle(protocol) + pickle(system);
}

std::vector<Lie> lies() {
  const std::string object = pickle(dict({{"w", plain_tensor("0", {2, 3})}}));
  const std::string old =
      pickle(dict({{"w", tensor(storage("0", "Float", 6, kNoView), 0, {2, 3}, {3, 1})}}));
  const std::string magic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  const std::string legacy = torch_legacy(old, {{"0", 6, floats(6)}});
  return {
      {"packed storage",
       zip({{"a/data.pkl", object},
            {.name = "a/data/0", .data = deflated(floats(6)), .method = 8, .bytes = 24}}),
       "ZP-2", "\"a/data/0\" is packed"},
      {"another folder", torch_zip(object, {{"0", floats(6)}}, {{"b/data.pkl", object}}), "ZP-5",
       "\"b/data.pkl\" is not in the folder \"archive/\""},
      {"unknown byte order",
       torch_zip(object, {{"0", floats(6)}}, {{"archive/byteorder", "middle"}}), "ZP-7",
       "found \"middle\""},
      {"short storage", torch_zip(object, {{"0", floats(5)}}), "ZP-8",
       "storage 0 has 20 bytes, but its 6 elements of float32 take 24"},
      {"long storage", torch_zip(object, {{"0", floats(7)}}), "ZP-8", "has 28 bytes"},
      {"no such storage", torch_zip(object, {{"1", floats(6)}}), "PK-5",
       "storage 0, which is not in the archive"},
      {"second pickle", torch_zip(object + object, {{"0", floats(6)}}), "PK-9",
       "bytes stand behind the end of the pickle"},
      {"other magic", pickle("\x8a\x0a\x6d\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"), "LG-1",
       "expected the magic number of torch.save"},
      {"plain pickle", pickle(dict({{"the", "K\1"}})), "LG-1", "expected the magic number"},
      {"plain pickle that would run", pickle(call(global("os", "system"), tuple({text("id")}))),
       "PK-2", "names \"os system\""},
      {"other protocol", preface(magic, "M\xea\x03", "}"), "LG-1", "expected protocol 1001"},
      {"no byte order", preface(magic, "M\xe9\x03", "}"), "LG-2", "expected a dict with the byte"},
      {"byte order that is text",
       preface(magic, "M\xe9\x03", dict({{"little_endian", text("yes")}})), "LG-2", "found none"},
      {"storage that the pickle lacks",
       torch_legacy(old, {{"0", 6, floats(6)}, {"1", 1, floats(1)}}), "LG-3",
       "storage 1 is in the file but not in the pickle"},
      {"storage that the file lacks", torch_legacy(old, {}), "LG-3",
       "storage 0 is in the pickle but not in the file"},
      {"storage twice", torch_legacy(old, {{"0", 6, floats(6)}, {"0", 6, floats(6)}}), "LG-3",
       "storage 0 is in the list twice"},
      {"other count", torch_legacy(old, {{"0", 5, floats(6)}}), "LG-4",
       "storage 0 has 5 elements, 6 by the pickle"},
      {"cut off", legacy.substr(0, legacy.size() - 1), "LG-4",
       "storage 0 has 24 bytes, but 23 are left"},
      {"bytes behind it", legacy + "x", "LG-4", "1 bytes stand behind the last storage"},
      {"one storage, two sizes",
       torch_legacy(pickle(dict({{"v", tensor(storage("0", "Float", 5, kNoView), 0, {5}, {1})},
                                 {"w", tensor(storage("0", "Float", 6, kNoView), 0, {6}, {1})}})),
                    {{"0", 6, floats(6)}}),
       "LG-4", "storage 0 has 5 elements of float32 in one place of the pickle and 6"},
      {"view beyond its storage",
       torch_legacy(pickle(dict({{"w", tensor(storage("0", "Float", 6,
                                                      tuple({text("v"), integer(4), integer(3)})),
                                              0, {3}, {1})}})),
                    {{"0", 6, floats(6)}}),
       "LG-5", "a view of 3 elements from 4 on in storage 0, which has 6"},
      {"number as a name",
       torch_zip(pickle("}K\1" + plain_tensor("0", {6}) + "s"), {{"0", floats(6)}}), "PK-14",
       "named by something that is no text"},
      {"name twice",
       torch_zip(pickle(dict({{"w", plain_tensor("0", {6})}, {"w", plain_tensor("1", {6})}})),
                 {{"0", floats(6)}, {"1", floats(6)}}),
       "PK-14", "tensor \"w\" stands in the dict twice"},
      {"old text as a name",
       torch_zip(pickle("}U\2\xc3(" + plain_tensor("0", {6}) + "s"), {{"0", floats(6)}}), "PK-14",
       "a name that is not valid UTF-8 at its byte 0"},
      {"no name", torch_zip(pickle(dict({{"", plain_tensor("0", {6})}})), {{"0", floats(6)}}),
       "RD-6", "a name of 0 bytes"},
  };
}

TEST(TorchArchive, refuses_every_lie) {
  const TempFolder folder;
  for (const Lie& lie : lies()) {
    const Error error = error_of(opened(folder, lie.bytes));
    EXPECT_TRUE(names(error, lie.check, lie.message)) << lie.title;
    EXPECT_EQ(error.file, (folder / "file").string()) << lie.title;
  }
}

TEST(TorchArchive, refuses_other_archives_by_name) {
  const TempFolder folder;
  const auto refused = [&](std::string_view bytes, std::string_view what) {
    const Error error = error_of(opened(folder, bytes));
    return error.code == Code::unsupported && error.message.find(what) != std::string::npos;
  };
  EXPECT_TRUE(refused(zip({{"m/data.pkl", ""}, {"m/constants.pkl", ""}}), "TorchScript"));
  EXPECT_TRUE(refused(zip({{"m/data.pkl", ""}, {"m/code/__torch__.py", ""}}), "TorchScript"));
  EXPECT_TRUE(
      refused(zip({{"m/model/x.pkl", ""}, {"m/.data/extern_modules", ""}}), "torch.package"));
  EXPECT_TRUE(refused(zip({{"arr_0.npy", ""}}), "NumPy archives"));
  EXPECT_TRUE(refused(zip({{"word/document.xml", ""}}), "ZIP archives other than PyTorch's"));
  EXPECT_TRUE(refused(std::string(257, 'n') + "ustar", "tar archives"));
  EXPECT_TRUE(
      refused(torch_zip(pickle(dict({{"epoch", "K\1"}})), {}), "found a dict of 1 with epoch"));
  EXPECT_TRUE(refused(torch_zip(pickle("](K\1e"), {}), "found something else"));
}

TEST(TorchArchive, reads_both_containers) {
  const TempFolder folder;
  const std::string zipped =
      torch_zip(pickle(dict({{"w", plain_tensor("0", {2, 3})}})), {{"0", floats(6)}});
  const std::string legacy = torch_legacy(
      pickle(dict({{"w", tensor(storage("0", "Float", 6, kNoView), 0, {2, 3}, {3, 1})}})),
      {{"0", 6, floats(6)}});
  for (const std::string& bytes : {zipped, legacy}) {
    const auto file = opened(folder, bytes);
    ASSERT_TRUE(file) << error_of(file).text();
    ASSERT_EQ((*file)->tensors().size(), 1U);
    EXPECT_EQ((*file)->tensors()[0].name, "w");
    EXPECT_EQ((*file)->tensors()[0].dtype, DType::f32);
    EXPECT_EQ((*file)->tensors()[0].shape, (Shape{2, 3}));
    EXPECT_EQ(tensor_bytes(**file, 0), floats(6));
    std::string part(8, '\0');
    EXPECT_TRUE((*file)->read(0, 4, std::as_writable_bytes(std::span(part))));
    EXPECT_EQ(part, floats(6).substr(16));
    const auto files = (*file)->files();
    ASSERT_EQ(files.size(), 1U);
    EXPECT_EQ(files[0].size, bytes.size());
    EXPECT_EQ(files[0].header_hash.size(), 32U);
  }
}

TEST(TorchArchive, hashes_what_says_where_things_lie) {
  const TempFolder folder;
  const auto hash = [&](std::string_view name, const std::string& data) {
    const auto file = opened(
        folder,
        torch_zip(pickle(dict({{std::string(name), plain_tensor("0", {6})}})), {{"0", data}}));
    return (*file)->files()[0].header_hash;
  };
  EXPECT_EQ(hash("w", floats(6)), hash("w", floats(6)));
  EXPECT_NE(hash("w", floats(6)), hash("v", floats(6)));
}

TEST(TorchArchive, gathers_what_does_not_lie_row_by_row) {
  const TempFolder folder;
  const std::string stored = floats(24);
  const auto check = [&](std::int64_t offset, const std::vector<std::int64_t>& shape,
                         const std::vector<std::int64_t>& strides) {
    const auto file = opened(
        folder,
        torch_zip(pickle(dict({{"w", tensor(storage("0", "Float", 24), offset, shape, strides)}})),
                  {{"0", stored}}));
    ASSERT_TRUE(file) << error_of(file).text();
    std::string expected;
    std::vector<std::int64_t> index(shape.size(), 0);
    for (bool more = true; more;) {
      std::int64_t at = offset;
      for (std::size_t d = 0; d < shape.size(); ++d) at += index[d] * strides[d];
      expected += stored.substr(static_cast<std::size_t>(4 * at), 4);
      more = false;
      for (std::size_t d = shape.size(); d-- > 0 && !more;) {
        more = ++index[d] < shape[d];
        if (!more) index[d] = 0;
      }
    }
    EXPECT_EQ(tensor_bytes(**file, 0), expected);
    for (std::size_t first = 0; first * 4 < expected.size(); ++first) {
      for (std::size_t last = first; last * 4 <= expected.size(); ++last) {
        std::string part(4 * (last - first), '\0');
        ASSERT_TRUE((*file)->read(0, first, std::as_writable_bytes(std::span(part))));
        ASSERT_EQ(part, expected.substr(4 * first, part.size())) << first << " to " << last;
      }
    }
  };
  check(0, {6, 4}, {1, 6});         // reshape(4, 6).t()
  check(2, {3, 4}, {6, 1});         // columns of a matrix
  check(1, {4, 3}, {6, 2});         // every other column
  check(0, {3, 2, 4}, {1, 12, 3});  // dimensions in another order
  check(5, {2, 3, 2}, {0, 1, 6});   // expanded
  check(23, {}, {});                // a scalar
  check(0, {1, 24}, {7, 1});        // strides of dimensions of size 1 say nothing
  check(0, {12}, {2});
}

TEST(TorchArchive, reads_empty_tensors) {
  const TempFolder folder;
  const auto file = opened(
      folder, torch_zip(pickle(dict({{"e", tensor(storage("0", "Half", 0), 7, {0, 5}, {5, 1})}})),
                        {{"0", ""}}));
  ASSERT_TRUE(file) << error_of(file).text();
  EXPECT_EQ((*file)->tensors()[0].shape, (Shape{0, 5}));
  EXPECT_EQ(tensor_bytes(**file, 0), "");
  EXPECT_TRUE((*file)->aliases().empty());
}

TEST(TorchArchive, swaps_what_a_big_endian_machine_wrote) {
  const TempFolder folder;
  const std::string object = pickle(dict(
      {{"c", plain_tensor("0", {1}, "ComplexFloat")}, {"s", plain_tensor("1", {2}, "Short")}}));
  const auto file =
      opened(folder, torch_zip(object, {{"0", "\1\2\3\4\5\6\7\x08"}, {"1", "\1\2\3\4"}},
                               {{"archive/byteorder", "big"}}));
  ASSERT_TRUE(file) << error_of(file).text();
  EXPECT_EQ(tensor_bytes(**file, 0), "\4\3\2\1\x08\7\6\5");
  EXPECT_EQ(tensor_bytes(**file, 1), "\2\1\4\3");

  const std::string old =
      pickle(dict({{"s", tensor(storage("0", "Short", 2, kNoView), 0, {2}, {1})}}));
  std::string swapped = torch_legacy(old, {{"0", 2ULL << 56, "\1\2\3\4"}}, false);
  auto legacy = opened(folder, swapped);
  ASSERT_TRUE(legacy) << error_of(legacy).text();
  EXPECT_EQ(tensor_bytes(**legacy, 0), "\2\1\4\3");
  // torch itself says big, and yet writes the lowest byte first.
  legacy = opened(folder, torch_legacy(old, {{"0", 2, "\1\2\3\4"}}, false));
  ASSERT_TRUE(legacy) << error_of(legacy).text();
  EXPECT_EQ(tensor_bytes(**legacy, 0), "\1\2\3\4");
}

TEST(TorchArchive, reads_views_of_legacy_storages) {
  const TempFolder folder;
  const auto view = [](std::string_view name, std::int64_t offset, std::int64_t elements) {
    return storage("0", "Float", 6, tuple({text(name), integer(offset), integer(elements)}));
  };
  const auto file =
      opened(folder, torch_legacy(pickle(dict({{"a", tensor(view("a", 0, 2), 0, {2}, {1})},
                                               {"b", tensor(view("b", 2, 4), 1, {3}, {1})}})),
                                  {{"0", 6, floats(6)}}));
  ASSERT_TRUE(file) << error_of(file).text();
  EXPECT_EQ(tensor_bytes(**file, 0), floats(6).substr(0, 8));
  EXPECT_EQ(tensor_bytes(**file, 1), floats(6).substr(12));
}

TEST(TorchArchive, knows_tensors_that_are_one) {
  const TempFolder folder;
  const std::string shared = storage("0", "Float", 6);
  const auto file =
      opened(folder, torch_zip(pickle(dict({{"head", tensor(shared, 0, {2, 3}, {3, 1})},
                                            {"part", tensor(shared, 3, {3}, {1})},
                                            {"table", tensor(shared, 0, {2, 3}, {3, 1})},
                                            {"turned", tensor(shared, 0, {3, 2}, {1, 3})}})),
                               {{"0", floats(6)}}));
  ASSERT_TRUE(file) << error_of(file).text();
  EXPECT_EQ((*file)->aliases(), (std::vector<std::vector<std::size_t>>{{0, 2}}));
}

TEST(TorchArchive, passes_on_what_shards_share) {
  const TempFolder folder;
  const std::string tied = storage("0", "Float", 6);
  folder.write("a.bin",
               torch_zip(pickle(dict({{"m", plain_tensor("0", {6})}})), {{"0", floats(6)}}));
  folder.write("b.bin", torch_zip(pickle(dict({{"a", tensor(tied, 0, {3, 2}, {1, 3})},
                                               {"z", tensor(tied, 0, {3, 2}, {1, 3})}})),
                                  {{"0", floats(6)}}));
  const auto index = folder.write("pytorch_model.bin.index.json",
                                  R"({"weight_map":{"a":"b.bin","m":"a.bin","z":"b.bin"}})");
  const auto sharded = open_sharded(index, kStrict);
  ASSERT_TRUE(sharded) << error_of(sharded).text();
  EXPECT_EQ((*sharded)->aliases(), (std::vector<std::vector<std::size_t>>{{0, 2}}));
  EXPECT_EQ((*sharded)->reading_bytes(), 4U << 20);
  EXPECT_EQ((*sharded)->files().size(), 3U);
  EXPECT_EQ(tensor_bytes(**sharded, 1), floats(6));
}

TEST(TorchArchive, compares_the_sums_of_members) {
  const TempFolder folder;
  std::string bytes = torch_zip(pickle(dict({{"w", plain_tensor("0", {6})}})), {{"0", floats(6)}});
  const auto path = folder.write("file", bytes);
  EXPECT_TRUE(wrong_sums(path, kStrict)->empty());
  bytes[bytes.find(floats(6)) + 5] ^= 1;
  folder.write("file", bytes);
  EXPECT_EQ(*wrong_sums(path, kStrict), (std::vector<std::string>{"archive/data/0"}));
  folder.write("file", safetensors("{}", 0));
  EXPECT_TRUE(wrong_sums(path, kStrict)->empty());
}

TEST(TorchArchive, takes_dtypes_from_the_third_form) {
  const TempFolder folder;
  const std::string untyped = "(" + text("storage") + global("torch.storage", "UntypedStorage") +
                              text("0") + text("cpu") + integer(6) + "tQ";
  const auto rebuilt = [&](std::string_view dtype, std::int64_t elements) {
    return torch_zip(
        pickle(dict({{"w", call(global("torch._utils", "_rebuild_tensor_v3"),
                                tuple({untyped, integer(0), integers({elements}), integers({1}),
                                       "\x89", call(global("collections", "OrderedDict"), ")"),
                                       global("torch", dtype)}))}})),
        {{"0", "abcdef"}});
  };
  auto file = opened(folder, rebuilt("float8_e4m3fn", 6));
  ASSERT_TRUE(file) << error_of(file).text();
  EXPECT_EQ((*file)->tensors()[0].dtype, DType::f8e4m3);
  EXPECT_EQ(tensor_bytes(**file, 0), "abcdef");
  file = opened(folder, rebuilt("uint16", 3));
  ASSERT_TRUE(file) << error_of(file).text();
  EXPECT_EQ((*file)->tensors()[0].dtype, DType::u16);
  EXPECT_TRUE(
      names(error_of(opened(folder, rebuilt("uint16", 4))), "PK-11", "beyond the 3 elements"));
}

TEST(TorchArchive, finds_the_weights_among_what_training_keeps) {
  const TempFolder folder;
  const std::string weights =
      dict({{"w", plain_tensor("0", {6})}, {"step", "K\1"}, {"v", plain_tensor("1", {6})}});
  const auto first = [&](const std::string& object, std::vector<std::string>* notes = nullptr,
                         const ReadOptions& options = kStrict) {
    const auto file = opened(
        folder, torch_zip(pickle(object), {{"0", floats(6)}, {"1", floats(6)}, {"2", floats(6)}}),
        notes, options);
    return file ? (*file)->tensors().front().name : file.error().text();
  };
  const std::string optimizer = dict({{"state", "}K\0"s + plain_tensor("2", {6}) + "s"}});
  std::vector<std::string> notes;
  EXPECT_EQ(first(weights, &notes), "v");
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes[0].find("1 entries beside the tensors"), std::string::npos);
  EXPECT_EQ(first(dict({{"optimizer", optimizer}, {"epoch", "K\1"}, {"state_dict", weights}})),
            "v");
  EXPECT_EQ(first(dict({{"model", dict({{"state_dict", weights}, {"kind", "N"}})}})), "v");
  EXPECT_EQ(first(dict({{"ema", dict({{"x", plain_tensor("2", {6})}})}, {"model", weights}})), "v");
  EXPECT_NE(first(dict({{"a", dict({{"b", dict({{"model", weights}})}})}}))
                .find("found a dict of 1 with a"),
            std::string::npos);
  const std::string strange = global("__main__", "Config") + ")\x81";
  const ReadOptions opaque{.allow_opaque = true};
  EXPECT_EQ(first(dict({{"args", strange}, {"model", weights}}), nullptr, opaque), "v");
  EXPECT_NE(
      first(dict({{"w", plain_tensor("0", {6})}, {"v", plain_tensor("1", {6})}, {"x", strange}}),
            nullptr, opaque)
          .find("the weights hold \"__main__"),
      std::string::npos);
  notes.clear();
  EXPECT_EQ(first(dict({{"module.w", plain_tensor("0", {6})}}), &notes), "module.w");
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes[0].find("every name starts with \"module.\""), std::string::npos);
}

TEST(TorchArchive, inflates_a_packed_pickle) {
  const TempFolder folder;
  const std::string object = pickle(dict({{"w", plain_tensor("0", {6})}}));
  const auto file = opened(folder, zip({{.name = "a/data.pkl",
                                         .data = deflated(object),
                                         .method = 8,
                                         .bytes = static_cast<std::int64_t>(object.size())},
                                        {"a/data/0", floats(6)}}));
  ASSERT_TRUE(file) << error_of(file).text();
  EXPECT_EQ(tensor_bytes(**file, 0), floats(6));
}

std::atomic<std::uint64_t> bytes_read{0};
std::atomic<std::uint64_t> reads{0};

ssize_t counted_pread(int fd, void* out, std::size_t bytes, off_t offset) {
  bytes_read += bytes;
  ++reads;
  return ::pread(fd, out, bytes, offset);
}

TEST(TorchArchive, reads_a_transposed_matrix_a_few_times_at_most) {
  const TempFolder folder;
  // 16 MiB, sparse on the disk: [rows, columns] stored column by column.
  constexpr std::int64_t kRows = 512;
  constexpr std::int64_t kColumns = 8192;
  constexpr std::uint64_t kBytes = 4ULL * kRows * kColumns;
  const auto path = folder.write(
      "file", torch_zip(pickle(dict({{"w", tensor(storage("0", "Float", kRows * kColumns), 0,
                                                  {kRows, kColumns}, {1, kRows})}})),
                        {{"0", std::string(kBytes, '\0')}}));
  const auto file = open_torch(path, kStrict);
  ASSERT_TRUE(file) << error_of(file).text();
  bytes_read = reads = 0;
  const auto real = std::exchange(file_calls().pread, counted_pread);
  std::string row(4 * kColumns, '\1');
  for (std::uint64_t r = 0; r < kRows; ++r) {
    ASSERT_TRUE((*file)->read(0, r * kColumns, std::as_writable_bytes(std::span(row))));
  }
  file_calls().pread = real;
  EXPECT_LE(bytes_read, 6 * kBytes);
  EXPECT_LE(reads, 40'000U);
}

TEST(TorchArchive, tells_of_a_file_that_shrank) {
  const TempFolder folder;
  for (const bool transposed : {false, true}) {
    const auto path = folder.write(
        "file",
        torch_zip(pickle(dict({{"w", tensor(storage("0", "Float", 6), 0, {2, 3},
                                            transposed ? std::vector<std::int64_t>{1, 2}
                                                       : std::vector<std::int64_t>{3, 1})}})),
                  {{"0", floats(6)}}));
    const auto file = open_torch(path, kStrict);
    ASSERT_TRUE(file);
    ASSERT_EQ(::truncate(path.c_str(), 100), 0);
    std::string out(24, '\0');
    EXPECT_EQ(error_of((*file)->read(0, 0, std::as_writable_bytes(std::span(out)))).code, Code::io);
  }
}

TEST(TorchArchive, survives_every_cut_and_many_changes) {
  const TempFolder folder;
  const std::string zipped = torch_zip(pickle(dict({{"w", plain_tensor("0", {2, 3})}})),
                                       {{"0", floats(6)}}, {{"archive/byteorder", "little"}});
  const std::string legacy = torch_legacy(
      pickle(dict({{"w", tensor(storage("0", "Float", 6, kNoView), 0, {2, 3}, {3, 1})}})),
      {{"0", 6, floats(6)}});
  std::uint32_t random = 1;
  for (const std::string& good : {zipped, legacy}) {
    for (std::size_t size = 0; size < good.size(); ++size) {
      EXPECT_FALSE(opened(folder, good.substr(0, size))) << size;
    }
    for (int round = 0; round < 3000; ++round) {
      std::string changed = good;
      random = random * 1664525 + 1013904223;
      changed[(random >> 8) % changed.size()] = static_cast<char>(random >> 24);
      const auto file = opened(folder, changed);
      if (!file) continue;
      for (std::size_t t = 0; t < (*file)->tensors().size(); ++t) {
        if ((*file)->tensors()[t].bytes() > 4096) continue;
        std::string out((*file)->tensors()[t].bytes(), '\0');
        EXPECT_TRUE((*file)->read(t, 0, std::as_writable_bytes(std::span(out))));
      }
    }
  }
}

}  // namespace
}  // namespace merganser::formats
