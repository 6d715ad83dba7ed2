// A config.json as people edit it. Every value of what is accepted can be looked up and replaced,
// and what comes out is accepted and says what was put in.

#include "formats/config.h"

#include "formats/config_check.h"
#include "target.h"

namespace merganser::fuzz {

using formats::Config;

void try_input(std::string_view bytes) {
  auto parsed = Config::parse(std::string(bytes), "config.json");
  if (!parsed) return must(!parsed.error().message.empty(), "an error without a message");
  const Config config = *std::move(parsed);
  must(config.text() == bytes, "reading changes the text");
  const formats::ReadOptions options;
  (void)formats::check_config(config, {"config.json", options, nullptr});
  for (const std::string& key : config.keys("")) {
    (void)config.strings(key);
    (void)config.integer(key);
    (void)config.boolean(key);
    for (const std::string& element : config.elements(key))
      must(!element.empty(), "an element without a text");
    // The empty name is that of the whole text, and one with a dot in it is a path.
    if (key.empty() || key.find('.') != key.npos) continue;
    must(config.raw(key).has_value(), "a key that is listed cannot be looked up");
    Config changed = config;
    changed.set(key, "\"new\"");
    const auto again = Config::parse(changed.text(), "config.json");
    must(static_cast<bool>(again), "an edit leaves no JSON");
    must(again->string(key) == "new", "an edit is not there");
  }
  Config added = config;
  added.set("merganser_fuzz.x", "1");
  const auto again = Config::parse(added.text(), "config.json");
  must(static_cast<bool>(again), "an added key leaves no JSON");
}

}  // namespace merganser::fuzz
