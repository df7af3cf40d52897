// Compiled with -mavx2; reached only through cnn_pixel_loops.
#define LOOPS cnn_pixel_loops_avx2
#define LOOPS_NAME "avx2"
#include "image/loops_body.h"
