#include "image/loops.h"

const struct cnn_pixel_loops *cnn_pixel_loops(void) {
    return __builtin_cpu_supports("avx2") ? &cnn_pixel_loops_avx2 : &cnn_pixel_loops_portable;
}
