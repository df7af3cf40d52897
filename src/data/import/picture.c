#include "data/import/picture.h"

#include "image/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_QUALITY 90

// ---- what is there ----

struct magic {
    size_t at, n;
    const char *bytes, *name;
};

static const struct magic foreign[] = {
    {0, 4, "GIF8", "GIF"},
    {0, 2, "BM", "BMP"},
    {8, 4, "WEBP", "WebP"},
    {0, 4, "II*\0", "TIFF"},
    {0, 4, "MM\0*", "TIFF"},
    {0, 4, "II+\0", "BigTIFF"},
    {0, 4, "MM\0+", "BigTIFF"},
    {4, 8, "ftypavif", "AVIF"},
    {4, 8, "ftypavis", "AVIF"},
    {4, 8, "ftypheic", "HEIC"},
    {4, 8, "ftypheix", "HEIC"},
    {4, 8, "ftypmif1", "HEIF"},
    {4, 8, "ftypmsf1", "HEIF"},
    {0, 12, "\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"},
    {0, 2, "\xff\x0a", "JPEG XL"},
    {0, 12, "\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"},
    {0, 4, "\xff\x4f\xff\x51", "JPEG 2000"},
    {0, 4, "8BPS", "Photoshop"},
    {0, 4, "\0\0\1\0", "ICO"},
    {0, 4, "%PDF", "PDF"},
    {0, 5, "<?xml", "XML or SVG"},
    {0, 4, "<svg", "SVG"},
    {0, 4, "\x76\x2f\x31\x01", "OpenEXR"},
    {0, 10, "#?RADIANCE", "Radiance HDR"},
    {0, 4, "PK\3\4", "zip"},
    {0, 2, "\x1f\x8b", "gzip"},
};

static bool starts_with(const uint8_t *data, size_t bytes, size_t at, const char *magic, size_t n) {
    return bytes >= at + n && memcmp(data + at, magic, n) == 0;
}

static enum cnn_status tell_kind(enum cnn_encoding *out, const uint8_t *data, size_t bytes) {
    *out = CNN_ENCODING_JPEG;
    if (bytes == 0)
        return cnn_fail(CNN_ERR_INPUT, "the file is empty");
    if (starts_with(data, bytes, 0, "\xff\xd8\xff", 3))
        return CNN_OK;
    *out = CNN_ENCODING_PNG;
    if (starts_with(data, bytes, 0, "\x89PNG\r\n\x1a\n", 8))
        return CNN_OK;
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (starts_with(data, bytes, foreign[i].at, foreign[i].bytes, foreign[i].n))
            return cnn_fail(CNN_ERR_UNSUPPORTED, "%s is not supported; convert it to JPEG or PNG",
                            foreign[i].name);
    return cnn_fail(CNN_ERR_INPUT, "not a JPEG or PNG image");
}

// ---- its structure, without decoding ----

// What a start-of-frame segment says: the kind of coding in its marker, and bits of a sample in its first
// byte.
static enum cnn_status check_frame(int marker, int precision) {
    if (marker == 0xc9 || marker == 0xca)
        return cnn_fail(CNN_ERR_UNSUPPORTED, "JPEG: arithmetic coding is not supported");
    if (marker > 0xc2)
        return cnn_fail(CNN_ERR_UNSUPPORTED, "JPEG: lossless and hierarchical coding are not supported");
    if (precision != 8)
        return cnn_fail(CNN_ERR_UNSUPPORTED, "JPEG: %d bits per sample are not supported; only 8 bits are",
                        precision);
    return CNN_OK;
}

static bool is_frame(int marker) {
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

// Walks the segments up to the first scan; *out is where it begins.
static enum cnn_status find_scan(size_t *out, const uint8_t *data, size_t bytes) {
    for (size_t at = 2; at + 4 <= bytes;) {
        if (data[at] != 0xff || data[at + 1] == 0xff || data[at + 1] == 0) { // padding, or bytes left between
            at++;
            continue;
        }
        int marker = data[at + 1];
        if (marker == 0xd9)
            return cnn_fail(CNN_ERR_INPUT, "JPEG: the file ends before the image data");
        if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) { // without a length
            at += 2;
            continue;
        }
        size_t length = (size_t)data[at + 2] << 8 | data[at + 3];
        if (is_frame(marker) && at + 5 <= bytes)
            CNN_TRY(check_frame(marker, data[at + 4]));
        at += 2 + length;
        *out = at;
        if (marker == 0xda && at <= bytes)
            return CNN_OK;
    }
    return cnn_fail(CNN_ERR_INPUT, "JPEG: the file is truncated before the image data");
}

// The end-of-image marker is looked for from the end: bytes after it, even whole pictures, do no harm.
static enum cnn_status check_jpeg(const uint8_t *data, size_t bytes) {
    size_t scan = bytes;
    CNN_TRY(find_scan(&scan, data, bytes));
    for (size_t end = bytes; end >= scan + 2;) {
        const uint8_t *found = memrchr(data + scan + 1, 0xd9, end - scan - 1);
        if (!found)
            break;
        if (found[-1] == 0xff)
            return CNN_OK;
        end = (size_t)(found - data);
    }
    return cnn_fail(CNN_ERR_INPUT, "JPEG: the file is truncated");
}

static uint32_t read_u32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is_chunk_type(const uint8_t *p) {
    for (int i = 0; i < 4; i++)
        if ((p[i] | 0x20) < 'a' || (p[i] | 0x20) > 'z')
            return false;
    return true;
}

// A file that ends in its pixels, or just after, may still hold all of them.
static enum cnn_status check_cut_png(const uint8_t *data, size_t bytes) {
    uint8_t *pixels = NULL;
    enum cnn_status status = cnn_image_decode(&pixels, NULL, data, bytes, 1);
    free(pixels);
    return status == CNN_ERR_INPUT ? cnn_fail(status, "PNG: the file is truncated") : status;
}

// Walks the chunks to the end of the pixels.
static enum cnn_status check_png(const uint8_t *data, size_t bytes) {
    bool pixels = false;
    for (size_t at = 8; bytes - at >= 8;) {
        size_t length = read_u32(data + at), rest = bytes - at - 8;
        if (!is_chunk_type(data + at + 4))
            return cnn_fail(CNN_ERR_INPUT, "PNG: damaged at byte %zu", at);
        bool more = memcmp(data + at + 4, "IDAT", 4) == 0;
        if (pixels && !more)
            return CNN_OK;
        pixels = more;
        if (length > rest || rest - length < 4)
            break;
        at += 12 + length;
    }
    return pixels ? check_cut_png(data, bytes) : cnn_fail(CNN_ERR_INPUT, "PNG: the file is truncated");
}

static enum cnn_status check_structure(struct cnn_image_info *out, const uint8_t *data, size_t bytes) {
    CNN_TRY(out->encoding == CNN_ENCODING_JPEG ? check_jpeg(data, bytes) : check_png(data, bytes));
    return cnn_image_probe(out, data, bytes);
}

// ---- another form ----

struct pixels {
    uint8_t *data;
    int h, w, c;
};

// The middle part_h x part_w of `in` resampled to h x w. `out` is malloc'ed.
static enum cnn_status resample(struct pixels *out, const struct pixels *in, double part_h, double part_w,
                                int h, int w) {
    struct cnn_image_scratch scratch = {0};
    struct cnn_filter filters[2];
    const struct cnn_axis axes[2] = {
        {.start = (in->w - part_w) / 2, .stop = (in->w + part_w) / 2, .limit = in->w, .out = w, .count = w},
        {.start = (in->h - part_h) / 2, .stop = (in->h + part_h) / 2, .limit = in->h, .out = h, .count = h}};
    *out = (struct pixels){malloc((size_t)h * (size_t)w * (size_t)in->c), h, w, in->c};
    if (!out->data)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: an image of %d x %d", h, w);
    enum cnn_status status = cnn_filters_create(filters, axes, &scratch);
    if (status == CNN_OK) {
        struct cnn_view whole = {in->data, (size_t)in->w * (size_t)in->c, in->h, in->w, in->c};
        struct cnn_rect read = {filters[0].low, filters[1].low, filters[0].high - filters[0].low,
                                filters[1].high - filters[1].low};
        struct cnn_view view = cnn_view_part(&whole, read);
        status =
            cnn_resample(out->data, (size_t)w * (size_t)in->c, &view, &filters[0], &filters[1], &scratch);
    }
    cnn_image_scratch_finish(&scratch);
    if (status != CNN_OK)
        free(out->data);
    return status;
}

static enum cnn_status replace(struct cnn_bytes *bytes, size_t at, const uint8_t *data, size_t n) {
    bytes->n = at;
    return cnn_bytes_add(bytes, data, n);
}

// A part of the picture's middle that has the form of raw_h x raw_w, as large as can be.
static enum cnn_status make_raw(struct cnn_bytes *bytes, size_t at, const struct pixels *in,
                                const struct cnn_import_options *options) {
    struct pixels out;
    double h = in->h, w = in->w, ratio = (double)options->raw_w / options->raw_h;
    if (w > h * ratio)
        w = h * ratio;
    else
        h = w / ratio;
    CNN_TRY(resample(&out, in, h, w, options->raw_h, options->raw_w));
    enum cnn_status status = replace(bytes, at, out.data, (size_t)out.h * (size_t)out.w * (size_t)out.c);
    free(out.data);
    return status;
}

static int shrunk(int side, int longer, int most) {
    int result = (int)lround((double)side * most / longer);
    return result < 1 ? 1 : result;
}

static enum cnn_status make_jpeg(struct cnn_bytes *bytes, size_t at, const struct pixels *in,
                                 struct cnn_image_info *info, const struct cnn_import_options *options) {
    struct pixels smaller = *in;
    uint8_t *jpeg;
    size_t jpeg_bytes;
    int longer = in->h > in->w ? in->h : in->w, most = options->max_side;
    bool shrink = most > 0 && longer > most;
    if (shrink)
        CNN_TRY(
            resample(&smaller, in, in->h, in->w, shrunk(in->h, longer, most), shrunk(in->w, longer, most)));
    enum cnn_status status =
        cnn_image_encode_jpeg(&jpeg, &jpeg_bytes, smaller.data, smaller.h, smaller.w, smaller.c,
                              options->quality > 0 ? options->quality : DEFAULT_QUALITY);
    if (status == CNN_OK) {
        status = replace(bytes, at, jpeg, jpeg_bytes);
        free(jpeg);
    }
    *info = (struct cnn_image_info){CNN_ENCODING_JPEG, smaller.h, smaller.w, smaller.c};
    if (shrink)
        free(smaller.data);
    return status;
}

static enum cnn_status remake(struct cnn_image_info *info, struct cnn_bytes *bytes, size_t at,
                              const struct cnn_import_options *options) {
    struct pixels pixels = {.c = options->raw_h == 0 ? info->c : options->gray ? 1 : 3};
    CNN_TRY(cnn_image_decode(&pixels.data, info, bytes->data + at, bytes->n - at, pixels.c));
    pixels.h = info->h;
    pixels.w = info->w;
    enum cnn_status status = options->raw_h > 0 ? make_raw(bytes, at, &pixels, options)
                                                : make_jpeg(bytes, at, &pixels, info, options);
    free(pixels.data);
    return status;
}

static bool is_kept(const struct cnn_image_info *info, const struct cnn_import_options *options) {
    int longer = info->h > info->w ? info->h : info->w;
    return options->raw_h == 0 && options->quality == 0 &&
           (options->max_side == 0 || longer <= options->max_side);
}

enum cnn_status cnn_import_picture(struct cnn_image_info *out, struct cnn_bytes *bytes, size_t at,
                                   const struct cnn_import_options *options) {
    const uint8_t *data = bytes->data + at;
    size_t n = bytes->n - at;
    *out = (struct cnn_image_info){0};
    CNN_TRY(tell_kind(&out->encoding, data, n));
    if (options->check == CNN_CHECK_NONE && is_kept(out, options))
        return CNN_OK;
    CNN_TRY(check_structure(out, data, n));
    if (!is_kept(out, options))
        return remake(out, bytes, at, options);
    if (options->check == CNN_CHECK_DECODE) {
        uint8_t *pixels;
        CNN_TRY(cnn_image_decode(&pixels, out, data, n, out->c));
        free(pixels);
    }
    return CNN_OK;
}
