// Single values of tensors as floats. bf16 is a float's upper half (Kalamkar et al. 2019, "A study of bfloat16
// for deep learning training").
#ifndef CNN_BACKEND_CPU_BF16_H
#define CNN_BACKEND_CPU_BF16_H
#include "backend/ops.h"
#include <math.h>
#include <string.h>

static inline float cnn_float_of_bf16(uint16_t half) {
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// To the nearest, of equally near ones the even; NaN stays NaN.
static inline uint16_t cnn_bf16_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40;
    return (uint16_t)(isnan(value) ? quiet : rounded);
}

// Element `at` of memory that holds elements of `type`.
static inline void *cnn_cpu_to(void *memory, enum cnn_type type, size_t at) {
    return (char *)memory + at * cnn_type_bytes(type);
}
static inline const void *cnn_cpu_from(const void *memory, enum cnn_type type, size_t at) {
    return (const char *)memory + at * cnn_type_bytes(type);
}

// n values from element `at` on: where they lie, if they are floats, otherwise in `buffer`.
static inline const float *cnn_cpu_read(float *buffer, const void *memory, enum cnn_type type, size_t at,
                                        int n) {
    if (type == CNN_TYPE_F32)
        return (const float *)memory + at;
    for (int i = 0; i < n; i++)
        buffer[i] = cnn_float_of_bf16(((const uint16_t *)memory)[at + (size_t)i]);
    return buffer;
}

static inline void cnn_cpu_write(void *memory, enum cnn_type type, size_t at, const float *values, int n) {
    if (type == CNN_TYPE_F32)
        memcpy((float *)memory + at, values, (size_t)n * sizeof *values);
    else
        for (int i = 0; i < n; i++)
            ((uint16_t *)memory)[at + (size_t)i] = cnn_bf16_of_float(values[i]);
}

#endif
