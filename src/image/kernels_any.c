#include "image/resample.h"

const struct cnn_resample_kernels *cnn_resample_kernels(void) { return &cnn_resample_portable; }
