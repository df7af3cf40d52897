#include "image/resample.h"

#include "base/memory.h"

// Rows low..high-1 of the input, resampled across, to consecutive rows of `out`.
static void pass_across(uint8_t *out, size_t out_stride, const struct cnn_view *in,
                        const struct cnn_filter *filter, uint8_t *lanes_in, uint8_t *lanes_out) {
    const struct cnn_resample_kernels *kernels = cnn_resample_kernels();
    size_t in_bytes = (size_t)in->w * (size_t)in->c, out_bytes = (size_t)filter->count * (size_t)in->c;
    for (int y = 0; y < in->h; y += CNN_LANES) {
        int rows = in->h - y < CNN_LANES ? in->h - y : CNN_LANES;
        kernels->to_lanes(lanes_in, in->pixels + (size_t)y * in->stride, in->stride, rows, in_bytes);
        kernels->across(lanes_out, lanes_in, in->c, filter);
        kernels->from_lanes(out + (size_t)y * out_stride, out_stride, rows, out_bytes, lanes_out);
    }
}

static void pass_down(uint8_t *out, size_t out_stride, const uint8_t *in, size_t in_stride, size_t row_bytes,
                      const struct cnn_filter *filter) {
    const struct cnn_resample_kernels *kernels = cnn_resample_kernels();
    for (int i = 0; i < filter->count; i++)
        kernels->blend(out + (size_t)i * out_stride, in + (size_t)(filter->from[i] - filter->low) * in_stride,
                       in_stride, row_bytes, filter->weights + (size_t)i * (size_t)filter->stride,
                       filter->taps[i]);
}

enum cnn_status cnn_resample(uint8_t *out, size_t out_stride, const struct cnn_view *in,
                             const struct cnn_filter *across, const struct cnn_filter *down,
                             struct cnn_image_scratch *scratch) {
    size_t row_bytes = (size_t)across->count * (size_t)in->c;
    size_t lanes_in = cnn_align_up((size_t)in->w * (size_t)in->c, CNN_LANES) * CNN_LANES;
    size_t lanes_out = cnn_align_up(row_bytes, CNN_LANES) * CNN_LANES;
    CNN_TRY(cnn_image_buffer_reserve(&scratch->lanes, lanes_in + lanes_out));
    CNN_TRY(cnn_image_buffer_reserve(&scratch->resampled, row_bytes * (size_t)in->h));
    uint8_t *lanes = scratch->lanes.data;
    pass_across(scratch->resampled.data, row_bytes, in, across, lanes, lanes + lanes_in);
    pass_down(out, out_stride, scratch->resampled.data, row_bytes, row_bytes, down);
    return CNN_OK;
}
