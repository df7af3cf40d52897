// A stored record, whatever its encoding, as upright pixels of which any rectangle can be read.
#ifndef CNN_IMAGE_SOURCE_H
#define CNN_IMAGE_SOURCE_H
#include "image/decode_jpeg.h"
#include "image/decode_png.h"

struct cnn_source {
    enum cnn_encoding encoding;
    int h, w, c;     // upright; c is 1 or 3
    int orientation; // EXIF
    double open_s;   // what opening took; JPEG and PNG only
    union {
        struct cnn_jpeg jpeg;
        struct cnn_png png;
        struct cnn_view raw;
    };
};

// Reads the header. `stored` as for cnn_policy_apply. Closes itself where it fails.
enum cnn_status cnn_source_open(struct cnn_source *source, const void *data, size_t bytes,
                                const struct cnn_image_info *stored) CNN_MUST_CHECK;
// Pixels that lie in memory, h * w * c contiguous bytes. Needs no close.
void cnn_source_init_raw(struct cnn_source *source, const uint8_t *pixels, int h, int w, int c);
// The largest shift <= 3 for which cnn_source_read may be asked and w x h shrunk by 2^shift is still at least
// out_w x out_h.
int cnn_source_shift(const struct cnn_source *source, int w, int h, int out_w, int out_h);
// The pixels of `rect` (not empty, inside the picture shrunk by 2^shift) in min(source->c, channels)
// channels; they lie in `scratch` or in the record itself. Once per open.
enum cnn_status cnn_source_read(struct cnn_source *source, struct cnn_rect rect, int shift, int channels,
                                struct cnn_image_scratch *scratch, struct cnn_view *out) CNN_MUST_CHECK;
void cnn_source_close(struct cnn_source *source);

#endif
