#define CNN_SIMD_TABLE cnn_simd_avx512
#define CNN_SIMD_NAME "AVX-512"
#include "backend/cpu/simd_float.h"
#include "backend/cpu/simd_kernels.h"
