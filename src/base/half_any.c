#include "base/half_loops.h"

const struct cnn_half_loops *cnn_fp16_loops(void) { return &cnn_fp16_loops_portable; }
