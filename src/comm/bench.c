#include "comm/bench.h"

#include "backend/exchange_device.h"
#include "base/clock.h"
#include "base/memory.h"
#include "comm/reducer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TIMEOUT_S 60.0

static double processor_s(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

// ---- the gradients: in the host's memory, or a copy of that in a device's

struct gradients {
    struct cnn_exchange_device *device; // NULL: the host's
    struct cnn_device_event *copied;
    float *host, *data; // data: what is summed; host itself without a device
    size_t n;
};

static void gradients_finish(struct gradients *g) {
    struct cnn_exchange_device *device = g->device;
    if (!device) {
        free(g->host);
        return;
    }
    if (g->copied)
        device->ops->event_destroy(device, g->copied);
    if (g->data)
        device->ops->free(device, g->data);
    if (g->host)
        device->ops->free_host(device, g->host);
}

static enum cnn_status gradients_create(struct gradients *g, struct cnn_exchange_device *device, size_t n) {
    *g = (struct gradients){.device = device, .n = n};
    if (!device) {
        CNN_TRY(cnn_malloc(&g->host, n, sizeof *g->host));
        g->data = g->host;
        return CNN_OK;
    }
    void *host = NULL, *data = NULL;
    CNN_TRY(device->ops->alloc_host(device, &host, n * sizeof(float)));
    g->host = host;
    CNN_TRY(device->ops->alloc(device, &data, n * sizeof(float)));
    g->data = data;
    return device->ops->event_create(device, &g->copied, false);
}

static enum cnn_status wait_for(struct gradients *g, enum cnn_stream stream) {
    CNN_TRY(g->device->ops->record(g->device, g->copied, stream));
    return g->device->ops->synchronize(g->device, g->copied);
}

// Rank r holds r + 1 everywhere, so every sum is known and exact, but for the rounding to 16 bits.
static enum cnn_status fill(struct gradients *g, int rank) {
    for (size_t i = 0; i < g->n; i++)
        g->host[i] = (float)(rank + 1);
    if (!g->device)
        return CNN_OK;
    CNN_TRY(g->device->ops->upload(g->device, g->data, g->host, g->n * sizeof(float)));
    return wait_for(g, CNN_STREAM_EXCHANGE);
}

static enum cnn_status fetch(struct gradients *g) {
    if (!g->device)
        return CNN_OK;
    CNN_TRY(g->device->ops->download(g->device, g->host, g->data, g->n * sizeof(float)));
    return wait_for(g, CNN_STREAM_EXCHANGE);
}

// What is queued on a device is rounded after each addition.
static enum cnn_status check(const struct gradients *g, int ranks, const struct cnn_wire *wire) {
    const struct cnn_span one = {0, 1};
    float expected = 0;
    for (int rank = 0; rank < ranks; rank++) {
        float theirs = (float)(rank + 1);
        cnn_wire_round(wire, &theirs, one);
        expected += theirs;
    }
    cnn_wire_round(wire, &expected, one);
    const float unit = wire->precision == CNN_PRECISION_BF16 ? 0x1p-9f : 0x1p-12f;
    const float slack = g->device && cnn_wire_rounds(wire) ? expected * fminf((float)ranks * unit, 0.25f) : 0;
    for (size_t i = 0; i < g->n; i++)
        if (!(fabsf(g->host[i] - expected) <= slack))
            return cnn_fail(CNN_ERR_COMM, "all-reduce over %d ranks: element %zu is %g instead of %g", ranks,
                            i, (double)g->host[i], (double)expected);
    return CNN_OK;
}

static bool is_stuck(const struct cnn_comm *comm, const struct gradients *g) {
    return g->device && cnn_comm_is_broken(comm);
}

// ---- rounds

// Until the next op would see the sums.
static enum cnn_status sum(struct cnn_reducer *reducer, struct gradients *g) {
    cnn_reducer_begin(reducer);
    cnn_reducer_ready(reducer, g->n);
    CNN_TRY(cnn_reducer_finish(reducer));
    CNN_TRY(cnn_reducer_settle(reducer));
    return g->device ? wait_for(g, CNN_STREAM_OPS) : CNN_OK;
}

static enum cnn_status time_round(struct cnn_reducer *reducer, struct cnn_comm *comm, struct gradients *g,
                                  enum cnn_precision precision, double *seconds, double *processor) {
    const struct cnn_wire wire = {.precision = precision};
    CNN_TRY(cnn_comm_agree(comm, fill(g, cnn_comm_rank(comm))));
    CNN_TRY(cnn_comm_barrier(comm));
    double start = cnn_clock_s(), used = processor_s();
    CNN_TRY(sum(reducer, g));
    *seconds = cnn_clock_s() - start;
    *processor += processor_s() - used;
    enum cnn_status status = fetch(g);
    if (status == CNN_OK)
        status = check(g, cnn_comm_size(comm), &wire);
    return cnn_comm_agree(comm, status);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void summarize(struct cnn_comm_bench_result *out, double *seconds) {
    int n = out->rounds;
    qsort(seconds, (size_t)n, sizeof *seconds, ascending);
    out->least_s = seconds[0];
    out->most_s = seconds[n - 1];
    out->median_s = n % 2 ? seconds[n / 2] : (seconds[n / 2 - 1] + seconds[n / 2]) / 2;
    out->algorithm_bytes_per_s = out->median_s > 0 ? (double)out->bytes / out->median_s : 0;
    out->bus_bytes_per_s = out->algorithm_bytes_per_s * 2 * (out->ranks - 1) / out->ranks;
}

static enum cnn_status run_rounds(struct cnn_reducer *reducer, struct cnn_comm *comm, struct gradients *g,
                                  enum cnn_precision precision, double *seconds, int rounds,
                                  double *processor) {
    double ignored = 0;
    CNN_TRY(time_round(reducer, comm, g, precision, &seconds[0], &ignored));
    for (int round = 0; round < rounds; round++)
        CNN_TRY(time_round(reducer, comm, g, precision, &seconds[round], processor));
    return CNN_OK;
}

static enum cnn_status measure(struct cnn_comm *comm, const struct cnn_comm_bench *bench, struct gradients *g,
                               double *seconds, struct cnn_comm_bench_result *result) {
    const struct cnn_reducer_options options = {.gradients = g->data,
                                                .device = g->device,
                                                .kind = bench->kind,
                                                .n = g->n,
                                                .timeout_s = TIMEOUT_S,
                                                .precision = bench->precision,
                                                .bucket_bytes = bench->bucket_bytes,
                                                .deterministic = bench->deterministic,
                                                .quiet = bench->quiet};
    struct cnn_reducer *reducer;
    double processor = 0;
    CNN_TRY(cnn_reducer_create(&reducer, comm, &options));
    enum cnn_status status =
        run_rounds(reducer, comm, g, bench->precision, seconds, result->rounds, &processor);
    const struct cnn_reducer_stats stats = cnn_reducer_stats(reducer);
    result->travel_bytes = stats.bytes;
    snprintf(result->way, sizeof result->way, "%s", stats.way);
    if (!is_stuck(comm, g))
        cnn_reducer_destroy(reducer);
    CNN_TRY(status);
    CNN_TRY(cnn_comm_allreduce(comm, seconds, (size_t)result->rounds, CNN_COMM_F64, CNN_REDUCE_MAX));
    CNN_TRY(cnn_comm_allreduce(comm, &processor, 1, CNN_COMM_F64, CNN_REDUCE_SUM));
    result->processor_s = processor / result->rounds / result->ranks;
    return CNN_OK;
}

enum cnn_status cnn_comm_bench(struct cnn_comm_bench_result *out, struct cnn_comm *comm,
                               const struct cnn_comm_bench *bench) {
    const size_t n = bench->bytes / sizeof(float);
    if (n == 0 || bench->rounds < 1)
        return cnn_fail(CNN_ERR_INPUT,
                        "all-reduce of %zu bytes, %d rounds: expected at least 4 bytes and 1 round",
                        bench->bytes, bench->rounds);
    struct cnn_comm_bench_result result = {
        .bytes = n * sizeof(float), .ranks = cnn_comm_size(comm), .rounds = bench->rounds};
    struct gradients gradients;
    double *seconds = NULL;
    enum cnn_status status = gradients_create(&gradients, bench->device, n);
    if (status == CNN_OK)
        status = cnn_calloc(&seconds, (size_t)bench->rounds, sizeof *seconds);
    status = cnn_comm_agree(comm, status);
    if (status == CNN_OK)
        status = measure(comm, bench, &gradients, seconds, &result);
    if (status == CNN_OK) {
        summarize(&result, seconds);
        *out = result;
    }
    free(seconds);
    if (!is_stuck(comm, &gradients))
        gradients_finish(&gradients);
    return status;
}
