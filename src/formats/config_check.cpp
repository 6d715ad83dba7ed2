#include "formats/config_check.h"

#include <array>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "core/utf8.h"

namespace merganser::formats {
namespace {

constexpr std::int64_t kLargest = (std::int64_t{1} << 31) - 1;

constexpr std::array<std::string_view, 6> kParts{
    "", "text_config.", "vision_config.", "audio_config.", "llm_config.", "language_config."};
constexpr std::array<std::string_view, 16> kSizes{"hidden_size",
                                                  "num_attention_heads",
                                                  "num_key_value_heads",
                                                  "head_dim",
                                                  "vocab_size",
                                                  "intermediate_size",
                                                  "num_hidden_layers",
                                                  "n_layer",
                                                  "n_head",
                                                  "n_embd",
                                                  "d_model",
                                                  "num_layers",
                                                  "num_heads",
                                                  "encoder_layers",
                                                  "decoder_layers",
                                                  "max_position_embeddings"};

/// The sizes of one part of a config.
class Part {
 public:
  Part(const Config& config, const Reading& reading, std::string_view prefix)
      : config_(config), reading_(reading), prefix_(prefix) {}

  Result<void> check() const {
    for (const std::string_view key : kSizes) MERGANSER_TRY(check_size(key));
    const auto heads = size("num_attention_heads");
    if (!heads) return {};
    const auto hidden = size("hidden_size");
    if (hidden && !size("head_dim"))
      MERGANSER_TRY(check_divides(*heads, "num_attention_heads", *hidden, "hidden_size"));
    const auto shared = size("num_key_value_heads");
    if (!shared) return {};
    return check_divides(*shared, "num_key_value_heads", *heads, "num_attention_heads");
  }

 private:
  std::string named(std::string_view key) const { return fmt::format("{}{}", prefix_, key); }

  std::optional<std::int64_t> size(std::string_view key) const {
    const auto value = config_.integer(named(key));
    return value && *value > 0 && *value <= kLargest ? value : std::nullopt;
  }

  Result<void> check_size(std::string_view key) const {
    const auto raw = config_.raw(named(key));
    if (!raw || *raw == "null" || raw->starts_with('[') || size(key)) return {};
    return reading_.found(reading_.bad("HF-2",
                                       fmt::format("{} is {}, expected a whole number from 1 to {}",
                                                   named(key), printable(*raw), kLargest),
                                       named(key)));
  }

  Result<void> check_divides(std::int64_t part, std::string_view part_key, std::int64_t whole,
                             std::string_view whole_key) const {
    if (whole % part == 0) return {};
    return reading_.found(reading_.bad("HF-2",
                                       fmt::format("{} is {}, which does not divide {} of {}",
                                                   named(part_key), part, named(whole_key), whole),
                                       named(part_key)));
  }

  const Config& config_;
  const Reading& reading_;
  std::string_view prefix_;
};

}  // namespace

Result<void> check_config(const Config& config, const Reading& reading) {
  for (const std::string_view part : kParts) MERGANSER_TRY(Part(config, reading, part).check());
  return {};
}

}  // namespace merganser::formats
