#include "views/dequantize.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "core/utf8.h"
#include "formats/strict_json.h"
#include "kernels/convert.h"
#include "views/decoders.h"

namespace merganser::views {
namespace {

using formats::Config;

/// Elements that are decoded at once.
constexpr std::uint64_t kPiece = std::uint64_t{1} << 18;
constexpr unsigned kWordBits = 32;
constexpr std::uint64_t kLargestState = 64'000;
constexpr std::uint64_t kFp8Block = 128;  ///< Where no config says otherwise.
/// Keys of configs that speak of nothing else.
constexpr std::array kKeys{"quantization_config", "compression_config", "quantization"};
constexpr std::string_view kHint = "use the model in 16 or 32 bits that it was made from";

/// Sign, two bits of exponent, one of mantissa.
const std::vector<float>& e2m1() {
  static const std::vector<float> kTable{0,   0.5F,  1,   1.5F,  2,   3,  4,   6,
                                         -0., -0.5F, -1., -1.5F, -2., -3, -4., -6};
  return kTable;
}

/// The quantiles of NF4 (Dettmers et al. 2023, arXiv:2305.14314, appendix E), for files without
/// their own map.
const std::vector<float>& nf4() {
  static const std::vector<float> kTable{-1.F,
                                         -0.6961928009986877F,
                                         -0.5250730514526367F,
                                         -0.39491748809814453F,
                                         -0.28444138169288635F,
                                         -0.18477343022823334F,
                                         -0.09105003625154495F,
                                         0.F,
                                         0.07958029955625534F,
                                         0.16093020141124725F,
                                         0.24611230194568634F,
                                         0.33791524171829224F,
                                         0.44070982933044434F,
                                         0.5626170039176941F,
                                         0.7229568362236023F,
                                         1.F};
  return kTable;
}

/// Schemes that are not read, by a name that only they give to a tensor.
struct Foreign {
  std::string_view suffix;
  std::string_view scheme;
};
constexpr std::array kForeign{
    Foreign{".W_q", "HQQ"},
    Foreign{".codebooks", "AQLM"},
    Foreign{".Qidxs", "QuIP#"},
    Foreign{".q_weight", "EXL2"},
    Foreign{".trellis", "EXL3"},
    Foreign{".centroids.weight", "VPTQ"},
    Foreign{".dense_weights", "SpQR"},
    Foreign{".weight_scales", "EETQ"},
    Foreign{".weight._data", "quanto"},
    Foreign{".tables2", "HIGGS"},
    Foreign{".wscales", "SVDQuant"},
    Foreign{".lookup_table", "SqueezeLLM"},
    Foreign{".bitmask", "sparse compressed-tensors"},
    Foreign{".scale_packed", "compressed-tensors marlin-24"},
};

/// Methods of configs whose layers are known by their tensors.
constexpr std::array<std::string_view, 9> kKnownMethods{
    "gptq",       "awq",   "bitsandbytes", "compressed-tensors", "fp8",
    "fbgemm_fp8", "mxfp4", "modelopt",     "modelopt_fp4"};

/// What belongs to a layer beside its codes and scales: nothing that weights need.
constexpr std::array<std::string_view, 13> kBeside{".input_scale",
                                                   ".input_zero_point",
                                                   ".input_global_scale",
                                                   ".input_scale_ub",
                                                   ".output_scale",
                                                   ".activation_scale",
                                                   ".scale_input",
                                                   ".k_scale",
                                                   ".v_scale",
                                                   ".q_scale",
                                                   ".prob_scale",
                                                   ".weight_format",
                                                   ".output_global_scale"};

std::string_view without(std::string_view name, std::string_view suffix) {
  return name.substr(0, name.size() - suffix.size());
}

bool is_f8(DType dtype) { return dtype == DType::f8e4m3 || dtype == DType::f8e5m2; }

std::uint64_t ceil_divide(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }

bool is_matrix(const Shape& shape) { return shape.size() == 2; }

/// A dtype whose name may have lost letters at its ends, as old writers left it.
std::optional<DType> damaged_dtype(std::string_view name) {
  if (name.find("bfloat16") != name.npos) return DType::bf16;
  if (name.find("float16") != name.npos || name.find("alf") != name.npos) return DType::f16;
  if (name.find("loa") != name.npos && name.find("64") == name.npos) return DType::f32;
  return std::nullopt;
}

std::optional<DType> dtype_of(const Config& config) {
  for (const char* key : {"dtype", "torch_dtype", "text_config.dtype", "text_config.torch_dtype"}) {
    const auto name = config.string(key);
    const auto dtype = name ? dtype_from_name(*name) : std::nullopt;
    if (dtype == DType::f16 || dtype == DType::bf16 || dtype == DType::f32) return dtype;
  }
  return std::nullopt;
}

/// A tensor that the view makes.
struct Made {
  TensorInfo info;
  std::unique_ptr<const Decoder> decoder;
};

class View final : public Checkpoint {
 public:
  struct Place {
    std::size_t origin = 0;  ///< Number in the source, of a tensor that is passed on.
    std::shared_ptr<const Decoder> decoder;
  };

  View(std::shared_ptr<const Checkpoint> source, std::vector<TensorInfo> infos,
       std::vector<Place> places)
      : source_(std::move(source)), infos_(std::move(infos)), places_(std::move(places)) {}

  std::span<const TensorInfo> tensors() const override { return infos_; }

  Result<void> read(std::size_t tensor, std::uint64_t first,
                    std::span<std::byte> out) const override {
    const Place& place = places_[tensor];
    if (place.decoder == nullptr) return source_->read(place.origin, first, out);
    const DType dtype = infos_[tensor].dtype;
    const std::uint64_t size = stored_bytes(dtype, 1);
    std::vector<float> values;
    while (!out.empty()) {
      values.resize(std::min<std::uint64_t>(kPiece, out.size() / size));
      MERGANSER_TRY(place.decoder->decode(*source_, first, values));
      kernels::narrow(dtype, values.data(), out.data(), values.size());
      out = out.subspan(values.size() * size);
      first += values.size();
    }
    return {};
  }

  std::vector<SourceFile> files() const override { return source_->files(); }
  /// A piece of values for every thread that may read, and what its codes and scales take, which is
  /// less.
  std::uint64_t reading_bytes() const override {
    const std::uint64_t threads = std::max(1U, std::thread::hardware_concurrency());
    return source_->reading_bytes() + threads * 2 * kPiece * sizeof(float);
  }

 private:
  std::shared_ptr<const Checkpoint> source_;
  std::vector<TensorInfo> infos_;
  std::vector<Place> places_;
};

/// Finds the quantised layers of a checkpoint and makes their decoders.
class Finder {
 public:
  Finder(const Checkpoint& source, const Config& config, const Config& own)
      : source_(source), config_(own.empty() ? config : own), wanted_(dtype_of(config)) {
    for (const char* key : kKeys) {
      if (!scope_ && config_.has(key)) scope_ = std::string(key) + ".";
    }
    if (!scope_ && !own.empty()) scope_ = "";
  }

  Result<void> run() {
    for (std::size_t i = 0; i < source_.tensors().size(); ++i) MERGANSER_TRY(look_at(i));
    MERGANSER_TRY(check_method());
    return check_rest();
  }

  std::vector<Made>& made() { return made_; }
  const std::map<std::string, std::size_t>& counts() const { return counts_; }
  const std::vector<std::string>& notes() const { return notes_; }

  /// True for tensors that a layer is made of, and for those that only its activations need.
  bool vanishes(std::size_t tensor) const {
    const std::string_view name = info(tensor).name;
    if (used_.count(tensor) != 0) return true;
    if (made_.empty()) return false;
    if (name == "scaled_fp8") return true;
    return info(tensor).shape.size() < 2 &&
           std::any_of(
               kBeside.begin(), kBeside.end(),
               [&](std::string_view suffix) { return name.ends_with(suffix); });
  }

 private:
  const TensorInfo& info(std::size_t tensor) const { return source_.tensors()[tensor]; }
  const Shape& shape(std::size_t tensor) const { return info(tensor).shape; }

  std::optional<std::size_t> find(std::string_view name) const {
    const std::size_t at = source_.find(name);
    return at == Checkpoint::npos ? std::nullopt : std::optional(at);
  }
  std::optional<std::size_t> find(std::string_view front, std::string_view back) const {
    return find(fmt::format("{}{}", front, back));
  }

  std::optional<std::string> setting(std::string_view key) const {
    return scope_ ? config_.raw(*scope_ + std::string(key)) : std::nullopt;
  }
  std::optional<std::int64_t> number(std::string_view key) const {
    return scope_ ? config_.integer(*scope_ + std::string(key)) : std::nullopt;
  }
  std::string word(std::string_view key) const {
    return scope_ ? config_.string(*scope_ + std::string(key)).value_or("") : "";
  }

  /// Says something about the model, once however many layers it is true of.
  void note(std::string text) {
    if (std::find(notes_.begin(), notes_.end(), text) == notes_.end())
      notes_.push_back(std::move(text));
  }

  Error fail(std::string_view check, std::size_t tensor, std::string message) const {
    Error error{.code = Code::bad_file,
                .message = fmt::format("tensor \"{}\" of a quantised layer: {}",
                                       printable(info(tensor).name), message),
                .subject = info(tensor).name,
                .check = std::string(check)};
    if (const auto files = source_.files(); !files.empty()) error.file = files.front().path;
    return error;
  }
  Error refuse(std::string_view scheme, std::string_view layer) const {
    Error error{.code = Code::unsupported,
                .message = fmt::format("\"{}\" is quantised by {}, which is not read",
                                       printable(layer), scheme),
                .subject = std::string(layer),
                .hint = std::string(kHint)};
    if (const auto files = source_.files(); !files.empty()) error.file = files.front().path;
    return error;
  }

  /// QZ-1 for one tensor.
  Result<void> expect(std::size_t tensor, const Shape& wanted) const {
    if (shape(tensor) == wanted) return {};
    return fail(
        "QZ-1", tensor,
        fmt::format("expected shape {}, found {}", to_string(wanted), to_string(shape(tensor))));
  }
  /// QZ-1 for a tensor that holds codes or whole numbers of some type.
  Result<void> expect_type(std::size_t tensor, std::initializer_list<DType> types) const {
    if (std::find(types.begin(), types.end(), info(tensor).dtype) != types.end()) return {};
    return fail("QZ-1", tensor,
                fmt::format("expected {}, found {}", torch_name(*types.begin()),
                            torch_name(info(tensor).dtype)));
  }
  Result<void> expect_real(std::size_t tensor) const {
    if (is_arithmetic(info(tensor).dtype)) return {};
    return fail("QZ-1", tensor,
                fmt::format("expected real numbers, found {}", torch_name(info(tensor).dtype)));
  }
  Result<std::size_t> needed(std::size_t beside, std::string_view name) const {
    if (const auto found = find(name)) return *found;
    return fail("QZ-1", beside, fmt::format("there is no \"{}\" beside it", printable(name)));
  }

  /// Adds a tensor that `used` are read for, and takes its decoder over. (By reference: the other
  /// arguments may be read from the decoder, and nothing says which is evaluated first.)
  template <class D>
  Result<void> make(std::string_view name, Shape shape, std::string_view scheme,
                    std::optional<DType> own,
                    std::initializer_list<std::optional<std::size_t>> used,
                    std::unique_ptr<D>& decoder) {
    for (const auto& tensor : used) {
      if (tensor) used_.insert(*tensor);
    }
    const DType dtype = wanted_ ? *wanted_
                        : own == DType::f16 || own == DType::bf16 || own == DType::f32
                            ? *own
                            : DType::bf16;
    made_.push_back({{std::string(name), dtype, std::move(shape)}, std::move(decoder)});
    ++counts_[fmt::format("{} to {}", scheme, torch_name(dtype))];
    return {};
  }
  /// The type of scales, where weights may have it too.
  std::optional<DType> half_of(std::size_t scales) const {
    const DType dtype = info(scales).dtype;
    return dtype == DType::f16 || dtype == DType::bf16 ? std::optional(dtype) : std::nullopt;
  }

  Result<void> look_at(std::size_t i) {
    const std::string_view name = info(i).name;
    for (const auto& [suffix, scheme] : kForeign) {
      if (name.ends_with(suffix)) return refuse(scheme, without(name, suffix));
    }
    if (name.ends_with(".qweight")) return packed_words(i, without(name, ".qweight"));
    if (name.ends_with(".weight_packed")) return compressed(i, without(name, ".weight_packed"));
    if (name.ends_with("_blocks") && find(without(name, "_blocks"), "_scales"))
      return microscaled(i, without(name, "_blocks"));
    const DType dtype = info(i).dtype;
    const std::string_view layer = name.ends_with(".weight") ? without(name, ".weight") : "";
    if (dtype == DType::i8 && !layer.empty()) {
      if (const auto scales = find(layer, ".SCB")) return eight_bits(i, layer, *scales);
    }
    if (dtype == DType::u8 && !layer.empty()) {
      if (find(name, ".absmax")) return four_bits(i);
      if (find(name, "_scale") && find(name, "_scale_2")) return two_scales(i, layer);
      if (find(name, "_scale")) return refuse("packed bytes (BitNet)", layer);
    }
    if (dtype == DType::u32 && !layer.empty() && find(layer, ".biases")) return affine(i, layer);
    if (is_f8(dtype) || dtype == DType::i8) {
      for (const std::string& scale :
           {fmt::format("{}_scale_inv", name), fmt::format("{}_scale", name),
            fmt::format("{}.scale_weight", layer)}) {
        if (const auto scales = find(scale)) return scaled(i, *scales);
      }
    }
    return {};
  }

  /// GPTQ and AWQ call their tensors the same and lay them out differently.
  Result<void> packed_words(std::size_t codes, std::string_view layer) {
    MERGANSER_TRY(const std::size_t scales, needed(codes, fmt::format("{}.scales", layer)));
    MERGANSER_TRY(const std::size_t zeros, needed(codes, fmt::format("{}.qzeros", layer)));
    MERGANSER_TRY(expect_type(codes, {DType::i32}));
    MERGANSER_TRY(expect_type(zeros, {DType::i32}));
    MERGANSER_TRY(expect_real(scales));
    for (const std::size_t tensor : {codes, zeros, scales}) {
      if (!is_matrix(shape(tensor)) || info(tensor).elements() == 0)
        return fail("QZ-1", tensor, "expected a matrix, found " + to_string(shape(tensor)));
    }
    const std::string version = word("version");
    const std::string format = word("checkpoint_format");
    for (const std::string& kind : {version, format, word("format")}) {
      if (kind.starts_with("gemv") || kind.starts_with("GEMV")) return refuse("AWQ " + kind, layer);
      if (kind == "marlin" || kind == "gptq_p") return refuse("GPTQ " + kind, layer);
    }
    if (shape(scales)[1] == shape(codes)[1]) return gptq(codes, zeros, scales, layer);
    if (shape(scales)[1] == shape(codes)[1] * 8) return awq(codes, zeros, scales, layer);
    return fail("QZ-1", scales,
                fmt::format("expected {} columns (GPTQ) or {} (AWQ GEMM), found {}",
                            shape(codes)[1], shape(codes)[1] * 8, to_string(shape(scales))));
  }

  Result<void> gptq(std::size_t codes, std::size_t zeros, std::size_t scales,
                    std::string_view layer) {
    auto d = std::make_unique<TransposedDecoder>();
    d->codes = codes;
    d->zeros = zeros;
    d->scales = scales;
    d->rows = shape(codes)[1];
    d->groups = shape(scales)[0];
    const std::uint64_t bits = shape(zeros)[1] * kWordBits / d->rows;
    if (bits != 2 && bits != 4 && bits != 8)
      return refuse(fmt::format("GPTQ of {} bits", bits), layer);
    d->bits = static_cast<unsigned>(bits);
    d->columns = shape(codes)[0] * kWordBits / bits;
    MERGANSER_TRY(expect(zeros, {d->groups, ceil_divide(d->rows * bits, kWordBits)}));
    const std::int64_t group = number("group_size").value_or(0);
    d->group = group > 0 ? static_cast<std::uint64_t>(group) : ceil_divide(d->columns, d->groups);
    MERGANSER_TRY(expect(scales, {ceil_divide(d->columns, d->group), d->rows}));
    d->order = find(layer, ".g_idx");
    if (d->order) {
      MERGANSER_TRY(expect_type(*d->order, {DType::i32}));
      MERGANSER_TRY(expect(*d->order, {d->columns}));
      MERGANSER_TRY(checked(read_order(source_, *d->order, d->columns, d->groups)));
    }
    MERGANSER_TRY(d->zero_offset, stored_zero_offset(zeros, d->bits));
    return make(fmt::format("{}.weight", layer), {d->rows, d->columns},
                fmt::format("GPTQ of {} bits", bits), half_of(scales),
                {codes, zeros, scales, d->order}, d);
  }

  /// The first version of the format stores zero points less 1. What files say of it is often
  /// wrong; symmetric ones have the middle of the range as their only zero point, which tells.
  Result<float> stored_zero_offset(std::size_t zeros, unsigned bits) {
    const bool second = word("checkpoint_format") == "gptq_v2";
    if (setting("sym") == "false") return second ? 0.F : 1.F;
    std::uint32_t found = 0;
    MERGANSER_TRY(source_.read(zeros, 0, std::as_writable_bytes(std::span(&found, 1))));
    found &= (1U << bits) - 1;
    const std::uint32_t middle = 1U << (bits - 1);
    const bool looks_second = found == middle;
    if ((looks_second || found == middle - 1) && looks_second != second) {
      note(fmt::format("its zero points are those of GPTQ {}, whatever its config says",
                       looks_second ? "v2" : "v1"));
      return looks_second ? 0.F : 1.F;
    }
    return second ? 0.F : 1.F;
  }

  Result<void> awq(std::size_t codes, std::size_t zeros, std::size_t scales,
                   std::string_view layer) {
    auto d = std::make_unique<TransposedDecoder>();
    d->codes = codes;
    d->zeros = zeros;
    d->scales = scales;
    d->along_out = true;
    d->rows = shape(scales)[1];
    d->columns = shape(codes)[0];
    d->groups = shape(scales)[0];
    const std::int64_t group = number("group_size").value_or(number("q_group_size").value_or(0));
    d->group = group > 0 ? static_cast<std::uint64_t>(group) : ceil_divide(d->columns, d->groups);
    MERGANSER_TRY(expect(scales, {ceil_divide(d->columns, d->group), d->rows}));
    MERGANSER_TRY(expect(zeros, {d->groups, shape(codes)[1]}));
    return make(fmt::format("{}.weight", layer), {d->rows, d->columns}, "AWQ", half_of(scales),
                {codes, zeros, scales}, d);
  }

  /// bitsandbytes' 8 bits: a scale for each row, times 127.
  Result<void> eight_bits(std::size_t codes, std::string_view layer, std::size_t scales) {
    if (!is_matrix(shape(codes)))
      return fail("QZ-1", codes, "expected a matrix, found " + to_string(shape(codes)));
    auto d = std::make_unique<GridDecoder>();
    d->codes = codes;
    d->scales = scales;
    d->rows = shape(codes)[0];
    d->columns = d->column_block = shape(codes)[1];
    d->divisor = 127;
    MERGANSER_TRY(expect_real(scales));
    MERGANSER_TRY(expect(scales, {d->rows}));
    const auto format = find(layer, ".weight_format");
    if (format && info(*format).dtype == DType::u8 && info(*format).elements() == 1) {
      std::byte kind{};
      MERGANSER_TRY(source_.read(*format, 0, std::span(&kind, 1)));
      if (kind != std::byte{0})
        return refuse("bitsandbytes 8 bits in another order than by row", layer);
    }
    return make(info(codes).name, shape(codes), "bitsandbytes of 8 bits", DType::f16,
                {codes, scales, format}, d);
  }

  /// What bitsandbytes writes beside its 4-bit codes.
  struct State {
    Shape shape;
    std::uint64_t block = 0;
    std::uint64_t nested_block = 256;
    float nested_offset = 0;
    std::optional<DType> dtype;
  };

  /// QZ-3 and QZ-4.
  Result<State> read_state(std::size_t tensor, std::uint64_t codes) const {
    if (info(tensor).dtype != DType::u8 || info(tensor).elements() > kLargestState) {
      return fail("QZ-3", tensor,
                  fmt::format("expected at most {} bytes of JSON, found {} of {}", kLargestState,
                              info(tensor).elements(), torch_name(info(tensor).dtype)));
    }
    std::string text(info(tensor).elements(), '\0');
    MERGANSER_TRY(source_.read(tensor, 0, std::as_writable_bytes(std::span(text))));
    const formats::ReadOptions strictly;
    const formats::Reading reading{info(tensor).name, strictly, nullptr};
    formats::StrictJson json;
    MERGANSER_TRY(const simdjson::dom::object object, json.parse(std::move(text), reading, "QZ-3"));
    std::set<std::string_view> keys;
    State state;
    std::uint64_t elements = 1;
    for (const auto& [key, value] : object) {
      if (!keys.insert(key).second)
        return fail("QZ-3", tensor, fmt::format("the key \"{}\" stands twice", printable(key)));
      simdjson::dom::array sizes;
      double real = 0;
      std::string_view name;
      if (key == "shape" && !value.get(sizes)) {
        for (const simdjson::dom::element size : sizes) {
          std::uint64_t extent = 0;
          if (size.get(extent) || __builtin_mul_overflow(elements, extent, &elements))
            return fail("QZ-3", tensor, "its shape is no list of sizes");
          state.shape.push_back(extent);
        }
      } else if (key == "blocksize" && value.get(state.block)) {
        state.block = 0;
      } else if (key == "nested_blocksize" && value.get(state.nested_block)) {
        state.nested_block = 0;
      } else if (key == "nested_offset" && !value.get(real)) {
        state.nested_offset = static_cast<float>(real);
      } else if (key == "dtype" && !value.get(name)) {
        state.dtype = damaged_dtype(name);
      }
    }
    if (state.shape.empty() || elements == 0 || (elements + 1) / 2 != codes) {
      return fail("QZ-3", tensor,
                  fmt::format("its shape {} does not fit {} bytes of two codes each",
                              to_string(state.shape), codes));
    }
    for (const std::uint64_t block : {state.block, state.nested_block}) {
      if (std::has_single_bit(block) && block >= 32 && block <= 8192) continue;
      return fail(
          "QZ-4", tensor,
          fmt::format("expected a block size of 32 to 8192 that is a power of two, found {}",
                      block));
    }
    return state;
  }

  Result<void> four_bits(std::size_t codes) {
    const std::string& name = info(codes).name;
    std::optional<std::size_t> state_at = find(name, ".quant_state.bitsandbytes__nf4");
    const bool normal = state_at.has_value();
    if (!normal) state_at = find(name, ".quant_state.bitsandbytes__fp4");
    if (!state_at) return fail("QZ-1", codes, "there is no quant_state beside it");
    MERGANSER_TRY(const State state, read_state(*state_at, info(codes).elements()));
    auto d = std::make_unique<NibbleDecoder>();
    d->codes = codes;
    d->high_first = true;
    d->block = state.block;
    MERGANSER_TRY(d->scales, needed(codes, name + ".absmax"));
    const std::uint64_t blocks = ceil_divide(elements(state.shape), state.block);
    MERGANSER_TRY(expect(d->scales, {blocks}));

    const auto map = find(name, ".quant_map");
    if (!map && !normal) return fail("QZ-1", codes, "there is no quant_map beside it");
    d->table = nf4();
    if (map) {
      MERGANSER_TRY(expect(*map, {16}));
      MERGANSER_TRY(expect_real(*map));
      MERGANSER_TRY(read_values(source_, *map, 0, d->table));
    }
    const auto nested = find(name, ".nested_absmax");
    const auto nested_map = find(name, ".nested_quant_map");
    MERGANSER_TRY(nested ? expect_type(d->scales, {DType::u8}) : expect_real(d->scales));
    if (nested) {
      if (!nested_map) return fail("QZ-1", *nested, "there is no nested_quant_map beside it");
      MERGANSER_TRY(expect(*nested_map, {256}));
      MERGANSER_TRY(expect_real(*nested_map));
      MERGANSER_TRY(expect(*nested, {ceil_divide(blocks, state.nested_block)}));
      MERGANSER_TRY(expect_real(*nested));
      d->nested =
          NibbleDecoder::Nested{*nested_map, *nested, state.nested_block, state.nested_offset};
    }
    return make(name, state.shape, normal ? "bitsandbytes nf4" : "bitsandbytes fp4", state.dtype,
                {codes, d->scales, map, nested, nested_map, state_at}, d);
  }

  /// compressed-tensors: whole numbers packed into words, or 4-bit floats into bytes.
  Result<void> compressed(std::size_t codes, std::string_view layer) {
    MERGANSER_TRY(const std::size_t scales, needed(codes, fmt::format("{}.weight_scale", layer)));
    if (find(layer, ".meta")) return refuse("compressed-tensors marlin-24", layer);
    if (!is_matrix(shape(codes)))
      return fail("QZ-1", codes, "expected a matrix, found " + to_string(shape(codes)));
    if (info(codes).dtype == DType::u8) {
      return small_floats(codes, scales, layer, find(layer, ".weight_global_scale"), false);
    }
    MERGANSER_TRY(expect_type(codes, {DType::i32}));
    MERGANSER_TRY(expect_real(scales));
    MERGANSER_TRY(const std::size_t shape_at, needed(codes, fmt::format("{}.weight_shape", layer)));
    MERGANSER_TRY(const Shape logical, read_shape(shape_at));
    auto d = std::make_unique<PackedRowsDecoder>();
    d->codes = codes;
    d->scales = scales;
    d->rows = logical[0];
    d->columns = logical[1];
    MERGANSER_TRY(d->packing, packing_of(codes, d->columns));
    MERGANSER_TRY(expect(codes, {d->rows, d->packing.words(d->columns)}));
    d->one_scale = info(scales).elements() == 1;
    d->groups = d->one_scale || !is_matrix(shape(scales)) ? 1 : shape(scales)[1];
    if (d->groups == 0) return fail("QZ-1", scales, "it is empty");
    d->group = ceil_divide(d->columns, d->groups);
    if (!d->one_scale) MERGANSER_TRY(expect(scales, {d->rows, d->groups}));
    if (ceil_divide(d->columns, d->group) != d->groups) {
      return fail("QZ-1", scales,
                  fmt::format("{} groups do not divide {} columns", d->groups, d->columns));
    }
    d->zero = static_cast<float>(1U << (d->packing.bits - 1));
    d->zeros = find(layer, ".weight_zero_point");
    if (d->zeros) {
      MERGANSER_TRY(expect_type(*d->zeros, {DType::i32}));
      MERGANSER_TRY(expect(*d->zeros, {d->packing.words(d->rows), d->groups}));
    }
    const auto order = find(layer, ".weight_g_idx");
    if (order) {
      MERGANSER_TRY(d->order, order_of(*order, d->columns, d->groups));
    }
    return make(fmt::format("{}.weight", layer), logical,
                fmt::format("compressed-tensors of {} bits", d->packing.bits), half_of(scales),
                {codes, scales, shape_at, d->zeros, order}, d);
  }

  /// The logical shape of a layer that is stored beside it.
  Result<Shape> read_shape(std::size_t tensor) const {
    MERGANSER_TRY(expect(tensor, {2}));
    MERGANSER_TRY(expect_type(tensor, {DType::i64, DType::i32}));
    std::array<std::int64_t, 2> wide{};
    if (info(tensor).dtype == DType::i64) {
      MERGANSER_TRY(source_.read(tensor, 0, std::as_writable_bytes(std::span(wide))));
    } else {
      std::array<std::int32_t, 2> narrow{};
      MERGANSER_TRY(source_.read(tensor, 0, std::as_writable_bytes(std::span(narrow))));
      std::copy(narrow.begin(), narrow.end(), wide.begin());
    }
    constexpr std::int64_t kLargest = std::int64_t{1} << 31;
    for (const std::int64_t size : wide) {
      if (size <= 0 || size >= kLargest)
        return fail("QZ-1", tensor, fmt::format("{} is no size of a weight", size));
    }
    return Shape{static_cast<std::uint64_t>(wide[0]), static_cast<std::uint64_t>(wide[1])};
  }

  /// How wide codes are follows from how many words hold them; where that leaves a choice, the
  /// config has it. Codes of other widths than 2, 4 and 8 bits were padded to words before
  /// compressed-tensors 0.20 and are dense since.
  Result<Packing> packing_of(std::size_t codes, std::uint64_t columns) const {
    std::vector<unsigned> candidates;
    for (const std::string& group : config_.keys(scope_.value_or("") + "config_groups")) {
      const auto bits = number("config_groups." + group + ".weights.num_bits");
      if (bits && *bits >= 2 && *bits <= 8) candidates.push_back(static_cast<unsigned>(*bits));
    }
    for (const unsigned bits : {4U, 8U, 2U, 3U, 5U, 6U, 7U}) candidates.push_back(bits);
    for (const unsigned bits : candidates) {
      const Packing padded{bits, false};
      const Packing dense{bits, true};
      const bool as_padded = padded.words(columns) == shape(codes)[1];
      const bool as_dense = dense.words(columns) == shape(codes)[1];
      if (!as_padded && !as_dense) continue;
      if (as_padded && as_dense && kWordBits % bits != 0 && shape(codes)[1] > 1) {
        return fail("QZ-1", codes,
                    fmt::format("its {} words may hold {} codes of {} bits in two ways",
                                shape(codes)[1], columns, bits));
      }
      return as_padded ? padded : dense;
    }
    return fail("QZ-1", codes,
                fmt::format("{} columns do not fit {}", columns, to_string(shape(codes))));
  }

  /// The order of columns by group; an order that was never set holds -1.
  Result<std::optional<std::size_t>> order_of(std::size_t tensor, std::uint64_t columns,
                                              std::uint64_t groups) const {
    MERGANSER_TRY(expect_type(tensor, {DType::i32}));
    MERGANSER_TRY(expect(tensor, {columns}));
    std::int32_t first = 0;
    MERGANSER_TRY(source_.read(tensor, 0, std::as_writable_bytes(std::span(&first, 1))));
    if (first == -1) return std::optional<std::size_t>();
    MERGANSER_TRY(checked(read_order(source_, tensor, columns, groups)));
    return std::optional(tensor);
  }

  /// A check of data as an error of the model's file.
  template <class T>
  Result<void> checked(Result<T> result) const {
    if (result) return {};
    Error error = std::move(result).error();
    if (const auto files = source_.files(); error.file.empty() && !files.empty())
      error.file = files.front().path;
    return error;
  }

  /// NVFP4 and MXFP4 with a byte for two codes.
  Result<void> small_floats(std::size_t codes, std::size_t scales, std::string_view layer,
                            std::optional<std::size_t> global, bool multiply) {
    if (find(layer, ".weight_zero_point")) return refuse("NVFP4 with zero points", layer);
    Shape logical = shape(codes);
    if (logical.empty() || logical.back() == 0)
      return fail("QZ-1", codes, "expected a matrix, found " + to_string(logical));
    logical.back() *= 2;
    Shape blocks = logical;
    const bool exponents = info(scales).dtype == DType::u8 || info(scales).dtype == DType::f8e8m0;
    auto d = std::make_unique<NibbleDecoder>();
    d->block = exponents ? 32 : 16;
    d->codes = codes;
    d->scales = scales;
    d->table = e2m1();
    d->exponents = info(scales).dtype == DType::u8;
    if (logical.back() % d->block != 0) {
      return fail("QZ-1", codes,
                  fmt::format("{} columns are no blocks of {}", logical.back(), d->block));
    }
    blocks.back() /= d->block;
    MERGANSER_TRY(expect(scales, blocks));
    if (!exponents) MERGANSER_TRY(expect_type(scales, {DType::f8e4m3}));
    if (global) {
      MERGANSER_TRY(expect_real(*global));
      if (info(*global).elements() != 1)
        return fail("QZ-1", *global, "expected one number, found " + to_string(shape(*global)));
      MERGANSER_TRY(
          read_values(source_, *global, 0, std::span(multiply ? &d->factor : &d->divisor, 1)));
    }
    return make(fmt::format("{}.weight", layer), logical, exponents ? "MXFP4" : "NVFP4",
                std::nullopt, {codes, scales, global}, d);
  }

  Result<void> two_scales(std::size_t codes, std::string_view layer) {
    return small_floats(codes, *find(info(codes).name, "_scale"), layer,
                        find(info(codes).name, "_scale_2"), true);
  }

  /// gpt-oss: the last two axes are blocks of 16 bytes.
  Result<void> microscaled(std::size_t codes, std::string_view name) {
    const std::size_t scales = *find(name, "_scales");
    if (info(codes).dtype != DType::u8 || info(scales).dtype != DType::u8) return {};
    const Shape& stored = shape(codes);
    constexpr std::uint64_t kBytes = 16;
    if (stored.size() < 2 || stored.back() != kBytes) {
      return fail("QZ-1", codes,
                  fmt::format("expected blocks of {} bytes, found {}", kBytes, to_string(stored)));
    }
    Shape logical(stored.begin(), stored.end() - 1);
    MERGANSER_TRY(expect(scales, logical));
    logical.back() *= 2 * kBytes;
    auto d = std::make_unique<NibbleDecoder>();
    d->codes = codes;
    d->scales = scales;
    d->table = e2m1();
    d->exponents = true;
    note(
        "experts keep the layout of their MXFP4 file, [expert, out, in]; files of the same model "
        "in 16 bits have them transposed");
    return make(name, logical, "MXFP4", std::nullopt, {codes, scales}, d);
  }

  /// MLX: q s + b in groups along the rows.
  Result<void> affine(std::size_t codes, std::string_view layer) {
    MERGANSER_TRY(const std::size_t scales, needed(codes, fmt::format("{}.scales", layer)));
    const std::size_t biases = *find(layer, ".biases");
    MERGANSER_TRY(expect_real(scales));
    MERGANSER_TRY(expect_real(biases));
    const std::int64_t bits = number("bits").value_or(4);
    const std::int64_t group = number("group_size").value_or(64);
    if (bits != 2 && bits != 4 && bits != 8)
      return refuse(fmt::format("MLX of {} bits", bits), layer);
    if (const std::string mode = word("mode"); !mode.empty() && mode != "affine")
      return refuse("MLX " + mode, layer);
    Shape logical = shape(codes);
    if (group < 1 || logical.empty() || info(codes).elements() == 0)
      return fail("QZ-1", codes, "expected a matrix, found " + to_string(logical));
    auto d = std::make_unique<PackedRowsDecoder>();
    d->packing.bits = static_cast<unsigned>(bits);
    d->codes = codes;
    d->scales = scales;
    d->biases = biases;
    d->columns = logical.back() * kWordBits / d->packing.bits;
    d->rows = info(codes).elements() / logical.back();
    d->group = static_cast<std::uint64_t>(group);
    d->groups = ceil_divide(d->columns, d->group);
    Shape groups = logical;
    groups.back() = d->groups;
    logical.back() = d->columns;
    MERGANSER_TRY(expect(scales, groups));
    MERGANSER_TRY(expect(biases, groups));
    return make(fmt::format("{}.weight", layer), logical, fmt::format("MLX of {} bits", bits),
                half_of(scales), {codes, scales, biases}, d);
  }

  /// Codes of 8 bits with scales for all, for rows or for blocks.
  Result<void> scaled(std::size_t codes, std::size_t scales) {
    const Shape& logical = shape(codes);
    auto d = std::make_unique<GridDecoder>();
    d->codes = codes;
    d->scales = scales;
    d->columns = logical.empty() ? 1 : logical.back();
    d->rows = logical.size() < 2 ? 1 : logical[logical.size() - 2];
    if (info(codes).elements() == 0) return fail("QZ-1", codes, "it is empty");
    if (info(scales).dtype != DType::f8e8m0) MERGANSER_TRY(expect_real(scales));
    MERGANSER_TRY(choose_blocks(*d));
    const auto zeros = find(info(codes).name, "_zero_point");
    if (zeros) {
      MERGANSER_TRY(expect(*zeros, shape(scales)));
      if (!is_arithmetic(info(*zeros).dtype))
        MERGANSER_TRY(expect_type(*zeros, {DType::i8, DType::u8, DType::i32}));
      d->zeros = zeros;
    }
    const bool whole = info(codes).dtype == DType::i8;
    return make(info(codes).name, logical, whole ? "integers of 8 bits" : "FP8", half_of(scales),
                {codes, scales, zeros}, d);
  }

  /// The grid that the scales span over each matrix.
  Result<void> choose_blocks(GridDecoder& d) const {
    const std::uint64_t matrices = info(d.codes).elements() / (d.rows * d.columns);
    const Shape& grid = shape(d.scales);
    const std::uint64_t count = info(d.scales).elements();
    if (count == 1) {  // one scale: the whole tensor is one matrix of one block
      d.rows = d.row_block = d.rows * matrices;
      d.column_block = d.columns;
      return {};
    }
    // A scale for each row, with or without axes of one beside it.
    const bool by_row = count == matrices * d.rows && (grid.size() == 1 || grid.back() == 1);
    if (by_row) {
      d.column_block = d.columns;
      return {};
    }
    if (count == matrices) {
      d.row_block = d.rows;
      d.column_block = d.columns;
      return {};
    }
    const auto [down, across] = grid.size() < 2 ? std::pair<std::uint64_t, std::uint64_t>(0, 0)
                                                : std::pair(grid[grid.size() - 2], grid.back());
    const auto sizes = config_.elements(scope_.value_or("") + "weight_block_size");
    const auto block = [&](std::size_t axis, std::uint64_t extent, std::uint64_t blocks) {
      std::vector<std::uint64_t> candidates;
      if (axis < sizes.size())
        candidates.push_back(std::strtoull(sizes[axis].c_str(), nullptr, 10));
      candidates.push_back(kFp8Block);
      if (blocks > 0 && extent % blocks == 0) candidates.push_back(extent / blocks);
      for (const std::uint64_t size : candidates) {
        if (size > 0 && ceil_divide(extent, size) == blocks) return size;
      }
      return std::uint64_t{0};
    };
    d.row_block = block(0, d.rows, down);
    d.column_block = block(1, d.columns, across);
    if (d.row_block > 0 && d.column_block > 0 && down * across * matrices == count) return {};
    return fail("QZ-1", d.scales,
                fmt::format("{} are no scales for {} in blocks", to_string(grid),
                            to_string(shape(d.codes))));
  }

  /// What the config calls the scheme must be one that shows in tensors.
  Result<void> check_method() const {
    const std::string method = word("quant_method");
    if (method.empty() ||
        std::find(kKnownMethods.begin(), kKnownMethods.end(), method) != kKnownMethods.end())
      return {};
    const auto tensors = source_.tensors();
    const auto codes = std::find_if(tensors.begin(), tensors.end(), [](const TensorInfo& tensor) {
      return !is_arithmetic(tensor.dtype) && tensor.shape.size() > 1;
    });
    return refuse(printable(method), codes == tensors.end() ? "the model" : codes->name);
  }

  /// Whole numbers that are called weights, in a model that has quantised ones.
  Result<void> check_rest() const {
    if (made_.empty() && !scope_) return {};
    for (std::size_t i = 0; i < source_.tensors().size(); ++i) {
      const bool codes = !is_arithmetic(info(i).dtype) && info(i).dtype != DType::boolean &&
                         info(i).shape.size() > 1 && info(i).name.ends_with("weight");
      if (codes && used_.count(i) == 0) return refuse("a scheme of no known name", info(i).name);
    }
    return {};
  }

  const Checkpoint& source_;
  const Config& config_;  ///< What speaks of the quantisation, if anything does.
  std::optional<DType> wanted_;
  std::optional<std::string> scope_;  ///< Of keys about quantisation: "KEY.", or "" in own files.
  std::vector<Made> made_;
  std::set<std::size_t> used_;
  std::map<std::string, std::size_t> counts_;  ///< Layers by scheme and dtype.
  std::vector<std::string> notes_;
};

}  // namespace

bool says_quantised(const Config& config) {
  return std::any_of(kKeys.begin(), kKeys.end(), [&](const char* key) { return config.has(key); });
}

Result<Dequantized> dequantize(std::shared_ptr<const Checkpoint> source, const Config& config,
                               const Config& own) {
  Finder finder(*source, config, own);
  MERGANSER_TRY(finder.run());
  if (finder.made().empty()) return Dequantized{std::move(source), {}};

  struct Shown {
    TensorInfo info;
    View::Place place;
  };
  std::vector<Shown> shown;
  for (Made& made : finder.made())
    shown.push_back({std::move(made.info), {0, std::move(made.decoder)}});
  for (std::size_t i = 0; i < source->tensors().size(); ++i) {
    if (!finder.vanishes(i)) shown.push_back({source->tensors()[i], {i, nullptr}});
  }
  std::sort(shown.begin(), shown.end(),
            [](const Shown& a, const Shown& b) { return a.info.name < b.info.name; });
  std::vector<TensorInfo> infos;
  std::vector<View::Place> places;
  for (Shown& one : shown) {
    if (!infos.empty() && infos.back().name == one.info.name) {
      return Error{.code = Code::bad_file,
                   .message = fmt::format("tensor \"{}\" is there both quantised and plain",
                                          printable(one.info.name)),
                   .subject = one.info.name,
                   .check = "QZ-1"};
    }
    infos.push_back(std::move(one.info));
    places.push_back(std::move(one.place));
  }

  Dequantized out;
  out.notes = finder.notes();
  for (const auto& [scheme, count] : finder.counts()) {
    out.notes.push_back(
        fmt::format("{} tensors are dequantised from {}: they carry the noise of "
                    "quantisation into the result [QZ-5]",
                    count, scheme));
  }
  out.weights = std::make_shared<View>(std::move(source), std::move(infos), std::move(places));
  return out;
}

void forget_quantisation(Config& config) {
  for (const char* key : kKeys) config.erase(key);
}

}  // namespace merganser::views
