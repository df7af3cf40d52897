// Operations that look at a pixel's neighbours.
#include "image/canvas.h"
#include "image/loops.h"

#include <math.h>
#include <string.h>

enum cnn_status cnn_canvas_sharpness(struct cnn_canvas *canvas, double factor) {
    const uint8_t *from;
    size_t stride = (size_t)canvas->w * (size_t)canvas->c;
    if (factor == 1 || canvas->h < 3 || canvas->w < 3)
        return CNN_OK;
    CNN_TRY(cnn_canvas_finish(canvas));
    CNN_TRY(cnn_canvas_copy(canvas, &from));
    for (int y = 1; y < canvas->h - 1; y++) { // the outermost pixels stay
        const uint8_t *row = from + (size_t)y * stride + canvas->c;
        uint8_t *out = canvas->pixels + (size_t)y * stride + canvas->c;
        cnn_pixel_loops()->sharpen(out, row - stride, row, row + stride, stride - 2 * (size_t)canvas->c,
                                   canvas->c, (float)factor);
    }
    return CNN_OK;
}

#define MAX_TAPS 127

static void weigh(float *weights, int taps, double sigma) {
    double sum = 0, weight[MAX_TAPS];
    for (int t = 0; t < taps; t++) {
        double x = (t - taps / 2) / sigma;
        weight[t] = exp(-0.5 * x * x);
        sum += weight[t];
    }
    for (int t = 0; t < taps; t++)
        weights[t] = (float)(weight[t] / sum);
}

// Where line i of n is found when the picture is mirrored at its outermost lines, again and again.
static int mirrored(int i, int n) {
    int period = 2 * n - 2;
    if (n == 1)
        return 0;
    i %= period;
    i = i < 0 ? i + period : i;
    return i < n ? i : period - i;
}

// The border to both sides of a row whose pixels begin at `row`.
static void mirror_sides(float *row, int w, int c, int radius) {
    for (int x = 1; x <= radius; x++)
        for (int k = 0; k < c; k++) {
            row[-x * c + k] = row[mirrored(-x, w) * c + k];
            row[(w - 1 + x) * c + k] = row[mirrored(w - 1 + x, w) * c + k];
        }
}

enum cnn_status cnn_canvas_blur(struct cnn_canvas *canvas, int kernel_size, double sigma) {
    const struct cnn_pixel_loops *loops = cnn_pixel_loops();
    float weights[MAX_TAPS];
    const uint8_t *from;
    int c = canvas->c, radius = kernel_size / 2;
    size_t stride = (size_t)canvas->w * (size_t)c, border = (size_t)radius * (size_t)c;
    CNN_TRY(cnn_canvas_finish(canvas));
    CNN_TRY(cnn_canvas_copy(canvas, &from));
    CNN_TRY(cnn_image_buffer_reserve(&canvas->scratch->sums, (stride + 2 * border) * sizeof(float)));
    float *row = canvas->scratch->sums.data;
    weigh(weights, kernel_size, sigma);
    for (int y = 0; y < canvas->h; y++) {
        memset(row + border, 0, stride * sizeof *row);
        for (int t = 0; t < kernel_size; t++)
            loops->accumulate(row + border, from + (size_t)mirrored(y + t - radius, canvas->h) * stride,
                              stride, weights[t]);
        mirror_sides(row + border, canvas->w, c, radius);
        loops->convolve(canvas->pixels + (size_t)y * stride, row, stride, (size_t)c, weights, kernel_size);
    }
    return CNN_OK;
}
