// The loops themselves, compiled by loops_*.c for one kind of processor each. Floating point is kept to
// single operations that round alike everywhere: no contraction, no reordered sums.
#include "image/loops.h"

#include <math.h>
#include <string.h>

#define CHUNK 64 // pixels taken apart into channels at a time

struct planes {
    float r[CHUNK], g[CHUNK], b[CHUNK];
};

static inline void split(struct planes *planes, const uint8_t *rgb, size_t n) {
    for (size_t i = 0; i < n; i++) {
        planes->r[i] = rgb[3 * i];
        planes->g[i] = rgb[3 * i + 1];
        planes->b[i] = rgb[3 * i + 2];
    }
}

static inline uint32_t luma(const uint8_t *rgb) {
    return (rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16;
}

// Towards zero, as Pillow blends.
static inline uint8_t cut_off(float value) {
    value = value < 0 ? 0 : value;
    value = value > 255 ? 255 : value;
    return (uint8_t)(int32_t)value;
}

static void gray(uint8_t *rgb, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint8_t value = (uint8_t)luma(rgb + 3 * i);
        rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = value;
    }
}

static uint64_t sum_luma(const uint8_t *rgb, size_t n) {
    uint64_t total = 0;
    for (size_t i = 0; i < n; i += 1 << 20) {
        uint32_t part = 0;
        size_t end = n - i < 1 << 20 ? n : i + (1 << 20);
        for (size_t k = i; k < end; k++)
            part += luma(rgb + 3 * k);
        total += part;
    }
    return total;
}

static uint64_t sum(const uint8_t *in, size_t n) {
    uint64_t total = 0;
    for (size_t i = 0; i < n; i += 1 << 20) {
        uint32_t part = 0;
        size_t end = n - i < 1 << 20 ? n : i + (1 << 20);
        for (size_t k = i; k < end; k++)
            part += in[k];
        total += part;
    }
    return total;
}

static void saturate(uint8_t *rgb, size_t n, float factor) {
    for (size_t i = 0; i < n; i++) {
        int32_t base = (int32_t)luma(rgb + 3 * i);
        for (size_t k = 0; k < 3; k++)
            rgb[3 * i + k] = cut_off((float)base + factor * (float)(rgb[3 * i + k] - base));
    }
}

static inline float largest(float a, float b) { return a > b ? a : b; }

static inline float smallest(float a, float b) { return a < b ? a : b; }

// Channel of HSV, whose hue is 0..6 from `shifted`: highest at 0, falling where the hue is near its opposite.
static inline uint8_t channel_of(float shifted, float value, float chroma) {
    float k = shifted >= 6 ? shifted - 6 : shifted;
    float part = smallest(k, 4 - k);
    part = largest(0, smallest(part, 1));
    return (uint8_t)(int32_t)((value - chroma * part) * (255.999f / 255) + 1e-4f);
}

static void turn_hue(uint8_t *rgb, size_t n, float turn) {
    float by = turn < 0 ? 6 * turn + 6 : 6 * turn;
    struct planes planes;
    uint8_t out[3][CHUNK];
    memset(&planes, 0, sizeof planes);
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t count = n - at < CHUNK ? n - at : CHUNK;
        split(&planes, rgb + 3 * at, count);
        for (size_t i = 0; i < CHUNK; i++) {
            float r = planes.r[i], g = planes.g[i], b = planes.b[i];
            float most = largest(r, largest(g, b)), chroma = most - smallest(r, smallest(g, b));
            float scale = 1 / (chroma > 0 ? chroma : 1);
            float of_b = (r - g) * scale + 4, of_g = (b - r) * scale + 2, of_r = (g - b) * scale;
            float hue = most == g ? of_g : of_b;
            hue = most == r ? of_r : hue;
            hue += by; // -1..11
            hue = hue < 0 ? hue + 6 : hue;
            hue = hue >= 6 ? hue - 6 : hue;
            out[0][i] = channel_of(hue + 5, most, chroma);
            out[1][i] = channel_of(hue + 3, most, chroma);
            out[2][i] = channel_of(hue + 1, most, chroma);
        }
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; k < 3; k++)
                rgb[3 * (at + i) + k] = out[k][i];
    }
}

// The cube root of 0..2 by Newton's method from an estimate with a third of the exponent.
static inline float cube_root(float x) {
    int32_t bits;
    float y;
    memcpy(&bits, &x, sizeof bits);
    bits = bits / 3 + 709921077;
    memcpy(&y, &bits, sizeof y);
    for (int i = 0; i < 3; i++)
        y = (2 * y + x / (y * y)) / 3;
    return y;
}

static inline float lab_curve(float t) {
    return t > 0.008856452f ? cube_root(t) : t * 7.787037f + 0.13793103f;
}

static void lab(float *out, const uint8_t *rgb, size_t n, const float linear[256]) {
    for (size_t i = 0; i < n; i++) {
        float r = linear[rgb[3 * i]], g = linear[rgb[3 * i + 1]], b = linear[rgb[3 * i + 2]];
        // sRGB to XYZ, divided by the white of D65 (0.95047, 1, 1.08883)
        out[i] = r * (0.412453f / 0.95047f) + g * (0.357580f / 0.95047f) + b * (0.180423f / 0.95047f);
        out[n + i] = r * 0.212671f + g * 0.715160f + b * 0.072169f;
        out[2 * n + i] = r * (0.019334f / 1.08883f) + g * (0.119193f / 1.08883f) + b * (0.950227f / 1.08883f);
    }
    for (size_t i = 0; i < n; i++) {
        float x = lab_curve(out[i]), y = lab_curve(out[n + i]), z = lab_curve(out[2 * n + i]);
        out[i] = 116 * y - 16;
        out[n + i] = 500 * (x - y);
        out[2 * n + i] = 200 * (y - z);
    }
}

static void accumulate(float *restrict sums, const uint8_t *restrict in, size_t n, float weight) {
    for (size_t i = 0; i < n; i++)
        sums[i] += weight * in[i];
}

static void convolve(uint8_t *restrict out, const float *restrict in, size_t n, size_t c,
                     const float *weights, int taps) {
    float sums[CHUNK];
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t count = n - at < CHUNK ? n - at : CHUNK;
        for (size_t i = 0; i < count; i++)
            sums[i] = 0.5f;
        for (int t = 0; t < taps; t++)
            for (size_t i = 0; i < count; i++)
                sums[i] += weights[t] * in[at + i + (size_t)t * c];
        for (size_t i = 0; i < count; i++)
            out[at + i] = cut_off(sums[i]);
    }
}

static void sharpen(uint8_t *restrict out, const uint8_t *restrict above, const uint8_t *restrict row,
                    const uint8_t *restrict below, size_t n, ptrdiff_t c, float factor) {
    for (ptrdiff_t i = 0; i < (ptrdiff_t)n; i++) {
        int32_t total = above[i - c] + above[i] + above[i + c] + row[i - c] + 5 * row[i] + row[i + c] +
                        below[i - c] + below[i] + below[i + c];
        int32_t mean = (2 * total + 13) / 26;
        out[i] = cut_off((float)mean + factor * (float)(row[i] - mean));
    }
}

#define LANES 8

static inline void philox_lanes(uint32_t out[4][LANES], uint32_t block, const uint32_t rest[3],
                                const uint32_t key[2]) {
    uint32_t c0[LANES], c1[LANES], c2[LANES], c3[LANES], k0 = key[0], k1 = key[1];
    for (uint32_t i = 0; i < LANES; i++) {
        c0[i] = block + i;
        c1[i] = rest[0];
        c2[i] = rest[1];
        c3[i] = rest[2];
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < LANES; i++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0[i], p1 = (uint64_t)0xCD9E8D57u * c2[i];
            c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
            c1[i] = (uint32_t)p1;
            c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
            c3[i] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    memcpy(out[0], c0, sizeof c0);
    memcpy(out[1], c1, sizeof c1);
    memcpy(out[2], c2, sizeof c2);
    memcpy(out[3], c3, sizeof c3);
}

static void philox(uint32_t *out, size_t n, uint32_t block, const uint32_t rest[3], const uint32_t key[2]) {
    uint32_t words[4][LANES];
    for (size_t at = 0; at < n; at += LANES) {
        size_t count = n - at < LANES ? n - at : LANES;
        philox_lanes(words, block + (uint32_t)at, rest, key);
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; k < 4; k++)
                out[4 * (at + i) + k] = words[k][i];
    }
}

static void add_noise(uint8_t *bytes, const uint16_t *random, size_t n, const float table[CNN_NOISE_LEVELS],
                      float offset) {
    for (size_t i = 0; i < n; i++) {
        float noise = table[random[i] & (CNN_NOISE_LEVELS - 1)];
        noise *= (float)(1 - (random[i] >> 15) * 2); // half of the signs are wrong: no branch
        bytes[i] = cut_off((float)bytes[i] + noise + offset);
    }
}

const struct cnn_pixel_loops LOOPS = {
    .name = LOOPS_NAME,
    .gray = gray,
    .sum_luma = sum_luma,
    .sum = sum,
    .saturate = saturate,
    .turn_hue = turn_hue,
    .lab = lab,
    .accumulate = accumulate,
    .convolve = convolve,
    .sharpen = sharpen,
    .philox = philox,
    .add_noise = add_noise,
};
