#include "image/border.h"

#include <string.h>

// Line i, of any number, as the one of first..first+n-1 that shows there.
static int source_line(enum cnn_augment_border mode, int i, int first, int n) {
    int period = 2 * n - 2;
    i -= first;
    if (mode == CNN_BORDER_EDGE || n == 1) {
        i = i < 0 ? 0 : i;
        return first + (i < n ? i : n - 1);
    }
    i %= period;
    i = i < 0 ? i + period : i;
    return first + (i < n ? i : period - i);
}

static void source_lines(enum cnn_augment_border mode, int from, int count, int first, int n, int *out_from,
                         int *out_count) {
    int least = first + n, most = first - 1;
    for (int i = from; i < from + count; i++) {
        int line = source_line(mode, i, first, n);
        least = line < least ? line : least;
        most = line > most ? line : most;
    }
    *out_from = least;
    *out_count = most - least + 1;
}

struct cnn_rect cnn_border_source(const struct cnn_border *border, struct cnn_rect rect,
                                  struct cnn_rect content) {
    struct cnn_rect out;
    if (border->mode == CNN_BORDER_CONSTANT || content.w == 0 || cnn_rect_contains(content, rect))
        return cnn_rect_common(rect, content);
    source_lines(border->mode, rect.x, rect.w, content.x, content.w, &out.x, &out.w);
    source_lines(border->mode, rect.y, rect.h, content.y, content.h, &out.y, &out.h);
    return out;
}

void cnn_border_fill(uint8_t out[3], const struct cnn_border *border, int c) {
    const struct cnn_view view = {border->fill, 3, 1, 1, 3};
    memcpy(out, border->fill, 3);
    if (c == 1) {
        cnn_pixels_copy(out, 1, 1, &view, false);
        out[1] = out[2] = out[0];
    }
}

static void copy_constant(uint8_t *out, size_t stride, const struct cnn_border *border, struct cnn_rect rect,
                          struct cnn_rect inside, const struct cnn_view *source) {
    size_t c = (size_t)source->c, bytes = (size_t)rect.w * c;
    uint8_t fill[3];
    cnn_border_fill(fill, border, source->c);
    for (size_t i = 0; i < bytes; i++)
        out[i] = fill[i % c];
    for (int y = 1; y < rect.h; y++)
        memcpy(out + (size_t)y * stride, out, bytes);
    if (inside.w > 0)
        cnn_pixels_copy(out + (size_t)(inside.y - rect.y) * stride + (size_t)(inside.x - rect.x) * c, stride,
                        source->c, source, false);
}

void cnn_border_copy(uint8_t *out, size_t stride, const struct cnn_border *border, struct cnn_rect rect,
                     struct cnn_rect content, const struct cnn_view *source) {
    struct cnn_rect box = cnn_border_source(border, rect, content);
    size_t c = (size_t)source->c;
    if (border->mode == CNN_BORDER_CONSTANT || content.w == 0) {
        copy_constant(out, stride, border, rect, box, source);
        return;
    }
    struct cnn_rect middle = cnn_rect_common(rect, content); // columns that are copied as they are
    for (int y = 0; y < rect.h; y++) {
        int from_y = source_line(border->mode, rect.y + y, content.y, content.h);
        const uint8_t *from = source->pixels + (size_t)(from_y - box.y) * source->stride;
        uint8_t *to = out + (size_t)y * stride;
        for (int x = rect.x; x < rect.x + rect.w; x++, to += c) {
            if (middle.w > 0 && x == middle.x) {
                memcpy(to, from + (size_t)(x - box.x) * c, (size_t)middle.w * c);
                to += (size_t)(middle.w - 1) * c;
                x += middle.w - 1;
                continue;
            }
            int from_x = source_line(border->mode, x, content.x, content.w);
            memcpy(to, from + (size_t)(from_x - box.x) * c, c);
        }
    }
}
