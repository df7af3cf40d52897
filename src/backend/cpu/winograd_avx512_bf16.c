#define LANES 16
#define GROUP 12
#define BF16
#define TABLE cnn_winograd_avx512_bf16
#define NAME "Winograd:AVX-512, bf16"
#include "backend/cpu/winograd_kernels.h"
