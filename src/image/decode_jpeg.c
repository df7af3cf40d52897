#include "image/decode_jpeg.h"

#include "image/exif.h"

#include <jerror.h>
#include <stdlib.h>
#include <string.h>

// Columns decoded beyond both sides of a crop, so that chroma upsampling there sees the neighbours it sees in
// a whole decode.
#define MARGIN 8
#define ROWS_A_CALL 16

static struct cnn_jpeg *jpeg_of(j_common_ptr common) { return (struct cnn_jpeg *)common->client_data; }

static void on_error(j_common_ptr common) { longjmp(jpeg_of(common)->escape, 1); }

// Warnings about oddities that leave every pixel as its maker meant it.
static bool is_harmless(const struct jpeg_error_mgr *errors) {
    switch (errors->msg_code) {
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_ICC:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_EXTRANEOUS_DATA: // between segments, as some cameras and editors leave it; nothing is lost
        return true;
    default:
        return false;
    }
}

static void on_message(j_common_ptr common, int level) {
    if (level < 0 && !is_harmless(common->err))
        on_error(common);
}

static void on_output(j_common_ptr common) {}

static void on_progress(j_common_ptr common) {
    struct cnn_jpeg *jpeg = jpeg_of(common);
    if (jpeg->decoder.input_scan_number > CNN_JPEG_MAX_SCANS) {
        jpeg->errors.msg_code = 0; // told apart from libjpeg's own messages
        on_error(common);
    }
}

static enum cnn_status failure(struct cnn_jpeg *jpeg) {
    char reason[JMSG_LENGTH_MAX] = "";
    int code = jpeg->errors.msg_code;
    if (code == 0)
        return cnn_fail(CNN_ERR_INPUT, "JPEG: more than %d scans", CNN_JPEG_MAX_SCANS);
    jpeg->errors.format_message((j_common_ptr)&jpeg->decoder, reason);
    if (code == JERR_OUT_OF_MEMORY)
        return cnn_fail(CNN_ERR_MEMORY, "JPEG: %s", reason);
    return cnn_fail(CNN_ERR_INPUT, "JPEG: %s", reason);
}

// Zero bytes included.
static const char exif_head[] = "Exif\0", xmp_head[] = "http://ns.adobe.com/xap/1.0/";

static bool has_head(const struct jpeg_marker_struct *marker, const char *head, size_t n) {
    return marker->data_length >= n && memcmp(marker->data, head, n) == 0;
}

// EXIF that is too long for one segment goes on in the next. NULL: there is none.
static const uint8_t *join_exif(struct jpeg_decompress_struct *decoder, size_t *out_bytes) {
    const size_t head = sizeof exif_head;
    size_t bytes = 0, at = 0;
    for (jpeg_saved_marker_ptr marker = decoder->marker_list; marker; marker = marker->next)
        bytes += has_head(marker, exif_head, head) ? marker->data_length - head : 0;
    if (bytes == 0)
        return NULL;
    uint8_t *joined = decoder->mem->alloc_large((j_common_ptr)decoder, JPOOL_IMAGE, bytes);
    for (jpeg_saved_marker_ptr marker = decoder->marker_list; marker; marker = marker->next) {
        if (!has_head(marker, exif_head, head))
            continue;
        memcpy(joined + at, marker->data + head, marker->data_length - head);
        at += marker->data_length - head;
    }
    *out_bytes = bytes;
    return joined;
}

// EXIF first, then the last XMP segment, as Pillow has it.
static void read_orientation(struct cnn_jpeg *jpeg) {
    const size_t head = sizeof xmp_head;
    size_t bytes;
    const uint8_t *exif = join_exif(&jpeg->decoder, &bytes);
    int orientation = exif ? cnn_exif_orientation(exif, bytes) : 0, by_xmp = 0;
    for (jpeg_saved_marker_ptr marker = jpeg->decoder.marker_list; marker; marker = marker->next)
        if (orientation == 0 && has_head(marker, xmp_head, head))
            by_xmp = cnn_xmp_orientation((const char *)marker->data + head, marker->data_length - head);
    jpeg->orientation = orientation > 0 ? orientation : by_xmp > 0 ? by_xmp : 1;
}

// 1 -> gray, 3 -> RGB, 4 -> CMYK, which we turn to RGB; -1: not a colour model we know.
static int choose_colour(struct jpeg_decompress_struct *decoder) {
    switch (decoder->jpeg_color_space) {
    case JCS_GRAYSCALE:
        decoder->out_color_space = JCS_GRAYSCALE;
        return 1;
    case JCS_YCbCr:
    case JCS_RGB:
        decoder->out_color_space = JCS_RGB;
        return 3;
    case JCS_CMYK:
    case JCS_YCCK:
        decoder->out_color_space = JCS_CMYK;
        return 3;
    default:
        return -1;
    }
}

static enum cnn_status check_header(struct cnn_jpeg *jpeg) {
    struct jpeg_decompress_struct *decoder = &jpeg->decoder;
    if (decoder->arith_code)
        return cnn_fail(CNN_ERR_INPUT,
                        "JPEG: arithmetic coding is not supported; save the image with Huffman coding");
    uint64_t pixels = (uint64_t)decoder->image_width * decoder->image_height;
    if (pixels > CNN_MAX_PIXELS)
        return cnn_fail(CNN_ERR_INPUT, "JPEG: %u x %u pixels exceed the limit of %u", decoder->image_width,
                        decoder->image_height, CNN_MAX_PIXELS);
    jpeg->w = (int)decoder->image_width;
    jpeg->h = (int)decoder->image_height;
    jpeg->c = choose_colour(decoder);
    if (jpeg->c < 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "JPEG: %d colour components; only gray, YCbCr, RGB and CMYK are "
                        "supported",
                        decoder->num_components);
    return CNN_OK;
}

static void start(struct cnn_jpeg *jpeg, const void *data, size_t bytes) {
    struct jpeg_decompress_struct *decoder = &jpeg->decoder;
    jpeg_create_decompress(decoder);
    decoder->progress = &jpeg->progress;
    jpeg_mem_src(decoder, data, bytes);
    jpeg_save_markers(decoder, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(decoder, TRUE);
}

enum cnn_status cnn_jpeg_open(struct cnn_jpeg *jpeg, const void *data, size_t bytes) {
    memset(&jpeg->decoder, 0, sizeof jpeg->decoder); // close is safe even where create fails
    jpeg->decoder.err = jpeg_std_error(&jpeg->errors);
    jpeg->decoder.client_data = jpeg;
    jpeg->errors.error_exit = on_error;
    jpeg->errors.emit_message = on_message;
    jpeg->errors.output_message = on_output;
    jpeg->progress = (struct jpeg_progress_mgr){.progress_monitor = on_progress};
    if (bytes == 0)
        return cnn_fail(CNN_ERR_INPUT, "JPEG: no data");
    if (setjmp(jpeg->escape))
        return failure(jpeg);
    start(jpeg, data, bytes);
    read_orientation(jpeg);
    return check_header(jpeg);
}

// Whether libjpeg-turbo's partial decoding is at home with the file's subsampling; odd ones are decoded
// whole.
static bool is_croppable(const struct jpeg_decompress_struct *decoder) {
    for (int i = 0; i < decoder->num_components; i++) {
        const jpeg_component_info *component = &decoder->comp_info[i];
        int limit = i == 0 ? 2 : 1;
        if (decoder->num_components > 3 || component->h_samp_factor > limit ||
            component->v_samp_factor > limit)
            return false;
    }
    return true;
}

// Narrows decoding to the columns of `rect` and a margin; returns the first column that rows will hold.
static int crop_columns(struct jpeg_decompress_struct *decoder, struct cnn_rect rect) {
    int width = (int)decoder->output_width;
    int left = rect.x > MARGIN ? rect.x - MARGIN : 0;
    int right = rect.x + rect.w < width - MARGIN ? rect.x + rect.w + MARGIN : width;
    if (left == 0 && right == width)
        return 0;
    JDIMENSION x = (JDIMENSION)left, w = (JDIMENSION)(right - left);
    jpeg_crop_scanline(decoder, &x, &w);
    return (int)x;
}

static void read_rows(struct jpeg_decompress_struct *decoder, uint8_t *out, size_t stride, int n) {
    JSAMPROW rows[ROWS_A_CALL];
    for (int done = 0; done < n;) {
        int wanted = n - done < ROWS_A_CALL ? n - done : ROWS_A_CALL;
        for (int i = 0; i < wanted; i++)
            rows[i] = out + (size_t)(done + i) * stride;
        done += (int)jpeg_read_scanlines(decoder, rows, (JDIMENSION)wanted);
    }
}

static void skip_rows(struct jpeg_decompress_struct *decoder, uint8_t *row, int n, bool cheaply) {
    if (cheaply && n > 0)
        jpeg_skip_scanlines(decoder, (JDIMENSION)n);
    else
        for (int i = 0; i < n; i++)
            read_rows(decoder, row, 0, 1);
}

static unsigned multiply_255(unsigned a, unsigned b) {
    unsigned product = a * b + 128;
    return (product + (product >> 8)) >> 8;
}

// In place: CMYK stored inverted, as Adobe does and everybody since, to RGB by PIL's rule.
static void cmyk_to_rgb(uint8_t *pixels, size_t stride, int w, int h) {
    for (int y = 0; y < h; y++) {
        uint8_t *in = pixels + (size_t)y * stride, *out = in;
        for (int x = 0; x < w; x++, in += 4, out += 3) {
            unsigned light = in[3];
            for (int c = 0; c < 3; c++)
                out[c] = (uint8_t)(light - multiply_255(255u - in[c], light));
        }
    }
}

static enum cnn_status read_rect(struct cnn_jpeg *jpeg, struct cnn_rect rect, struct cnn_image_buffer *buffer,
                                 struct cnn_view *out) {
    struct jpeg_decompress_struct *decoder = &jpeg->decoder;
    jpeg_start_decompress(decoder);
    bool croppable = is_croppable(decoder);
    int x = croppable ? crop_columns(decoder, rect) : 0;
    size_t stride = (size_t)decoder->output_width * (size_t)decoder->output_components;
    CNN_TRY(cnn_image_buffer_reserve(buffer, stride * (size_t)rect.h));
    uint8_t *pixels = buffer->data;
    skip_rows(decoder, pixels, rect.y, croppable);
    read_rows(decoder, pixels, stride, rect.h);
    if (decoder->out_color_space == JCS_CMYK)
        cmyk_to_rgb(pixels, stride, (int)decoder->output_width, rect.h);
    *out =
        (struct cnn_view){pixels + (size_t)(rect.x - x) * (size_t)jpeg->c, stride, rect.h, rect.w, jpeg->c};
    return CNN_OK;
}

enum cnn_status cnn_jpeg_read(struct cnn_jpeg *jpeg, struct cnn_rect rect, int shift,
                              struct cnn_image_buffer *buffer, struct cnn_view *out) {
    if (setjmp(jpeg->escape))
        return failure(jpeg);
    jpeg->decoder.scale_num = 8u >> shift;
    jpeg->decoder.scale_denom = 8;
    return read_rect(jpeg, rect, buffer, out);
}

enum cnn_status cnn_jpeg_finish(struct cnn_jpeg *jpeg) {
    if (setjmp(jpeg->escape))
        return failure(jpeg);
    jpeg_finish_decompress(&jpeg->decoder);
    return CNN_OK;
}

void cnn_jpeg_close(struct cnn_jpeg *jpeg) { jpeg_destroy_decompress(&jpeg->decoder); }
