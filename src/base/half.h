// Floats of 16 bits: bfloat16 (8 bits of exponent, 7 of fraction) and IEEE 754 binary16 (5 and 10). To them
// values are rounded to the nearest, ties to even; from them every value is exact. For host and device code.
#ifndef CNN_BASE_HALF_H
#define CNN_BASE_HALF_H
#include "base/host_device.h"
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline CNN_HOST_DEVICE uint32_t cnn_bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline CNN_HOST_DEVICE float cnn_float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// What is past the largest finite value by half a step or more becomes infinity. A NaN stays one: its upper
// bits remain, and it is made quiet, as processors do.
static inline CNN_HOST_DEVICE uint16_t cnn_bf16_from_float(float value) {
    const uint32_t bits = cnn_bits_of_float(value);
    const uint32_t nearest = bits + 0x7fff + (bits >> 16 & 1), quiet = bits | 0x400000;
    return (uint16_t)(((bits & 0x7fffffff) > 0x7f800000 ? quiet : nearest) >> 16);
}

static inline CNN_HOST_DEVICE float cnn_bf16_to_float(uint16_t half) {
    return cnn_float_of_bits((uint32_t)half << 16);
}

// All three ranges are computed and one is taken, so that loops over this become vector code.
static inline CNN_HOST_DEVICE uint16_t cnn_fp16_from_float(float value) {
    const uint32_t bits = cnn_bits_of_float(value), magnitude = bits & 0x7fffffff;
    // From 2^-14 on: the exponent's bias changes from 127 to 15. A carry out of the fraction is right as it
    // is.
    const uint32_t normal = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
    // Below: beside 1/2 the last bit of a float is the smallest binary16, 2^-24, so that the addition rounds
    // to it.
    const uint32_t small = cnn_bits_of_float(cnn_float_of_bits(magnitude) + 0.5f) - (126u << 23);
    const uint32_t quiet = 0x7e00 | (magnitude >> 13 & 0x1ff);
    uint32_t half = magnitude < 113u << 23 ? small : normal;
    half = magnitude >= 143u << 23 ? 0x7c00
                                   : half; // from 65536 on; from 65520 on the rounding gets there by itself
    half = magnitude > 0x7f800000 ? quiet : half;
    return (uint16_t)(half | (bits >> 16 & 0x8000));
}

static inline CNN_HOST_DEVICE float cnn_fp16_to_float(uint16_t half) {
    const uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13, sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t exponent = magnitude & (31u << 23);
    const uint32_t normal = magnitude + (112u << 23), quiet = magnitude & 0x7fffff ? 1u << 22 : 0;
    const uint32_t endless = magnitude | 255u << 23 | quiet;
    // No exponent: as a fraction behind 2^-14, which is then taken away again.
    const float small = cnn_float_of_bits(magnitude + (113u << 23)) - cnn_float_of_bits(113u << 23);
    uint32_t bits = exponent == 31u << 23 ? endless : normal;
    bits = exponent == 0 ? cnn_bits_of_float(small) : bits;
    return cnn_float_of_bits(bits | sign);
}

// n of them at once, between arrays that do not overlap, or (round) in place to the nearest value the type
// has.
void cnn_bf16_pack(uint16_t *out, const float *in, size_t n);
void cnn_bf16_unpack(float *out, const uint16_t *in, size_t n);
void cnn_bf16_round(float *values, size_t n);
void cnn_fp16_pack(uint16_t *out, const float *in, size_t n);
void cnn_fp16_unpack(float *out, const uint16_t *in, size_t n);
void cnn_fp16_round(float *values, size_t n);

#endif
