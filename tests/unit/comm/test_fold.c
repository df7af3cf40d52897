#include "comm/fold.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void sizes_of_types(void **state) {
    assert_int_equal(cnn_comm_type_bytes(CNN_COMM_F32), 4);
    assert_int_equal(cnn_comm_type_bytes(CNN_COMM_F64), 8);
    assert_int_equal(cnn_comm_type_bytes(CNN_COMM_I64), 8);
    assert_int_equal(cnn_comm_type_bytes(CNN_COMM_BYTE), 1);
    assert_int_equal(cnn_comm_type_bytes((enum cnn_comm_type)4), 0);
    assert_false(cnn_fold_supports(CNN_COMM_F32, (enum cnn_reduce)3));
}

static void folds_go_left_to_right(void **state) {
    // (1e8 + 1) - 1e8 is 0 in float, 1 + (1e8 - 1e8) would be 1
    const float rows[3][2] = {{1e8f, 1}, {1, 1e8f}, {-1e8f, -1e8f}};
    float out[2];
    cnn_fold(out, rows, 3, 2, CNN_COMM_F32, CNN_REDUCE_SUM);
    assert_true(out[0] == 0 && out[1] == 0);
}

static void every_operation(void **state) {
    const double d[2][2] = {{1, -4}, {2.5, -5}};
    const int64_t i[2][1] = {{INT64_MAX}, {1}};
    const uint8_t b[2][1] = {{250}, {10}};
    double out_d[2];
    int64_t out_i;
    uint8_t out_b;
    cnn_fold(out_d, d, 2, 2, CNN_COMM_F64, CNN_REDUCE_SUM);
    assert_true(out_d[0] == 3.5 && out_d[1] == -9);
    cnn_fold(out_d, d, 2, 2, CNN_COMM_F64, CNN_REDUCE_MAX);
    assert_true(out_d[0] == 2.5 && out_d[1] == -4);
    cnn_fold(out_d, d, 2, 2, CNN_COMM_F64, CNN_REDUCE_MIN);
    assert_true(out_d[0] == 1 && out_d[1] == -5);
    cnn_fold(&out_i, i, 2, 1, CNN_COMM_I64, CNN_REDUCE_SUM);
    assert_true(out_i == INT64_MIN); // wraps, no trap
    cnn_fold(&out_i, i, 2, 1, CNN_COMM_I64, CNN_REDUCE_MIN);
    assert_true(out_i == 1);
    cnn_fold(&out_b, b, 2, 1, CNN_COMM_BYTE, CNN_REDUCE_SUM);
    assert_int_equal(out_b, 4);
    cnn_fold(&out_b, b, 2, 1, CNN_COMM_BYTE, CNN_REDUCE_MAX);
    assert_int_equal(out_b, 250);
}

static void a_nan_stays(void **state) {
    const float rows[3][3] = {{NAN, 1, 1}, {1, NAN, 1}, {2, 2, NAN}};
    float out[3];
    for (int op = CNN_REDUCE_SUM; op <= CNN_REDUCE_MIN; op++) {
        cnn_fold(out, rows, 3, 3, CNN_COMM_F32, (enum cnn_reduce)op);
        assert_true(isnan(out[0]) && isnan(out[1]) && isnan(out[2]));
    }
}

enum { MOST = 3000, ROWS = 9 };

// Of rows [from, to): the largest power of two of them on the left, the rest on the right.
static float sum_of(float rows[ROWS][MOST], size_t i, int from, int to) {
    int left = 1;
    if (to - from == 1)
        return rows[from][i];
    while (2 * left < to - from)
        left *= 2;
    const float a = sum_of(rows, i, from, from + left), b = sum_of(rows, i, from + left, to);
    return a + b;
}

// The sums land where one of the rows was, for lengths around the size of the block they are made in.
static void sum_of_rows_in_place(void **state) {
    static float rows[ROWS][MOST], also[MOST], right[MOST];
    static const size_t lengths[] = {0, 1, 7, 1023, 1024, 1025, 2999};
    for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++)
        for (int size = 2; size <= ROWS; size++)
            for (int own = 0; own < size; own++) {
                size_t n = lengths[l];
                const float *pointers[ROWS];
                for (int row = 0; row < ROWS; row++)
                    pointers[row] = rows[row];
                for (size_t i = 0; i < n; i++) {
                    for (int row = 0; row < size; row++)
                        rows[row][i] = ldexpf(1.3f, (int)(i * 7 + (size_t)row * 5) % 25);
                    right[i] = sum_of(rows, i, 0, size);
                }
                rows[own][n] = -1;
                cnn_fold_sum_rows(rows[own], own % 2 ? also : NULL, pointers, size, n);
                assert_memory_equal(rows[own], right, n * sizeof *right);
                assert_true(rows[own][n] == -1);
                if (own % 2)
                    assert_memory_equal(also, right, n * sizeof *right);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_of_types),       cmocka_unit_test(folds_go_left_to_right),
        cmocka_unit_test(every_operation),      cmocka_unit_test(a_nan_stays),
        cmocka_unit_test(sum_of_rows_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
