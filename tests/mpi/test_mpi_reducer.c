// The gradient exchange on real ranks: exact sums in a fixed order for any size, bucket and pace.
#include "mpi_test.h"

#include "base/clock.h"
#include "base/half.h"
#include "base/random.h"
#include "comm/reducer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// In a union, and not through memcpy: a local whose address is taken costs a sanitizer most of its time here.
union single {
    uint32_t bits;
    float value;
};

// What rank `of` holds at i in step `step`: 24 powers of two, so that the order of addition shows in the
// bits.
static float value(size_t i, int of, int step) {
    uint32_t bits = (uint32_t)i * 2654435761u + (uint32_t)of * 40503u + (uint32_t)step * 9973u;
    bits ^= bits >> 15;
    uint32_t exponent = 115 + ((bits >> 8) & 0xff) * 24 / 256;
    return (union single){.bits = (bits & 0x80000000u) | exponent << 23 | (bits & 0xff) << 12}.value;
}

// How the reducers below are made, and so what is expected of them.
static enum cnn_precision precision;
static const struct cnn_span exact[] = {{0, 3}, {10, 1}, {11, 2}, {60, 7}, {1000, 100}, {40000, 30001}};
enum { N_EXACT = sizeof exact / sizeof *exact };

static bool is_exact(size_t i) {
    static bool table[1 << 17], made;
    for (int e = 0; e < N_EXACT && !made; e++)
        for (size_t k = 0; k < exact[e].n; k++)
            table[exact[e].first + k] = true;
    made = true;
    return i < sizeof table && table[i];
}

static float rounded(float value, size_t i) {
    if (precision == CNN_PRECISION_BF16 && !is_exact(i))
        return cnn_bf16_to_float(cnn_bf16_from_float(value));
    if (precision == CNN_PRECISION_FP16 && !is_exact(i))
        return cnn_fp16_to_float(cnn_fp16_from_float(value));
    return value;
}

static enum cnn_status create(struct cnn_reducer **out, float *data, size_t n, size_t bucket_bytes) {
    const struct cnn_reducer_options options = {
        .gradients = data,
        .n = n,
        .bucket_bytes = bucket_bytes,
        .timeout_s = 60,
        .precision = precision,
        .exact = exact,
        .n_exact = N_EXACT,
    };
    return cnn_reducer_create(out, comm, &options);
}

// Hosts add first, then the sums of the hosts are added.
static int ranks_per_host(void) {
    static int per_host;
    if (per_host == 0) {
        const char *text = getenv("CNN_COMM_EXCHANGE") ? NULL : getenv("CNN_COMM_RANKS_PER_HOST");
        per_host = text ? atoi(text) : size;
    }
    return per_host;
}

// Of n rows, the largest power of two below n on the left, the rest on the right.
static float in_pairs(const float *rows, int n) {
    int left = 1;
    if (n == 1)
        return rows[0];
    while (2 * left < n)
        left *= 2;
    const float a = in_pairs(rows, left), b = in_pairs(rows + left, n - left);
    return a + b;
}

static float expected(size_t i, int step) {
    const int per_host = ranks_per_host();
    static float ranks[64], hosts[64];
    int n_hosts = 0;
    assert_true(size <= 64);
    for (int of = 0; of < size; of++)
        ranks[of] = rounded(value(i, of, step), i);
    for (int first = 0; first < size; first += per_host)
        hosts[n_hosts++] = in_pairs(ranks + first, size - first < per_host ? size - first : per_host);
    return rounded(in_pairs(hosts, n_hosts), i);
}

static void fill(float *data, size_t n, int step) {
    for (size_t i = 0; i < n; i++)
        data[i] = value(i, rank, step);
}

static void check(const float *data, size_t n, int step) {
    for (size_t i = 0; i < n; i++) {
        const union single is = {.value = data[i]}, right = {.value = expected(i, step)};
        if (is.bits != right.bits)
            fail_msg("rank %d step %d: element %zu of %zu is %a, expected %a", rank, step, i, n,
                     (double)is.value, (double)right.value);
    }
}

static float *make(size_t n) {
    float *data = malloc((n ? n : 1) * sizeof *data);
    assert_non_null(data);
    return data;
}

static void one_step(struct cnn_reducer *reducer, float *data, size_t n, int step) {
    fill(data, n, step);
    cnn_reducer_begin(reducer);
    cnn_reducer_ready(reducer, n);
    assert_ok(cnn_reducer_finish(reducer));
    check(data, n, step);
}

static size_t travel_bytes(size_t n) {
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += precision == CNN_PRECISION_AUTO || is_exact(i) ? 4 : 2;
    return bytes;
}

static void check_sizes_and_buckets(void) {
    static const size_t sizes[] = {1, 2, 3, 15, 16, 17, 63, 64, 65, 1000, 4099, 65537, 300007};
    static const size_t buckets[] = {0, 1, 4, 12, 64, 1000, 40004, 1 << 20, (size_t)1 << 40};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (size_t b = 0; b < sizeof buckets / sizeof buckets[0]; b++) {
            size_t n = sizes[s], floats = buckets[b] / 4;
            if (buckets[b] && n / (floats ? floats : 1) > 1100)
                continue; // seconds of tiny messages would show nothing new
            float *data = make(n);
            struct cnn_reducer *reducer;
            assert_ok(create(&reducer, data, n, buckets[b]));
            for (int step = 0; step < 3; step++)
                one_step(reducer, data, n, step);
            if (buckets[b])
                assert_int_equal(cnn_reducer_stats(reducer).n_buckets,
                                 floats ? (n + floats - 1) / floats : n);
            assert_int_equal(cnn_reducer_stats(reducer).bytes, travel_bytes(n));
            cnn_reducer_destroy(reducer);
            free(data);
        }
}

MPI_TEST(every_size_and_bucket) { check_sizes_and_buckets(); }

// The same bits are expected whichever way they travel: the other ways run this program too.
MPI_TEST(sixteen_bits) {
    if (size == 1)
        return; // a rank alone does not round: see below
    for (precision = CNN_PRECISION_BF16; precision <= CNN_PRECISION_FP16; precision++)
        check_sizes_and_buckets();
    precision = CNN_PRECISION_AUTO;
}

MPI_TEST(a_rank_alone_does_not_round) {
    float data[100];
    struct cnn_reducer *reducer;
    if (size > 1)
        return;
    precision = CNN_PRECISION_BF16;
    fill(data, 100, 0);
    assert_ok(create(&reducer, data, 100, 0));
    cnn_reducer_begin(reducer);
    cnn_reducer_ready(reducer, 100);
    assert_ok(cnn_reducer_finish(reducer));
    for (size_t i = 0; i < 100; i++)
        assert_true(data[i] == value(i, 0, 0));
    cnn_reducer_destroy(reducer);
    precision = CNN_PRECISION_AUTO;
}

// What loss scaling looks for must reach all ranks, and not only that one which had it.
MPI_TEST(overflow_is_seen_by_all) {
    enum { LARGE = 20, SUM_IS_LARGE, NOT_A_NUMBER, N = 32 };
    float data[N] = {0};
    struct cnn_reducer *reducer;
    if (size == 1)
        return;
    precision = CNN_PRECISION_FP16;
    assert_ok(create(&reducer, data, N, 0));
    data[LARGE] = rank == size - 1 ? 70000 : -60000;
    data[SUM_IS_LARGE] = -40000;
    data[NOT_A_NUMBER] = rank == 0 ? NAN : 1;
    cnn_reducer_begin(reducer);
    cnn_reducer_ready(reducer, N);
    assert_ok(cnn_reducer_finish(reducer));
    assert_true(data[LARGE] == INFINITY);
    assert_true(data[SUM_IS_LARGE] == -INFINITY);
    assert_true(isnan(data[NOT_A_NUMBER]));
    cnn_reducer_destroy(reducer);
    precision = CNN_PRECISION_AUTO;
}

MPI_TEST(an_empty_arena) {
    struct cnn_reducer *reducer;
    float nothing;
    assert_ok(create(&reducer, &nothing, 0, 0));
    one_step(reducer, &nothing, 0, 0);
    one_step(reducer, &nothing, 0, 1);
    cnn_reducer_destroy(reducer);
}

// Chunks and buckets of several sizes one after the other, ranks at different paces: a buffer used again too
// early shows.
MPI_TEST(large_arena_many_steps) {
    size_t n = 1500017;
    float *data = make(n);
    struct cnn_reducer *reducer;
    assert_ok(create(&reducer, data, n, 4 * 600001));
    for (int step = 0; step < 8; step++) {
        if (step % size == rank)
            usleep(3000);
        one_step(reducer, data, n, step);
    }
    cnn_reducer_destroy(reducer);
    free(data);
}

MPI_TEST(many_small_increments) {
    size_t n = 20011;
    float *data = make(n);
    struct cnn_reducer *reducer;
    assert_ok(create(&reducer, data, n, 4 * 100));
    struct cnn_draws draws = cnn_draws_of(7, CNN_PURPOSE_TEST, 0, (uint64_t)rank);
    for (int step = 0; step < 10; step++) {
        for (size_t i = 0; i < n; i++)
            data[i] = NAN; // not ready: must not be read
        cnn_reducer_begin(reducer);
        for (size_t ready = 0; ready < n;) {
            size_t more = 1 + cnn_draw_below(&draws, 37);
            size_t next = ready + more < n ? ready + more : n;
            for (size_t i = ready; i < next; i++)
                data[i] = value(i, rank, step);
            cnn_reducer_ready(reducer, next);
            ready = next;
        }
        assert_ok(cnn_reducer_finish(reducer));
        check(data, n, step);
    }
    cnn_reducer_destroy(reducer);
    free(data);
}

// The main thread talks on the control communicator while buckets are under way.
MPI_TEST(control_traffic_beside_it) {
    size_t n = 200009;
    float *data = make(n);
    struct cnn_reducer *reducer;
    assert_ok(create(&reducer, data, n, 4 * 12000));
    for (int step = 0; step < 10; step++) {
        fill(data, n, step);
        cnn_reducer_begin(reducer);
        for (size_t ready = 0; ready <= n; ready += n / 7) {
            int64_t one = 1;
            cnn_reducer_ready(reducer, ready);
            assert_ok(cnn_comm_allreduce(comm, &one, 1, CNN_COMM_I64, CNN_REDUCE_SUM));
            assert_int_equal(one, size);
        }
        cnn_reducer_ready(reducer, n);
        assert_ok(cnn_reducer_finish(reducer));
        check(data, n, step);
    }
    cnn_reducer_destroy(reducer);
    free(data);
}

MPI_TEST(two_reducers_at_once) {
    size_t n = 70001;
    float *a = make(n), *b = make(n);
    struct cnn_reducer *first, *second;
    assert_ok(create(&first, a, n, 4 * 5000));
    assert_ok(create(&second, b, n, 4 * 7001));
    for (int step = 0; step < 5; step++) {
        fill(a, n, step);
        fill(b, n, step + 100);
        cnn_reducer_begin(first);
        cnn_reducer_begin(second);
        cnn_reducer_ready(rank % 2 ? first : second, n);
        cnn_reducer_ready(rank % 2 ? second : first, n);
        assert_ok(cnn_reducer_finish(first));
        assert_ok(cnn_reducer_finish(second));
        check(a, n, step);
        check(b, n, step + 100);
    }
    cnn_reducer_destroy(first);
    cnn_reducer_destroy(second);
    free(a);
    free(b);
}

// Waits until element i holds the sum, at most `limit_s`.
// It looks while the reducer writes, which is what the caller of the reducer must not do.
__attribute__((no_sanitize("thread"))) static bool becomes_sum(const float *data, size_t i, double limit_s) {
    const volatile float *at = &data[i];
    double start = cnn_clock_s();
    while (*at != expected(i, 0) && cnn_clock_s() - start < limit_s)
        usleep(1000);
    return *at == expected(i, 0);
}

// What is ready is exchanged while the caller does something else, before finish; what is not is left alone.
MPI_TEST(the_exchange_is_hidden) {
    size_t n = 1 << 20, bucket = n / 8;
    float *data = make(n);
    struct cnn_reducer *reducer;
    assert_ok(create(&reducer, data, n, bucket * sizeof *data));
    fill(data, n, 0);
    cnn_reducer_begin(reducer);
    cnn_reducer_ready(reducer, n - 1);
    if (getenv("CNN_COMM_OVERLAP"))
        assert_int_equal(becomes_sum(data, 0, 0.2), size == 1);
    else
        assert_true(becomes_sum(data, 7 * bucket - 1, 30));
    usleep(10000);
    assert_true(data[7 * bucket] == value(7 * bucket, rank, 0));
    cnn_reducer_ready(reducer, n);
    assert_ok(cnn_reducer_finish(reducer));
    check(data, n, 0);
    struct cnn_reducer_stats stats = cnn_reducer_stats(reducer);
    assert_true(size == 1 ? stats.wait_s == 0 && stats.busy_s == 0 : stats.wait_s > 0 && stats.busy_s > 0);
    cnn_reducer_destroy(reducer);
    free(data);
}

static double processor_s(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

// A rank that is ahead sleeps until the others come.
MPI_TEST(waiting_leaves_the_processor_alone) {
    size_t n = 1000;
    float *data = make(n);
    struct cnn_reducer *reducer;
    assert_ok(create(&reducer, data, n, 0));
    one_step(reducer, data, n, 0);
    assert_ok(cnn_comm_barrier(comm));
    double start = cnn_clock_s(), used = processor_s();
    if (rank == size - 1)
        usleep(500000);
    one_step(reducer, data, n, 1);
    used = processor_s() - used;
    if (used > 0.1 + 0.25 * (cnn_clock_s() - start))
        fail_msg("%.3f s of processor time", used);
    cnn_reducer_destroy(reducer);
    free(data);
}

MPI_TEST(ranks_that_differ_are_told) {
    if (size == 1)
        return;
    size_t n = rank == 1 ? 101 : 100;
    float *data = make(n);
    struct cnn_reducer *reducer = NULL;
    assert_int_equal(create(&reducer, data, n, 0), CNN_ERR_COMM);
    assert_null(reducer);
    assert_non_null(strstr(cnn_error_message(), "between 100 and 101 gradients"));
    precision = rank == 1 ? CNN_PRECISION_BF16 : CNN_PRECISION_FP16;
    assert_int_equal(create(&reducer, data, 100, 0), CNN_ERR_COMM);
    assert_non_null(strstr(cnn_error_message(), "ranks differ in comm.precision"));
    precision = CNN_PRECISION_AUTO;
    const struct cnn_reducer_options options = {
        .gradients = data, .n = 100, .timeout_s = 60, .exact = exact, .n_exact = rank == 1};
    assert_int_equal(cnn_reducer_create(&reducer, comm, &options), CNN_ERR_COMM);
    assert_non_null(strstr(cnn_error_message(), "ranks differ in what they send exactly"));
    assert_null(reducer);
    assert_ok(cnn_comm_agree(comm, CNN_OK)); // the job goes on
    free(data);
}

// A step that was begun but of which nothing had been exchanged leaves the ranks in step.
MPI_TEST(destroying_an_idle_reducer) {
    float data[64];
    struct cnn_reducer *reducer;
    for (int i = 0; i < 20; i++) {
        assert_ok(create(&reducer, data, 64, 0));
        cnn_reducer_begin(reducer);
        cnn_reducer_ready(reducer, 1);
        cnn_reducer_destroy(reducer);
    }
    cnn_reducer_destroy(NULL);
    assert_ok(cnn_comm_barrier(comm));
}

static const struct CMUnitTest tests[] = {
    MPI_UNIT(every_size_and_bucket),
    MPI_UNIT(an_empty_arena),
    MPI_UNIT(sixteen_bits),
    MPI_UNIT(a_rank_alone_does_not_round),
    MPI_UNIT(overflow_is_seen_by_all),
    MPI_UNIT(large_arena_many_steps),
    MPI_UNIT(many_small_increments),
    MPI_UNIT(control_traffic_beside_it),
    MPI_UNIT(two_reducers_at_once),
    MPI_UNIT(the_exchange_is_hidden),
    MPI_UNIT(waiting_leaves_the_processor_alone),
    MPI_UNIT(ranks_that_differ_are_told),
    MPI_UNIT(destroying_an_idle_reducer),
};
MPI_MAIN(tests)
