// Every number once whatever the threads do, and errors that end the sweep.
#include "data/sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

enum { N = 1000, MOST_THREADS = 8 };

struct seen {
    _Atomic int times[N];
    uint64_t last[MOST_THREADS]; // of each thread, plus one
    uint64_t fails_at;           // no number: N
    _Atomic bool rising;
};

static enum cnn_status note(void *context, int thread, uint64_t i) {
    struct seen *seen = context;
    if (i >= N || thread < 0 || thread >= MOST_THREADS)
        return cnn_fail(CNN_ERR_FAILED, "thread %d visits %d", thread, (int)i);
    if (i < seen->last[thread])
        seen->rising = false;
    seen->last[thread] = i + 1;
    seen->times[i]++;
    if (i == seen->fails_at)
        return cnn_fail(CNN_ERR_IO, "number %d fails", (int)i);
    return CNN_OK;
}

static void every_number_once(void **state) {
    static const uint64_t ranges[][2] = {{0, N}, {5, 6}, {7, 7}, {9, 3}, {100, 117}, {984, N}};
    for (int threads = 1; threads <= MOST_THREADS; threads++)
        for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++) {
            struct seen seen = {.fails_at = N, .rising = true};
            assert_int_equal(cnn_sweep(ranges[k][0], ranges[k][1], threads, note, &seen), CNN_OK);
            for (uint64_t i = 0; i < N; i++)
                assert_int_equal(seen.times[i], i >= ranges[k][0] && i < ranges[k][1]);
            assert_true(seen.rising);
        }
}

static void an_error_ends_it_and_comes_back(void **state) {
    for (int threads = 1; threads <= MOST_THREADS; threads += 3) {
        struct seen seen = {.fails_at = 40};
        int visited = 0;
        assert_int_equal(cnn_sweep(0, N, threads, note, &seen), CNN_ERR_IO);
        assert_string_equal(cnn_error_message(), "number 40 fails");
        for (int i = 0; i < N; i++) {
            assert_in_range(seen.times[i], 0, 1);
            visited += seen.times[i];
        }
        assert_true(threads > 1 || visited == 41);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_once),
        cmocka_unit_test(an_error_ends_it_and_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
