#include "recipe/values.h"

namespace merganser::recipe {
namespace {

std::optional<TokenSource> read_token_source(const Node& node, Problems& problems) {
  TokenSource source;
  const Entry* kind = node.is_map() ? given(node, "kind") : nullptr;
  if (!kind) {
    auto model = read_model(node, problems);
    if (!model) return std::nullopt;
    source.model = *std::move(model);
    return source;
  }
  const auto which = read_choice(kind->value, "kind", {"zero", "model_token"}, problems);
  if (!which) return std::nullopt;
  if (*which == 0) {
    problems.warn_unknown_keys(node, {"kind"});
    source.kind = TokenSource::Kind::zero;
    return source;
  }
  source.kind = TokenSource::Kind::model_token;
  problems.warn_unknown_keys(node, {"kind", "model", "token", "token_id"});
  const Entry* token = given(node, "token");
  const Entry* id = given(node, "token_id");
  if (!token == !id) {
    problems.error(token ? Code::recipe_conflict : Code::recipe_missing,
                   token ? id->place : node.place,
                   "a model_token takes either token or token_id, " +
                       std::string(token ? "not both" : "and has neither"),
                   "{kind: model_token, model: PATH, token: \"<s>\"}");
  }
  if (token) source.token = read_text(token->value, "token", problems).value_or("");
  if (id) {
    source.token_id = read_integer(id->value, "token_id", problems);
    if (source.token_id && *source.token_id < 0) {
      problems.error(Code::recipe_value, id->value.place, "token_id must not be negative");
    }
  }
  const Entry* model = given(node, "model");
  if (!model) {
    problems.error(Code::recipe_missing, node.place, "a model_token names no model", "model: PATH");
    return std::nullopt;
  }
  auto ref = read_model(model->value, problems);
  if (!ref) return std::nullopt;
  source.model = *std::move(ref);
  return source;
}

void read_tokens(const Node& node, Tokenizer& tokenizer, Problems& problems) {
  if (!node.is_map()) {
    problems.error(Code::recipe_value, node.place,
                   "tokens must be a map, found " + std::string(node.kind_name()),
                   "tokens: {\"<s>\": {source: PATH}}");
    return;
  }
  for (const Entry& entry : node.entries) {
    TokenRule rule{.token = entry.key, .mark = entry.place.mark};
    if (!entry.value.is_map()) {
      problems.error(Code::recipe_value, entry.value.place,
                     "a token must be a map, found " + std::string(entry.value.kind_name()),
                     "{source: PATH, force: false}", entry.key);
      continue;
    }
    problems.warn_unknown_keys(entry.value, {"source", "force"});
    if (const Entry* source = given(entry.value, "source")) {
      rule.source = read_token_source(source->value, problems);
    } else {
      problems.error(Code::recipe_missing, entry.place,
                     "the token \"" + entry.key + "\" has no source", "{source: PATH}", entry.key);
    }
    if (const Entry* force = given(entry.value, "force")) {
      rule.force = read_boolean(force->value, "force", problems).value_or(false);
    }
    tokenizer.tokens.push_back(std::move(rule));
  }
}

/// `union`, `base` or a model.
void read_from(Node node, Tokenizer& tokenizer, Problems& problems) {
  if (node.is_scalar() && node.scalar.text == "union") return;
  if (node.is_scalar() && node.scalar.text == "base") {
    tokenizer.from = Tokenizer::From::base;
    return;
  }
  tokenizer.from = Tokenizer::From::model;
  const std::string old_prefix = "model:";  // an older spelling, now and then still met
  if (node.is_scalar() && node.scalar.text.starts_with(old_prefix))
    node.scalar.text.erase(0, old_prefix.size());
  if (auto model = read_model(node, problems)) tokenizer.model = *std::move(model);
}

}  // namespace

std::optional<Tokenizer> read_tokenizer(const Node& node, Problems& problems) {
  if (!node.is_map()) {
    problems.error(Code::recipe_value, node.place,
                   "tokenizer must be a map, found " + std::string(node.kind_name()),
                   "tokenizer: {source: union}");
    return std::nullopt;
  }
  problems.warn_unknown_keys(node, {"source", "tokens", "pad_to_multiple_of"});
  Tokenizer tokenizer{.mark = node.place.mark};
  if (const Entry* source = given(node, "source")) read_from(source->value, tokenizer, problems);
  if (const Entry* tokens = given(node, "tokens")) read_tokens(tokens->value, tokenizer, problems);
  if (const Entry* pad = given(node, "pad_to_multiple_of")) {
    tokenizer.pad_to_multiple_of = read_integer(pad->value, "pad_to_multiple_of", problems);
    if (tokenizer.pad_to_multiple_of && *tokenizer.pad_to_multiple_of < 1) {
      problems.error(Code::recipe_value, pad->value.place, "pad_to_multiple_of must be at least 1");
    }
  }
  return tokenizer;
}

std::optional<Tokenizer> read_tokenizer_source(const Node& node, Problems& problems) {
  Tokenizer tokenizer{.mark = node.place.mark};
  read_from(node, tokenizer, problems);
  return tokenizer;
}

}  // namespace merganser::recipe
