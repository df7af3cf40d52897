#include "base/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_dumps(json_t *document, const char *expected) {
    char *text = NULL;
    assert_int_equal(cnn_json_dump(&text, document, JSON_COMPACT | JSON_ENCODE_ANY), CNN_OK);
    assert_string_equal(text, expected);
    free(text);
}

static void any_bytes_make_a_string(void **state) {
    assert_dumps(cnn_json_string("cat"), "\"cat\"");
    assert_dumps(cnn_json_string("caf\xe9"), "\"caf\\\\xe9\"");
    assert_dumps(cnn_json_string("K\xc3\xa4"
                                 "fer"),
                 "\"K\xc3\xa4"
                 "fer\"");
    assert_dumps(cnn_json_string("\"\n"), "\"\\\"\\n\"");
    assert_dumps(cnn_json_string(NULL), "null");
}

static void numbers_that_are_not_finite_are_null(void **state) {
    assert_dumps(cnn_json_number(0.5), "0.5");
    assert_dumps(cnn_json_number(NAN), "null");
    assert_dumps(cnn_json_number(-INFINITY), "null");
}

static void a_document_keeps_all_its_parts(void **state) {
    json_t *list = json_array(), *object = json_object();
    cnn_json_append(&list, cnn_json_string("a\xff"));
    cnn_json_append(&list, cnn_json_number(1.5));
    cnn_json_set(&object, "list", list);
    assert_dumps(object, "{\"list\":[\"a\\\\xff\",1.5]}");
}

// json_string refuses Latin-1 and json_real refuses NaN: what jansson would leave out in silence.
static void a_missing_part_fails_the_whole(void **state) {
    char *text = NULL;
    json_t *list = json_array(), *object = json_object();
    cnn_json_append(&list, json_string("caf\xe9"));
    assert_null(list);
    cnn_json_append(&list, cnn_json_string("cat"));
    assert_null(list);
    cnn_json_set(&object, "list", list);
    assert_null(object);
    assert_int_equal(cnn_json_dump(&text, object, 0), CNN_ERR_MEMORY);
    assert_null(text);
    assert_non_null(strstr(cnn_error_message(), "JSON"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_make_a_string),
        cmocka_unit_test(numbers_that_are_not_finite_are_null),
        cmocka_unit_test(a_document_keeps_all_its_parts),
        cmocka_unit_test(a_missing_part_fails_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
