#pragma once

/// The only door to transcendental functions whose results reach stored bytes. The C library's
/// differ in the last bit between CPUs with and without fused multiply-add and between its own
/// releases; these are SLEEF's deterministic scalar functions, which give the same bits on every
/// CPU. Square roots need no door: IEEE 754 defines std::sqrt to the last bit.
///
/// Errors are in units in the last place of the result, as SLEEF states them and tests/core
/// measures them. Not-a-number gives not-a-number. Safe from any thread.
namespace merganser::math {

/// Sine of x in radians, any finite x; within 1.0 ulp. Infinite x gives NaN.
double sin(double x);

/// Cosine of x in radians, any finite x; within 1.0 ulp. Infinite x gives NaN.
double cos(double x);

/// Arc cosine of x in [-1, 1], in [0, pi]; within 1.0 ulp. NaN outside.
double acos(double x);

}  // namespace merganser::math
