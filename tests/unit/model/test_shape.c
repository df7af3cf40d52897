// Output extents against PyTorch's, over every small combination.
#include "golden.h"

#include <limits.h>

#include "model/shape.h"

static void conv_extents_are_pytorchs(void **state) {
    (void)state;
    FILE *file = golden_open("conv_extents.txt");
    int in, kernel, stride, padding, dilation, out, n = 0;
    for (; fscanf(file, "%d %d %d %d %d %d", &in, &kernel, &stride, &padding, &dilation, &out) == 6; n++)
        if (cnn_conv_extent(in, kernel, stride, padding, dilation) != out)
            fail_msg("conv in %d kernel %d stride %d padding %d dilation %d: got %d, PyTorch says %d", in,
                     kernel, stride, padding, dilation,
                     cnn_conv_extent(in, kernel, stride, padding, dilation), out);
    fclose(file);
    assert_int_equal(n, 6 * 4 * 3 * 3 * 2);
}

static void pool_extents_are_pytorchs(void **state) {
    (void)state;
    FILE *file = golden_open("pool_extents.txt");
    int in, kernel, stride, padding, ceil_mode, out, n = 0;
    for (; fscanf(file, "%d %d %d %d %d %d", &in, &kernel, &stride, &padding, &ceil_mode, &out) == 6; n++)
        if (cnn_pool_extent(in, kernel, stride, padding, ceil_mode) != out)
            fail_msg("pool in %d kernel %d stride %d padding %d ceil %d: got %d, PyTorch says %d", in, kernel,
                     stride, padding, ceil_mode, cnn_pool_extent(in, kernel, stride, padding, ceil_mode),
                     out);
    fclose(file);
    assert_int_equal(n, 7 * (1 + 2 + 2 + 3) * 3 * 2);
}

static void extremes_do_not_overflow(void **state) {
    (void)state;
    assert_int_equal(cnn_conv_extent(INT_MAX, 1, 1, INT_MAX, 1), 0); // more than an int holds
    assert_int_equal(cnn_conv_extent(INT_MAX, INT_MAX, 1, 0, INT_MAX), 0);
    assert_int_equal(cnn_conv_extent(INT_MAX, 1, 1, 0, 1), INT_MAX);
    assert_int_equal(cnn_pool_extent(INT_MAX, 1, 1, 0, true), INT_MAX);
    assert_int_equal(cnn_pool_extent(1, INT_MAX, 1, 0, true), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_extents_are_pytorchs),
        cmocka_unit_test(pool_extents_are_pytorchs),
        cmocka_unit_test(extremes_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
