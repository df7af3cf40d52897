// Operations that draw for every pixel. Their numbers are the blocks that a sequence of draws has not begun.
#include "image/canvas.h"
#include "image/loops.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#define BLOCKS 256 // made at a time

struct stream {
    const struct cnn_draws *draws;
    uint32_t next; // block
    union {
        uint32_t words[4 * BLOCKS];
        uint16_t halves[8 * BLOCKS];
        uint8_t bytes[16 * BLOCKS];
    };
};

static void stream_init(struct stream *stream, const struct cnn_draws *draws) {
    stream->draws = draws;
    stream->next = draws->counter[0];
}

static void stream_fill(struct stream *stream, size_t bytes) {
    size_t blocks = (bytes + 15) / 16;
    cnn_pixel_loops()->philox(stream->words, blocks, stream->next, stream->draws->counter + 1,
                              stream->draws->key);
    stream->next += (uint32_t)blocks;
}

// Deviations of the upper half of a normal distribution, at the middles of equally probable parts.
static float deviations[CNN_NOISE_LEVELS];

static void make_deviations(void) {
    double z = 0, squares = 0;
    for (int i = 0; i < CNN_NOISE_LEVELS; i++) {
        double wanted = (i + 0.5) / CNN_NOISE_LEVELS; // Newton's steps come from below and never overshoot
        for (int step = 0; step < 30; step++)
            z += (wanted - erf(z * M_SQRT1_2)) / (sqrt(2 / M_PI) * exp(-0.5 * z * z));
        deviations[i] = (float)z;
        squares += z * z;
    }
    double scale = 1 / sqrt(squares / CNN_NOISE_LEVELS);
    for (int i = 0; i < CNN_NOISE_LEVELS; i++)
        deviations[i] = (float)(deviations[i] * scale);
}

enum cnn_status cnn_canvas_noise(struct cnn_canvas *canvas, double mean, double sigma,
                                 const struct cnn_draws *draws) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    float scaled[CNN_NOISE_LEVELS];
    struct stream stream;
    CNN_TRY(cnn_canvas_finish(canvas));
    pthread_once(&once, make_deviations);
    for (int i = 0; i < CNN_NOISE_LEVELS; i++)
        scaled[i] = (float)(deviations[i] * sigma * 255);
    stream_init(&stream, draws);
    for (size_t at = 0, n, bytes = cnn_canvas_bytes(canvas); at < bytes; at += n) {
        n = bytes - at < 8 * BLOCKS ? bytes - at : 8 * BLOCKS;
        stream_fill(&stream, 2 * n);
        cnn_pixel_loops()->add_noise(canvas->pixels + at, stream.halves, n, scaled,
                                     (float)(mean * 255 + 0.5));
    }
    return CNN_OK;
}

enum cnn_status cnn_canvas_salt_pepper(struct cnn_canvas *canvas, double amount, double salt,
                                       const struct cnn_draws *draws) {
    struct stream stream;
    size_t pixels = (size_t)canvas->h * (size_t)canvas->w, c = (size_t)canvas->c;
    uint64_t hit = (uint64_t)(amount * 0x1p32), white = (uint64_t)(amount * salt * 0x1p32);
    CNN_TRY(cnn_canvas_finish(canvas));
    stream_init(&stream, draws);
    for (size_t at = 0, n; at < pixels; at += n) {
        n = pixels - at < 4 * BLOCKS ? pixels - at : 4 * BLOCKS;
        stream_fill(&stream, 4 * n);
        for (size_t i = 0; i < n; i++)
            if (stream.words[i] < hit)
                memset(canvas->pixels + (at + i) * c, stream.words[i] < white ? 255 : 0, c);
    }
    return CNN_OK;
}

static void fill_row(uint8_t *row, int w, int c, const uint8_t value[3]) {
    for (int x = 0; x < w; x++)
        for (int k = 0; k < c; k++)
            row[x * c + k] = value[k];
}

static void draw_row(uint8_t *row, size_t bytes, struct stream *stream) {
    for (size_t at = 0, n; at < bytes; at += n) {
        n = bytes - at < sizeof stream->bytes ? bytes - at : sizeof stream->bytes;
        stream_fill(stream, n);
        memcpy(row + at, stream->bytes, n);
    }
}

enum cnn_status cnn_canvas_erase(struct cnn_canvas *canvas, struct cnn_rect rect, const uint8_t value[3],
                                 const struct cnn_draws *draws) {
    struct stream stream;
    struct cnn_rect part = cnn_rect_common(rect, (struct cnn_rect){0, 0, canvas->w, canvas->h});
    size_t c = (size_t)canvas->c, stride = (size_t)canvas->w * c;
    CNN_TRY(cnn_canvas_finish(canvas));
    if (draws)
        stream_init(&stream, draws);
    for (int y = part.y; y < part.y + part.h; y++) {
        uint8_t *row = canvas->pixels + (size_t)y * stride + (size_t)part.x * c;
        if (draws)
            draw_row(row, (size_t)part.w * c, &stream);
        else
            fill_row(row, part.w, canvas->c, value);
    }
    return CNN_OK;
}
