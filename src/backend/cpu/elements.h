// Elements of tensors: where they lie, and a few of them as floats. bf16 is a float's upper half (Kalamkar et
// al. 2019, "A study of bfloat16 for deep learning training").
#ifndef CNN_BACKEND_CPU_ELEMENTS_H
#define CNN_BACKEND_CPU_ELEMENTS_H
#include "backend/ops.h"
#include "base/half.h"
#include <string.h>

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
        buffer[i] = cnn_bf16_to_float(((const uint16_t *)memory)[at + (size_t)i]);
    return buffer;
}

static inline void cnn_cpu_write(void *memory, enum cnn_type type, size_t at, const float *values, int n) {
    if (type == CNN_TYPE_F32)
        memcpy((float *)memory + at, values, (size_t)n * sizeof *values);
    else
        for (int i = 0; i < n; i++)
            ((uint16_t *)memory)[at + (size_t)i] = cnn_bf16_from_float(values[i]);
}

#endif
