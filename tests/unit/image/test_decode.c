#include "picture.h"

#include "image/decode_jpeg.h"
#include <zlib.h>

struct golden_file {
    char name[64];
    int h, w, c;
    unsigned luma_crc;
};

static int each_file(FILE *list, struct golden_file *file) {
    return fscanf(list, "%63s %d %d %d %x", file->name, &file->h, &file->w, &file->c, &file->luma_crc) == 5;
}

static void check_pixels(const struct golden_file *file, const uint8_t *pixels, int channels) {
    char name[96];
    size_t bytes, n = (size_t)file->h * (size_t)file->w;
    snprintf(name, sizeof name, "%s.pixels", file->name);
    uint8_t *golden = read_golden(name, &bytes);
    assert_int_equal(bytes, n * (size_t)file->c);
    if (channels == file->c)
        assert_memory_equal(pixels, golden, bytes);
    else if (channels == 3)
        for (size_t i = 0; i < 3 * n; i++)
            assert_int_equal(pixels[i], golden[i / 3]);
    if (channels == 1)
        assert_int_equal(crc32(0, pixels, (unsigned)n), file->luma_crc);
    free(golden);
}

static void test_golden_files_decode_as_in_pil(void **state) {
    struct golden_file file;
    FILE *list = open_golden("files.txt");
    int n = 0;
    for (; each_file(list, &file); n++) {
        size_t bytes;
        uint8_t *data = read_golden(file.name, &bytes);
        struct cnn_image_info info, probed;
        assert_ok(cnn_image_probe(&probed, data, bytes));
        for (int channels = 1; channels <= 3; channels += 2) {
            uint8_t *pixels;
            assert_ok(cnn_image_decode(&pixels, &info, data, bytes, channels));
            assert_int_equal(info.h, file.h);
            assert_int_equal(info.w, file.w);
            assert_int_equal(info.c, file.c);
            assert_int_equal(info.encoding, strstr(file.name, ".png") ? CNN_ENCODING_PNG : CNN_ENCODING_JPEG);
            assert_memory_equal(&info, &probed, sizeof info);
            check_pixels(&file, pixels, channels);
            free(pixels);
        }
        free(data);
    }
    assert_true(n > 30);
    fclose(list);
}

// Where the compressed pixels of a PNG end. A checksum of 4 bytes follows, that of their chunk, and the last
// chunk. The last byte may hold nothing but the mark of the end.
static size_t pixels_end(const uint8_t *data, size_t bytes) {
    return memcmp(data, "\x89PNG", 4) == 0 ? bytes - 12 - 4 - 4 : bytes;
}

static void test_every_cut_file_fails(void **state) {
    struct golden_file file;
    FILE *list = open_golden("files.txt");
    while (each_file(list, &file)) {
        size_t bytes;
        uint8_t *data = read_golden(file.name, &bytes), *pixels = NULL;
        for (size_t n = 0; n + 1 < pixels_end(data, bytes); n++) {
            uint8_t *cut = malloc(n + 1); // its own block, so that reading past it is seen
            memcpy(cut, data, n);
            enum cnn_status status = cnn_image_decode(&pixels, NULL, cut, n, 3);
            if (status != CNN_ERR_INPUT)
                fail_msg("%s cut to %zu bytes of %zu: status %d", file.name, n, bytes, (int)status);
            assert_true(strlen(cnn_error_message()) > 0);
            free(cut);
        }
        assert_null(pixels);
        free(data);
    }
    fclose(list);
}

// A PNG that ends after its pixels is read as the whole one is.
static void test_png_without_its_end(void **state) {
    struct golden_file file;
    FILE *list = open_golden("files.txt");
    int n_files = 0;
    while (each_file(list, &file)) {
        size_t bytes;
        uint8_t *data = read_golden(file.name, &bytes), *pixels;
        for (size_t n = pixels_end(data, bytes); n < bytes; n++, n_files++) {
            struct cnn_image_info info;
            uint8_t *cut = malloc(n);
            memcpy(cut, data, n);
            assert_ok(cnn_image_decode(&pixels, &info, cut, n, file.c));
            check_pixels(&file, pixels, file.c);
            free(pixels);
            free(cut);
        }
        free(data);
    }
    assert_true(n_files >= 20 * 10);
    fclose(list);
}

// Where the height stands in a JPEG's frame header.
static size_t frame_size_at(const uint8_t *data) {
    size_t at = 2;
    while (data[at + 1] < 0xC0 || data[at + 1] > 0xC2)
        at += 2 + (size_t)(data[at + 2] << 8 | data[at + 3]);
    return at + 5;
}

static void check_jpeg_size(const char *name, int h, int w, const char *reason) {
    size_t bytes;
    uint8_t *data = read_golden(name, &bytes), *pixels;
    uint8_t *size = data + frame_size_at(data);
    size[0] = (uint8_t)(h >> 8), size[1] = (uint8_t)h, size[2] = (uint8_t)(w >> 8), size[3] = (uint8_t)w;
    struct cnn_image_info info;
    assert_int_equal(cnn_image_probe(&info, data, bytes), CNN_ERR_INPUT);
    assert_int_equal(cnn_image_decode(&pixels, NULL, data, bytes, 3), CNN_ERR_INPUT);
    if (!strstr(cnn_error_message(), reason))
        fail_msg("\"%s\" does not say \"%s\"", cnn_error_message(), reason);
    free(data);
}

static void test_jpeg_sizes_nobody_has(void **state) {
    check_jpeg_size("420.jpg", 0, 0, "JPEG");
    check_jpeg_size("420.jpg", 0, 45, "JPEG");
    check_jpeg_size("420.jpg", 35, 0, "JPEG");
    check_jpeg_size("420.jpg", 65500, 65500, "65500 x 65500 pixels exceed the limit");
    check_jpeg_size("progressive.jpg", 65500, 65500, "65500 x 65500 pixels exceed the limit");
    check_jpeg_size("420.jpg", 65535, 1, "JPEG");
}

static void check_png_size(uint32_t h, uint32_t w, const char *reason) {
    size_t bytes;
    uint8_t *data = read_golden("rgb8.png", &bytes), *pixels;
    for (int i = 0; i < 4; i++) {
        data[16 + i] = (uint8_t)(w >> (24 - 8 * i));
        data[20 + i] = (uint8_t)(h >> (24 - 8 * i));
    }
    uint32_t crc = (uint32_t)crc32(0, data + 12, 17);
    for (int i = 0; i < 4; i++)
        data[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
    assert_int_equal(cnn_image_decode(&pixels, NULL, data, bytes, 3), CNN_ERR_INPUT);
    if (!strstr(cnn_error_message(), reason))
        fail_msg("\"%s\" does not say \"%s\"", cnn_error_message(), reason);
    free(data);
}

static void test_png_sizes_nobody_has(void **state) {
    check_png_size(0, 0, "empty");
    check_png_size(0, 5, "empty");
    check_png_size(65500, 65500, "65500 x 65500 pixels exceed the limit");
    check_png_size(1, 0x7fffffff, "exceed the limit");
    check_png_size(0xffffffff, 1, "exceed the limit");
    check_png_size(12, 19, "Not enough image data"); // one row more than there is
}

static void test_garbage_fails(void **state) {
    static const char *const heads[] = {"", "\xFF\xD8\xFF", "\xFF\xD8\xFF\xE0", "\x89PNG\r\n\x1A\n",
                                        "GIF89a"};
    struct cnn_draws draws = draws_of(1);
    for (int i = 0; i < 3000; i++) {
        const char *head = heads[i % 5];
        size_t n = strlen(head), bytes = n + cnn_draw_below(&draws, 300);
        uint8_t *data = malloc(bytes + 1), *pixels;
        memcpy(data, head, n);
        for (size_t k = n; k < bytes; k++)
            data[k] = (uint8_t)cnn_draw_u32(&draws);
        assert_int_equal(cnn_image_decode(&pixels, NULL, data, bytes, 3), CNN_ERR_INPUT);
        free(data);
    }
}

// Whatever a flipped byte does, it is decoded or refused.
static void test_damaged_files_do_no_harm(void **state) {
    struct golden_file file;
    FILE *list = open_golden("files.txt");
    struct cnn_draws draws = draws_of(2);
    while (each_file(list, &file)) {
        size_t bytes;
        uint8_t *data = read_golden(file.name, &bytes);
        for (int i = 0; i < 150; i++) {
            uint8_t *at = data + cnn_draw_below(&draws, (uint32_t)bytes), before = *at, *pixels = NULL;
            *at = (uint8_t)cnn_draw_u32(&draws);
            struct cnn_image_info info;
            if (cnn_image_probe(&info, data, bytes) == CNN_OK && (size_t)info.h * (size_t)info.w < 1u << 20 &&
                cnn_image_decode(&pixels, NULL, data, bytes, 1) == CNN_OK)
                assert_non_null(pixels);
            free(pixels);
            *at = before;
        }
        free(data);
    }
    fclose(list);
}

static void test_wrong_channels_are_refused(void **state) {
    uint8_t *pixels, data[4] = {0};
    assert_int_equal(cnn_image_decode(&pixels, NULL, data, 4, 2), CNN_ERR_INPUT);
    assert_int_equal(cnn_image_decode(&pixels, NULL, data, 0, 3), CNN_ERR_INPUT);
    struct cnn_image_info info;
    assert_int_equal(cnn_image_probe(&info, "GIF89a....", 10), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), "GIF"));
}

// A progressive file of many scans costs a pass over the picture for each: repeat the last scan.
static void test_too_many_scans_are_refused(void **state) {
    size_t bytes, scan = 0;
    uint8_t *data = read_golden("gray-progressive.jpg", &bytes), *pixels;
    for (size_t i = 2; i + 1 < bytes; i++)
        if (data[i] == 0xFF && data[i + 1] == 0xDA && scan == 0)
            scan = i; // first: the DC scan, which may come again
    size_t next = scan + 2;
    while (data[next] != 0xFF || data[next + 1] == 0)
        next++;
    size_t n = next - scan, copies = 2 * CNN_JPEG_MAX_SCANS;
    uint8_t *bomb = malloc(bytes + n * copies);
    memcpy(bomb, data, next);
    for (size_t i = 0; i < copies; i++)
        memcpy(bomb + next + i * n, data + scan, n);
    memcpy(bomb + next + copies * n, data + next, bytes - next);
    assert_int_equal(cnn_image_decode(&pixels, NULL, bomb, bytes + n * copies, 3), CNN_ERR_INPUT);
    free(bomb);
    free(data);
}

static void test_encoded_pictures_come_back(void **state) {
    static const int sizes[][2] = {{1, 1}, {8, 8}, {33, 47}, {3, 200}};
    for (int i = 0; i < 8; i++) {
        int h = sizes[i / 2][0], w = sizes[i / 2][1], c = i % 2 ? 3 : 1;
        size_t n = (size_t)h * (size_t)w * (size_t)c, bytes;
        uint8_t *in = soft_picture(h, w, c), *file, *out;
        struct cnn_image_info info;
        assert_ok(cnn_image_encode_png(&file, &bytes, in, h, w, c));
        assert_ok(cnn_image_decode(&out, &info, file, bytes, c));
        assert_true(info.h == h && info.w == w && info.c == c && info.encoding == CNN_ENCODING_PNG);
        assert_memory_equal(in, out, n);
        free(file);
        free(out);
        assert_ok(cnn_image_encode_jpeg(&file, &bytes, in, h, w, c, 95));
        assert_ok(cnn_image_decode(&out, &info, file, bytes, c));
        assert_true(info.h == h && info.w == w && info.c == c && info.encoding == CNN_ENCODING_JPEG);
        double distance = 0;
        for (size_t k = 0; k < n; k++)
            distance += abs(in[k] - out[k]);
        assert_true(distance / (double)n < 12);
        free(file);
        free(out);
        free(in);
    }
    uint8_t *file, pixel[3] = {0};
    size_t bytes;
    assert_int_equal(cnn_image_encode_jpeg(&file, &bytes, pixel, 0, 1, 3, 90), CNN_ERR_INPUT);
    assert_int_equal(cnn_image_encode_png(&file, &bytes, pixel, 1, 1, 2), CNN_ERR_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_files_decode_as_in_pil),
        cmocka_unit_test(test_every_cut_file_fails),
        cmocka_unit_test(test_png_without_its_end),
        cmocka_unit_test(test_jpeg_sizes_nobody_has),
        cmocka_unit_test(test_png_sizes_nobody_has),
        cmocka_unit_test(test_garbage_fails),
        cmocka_unit_test(test_damaged_files_do_no_harm),
        cmocka_unit_test(test_wrong_channels_are_refused),
        cmocka_unit_test(test_too_many_scans_are_refused),
        cmocka_unit_test(test_encoded_pictures_come_back),
    };
    return cmocka_run_group_tests_name("image/decode", tests, NULL, NULL);
}
