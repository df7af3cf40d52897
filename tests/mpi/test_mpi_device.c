// Gradients in a device's memory, on real ranks: through the host, and by sums that are queued on the device.
#include "fake_device.h"
#include "mpi_test.h"

#include "comm/bench.h"
#include "comm/kinds.h"
#include "comm/reducer.h"

#include <math.h>
#include <stdlib.h>

enum { N = 5003, BUCKET = 700, N_BUCKETS = 8, LAYER = 413 };
static const struct cnn_span exact[] = {{5, 20}, {690, 30}, {3000, 1}};
enum { N_EXACT = 3 };

// Whole numbers of few bits: sums are the same in any precision, but for what stays exact.
static float value(size_t i, int of, int step) {
    for (int e = 0; e < N_EXACT; e++)
        if (i >= exact[e].first && i < exact[e].first + exact[e].n)
            return 1 + (float)of * 0x1p-20f;
    return (float)((i + (size_t)of * 3 + (size_t)step) % 16);
}

static float sum(size_t i, int step) {
    float total = 0;
    for (int of = 0; of < size; of++)
        total += value(i, of, step);
    return total;
}

// ---- a network of layers, on the device

static float gradients[N], updated[N]; // device memory
static struct layer {
    size_t first, n;
    int step;
} layers[N / LAYER + 1];

static void backward(void *context) {
    const struct layer *layer = context;
    for (size_t i = layer->first; i < layer->first + layer->n; i++)
        gradients[i] = value(i, rank, layer->step);
}

static void update(void *context) { memcpy(updated, gradients, sizeof updated); }

static void queue_step(struct fake_device *fake, struct cnn_reducer *reducer, int step) {
    for (size_t i = 0; i < N; i++)
        gradients[i] = updated[i] = NAN;
    cnn_reducer_begin(reducer);
    for (size_t first = 0, i = 0; first < N; first += LAYER, i++) {
        layers[i] = (struct layer){first, N - first < LAYER ? N - first : LAYER, step};
        fake_compute(fake, backward, &layers[i]);
        cnn_reducer_ready(reducer, first + layers[i].n);
    }
}

static void check(int step) {
    for (size_t i = 0; i < N; i++)
        if (updated[i] != sum(i, step))
            fail_msg("rank %d step %d: element %zu is %a instead of %a", rank, step, i, (double)updated[i],
                     (double)sum(i, step));
}

static void run_steps(struct fake_device *fake, struct cnn_reducer *reducer) {
    for (int step = 0; step < 5; step++) {
        queue_step(fake, reducer, step);
        assert_ok(cnn_reducer_finish(reducer));
        fake_compute(fake, update, NULL);
        assert_ok(cnn_reducer_settle(reducer));
        fake_forget(fake);
        check(step);
    }
    assert_int_equal(cnn_reducer_stats(reducer).n_buckets, N_BUCKETS);
}

// ---- through the host's memory

static struct cnn_reducer_options options_for(struct fake_device *fake, enum cnn_precision precision) {
    return (struct cnn_reducer_options){
        .gradients = gradients,
        .device = &fake->base,
        .n = N,
        .bucket_bytes = BUCKET * sizeof(float),
        .timeout_s = 60,
        .precision = precision,
        .exact = exact,
        .n_exact = N_EXACT,
    };
}

// All ranks are on the same device, so auto does not take NCCL, wherever this is built.
static void go_through_the_host(enum cnn_comm_kind kind, enum cnn_precision precision, bool is_eager) {
    struct fake_device *fake = fake_create(is_eager);
    struct cnn_reducer *reducer;
    struct cnn_reducer_options options = options_for(fake, precision);
    options.kind = kind;
    assert_ok(cnn_reducer_create(&reducer, comm, &options));
    assert_int_equal(cnn_reducer_can_record(reducer), size == 1);
    run_steps(fake, reducer);
    struct cnn_reducer_stats stats = cnn_reducer_stats(reducer);
    if (size > 1)
        assert_true(stats.wait_s > 0 && stats.busy_s > 0);
    if (!getenv("CNN_COMM_OVERLAP"))
        assert_int_equal(fake->n_entered, size > 1);
    cnn_reducer_destroy(reducer);
    fake_destroy(&fake->base);
}

MPI_TEST(through_the_host) {
    for (int is_eager = 0; is_eager < 2; is_eager++) {
        go_through_the_host(CNN_COMM_AUTO, CNN_PRECISION_FP32, is_eager);
        go_through_the_host(CNN_COMM_MPI, CNN_PRECISION_BF16, is_eager);
        go_through_the_host(CNN_COMM_MPI, CNN_PRECISION_FP16, is_eager);
    }
}

MPI_TEST(the_bench_sums_what_a_device_has) {
    static const enum cnn_precision precisions[] = {CNN_PRECISION_FP32, CNN_PRECISION_BF16,
                                                    CNN_PRECISION_FP16};
    for (size_t i = 0; i < sizeof precisions / sizeof *precisions; i++) {
        struct fake_device *fake = fake_create(false);
        struct cnn_comm_bench_result result;
        const struct cnn_comm_bench bench = {
            .bytes = 40000, .rounds = 3, .precision = precisions[i], .device = &fake->base};
        assert_ok(cnn_comm_bench(&result, comm, &bench));
        assert_int_equal(result.bytes, 40000);
        assert_true(result.way[0] != '\0');
        fake_destroy(&fake->base);
    }
}

MPI_TEST(a_device_shared_by_ranks_is_not_for_nccl) {
    struct fake_device *fake = fake_create(true);
    struct cnn_reducer *reducer = NULL;
    struct cnn_reducer_options options = options_for(fake, CNN_PRECISION_FP32);
    options.kind = CNN_COMM_NCCL;
    if (size > 1) {
        assert_int_equal(cnn_reducer_create(&reducer, comm, &options), CNN_ERR_UNSUPPORTED);
        assert_non_null(strstr(cnn_error_message(), "comm.backend: nccl cannot be used: "));
        assert_null(reducer);
        assert_ok(cnn_comm_agree(comm, CNN_OK));
    }
    fake_destroy(&fake->base);
}

MPI_TEST(devices_on_some_ranks_only) {
    struct fake_device *fake = fake_create(true);
    struct cnn_reducer *reducer = NULL;
    struct cnn_reducer_options options = options_for(fake, CNN_PRECISION_FP32);
    if (size > 1) {
        options.device = rank == 1 ? &fake->base : NULL;
        assert_int_equal(cnn_reducer_create(&reducer, comm, &options), CNN_ERR_INPUT);
        assert_non_null(strstr(cnn_error_message(), "compute on a GPU and the others on the CPU"));
    }
    fake_destroy(&fake->base);
}

// An error of the device leaves a rank out of step like one of the exchange.
MPI_TEST(a_device_that_fails) {
    struct fake_device *fake = fake_create(true);
    struct cnn_reducer *reducer;
    struct cnn_reducer_options options = options_for(fake, CNN_PRECISION_FP32);
    if (size > 1) {
        assert_ok(cnn_reducer_create(&reducer, comm, &options));
        fake->is_broken = true;
        queue_step(fake, reducer, 0);
        assert_int_equal(cnn_reducer_finish(reducer), CNN_ERR_COMM);
        assert_string_equal(cnn_error_message(),
                            "gradient exchange, bucket 1 of 8: the fake device is broken");
        assert_true(atomic_load(&comm->broken));
        atomic_store(&comm->broken, false); // nothing had been sent yet
        cnn_reducer_destroy(reducer);
    }
    fake_destroy(&fake->base);
}

// ---- by queued sums

struct fake_sum {
    struct cnn_stream_sum base; // first
    struct fake_device *device;
    bool fails;
    int n_sums, n_parts, n_aborts;
};

static void sum_now(void *context) {
    struct cnn_stream_part *part = context;
    const bool is_bf16 = part->precision == CNN_PRECISION_BF16;
    float *floats = part->data;
    if (part->precision != CNN_PRECISION_FP32) {
        floats = malloc(part->n * sizeof *floats);
        (is_bf16 ? cnn_bf16_unpack : cnn_fp16_unpack)(floats, part->data, part->n);
    }
    assert_ok(cnn_comm_allreduce(comm, floats, part->n, CNN_COMM_F32, CNN_REDUCE_SUM));
    if (part->precision != CNN_PRECISION_FP32) {
        (is_bf16 ? cnn_bf16_pack : cnn_fp16_pack)(part->data, floats, part->n);
        free(floats);
    }
    free(part);
}

static enum cnn_status queue_sum(struct cnn_stream_sum *base, const struct cnn_stream_part *parts,
                                 int n_parts, const struct cnn_patience *patience) {
    struct fake_sum *fake = (struct fake_sum *)base;
    assert_int_equal(fake->n_aborts, 0);
    fake->n_sums++;
    fake->n_parts += n_parts;
    for (int i = 0; i < n_parts; i++) {
        struct cnn_stream_part *part = malloc(sizeof *part);
        *part = parts[i];
        CNN_TRY(fake_queue(fake->device, CNN_STREAM_EXCHANGE,
                           (struct fake_work){.run = sum_now, .context = part}));
    }
    return CNN_OK;
}

static enum cnn_status check_sum(struct cnn_stream_sum *base) {
    struct fake_sum *fake = (struct fake_sum *)base;
    return fake->fails ? cnn_fail(CNN_ERR_COMM, "rank %d: the fake sum failed", rank) : CNN_OK;
}

static void abort_sum(struct cnn_stream_sum *base) { ((struct fake_sum *)base)->n_aborts++; }

static void destroy_sum(struct cnn_stream_sum *base) {}

static const struct cnn_stream_sum_ops fake_sum_ops = {queue_sum, check_sum, abort_sum, destroy_sum};

static struct cnn_reducer *create_queued(struct fake_sum *fake, enum cnn_precision precision,
                                         double timeout_s) {
    struct cnn_reducer *reducer;
    struct cnn_span *spans = calloc(N_EXACT, sizeof *spans);
    memcpy(spans, exact, sizeof exact);
    const struct cnn_reducer shape = {
        .comm = comm,
        .device = &fake->device->base,
        .gradients = gradients,
        .n = N,
        .bucket = BUCKET,
        .n_buckets = N_BUCKETS,
        .wire = {precision, spans, N_EXACT},
        .timeout_s = timeout_s,
    };
    assert_ok(cnn_queued_create(&reducer, &shape, &fake->base));
    return reducer;
}

static struct fake_sum fake_sum_of(struct fake_device *device) {
    return (struct fake_sum){.base = {&fake_sum_ops, "a fake"}, .device = device};
}

static void queue_all(enum cnn_precision precision, int parts, bool is_eager) {
    struct fake_sum fake = fake_sum_of(fake_create(is_eager));
    struct cnn_reducer *reducer = create_queued(&fake, precision, 60);
    assert_true(cnn_reducer_can_record(reducer));
    run_steps(fake.device, reducer);
    assert_int_equal(fake.n_sums, 5 * N_BUCKETS);
    assert_int_equal(fake.n_parts, 5 * parts);
    struct cnn_reducer_stats stats = cnn_reducer_stats(reducer);
    assert_true(stats.busy_s > 0 && stats.wait_s >= 0 && stats.wait_s < stats.busy_s);
    cnn_reducer_destroy(reducer);
    fake_destroy(&fake.device->base);
}

// A part for each bucket, and one for each exact span of each bucket: the second lies in two buckets.
MPI_TEST(queued_sums) {
    for (int is_eager = 0; is_eager < 2; is_eager++) {
        queue_all(CNN_PRECISION_FP32, N_BUCKETS, is_eager);
        queue_all(CNN_PRECISION_BF16, N_BUCKETS + 4, is_eager);
        queue_all(CNN_PRECISION_FP16, N_BUCKETS + 4, is_eager);
    }
}

MPI_TEST(an_error_seen_later_ends_the_exchange) {
    struct fake_sum fake = fake_sum_of(fake_create(true));
    struct cnn_reducer *reducer = create_queued(&fake, CNN_PRECISION_FP32, 60);
    queue_step(fake.device, reducer, 0);
    assert_ok(cnn_reducer_finish(reducer));
    fake.fails = true;
    fake.device->is_stuck = true; // kernels that wait for a rank that is gone
    assert_int_equal(cnn_reducer_settle(reducer), CNN_ERR_COMM);
    assert_non_null(strstr(cnn_error_message(), "the fake sum failed"));
    assert_int_equal(fake.n_aborts, 1);
    assert_true(atomic_load(&comm->broken));
    assert_int_equal(cnn_reducer_finish(reducer), CNN_ERR_COMM); // it stays so
    assert_non_null(strstr(cnn_error_message(), "the fake sum failed"));
    atomic_store(&comm->broken, false); // no rank is out of step here
    fake_forget(fake.device);
    cnn_reducer_destroy(reducer);
    assert_int_equal(fake.n_aborts, 1);
    fake_destroy(&fake.device->base);
}

MPI_TEST(sums_that_never_come) {
    struct fake_sum fake = fake_sum_of(fake_create(true));
    struct cnn_reducer *reducer = create_queued(&fake, CNN_PRECISION_FP32, 0.2);
    struct cnn_watchdog *watchdog = comm->watchdog;
    comm->watchdog = NULL; // it would end the job for good
    queue_step(fake.device, reducer, 0);
    assert_ok(cnn_reducer_finish(reducer));
    fake.device->is_stuck = true;
    assert_int_equal(cnn_reducer_settle(reducer), CNN_ERR_COMM);
    assert_non_null(strstr(cnn_error_message(), "waited 0.2 s for the sums of its gradients"));
    assert_non_null(strstr(cnn_error_message(), "raise comm.timeout_s"));
    assert_int_equal(fake.n_aborts, 1);
    atomic_store(&comm->broken, false);
    comm->watchdog = watchdog;
    fake_forget(fake.device);
    cnn_reducer_destroy(reducer);
    fake_destroy(&fake.device->base);
}

// A step that is left half-way cannot be undone: the other ranks have its sums queued.
MPI_TEST(a_step_left_half_way) {
    struct fake_sum fake = fake_sum_of(fake_create(true));
    struct cnn_reducer *reducer = create_queued(&fake, CNN_PRECISION_FP32, 60);
    cnn_reducer_begin(reducer);
    layers[0] = (struct layer){0, N, 0};
    fake_compute(fake.device, backward, &layers[0]);
    cnn_reducer_ready(reducer, 2 * BUCKET);
    fake_synchronize(fake.device);
    fake_run(fake.device, CNN_STREAM_EXCHANGE, fake.device->queued[CNN_STREAM_EXCHANGE], true);
    cnn_reducer_destroy(reducer);
    assert_int_equal(fake.n_aborts, 1);
    assert_true(atomic_load(&comm->broken));
    atomic_store(&comm->broken, false);
    fake_destroy(&fake.device->base);
}

static const struct CMUnitTest tests[] = {
    MPI_UNIT(through_the_host),
    MPI_UNIT(the_bench_sums_what_a_device_has),
    MPI_UNIT(a_device_shared_by_ranks_is_not_for_nccl),
    MPI_UNIT(devices_on_some_ranks_only),
    MPI_UNIT(a_device_that_fails),
    MPI_UNIT(queued_sums),
    MPI_UNIT(an_error_seen_later_ends_the_exchange),
    MPI_UNIT(sums_that_never_come),
    MPI_UNIT(a_step_left_half_way),
};
MPI_MAIN(tests)
