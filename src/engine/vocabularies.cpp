#include "engine/vocabularies.h"

#include <optional>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/utf8.h"
#include "formats/tokenizer.h"

namespace merganser::engine {
namespace {

using formats::TokenIds;

constexpr std::size_t kExamples = 3;

/// The tokens of one input; nothing where it has no tokenizer, and a note where it cannot be read.
std::optional<TokenIds> tokens_of(plan::Plan& plan, std::size_t input) {
  const plan::Input& model = plan.inputs[input];
  if (!model.model->is_folder) return std::nullopt;
  auto tokens = formats::read_token_ids(model.model->path);
  if (tokens) return *std::move(tokens);
  plan.notes.push_back(
      fmt::format("{}: its tokens were not compared: {}", model.name, tokens.error().text()));
  return std::nullopt;
}

/// Tokens that two tables have at different ids.
struct Moved {
  std::size_t common = 0;
  std::size_t count = 0;
  std::vector<std::string> examples;  ///< `"a" 64, not 97`
};

Moved compare(const TokenIds& reference, const TokenIds& other) {
  Moved moved;
  std::size_t r = 0;
  for (std::size_t i = 0; i < other.size(); ++i) {
    const TokenIds::Token token = other[i];
    while (r < reference.size() && reference[r].text < token.text) ++r;
    if (r == reference.size()) break;
    if (reference[r].text != token.text) continue;
    ++moved.common;
    if (reference[r].id == token.id) continue;
    if (++moved.count > kExamples) continue;
    moved.examples.push_back(
        fmt::format("\"{}\" {}, not {}", printable(token.text), token.id, reference[r].id));
  }
  return moved;
}

void add_differences(const std::string& reference_name, const TokenIds& reference,
                     const std::string& name, const TokenIds& tokens, plan::Plan& plan) {
  if (tokens.size() != reference.size()) {
    plan.disagreements.push_back(
        {"number of tokens",
         fmt::format("{} {}, {} {}", reference_name, reference.size(), name, tokens.size())});
  }
  const Moved moved = compare(reference, tokens);
  if (moved.count == 0) return;
  plan.disagreements.push_back(
      {"token ids",
       fmt::format("{} of the {} tokens that {} shares with {} have other ids: {}{}", moved.count,
                   moved.common, name, reference_name, fmt::join(moved.examples, "; "),
                   moved.count > moved.examples.size() ? "; ..." : "")});
}

}  // namespace

void add_vocabularies(plan::Plan& plan) {
  const std::size_t first = plan.recipe.base.value_or(plan.like);
  const auto reference = tokens_of(plan, first);
  if (!reference) return;
  for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
    const bool same_folder = plan.inputs[i].model == plan.inputs[first].model;
    if (i == first || same_folder || plan.recipe.inputs[i].donor) continue;
    const auto tokens = tokens_of(plan, i);
    if (!tokens) continue;
    add_differences(plan.inputs[first].name, *reference, plan.inputs[i].name, *tokens, plan);
  }
}

}  // namespace merganser::engine
