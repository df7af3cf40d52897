// The vectors that the kernels' inner loops compute in: 16 floats, whatever tensors are made of.
#ifndef CNN_BACKEND_CPU_SIMD_VECTORS_H
#define CNN_BACKEND_CPU_SIMD_VECTORS_H
#include <stdint.h>
#include <string.h>

typedef float vec __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(64), aligned(4), may_alias));
typedef float half __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t ihalf __attribute__((vector_size(32), aligned(4), may_alias));
typedef uint8_t bytes8 __attribute__((vector_size(8), aligned(1), may_alias));
#define INLINE static inline __attribute__((always_inline))

INLINE vec floats(const float *p) { return *(const vec *)p; }
INLINE vec select_vec(ivec mask, vec a) { return (vec)(mask & (ivec)a); }
// NaN stays NaN, so that a run that diverges is seen to.
INLINE vec relu_vec(vec v) { return (vec)(~(v < 0.0f) & (ivec)v); }

#endif
