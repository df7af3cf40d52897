// Orientation in all the places where Pillow finds it. The expected values are those of
// ImageOps.exif_transpose of Pillow 13.
#include "picture.h"

#include "image/exif.h"
#include "image/png_orientation.h"
#include <zlib.h>

enum { H = 5, W = 3, MAX_FILE = 4096 };

// ---- EXIF ----

// A directory of one entry before another, both 12 bytes; byte order by `order`.
static size_t make_tiff(uint8_t *out, char order, int tag, int type, uint32_t count, const uint8_t value[4]) {
    uint8_t block[] = {(uint8_t)order,
                       (uint8_t)order,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0};
    const struct {
        size_t at, n;
        uint32_t value;
    } fields[] = {{2, 2, 42},    {4, 4, 8}, {8, 2, 1}, {10, 2, (uint32_t)tag}, {12, 2, (uint32_t)type},
                  {14, 4, count}};
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
        for (size_t i = 0; i < fields[f].n; i++)
            block[fields[f].at + (order == 'I' ? i : fields[f].n - 1 - i)] =
                (uint8_t)(fields[f].value >> 8 * i);
    memcpy(block + 18, value, 4);
    memcpy(out, block, sizeof block);
    return sizeof block;
}

static void test_types(void **state) {
    static const struct {
        int type;
        uint8_t big[4], little[4]; // the value 6, or another that says so
        int expected;
    } types[] = {
        {1, {6}, {6}, 1},                          // bytes are text to Pillow
        {2, {'6'}, {'6'}, 1},                      // ASCII
        {3, {0, 6}, {6}, 6},                       // SHORT
        {4, {0, 0, 0, 6}, {6}, 6},                 // LONG
        {6, {6}, {6}, 6},                          // SBYTE
        {7, {6}, {6}, 1},                          // UNDEFINED
        {8, {0, 6}, {6}, 6},                       // SSHORT
        {9, {0, 0, 0, 6}, {6}, 6},                 // SLONG
        {11, {0x40, 0xc0}, {0, 0, 0xc0, 0x40}, 6}, // FLOAT
        {13, {0, 0, 0, 6}, {6}, 6},                // IFD
        {14, {6}, {6}, 0},                         // no type
        {99, {6}, {6}, 0},                         // no type
        {3, {0, 0}, {0}, 1},                       // out of range, from here on
        {3, {0, 9}, {9}, 1},
        {4, {0, 1, 0, 6}, {6, 0, 1}, 1},
        {9, {0xff, 0xff, 0xff, 0xfa}, {0xfa, 0xff, 0xff, 0xff}, 1},
        {6, {0xfa}, {0xfa}, 1},
        {11, {0x40, 0xd0}, {0, 0, 0xd0, 0x40}, 1}, // 6.5
    };
    uint8_t block[64];
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t n = make_tiff(block, 'M', 0x112, types[i].type, 1, types[i].big);
        assert_int_equal(cnn_exif_orientation(block, n), types[i].expected);
        n = make_tiff(block, 'I', 0x112, types[i].type, 1, types[i].little);
        assert_int_equal(cnn_exif_orientation(block, n), types[i].expected);
    }
}

static void test_values_elsewhere(void **state) {
    static const struct {
        int type, count;
        uint8_t values[8];
        int expected;
    } wide[] = {{3, 3, {0, 8, 0, 1, 0, 1}, 8},
                {5, 1, {0, 0, 0, 12, 0, 0, 0, 2}, 6},
                {5, 1, {0, 0, 0, 13, 0, 0, 0, 2}, 1},
                {5, 1, {0, 0, 0, 6, 0, 0, 0, 0}, 1},
                {10, 1, {0xff, 0xff, 0xff, 0xfa, 0xff, 0xff, 0xff, 0xff}, 6},
                {12, 1, {0x40, 0x18}, 6},
                {16, 1, {0, 0, 0, 0, 0, 0, 0, 6}, 6}};
    uint8_t block[64];
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        size_t n = make_tiff(block, 'M', 0x112, wide[i].type, (uint32_t)wide[i].count,
                             (const uint8_t[4]){0, 0, 0, 26});
        memcpy(block + n, wide[i].values, 8);
        assert_int_equal(cnn_exif_orientation(block, n + 8), wide[i].expected);
        assert_int_equal(cnn_exif_orientation(block, n + 5), 0); // cut off
    }
}

static void test_blocks(void **state) {
    uint8_t block[64] = "Exif\0\0", twice[64] = "Exif\0\0";
    size_t n = 6 + make_tiff(block + 6, 'I', 0x112, 3, 1, (const uint8_t[4]){6});
    memcpy(twice + 6, block, n);
    assert_int_equal(cnn_exif_orientation(block, n), 6);
    assert_int_equal(cnn_exif_orientation(twice, n + 6), 6);
    for (size_t cut = 0; cut < 6 + 22; cut++) {
        uint8_t *part = malloc(cut + 1); // its own block, so that reading past it is seen
        memcpy(part, block, cut);
        assert_int_equal(cnn_exif_orientation(part, cut), cut == 6 || cut >= 14 || cut == 0 ? 0 : 1);
        free(part);
    }
    block[8] = 0, block[9] = 42; // the wrong way round, which Pillow takes
    assert_int_equal(cnn_exif_orientation(block, n), 6);
    block[8] = 43, block[9] = 0; // BigTIFF
    assert_int_equal(cnn_exif_orientation(block, n), 1);
    block[8] = 42, block[13] = 0xff; // the directory lies outside
    assert_int_equal(cnn_exif_orientation(block, n), 0);
}

static void test_xmp(void **state) {
    static const struct {
        const char *text;
        int expected;
    } packets[] = {{"<a tiff:Orientation=\"6\"/>", 6},
                   {"<tiff:Orientation>8</tiff:Orientation>", 8},
                   {"tiff:Orientation x tiff:Orientation=\"5\"", 5},
                   {"tiff:Orientation=\"9\" tiff:Orientation=\"6\"", 1},
                   {"tiff:Orientation='6'", 0},
                   {"tiff:Orientation=\"", 0},
                   {"tiff:Orientation", 0},
                   {"", 0}};
    for (size_t i = 0; i < sizeof packets / sizeof *packets; i++)
        assert_int_equal(cnn_xmp_orientation(packets[i].text, strlen(packets[i].text)), packets[i].expected);
}

// ---- PNG ----

struct file {
    uint8_t data[MAX_FILE];
    size_t n;
};

static struct file make_png(void) {
    struct file file = {.n = 0};
    uint8_t *pixels = texture_picture(H, W, 3), *png;
    assert_ok(cnn_image_encode_png(&png, &file.n, pixels, H, W, 3));
    memcpy(file.data, png, file.n);
    free(png);
    free(pixels);
    return file;
}

static void put_u32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static size_t find_chunk(const struct file *file, const char *type) {
    return (size_t)((const uint8_t *)memmem(file->data, file->n, type, 4) - file->data) - 4;
}

// In front of the first chunk of type `before`.
static void put_chunk(struct file *file, const char *before, const char *type, const void *data, size_t n) {
    size_t at = find_chunk(file, before);
    assert_true(file->n + n + 12 <= MAX_FILE);
    memmove(file->data + at + n + 12, file->data + at, file->n - at);
    put_u32(file->data + at, (uint32_t)n);
    memcpy(file->data + at + 4, type, 4);
    memcpy(file->data + at + 8, data, n);
    put_u32(file->data + at + 8 + n, (uint32_t)crc32(0, file->data + at + 4, (unsigned)n + 4));
    file->n += n + 12;
}

static void put_exif(struct file *file, const char *before, int orientation) {
    uint8_t block[64];
    size_t n = make_tiff(block, 'M', 0x112, 3, 1, (const uint8_t[4]){0, (uint8_t)orientation});
    put_chunk(file, before, "eXIf", block, n);
}

static int orientation_of(const struct file *file) {
    int orientation = 0;
    assert_ok(cnn_png_orientation(&orientation, file->data, file->n));
    return orientation;
}

// Pixel (x, y) of the picture upright, as EXIF's table says which side of the stored one it comes from.
static uint8_t expected_pixel(int orientation, int x, int y, int c) {
    bool swap = orientation >= 5;
    int stored_x = swap ? y : x, stored_y = swap ? x : y;
    if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
        stored_x = W - 1 - stored_x;
    if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
        stored_y = H - 1 - stored_y;
    return texture(stored_x, stored_y, c);
}

static void test_png_turned(void **state) {
    for (int i = 0; i < 16; i++) {
        int orientation = 1 + i / 2;
        struct file file = make_png();
        struct cnn_image_info info, probed;
        uint8_t *pixels;
        put_exif(&file, i % 2 ? "IDAT" : "IEND", orientation);
        assert_ok(cnn_image_probe(&probed, file.data, file.n));
        assert_ok(cnn_image_decode(&pixels, &info, file.data, file.n, 3));
        assert_memory_equal(&info, &probed, sizeof info);
        assert_int_equal(info.h, orientation >= 5 ? W : H);
        assert_int_equal(info.w, orientation >= 5 ? H : W);
        for (int k = 0; k < H * W * 3; k++)
            assert_int_equal(pixels[k], expected_pixel(orientation, k / 3 % info.w, k / 3 / info.w, k % 3));
        free(pixels);
    }
}

static size_t append(uint8_t *at, const void *data, size_t n) {
    memcpy(at, data, n);
    return n;
}

// The head of a text chunk, then `text`, which the chunks that can are asked to compress.
static void put_text(struct file *file, const char *before, const char *type, const char *keyword,
                     const char *text) {
    uint8_t content[512];
    uLongf packed = 256;
    size_t n = append(content, keyword, strlen(keyword) + 1);
    if (strcmp(type, "iTXt") == 0)
        n += append(content + n, "\1\0en\0key", 9);
    else if (strcmp(type, "zTXt") == 0)
        n += append(content + n, "", 1);
    if (strcmp(type, "tEXt") == 0) {
        n += append(content + n, text, strlen(text));
    } else {
        assert_int_equal(compress(content + n, &packed, (const Bytef *)text, strlen(text)), Z_OK);
        n += packed;
    }
    put_chunk(file, before, type, content, n);
}

static void test_png_text(void **state) {
    static const char *const types[] = {"tEXt", "zTXt", "iTXt"};
    static const char hex[] = "\nexif\n      32\n457869660000" // Exif, and 8 as a SHORT
                              "49492a0008000000\n01001201030001000000 08000000\n",
                      xmp[] = "<a tiff:Orientation=\"5\"/>";
    for (int i = 0; i < 6; i++) {
        const char *before = i % 2 ? "IDAT" : "IEND", *type = types[i / 2];
        struct file file = make_png();
        put_text(&file, before, type, "XML:com.adobe.xmp", xmp);
        assert_int_equal(orientation_of(&file), 5);
        put_text(&file, before, type, "Raw profile type exif", hex);
        assert_int_equal(orientation_of(&file), 8);
        put_chunk(&file, before, "eXIf", "", 0); // says nothing, but is EXIF: the text is not looked at
        assert_int_equal(orientation_of(&file), 5);
        put_exif(&file, before, 1);
        assert_int_equal(orientation_of(&file), 1);
    }
    struct file file = make_png();
    put_text(&file, "IEND", "tEXt", "Raw profile type exif", "\nexif\n 2\nxy\n");
    assert_int_equal(orientation_of(&file), 1);
    put_chunk(&file, "IEND", "zTXt", "XML:com.adobe.xmp\0\0damaged", 26);
    assert_int_equal(orientation_of(&file), 1);
}

static void test_png_last_counts(void **state) {
    struct file file = make_png();
    put_exif(&file, "IDAT", 6);
    put_exif(&file, "IEND", 3);
    assert_int_equal(orientation_of(&file), 3);
    size_t cut = find_chunk(&file, "IEND");
    for (size_t n = cut - 29; n < cut - 4; n++) { // inside the later one
        struct cnn_image_info info;
        assert_int_equal(cnn_image_probe(&info, file.data, n), CNN_ERR_INPUT);
        assert_non_null(strstr(cnn_error_message(), "truncated inside its EXIF"));
    }
    file.n = cut - 4; // only its checksum is missing
    assert_int_equal(orientation_of(&file), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),           cmocka_unit_test(test_values_elsewhere),
        cmocka_unit_test(test_blocks),          cmocka_unit_test(test_xmp),
        cmocka_unit_test(test_png_turned),      cmocka_unit_test(test_png_text),
        cmocka_unit_test(test_png_last_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
