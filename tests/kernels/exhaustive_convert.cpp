// Rounds all 2^32 floats to each 8- and 16-bit type at every CPU level of this machine and compares
// every code with the definition. Not part of the test run: minutes on two cores. Exits 1 at the
// first wrong code.
//
//     ninja -C build/release convert_exhaustive && build/release/tests/kernels/convert_exhaustive
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "core/cpu.h"
#include "kernels/convert.h"
#include "levels_here.h"
#include "rounding_oracle.h"

namespace merganser::kernels {
namespace {

constexpr std::uint32_t kPart = 1U << 24;  // bit patterns that a thread takes at a time
constexpr std::uint32_t kParts = 1U << 8;
constexpr std::size_t kBatch = 4096;

/// Checks one part. Its floats have one sign and ascending magnitude, so the expected code is
/// followed upwards rather than searched.
bool check(const RoundingOracle& oracle, DType dtype, Level level, std::uint32_t part) {
  const std::uint32_t first = part * kPart;
  std::uint32_t code = oracle.round(std::abs(double{std::bit_cast<float>(first)}));
  const std::size_t width = stored_bytes(dtype, 1);
  std::vector<float> values(kBatch);
  std::vector<std::byte> bytes(kBatch * width);
  for (std::uint32_t start = 0; start < kPart; start += kBatch) {
    for (std::uint32_t i = 0; i < kBatch; ++i) values[i] = std::bit_cast<float>(first + start + i);
    narrow(level, dtype, values.data(), bytes.data(), kBatch);
    for (std::size_t i = 0; i < kBatch; ++i) {
      const double size = std::abs(double{values[i]});
      if (std::isnan(size)) {
        code = oracle.nan();
      } else {
        while (code < oracle.top() && oracle.rounds_beyond(size, code)) ++code;
      }
      const std::uint32_t want = code | (std::signbit(values[i]) ? oracle.sign() : 0);
      std::uint32_t got = 0;
      std::memcpy(&got, bytes.data() + i * width, width);
      if (got != want) {
        std::printf("%s at %s: %08x gives %04x, not %04x\n", std::string(torch_name(dtype)).c_str(),
                    std::string(level_name(level)).c_str(), std::bit_cast<std::uint32_t>(values[i]),
                    got, want);
        return false;
      }
    }
  }
  return true;
}

bool check_all(DType dtype, Level level) {
  const RoundingOracle oracle(dtype);
  std::atomic<std::uint32_t> next{0};
  std::atomic<bool> good{true};
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
    threads.emplace_back([&] {
      for (auto part = next++; part < kParts && good; part = next++) {
        if (!check(oracle, dtype, level, part)) good = false;
      }
    });
  }
  threads.clear();
  return good;
}

}  // namespace
}  // namespace merganser::kernels

int main() {
  using namespace merganser;
  using namespace merganser::kernels;
  for (const DType dtype : {DType::bf16, DType::f16, DType::f8e5m2, DType::f8e4m3}) {
    for (const Level level : levels_here()) {
      const auto start = std::chrono::steady_clock::now();
      if (!check_all(dtype, level)) return 1;
      const std::chrono::duration<double> elapsed_s = std::chrono::steady_clock::now() - start;
      std::printf("%-14s %-8s all 2^32 floats correct, %.1f s\n",
                  std::string(torch_name(dtype)).c_str(), std::string(level_name(level)).c_str(),
                  elapsed_s.count());
      std::fflush(stdout);
    }
  }
}
