#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace merganser::cli {

/// A whole number without a sign, or nothing.
std::optional<std::uint64_t> parse_count(std::string_view text);

/// Memory: "512MiB", "4GB", "1.5G", "1073741824". kB, MB, GB, TB are powers of 1000; KiB, MiB, GiB,
/// TiB and K, M, G, T of 1024, as in the tools that limit memory.
std::optional<std::uint64_t> parse_memory(std::string_view text);

/// A shard's size in mergekit's notation: a number, or one with k (10^3), M (10^6) or B (10^9) in
/// any case. Also G, and units of two letters or more ("5GB", "4GiB").
std::optional<std::uint64_t> parse_shard_size(std::string_view text);

}  // namespace merganser::cli
