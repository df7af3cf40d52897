#include "base/error.h"

#include <cnn_dist/status.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void failing_sets_the_message(void **state) {
    assert_int_equal(cnn_fail(CNN_ERR_IO, "%s: %d bytes", "a.h5", 3), CNN_ERR_IO);
    assert_string_equal(cnn_error_message(), "a.h5: 3 bytes");
}

static void context_goes_in_front(void **state) {
    cnn_fail(CNN_ERR_INPUT, "no such key");
    assert_int_equal(cnn_fail_in(CNN_ERR_INPUT, "line %d", 7), CNN_ERR_INPUT);
    assert_string_equal(cnn_error_message(), "line 7: no such key");
}

static void a_message_may_quote_the_last_one(void **state) {
    cnn_fail(CNN_ERR_INPUT, "inner");
    cnn_fail(CNN_ERR_INPUT, "outer (%s) end", cnn_error_message());
    assert_string_equal(cnn_error_message(), "outer (inner) end");
    cnn_fail_in(CNN_ERR_INPUT, "again %s", cnn_error_message());
    assert_string_equal(cnn_error_message(), "again outer (inner) end: outer (inner) end");
}

static void a_message_is_one_bounded_line(void **state) {
    char long_name[5000];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    cnn_fail(CNN_ERR_INPUT, "two\nlines\tand\x1b[31m %s", long_name);
    assert_int_equal(strncmp(cnn_error_message(), "two lines and [31m xxx", 22), 0);
    assert_true(strlen(cnn_error_message()) < 1024);
    cnn_fail_in(CNN_ERR_INPUT, "%s", long_name);
    assert_true(strlen(cnn_error_message()) < 1024);
}

static void after_changes_input_is_a_failure(void **state) {
    cnn_fail(CNN_ERR_INPUT, "no such file");
    assert_int_equal(cnn_status_exit_code(cnn_error_after_changes(CNN_ERR_INPUT)), 1);
    assert_string_equal(cnn_error_message(), "no such file");
    assert_int_equal(cnn_status_exit_code(cnn_error_after_changes(CNN_ERR_UNSUPPORTED)), 1);
    assert_int_equal(cnn_error_after_changes(CNN_OK), CNN_OK);
    assert_int_equal(cnn_error_after_changes(CNN_STOPPED), CNN_STOPPED);
    assert_int_equal(cnn_error_after_changes(CNN_ERR_COMM), CNN_ERR_COMM);
}

static void *other_thread(void *out) {
    struct cnn_error *error = out;
    assert_string_equal(cnn_error_message(), "");
    cnn_fail(CNN_ERR_COMM, "rank 3 is gone");
    cnn_error_take(error, CNN_ERR_COMM);
    return NULL;
}

static void an_error_crosses_threads_only_by_hand(void **state) {
    struct cnn_error error;
    pthread_t thread;
    cnn_fail(CNN_ERR_INPUT, "mine");
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &error), 0);
    pthread_join(thread, NULL);
    assert_string_equal(cnn_error_message(), "mine");
    assert_int_equal(cnn_error_give(&error), CNN_ERR_COMM);
    assert_string_equal(cnn_error_message(), "rank 3 is gone");
}

static void given_errors_are_not_formats(void **state) {
    struct cnn_error error = {CNN_ERR_IO, "100%s%n of disk"};
    assert_int_equal(cnn_error_give(&error), CNN_ERR_IO);
    assert_string_equal(cnn_error_message(), "100%s%n of disk");
}

static void exit_codes(void **state) {
    assert_int_equal(cnn_status_exit_code(CNN_OK), 0);
    assert_int_equal(cnn_status_exit_code(CNN_ERR_INPUT), 2);
    assert_int_equal(cnn_status_exit_code(CNN_ERR_UNSUPPORTED), 2);
    assert_int_equal(cnn_status_exit_code(CNN_ERR_IO), 1);
    assert_int_equal(cnn_status_exit_code(CNN_ERR_MEMORY), 1);
    assert_int_equal(cnn_status_exit_code(CNN_ERR_BACKEND), 1);
    assert_int_equal(cnn_status_exit_code(CNN_ERR_COMM), 1);
    assert_int_equal(cnn_status_exit_code(CNN_ERR_FAILED), 1);
    assert_int_equal(cnn_status_exit_code(CNN_STOPPED), 75);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failing_sets_the_message),
        cmocka_unit_test(context_goes_in_front),
        cmocka_unit_test(a_message_may_quote_the_last_one),
        cmocka_unit_test(a_message_is_one_bounded_line),
        cmocka_unit_test(after_changes_input_is_a_failure),
        cmocka_unit_test(an_error_crosses_threads_only_by_hand),
        cmocka_unit_test(given_errors_are_not_formats),
        cmocka_unit_test(exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
