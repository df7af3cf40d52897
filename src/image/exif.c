#include "image/exif.h"

#include <stdbool.h>
#include <string.h>

#define TAG_ORIENTATION 0x0112
#define HEADER_BYTES 8
#define ENTRY_BYTES 12
#define INLINE_BYTES 4 // longer values lie elsewhere in the block

struct tiff {
    const uint8_t *data;
    size_t bytes;
    bool big_endian;
};

enum type {
    BYTE = 1,
    ASCII,
    SHORT,
    LONG,
    RATIONAL,
    SIGNED_BYTE,
    UNDEFINED,
    SIGNED_SHORT,
    SIGNED_LONG,
    SIGNED_RATIONAL,
    FLOAT,
    DOUBLE,
    DIRECTORY,
    LONG8 = 16,
    N_TYPES
};

// Of one value; 0: no such type.
static const uint8_t type_bytes[N_TYPES] = {
    [BYTE] = 1,        [ASCII] = 1,     [SHORT] = 2,        [LONG] = 4,        [RATIONAL] = 8,
    [SIGNED_BYTE] = 1, [UNDEFINED] = 1, [SIGNED_SHORT] = 2, [SIGNED_LONG] = 4, [SIGNED_RATIONAL] = 8,
    [FLOAT] = 4,       [DOUBLE] = 8,    [DIRECTORY] = 4,    [LONG8] = 8,
};

// An unsigned number of n bytes.
static uint64_t read_number(const struct tiff *tiff, size_t at, size_t n) {
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | tiff->data[tiff->big_endian ? at + i : at + n - 1 - i];
    return value;
}

static double divide(double a, double b) { return b != 0 ? a / b : 0; }

// Text and bytes are no numbers to Pillow: 0, which is no orientation.
static double read_value(const struct tiff *tiff, int type, size_t at) {
    size_t half = type_bytes[type] / 2u;
    uint64_t bits = read_number(tiff, at, type_bytes[type]);
    uint32_t low = (uint32_t)bits;
    float single;
    double value;
    switch (type) {
    case SHORT:
    case LONG:
    case DIRECTORY:
    case LONG8:
        return (double)bits;
    case SIGNED_BYTE:
        return (int8_t)low;
    case SIGNED_SHORT:
        return (int16_t)low;
    case SIGNED_LONG:
        return (int32_t)low;
    case RATIONAL:
        return divide((double)read_number(tiff, at, half), (double)read_number(tiff, at + half, half));
    case SIGNED_RATIONAL:
        return divide((int32_t)read_number(tiff, at, half), (int32_t)read_number(tiff, at + half, half));
    case FLOAT:
        memcpy(&single, &low, sizeof single);
        return single;
    case DOUBLE:
        memcpy(&value, &bits, sizeof value);
        return value;
    default:
        return 0;
    }
}

static bool open_tiff(struct tiff *tiff, const uint8_t *data, size_t bytes) {
    static const char heads[][5] = {"II*\0", "MM\0*", "II\0*", "MM*\0", "MM\0+"}; // the last three are wrong
    for (size_t i = 0; bytes >= HEADER_BYTES && i < sizeof heads / sizeof *heads; i++) {
        if (memcmp(data, heads[i], 4) != 0)
            continue;
        *tiff = (struct tiff){data, bytes, data[0] == 'M'};
        return true;
    }
    return false;
}

// Where the first of an entry's values lies; *out_end: the values go beyond the block, and reading ends. 0:
// the entry is passed over. `total` adds up what lies outside entries, which cannot be more than there is.
static size_t find_value(const struct tiff *tiff, size_t entry, uint64_t *total, bool *out_end) {
    uint64_t type = read_number(tiff, entry + 2, 2), count = read_number(tiff, entry + 4, 4);
    uint64_t size = type < N_TYPES ? count * type_bytes[type] : 0, at = read_number(tiff, entry + 8, 4);
    *out_end = false;
    if (size <= INLINE_BYTES)
        return size > 0 ? entry + 8 : 0;
    *total += size;
    if (*total > tiff->bytes)
        return 0;
    *out_end = at > tiff->bytes - size;
    return (size_t)at;
}

int cnn_exif_orientation(const uint8_t *block, size_t bytes) {
    struct tiff tiff;
    uint64_t total = 0;
    bool end = false;
    for (int i = 0; i < 2 && bytes >= 6 && memcmp(block, "Exif\0\0", 6) == 0; i++, block += 6)
        bytes -= 6;
    if (bytes == 0)
        return 0;
    if (!open_tiff(&tiff, block, bytes))
        return 1;
    size_t folder = (size_t)read_number(&tiff, 4, 4);
    if (folder > bytes - 2)
        return 0;
    size_t n = (size_t)read_number(&tiff, folder, 2);
    for (size_t i = 0, at = folder + 2; i < n && at + ENTRY_BYTES <= bytes; i++, at += ENTRY_BYTES) {
        size_t value_at = find_value(&tiff, at, &total, &end);
        if (end)
            break;
        if (value_at == 0 || read_number(&tiff, at, 2) != TAG_ORIENTATION)
            continue;
        double value = read_value(&tiff, (int)read_number(&tiff, at + 2, 2), value_at);
        return value >= 1 && value <= 8 && value == (int)value ? (int)value : 1;
    }
    return 0;
}

int cnn_xmp_orientation(const char *text, size_t bytes) {
    static const char name[] = "tiff:Orientation";
    const size_t length = sizeof name - 1;
    const char *end = text + bytes;
    while ((text = memmem(text, (size_t)(end - text), name, length))) {
        text += length;
        size_t skip = end - text >= 2 && memcmp(text, "=\"", 2) == 0 ? 2 : end - text >= 1 && *text == '>';
        if (skip > 0 && (size_t)(end - text) > skip && text[skip] >= '0' && text[skip] <= '9')
            return text[skip] >= '1' && text[skip] <= '8' ? text[skip] - '0' : 1;
    }
    return 0;
}
