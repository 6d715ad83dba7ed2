// Tokenizer files, by all three names. The tokens of what is accepted are in order, and the same
// when they are read from a map that was written of them.

#include "formats/tokenizer.h"

#include "formats/safetensors.h"
#include "target.h"

namespace merganser::fuzz {
namespace {

void try_as(std::string_view name, std::string_view bytes) {
  const auto tokens = formats::read_token_file(write(name, bytes));
  if (!tokens) return must(!tokens.error().message.empty(), "an error without a message");
  std::string map = "{";
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    const auto token = (*tokens)[i];
    must(i == 0 || (*tokens)[i - 1].text < token.text, "tokens out of order");
    map += (i > 0 ? "," : "") + formats::json_quote(token.text) + ":" + std::to_string(token.id);
  }
  const auto again =
      formats::read_token_file(write("tokenizer.json", "{\"model\":{\"vocab\":" + map + "}}}"));
  must(static_cast<bool>(again), "a map of accepted tokens is refused");
  must(again->size() == tokens->size(), "tokens are lost");
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    must((*again)[i].text == (*tokens)[i].text && (*again)[i].id == (*tokens)[i].id,
         "a token has changed");
  }
}

}  // namespace

void try_input(std::string_view bytes) {
  for (const char* name : {"tokenizer.json", "vocab.json", "vocab.txt"}) try_as(name, bytes);
}

}  // namespace merganser::fuzz
