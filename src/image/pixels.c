#include "image/pixels.h"

#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

static int least(int a, int b) { return a < b ? a : b; }

static int most(int a, int b) { return a > b ? a : b; }

struct cnn_rect cnn_rect_common(struct cnn_rect a, struct cnn_rect b) {
    int x = most(a.x, b.x), y = most(a.y, b.y);
    int w = least(a.x + a.w, b.x + b.w) - x, h = least(a.y + a.h, b.y + b.h) - y;
    if (w <= 0 || h <= 0)
        w = h = 0;
    return (struct cnn_rect){x, y, w, h};
}

bool cnn_rect_contains(struct cnn_rect outer, struct cnn_rect inner) {
    return inner.x >= outer.x && inner.y >= outer.y && inner.x + inner.w <= outer.x + outer.w &&
           inner.y + inner.h <= outer.y + outer.h;
}

struct cnn_view cnn_view_part(const struct cnn_view *view, struct cnn_rect part) {
    struct cnn_view result = *view;
    result.pixels += (size_t)part.y * view->stride + (size_t)part.x * (size_t)view->c;
    result.w = part.w;
    result.h = part.h;
    return result;
}

enum cnn_status cnn_image_buffer_reserve(struct cnn_image_buffer *buffer, size_t bytes) {
    if (bytes <= buffer->bytes)
        return CNN_OK;
    size_t rounded = cnn_align_up(bytes, 64 << 10); // so that slightly larger pictures do not allocate again
    void *data = NULL;
    CNN_TRY(cnn_malloc(&data, rounded, 1));
    free(buffer->data);
    *buffer = (struct cnn_image_buffer){data, rounded};
    return CNN_OK;
}

void cnn_image_scratch_finish(struct cnn_image_scratch *scratch) {
    struct cnn_image_buffer *const buffers[] = {
        &scratch->pixels,   &scratch->upright,  &scratch->resampled, &scratch->lanes,
        &scratch->filters,  &scratch->padded,   &scratch->canvas[0], &scratch->canvas[1],
        &scratch->parts[0], &scratch->parts[1], &scratch->spare,     &scratch->sums,
    };
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        free(buffers[i]->data);
        *buffers[i] = (struct cnn_image_buffer){0};
    }
}

// One row of w pixels, in order or mirrored.
typedef void (*copy_row)(uint8_t *out, const uint8_t *in, int w);

static uint8_t luma(const uint8_t *rgb) {
    return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

static void same_gray(uint8_t *out, const uint8_t *in, int w) { memcpy(out, in, (size_t)w); }

static void same_colour(uint8_t *out, const uint8_t *in, int w) { memcpy(out, in, (size_t)w * 3); }

static void mirror_gray(uint8_t *out, const uint8_t *in, int w) {
    for (int x = 0; x < w; x++)
        out[x] = in[w - 1 - x];
}

static void mirror_colour(uint8_t *out, const uint8_t *in, int w) {
    const uint8_t *from = in + (size_t)w * 3;
    for (int x = 0; x < w; x++) {
        from -= 3;
        out[0] = from[0];
        out[1] = from[1];
        out[2] = from[2];
        out += 3;
    }
}

static void replicate(uint8_t *out, const uint8_t *in, int w) {
    for (int x = 0; x < w; x++)
        out[3 * x] = out[3 * x + 1] = out[3 * x + 2] = in[x];
}

static void mirror_replicate(uint8_t *out, const uint8_t *in, int w) {
    for (int x = 0; x < w; x++)
        out[3 * x] = out[3 * x + 1] = out[3 * x + 2] = in[w - 1 - x];
}

static void to_luma(uint8_t *out, const uint8_t *in, int w) {
    for (int x = 0; x < w; x++)
        out[x] = luma(in + 3 * x);
}

static void mirror_to_luma(uint8_t *out, const uint8_t *in, int w) {
    for (int x = 0; x < w; x++)
        out[x] = luma(in + 3 * (w - 1 - x));
}

void cnn_pixels_copy(uint8_t *out, size_t out_stride, int channels, const struct cnn_view *in, bool flip) {
    static const copy_row rows[2][2][2] = {
        // [from colour][to colour][flip]
        {{same_gray, mirror_gray}, {replicate, mirror_replicate}},
        {{to_luma, mirror_to_luma}, {same_colour, mirror_colour}},
    };
    copy_row copy = rows[in->c == 3][channels == 3][flip];
    for (int y = 0; y < in->h; y++)
        copy(out + (size_t)y * out_stride, in->pixels + (size_t)y * in->stride, in->w);
}

bool cnn_orientation_swaps(int orientation) { return orientation >= 5; }

// After the swap of x and y, these orientations run against the stored columns or rows.
static bool mirrors_columns(int orientation) {
    return orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
}

static bool mirrors_rows(int orientation) {
    return orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
}

struct cnn_rect cnn_orientation_stored(int orientation, struct cnn_rect upright, int stored_w, int stored_h) {
    struct cnn_rect at = upright;
    if (cnn_orientation_swaps(orientation))
        at = (struct cnn_rect){upright.y, upright.x, upright.h, upright.w};
    if (mirrors_columns(orientation))
        at.x = stored_w - at.x - at.w;
    if (mirrors_rows(orientation))
        at.y = stored_h - at.y - at.h;
    return at;
}

void cnn_pixels_upright(uint8_t *out, const struct cnn_view *in, int orientation) {
    bool swap = cnn_orientation_swaps(orientation);
    int w = swap ? in->h : in->w, h = swap ? in->w : in->h;
    // Steps in the stored picture for one pixel to the right and one down in the upright one.
    ptrdiff_t along = mirrors_columns(orientation) ? -in->c : in->c;
    ptrdiff_t across = mirrors_rows(orientation) ? -(ptrdiff_t)in->stride : (ptrdiff_t)in->stride;
    const uint8_t *first = in->pixels;
    if (along < 0)
        first += (size_t)(in->w - 1) * (size_t)in->c;
    if (across < 0)
        first += (size_t)(in->h - 1) * in->stride;
    for (int y = 0; y < h; y++) {
        const uint8_t *from = first + y * (swap ? along : across);
        for (int x = 0; x < w; x++, from += swap ? across : along)
            for (int c = 0; c < in->c; c++)
                *out++ = from[c];
    }
}
