#include "comm/way.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SIZE = 4 };
static struct cnn_way_facts facts[SIZE];
static struct cnn_way_choice choice;

// Two hosts of two GPUs each.
static int begin(void **state) {
    for (int rank = 0; rank < SIZE; rank++) {
        facts[rank] = (struct cnn_way_facts){.has_device = 1, .has_nccl = 1};
        snprintf(facts[rank].host, sizeof facts[rank].host, "node%d", rank / 2);
        snprintf(facts[rank].place, sizeof facts[rank].place, "0000:0%d:00.0", rank % 2);
    }
    memset(&choice, 0, sizeof choice);
    return 0;
}

static void no_devices(void) {
    for (int rank = 0; rank < SIZE; rank++)
        facts[rank] = (struct cnn_way_facts){.has_device = 0};
}

static void expect(enum cnn_comm_kind wanted, enum cnn_way way, const char *why) {
    assert_int_equal(cnn_way_choose(&choice, wanted, facts, SIZE), CNN_OK);
    assert_int_equal(choice.way, way);
    assert_string_equal(choice.why, why);
}

static void refuse(enum cnn_comm_kind wanted, enum cnn_status status, const char *why) {
    assert_int_equal(cnn_way_choose(&choice, wanted, facts, SIZE), status);
    if (!strstr(cnn_error_message(), why))
        fail_msg("`%s` does not say `%s`", cnn_error_message(), why);
}

static void on_the_cpu(void **state) {
    no_devices();
    expect(CNN_COMM_AUTO, CNN_WAY_HOST, "");
    expect(CNN_COMM_MPI, CNN_WAY_HOST, "");
    refuse(CNN_COMM_NCCL, CNN_ERR_UNSUPPORTED, "comm.backend: nccl needs GPUs");
}

static void a_gpu_for_every_rank(void **state) {
    expect(CNN_COMM_AUTO, CNN_WAY_NCCL, "");
    expect(CNN_COMM_NCCL, CNN_WAY_NCCL, "");
    expect(CNN_COMM_MPI, CNN_WAY_STAGED, "");
}

static void a_shared_gpu(void **state) {
    strcpy(facts[3].place, facts[2].place);
    const char *why = "ranks 2 and 3 share GPU 0000:00:00.0 on node1, but NCCL needs one GPU per rank";
    expect(CNN_COMM_AUTO, CNN_WAY_STAGED, why);
    refuse(CNN_COMM_NCCL, CNN_ERR_UNSUPPORTED, why);
    expect(CNN_COMM_MPI, CNN_WAY_STAGED, ""); // it was asked for
}

static void no_nccl_somewhere(void **state) {
    facts[1].has_nccl = 0;
    strcpy(facts[1].why, "this build does not support NCCL");
    expect(CNN_COMM_AUTO, CNN_WAY_STAGED, "rank 1: this build does not support NCCL");
    refuse(CNN_COMM_NCCL, CNN_ERR_UNSUPPORTED,
           "comm.backend: nccl cannot be used: rank 1: this build does not support NCCL; use mpi or auto");
}

static void gpus_on_some_ranks(void **state) {
    facts[2].has_device = 0;
    refuse(CNN_COMM_AUTO, CNN_ERR_INPUT, "3 of 4 ranks compute on a GPU and the others on the CPU");
}

static void one_rank(void **state) {
    assert_int_equal(cnn_way_choose(&choice, CNN_COMM_NCCL, facts, 1), CNN_OK);
    assert_int_equal(choice.way, CNN_WAY_NCCL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(on_the_cpu, begin),
        cmocka_unit_test_setup(a_gpu_for_every_rank, begin),
        cmocka_unit_test_setup(a_shared_gpu, begin),
        cmocka_unit_test_setup(no_nccl_somewhere, begin),
        cmocka_unit_test_setup(gpus_on_some_ranks, begin),
        cmocka_unit_test_setup(one_rank, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
