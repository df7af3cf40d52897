// bf16 where the processor has no instruction for it.
#define CNN_SIMD_TABLE cnn_simd_avx512_bf16
#define CNN_SIMD_NAME "AVX-512"
#include "backend/cpu/simd_bf16.h"
#include "backend/cpu/simd_kernels.h"
