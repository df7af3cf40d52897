#include "image/canvas.h"

#include <string.h>

void cnn_canvas_init(struct cnn_canvas *canvas, uint8_t *pixels, int h, int w, int c,
                     struct cnn_image_scratch *scratch) {
    canvas->pixels = pixels;
    canvas->h = h;
    canvas->w = w;
    canvas->c = c;
    canvas->scratch = scratch;
    canvas->has_table = canvas->has_warp = false;
}

enum cnn_status cnn_canvas_finish(struct cnn_canvas *canvas) {
    CNN_TRY(cnn_canvas_do_warp(canvas));
    return cnn_canvas_do_table(canvas);
}

enum cnn_status cnn_canvas_copy(struct cnn_canvas *canvas, const uint8_t **out) {
    size_t bytes = cnn_canvas_bytes(canvas);
    CNN_TRY(cnn_image_buffer_reserve(&canvas->scratch->spare, bytes));
    memcpy(canvas->scratch->spare.data, canvas->pixels, bytes);
    *out = canvas->scratch->spare.data;
    return CNN_OK;
}

static void swap_rows(uint8_t *a, uint8_t *b, size_t bytes) {
    uint8_t held[256];
    for (size_t at = 0; at < bytes; at += sizeof held) {
        size_t n = bytes - at < sizeof held ? bytes - at : sizeof held;
        memcpy(held, a + at, n);
        memcpy(a + at, b + at, n);
        memcpy(b + at, held, n);
    }
}

static void flip_rows(struct cnn_canvas *canvas) {
    size_t stride = (size_t)canvas->w * (size_t)canvas->c;
    for (int y = 0; y < canvas->h / 2; y++)
        swap_rows(canvas->pixels + (size_t)y * stride, canvas->pixels + (size_t)(canvas->h - 1 - y) * stride,
                  stride);
}

static void flip_columns(struct cnn_canvas *canvas) {
    int c = canvas->c;
    for (int y = 0; y < canvas->h; y++) {
        uint8_t *left = canvas->pixels + (size_t)y * (size_t)canvas->w * (size_t)c;
        uint8_t *right = left + (size_t)(canvas->w - 1) * (size_t)c;
        for (; left < right; left += c, right -= c)
            for (int k = 0; k < c; k++) {
                uint8_t held = left[k];
                left[k] = right[k];
                right[k] = held;
            }
    }
}

// Mirroring and tables do not disturb each other.
enum cnn_status cnn_canvas_flip(struct cnn_canvas *canvas, bool vertical) {
    if (canvas->has_warp) {
        struct cnn_warp mirror = {{vertical ? 1 : -1, 0, vertical ? 0 : canvas->w, 0, vertical ? -1 : 1,
                                   vertical ? canvas->h : 0, 0, 0, 1}};
        return cnn_canvas_warp(canvas, &mirror, canvas->interpolation, canvas->fill);
    }
    if (vertical)
        flip_rows(canvas);
    else
        flip_columns(canvas);
    return CNN_OK;
}
