#include "engine/verify.h"

#include <algorithm>
#include <cstring>
#include <random>

#include <fmt/format.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/utf8.h"
#include "engine/check_files.h"
#include "engine/open.h"
#include "engine/outputs.h"
#include "engine/problems.h"
#include "engine/relay.h"
#include "exec/chain.h"
#include "exec/row_checks.h"
#include "formats/hub.h"
#include "formats/model.h"
#include "formats/safetensors.h"
#include "formats/torch_archive.h"
#include "formats/weights.h"
#include "kernels/convert.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

/// Compares what an executor writes with a model that is there already, tensor by tensor.
class Comparison : public exec::Sink {
 public:
  Comparison(const plan::Plan& plan, const Checkpoint& written, std::vector<bool> chosen)
      : plan_(plan),
        written_(written),
        chosen_(std::move(chosen)),
        differs_(plan.rows.size(), false) {}

  Result<void> write(std::size_t row, std::uint64_t offset,
                     std::span<const std::byte> bytes) override {
    if (!chosen_[row]) return {};
    const std::size_t tensor = written_.find(plan_.rows[row].name);
    differs_[row] = differs_[row] || tensor == Checkpoint::npos;
    if (differs_[row]) return {};
    std::vector<std::byte> found(bytes.size());
    const std::uint64_t first = offset * 8 / bits(plan_.rows[row].dtype);
    MERGANSER_TRY(written_.read(tensor, first, found));
    differs_[row] = std::memcmp(found.data(), bytes.data(), found.size()) != 0;
    return {};
  }
  Result<void> read_back(std::size_t, std::uint64_t, std::span<std::byte>) const override {
    return {};
  }

  bool differs(std::size_t row) const { return differs_[row]; }

 private:
  const plan::Plan& plan_;
  const Checkpoint& written_;
  std::vector<bool> chosen_;
  std::vector<bool> differs_;
};

Problem finding(const std::string& file, std::string message, std::string subject) {
  return {.code = "value-mismatch",
          .message = std::move(message),
          .file = file,
          .subject = std::move(subject)};
}

/// Looks for NaN and infinity in every tensor (ST-14).
Result<void> look_for_non_finite(const Checkpoint& weights, VerifyReport& report) {
  std::vector<std::byte> bytes;
  for (std::size_t t = 0; t < weights.tensors().size(); ++t) {
    const TensorInfo& info = weights.tensors()[t];
    if (!is_arithmetic(info.dtype)) continue;
    for (std::uint64_t first = 0; first < info.elements(); first += kChunkElements) {
      const std::uint64_t n = std::min(kChunkElements, info.elements() - first);
      bytes.resize(stored_bytes(info.dtype, n));
      MERGANSER_TRY(weights.read(t, first, bytes));
      const auto at = kernels::first_non_finite(info.dtype, bytes.data(), n);
      if (!at) continue;
      Problem found =
          finding(report.path,
                  fmt::format("tensor \"{}\" holds NaN or infinity, first at element {}", info.name,
                              first + *at),
                  info.name);
      found.code = "not-finite";
      found.check = "ST-14";
      report.findings.push_back(std::move(found));
      break;
    }
  }
  return {};
}

/// Compares the checksums of archives with what is in them.
Result<void> compare_sums(const Checkpoint& weights, const formats::ReadOptions& how,
                          VerifyReport& report) {
  for (const SourceFile& file : weights.files()) {
    MERGANSER_TRY(const std::vector<std::string> wrong, formats::wrong_sums(file.path, how));
    for (const std::string& member : wrong) {
      Problem found =
          finding(file.path,
                  fmt::format("member \"{}\" has another checksum than the archive says",
                              printable(member)),
                  printable(member));
      found.hint = "it is damaged, or was written without checksums";
      report.findings.push_back(std::move(found));
    }
  }
  return {};
}

/// Compares the contents of a snapshot in the hub's cache with their names.
Result<void> compare_blobs(const fs::path& snapshot, VerifyReport& report) {
  MERGANSER_TRY(const std::vector<Error> wrong, formats::check_blobs(snapshot));
  for (const Error& error : wrong) report.findings.push_back(engine::to_problem(error));
  return {};
}

/// Rows to compute again: all when they are fewer than asked for.
std::vector<bool> choose_rows(const plan::Plan& plan, std::size_t count) {
  std::vector<std::size_t> order(plan.rows.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), std::mt19937_64(std::random_device()()));
  std::vector<bool> chosen(plan.rows.size(), false);
  for (std::size_t i = 0; i < std::min(count, order.size()); ++i) chosen[order[i]] = true;
  return chosen;
}

/// Leaves out the rows that are not asked for, where no statistic of the whole model needs them.
void keep_chosen(plan::Plan& plan, std::vector<bool>& chosen) {
  if (plan.phases > 1) return;
  std::size_t kept = 0;
  for (std::size_t r = 0; r < plan.rows.size(); ++r) {
    if (!chosen[r]) continue;
    if (kept != r) plan.rows[kept] = std::move(plan.rows[r]);
    ++kept;
  }
  plan.rows.resize(kept);
  chosen.assign(kept, true);
}

/// The plan that a merge's folder was made by: its own recipe, with the seed of its record.
Checked<plan::Plan> plan_of(const std::string& folder, const Options& options) {
  auto recipes = engine::read_recipe({.path = folder + "/merganser.yml"});
  if (!recipes) return recipes.errors();
  auto record = engine::read_record(folder);
  if (!record) return std::move(record).error();
  Options with_seed = options;
  with_seed.seed = record->seed;
  return engine::make_plan(std::move((*recipes)[recipe::stage_order(*recipes).back()]), folder,
                           with_seed);
}

}  // namespace

namespace engine {

Result<void> check_written(const plan::Plan& plan, const exec::Outcome& outcome,
                           const fs::path& folder) {
  const std::string& name =
      plan.files.index.empty() ? plan.files.files.front().name : std::string(formats::kIndexName);
  std::unique_ptr<Checkpoint> written;
  if (plan.files.index.empty()) {
    MERGANSER_TRY(written, formats::open_safetensors(folder / name, {}));
  } else {
    MERGANSER_TRY(written, formats::open_sharded(folder / name, {}));
  }
  std::vector<std::byte> bytes;
  for (std::size_t r = 0; r < plan.rows.size(); ++r) {
    const plan::PlannedRow& row = plan.rows[r];
    const std::size_t tensor = written->find(row.name);
    MERGANSER_ASSERT(tensor != Checkpoint::npos,
                     "a planned tensor is not in the file that was laid out for it");
    Hasher hash;
    for (std::uint64_t c = 0; c < row.chunks; ++c) {
      bytes.resize(stored_bytes(row.dtype, exec::chunk_size(row, c)));
      MERGANSER_TRY(written->read(tensor, c * row.chunk_elements, bytes));
      hash.add(hash128(bytes));
    }
    if (hash.hex() == outcome.hashes[r]) continue;
    return Error{
        .code = Code::value_mismatch,
        .message = fmt::format("tensor \"{}\" does not read back as it was written", row.name),
        .file = (folder / plan.files.files[row.place.file].name).string(),
        .subject = row.name,
        .hint = "the disk or the memory of this machine is not to be trusted"};
  }
  return {};
}

}  // namespace engine

Answer<VerifyReport> verify(const std::string& path, std::size_t replay, const Options& options,
                            Listener& listener) {
  Answer<VerifyReport> answer;
  VerifyReport report;
  report.path = path;
  MERGANSER_ANSWER(VerifyReport, const formats::Located place,
                   formats::locate_model(formats::model_name(path), options.cache_dir));
  const std::optional<formats::Model> model =
      engine::check_files(place.path.string(), options, report);
  if (auto compared = compare_blobs(place.path, report); !compared)
    return engine::failed<VerifyReport>(compared.error());
  if (model && options.check_finite) {
    if (auto looked = look_for_non_finite(*model->weights, report); !looked)
      return engine::failed<VerifyReport>(looked.error());
    const formats::ReadOptions how = engine::read_options(options);
    if (auto compared = compare_sums(*model->weights, how, report); !compared)
      return engine::failed<VerifyReport>(compared.error());
  }
  if (model && replay > 0) {
    MERGANSER_ANSWER(VerifyReport, plan::Plan plan, plan_of(path, options));
    std::vector<bool> chosen = choose_rows(plan, replay);
    keep_chosen(plan, chosen);
    Comparison comparison(plan, *model->weights, chosen);
    engine::Relay relay(listener);
    // The baseline level is the plainest code that there is.
    if (auto run = exec::run_reference(plan, comparison, Level::baseline, relay); !run)
      return engine::failed<VerifyReport>(run.error());
    for (std::size_t r = 0; r < plan.rows.size(); ++r) {
      if (!chosen[r]) continue;
      report.replayed.push_back(plan.rows[r].name);
      if (!comparison.differs(r)) continue;
      report.findings.push_back(finding(
          path, fmt::format("tensor \"{}\" is not what its recipe gives", plan.rows[r].name),
          plan.rows[r].name));
    }
  }
  answer.status = report.findings.empty() ? Status::done : Status::failed;
  answer.value = std::move(report);
  return answer;
}

Answer<ReproduceReport> reproduce(const std::string& out, const std::string& fresh,
                                  const Options& options, Listener& listener) {
  MERGANSER_ANSWER(ReproduceReport, const engine::Record record, engine::read_record(out));
  Options again = options;
  again.seed = record.seed;
  again.shard_bytes = record.shard_bytes;
  Answer<MergeReport> merged = merge({.path = out + "/merganser.yml"}, fresh, again, listener);
  Answer<ReproduceReport> answer;
  answer.notes = std::move(merged.notes);
  answer.problems = std::move(merged.problems);
  answer.status = merged.status;
  if (!merged) return answer;
  ReproduceReport& report = answer.value.emplace();
  const auto compare = [&](const std::string& what, const std::string& name,
                           const std::map<std::string, std::string>& before,
                           const std::string& now) {
    const auto found = before.find(name);
    if (found != before.end() && found->second == now) return;
    const std::string how =
        found == before.end() ? "is not in the record" : "has another hash than in the record";
    report.differences.push_back(
        finding(fresh, fmt::format("{} \"{}\" {}", what, name, how), name));
  };
  for (const InputReport& input : merged.value->plan.inputs)
    compare("model", input.name, record.inputs, input.hash);
  for (const auto& [name, hash] : merged.value->hashes)
    compare("tensor", name, record.tensors, hash);
  report.merge = *std::move(merged.value);
  if (!report.differences.empty()) answer.status = Status::failed;
  return answer;
}

}  // namespace merganser
