// For cmocka programs that run on several ranks. A failed assertion ends the whole job: the other ranks would
// wait for this one in their next collective call.
#ifndef CNN_TESTS_MPI_TEST_H
#define CNN_TESTS_MPI_TEST_H
#include "base/log.h"
#include "comm/comm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static struct cnn_comm *comm;
static int rank, size;
static bool passed;

static inline int before_test(void **state) {
    passed = false;
    return 0;
}

static inline int after_test(void **state) {
    if (passed)
        return 0;
    usleep(300000); // what the assertion printed must reach the launcher first
    cnn_comm_abort(comm, 1);
}

static inline void mpi_test_log(void *context, enum cnn_log_level level, const char *line) {
    fprintf(stderr, "[log of rank %d] %s\n", rank, line);
}

// Defines a test whose body follows.
#define MPI_TEST(name)                                                                                       \
    static void name##_body(void);                                                                           \
    static void name(void **state) {                                                                         \
        name##_body();                                                                                       \
        passed = true;                                                                                       \
    }                                                                                                        \
    static void name##_body(void)
#define MPI_UNIT(name) cmocka_unit_test_setup_teardown(name, before_test, after_test)

// Asserts success and shows the message where there is none.
static inline void assert_ok(enum cnn_status status) {
    if (status != CNN_OK)
        fail_msg("rank %d: status %d: %s", rank, (int)status, cnn_error_message());
}

// With the leak sanitizer: whether anything of ours is lost. While MPI still runs, what is MPI's can be told
// by name. For that its plugins stay loaded to the end.
#ifdef __SANITIZE_ADDRESS__
int dlclose(void *handle);
__attribute__((visibility("default"))) int dlclose(void *handle) { return 0; }
#endif
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
static inline int find_leaks(void) {
    return __lsan_do_recoverable_leak_check ? __lsan_do_recoverable_leak_check() : 0;
}

#define MPI_MAIN(tests)                                                                                      \
    int main(void) {                                                                                         \
        if (cnn_log_add_sink(mpi_test_log, NULL, CNN_LOG_WARN) != CNN_OK)                                    \
            return 1;                                                                                        \
        if (cnn_comm_start(&comm) != CNN_OK) {                                                               \
            fprintf(stderr, "%s\n", cnn_error_message());                                                    \
            return 1;                                                                                        \
        }                                                                                                    \
        rank = cnn_comm_rank(comm);                                                                          \
        size = cnn_comm_size(comm);                                                                          \
        int failed = cmocka_run_group_tests(tests, NULL, NULL);                                              \
        int leaks = find_leaks();                                                                            \
        cnn_comm_finish(comm, 0);                                                                            \
        return failed || leaks;                                                                              \
    }

#endif
