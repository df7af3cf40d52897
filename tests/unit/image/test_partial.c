// A part of a JPEG decoded alone has the pixels it has in the whole, whatever the subsampling and the
// shrinking.
#include "picture.h"

#include "image/source.h"

struct kind {
    const char *name;
    int channels;
    int factors[3][2]; // h and v sampling of each component
    bool progressive, restarts;
};

static const struct kind kinds[] = {
    {"4:4:4", 3, {{1, 1}, {1, 1}, {1, 1}}, false, false},
    {"4:2:2", 3, {{2, 1}, {1, 1}, {1, 1}}, false, false},
    {"4:4:0", 3, {{1, 2}, {1, 1}, {1, 1}}, false, false},
    {"4:2:0", 3, {{2, 2}, {1, 1}, {1, 1}}, false, false},
    {"4:1:1", 3, {{4, 1}, {1, 1}, {1, 1}}, false, false},
    {"4:1:0", 3, {{4, 2}, {1, 1}, {1, 1}}, false, false},
    {"all 2x1", 3, {{2, 1}, {2, 1}, {2, 1}}, false, false},
    {"chroma finer", 3, {{1, 1}, {2, 1}, {1, 2}}, false, false},
    {"gray", 1, {{1, 1}}, false, false},
    {"gray 2x2", 1, {{2, 2}}, false, false},
    {"4:2:0 progressive", 3, {{2, 2}, {1, 1}, {1, 1}}, true, false},
    {"4:2:2 progressive", 3, {{2, 1}, {1, 1}, {1, 1}}, true, false},
    {"gray progressive", 1, {{1, 1}}, true, false},
    {"4:2:0 restarts", 3, {{2, 2}, {1, 1}, {1, 1}}, false, true},
};

static uint8_t *encode(const struct kind *kind, int h, int w, unsigned long *out_bytes) {
    struct jpeg_compress_struct encoder;
    struct jpeg_error_mgr errors;
    uint8_t *pixels = soft_picture(h, w, kind->channels);
    unsigned char *memory = NULL;
    encoder.err = jpeg_std_error(&errors);
    jpeg_create_compress(&encoder);
    jpeg_mem_dest(&encoder, &memory, out_bytes);
    encoder.image_width = (JDIMENSION)w;
    encoder.image_height = (JDIMENSION)h;
    encoder.input_components = kind->channels;
    encoder.in_color_space = kind->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&encoder);
    for (int i = 0; i < kind->channels; i++) {
        encoder.comp_info[i].h_samp_factor = kind->factors[i][0];
        encoder.comp_info[i].v_samp_factor = kind->factors[i][1];
    }
    if (kind->progressive)
        jpeg_simple_progression(&encoder);
    encoder.restart_interval = kind->restarts ? 3 : 0;
    jpeg_start_compress(&encoder, TRUE);
    while (encoder.next_scanline < encoder.image_height) {
        JSAMPROW row = pixels + (size_t)encoder.next_scanline * (size_t)w * (size_t)kind->channels;
        jpeg_write_scanlines(&encoder, &row, 1);
    }
    jpeg_finish_compress(&encoder);
    jpeg_destroy_compress(&encoder);
    free(pixels);
    return memory;
}

static uint8_t *read_part(const uint8_t *data, size_t bytes, struct cnn_rect rect, int shift,
                          struct cnn_image_scratch *scratch) {
    struct cnn_source source;
    struct cnn_view view;
    assert_ok(cnn_source_open(&source, data, bytes, NULL));
    assert_ok(cnn_source_read(&source, rect, shift, 3, scratch, &view));
    assert_true(view.w == rect.w && view.h == rect.h);
    size_t stride = (size_t)view.w * (size_t)view.c;
    uint8_t *pixels = malloc(stride * (size_t)view.h);
    cnn_pixels_copy(pixels, stride, view.c, &view, false);
    cnn_source_close(&source);
    return pixels;
}

static struct cnn_rect any_rect(struct cnn_draws *draws, int w, int h) {
    struct cnn_rect rect = {.w = 1 + (int)cnn_draw_below(draws, (uint32_t)w),
                            .h = 1 + (int)cnn_draw_below(draws, (uint32_t)h)};
    if (cnn_draw_below(draws, 4) == 0) // small ones more often than chance gives
        rect.w = 1 + (rect.w - 1) % 5;
    if (cnn_draw_below(draws, 4) == 0)
        rect.h = 1 + (rect.h - 1) % 5;
    rect.x = (int)cnn_draw_below(draws, (uint32_t)(w - rect.w) + 1);
    rect.y = (int)cnn_draw_below(draws, (uint32_t)(h - rect.h) + 1);
    return rect;
}

static void check_parts(const char *name, const uint8_t *data, size_t bytes, int h, int w, int c, int shift,
                        int n) {
    struct cnn_image_scratch scratch = {0};
    struct cnn_draws draws = draws_of((uint64_t)shift);
    w = (w + (1 << shift) - 1) >> shift;
    h = (h + (1 << shift) - 1) >> shift;
    uint8_t *whole = read_part(data, bytes, (struct cnn_rect){0, 0, w, h}, shift, &scratch);
    for (int i = 0; i < n; i++) {
        struct cnn_rect rect = any_rect(&draws, w, h);
        uint8_t *part = read_part(data, bytes, rect, shift, &scratch);
        size_t row = (size_t)rect.w * (size_t)c;
        for (int y = 0; y < rect.h; y++)
            if (memcmp(part + (size_t)y * row,
                       whole + ((size_t)(rect.y + y) * (size_t)w + (size_t)rect.x) * (size_t)c, row) != 0)
                fail_msg("%s shrunk by %d: row %d of %d x %d at %d, %d differs", name, 1 << shift, y, rect.w,
                         rect.h, rect.x, rect.y);
        free(part);
    }
    free(whole);
    cnn_image_scratch_finish(&scratch);
}

static void test_parts_equal_the_whole(void **state) {
    static const int sizes[][2] = {{203, 301}, {64, 48}, {9, 17}, {1, 1}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t s = 0; s < 4; s++) {
            unsigned long bytes = 0;
            int h = sizes[s][0], w = sizes[s][1];
            uint8_t *data = encode(&kinds[k], h, w, &bytes);
            for (int shift = 0; shift <= 3; shift++)
                check_parts(kinds[k].name, data, bytes, h, w, kinds[k].channels, shift, s == 0 ? 150 : 40);
            free(data);
        }
}

static void test_parts_of_turned_pictures(void **state) {
    for (int orientation = 1; orientation <= 8; orientation++) {
        char name[64];
        size_t bytes;
        snprintf(name, sizeof name, "orientation-%d.jpg", orientation);
        uint8_t *data = read_golden(name, &bytes);
        bool swap = orientation >= 5;
        check_parts(name, data, bytes, swap ? 26 : 19, swap ? 19 : 26, 3, 0, 60);
        free(data);
    }
}

static void test_parts_of_pngs(void **state) {
    static const char *const names[] = {"rgb8.png", "rgb-interlaced.png"};
    for (int i = 0; i < 2; i++) {
        size_t bytes;
        uint8_t *data = read_golden(names[i], &bytes);
        check_parts(names[i], data, bytes, 11, 19, 3, 0, 60);
        free(data);
    }
}

static void test_parts_of_photographs(void **state) {
    char folder[PATH_MAX], path[2 * PATH_MAX];
    if (!test_data())
        skip();
    snprintf(folder, sizeof folder, "%s/imagenet-sample", test_data());
    char **names;
    size_t n;
    if (!cnn_folder_exists(folder)) {
        print_message("no folder %s\n", folder);
        skip();
    }
    assert_ok(cnn_folder_list(&names, &n, folder, "", ".JPEG"));
    for (size_t i = 0; i < n; i += 10) {
        char *data;
        size_t bytes;
        struct cnn_image_info info;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_ok(cnn_file_read(&data, &bytes, path, 1 << 24));
        assert_ok(cnn_image_probe(&info, data, bytes));
        check_parts(names[i], (uint8_t *)data, bytes, info.h, info.w, info.c, 0, 3);
        free(data);
    }
    cnn_names_free(names, n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_equal_the_whole),
        cmocka_unit_test(test_parts_of_turned_pictures),
        cmocka_unit_test(test_parts_of_pngs),
        cmocka_unit_test(test_parts_of_photographs),
    };
    return cmocka_run_group_tests_name("image/partial", tests, NULL, NULL);
}
