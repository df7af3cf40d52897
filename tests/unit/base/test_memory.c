#include "base/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

static void multiply_checks(void **state) {
    size_t out = 1;
    assert_int_equal(cnn_multiply(&out, 3, 5), CNN_OK);
    assert_int_equal(out, 15);
    assert_int_equal(cnn_multiply(&out, SIZE_MAX, 1), CNN_OK);
    assert_true(out == SIZE_MAX);
    assert_int_equal(cnn_multiply(&out, SIZE_MAX / 2 + 1, 2), CNN_ERR_INPUT);
    assert_int_equal(cnn_multiply(&out, 0, SIZE_MAX), CNN_OK);
    assert_int_equal(out, 0);
}

static void calloc_is_aligned_and_zero(void **state) {
    for (size_t n = 0; n < 300; n += 7) {
        unsigned char *dirty = NULL, *memory = NULL;
        assert_int_equal(cnn_malloc(&dirty, n, 3), CNN_OK);
        for (size_t i = 0; i < 3 * n; i++)
            dirty[i] = 0xff;
        free(dirty);
        assert_int_equal(cnn_calloc(&memory, n, 3), CNN_OK);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % CNN_ALIGN, 0);
        for (size_t i = 0; i < 3 * n; i++)
            assert_int_equal(memory[i], 0);
        free(memory);
    }
}

static void failures_leave_out_alone(void **state) {
    int here;
    void *out = &here;
    assert_int_equal(cnn_calloc(&out, SIZE_MAX, 2), CNN_ERR_INPUT);
    assert_int_equal(cnn_malloc(&out, SIZE_MAX, 1), CNN_ERR_MEMORY);
    assert_int_equal(cnn_malloc(&out, SIZE_MAX - CNN_ALIGN + 1, 1), CNN_ERR_MEMORY);
    assert_ptr_equal(out, &here);
}

static void room_for_one_more(void **state) {
    int *values = NULL;
    size_t room = 0;
    for (int n = 0; n < 1000; n++) {
        assert_int_equal(cnn_make_room(&values, &room, (size_t)n, sizeof *values), CNN_OK);
        assert_true(room > (size_t)n);
        values[n] = n;
    }
    for (int n = 0; n < 1000; n++)
        assert_int_equal(values[n], n);
    const int *before = values;
    const size_t had = room;
    assert_int_equal(cnn_make_room(&values, &room, room, SIZE_MAX / 2), CNN_ERR_INPUT);
    assert_ptr_equal(values, before);
    assert_int_equal(room, had);
    free(values);
}

static void strdup_copies(void **state) {
    char *copy = NULL;
    assert_int_equal(cnn_strdup(&copy, "layer1.0.conv1"), CNN_OK);
    assert_string_equal(copy, "layer1.0.conv1");
    free(copy);
}

static void align_up(void **state) {
    assert_int_equal(cnn_align_up(0, 64), 0);
    assert_int_equal(cnn_align_up(1, 64), 64);
    assert_int_equal(cnn_align_up(64, 64), 64);
    assert_int_equal(cnn_align_up(65, 64), 128);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multiply_checks),
        cmocka_unit_test(calloc_is_aligned_and_zero),
        cmocka_unit_test(failures_leave_out_alone),
        cmocka_unit_test(room_for_one_more),
        cmocka_unit_test(strdup_copies),
        cmocka_unit_test(align_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
