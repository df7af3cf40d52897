// Compiled with -mavx2; reached only through cnn_resample_kernels.
#include "image/resample.h"

#include <immintrin.h>
#include <string.h>

#define FRACTION_BITS 22
#define HALF (1 << (FRACTION_BITS - 1))

// 16 bytes of output as two registers of 32-bit sums.
struct sums {
    __m256i low, high;
};

static inline struct sums sums_start(void) {
    return (struct sums){_mm256_set1_epi32(HALF), _mm256_set1_epi32(HALF)};
}

static inline void sums_add(struct sums *sums, const uint8_t *in, __m256i weight) {
    __m256i low = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)in));
    __m256i high = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(in + 8)));
    sums->low = _mm256_add_epi32(sums->low, _mm256_mullo_epi32(low, weight));
    sums->high = _mm256_add_epi32(sums->high, _mm256_mullo_epi32(high, weight));
}

static inline void sums_store(uint8_t *out, struct sums sums) {
    __m256i low = _mm256_srai_epi32(sums.low, FRACTION_BITS),
            high = _mm256_srai_epi32(sums.high, FRACTION_BITS);
    __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xD8);
    __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)out, bytes);
}

static inline void blend_16(uint8_t *out, const uint8_t *in, size_t stride, const int32_t *weights,
                            int taps) {
    struct sums a = sums_start();
    for (int t = 0; t < taps; t++, in += stride)
        sums_add(&a, in, _mm256_set1_epi32(weights[t]));
    sums_store(out, a);
}

static inline void blend_48(uint8_t *out, const uint8_t *in, size_t stride, const int32_t *weights,
                            int taps) {
    struct sums a = sums_start(), b = a, c = a;
    for (int t = 0; t < taps; t++, in += stride) {
        __m256i weight = _mm256_set1_epi32(weights[t]);
        sums_add(&a, in, weight);
        sums_add(&b, in + 16, weight);
        sums_add(&c, in + 32, weight);
    }
    sums_store(out, a);
    sums_store(out + 16, b);
    sums_store(out + 32, c);
}

static void blend_few(uint8_t *out, const uint8_t *in, size_t stride, size_t n, const int32_t *weights,
                      int taps) {
    for (size_t i = 0; i < n; i++) {
        int32_t sum = HALF;
        for (int t = 0; t < taps; t++)
            sum += in[(size_t)t * stride + i] * weights[t];
        sum >>= FRACTION_BITS;
        out[i] = (uint8_t)(sum > 255 ? 255 : sum);
    }
}

static void blend(uint8_t *out, const uint8_t *in, size_t stride, size_t n, const int32_t *weights,
                  int taps) {
    size_t i = 0;
    if (n < 16) {
        blend_few(out, in, stride, n, weights, taps);
        return;
    }
    for (; i + 48 <= n; i += 48)
        blend_48(out + i, in + i, stride, weights, taps);
    for (; i + 16 <= n; i += 16)
        blend_16(out + i, in + i, stride, weights, taps);
    if (i < n) // the last 16 once more, some of them again
        blend_16(out + n - 16, in + n - 16, stride, weights, taps);
}

static void across(uint8_t *out, const uint8_t *in, int c, const struct cnn_filter *filter) {
    size_t pixel = (size_t)c * CNN_LANES;
    const int32_t *weights = filter->weights;
    for (int i = 0; i < filter->count; i++, out += pixel, weights += filter->stride) {
        const uint8_t *from = in + (size_t)(filter->from[i] - filter->low) * pixel;
        if (c == 3)
            blend_48(out, from, pixel, weights, filter->taps[i]);
        else
            blend_16(out, from, pixel, weights, filter->taps[i]);
    }
}

// Four perfect shuffles transpose 16 x 16 bytes.
static inline void transpose(__m128i rows[16]) {
    __m128i next[16];
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 8; i++) {
            next[2 * i] = _mm_unpacklo_epi8(rows[i], rows[i + 8]);
            next[2 * i + 1] = _mm_unpackhi_epi8(rows[i], rows[i + 8]);
        }
        memcpy(rows, next, sizeof next);
    }
}

static void to_lanes(uint8_t *lanes, const uint8_t *in, size_t stride, int rows, size_t n) {
    for (size_t i = 0; i < n; i += 16) {
        __m128i block[16];
        size_t width = n - i < 16 ? n - i : 16;
        for (int r = 0; r < 16; r++) {
            const uint8_t *row = in + (size_t)r * stride + i;
            block[r] = _mm_setzero_si128();
            if (r < rows && width == 16)
                block[r] = _mm_loadu_si128((const __m128i *)row);
            else if (r < rows)
                memcpy(&block[r], row, width);
        }
        transpose(block);
        for (size_t r = 0; r < 16; r++)
            _mm_storeu_si128((__m128i *)(lanes + (i + r) * 16), block[r]);
    }
}

static void from_lanes(uint8_t *out, size_t stride, int rows, size_t n, const uint8_t *lanes) {
    for (size_t i = 0; i < n; i += 16) {
        __m128i block[16];
        size_t width = n - i < 16 ? n - i : 16;
        for (size_t r = 0; r < 16; r++)
            block[r] = _mm_loadu_si128((const __m128i *)(lanes + (i + r) * 16));
        transpose(block);
        for (int r = 0; r < rows; r++) {
            uint8_t *row = out + (size_t)r * stride + i;
            if (width == 16)
                _mm_storeu_si128((__m128i *)row, block[r]);
            else
                memcpy(row, &block[r], width);
        }
    }
}

const struct cnn_resample_kernels cnn_resample_avx2 = {
    .name = "avx2", .blend = blend, .across = across, .to_lanes = to_lanes, .from_lanes = from_lanes};
