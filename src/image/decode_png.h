// One PNG file being decoded with libpng: its header, then a rectangle of its pixels as stored (not turned
// upright), as 8-bit gray or RGB, alpha dropped. A file may end anywhere after its last pixel.
#ifndef CNN_IMAGE_DECODE_PNG_H
#define CNN_IMAGE_DECODE_PNG_H
#include "image/pixels.h"

#include <png.h>

struct cnn_png {
    png_structp reader;
    png_infop info;
    const uint8_t *data;
    size_t bytes, at;
    bool ended; // more was read than there is
    char reason[128];
    int orientation; // EXIF, 1..8
    int w, h, c;     // as stored; c is 1 or 3
};

// The size and channels in a PNG's first bytes, checked as cnn_png_open does, without libpng.
enum cnn_status cnn_png_header(const void *data, size_t bytes, int *out_w, int *out_h,
                               int *out_c) CNN_MUST_CHECK;

// Reads what stands before the pixels. `data` is borrowed until close. *png must be closed whether this
// succeeds or not.
enum cnn_status cnn_png_open(struct cnn_png *png, const void *data, size_t bytes) CNN_MUST_CHECK;
// Decodes down to the last row of `rect`, which *out shows, lying in `buffer`. Once per open.
enum cnn_status cnn_png_read(struct cnn_png *png, struct cnn_rect rect, struct cnn_image_buffer *buffer,
                             struct cnn_view *out) CNN_MUST_CHECK;
void cnn_png_close(struct cnn_png *png);

#endif
