// Operations that mix the channels of a pixel.
#include "image/canvas.h"
#include "image/loops.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

static size_t count_of(const struct cnn_canvas *canvas) { return (size_t)canvas->h * (size_t)canvas->w; }

enum cnn_status cnn_canvas_saturation(struct cnn_canvas *canvas, double factor) {
    if (canvas->c == 1 || factor == 1)
        return CNN_OK;
    CNN_TRY(cnn_canvas_finish(canvas));
    cnn_pixel_loops()->saturate(canvas->pixels, count_of(canvas), (float)factor);
    return CNN_OK;
}

enum cnn_status cnn_canvas_hue(struct cnn_canvas *canvas, double turn) {
    if (canvas->c == 1 || turn == 0)
        return CNN_OK;
    CNN_TRY(cnn_canvas_finish(canvas));
    cnn_pixel_loops()->turn_hue(canvas->pixels, count_of(canvas), (float)turn);
    return CNN_OK;
}

enum cnn_status cnn_canvas_gray(struct cnn_canvas *canvas) {
    if (canvas->c == 1)
        return CNN_OK;
    CNN_TRY(cnn_canvas_finish(canvas));
    cnn_pixel_loops()->gray(canvas->pixels, count_of(canvas));
    return CNN_OK;
}

enum cnn_status cnn_canvas_permute(struct cnn_canvas *canvas, const int order[3]) {
    if (canvas->c == 1)
        return CNN_OK;
    CNN_TRY(cnn_canvas_finish(canvas));
    uint8_t *rgb = canvas->pixels;
    for (size_t i = 0; i < count_of(canvas); i++, rgb += 3) {
        uint8_t old[3] = {rgb[0], rgb[1], rgb[2]};
        for (int k = 0; k < 3; k++)
            rgb[k] = old[order[k]];
    }
    return CNN_OK;
}

static float linear[256]; // light of the levels of sRGB

static void make_linear(void) {
    for (int v = 0; v < 256; v++) {
        double level = v / 255.0;
        linear[v] = (float)(level <= 0.04045 ? level / 12.92 : pow((level + 0.055) / 1.055, 2.4));
    }
}

static uint8_t rounded(float value) {
    value = value < 0 ? 0 : value;
    return (uint8_t)(value > 255 ? 255 : value + 0.5f);
}

static void write_lab(uint8_t *out, float l, float a, float b) {
    out[0] = rounded(l * (255.0f / 100));
    out[1] = rounded(a + 128);
    out[2] = rounded(b + 128);
}

static void write_hcl(uint8_t *out, float l, float a, float b) {
    float turn = atan2f(b, a) * (float)(128 / 3.14159265358979323846);
    out[0] = (uint8_t)((int)floorf(turn + 0.5f) & 255);
    out[1] = rounded(sqrtf(a * a + b * b) * (255.0f / 134));
    out[2] = rounded(l * (255.0f / 100));
}

#define CHUNK 256

static enum cnn_status convert(struct cnn_canvas *canvas,
                               void (*write)(uint8_t *out, float l, float a, float b)) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const struct cnn_pixel_loops *loops = cnn_pixel_loops();
    float lab[3 * CHUNK];
    if (canvas->c == 1)
        return CNN_OK;
    CNN_TRY(cnn_canvas_finish(canvas));
    pthread_once(&once, make_linear);
    for (size_t at = 0, n; at < count_of(canvas); at += n) {
        uint8_t *rgb = canvas->pixels + 3 * at;
        n = count_of(canvas) - at < CHUNK ? count_of(canvas) - at : CHUNK;
        loops->lab(lab, rgb, n, linear);
        for (size_t i = 0; i < n; i++)
            write(rgb + 3 * i, lab[i], lab[n + i], lab[2 * n + i]);
    }
    return CNN_OK;
}

enum cnn_status cnn_canvas_lab(struct cnn_canvas *canvas) { return convert(canvas, write_lab); }

enum cnn_status cnn_canvas_hcl(struct cnn_canvas *canvas) { return convert(canvas, write_hcl); }
