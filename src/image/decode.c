#include "base/memory.h"
#include "image/source.h"

#include <stdlib.h>

static struct cnn_image_info info_of(const struct cnn_source *source) {
    return (struct cnn_image_info){source->encoding, source->h, source->w, source->c};
}

enum cnn_status cnn_image_probe(struct cnn_image_info *out, const void *data, size_t bytes) {
    struct cnn_source source;
    CNN_TRY(cnn_source_open(&source, data, bytes, NULL));
    *out = info_of(&source);
    cnn_source_close(&source);
    return CNN_OK;
}

static enum cnn_status decode_whole(uint8_t **out, struct cnn_source *source, int channels,
                                    struct cnn_image_scratch *scratch) {
    struct cnn_rect whole = {0, 0, source->w, source->h};
    struct cnn_view view;
    CNN_TRY(cnn_source_read(source, whole, 0, channels, scratch, &view));
    if (source->encoding == CNN_ENCODING_JPEG)
        CNN_TRY(cnn_jpeg_finish(&source->jpeg));
    size_t stride = (size_t)source->w * (size_t)channels;
    uint8_t *pixels = NULL;
    CNN_TRY(cnn_malloc(&pixels, (size_t)source->h, stride));
    cnn_pixels_copy(pixels, stride, channels, &view, false);
    *out = pixels;
    return CNN_OK;
}

enum cnn_status cnn_image_decode(uint8_t **out, struct cnn_image_info *out_info, const void *data,
                                 size_t bytes, int channels) {
    struct cnn_image_scratch scratch = {0};
    struct cnn_source source;
    if (channels != 1 && channels != 3)
        return cnn_fail(CNN_ERR_INPUT, "images are decoded to 1 or 3 channels, not %d", channels);
    CNN_TRY(cnn_source_open(&source, data, bytes, NULL));
    struct cnn_image_info info = info_of(&source);
    enum cnn_status status = decode_whole(out, &source, channels, &scratch);
    cnn_source_close(&source);
    cnn_image_scratch_finish(&scratch);
    if (status == CNN_OK && out_info)
        *out_info = info;
    return status;
}
