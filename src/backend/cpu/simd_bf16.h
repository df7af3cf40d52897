// Tensors of bf16, for simd_kernels.h: the upper halves of floats, rounded to the nearest when they are
// stored. CNN_BF16_ROUND(vec) names the instruction set's way to round, where it has one.
#ifndef CNN_BACKEND_CPU_SIMD_BF16_H
#define CNN_BACKEND_CPU_SIMD_BF16_H
#include "backend/cpu/simd_vectors.h"
#include <stdbool.h>
#include <stddef.h>

typedef uint16_t element;
typedef uint32_t uvec __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t uhalf __attribute__((vector_size(32), aligned(4), may_alias));
typedef uint16_t words16 __attribute__((vector_size(32), aligned(2), may_alias));
typedef uint16_t words8 __attribute__((vector_size(16), aligned(2), may_alias));

// Of equally near neighbours the even one; NaN keeps its sign and becomes quiet.
INLINE words16 round_by_integers(vec v) {
    const uvec bits = (uvec)v, odd = bits >> 16 & 1, nan = (uvec)(v != v);
    const uvec rounded = (bits + 0x7fff + odd) >> 16, quiet = bits >> 16 | 0x40;
    return __builtin_convertvector((nan & quiet) | (~nan & rounded), words16);
}

#if !defined(CNN_BF16_ROUND)
#define CNN_BF16_ROUND round_by_integers
#endif

INLINE vec load(const element *p) { return (vec)(__builtin_convertvector(*(const words16 *)p, uvec) << 16); }
INLINE void store(element *p, vec v) { *(words16 *)p = CNN_BF16_ROUND(v); }
INLINE half load_half(const element *p) {
    return (half)(__builtin_convertvector(*(const words8 *)p, uhalf) << 16);
}
// Of values of `element` that were loaded, or sums.
INLINE void store_half(element *p, half v) {
    vec both = {0};
    memcpy(&both, &v, sizeof v);
    const words16 rounded = CNN_BF16_ROUND(both);
    memcpy(p, &rounded, 8 * sizeof *p);
}
// The last 8 values of a block of 8 with an odd number of pixels: the upper half is `fill`.
INLINE vec load_tail(const element *p, vec fill) {
    const half lower = load_half(p);
    memcpy(&fill, &lower, sizeof lower);
    return fill;
}
INLINE void store_tail(element *p, vec v) {
    const words16 rounded = CNN_BF16_ROUND(v);
    memcpy(p, &rounded, 8 * sizeof *p);
}

// Fewer than 16 values.
INLINE vec load_rest(const element *p, size_t n) {
    words16 words = {0};
    memcpy(&words, p, n * sizeof *p);
    return (vec)(__builtin_convertvector(words, uvec) << 16);
}
INLINE void store_rest(element *p, vec v, size_t n) {
    const words16 rounded = CNN_BF16_ROUND(v);
    memcpy(p, &rounded, n * sizeof *p);
}

static void relu(void *to, const void *from, size_t n) {
    element *out = to;
    const element *in = from;
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        store(out + i, relu_vec(load(in + i)));
    if (i < n)
        store_rest(out + i, relu_vec(load_rest(in + i, n - i)), n - i);
}

static void relu_grad(void *to, const void *from, const void *by, size_t n) {
    element *d_in = to;
    const element *d_out = from, *out = by;
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        store(d_in + i, select_vec(~(load(out + i) <= 0.0f), load(d_out + i)));
    if (i < n)
        store_rest(d_in + i, select_vec(~(load_rest(out + i, n - i) <= 0.0f), load_rest(d_out + i, n - i)),
                   n - i);
}

INLINE void add_loop(element *out, const element *a, const element *b, size_t n, bool with_relu) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const vec v = load(a + i) + load(b + i);
        store(out + i, with_relu ? relu_vec(v) : v);
    }
    if (i < n) {
        const vec v = load_rest(a + i, n - i) + load_rest(b + i, n - i);
        store_rest(out + i, with_relu ? relu_vec(v) : v, n - i);
    }
}

static void add(void *to, const void *a, const void *b, size_t n, bool with_relu) {
    with_relu ? add_loop(to, a, b, n, true) : add_loop(to, a, b, n, false);
}

static void narrow(void *to, const float *from, size_t n) {
    element *out = to;
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        store(out + i, floats(from + i));
    if (i < n) {
        vec rest = {0};
        memcpy(&rest, from + i, (n - i) * sizeof *from);
        store_rest(out + i, rest, n - i);
    }
}

#endif
