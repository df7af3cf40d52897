#include "comm/exchange.h"

#include "base/clock.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void parts_cover_everything_once(void **state) {
    static const size_t sizes[] = {0, 1, 15, 16, 17, 31, 32, 33, 1000, 4096, 262144, 262145};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (int parts = 1; parts <= 9; parts++) {
            const struct cnn_span whole = {s * 48, sizes[s]};
            size_t next = whole.first, largest = cnn_span_part(whole, parts, 0).n;
            for (int i = 0; i < parts; i++) {
                struct cnn_span part = cnn_span_part(whole, parts, i);
                if (part.n) {
                    assert_int_equal(part.first, next);
                    assert_int_equal(part.first % 16, 0);
                }
                assert_true(part.n <= largest);
                assert_true(part.first + part.n <= whole.first + whole.n);
                next += part.n;
            }
            assert_int_equal(next, whole.first + whole.n);
        }
}

static void patience_ends(void **state) {
    atomic_bool cancelled = false;
    struct cnn_patience long_one = cnn_patience_of(1000, &cancelled), none = cnn_patience_of(-1, NULL);
    assert_false(cnn_patience_is_over(&long_one));
    assert_true(cnn_patience_is_over(&none));
    assert_int_equal(cnn_patience_give(&long_one, 0, "its sums"), CNN_ERR_COMM);
    assert_string_equal(cnn_error_message(),
                        "rank 0 waited 1000 s for its sums: another rank is slow or gone; "
                        "if it is only slow, raise comm.timeout_s");
    atomic_store(&cancelled, true);
    assert_true(cnn_patience_is_over(&long_one));
    assert_int_equal(cnn_patience_give(&long_one, 0, "its sums"), CNN_ERR_COMM);
    assert_non_null(strstr(cnn_error_message(), "abandoned"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_cover_everything_once),
        cmocka_unit_test(patience_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
