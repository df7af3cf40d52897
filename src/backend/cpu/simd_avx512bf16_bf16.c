// bf16 by the processor's own rounding, which takes denormal numbers for 0.
#include "backend/cpu/simd_vectors.h"
#include <immintrin.h>

typedef uint16_t rounded16 __attribute__((vector_size(32), may_alias));
INLINE rounded16 round_natively(vec v) { return (rounded16)_mm512_cvtneps_pbh((__m512)v); }

#define CNN_SIMD_TABLE cnn_simd_avx512bf16_bf16
#define CNN_SIMD_NAME "AVX-512 BF16"
#define CNN_BF16_ROUND round_natively
#include "backend/cpu/simd_bf16.h"
#include "backend/cpu/simd_kernels.h"
