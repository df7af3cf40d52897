#define CNN_SIMD_TABLE cnn_simd_baseline
#define CNN_SIMD_NAME "baseline"
#include "backend/cpu/simd_float.h"
#include "backend/cpu/simd_kernels.h"
