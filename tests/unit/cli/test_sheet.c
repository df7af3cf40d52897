// Contact sheets: where pictures lie, how they are fitted, and that no text leaves its place.
#include "cli/sheet.h"
#include "image/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CELL = 40, PAPER = 245, LEFT = 6, TOP = 22, STEP_X = CELL + 6, STEP_Y = CELL + 26 };

static const uint8_t *pixel(const struct cnn_sheet *sheet, int y, int x) {
    assert_in_range(y, 0, sheet->h - 1);
    assert_in_range(x, 0, sheet->w - 1);
    return sheet->pixels + ((size_t)y * (size_t)sheet->w + (size_t)x) * 3;
}

static struct cnn_sheet sheet_of(int rows, int cols) {
    struct cnn_sheet sheet;
    assert_int_equal(cnn_sheet_create(&sheet, rows, cols, CELL, "title"), CNN_OK);
    return sheet;
}

static int ink(const struct cnn_sheet *sheet, int y0, int y1, int x0, int x1) {
    int n = 0;
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++)
            n += pixel(sheet, y, x)[0] != PAPER;
    return n;
}

static void small_pictures_are_enlarged_by_whole_factors(void **state) {
    struct cnn_sheet sheet = sheet_of(2, 3);
    const uint8_t pixels[2 * 3 * 3] = {10, 20, 30, 40, 50, 60, 70, 80, 90, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    cnn_sheet_put(&sheet, 1, 2, pixels, 2, 3, 3, "", "");
    int x0 = LEFT + 2 * STEP_X + (CELL - 39) / 2, y0 = TOP + STEP_Y + (CELL - 26) / 2; // 13 times
    for (int y = 0; y < 26; y++)
        for (int x = 0; x < 39; x++)
            assert_memory_equal(pixel(&sheet, y0 + y, x0 + x), pixels + (y / 13 * 3 + x / 13) * 3, 3);
    assert_int_equal(ink(&sheet, TOP, sheet.h, 0, sheet.w), 39 * 26);
    cnn_sheet_finish(&sheet);
}

static void large_pictures_are_shrunk_by_averaging(void **state) {
    struct cnn_sheet sheet = sheet_of(1, 1);
    static uint8_t pixels[160 * 80];
    for (int y = 0; y < 160; y++)
        for (int x = 0; x < 80; x++)
            pixels[y * 80 + x] = (uint8_t)(x < 40 ? (x + y) % 2 * 100 : 200);
    cnn_sheet_put(&sheet, 0, 0, pixels, 160, 80, 1, "", "");
    for (int y = 0; y < CELL; y++)
        for (int x = 0; x < CELL / 2; x++) {
            const uint8_t *at = pixel(&sheet, TOP + y, LEFT + CELL / 4 + x);
            assert_int_equal(at[0], x < CELL / 4 ? 50 : 200);
            assert_true(at[1] == at[0] && at[2] == at[0]);
        }
    cnn_sheet_finish(&sheet);
}

static void captions_stay_below_their_picture(void **state) {
    struct cnn_sheet sheet = sheet_of(2, 2);
    int before = ink(&sheet, 0, sheet.h, 0, sheet.w);
    cnn_sheet_put(&sheet, 0, 1, NULL, 0, 0, 3, "a name that is far too long for its place \xc3\xa9", "note");
    int x0 = LEFT + STEP_X, y0 = TOP + CELL;
    int inside = ink(&sheet, y0, y0 + 20, x0, x0 + CELL);
    assert_true(inside > 30);
    assert_int_equal(ink(&sheet, 0, sheet.h, 0, sheet.w), before + inside);
    cnn_sheet_finish(&sheet);
}

static void every_letter_has_a_shape_of_its_own(void **state) {
    static uint8_t seen[95][10 * 10];
    for (int c = ' '; c <= '~'; c++) {
        struct cnn_sheet sheet = sheet_of(1, 1);
        const char text[2] = {(char)c, '\0'};
        cnn_sheet_put(&sheet, 0, 0, NULL, 0, 0, 3, text, "");
        for (int y = 0; y < 10; y++)
            for (int x = 0; x < 10; x++)
                seen[c - ' '][y * 10 + x] = pixel(&sheet, TOP + CELL + y, LEFT + x)[0];
        for (int other = ' '; other < c; other++)
            assert_memory_not_equal(seen[c - ' '], seen[other - ' '], sizeof seen[0]);
        cnn_sheet_finish(&sheet);
    }
}

static void too_large_a_sheet_is_refused(void **state) {
    struct cnn_sheet sheet;
    assert_int_equal(cnn_sheet_create(&sheet, 1000, 1000, 4096, ""), CNN_ERR_INPUT);
    assert_int_equal(cnn_sheet_create(&sheet, 0, 1, 64, ""), CNN_ERR_INPUT);
    assert_int_equal(cnn_sheet_create(&sheet, 1, 1, 4, ""), CNN_ERR_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_pictures_are_enlarged_by_whole_factors),
        cmocka_unit_test(large_pictures_are_shrunk_by_averaging),
        cmocka_unit_test(captions_stay_below_their_picture),
        cmocka_unit_test(every_letter_has_a_shape_of_its_own),
        cmocka_unit_test(too_large_a_sheet_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
