#include "image/loops.h"

const struct cnn_pixel_loops *cnn_pixel_loops(void) { return &cnn_pixel_loops_portable; }
