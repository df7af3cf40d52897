// Rectangles of pixels and the moves on them that need no neighbours: copy, mirror, turn upright, gray <->
// colour.
#ifndef CNN_IMAGE_PIXELS_H
#define CNN_IMAGE_PIXELS_H
#include "image/image.h"

struct cnn_rect {
    int x, y, w, h;
};
// The common part; w and h are 0 where there is none.
struct cnn_rect cnn_rect_common(struct cnn_rect a, struct cnn_rect b);
bool cnn_rect_contains(struct cnn_rect outer, struct cnn_rect inner);

// Borrowed pixels: h rows of w * c bytes, `stride` bytes apart.
struct cnn_view {
    const uint8_t *pixels;
    size_t stride;
    int h, w, c;
};
struct cnn_view cnn_view_part(const struct cnn_view *view, struct cnn_rect part);

// Makes room for `bytes`; what the buffer held is lost when it grows.
enum cnn_status cnn_image_buffer_reserve(struct cnn_image_buffer *buffer, size_t bytes) CNN_MUST_CHECK;

// Copies `in` to rows of `channels` bytes a pixel, `out_stride` bytes apart, mirrored left to right where
// `flip`. Gray is replicated to colour; colour becomes luma, (19595 R + 38470 G + 7471 B) / 65536 rounded, as
// in PIL.
void cnn_pixels_copy(uint8_t *out, size_t out_stride, int channels, const struct cnn_view *in, bool flip);

// EXIF orientation 1..8 (TIFF 6.0, tag 274). Rectangles and sizes: where upright pixels are stored in a
// stored_w x stored_h picture.
bool cnn_orientation_swaps(int orientation); // width and height trade places
struct cnn_rect cnn_orientation_stored(int orientation, struct cnn_rect upright, int stored_w, int stored_h);
// Turns the stored pixels `in` upright; rows of `out` are contiguous.
void cnn_pixels_upright(uint8_t *out, const struct cnn_view *in, int orientation);

#endif
