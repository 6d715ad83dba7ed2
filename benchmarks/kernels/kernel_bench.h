#pragma once

#include <cstddef>
#include <string>

#include <benchmark/benchmark.h>

#include "core/cpu.h"

namespace merganser::kernels {

/// Elements of a tile: what stages convert and combine at a time, in the first caches.
inline constexpr std::size_t kTile = 4096;

/// Runs `work` over one tile as often as the benchmark asks and reports ns an element, and GB/s of
/// `bytes_moved` read and written a tile.
template <class Work>
void time_tile(benchmark::State& state, std::size_t bytes_moved, Work work) {
  const FloatEnvironment environment;
  for (auto _ : state) {
    work();
    benchmark::ClobberMemory();
  }
  const auto tiles = static_cast<double>(state.iterations());
  using Counter = benchmark::Counter;
  state.counters["GB/s"] =
      Counter(tiles * static_cast<double>(bytes_moved) * 1e-9, Counter::kIsRate);
  state.counters["ns/element"] = Counter(tiles * kTile * 1e-9, Counter::kIsRate | Counter::kInvert);
}

/// Registers `body(state, level)` as name/level for every level that this machine can run.
template <class Body>
void register_per_level(const std::string& name, Body body) {
  for (const Level level : {Level::baseline, Level::sse4, Level::avx2, Level::avx512}) {
    if (!is_supported(level)) continue;
    const std::string full = name + "/" + std::string(level_name(level));
    benchmark::RegisterBenchmark(full.c_str(),
                                 [=](benchmark::State& state) { body(state, level); });
  }
}

}  // namespace merganser::kernels
