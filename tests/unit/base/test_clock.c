#include "base/clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <time.h>

static void monotonic_seconds_pass(void **state) {
    double begin = cnn_clock_s();
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    double passed = cnn_clock_s() - begin;
    assert_true(passed >= 0.0199 && passed < 10);
}

static void utc_now(void **state) {
    char text[32];
    struct tm parsed = {0};
    cnn_clock_iso8601(text);
    char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parsed);
    assert_non_null(end);
    assert_int_equal(*end, '\0');
    assert_true(fabs(difftime(timegm(&parsed), time(NULL))) <= 2);
}

static const char *duration(double seconds) {
    static char text[40];
    cnn_format_duration(text, sizeof text, seconds);
    return text;
}

static void durations(void **state) {
    assert_string_equal(duration(0), "0.0 s");
    assert_string_equal(duration(12.34), "12.3 s");
    assert_string_equal(duration(59.94), "59.9 s");
    assert_string_equal(duration(59.96), "1:00");
    assert_string_equal(duration(245), "4:05");
    assert_string_equal(duration(3599.7), "1:00:00");
    assert_string_equal(duration(3723), "1:02:03");
    assert_string_equal(duration(360000), "100:00:00");
    assert_string_equal(duration(-65), "-1:05");
    assert_string_equal(duration(NAN), "?");
    assert_string_equal(duration(INFINITY), "?");
    assert_string_equal(duration(1e300), "?");
}

static const char *size(double bytes) {
    static char text[40];
    cnn_format_bytes(text, sizeof text, bytes);
    return text;
}

static void sizes(void **state) {
    assert_string_equal(size(0), "0 B");
    assert_string_equal(size(1023), "1023 B");
    assert_string_equal(size(1024), "1.00 KiB");
    assert_string_equal(size(1536), "1.50 KiB");
    assert_string_equal(size(1048575), "1.00 MiB");
    assert_string_equal(size(1.5 * 1024 * 1024 * 1024), "1.50 GiB");
    assert_string_equal(size(0x1p70), "1024.00 EiB");
}

static void short_buffers_are_kept(void **state) {
    char text[4] = "zzz";
    cnn_format_duration(text, sizeof text, 3723);
    assert_string_equal(text, "1:0");
    cnn_format_bytes(text, sizeof text, 12345);
    assert_string_equal(text, "12.");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monotonic_seconds_pass),
        cmocka_unit_test(utc_now),
        cmocka_unit_test(durations),
        cmocka_unit_test(sizes),
        cmocka_unit_test(short_buffers_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
