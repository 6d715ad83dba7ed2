// Rounds all 2^32 floats to each 8- and 16-bit type at every CPU level of this machine and compares
// every code with the definition. Not part of the test run: minutes on two cores. Exits 1 at the
// first wrong code.
//
//     ninja -C build/release convert_exhaustive && build/release/tests/kernels/convert_exhaustive
#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <span>
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

/// Checks one part, every level against codes that are computed once. The floats of a part have one
/// sign and ascending magnitude, so the expected code is followed upwards rather than searched.
template <class Code>
bool check(const RoundingOracle& oracle, DType dtype, std::uint32_t part) {
  const std::uint32_t first = part * kPart;
  const bool is_negative = std::signbit(std::bit_cast<float>(first));
  std::uint32_t code = oracle.round(std::abs(double{std::bit_cast<float>(first)}));
  std::vector<float> values(kBatch);
  std::vector<Code> want(kBatch);
  std::vector<Code> got(kBatch);
  for (std::uint32_t start = 0; start < kPart; start += kBatch) {
    for (std::uint32_t i = 0; i < kBatch; ++i) {
      values[i] = std::bit_cast<float>(first + start + i);
      const double size = std::abs(double{values[i]});
      if (std::isnan(size)) code = oracle.nan();
      while (code < oracle.top() && oracle.rounds_beyond(size, code)) ++code;
      want[i] = static_cast<Code>(code | (is_negative ? oracle.sign() : 0));
    }
    for (const Level level : levels_here()) {
      narrow(level, dtype, values.data(), std::as_writable_bytes(std::span(got)).data(), kBatch);
      const auto [wrong, wanted] = std::mismatch(got.begin(), got.end(), want.begin());
      if (wrong == got.end()) continue;
      std::printf("%s at %s: %a gives %04x, not %04x\n", std::string(torch_name(dtype)).c_str(),
                  std::string(level_name(level)).c_str(), values[wrong - got.begin()], *wrong,
                  *wanted);
      return false;
    }
  }
  return true;
}

bool check_all(DType dtype) {
  const RoundingOracle oracle(dtype);
  std::atomic<std::uint32_t> next{0};
  std::atomic<bool> is_right{true};
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
    threads.emplace_back([&] {
      for (auto part = next++; part < kParts && is_right; part = next++) {
        const bool part_is_right = oracle.width() == 8 ? check<std::uint8_t>(oracle, dtype, part)
                                                       : check<std::uint16_t>(oracle, dtype, part);
        if (!part_is_right) is_right = false;
      }
    });
  }
  threads.clear();
  return is_right;
}

}  // namespace
}  // namespace merganser::kernels

int main() {
  using namespace merganser;
  using namespace merganser::kernels;
  for (const DType dtype : {DType::f16, DType::bf16, DType::f8e4m3, DType::f8e5m2}) {
    const auto start = std::chrono::steady_clock::now();
    if (!check_all(dtype)) return 1;
    const std::chrono::duration<double> elapsed_s = std::chrono::steady_clock::now() - start;
    std::printf("%-14s all 2^32 floats correct at all %zu levels here, %.1f s\n",
                std::string(torch_name(dtype)).c_str(), levels_here().size(), elapsed_s.count());
    std::fflush(stdout);
  }
}
