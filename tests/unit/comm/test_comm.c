// One rank alone: every public verb of comm/.
#include "comm/bench.h"
#include "comm/comm.h"
#include "comm/reducer.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct cnn_comm *comm;

static int start(void **state) { return cnn_comm_start(&comm) == CNN_OK ? 0 : -1; }
static int finish(void **state) {
    cnn_comm_finish(comm, 0);
    return 0;
}

static void a_rank_alone(void **state) {
    assert_int_equal(cnn_comm_rank(comm), 0);
    assert_int_equal(cnn_comm_size(comm), 1);
    assert_int_equal(cnn_comm_local_rank(comm), 0);
    assert_int_equal(cnn_comm_local_size(comm), 1);
    assert_int_equal(cnn_comm_hosts(comm), 1);
    assert_string_equal(cnn_comm_name(comm), "self");
    assert_string_equal(cnn_comm_library(comm), "none");
    assert_true(strlen(cnn_comm_host(comm)) > 0);
    cnn_comm_finish(NULL, 0);
}

static void control_traffic(void **state) {
    int64_t data[2] = {3, -4}, out[2] = {0};
    for (int op = CNN_REDUCE_SUM; op <= CNN_REDUCE_MIN; op++)
        assert_int_equal(cnn_comm_allreduce(comm, data, 2, CNN_COMM_I64, (enum cnn_reduce)op), CNN_OK);
    assert_int_equal(cnn_comm_broadcast(comm, data, sizeof data, 0), CNN_OK);
    assert_int_equal(cnn_comm_gather(comm, data, sizeof data, out, 0), CNN_OK);
    assert_int_equal(cnn_comm_barrier(comm), CNN_OK);
    assert_true(data[0] == 3 && data[1] == -4 && out[0] == 3 && out[1] == -4);
}

static void what_does_not_exist_is_refused(void **state) {
    char byte = 0;
    assert_int_equal(cnn_comm_allreduce(comm, &byte, 1, (enum cnn_comm_type)9, CNN_REDUCE_SUM),
                     CNN_ERR_INPUT);
    assert_int_equal(cnn_comm_allreduce(comm, &byte, 1, CNN_COMM_BYTE, (enum cnn_reduce) - 1), CNN_ERR_INPUT);
    assert_int_equal(cnn_comm_broadcast(comm, &byte, 1, 1), CNN_ERR_INPUT);
    assert_int_equal(cnn_comm_gather(comm, &byte, 1, &byte, -1), CNN_ERR_INPUT);
}

static void agreeing_with_oneself(void **state) {
    assert_int_equal(cnn_comm_agree(comm, CNN_OK), CNN_OK);
    assert_int_equal(cnn_comm_agree(comm, cnn_fail(CNN_ERR_IO, "disk full")), CNN_ERR_IO);
    assert_string_equal(cnn_error_message(), "disk full");
}

static void the_reducer_does_nothing(void **state) {
    float data[5] = {1, 2, 3, 4, 5};
    struct cnn_reducer *reducer;
    const struct cnn_reducer_options options = {.gradients = data, .n = 5, .bucket_bytes = 8, .timeout_s = 1};
    assert_int_equal(cnn_reducer_create(&reducer, comm, &options), CNN_OK);
    for (int step = 0; step < 3; step++) {
        cnn_reducer_begin(reducer);
        cnn_reducer_ready(reducer, 2);
        cnn_reducer_ready(reducer, 5);
        assert_int_equal(cnn_reducer_finish(reducer), CNN_OK);
    }
    for (int i = 0; i < 5; i++)
        assert_true(data[i] == (float)(i + 1));
    struct cnn_reducer_stats stats = cnn_reducer_stats(reducer);
    assert_true(stats.wait_s == 0 && stats.busy_s == 0);
    assert_int_equal(stats.n_buckets, 3);
    assert_int_equal(stats.bytes, 20);
    cnn_reducer_destroy(reducer);
    cnn_reducer_destroy(NULL);
}

static void buckets_are_chosen(void **state) {
    static float data[1 << 20];
    struct cnn_reducer *reducer;
    struct cnn_reducer_options options = {.gradients = data, .n = 1 << 20, .timeout_s = 1};
    assert_int_equal(cnn_reducer_create(&reducer, comm, &options), CNN_OK);
    assert_int_equal(cnn_reducer_stats(reducer).n_buckets, 16);
    cnn_reducer_destroy(reducer);
    options.n = 10;
    assert_int_equal(cnn_reducer_create(&reducer, comm, &options), CNN_OK);
    assert_int_equal(cnn_reducer_stats(reducer).n_buckets, 1);
    cnn_reducer_destroy(reducer);
}

static void bench_alone(void **state) {
    struct cnn_comm_bench_result result;
    struct cnn_comm_bench bench = {.bytes = 4000, .rounds = 4};
    assert_int_equal(cnn_comm_bench(&result, comm, &bench), CNN_OK);
    assert_int_equal(result.ranks, 1);
    assert_int_equal(result.rounds, 4);
    assert_true(result.bus_bytes_per_s == 0);
    assert_string_equal(result.way, "nothing");
    bench.rounds = 0;
    assert_int_equal(cnn_comm_bench(&result, comm, &bench), CNN_ERR_INPUT);
}

static void abort_ends_with_the_code(void **state) {
    int status;
    pid_t child = fork();
    if (child == 0)
        cnn_comm_abort(comm, 42);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rank_alone),
        cmocka_unit_test(control_traffic),
        cmocka_unit_test(what_does_not_exist_is_refused),
        cmocka_unit_test(agreeing_with_oneself),
        cmocka_unit_test(the_reducer_does_nothing),
        cmocka_unit_test(buckets_are_chosen),
        cmocka_unit_test(bench_alone),
        cmocka_unit_test(abort_ends_with_the_code),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
