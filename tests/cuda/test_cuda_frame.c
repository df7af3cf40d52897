// Memory, copies, staged inputs and recordings of a GPU, without any arithmetic: copies stand in for ops.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gpu.h"

#define OK(call)                                                                                             \
    do {                                                                                                     \
        if ((call) != CNN_OK)                                                                                \
            fail_msg("%s: %s", #call, cnn_error_message());                                                  \
    } while (0)

static void *device(struct cnn_backend *backend, size_t bytes) {
    void *memory = NULL;
    OK(cnn_backend_alloc(backend, &memory, bytes));
    return memory;
}

static void *pinned(struct cnn_backend *backend, size_t bytes) {
    void *memory = NULL;
    OK(cnn_backend_alloc_host(backend, &memory, bytes));
    return memory;
}

static void memory_is_zeroed_and_aligned(void **state) {
    struct cnn_backend *backend = *state;
    enum { N = 1 << 20 };
    unsigned char *host = pinned(backend, N);
    for (int i = 0; i < N; i++)
        assert_int_equal(host[i], 0);
    for (int round = 0; round < 2; round++) {
        char *memory = device(backend, N);
        assert_int_equal((uintptr_t)memory % 64, 0);
        OK(cnn_backend_download(backend, host, memory, N));
        OK(cnn_backend_synchronize(backend));
        for (int i = 0; i < N; i++)
            assert_int_equal(host[i], 0);
        memset(host, 0xff, N);
        OK(cnn_backend_upload(backend, memory, host, N)); // the next round may get the same memory
        OK(cnn_backend_synchronize(backend));
        cnn_backend_free(backend, memory);
    }
    void *nothing = device(backend, 0);
    assert_non_null(nothing);
    cnn_backend_free(backend, nothing);
    cnn_backend_free_host(backend, host);
}

static void the_most_memory_at_a_time_is_known(void **state) {
    struct cnn_backend *backend = *state;
    const size_t before = cnn_backend_peak_bytes(backend), some = (size_t)64 << 20;
    assert_true(before > 0);
    void *a = device(backend, some), *b = device(backend, some);
    const size_t both = cnn_backend_peak_bytes(backend);
    assert_true(both >= 2 * some && both <= before + 2 * some);
    cnn_backend_free(backend, a);
    void *c = device(backend, some);
    assert_int_equal(cnn_backend_peak_bytes(backend), both);
    cnn_backend_free(backend, b);
    cnn_backend_free(backend, c);
}

static void copies_run_in_order(void **state) {
    struct cnn_backend *backend = *state;
    enum { N = 1 << 18 };
    float *host = pinned(backend, 2 * N * sizeof *host), *back = host + N;
    float *a = device(backend, N * sizeof *a), *b = device(backend, N * sizeof *b);
    for (int i = 0; i < N; i++)
        host[i] = (float)i;
    OK(cnn_backend_upload(backend, a, host, N * sizeof *a));
    OK(backend->ops->copy(backend, b, a, N));
    OK(cnn_backend_download(backend, back, b, N * sizeof *b));
    OK(cnn_backend_synchronize(backend));
    assert_false(cnn_backend_is_busy(backend));
    assert_memory_equal(host, back, N * sizeof *a);
    cnn_backend_free(backend, a);
    cnn_backend_free(backend, b);
    cnn_backend_free_host(backend, host);
}

static void too_much_memory_is_an_error_that_passes(void **state) {
    struct cnn_backend *backend = *state;
    size_t left = 0;
    void *memory = NULL;
    OK(backend->ops->memory_left(backend, &left));
    assert_true(left > 0);
    assert_int_equal(cnn_backend_alloc(backend, &memory, (size_t)1 << 46), CNN_ERR_MEMORY);
    assert_null(memory);
    assert_non_null(strstr(cnn_error_message(), "out of device memory"));
    memory = device(backend, 1 << 20);
    OK(cnn_backend_synchronize(backend));
    cnn_backend_free(backend, memory);
}

// ---- staged inputs

enum { INPUT = 1 << 16, SLOW = 1 << 24, ROUNDS = 24 };

struct pipeline {
    struct cnn_backend *backend;
    float *input, *output, *slow[2],
        *all;              // device: what is staged, what the "ops" make of it, every round's output
    float *host[2], *seen; // the host's two batches, taking turns; every round's output
};

static struct pipeline open_pipeline(struct cnn_backend *backend) {
    struct pipeline p = {.backend = backend};
    p.input = device(backend, INPUT * sizeof *p.input);
    p.output = device(backend, INPUT * sizeof *p.output);
    p.all = device(backend, (size_t)ROUNDS * INPUT * sizeof *p.all);
    p.seen = pinned(backend, (size_t)ROUNDS * INPUT * sizeof *p.seen);
    for (int i = 0; i < 2; i++) {
        p.slow[i] = device(backend, SLOW * sizeof **p.slow);
        p.host[i] = pinned(backend, INPUT * sizeof **p.host);
    }
    return p;
}

static void close_pipeline(struct pipeline *p) {
    for (int i = 0; i < 2; i++) {
        cnn_backend_free(p->backend, p->slow[i]);
        cnn_backend_free_host(p->backend, p->host[i]);
    }
    cnn_backend_free(p->backend, p->input);
    cnn_backend_free(p->backend, p->output);
    cnn_backend_free(p->backend, p->all);
    cnn_backend_free_host(p->backend, p->seen);
}

static void load(struct pipeline *p, int round) {
    float *host = p->host[round % 2];
    for (int i = 0; i < INPUT; i++)
        host[i] = (float)(round * INPUT + i);
    OK(p->backend->ops->stage(p->backend, p->input, host, INPUT * sizeof *host));
}

// Takes its time before it reads the input, and after.
static void queue(struct pipeline *p) {
    const struct cnn_backend_ops *ops = p->backend->ops;
    for (int i = 0; i < 4; i++)
        OK(ops->copy(p->backend, p->slow[i % 2], p->slow[(i + 1) % 2], SLOW));
    OK(ops->copy(p->backend, p->output, p->input, INPUT));
    OK(ops->stage_used(p->backend));
    OK(ops->copy(p->backend, p->slow[0], p->slow[1], SLOW));
}

static void run_rounds(struct pipeline *p, struct cnn_recording *recording) {
    load(p, 0);
    for (int round = 0; round < ROUNDS; round++) {
        OK(p->backend->ops->stage_wait(p->backend));
        if (recording)
            OK(cnn_backend_replay(p->backend, recording));
        else
            queue(p);
        OK(p->backend->ops->copy(p->backend, p->all + (size_t)round * INPUT, p->output, INPUT));
        OK(p->backend->ops->stage_finish(p->backend));
        if (round + 1 < ROUNDS)
            load(p, round + 1); // must wait for the ops that were queued, and no longer
    }
}

static void expect_rounds(struct pipeline *p) {
    OK(cnn_backend_download(p->backend, p->seen, p->all, (size_t)ROUNDS * INPUT * sizeof *p->seen));
    OK(cnn_backend_synchronize(p->backend));
    for (int i = 0; i < ROUNDS * INPUT; i++)
        if (p->seen[i] != (float)i)
            fail_msg("round %d saw %g at %d instead of %d: another round's input", i / INPUT,
                     (double)p->seen[i], i % INPUT, i);
}

static void staged_inputs_wait_for_their_readers(void **state) {
    struct pipeline p = open_pipeline(*state);
    run_rounds(&p, NULL);
    expect_rounds(&p);
    close_pipeline(&p);
}

static void staged_inputs_wait_for_a_recording_that_reads_them(void **state) {
    struct pipeline p = open_pipeline(*state);
    struct cnn_recording *recording = NULL;
    OK(cnn_backend_record_begin(p.backend));
    queue(&p);
    OK(cnn_backend_record_end(p.backend, &recording));
    run_rounds(&p, recording);
    expect_rounds(&p);
    run_rounds(&p, NULL); // one after the other, in any order
    run_rounds(&p, recording);
    expect_rounds(&p);
    cnn_recording_destroy(p.backend, recording);
    close_pipeline(&p);
}

// ---- recordings

static void a_recording_runs_when_it_is_told_to(void **state) {
    struct cnn_backend *backend = *state;
    float *a = device(backend, sizeof *a), *b = device(backend, sizeof *b),
          *host = pinned(backend, sizeof *host);
    struct cnn_recording *recording = NULL;
    OK(cnn_backend_record_begin(backend));
    OK(backend->ops->copy(backend, b, a, 1));
    OK(cnn_backend_record_end(backend, &recording));
    for (int round = 0; round < 3; round++) {
        *host = (float)round + 1;
        OK(cnn_backend_upload(backend, a, host, sizeof *host));
        if (round > 0)
            OK(cnn_backend_replay(backend, recording));
        OK(cnn_backend_synchronize(backend));
        OK(cnn_backend_download(backend, host, b, sizeof *host));
        OK(cnn_backend_synchronize(backend));
        assert_float_equal(*host, round > 0 ? round + 1 : 0, 0);
    }
    cnn_recording_destroy(backend, recording);
    cnn_backend_free(backend, a);
    cnn_backend_free(backend, b);
    cnn_backend_free_host(backend, host);
}

static void what_cannot_be_recorded_is_named(void **state) {
    struct cnn_backend *backend = *state;
    struct cnn_recording *recording = NULL;
    float *a = device(backend, 2 * sizeof *a);
    OK(cnn_backend_record_begin(backend));
    OK(backend->ops->copy(backend, a, a + 1, 1));
    assert_int_not_equal(cnn_backend_synchronize(backend), CNN_OK);
    assert_int_not_equal(cnn_backend_record_end(backend, &recording), CNN_OK);
    assert_null(recording);
    assert_non_null(strstr(cnn_error_message(), "train.record=false"));
    OK(backend->ops->copy(backend, a, a + 1, 1)); // and all goes on
    OK(cnn_backend_synchronize(backend));
    cnn_backend_free(backend, a);
}

// ---- devices

static void ranks_take_turns_on_gpus(void **state) {
    struct cnn_backend_options options = gpu_options(CNN_PRECISION_FP32);
    struct cnn_backend *other = NULL;
    (void)state;
    options.local_rank = 1000;
    options.local_size = 1001;
    OK(cnn_backend_create(&other, CNN_BACKEND_CUDA, &options));
    cnn_backend_destroy(other);
}

static void auto_takes_the_gpu(void **state) {
    const struct cnn_backend_options options = gpu_options(CNN_PRECISION_AUTO);
    struct cnn_backend *other = NULL;
    (void)state;
    OK(cnn_backend_create(&other, CNN_BACKEND_AUTO, &options));
    assert_string_equal(cnn_backend_name(other), "cuda");
    assert_non_null(strstr(cnn_backend_description(other), "cuDNN"));
    assert_false(cnn_backend_is_host(other));
    cnn_backend_destroy(other);
}

static void precisions_have_their_types(void **state) {
    static const struct {
        enum cnn_precision precision;
        enum cnn_type type;
    } cases[] = {{CNN_PRECISION_FP32, CNN_TYPE_F32},
                 {CNN_PRECISION_TF32, CNN_TYPE_F32},
                 {CNN_PRECISION_BF16, CNN_TYPE_BF16},
                 {CNN_PRECISION_FP16, CNN_TYPE_F16}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct cnn_backend_options options = gpu_options(cases[i].precision);
        struct cnn_backend *other = NULL;
        OK(cnn_backend_create(&other, CNN_BACKEND_CUDA, &options));
        assert_int_equal(cnn_backend_type(other), cases[i].type);
        assert_non_null(strstr(cnn_backend_description(other), cnn_precision_name(cases[i].precision)));
        cnn_backend_destroy(other);
    }
}

int main(void) {
    int status = 1;
    struct cnn_backend *backend = gpu_open(CNN_PRECISION_FP32, &status);
    if (!backend)
        return status;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(memory_is_zeroed_and_aligned, backend),
        cmocka_unit_test_prestate(the_most_memory_at_a_time_is_known, backend),
        cmocka_unit_test_prestate(copies_run_in_order, backend),
        cmocka_unit_test_prestate(too_much_memory_is_an_error_that_passes, backend),
        cmocka_unit_test_prestate(staged_inputs_wait_for_their_readers, backend),
        cmocka_unit_test_prestate(staged_inputs_wait_for_a_recording_that_reads_them, backend),
        cmocka_unit_test_prestate(a_recording_runs_when_it_is_told_to, backend),
        cmocka_unit_test_prestate(what_cannot_be_recorded_is_named, backend),
        cmocka_unit_test_prestate(ranks_take_turns_on_gpus, backend),
        cmocka_unit_test_prestate(auto_takes_the_gpu, backend),
        cmocka_unit_test_prestate(precisions_have_their_types, backend),
    };
    const int failed = cmocka_run_group_tests_name("cuda frame", tests, NULL, NULL);
    cnn_backend_destroy(backend);
    return failed != 0;
}
