#include "model/shape.h"

#include <limits.h>
#include <stdint.h>

static int as_extent(int64_t out) { return out > INT_MAX ? 0 : (int)out; }

int cnn_conv_extent(int in, int kernel, int stride, int padding, int dilation) {
    int64_t room = (int64_t)in + 2 * (int64_t)padding - (int64_t)dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : as_extent(room / stride + 1);
}

int cnn_pool_extent(int in, int kernel, int stride, int padding, bool ceil_mode) {
    int64_t room = (int64_t)in + 2 * (int64_t)padding - kernel;
    if (ceil_mode)
        room += stride - 1;
    if (room < 0)
        return 0;
    int64_t out = room / stride + 1;
    if (ceil_mode && (out - 1) * stride >= (int64_t)in + padding)
        out--;
    return as_extent(out);
}
