#include "comm/segment.h"

#include "base/clock.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void two_mappings_are_one_memory(void **state) {
    struct cnn_segment_map a = {0}, b = {0};
    char name[CNN_SEGMENT_NAME_BYTES];
    assert_int_equal(cnn_segment_make(&a, name, 100000), CNN_OK);
    assert_int_equal(cnn_segment_open(&b, name, 100000), CNN_OK);
    cnn_segment_unlink(name);
    assert_ptr_not_equal(a.memory, b.memory);
    assert_int_equal(((char *)a.memory)[99999], 0);
    ((char *)a.memory)[99999] = 'x';
    assert_int_equal(((char *)b.memory)[99999], 'x');
    cnn_segment_close(&a);
    ((char *)b.memory)[0] = 'y'; // still there for the other
    cnn_segment_close(&b);
    cnn_segment_close(&b);
    assert_int_equal(cnn_segment_open(&b, name, 100000), CNN_ERR_IO); // and nothing stays behind
    assert_null(b.memory);
}

static void too_much_is_refused_at_once(void **state) {
    struct cnn_segment_map map = {0};
    char name[CNN_SEGMENT_NAME_BYTES];
    assert_int_equal(cnn_segment_make(&map, name, (size_t)1 << 50), CNN_ERR_IO);
    assert_null(map.memory);
    assert_int_equal(cnn_segment_open(&map, name, 1), CNN_ERR_IO);
}

static void waiting_ends_in_time(void **state) {
    struct cnn_counter counter = {5};
    atomic_bool cancelled = false;
    struct cnn_patience patience = cnn_patience_of(0.15, &cancelled);
    assert_true(cnn_counter_wait(&counter, 5, &patience));
    assert_true(cnn_counter_wait(&counter, 4, &patience));
    double start = cnn_clock_s();
    assert_false(cnn_counter_wait(&counter, 6, &patience));
    assert_true(cnn_clock_s() - start >= 0.14);
    assert_true(cnn_counter_wait(&counter, 5, &patience)); // what is there needs no patience
    patience = cnn_patience_of(1000, &cancelled);
    atomic_store(&cancelled, true);
    assert_false(cnn_counter_wait(&counter, 6, &patience));
}

static void counters_wrap(void **state) {
    struct cnn_counter counter = {UINT32_MAX - 1};
    struct cnn_patience none = cnn_patience_of(-1, NULL);
    assert_false(cnn_counter_wait(&counter, 1, &none));
    cnn_counter_post(&counter, 1);
    assert_true(cnn_counter_wait(&counter, UINT32_MAX, &none));
    assert_true(cnn_counter_wait(&counter, 1, &none));
    assert_false(cnn_counter_wait(&counter, 2, &none));
}

// Two processes hand a number back and forth: every post must wake the other, or this takes many seconds.
static void posts_wake_other_processes(void **state) {
    enum { ROUNDS = 2000 };
    struct cnn_segment_map map = {0};
    char name[CNN_SEGMENT_NAME_BYTES];
    assert_int_equal(cnn_segment_make(&map, name, 2 * sizeof(struct cnn_counter)), CNN_OK);
    cnn_segment_unlink(name);
    struct cnn_counter *ping = map.memory, *pong = ping + 1;
    struct cnn_patience patience = cnn_patience_of(30, NULL);
    double start = cnn_clock_s();
    pid_t child = fork();
    if (child == 0) {
        bool fine = true;
        for (uint32_t i = 1; i <= ROUNDS && fine; i++) {
            fine = cnn_counter_wait(ping, i, &patience);
            cnn_counter_post(pong, i);
        }
        _exit(fine ? 0 : 1);
    }
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        cnn_counter_post(ping, i);
        assert_true(cnn_counter_wait(pong, i, &patience));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(cnn_clock_s() - start < 20);
    cnn_segment_close(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_mappings_are_one_memory), cmocka_unit_test(too_much_is_refused_at_once),
        cmocka_unit_test(waiting_ends_in_time),        cmocka_unit_test(counters_wrap),
        cmocka_unit_test(posts_wake_other_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
