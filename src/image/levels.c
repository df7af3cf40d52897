// Operations on single levels: each is a table of 256 entries per channel, and tables in a row become one.
#include "image/canvas.h"
#include "image/loops.h"

#include <math.h>
#include <string.h>

static void apply_one(uint8_t *bytes, size_t n, const uint8_t table[256]) {
    for (size_t i = 0; i < n; i++)
        bytes[i] = table[bytes[i]];
}

static void apply_three(uint8_t *rgb, size_t n, const uint8_t table[3][256]) {
    for (size_t i = 0; i < n; i++, rgb += 3) {
        rgb[0] = table[0][rgb[0]];
        rgb[1] = table[1][rgb[1]];
        rgb[2] = table[2][rgb[2]];
    }
}

enum cnn_status cnn_canvas_do_table(struct cnn_canvas *canvas) {
    const uint8_t(*table)[256] = (const uint8_t(*)[256])canvas->table;
    if (!canvas->has_table)
        return CNN_OK;
    canvas->has_table = false;
    bool same = memcmp(table[0], table[1], 256) == 0 && memcmp(table[0], table[2], 256) == 0;
    if (same || canvas->c == 1)
        apply_one(canvas->pixels, cnn_canvas_bytes(canvas), table[0]);
    else
        apply_three(canvas->pixels, (size_t)canvas->h * (size_t)canvas->w, table);
    return CNN_OK;
}

// Makes `canvas->table` the table so far.
static enum cnn_status begin(struct cnn_canvas *canvas) {
    CNN_TRY(cnn_canvas_do_warp(canvas));
    if (!canvas->has_table)
        for (int k = 0; k < 3; k++)
            for (int v = 0; v < 256; v++)
                canvas->table[k][v] = (uint8_t)v;
    canvas->has_table = true;
    return CNN_OK;
}

// `after` follows what is there.
static void follow(struct cnn_canvas *canvas, int channel, const uint8_t after[256]) {
    for (int v = 0; v < 256; v++)
        canvas->table[channel][v] = after[canvas->table[channel][v]];
}

static enum cnn_status follow_all(struct cnn_canvas *canvas, const uint8_t after[256]) {
    CNN_TRY(begin(canvas));
    for (int k = 0; k < 3; k++)
        follow(canvas, k, after);
    return CNN_OK;
}

static uint8_t cut_off(double value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); }

// base + factor * (level - base), in single precision and towards zero as Pillow does.
static enum cnn_status blend(struct cnn_canvas *canvas, int base, double factor) {
    uint8_t after[256];
    for (int v = 0; v < 256; v++)
        after[v] = cut_off((float)base + (float)factor * (float)(v - base));
    return follow_all(canvas, after);
}

enum cnn_status cnn_canvas_brightness(struct cnn_canvas *canvas, double factor) {
    return factor == 1 ? CNN_OK : blend(canvas, 0, factor);
}

enum cnn_status cnn_canvas_contrast(struct cnn_canvas *canvas, double factor) {
    const struct cnn_pixel_loops *loops = cnn_pixel_loops();
    size_t n = (size_t)canvas->h * (size_t)canvas->w;
    if (factor == 1 || n == 0)
        return CNN_OK;
    CNN_TRY(cnn_canvas_finish(canvas));
    uint64_t sum = canvas->c == 3 ? loops->sum_luma(canvas->pixels, n) : loops->sum(canvas->pixels, n);
    return blend(canvas, (int)((double)sum / (double)n + 0.5), factor);
}

enum cnn_status cnn_canvas_gamma(struct cnn_canvas *canvas, double gamma, double gain) {
    uint8_t after[256];
    for (int v = 0; v < 256; v++)
        after[v] = cut_off((256 - 1e-3) * gain * pow(v / 255.0, gamma));
    return follow_all(canvas, after);
}

enum cnn_status cnn_canvas_posterize(struct cnn_canvas *canvas, int bits) {
    uint8_t after[256];
    for (int v = 0; v < 256; v++)
        after[v] = (uint8_t)(v & ~((1 << (8 - bits)) - 1));
    return follow_all(canvas, after);
}

enum cnn_status cnn_canvas_solarize(struct cnn_canvas *canvas, double threshold) {
    uint8_t after[256];
    for (int v = 0; v < 256; v++)
        after[v] = (uint8_t)(v < threshold ? v : 255 - v);
    return follow_all(canvas, after);
}

enum cnn_status cnn_canvas_invert(struct cnn_canvas *canvas) { return cnn_canvas_solarize(canvas, 0); }

// How often each level comes up once the table so far is done, without doing it.
static void count_levels(const struct cnn_canvas *canvas, uint32_t counts[3][256]) {
    uint32_t stored[3][256];
    size_t n = cnn_canvas_bytes(canvas);
    memset(stored, 0, sizeof stored);
    memset(counts, 0, sizeof stored);
    if (canvas->c == 1)
        for (size_t i = 0; i < n; i++)
            stored[0][canvas->pixels[i]]++;
    else
        for (size_t i = 0; i < n; i += 3)
            for (size_t k = 0; k < 3; k++)
                stored[k][canvas->pixels[i + k]]++;
    for (int k = 0; k < canvas->c; k++)
        for (int v = 0; v < 256; v++)
            counts[k][canvas->table[k][v]] += stored[k][v];
}

static void equalizing(uint8_t after[256], const uint32_t counts[256]) {
    uint64_t total = 0;
    uint32_t last = 0;
    int levels = 0;
    for (int v = 0; v < 256; v++) {
        after[v] = (uint8_t)v;
        total += counts[v];
        levels += counts[v] > 0;
        last = counts[v] > 0 ? counts[v] : last;
    }
    uint64_t step = (total - last) / 255, sum = step / 2;
    if (levels < 2 || step == 0)
        return;
    for (int v = 0; v < 256; v++) {
        after[v] = (uint8_t)(sum / step > 255 ? 255 : sum / step);
        sum += counts[v];
    }
}

static void stretching(uint8_t after[256], const uint32_t counts[256]) {
    int low = 0, high = 255;
    while (low < 255 && counts[low] == 0)
        low++;
    while (high > 0 && counts[high] == 0)
        high--;
    double scale = 255.0 / (high - low);
    for (int v = 0; v < 256; v++)
        after[v] = high <= low ? (uint8_t)v : cut_off(v * scale - low * scale);
}

static enum cnn_status follow_counts(struct cnn_canvas *canvas,
                                     void (*make)(uint8_t after[256], const uint32_t counts[256])) {
    uint32_t counts[3][256];
    CNN_TRY(begin(canvas));
    count_levels(canvas, counts);
    for (int k = 0; k < canvas->c; k++) {
        uint8_t after[256];
        make(after, counts[k]);
        follow(canvas, k, after);
    }
    return CNN_OK;
}

enum cnn_status cnn_canvas_equalize(struct cnn_canvas *canvas) { return follow_counts(canvas, equalizing); }

enum cnn_status cnn_canvas_autocontrast(struct cnn_canvas *canvas) {
    return follow_counts(canvas, stretching);
}
