// Pictures by formula and golden files, shared by the tests of src/image.
#ifndef TEST_IMAGE_PICTURE_H
#define TEST_IMAGE_PICTURE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka.h needs them before
#include <cmocka.h>

#include "base/file.h"
#include "image/choose.h"
#include "image/plan.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN CNN_SOURCE_DIR "/tests/golden/image/"

static inline void assert_ok(enum cnn_status status) {
    if (status != CNN_OK)
        fail_msg("status %d: %s", (int)status, cnn_error_message());
}

// The texture of tests/golden/make_image.py.
static inline uint8_t texture(int x, int y, int c) {
    return (uint8_t)(3 * x * x + 5 * y * y + 7 * x * y + 101 * c);
}

static inline uint8_t *texture_picture(int h, int w, int c) {
    uint8_t *pixels = malloc((size_t)h * (size_t)w * (size_t)c), *next = pixels;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int k = 0; k < c; k++)
                *next++ = texture(x, y, k);
    return pixels;
}

// Smooth enough for a JPEG, different everywhere.
static inline uint8_t *soft_picture(int h, int w, int c) {
    uint8_t *pixels = malloc((size_t)h * (size_t)w * (size_t)c), *next = pixels;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int k = 0; k < c; k++)
                *next++ = (uint8_t)((abs((3 + k) * x + 2 * y) % 160) + (x / 7 + y / 5) % 2 * 60 + 10 * k);
    return pixels;
}

static inline uint8_t *read_golden(const char *name, size_t *out_bytes) {
    char path[PATH_MAX], *data;
    snprintf(path, sizeof path, "%s%s", GOLDEN, name);
    assert_ok(cnn_file_read(&data, out_bytes, path, 1 << 20));
    return (uint8_t *)data;
}

static inline FILE *open_golden(const char *name) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s", GOLDEN, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    return file;
}

// A folder of real pictures for tests, or NULL where there is none.
static inline const char *test_data(void) {
    const char *folder = getenv("CNN_TEST_DATA");
    if (!folder)
        folder = CNN_SOURCE_DIR "/../shared/data";
    if (cnn_folder_exists(folder))
        return folder;
    print_message("no folder of test pictures: set CNN_TEST_DATA\n");
    return NULL;
}

static inline struct cnn_draws draws_of(uint64_t i) { return cnn_draws_of(7, CNN_PURPOSE_TEST, 1, i); }

// The plan of a list that only moves the window.
static inline enum cnn_status draw_plan(struct cnn_plan *plan, const struct cnn_augment_list *list, int h,
                                        int w, struct cnn_draws draws) {
    struct cnn_chosen chosen;
    cnn_choose(&chosen, list, draws);
    cnn_plan_init(plan, h, w);
    for (int i = 0; i < chosen.n; i++)
        CNN_TRY(cnn_plan_add(plan, chosen.ops[i].op, chosen.ops[i].draws));
    return CNN_OK;
}

#endif
