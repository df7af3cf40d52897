// The inner loops of the pixel operations, once per kind of processor; all give equal bytes.
#ifndef CNN_IMAGE_LOOPS_H
#define CNN_IMAGE_LOOPS_H
#include <stddef.h>
#include <stdint.h>

#define CNN_NOISE_LEVELS 8192 // entries of a table of deviations

struct cnn_pixel_loops {
    const char *name;
    // Luma (ITU-R 601, as cnn_pixels_copy makes it) of n RGB pixels; the sum of theirs.
    void (*gray)(uint8_t *rgb, size_t n);
    uint64_t (*sum_luma)(const uint8_t *rgb, size_t n);
    uint64_t (*sum)(const uint8_t *in, size_t n);
    // gray + factor * (pixel - gray), cut off.
    void (*saturate)(uint8_t *rgb, size_t n, float factor);
    // The hue of HSV turned by `turn`, 0..1 for the whole circle.
    void (*turn_hue)(uint8_t *rgb, size_t n, float turn);
    // CIELab of linear RGB (`linear`: of every level) under D65: L, a, b as floats, n of each.
    void (*lab)(float *lab, const uint8_t *rgb, size_t n, const float linear[256]);
    // sums[i] += weight * in[i].
    void (*accumulate)(float *sums, const uint8_t *in, size_t n, float weight);
    // out[i] = sum over t of weights[t] * in[i + t * c], rounded.
    void (*convolve)(uint8_t *out, const float *in, size_t n, size_t c, const float *weights, int taps);
    // Blends each byte with the mean of its 3 x 3 neighbours of the same channel, itself counting five times:
    // mean + factor * (byte - mean), cut off. n bytes, `c` apart from their neighbours to the side.
    void (*sharpen)(uint8_t *out, const uint8_t *above, const uint8_t *row, const uint8_t *below, size_t n,
                    ptrdiff_t c, float factor);
    // Philox4x32-10 of the counters {block, rest} for n blocks from `block`: 4 words each, in order.
    void (*philox)(uint32_t *out, size_t n, uint32_t block, const uint32_t rest[3], const uint32_t key[2]);
    // Adds table[low 13 bits], with the sign of the highest one, to each byte; `offset` holds the rounding.
    void (*add_noise)(uint8_t *bytes, const uint16_t *random, size_t n, const float table[CNN_NOISE_LEVELS],
                      float offset);
};
extern const struct cnn_pixel_loops cnn_pixel_loops_portable;
extern const struct cnn_pixel_loops cnn_pixel_loops_avx2; // x86-64 builds only
// The fastest version this processor runs.
const struct cnn_pixel_loops *cnn_pixel_loops(void);

#endif
