// Stands in for CUDA's header of this name: half precision by whole-number arithmetic.
#ifndef TESTS_CUDA_EMULATOR_CUDA_FP16_H
#define TESTS_CUDA_EMULATOR_CUDA_FP16_H
#include <math.h>
#include <stdint.h>

struct __half {
    uint16_t bits;
};
struct __half2 {
    __half x, y;
};

static inline float __half2float(__half v) {
    const int exponent = v.bits >> 10 & 31, mantissa = v.bits & 1023;
    const float sign = v.bits >> 15 ? -1.0f : 1.0f;
    if (exponent == 31)
        return mantissa ? NAN : sign * INFINITY;
    return sign * (exponent ? ldexpf((float)(mantissa + 1024), exponent - 25) : ldexpf((float)mantissa, -24));
}

// To the nearest, ties to even; too large is infinite.
static inline __half __float2half_rn(float v) {
    const uint16_t sign = signbit(v) ? 0x8000 : 0;
    int exponent = 0;
    if (v != v)
        return {0x7fff};
    if (v == 0)
        return {sign};
    frexpf(v, &exponent);
    // units of the last place: of normal numbers 11 bits, below 2^-14 they stay 2^-24
    const int unit = exponent < -13 ? -24 : exponent - 11;
    const float scaled = isinf(v) ? INFINITY : nearbyintf(ldexpf(fabsf(v), -unit));
    if (scaled * ldexpf(1.0f, unit) > 65504.0f)
        return {(uint16_t)(sign | 0x7c00)};
    const uint16_t whole = (uint16_t)scaled; // 2048 carries into the exponent by itself
    return {(uint16_t)(sign | (unit == -24 ? whole : (unit + 24) * 1024 + whole))};
}

static inline __half2 __floats2half2_rn(float a, float b) { return {__float2half_rn(a), __float2half_rn(b)}; }

#endif
