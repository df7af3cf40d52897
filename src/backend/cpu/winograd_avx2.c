#define LANES 8
#define GROUP 6
#define TABLE cnn_winograd_avx2
#define NAME "Winograd:AVX2"
#include "backend/cpu/winograd_kernels.h"
