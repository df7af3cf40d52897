// Winograd's loops in blocks of 16 channels, in instructions that every tested machine has.
#define LANES 16
#define GROUP 12
#define TABLE winograd_wide
#define NAME "wide"
#include "backend/cpu/winograd_kernels.h"
