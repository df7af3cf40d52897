#include "comm/bench.h"

#include "base/clock.h"
#include "base/memory.h"
#include "comm/reducer.h"

#include <stdlib.h>
#include <time.h>

#define TIMEOUT_S 60.0

static double processor_s(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

// Rank r holds r + 1 everywhere, so every sum is known and exact, but for the rounding to 16 bits.
static void fill(float *data, size_t n, int rank) {
    for (size_t i = 0; i < n; i++)
        data[i] = (float)(rank + 1);
}

static enum cnn_status check(const float *data, size_t n, int ranks, const struct cnn_wire *wire) {
    const struct cnn_span one = {0, 1};
    float expected = 0;
    for (int rank = 0; rank < ranks; rank++) {
        float theirs = (float)(rank + 1);
        cnn_wire_round(wire, &theirs, one);
        expected += theirs;
    }
    cnn_wire_round(wire, &expected, one);
    for (size_t i = 0; i < n; i++)
        if (data[i] != expected)
            return cnn_fail(CNN_ERR_COMM, "all-reduce over %d ranks: element %zu is %g instead of %g", ranks,
                            i, (double)data[i], (double)expected);
    return CNN_OK;
}

static enum cnn_status time_round(struct cnn_reducer *reducer, struct cnn_comm *comm,
                                  const struct cnn_reducer_options *options, double *seconds,
                                  double *processor) {
    float *data = options->gradients;
    const size_t n = options->n;
    const struct cnn_wire wire = {.precision = options->precision};
    fill(data, n, cnn_comm_rank(comm));
    CNN_TRY(cnn_comm_barrier(comm));
    double start = cnn_clock_s(), used = processor_s();
    cnn_reducer_begin(reducer);
    cnn_reducer_ready(reducer, n);
    CNN_TRY(cnn_reducer_finish(reducer));
    *seconds = cnn_clock_s() - start;
    *processor += processor_s() - used;
    return cnn_comm_agree(comm, check(data, n, cnn_comm_size(comm), &wire));
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

static enum cnn_status measure(struct cnn_comm *comm, const struct cnn_reducer_options *options,
                               double *seconds, struct cnn_comm_bench_result *result) {
    struct cnn_reducer *reducer;
    double ignored = 0, processor = 0;
    CNN_TRY(cnn_reducer_create(&reducer, comm, options));
    enum cnn_status status = time_round(reducer, comm, options, &seconds[0], &ignored);
    for (int round = 0; round < result->rounds && status == CNN_OK; round++)
        status = time_round(reducer, comm, options, &seconds[round], &processor);
    result->travel_bytes = cnn_reducer_stats(reducer).bytes;
    cnn_reducer_destroy(reducer);
    CNN_TRY(status);
    CNN_TRY(cnn_comm_allreduce(comm, seconds, (size_t)result->rounds, CNN_COMM_F64, CNN_REDUCE_MAX));
    CNN_TRY(cnn_comm_allreduce(comm, &processor, 1, CNN_COMM_F64, CNN_REDUCE_SUM));
    result->processor_s = processor / result->rounds / result->ranks;
    return CNN_OK;
}

enum cnn_status cnn_comm_bench(struct cnn_comm *comm, size_t bytes, int rounds, enum cnn_precision precision,
                               struct cnn_comm_bench_result *out) {
    size_t n = bytes / sizeof(float);
    if (n == 0 || rounds < 1)
        return cnn_fail(CNN_ERR_INPUT,
                        "all-reduce of %zu bytes, %d rounds: expected at least 4 bytes and 1 round", bytes,
                        rounds);
    struct cnn_comm_bench_result result = {
        .bytes = n * sizeof(float), .ranks = cnn_comm_size(comm), .rounds = rounds};
    float *data = NULL;
    double *seconds = NULL;
    enum cnn_status status = cnn_malloc(&data, n, sizeof *data);
    if (status == CNN_OK)
        status = cnn_calloc(&seconds, (size_t)rounds, sizeof *seconds);
    status = cnn_comm_agree(comm, status);
    const struct cnn_reducer_options options = {
        .gradients = data, .n = n, .timeout_s = TIMEOUT_S, .precision = precision};
    if (status == CNN_OK)
        status = measure(comm, &options, seconds, &result);
    if (status == CNN_OK) {
        summarize(&result, seconds);
        *out = result;
    }
    free(seconds);
    free(data);
    return status;
}
