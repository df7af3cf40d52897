// The same for tensors of bf16.
#define LANES 16
#define GROUP 12
#define BF16
#define TABLE winograd_wide_bf16
#define NAME "wide, bf16"
#include "backend/cpu/winograd_kernels.h"
