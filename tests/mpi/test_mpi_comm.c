// What a rank is, and control traffic, on real ranks.
#include "mpi_test.h"

#include "comm/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void same_on_all_ranks(const void *data, size_t bytes) {
    char *all = malloc(bytes * (size_t)size);
    assert_non_null(all);
    assert_ok(cnn_comm_gather(comm, data, bytes, all, 0));
    for (int other = 0; rank == 0 && other < size; other++)
        assert_memory_equal(all, all + (size_t)other * bytes, bytes);
    free(all);
}

MPI_TEST(a_rank_knows_its_place) {
    const char *wanted = getenv("OMPI_COMM_WORLD_SIZE"), *pretended = getenv("CNN_COMM_RANKS_PER_HOST");
    if (wanted)
        assert_int_equal(size, atoi(wanted));
    int per_host = pretended ? atoi(pretended) : size;
    assert_in_range(rank, 0, size - 1);
    assert_int_equal(cnn_comm_hosts(comm), (size + per_host - 1) / per_host);
    assert_int_equal(cnn_comm_local_rank(comm), rank % per_host);
    int rest = size - rank / per_host * per_host;
    assert_int_equal(cnn_comm_local_size(comm), rest < per_host ? rest : per_host);
    assert_string_equal(cnn_comm_name(comm), "mpi");
    assert_true(strlen(cnn_comm_library(comm)) > 3);
    assert_true(strlen(cnn_comm_host(comm)) > 0);
}

MPI_TEST(sums_of_integers) {
    for (size_t n = 1; n <= 100001; n = n * 7 + 3) {
        int64_t *data = malloc(n * sizeof *data);
        assert_non_null(data);
        for (size_t i = 0; i < n; i++)
            data[i] = (int64_t)i * 1000003 + rank;
        assert_ok(cnn_comm_allreduce(comm, data, n, CNN_COMM_I64, CNN_REDUCE_SUM));
        for (size_t i = 0; i < n; i++)
            assert_int_equal(data[i], (int64_t)i * 1000003 * size + size * (size - 1) / 2);
        free(data);
    }
}

MPI_TEST(every_type_and_operation) {
    float f[3] = {(float)rank, -(float)rank, 1.5f}, g[3], h[3];
    double d[2] = {rank * 0.5, 7 - rank}, e[2] = {rank * 0.5, 7 - rank};
    uint8_t b[2] = {(uint8_t)(rank + 1), (uint8_t)(200 - rank)}, c[2] = {b[0], b[1]};
    int64_t i[1] = {INT64_MIN + rank};
    memcpy(g, f, sizeof f);
    memcpy(h, f, sizeof f);
    assert_ok(cnn_comm_allreduce(comm, f, 3, CNN_COMM_F32, CNN_REDUCE_SUM));
    assert_ok(cnn_comm_allreduce(comm, g, 3, CNN_COMM_F32, CNN_REDUCE_MAX));
    assert_ok(cnn_comm_allreduce(comm, h, 3, CNN_COMM_F32, CNN_REDUCE_MIN));
    assert_true(f[0] == (float)(size * (size - 1)) / 2 && f[1] == -f[0] && f[2] == 1.5f * (float)size);
    assert_true(g[0] == (float)(size - 1) && g[1] == 0 && g[2] == 1.5f);
    assert_true(h[0] == 0 && h[1] == -(float)(size - 1) && h[2] == 1.5f);
    assert_ok(cnn_comm_allreduce(comm, d, 2, CNN_COMM_F64, CNN_REDUCE_MAX));
    assert_ok(cnn_comm_allreduce(comm, e, 2, CNN_COMM_F64, CNN_REDUCE_MIN));
    assert_true(d[0] == (size - 1) * 0.5 && d[1] == 7 && e[0] == 0 && e[1] == 8 - size);
    assert_ok(cnn_comm_allreduce(comm, b, 2, CNN_COMM_BYTE, CNN_REDUCE_MAX));
    assert_ok(cnn_comm_allreduce(comm, c, 2, CNN_COMM_BYTE, CNN_REDUCE_MIN));
    assert_true(b[0] == size && b[1] == 200 && c[0] == 1 && c[1] == 201 - size);
    assert_ok(cnn_comm_allreduce(comm, i, 1, CNN_COMM_I64, CNN_REDUCE_MIN));
    assert_true(i[0] == INT64_MIN);
}

MPI_TEST(a_nan_is_not_lost) {
    double value[2] = {rank == size - 1 ? NAN : 1, rank == 0 ? NAN : 1};
    double least[2] = {value[0], value[1]};
    assert_ok(cnn_comm_allreduce(comm, value, 2, CNN_COMM_F64, CNN_REDUCE_MAX));
    assert_ok(cnn_comm_allreduce(comm, least, 2, CNN_COMM_F64, CNN_REDUCE_MIN));
    assert_true(isnan(value[0]) && isnan(value[1]) && isnan(least[0]) && isnan(least[1]));
}

// Values whose sum depends on the order of addition: the order must be that of the ranks, on every rank.
MPI_TEST(sums_are_in_rank_order) {
    enum { N = 30000 };
    static float data[N], expected[N];
    for (int i = 0; i < N; i++) {
        expected[i] = 0;
        for (int other = 0; other < size; other++) {
            float value = ldexpf(1.0f + (float)((i * 7 + other * 13) % 1000) / 999, (i + 11 * other) % 30);
            expected[i] = other ? expected[i] + value : value;
            if (other == rank)
                data[i] = value;
        }
    }
    assert_ok(cnn_comm_allreduce(comm, data, N, CNN_COMM_F32, CNN_REDUCE_SUM));
    assert_memory_equal(data, expected, sizeof data);
    same_on_all_ranks(data, sizeof data);
}

MPI_TEST(nothing_is_fine) {
    assert_ok(cnn_comm_allreduce(comm, NULL, 0, CNN_COMM_F32, CNN_REDUCE_SUM));
    assert_ok(cnn_comm_broadcast(comm, NULL, 0, 0));
    assert_ok(cnn_comm_gather(comm, NULL, 0, NULL, 0));
}

MPI_TEST(broadcast_from_every_root) {
    size_t bytes = ((size_t)64 << 20) + 12345; // more than one block
    char *data = malloc(bytes);
    assert_non_null(data);
    for (int root = 0; root < size; root++) {
        memset(data, rank == root ? 'a' + root : '?', bytes);
        assert_ok(cnn_comm_broadcast(comm, data, root % 2 ? 17 : bytes, root));
        assert_true(data[0] == 'a' + root && data[16] == 'a' + root);
        assert_true(data[bytes - 1] == (root % 2 && rank != root ? '?' : 'a' + root));
    }
    free(data);
}

MPI_TEST(gather_to_every_root) {
    for (int root = 0; root < size; root++) {
        int mine[3] = {rank, root, 42}, all[3 * 8] = {0};
        assert_ok(cnn_comm_gather(comm, mine, sizeof mine, all, root));
        for (int other = 0; other < size; other++) {
            int got = all[3 * other + 2];
            assert_int_equal(got, rank == root ? 42 : 0);
            if (rank == root)
                assert_int_equal(all[3 * other], other);
        }
    }
}

MPI_TEST(a_wrong_root_is_refused) {
    char byte = 0, all[8];
    assert_int_equal(cnn_comm_broadcast(comm, &byte, 1, size), CNN_ERR_INPUT);
    assert_int_equal(cnn_comm_gather(comm, &byte, 1, all, -1), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), "root rank -1"));
}

static double processor_s(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

// No rank may leave before the last has come, and those that wait must leave the processor to others.
MPI_TEST(a_barrier_waits_without_spinning) {
    struct timespec before, after;
    assert_ok(cnn_comm_barrier(comm));
    clock_gettime(CLOCK_MONOTONIC, &before);
    double used = processor_s();
    if (rank == size - 1)
        usleep(500000);
    assert_ok(cnn_comm_barrier(comm));
    used = processor_s() - used;
    clock_gettime(CLOCK_MONOTONIC, &after);
    double took = (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    assert_true(took >= 0.45);
    if (used > 0.25 * took)
        fail_msg("waiting %.3f s took %.3f s of processor time", took, used);
}

MPI_TEST(bench_measures) {
    struct cnn_comm_bench_result result;
    struct cnn_comm_bench bench = {.bytes = 1000003, .rounds = 5, .precision = CNN_PRECISION_BF16};
    assert_ok(cnn_comm_bench(&result, comm, &bench));
    assert_int_equal(result.bytes, 1000000);
    assert_int_equal(result.travel_bytes, 500000);
    bench.precision = CNN_PRECISION_FP32;
    assert_ok(cnn_comm_bench(&result, comm, &bench));
    assert_true(result.way[0] != '\0');
    assert_int_equal(result.travel_bytes, 1000000);
    assert_int_equal(result.bytes, 1000000);
    assert_int_equal(result.ranks, size);
    assert_true(result.least_s <= result.median_s && result.median_s <= result.most_s);
    assert_true(result.median_s > 0 && result.algorithm_bytes_per_s > 0 && result.processor_s >= 0);
    assert_true(fabs(result.bus_bytes_per_s - result.algorithm_bytes_per_s * 2 * (size - 1) / size) <=
                1e-9 * result.algorithm_bytes_per_s);
    same_on_all_ranks(&result.median_s, sizeof result.median_s);
    bench.bytes = 3;
    assert_int_equal(cnn_comm_bench(&result, comm, &bench), CNN_ERR_INPUT);
}

static const struct CMUnitTest tests[] = {
    MPI_UNIT(a_rank_knows_its_place),
    MPI_UNIT(sums_of_integers),
    MPI_UNIT(every_type_and_operation),
    MPI_UNIT(a_nan_is_not_lost),
    MPI_UNIT(sums_are_in_rank_order),
    MPI_UNIT(nothing_is_fine),
    MPI_UNIT(broadcast_from_every_root),
    MPI_UNIT(gather_to_every_root),
    MPI_UNIT(a_wrong_root_is_refused),
    MPI_UNIT(a_barrier_waits_without_spinning),
    MPI_UNIT(bench_measures),
};
MPI_MAIN(tests)
