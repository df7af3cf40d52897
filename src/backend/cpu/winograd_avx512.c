#define LANES 16
#define GROUP 12
#define TABLE cnn_winograd_avx512
#define NAME "Winograd:AVX-512"
#include "backend/cpu/winograd_kernels.h"
