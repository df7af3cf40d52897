#include "image/resample.h"

const struct cnn_resample_kernels *cnn_resample_kernels(void) {
    return __builtin_cpu_supports("avx2") ? &cnn_resample_avx2 : &cnn_resample_portable;
}
