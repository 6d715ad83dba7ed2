#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "merganser/merganser.h"

#include "exec/run.h"
#include "plan/plan.h"

/// The files of an output beside its weights. Nothing in them depends on where the output or the
/// inputs lie, on time or on the machine: two runs with the same inputs give the same bytes.
namespace merganser::engine {

/// Writes config, index, tokenizer and other companions, recipe, record and model card into
/// `folder`. Errors: io.
Result<void> write_companions(const plan::Plan& plan, const exec::Outcome& outcome,
                              const std::filesystem::path& folder, const Options& options);

/// The record of a merge as JSON text: program version, recipe hash, inputs with content hashes,
/// seed, a hash per output tensor.
std::string record_json(const plan::Plan& plan, const exec::Outcome& outcome);

/// What such a record says.
struct Record {
  std::uint64_t seed = 0;
  std::uint64_t shard_bytes = 0;
  std::map<std::string, std::string> inputs;   ///< Name -> content hash.
  std::map<std::string, std::string> tensors;  ///< Output tensor -> hash.
};
/// Reads `folder`/merganser.json. Errors: io, bad_file.
Result<Record> read_record(const std::string& folder);

/// The README.md of the output: front matter that hubs read, method, models, recipe.
std::string model_card(const plan::Plan& plan);

}  // namespace merganser::engine
