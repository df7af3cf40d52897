#include "base/library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum cnn_library_match match(const char *built, const char *found, bool newer_is_fine) {
    struct cnn_libraries list = {0};
    struct cnn_library *library = cnn_libraries_add(&list, "thing", built, found);
    library->newer_is_fine = newer_is_fine;
    return cnn_library_match(library);
}

static void versions_are_compared_by_number(void **state) {
    assert_int_equal(match("1.10.8", "1.10.8", false), CNN_LIBRARY_ALIKE);
    assert_int_equal(match("1.10.8", "1.10.2", false), CNN_LIBRARY_ALIKE); // a patch changes no interface
    assert_int_equal(match("1.9.0", "1.10.0", false), CNN_LIBRARY_MINOR);
    assert_int_equal(match("1.10.0", "1.9.0", false), CNN_LIBRARY_MINOR);
    assert_int_equal(match("2.6.3", "3.6.3", false), CNN_LIBRARY_MAJOR);
    assert_int_equal(match("10.0.0", "1.0.0", false), CNN_LIBRARY_MAJOR);
    assert_int_equal(match("2.14", "2.14.1", false), CNN_LIBRARY_ALIKE);
}

static void a_driver_may_be_newer_but_not_older(void **state) {
    assert_int_equal(match("12.4.0", "12.4.0", true), CNN_LIBRARY_ALIKE);
    assert_int_equal(match("12.4.0", "12.8.0", true), CNN_LIBRARY_ALIKE);
    assert_int_equal(match("12.4.0", "13.0.0", true), CNN_LIBRARY_ALIKE);
    assert_int_equal(match("13.0.0", "12.9.0", true), CNN_LIBRARY_MAJOR);
    assert_int_equal(match("12.4.0", "12.2.0", true), CNN_LIBRARY_MINOR);
}

static void what_is_not_known_is_no_mismatch(void **state) {
    assert_int_equal(match("2.30.0", NULL, false), CNN_LIBRARY_UNKNOWN);
    assert_int_equal(match("", "2.30.0", false), CNN_LIBRARY_UNKNOWN);
    assert_int_equal(match("2.30.0", "new", false), CNN_LIBRARY_UNKNOWN);
}

static void lists_are_searched_by_name(void **state) {
    struct cnn_libraries list = {0};
    assert_null(cnn_libraries_find(&list, "HDF5"));
    cnn_libraries_add(&list, "zlib", "1.2.13", "1.3.1");
    cnn_libraries_add(&list, "HDF5", cnn_version_of(1, 10, 8).text,
                      "a version too long for its place in here");
    assert_string_equal(cnn_libraries_find(&list, "HDF5")->built.text, "1.10.8");
    assert_int_equal(strlen(cnn_libraries_find(&list, "HDF5")->found.text),
                     sizeof list.items[0].found.text - 1);
    assert_null(cnn_libraries_find(&list, "NCCL"));
}

static void this_folder_has_two(void **state) {
    struct cnn_libraries list = {0};
    cnn_base_libraries(&list);
    assert_int_equal(list.n, 2);
    assert_int_equal(cnn_library_match(cnn_libraries_find(&list, "hwloc")), CNN_LIBRARY_ALIKE);
    assert_int_equal(cnn_library_match(cnn_libraries_find(&list, "isa-l")), CNN_LIBRARY_UNKNOWN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_compared_by_number),
        cmocka_unit_test(a_driver_may_be_newer_but_not_older),
        cmocka_unit_test(what_is_not_known_is_no_mismatch),
        cmocka_unit_test(lists_are_searched_by_name),
        cmocka_unit_test(this_folder_has_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
