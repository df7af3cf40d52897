#include "data/mix.h"
#include "base/random.h"

#include <math.h>
#include <string.h>

bool cnn_mix_wanted(const struct cnn_mix *mix) { return mix->p > 0 && (mix->mixup > 0 || mix->cutmix > 0); }

// Gamma(shape, 1) for shape >= 1 (Marsaglia and Tsang 2000), and from shape + 1 for smaller ones.
static double draw_gamma(struct cnn_draws *draws, double shape) {
    if (shape < 1) {
        const double u = 1 - cnn_draw_uniform(draws); // (0, 1]
        return draw_gamma(draws, shape + 1) * pow(u, 1 / shape);
    }
    const double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        const double x = cnn_draw_normal(draws), v = (1 + c * x) * (1 + c * x) * (1 + c * x);
        if (v > 0 && log(1 - cnn_draw_uniform(draws)) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v;
    }
}

// Beta(alpha, alpha), symmetric about one half.
static double draw_beta(struct cnn_draws *draws, double alpha) {
    const double a = draw_gamma(draws, alpha), b = draw_gamma(draws, alpha);
    return a + b > 0 ? a / (a + b) : 0.5;
}

static size_t picture_bytes(const struct cnn_mix_batch *batch) {
    return (size_t)batch->h * (size_t)batch->w * (size_t)batch->c;
}

// The picture before picture i, as it was: `spare` keeps the last.
static const uint8_t *before(const struct cnn_mix_batch *batch, int i, const uint8_t *spare) {
    return i == 0 ? spare : batch->pixels + (size_t)(i - 1) * picture_bytes(batch);
}

// From the last to the first, so that the picture before is still whole. Weights are in 1/65536.
static void blend(const struct cnn_mix_batch *batch, double weight, const uint8_t *spare) {
    const uint32_t own = (uint32_t)lround(weight * 65536), other = 65536 - own;
    const size_t bytes = picture_bytes(batch);
    for (int i = batch->n - 1; i >= 0; i--) {
        uint8_t *restrict to = batch->pixels + (size_t)i * bytes;
        const uint8_t *restrict from = before(batch, i, spare);
        for (size_t k = 0; k < bytes; k++)
            to[k] = (uint8_t)((own * to[k] + other * from[k] + 32768) >> 16);
    }
}

struct box {
    int y, x, h, w;
};

static int within(int v, int hi) { return v < 0 ? 0 : v > hi ? hi : v; }

// Of area 1 - weight about a point anywhere, as much of it as lies in the picture.
static struct box draw_box(struct cnn_draws *draws, const struct cnn_mix_batch *batch, double weight) {
    const double side = 0.5 * sqrt(1 - weight);
    const int y = (int)cnn_draw_below(draws, (uint32_t)batch->h),
              x = (int)cnn_draw_below(draws, (uint32_t)batch->w);
    const int half_h = (int)(side * batch->h), half_w = (int)(side * batch->w);
    const int y0 = within(y - half_h, batch->h), x0 = within(x - half_w, batch->w);
    return (struct box){y0, x0, within(y + half_h, batch->h) - y0, within(x + half_w, batch->w) - x0};
}

static void paste(const struct cnn_mix_batch *batch, struct box box, const uint8_t *spare) {
    const size_t row = (size_t)batch->w * (size_t)batch->c, bytes = (size_t)box.w * (size_t)batch->c;
    const size_t corner = (size_t)box.y * row + (size_t)box.x * (size_t)batch->c;
    for (int i = batch->n - 1; i >= 0; i--)
        for (int y = 0; y < box.h; y++)
            memcpy(batch->pixels + (size_t)i * picture_bytes(batch) + corner + (size_t)y * row,
                   before(batch, i, spare) + corner + (size_t)y * row, bytes);
}

// Mixes, and gives the weight of a picture's own label.
static double mix_by(const struct cnn_mix *mix, const struct cnn_mix_batch *batch, struct cnn_draws *draws,
                     uint8_t *spare) {
    const bool either = cnn_draw_uniform(draws)<0.5, cut = mix->cutmix> 0 && (mix->mixup <= 0 || either);
    const double weight = draw_beta(draws, cut ? mix->cutmix : mix->mixup);
    memcpy(spare, batch->pixels + (size_t)(batch->n - 1) * picture_bytes(batch), picture_bytes(batch));
    if (!cut) {
        blend(batch, weight, spare);
        return weight;
    }
    const struct box box = draw_box(draws, batch, weight);
    paste(batch, box, spare);
    return 1 - (double)box.h * box.w / ((double)batch->h * batch->w);
}

void cnn_mix_pictures(const struct cnn_mix *mix, const struct cnn_mix_batch *batch, uint64_t seed,
                      uint64_t epoch, uint64_t position, uint8_t *spare) {
    struct cnn_draws draws = cnn_draws_of(seed, CNN_PURPOSE_MIX, epoch, position);
    double weight = 1;
    if (cnn_draw_uniform(&draws) < mix->p && batch->n > 1)
        weight = mix_by(mix, batch, &draws, spare);
    for (int i = 0; i < batch->n; i++) {
        batch->partners[i] = batch->labels[i == 0 ? batch->n - 1 : i - 1];
        batch->weights[i] = (float)weight;
    }
}
