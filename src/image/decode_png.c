#include "image/decode_png.h"

#include "image/png_orientation.h"

#include <setjmp.h>
#include <string.h>

#define MAX_SIDE 1000000u // libpng's own limit
#define MAX_CHUNK_BYTES (8u << 20)
#define HEADER_BYTES 33 // signature and IHDR

static uint32_t read_u32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

enum cnn_status cnn_png_header(const void *data, size_t bytes, int *out_w, int *out_h, int *out_c) {
    const uint8_t *head = data;
    if (bytes < HEADER_BYTES)
        return cnn_fail(CNN_ERR_INPUT, "PNG: the file ends inside the header, after %zu bytes", bytes);
    if (read_u32(head + 8) != 13 || memcmp(head + 12, "IHDR", 4) != 0)
        return cnn_fail(CNN_ERR_INPUT, "PNG: does not begin with an IHDR chunk");
    uint32_t w = read_u32(head + 16), h = read_u32(head + 20);
    if (w == 0 || h == 0)
        return cnn_fail(CNN_ERR_INPUT, "PNG: empty image, %u x %u pixels", w, h);
    if (w > MAX_SIDE || h > MAX_SIDE || (uint64_t)w * h > CNN_MAX_PIXELS)
        return cnn_fail(CNN_ERR_INPUT, "PNG: %u x %u pixels exceed the limit of %u", w, h, CNN_MAX_PIXELS);
    int colour = head[25];
    if (colour != 0 && colour != 2 && colour != 3 && colour != 4 && colour != 6)
        return cnn_fail(CNN_ERR_INPUT, "PNG: colour type %d is none of 0, 2, 3, 4, 6", colour);
    *out_w = (int)w;
    *out_h = (int)h;
    *out_c = colour & 2 ? 3 : 1;
    return CNN_OK;
}

static void on_error(png_structp reader, png_const_charp message) {
    struct cnn_png *png = png_get_error_ptr(reader);
    snprintf(png->reason, sizeof png->reason, "%s", message);
    png_longjmp(reader, 1);
}

// libpng warns about extras (text, colour profiles, transparency) that we do not use.
static void on_warning(png_structp reader, png_const_charp message) {}

static void write_u32(png_bytep out, uint32_t value) {
    for (int i = 0; i < 4; i++)
        out[i] = (png_byte)(value >> (24 - 8 * i));
}

// libpng asks for chunk headers, 8 bytes, in one piece. The header of a chunk of pixels that is cut off says
// how much of it there is, so that libpng decodes all of that before it misses the rest.
static void read_bytes(png_structp reader, png_bytep out, size_t n) {
    struct cnn_png *png = png_get_io_ptr(reader);
    size_t at = png->at, rest = png->bytes - at;
    png->ended = n > rest;
    if (png->ended)
        png_error(reader, "the file ends early");
    memcpy(out, png->data + at, n);
    png->at += n;
    if (n == 8 && memcmp(out + 4, "IDAT", 4) == 0 && read_u32(out) > rest - 8)
        write_u32(out, (uint32_t)(rest - 8));
}

static void ask_for_8_bits(struct cnn_png *png) {
    png_set_strip_16(png->reader);
    png_set_expand_gray_1_2_4_to_8(png->reader);
    png_set_palette_to_rgb(png->reader);
    png_set_strip_alpha(png->reader);
}

static void read_head(struct cnn_png *png) {
    static const png_byte unused[] = "iCCP\0iTXt\0tEXt\0zTXt\0eXIf\0sPLT"; // never inflated, never kept
    png_set_keep_unknown_chunks(png->reader, PNG_HANDLE_CHUNK_NEVER, unused, sizeof unused / 5);
    png_set_chunk_malloc_max(png->reader, MAX_CHUNK_BYTES);
    png_set_read_fn(png->reader, png, read_bytes);
    png_read_info(png->reader, png->info);
    ask_for_8_bits(png);
    png_set_interlace_handling(png->reader);
    png_read_update_info(png->reader, png->info);
    if (png_get_rowbytes(png->reader, png->info) != (size_t)png->w * (size_t)png->c)
        png_error(png->reader, "rows of unexpected length");
}

static enum cnn_status failure(const struct cnn_png *png) {
    return cnn_fail(CNN_ERR_INPUT, "PNG: %s", png->reason);
}

enum cnn_status cnn_png_open(struct cnn_png *png, const void *data, size_t bytes) {
    memset(png, 0, sizeof *png);
    CNN_TRY(cnn_png_header(data, bytes, &png->w, &png->h, &png->c));
    png->data = data;
    png->bytes = bytes;
    png->reader = png_create_read_struct(PNG_LIBPNG_VER_STRING, png, on_error, on_warning);
    if (png->reader)
        png->info = png_create_info_struct(png->reader);
    if (!png->info)
        return cnn_fail(CNN_ERR_MEMORY, "PNG: cannot start libpng");
    if (setjmp(png_jmpbuf(png->reader)))
        return failure(png);
    read_head(png);
    return cnn_png_orientation(&png->orientation, data, bytes);
}

// Rows come one by one; those above `rect` pass through its first row's memory.
static void read_rows(struct cnn_png *png, struct cnn_rect rect, uint8_t *pixels, size_t stride) {
    for (int y = 0; y < rect.y; y++)
        png_read_row(png->reader, pixels, NULL);
    for (int y = 0; y < rect.h; y++)
        png_read_row(png->reader, pixels + (size_t)y * stride, NULL);
}

static void read_interlaced(struct cnn_png *png, uint8_t *pixels, size_t stride, int passes) {
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < png->h; y++)
            png_read_row(png->reader, pixels + (size_t)y * stride, NULL);
}

// After the last row libpng still reads the end of the compressed data and of their chunk, which nobody
// misses.
static bool has_all_rows(const struct cnn_png *png) {
    if (png_get_interlace_type(png->reader, png->info) != PNG_INTERLACE_NONE)
        return png_get_current_pass_number(png->reader) >= PNG_INTERLACE_ADAM7_PASSES;
    return png_get_current_row_number(png->reader) >= (png_uint_32)png->h;
}

// `kept` are the rows that stay in memory: those of `rect`, or all of an interlaced picture.
enum cnn_status cnn_png_read(struct cnn_png *png, struct cnn_rect rect, struct cnn_image_buffer *buffer,
                             struct cnn_view *out) {
    bool interlaced = png_get_interlace_type(png->reader, png->info) != PNG_INTERLACE_NONE;
    struct cnn_rect kept = {0, interlaced ? 0 : rect.y, png->w, interlaced ? png->h : rect.h};
    CNN_TRY(cnn_image_buffer_reserve(buffer, (size_t)kept.w * (size_t)png->c * (size_t)kept.h));
    struct cnn_view whole = {buffer->data, (size_t)png->w * (size_t)png->c, kept.h, kept.w, png->c};
    *out = cnn_view_part(&whole, (struct cnn_rect){rect.x, rect.y - kept.y, rect.w, rect.h});
    if (setjmp(png_jmpbuf(png->reader)))
        return png->ended && has_all_rows(png) ? CNN_OK : failure(png);
    if (interlaced)
        read_interlaced(png, buffer->data, whole.stride, PNG_INTERLACE_ADAM7_PASSES);
    else
        read_rows(png, rect, buffer->data, whole.stride);
    return CNN_OK;
}

void cnn_png_close(struct cnn_png *png) { png_destroy_read_struct(&png->reader, &png->info, NULL); }
