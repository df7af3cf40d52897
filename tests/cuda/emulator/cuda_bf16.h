// Stands in for CUDA's header of this name.
#ifndef TESTS_CUDA_EMULATOR_CUDA_BF16_H
#define TESTS_CUDA_EMULATOR_CUDA_BF16_H
#include <stdint.h>
#include <string.h>

struct __nv_bfloat16 {
    uint16_t bits;
};
struct __nv_bfloat162 {
    __nv_bfloat16 x, y;
};

static inline float __bfloat162float(__nv_bfloat16 v) {
    const uint32_t bits = (uint32_t)v.bits << 16;
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

// To the nearest, ties to even.
static inline __nv_bfloat16 __float2bfloat16_rn(float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    if (v != v)
        return {0x7fff};
    return {(uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

static inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) {
    return {__float2bfloat16_rn(a), __float2bfloat16_rn(b)};
}

#endif
