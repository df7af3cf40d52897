#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/shared_library.h"

static void functions_are_found_where_the_library_is(void **state) {
    struct cnn_shared_library math =
        CNN_SHARED_LIBRARY("the C library's mathematics", "libm.so.6", "/nowhere");
    (void)state;
    assert_int_equal(cnn_shared_library_open(&math), CNN_OK);
    void *handle = math.handle;
    assert_int_equal(cnn_shared_library_open(&math), CNN_OK);
    assert_ptr_equal(math.handle, handle);
    double (*root)(double) = (double (*)(double))cnn_shared_library_find(&math, "sqrt");
    assert_non_null(root);
    assert_float_equal(root(49), 7, 0);
    assert_null(cnn_shared_library_find(&math, "no_such_function"));
}

static void the_path_is_tried_after_the_name(void **state) {
    struct cnn_shared_library math = CNN_SHARED_LIBRARY("mathematics", "libno-such.so.1", "libm.so.6");
    (void)state;
    assert_non_null(cnn_shared_library_find(&math, "sqrt")); // opens it too
}

static void a_missing_library_is_named(void **state) {
    struct cnn_shared_library none =
        CNN_SHARED_LIBRARY("NoSuch", "libno-such.so.1", "/nowhere/libno-such.so");
    (void)state;
    assert_int_equal(cnn_shared_library_open(&none), CNN_ERR_UNSUPPORTED);
    assert_non_null(strstr(cnn_error_message(), "NoSuch cannot be loaded (libno-such.so.1"));
    assert_non_null(strstr(cnn_error_message(), "LD_LIBRARY_PATH"));
    assert_null(cnn_shared_library_find(&none, "sqrt"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_found_where_the_library_is),
        cmocka_unit_test(the_path_is_tried_after_the_name),
        cmocka_unit_test(a_missing_library_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
