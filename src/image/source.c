#include "image/source.h"

#include "base/clock.h"

#include <string.h>

#define MAX_SHIFT 3

const char *cnn_encoding_name(enum cnn_encoding encoding) {
    static const char *const names[] = {
        [CNN_ENCODING_JPEG] = "jpeg", [CNN_ENCODING_PNG] = "png", [CNN_ENCODING_RAW] = "raw"};
    return names[encoding];
}

void cnn_source_init_raw(struct cnn_source *source, const uint8_t *pixels, int h, int w, int c) {
    source->encoding = CNN_ENCODING_RAW;
    source->h = h;
    source->w = w;
    source->c = c;
    source->orientation = 1;
    source->raw = (struct cnn_view){pixels, (size_t)w * (size_t)c, h, w, c};
}

static enum cnn_status open_raw(struct cnn_source *source, const void *data, size_t bytes,
                                const struct cnn_image_info *stored) {
    uint64_t pixels = (uint64_t)stored->h * (uint64_t)stored->w;
    if (stored->h < 1 || stored->w < 1 || pixels > CNN_MAX_PIXELS || (stored->c != 1 && stored->c != 3))
        return cnn_fail(CNN_ERR_INPUT, "raw pixels: %d x %d x %d is not a valid image size", stored->h,
                        stored->w, stored->c);
    if (bytes != pixels * (uint64_t)stored->c)
        return cnn_fail(CNN_ERR_INPUT, "raw pixels: found %zu bytes, expected %d x %d x %d", bytes, stored->h,
                        stored->w, stored->c);
    cnn_source_init_raw(source, data, stored->h, stored->w, stored->c);
    return CNN_OK;
}

static void set_upright(struct cnn_source *source, int stored_h, int stored_w, int c, int orientation) {
    bool swap = cnn_orientation_swaps(orientation);
    source->h = swap ? stored_w : stored_h;
    source->w = swap ? stored_h : stored_w;
    source->c = c;
    source->orientation = orientation;
}

static enum cnn_status open_jpeg(struct cnn_source *source, const void *data, size_t bytes) {
    struct cnn_jpeg *jpeg = &source->jpeg;
    source->encoding = CNN_ENCODING_JPEG;
    CNN_TRY(cnn_jpeg_open(jpeg, data, bytes));
    set_upright(source, jpeg->h, jpeg->w, jpeg->c, jpeg->orientation);
    return CNN_OK;
}

static enum cnn_status open_png(struct cnn_source *source, const void *data, size_t bytes) {
    struct cnn_png *png = &source->png;
    source->encoding = CNN_ENCODING_PNG;
    CNN_TRY(cnn_png_open(png, data, bytes));
    set_upright(source, png->h, png->w, png->c, png->orientation);
    return CNN_OK;
}

// The kind of file, by its first bytes; RAW stands for none of those we decode.
static enum cnn_encoding sniff(const void *data, size_t bytes) {
    if (bytes >= 3 && memcmp(data, "\xFF\xD8\xFF", 3) == 0)
        return CNN_ENCODING_JPEG;
    if (bytes >= 8 && memcmp(data, "\x89PNG\r\n\x1A\n", 8) == 0)
        return CNN_ENCODING_PNG;
    return CNN_ENCODING_RAW;
}

bool cnn_image_has_signature(const void *data, size_t bytes) {
    return sniff(data, bytes) != CNN_ENCODING_RAW;
}

static enum cnn_status fail_unknown(const void *data, size_t bytes) {
    static const struct {
        size_t at, n;
        const char *magic, *name;
    } kinds[] = {{0, 4, "GIF8", "a GIF"},   {0, 2, "BM", "a BMP"},     {8, 4, "WEBP", "a WebP"},
                 {0, 4, "II*\0", "a TIFF"}, {0, 4, "MM\0*", "a TIFF"}, {4, 4, "ftyp", "a HEIF or AVIF"}};
    if (bytes == 0)
        return cnn_fail(CNN_ERR_INPUT, "an empty file, not a JPEG or PNG");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (bytes >= kinds[i].at + kinds[i].n &&
            memcmp((const char *)data + kinds[i].at, kinds[i].magic, kinds[i].n) == 0)
            return cnn_fail(CNN_ERR_INPUT, "%s image; only JPEG and PNG are supported, convert it first",
                            kinds[i].name);
    return cnn_fail(CNN_ERR_INPUT, "not a JPEG or PNG file");
}

enum cnn_status cnn_source_open(struct cnn_source *source, const void *data, size_t bytes,
                                const struct cnn_image_info *stored) {
    enum cnn_status status;
    if (stored && stored->encoding == CNN_ENCODING_RAW)
        return open_raw(source, data, bytes, stored);
    double begun = cnn_clock_s();
    switch (sniff(data, bytes)) {
    case CNN_ENCODING_JPEG:
        status = open_jpeg(source, data, bytes);
        break;
    case CNN_ENCODING_PNG:
        status = open_png(source, data, bytes);
        break;
    default:
        return fail_unknown(data, bytes);
    }
    if (status != CNN_OK)
        cnn_source_close(source);
    source->open_s = cnn_clock_s() - begun;
    return status;
}

void cnn_source_close(struct cnn_source *source) {
    if (source->encoding == CNN_ENCODING_JPEG)
        cnn_jpeg_close(&source->jpeg);
    else if (source->encoding == CNN_ENCODING_PNG)
        cnn_png_close(&source->png);
}

int cnn_source_shift(const struct cnn_source *source, int w, int h, int out_w, int out_h) {
    int shift = 0;
    // A turned picture's grid of shrunk pixels would start at its other end: not worth the care.
    if (source->encoding != CNN_ENCODING_JPEG || source->orientation != 1)
        return 0;
    while (shift < MAX_SHIFT && w >> (shift + 1) >= out_w && h >> (shift + 1) >= out_h)
        shift++;
    return shift;
}

static enum cnn_status read_stored(struct cnn_source *source, struct cnn_rect rect, int shift,
                                   struct cnn_image_scratch *scratch, struct cnn_view *out) {
    if (source->encoding == CNN_ENCODING_RAW) {
        *out = cnn_view_part(&source->raw, rect);
        return CNN_OK;
    }
    double begun = cnn_clock_s();
    enum cnn_status status = source->encoding == CNN_ENCODING_JPEG
                                 ? cnn_jpeg_read(&source->jpeg, rect, shift, &scratch->pixels, out)
                                 : cnn_png_read(&source->png, rect, &scratch->pixels, out);
    scratch->decode_s += source->open_s + cnn_clock_s() - begun;
    return status;
}

// Luma and turning both go through `upright`: luma in place first, which makes rows shorter.
static enum cnn_status turn(struct cnn_source *source, int channels, struct cnn_image_scratch *scratch,
                            struct cnn_view *view) {
    size_t bytes = (size_t)view->w * (size_t)view->h * (size_t)view->c;
    bool to_gray = view->c == 3 && channels == 1;
    CNN_TRY(cnn_image_buffer_reserve(&scratch->upright, to_gray ? 2 * bytes : bytes));
    uint8_t *first = scratch->upright.data;
    if (to_gray) {
        cnn_pixels_copy(first, (size_t)view->w, 1, view, false);
        *view = (struct cnn_view){first, (size_t)view->w, view->h, view->w, 1};
        first += bytes;
    }
    if (source->orientation != 1) {
        bool swap = cnn_orientation_swaps(source->orientation);
        cnn_pixels_upright(first, view, source->orientation);
        int w = swap ? view->h : view->w, h = swap ? view->w : view->h;
        *view = (struct cnn_view){first, (size_t)w * (size_t)view->c, h, w, view->c};
    }
    return CNN_OK;
}

enum cnn_status cnn_source_read(struct cnn_source *source, struct cnn_rect rect, int shift, int channels,
                                struct cnn_image_scratch *scratch, struct cnn_view *out) {
    bool swap = cnn_orientation_swaps(source->orientation);
    int stored_w = swap ? source->h : source->w, stored_h = swap ? source->w : source->h;
    struct cnn_rect stored = cnn_orientation_stored(source->orientation, rect, stored_w, stored_h);
    CNN_TRY(read_stored(source, source->orientation == 1 ? rect : stored, shift, scratch, out));
    if (source->orientation != 1 || (source->c == 3 && channels == 1))
        return turn(source, channels, scratch, out);
    return CNN_OK;
}
