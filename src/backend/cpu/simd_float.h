// Tensors of floats, for simd_kernels.h.
#ifndef CNN_BACKEND_CPU_SIMD_FLOAT_H
#define CNN_BACKEND_CPU_SIMD_FLOAT_H
#include "backend/cpu/simd_vectors.h"
#include <stdbool.h>
#include <stddef.h>

typedef float element;

INLINE vec load(const element *p) { return *(const vec *)p; }
INLINE void store(element *p, vec v) { *(vec *)p = v; }
INLINE half load_half(const element *p) { return *(const half *)p; }
INLINE void store_half(element *p, half v) { *(half *)p = v; }
// The last 8 values of a block of 8 with an odd number of pixels: the upper half is `fill`.
INLINE vec load_tail(const element *p, vec fill) {
    memcpy(&fill, p, 8 * sizeof *p);
    return fill;
}
INLINE void store_tail(element *p, vec v) { memcpy(p, &v, 8 * sizeof *p); }

static void relu(void *to, const void *from, size_t n) {
    element *out = to;
    const element *in = from;
    for (size_t i = 0; i < n; i++)
        out[i] = in[i] < 0.0f ? 0.0f : in[i];
}

static void relu_grad(void *to, const void *from, const void *by, size_t n) {
    element *d_in = to;
    const element *d_out = from, *out = by;
    for (size_t i = 0; i < n; i++)
        d_in[i] = out[i] <= 0.0f ? 0.0f : d_out[i];
}

static void add(void *to, const void *first, const void *second, size_t n, bool with_relu) {
    element *out = to;
    const element *a = first, *b = second;
    if (with_relu)
        for (size_t i = 0; i < n; i++) {
            const float v = a[i] + b[i];
            out[i] = v < 0.0f ? 0.0f : v;
        }
    else
        for (size_t i = 0; i < n; i++)
            out[i] = a[i] + b[i];
}

static void narrow(void *to, const float *from, size_t n) { memcpy(to, from, n * sizeof(element)); }

#endif
