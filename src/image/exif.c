#include "image/decode_jpeg.h"

#include <string.h>

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT 3
#define ENTRY_BYTES 12

struct tiff {
    const uint8_t *data;
    size_t bytes;
    bool big_endian;
};

static uint32_t read_u16(const struct tiff *tiff, size_t at) {
    const uint8_t *p = tiff->data + at;
    return tiff->big_endian ? (uint32_t)(p[0] << 8 | p[1]) : (uint32_t)(p[1] << 8 | p[0]);
}

static uint32_t read_u32(const struct tiff *tiff, size_t at) {
    uint32_t first = read_u16(tiff, at), second = read_u16(tiff, at + 2);
    return tiff->big_endian ? first << 16 | second : second << 16 | first;
}

static bool open_tiff(struct tiff *tiff, const uint8_t *block, size_t bytes) {
    if (bytes < 6 + 8 || memcmp(block, "Exif\0\0", 6) != 0)
        return false;
    const uint8_t *head = block + 6;
    bool big = memcmp(head, "MM\0*", 4) == 0;
    if (!big && memcmp(head, "II*\0", 4) != 0)
        return false;
    *tiff = (struct tiff){head, bytes - 6, big};
    return true;
}

int cnn_exif_orientation(const uint8_t *block, size_t bytes) {
    struct tiff tiff;
    if (!open_tiff(&tiff, block, bytes))
        return 1;
    size_t folder = read_u32(&tiff, 4);
    if (folder > tiff.bytes - 2)
        return 1;
    size_t n = read_u16(&tiff, folder);
    for (size_t i = 0; i < n; i++) {
        size_t at = folder + 2 + i * ENTRY_BYTES;
        if (at + ENTRY_BYTES > tiff.bytes)
            break;
        if (read_u16(&tiff, at) != TAG_ORIENTATION)
            continue;
        uint32_t value = read_u16(&tiff, at + 8);
        return read_u16(&tiff, at + 2) == TYPE_SHORT && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}
