#define CNN_SIMD_TABLE cnn_simd_avx2
#define CNN_SIMD_NAME "AVX2"
#include "backend/cpu/simd_float.h"
#include "backend/cpu/simd_kernels.h"
