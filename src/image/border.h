// What shows beyond the edge of a picture: a colour, its outermost pixels, or itself mirrored there.
#ifndef CNN_IMAGE_BORDER_H
#define CNN_IMAGE_BORDER_H
#include "image/pixels.h"

struct cnn_border {
    enum cnn_augment_border mode;
    uint8_t fill[3]; // CNN_BORDER_CONSTANT
};

// The least rectangle inside `content` that `rect` shows pixels of; empty where it shows none.
struct cnn_rect cnn_border_source(const struct cnn_border *border, struct cnn_rect rect,
                                  struct cnn_rect content);
// Fills rows of `out`, rect.w pixels each, `stride` bytes apart, with what `rect` shows. `source` holds the
// pixels of cnn_border_source.
void cnn_border_copy(uint8_t *out, size_t stride, const struct cnn_border *border, struct cnn_rect rect,
                     struct cnn_rect content, const struct cnn_view *source);
// The fill for pictures of c channels: its luma for 1.
void cnn_border_fill(uint8_t out[3], const struct cnn_border *border, int c);

#endif
