#include "image/image.h"

#include <setjmp.h>
#include <stdio.h> // jpeglib.h needs it before
#include <stdlib.h>

#include <jpeglib.h>
#include <png.h>

static enum cnn_status check(const char *kind, int h, int w, int c, int side) {
    if (h < 1 || w < 1 || h > side || w > side || (uint64_t)h * (uint64_t)w > CNN_MAX_PIXELS ||
        (c != 1 && c != 3))
        return cnn_fail(CNN_ERR_INPUT, "%s: cannot encode an image of %d x %d x %d", kind, h, w, c);
    return CNN_OK;
}

struct jpeg_writer {
    struct jpeg_compress_struct encoder;
    struct jpeg_error_mgr errors;
    jmp_buf escape;
    unsigned char *memory; // libjpeg's to grow, then the caller's
    unsigned long bytes;
};

static void on_error(j_common_ptr common) { longjmp(((struct jpeg_writer *)common->client_data)->escape, 1); }

static void on_message(j_common_ptr common, int level) {}

static void on_output(j_common_ptr common) {}

static void write_jpeg(struct jpeg_writer *writer, const uint8_t *pixels, int h, int w, int c, int quality) {
    struct jpeg_compress_struct *encoder = &writer->encoder;
    jpeg_create_compress(encoder);
    jpeg_mem_dest(encoder, &writer->memory, &writer->bytes);
    encoder->image_width = (JDIMENSION)w;
    encoder->image_height = (JDIMENSION)h;
    encoder->input_components = c;
    encoder->in_color_space = c == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(encoder);
    jpeg_set_quality(encoder, quality, TRUE);
    jpeg_start_compress(encoder, TRUE);
    while (encoder->next_scanline < encoder->image_height) {
        JSAMPROW row = (JSAMPROW)(pixels + (size_t)encoder->next_scanline * (size_t)w * (size_t)c);
        jpeg_write_scanlines(encoder, &row, 1);
    }
    jpeg_finish_compress(encoder);
}

enum cnn_status cnn_image_encode_jpeg(uint8_t **out, size_t *out_bytes, const uint8_t *pixels, int h, int w,
                                      int c, int quality) {
    CNN_TRY(check("JPEG", h, w, c, JPEG_MAX_DIMENSION));
    struct jpeg_writer writer = {.errors = {0}};
    writer.encoder.err = jpeg_std_error(&writer.errors);
    writer.encoder.client_data = &writer;
    writer.errors.error_exit = on_error;
    writer.errors.emit_message = on_message;
    writer.errors.output_message = on_output;
    if (setjmp(writer.escape)) {
        char reason[JMSG_LENGTH_MAX] = "";
        writer.errors.format_message((j_common_ptr)&writer.encoder, reason);
        jpeg_destroy_compress(&writer.encoder);
        free(writer.memory);
        return cnn_fail(CNN_ERR_MEMORY, "JPEG: cannot encode: %s", reason);
    }
    write_jpeg(&writer, pixels, h, w, c, quality);
    jpeg_destroy_compress(&writer.encoder);
    *out = writer.memory;
    *out_bytes = writer.bytes;
    return CNN_OK;
}

enum cnn_status cnn_image_encode_png(uint8_t **out, size_t *out_bytes, const uint8_t *pixels, int h, int w,
                                     int c) {
    CNN_TRY(check("PNG", h, w, c, 1000000));
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)w,
                       .height = (png_uint_32)h,
                       .format = c == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY};
    size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
    uint8_t *memory = malloc(bytes);
    if (!memory)
        return cnn_fail(CNN_ERR_MEMORY, "PNG: out of memory for %zu bytes", bytes);
    if (!png_image_write_to_memory(&image, memory, &bytes, 0, pixels, 0, NULL)) {
        free(memory);
        return cnn_fail(CNN_ERR_FAILED, "PNG: cannot encode: %s", image.message);
    }
    uint8_t *exact = realloc(memory, bytes);
    *out = exact ? exact : memory;
    *out_bytes = bytes;
    return CNN_OK;
}
