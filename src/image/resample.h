// Antialiased bilinear resampling of 8-bit pixels, bit for bit as Pillow does it: two passes, across then
// down, each a triangle filter as wide as the shrinking, in fixed point with 22 fraction bits and rounding to
// 8 bits in between. (Pillow 13 goes down first where the height shrinks much more than the width, which
// rounds some pixels the other way.)
#ifndef CNN_IMAGE_RESAMPLE_H
#define CNN_IMAGE_RESAMPLE_H
#include "image/pixels.h"

// One direction: the interval start..stop of a line of `limit` pixels becomes `out` pixels, of which `count`
// from `first` are wanted.
struct cnn_axis {
    double start, stop; // in pixels; pixel i covers i..i+1
    int limit, out;
    int first, count;
    bool mirror; // the wanted pixels in reverse order
};

// Output i is the sum over t < taps[i] of weight[i * stride + t] * input[from[i] + t].
struct cnn_filter {
    int count, stride;
    int *from, *taps;
    int32_t *weights;
    int low, high; // inputs low..high-1 are read
};

// Weights for both directions, in scratch->filters until the next call. CNN_ERR_MEMORY only.
enum cnn_status cnn_filters_create(struct cnn_filter out[2], const struct cnn_axis axes[2],
                                   struct cnn_image_scratch *scratch) CNN_MUST_CHECK;

// `in` begins at input (across->low, down->low) and ends at their `high`; rows of `out` are `out_stride`
// bytes apart and hold across->count pixels of in->c bytes.
enum cnn_status cnn_resample(uint8_t *out, size_t out_stride, const struct cnn_view *in,
                             const struct cnn_filter *across, const struct cnn_filter *down,
                             struct cnn_image_scratch *scratch) CNN_MUST_CHECK;

// The inner loops, in versions for different processors that give equal bytes.
#define CNN_LANES 16 // rows that the pass across takes at a time
struct cnn_resample_kernels {
    const char *name;
    // out[i] = sum over t of weights[t] * in[t * stride + i], rounded, for i < n.
    void (*blend)(uint8_t *out, const uint8_t *in, size_t stride, size_t n, const int32_t *weights, int taps);
    // Output i of `filter`, for CNN_LANES rows at once: in and out hold CNN_LANES bytes per column, c columns
    // per pixel; in begins at input `filter->low`.
    void (*across)(uint8_t *out, const uint8_t *in, int c, const struct cnn_filter *filter);
    // CNN_LANES rows of n bytes, `stride` apart, to n columns of CNN_LANES bytes, and back. Rows past `rows`
    // are not touched.
    void (*to_lanes)(uint8_t *lanes, const uint8_t *in, size_t stride, int rows, size_t n);
    void (*from_lanes)(uint8_t *out, size_t stride, int rows, size_t n, const uint8_t *lanes);
};
extern const struct cnn_resample_kernels cnn_resample_portable;
extern const struct cnn_resample_kernels cnn_resample_avx2; // x86-64 builds only
// The fastest version this processor runs.
const struct cnn_resample_kernels *cnn_resample_kernels(void);

#endif
