#include "image/resample.h"

#define FRACTION_BITS 22
#define HALF (1 << (FRACTION_BITS - 1))
#define BLOCK 64

static uint8_t rounded(int32_t sum) {
    int32_t value = sum >> FRACTION_BITS;
    return (uint8_t)(value > 255 ? 255 : value);
}

static void blend_block(uint8_t *restrict out, const uint8_t *restrict in, size_t stride, size_t n,
                        const int32_t *weights, int taps) {
    int32_t sums[BLOCK];
    for (size_t i = 0; i < n; i++)
        sums[i] = HALF;
    for (int t = 0; t < taps; t++)
        for (size_t i = 0; i < n; i++)
            sums[i] += in[(size_t)t * stride + i] * weights[t];
    for (size_t i = 0; i < n; i++)
        out[i] = rounded(sums[i]);
}

static void blend(uint8_t *out, const uint8_t *in, size_t stride, size_t n, const int32_t *weights,
                  int taps) {
    for (size_t i = 0; i < n; i += BLOCK)
        blend_block(out + i, in + i, stride, n - i < BLOCK ? n - i : BLOCK, weights, taps);
}

static void across(uint8_t *out, const uint8_t *in, int c, const struct cnn_filter *filter) {
    size_t pixel = (size_t)c * CNN_LANES;
    for (int i = 0; i < filter->count; i++)
        blend_block(out + (size_t)i * pixel, in + (size_t)(filter->from[i] - filter->low) * pixel, pixel,
                    pixel, filter->weights + (size_t)i * (size_t)filter->stride, filter->taps[i]);
}

static void to_lanes(uint8_t *lanes, const uint8_t *in, size_t stride, int rows, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (int r = 0; r < CNN_LANES; r++)
            lanes[i * CNN_LANES + (size_t)r] = r < rows ? in[(size_t)r * stride + i] : 0;
}

static void from_lanes(uint8_t *out, size_t stride, int rows, size_t n, const uint8_t *lanes) {
    for (int r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i++)
            out[(size_t)r * stride + i] = lanes[i * CNN_LANES + (size_t)r];
}

const struct cnn_resample_kernels cnn_resample_portable = {
    .name = "portable", .blend = blend, .across = across, .to_lanes = to_lanes, .from_lanes = from_lanes};
