// How large the output of a windowed op is along one axis: PyTorch's formulas.
#ifndef CNN_MODEL_SHAPE_H
#define CNN_MODEL_SHAPE_H
#include <stdbool.h>

// floor((in + 2 padding - dilation (kernel - 1) - 1) / stride) + 1; 0 where the window does not fit even
// once.
int cnn_conv_extent(int in, int kernel, int stride, int padding, int dilation);

// The same without dilation; ceil_mode rounds up, but drops a last window that would start beyond the input
// and its near padding.
int cnn_pool_extent(int in, int kernel, int stride, int padding, bool ceil_mode);

#endif
