#include "image/png_orientation.h"

#include "base/memory.h"
#include "image/exif.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define SIGNATURE_BYTES 8
#define MAX_TEXT_BYTES ((size_t)1 << 20) // inflated; Pillow's limit

struct piece {
    const uint8_t *data; // NULL: not there
    size_t bytes;
    bool deflated;
};

// What may hold the orientation: EXIF as it is, as hexadecimal text, and XMP.
struct metadata {
    struct piece exif, hex, xmp;
};

static uint32_t read_u32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

// ---- chunks ----

// Cuts off what stands before the next zero byte; false: there is none.
static bool cut_at_zero(struct piece *rest) {
    const uint8_t *zero = memchr(rest->data, 0, rest->bytes);
    if (!zero)
        return false;
    rest->bytes -= (size_t)(zero + 1 - rest->data);
    rest->data = zero + 1;
    return true;
}

// After the keyword of an iTXt chunk: flag, method, language, translated keyword, text.
static bool skip_to_text(struct piece *rest) {
    if (rest->bytes < 2 || (rest->data[0] != 0 && rest->data[1] != 0))
        return false;
    rest->deflated = rest->data[0] != 0;
    rest->data += 2;
    rest->bytes -= 2;
    return cut_at_zero(rest) && cut_at_zero(rest);
}

static bool skip_method(struct piece *rest) {
    if (rest->bytes < 1 || rest->data[0] != 0)
        return false;
    rest->deflated = true;
    rest->data++;
    rest->bytes--;
    return true;
}

static void take_text(struct metadata *metadata, const char *type, struct piece text) {
    const char *keyword = (const char *)text.data;
    if (!cut_at_zero(&text))
        return;
    if (strcmp(type, "iTXt") == 0 ? !skip_to_text(&text) : strcmp(type, "zTXt") == 0 && !skip_method(&text))
        return;
    if (strcmp(keyword, "Raw profile type exif") == 0)
        metadata->hex = text;
    else if (strcmp(keyword, "XML:com.adobe.xmp") == 0)
        metadata->xmp = text;
    else if (strcmp(keyword, "exif") == 0 && strcmp(type, "tEXt") == 0)
        metadata->exif = text;
}

static bool is_chunk_type(const uint8_t *p) {
    for (int i = 0; i < 4; i++)
        if ((p[i] | 0x20) < 'a' || (p[i] | 0x20) > 'z')
            return false;
    return true;
}

static enum cnn_status walk(struct metadata *out, const uint8_t *data, size_t bytes) {
    for (size_t at = SIGNATURE_BYTES; at < bytes && bytes - at >= 8 && is_chunk_type(data + at + 4);) {
        char type[5] = "";
        struct piece content = {data + at + 8, read_u32(data + at), false};
        size_t rest = bytes - at - 8;
        memcpy(type, data + at + 4, 4);
        bool exif = strcmp(type, "eXIf") == 0;
        if (content.bytes > rest && exif)
            return cnn_fail(CNN_ERR_INPUT,
                            "PNG: the file is truncated inside its EXIF, which has the orientation");
        if (content.bytes > rest || strcmp(type, "IEND") == 0)
            break;
        if (exif)
            out->exif = content;
        else if (strcmp(type, "tEXt") == 0 || strcmp(type, "zTXt") == 0 || strcmp(type, "iTXt") == 0)
            take_text(out, type, content);
        if (rest - content.bytes < 4)
            break;
        at += 12 + content.bytes;
    }
    return CNN_OK;
}

// ---- what they hold ----

// *out is malloc'ed and *out_bytes long; 0: damaged, or too long.
static enum cnn_status inflate_text(char **out, size_t *out_bytes, struct piece piece) {
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)piece.data, .avail_in = (uInt)piece.bytes};
    CNN_TRY(cnn_malloc(out, MAX_TEXT_BYTES, 1));
    stream.next_out = (Bytef *)*out;
    stream.avail_out = MAX_TEXT_BYTES;
    if (inflateInit(&stream) != Z_OK) {
        free(*out);
        return cnn_fail(CNN_ERR_MEMORY, "PNG: out of memory: compressed text");
    }
    int result = inflate(&stream, Z_SYNC_FLUSH);
    bool whole = (result == Z_OK || result == Z_STREAM_END) && stream.avail_out > 0;
    *out_bytes = whole ? MAX_TEXT_BYTES - stream.avail_out : 0;
    inflateEnd(&stream);
    return CNN_OK;
}

static int digit(char c) {
    static const char digits[] = "0123456789abcdef";
    const char *found = c ? strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c) : NULL;
    return found ? (int)(found - digits) : -1;
}

// "\nexif\n    1234\n" and hexadecimal digits in lines. Decodes them in place.
static int hex_orientation(char *text, size_t bytes) {
    size_t at = 0, n = 0;
    int high = -1;
    for (int lines = 0; lines < 3 && at < bytes; at++)
        lines += text[at] == '\n';
    for (; at < bytes; at++) {
        int value = digit(text[at]);
        if (value < 0 && strchr(" \t\r\n\v\f", text[at]))
            continue;
        if (value < 0)
            return 1; // not a block of EXIF
        if (high >= 0)
            text[n++] = (char)(high << 4 | value);
        high = high < 0 ? value : -1;
    }
    return cnn_exif_orientation((const uint8_t *)text, n);
}

static int xmp_orientation(char *text, size_t bytes) { return cnn_xmp_orientation(text, bytes); }

// The text of a piece, which `read` may change, inflated where it is deflated.
static enum cnn_status read_text(int *out, struct piece piece, int (*read)(char *text, size_t bytes)) {
    char *text;
    size_t bytes = piece.bytes;
    if (piece.deflated) {
        CNN_TRY(inflate_text(&text, &bytes, piece));
    } else {
        CNN_TRY(cnn_malloc(&text, bytes + 1, 1));
        memcpy(text, piece.data, bytes);
    }
    *out = read(text, bytes);
    free(text);
    return CNN_OK;
}

enum cnn_status cnn_png_orientation(int *out, const void *data, size_t bytes) {
    struct metadata metadata = {0};
    int orientation = 0;
    CNN_TRY(walk(&metadata, data, bytes));
    if (metadata.exif.data)
        orientation = cnn_exif_orientation(metadata.exif.data, metadata.exif.bytes);
    else if (metadata.hex.data)
        CNN_TRY(read_text(&orientation, metadata.hex, hex_orientation));
    if (orientation == 0 && metadata.xmp.data)
        CNN_TRY(read_text(&orientation, metadata.xmp, xmp_orientation));
    *out = orientation > 0 ? orientation : 1;
    return CNN_OK;
}
