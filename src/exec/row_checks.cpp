#include "exec/row_checks.h"

#include <algorithm>
#include <cstring>
#include <set>

#include <fmt/format.h>

#include "kernels/convert.h"

namespace merganser::exec {
namespace {

const plan::Source& source_of(const plan::PlannedRow& row, std::size_t number) {
  return number < row.sources.size() ? row.sources[number] : *row.base;
}

std::span<const std::byte> bytes_of(const Piece& piece, std::size_t number) {
  return number < piece.models.size() ? piece.models[number] : piece.base;
}

}  // namespace

const TensorInfo& tensor_of(const plan::Plan& plan, const plan::Source& source) {
  return plan.inputs[source.input].weights->tensors()[source.tensor];
}

Result<void> check_finite(const plan::Plan& plan, const plan::PlannedRow& row, const Piece& piece,
                          const NonFinite& bad) {
  if (bad.count == 0) return {};
  const auto strict = std::find_if(row.chain.begin(), row.chain.end(),
                                   [](const plan::Link& link) { return link.stage->finite; });
  if (strict == row.chain.end()) return {};
  const plan::Source& source = source_of(row, bad.source);
  const std::span<const std::byte> data = bytes_of(piece, bad.source);
  const DType type = tensor_of(plan, source).dtype;
  const auto at = kernels::first_non_finite(type, data.data(), piece.elements);
  return Error{
      .code = Code::not_finite,
      .message = fmt::format(
          "tensor \"{}\" of model `{}` holds NaN or infinity, first at element {}: "
          "`{}` cannot rank or sum it",
          tensor_of(plan, source).name, plan.inputs[source.input].name,
          piece.chunk * row.chunk_elements + piece.first + at.value_or(0), strict->stage->name),
      .file = plan.inputs[source.input].model->path,
      .subject = row.name,
      .hint = fmt::format(
          "keep: [{{glob: \"{}\", from: NAME}}]   leaves the tensor out of the merge", row.name)};
}

Result<void> check_agreement(const plan::Plan& plan, const plan::PlannedRow& row,
                             const Piece& piece) {
  if (!row.must_agree) return {};
  for (std::size_t k = 1; k < piece.models.size(); ++k) {
    if (std::memcmp(piece.models[0].data(), piece.models[k].data(), piece.models[0].size()) == 0)
      continue;
    return Error{
        .code = Code::value_mismatch,
        .message = fmt::format(
            "tensor \"{}\" ({}) differs between `{}` and `{}`, and integers cannot be averaged",
            row.name, torch_name(row.dtype), plan.inputs[row.sources[0].input].name,
            plan.inputs[row.sources[k].input].name),
        .file = plan.recipe.file,
        .subject = row.name,
        .hint = fmt::format("keep: [{{glob: \"{}\", from: {}}}]", row.name,
                            plan.inputs[row.sources[0].input].name)};
  }
  return {};
}

void ChunkHasher::add(const Piece& piece, std::span<const std::byte> out) {
  out_.add(out);
  for (std::size_t k = 0; k < inputs_.size(); ++k) inputs_[k].add(bytes_of(piece, k));
}

ChunkHashes ChunkHasher::finish() const {
  ChunkHashes hashes{out_.digest(), {}};
  for (const Hasher& input : inputs_) hashes.inputs.push_back(input.digest());
  return hashes;
}

HashLog::HashLog(const plan::Plan& plan) : plan_(plan) {
  for (const plan::PlannedRow& row : plan.rows) {
    const ChunkHashes room{{}, std::vector<Hash128>(row.sources.size() + (row.base ? 1 : 0))};
    chunks_.emplace_back(row.chunks, room);
  }
}

std::vector<std::string> HashLog::outputs() const {
  std::vector<std::string> all;
  for (const auto& row : chunks_) {
    Hasher hash;
    for (const ChunkHashes& chunk : row) hash.add(chunk.out);
    all.push_back(hash.hex());
  }
  return all;
}

std::vector<std::string> HashLog::inputs() const {
  std::vector<Hasher> hashers(plan_.inputs.size());
  for (std::size_t i = 0; i < hashers.size(); ++i) {
    for (const SourceFile& file : plan_.inputs[i].weights->files())
      hashers[i].add(file.header_hash);
  }
  std::set<std::pair<std::size_t, std::size_t>> seen;
  for (std::size_t r = 0; r < chunks_.size(); ++r) {
    const plan::PlannedRow& row = plan_.rows[r];
    const std::size_t count = row.sources.size() + (row.base ? 1 : 0);
    for (std::size_t k = 0; k < count; ++k) {
      const plan::Source& source = source_of(row, k);
      if (!seen.emplace(source.input, source.tensor).second) continue;
      for (const ChunkHashes& chunk : chunks_[r]) hashers[source.input].add(chunk.inputs[k]);
    }
  }
  std::vector<std::string> all;
  for (const Hasher& hash : hashers) all.push_back(hash.hex());
  return all;
}

}  // namespace merganser::exec
