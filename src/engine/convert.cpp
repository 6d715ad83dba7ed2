#include <algorithm>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "core/dtype.h"
#include "engine/merge.h"
#include "engine/open.h"
#include "engine/problems.h"
#include "formats/safetensors.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

/// A type that weights can be computed in and written as.
Result<DType> wanted_dtype(const std::string& name) {
  const auto dtype = dtype_from_name(name);
  if (dtype && is_arithmetic(*dtype) && bits(*dtype) > 8) return *dtype;
  return Error{.code = Code::usage,
               .message = fmt::format("weights cannot be written as \"{}\"", name),
               .subject = "dtype",
               .hint = "choose one of: float64 float32 float16 bfloat16"};
}

/// Other formats are written by name, and OUT would then be a folder with a strange one.
Result<void> check_out(const std::string& out) {
  const std::string extension = fs::path(out).extension().string();
  for (const char* other : {".bin", ".pt", ".pth", ".ckpt", ".gguf"}) {
    if (extension != other) continue;
    return Error{.code = Code::unsupported,
                 .message = fmt::format("writing {} files is not supported yet", other),
                 .file = out,
                 .hint = "OUT is a folder, or a file that ends in .safetensors"};
  }
  return {};
}

/// What the header of a single file says beside its tensors (title and licence of an image model)
/// goes along into another single file.
formats::Metadata metadata_of(const std::string& model, const std::string& out,
                              const Options& options) {
  std::error_code failure;
  if (!engine::is_single_file(out) || fs::is_directory(model, failure)) return {};
  auto metadata = formats::read_metadata(model, {.lenient = options.lenient});
  return metadata ? *std::move(metadata) : formats::Metadata();
}

/// The model as it is: one input that passes through. Its text is empty, for nobody wrote it.
recipe::Recipe passing(const std::string& model, const std::optional<DType>& dtype) {
  recipe::Recipe recipe;
  recipe.method = "passthrough";
  const fs::path path = fs::path(model).lexically_normal();
  recipe.inputs.push_back(
      {.name = (path.has_filename() ? path : path.parent_path()).filename().string(),
       .ref = {.path = model}});
  recipe::ModuleRecipe whole;
  whole.whole_models = true;
  whole.slices.push_back({.sources = {recipe::Source{}}});
  recipe.modules.push_back(std::move(whole));
  if (!dtype) return recipe;
  const std::string name(torch_name(*dtype));
  recipe.output.dtype.cases.push_back({.values = {{.value = name, .text = name}}});
  return recipe;
}

}  // namespace

Answer<MergeReport> convert(const std::string& model, const std::string& out,
                            const Options& options, Listener& listener) {
  std::optional<DType> dtype;
  if (!options.dtype.empty()) {
    MERGANSER_ANSWER(MergeReport, dtype, wanted_dtype(options.dtype));
  }
  if (auto writable = check_out(out); !writable)
    return engine::failed<MergeReport>(writable.error());
  recipe::Recipe recipe = passing(model, dtype);
  recipe.output.metadata = metadata_of(model, out, options);
  return engine::merge_one(std::move(recipe), out, options, listener);
}

}  // namespace merganser
