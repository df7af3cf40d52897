// What ranks are to each other: the job, the exchange, and whether they agree on program, names and time.
#include "backend/backend.h"
#include "backend/exchange_device.h"
#include "base/checksum.h"
#include "base/file.h"
#include "cli/doctor.h"
#include "cli/judge.h"
#include <cnn_dist/version.h>

#include <inttypes.h>
#include <math.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SMALL_BYTES 1024
#define LARGE_BYTES ((size_t)25 << 20)
#define BENCH_S 0.5 // about, for each size
#define MOST_ROUNDS 50
#define MOST_SKEW_S 2.0

// ---- the job ----

enum cnn_status cnn_check_mpi(const struct cnn_doctor *doctor, struct cnn_findings *out) {
    const struct cnn_comm *comm = doctor->comm;
    int size = cnn_comm_size(comm), hosts = cnn_comm_hosts(comm);
    if (!cnn_comm_launcher(comm)) {
        cnn_found_ok(out, "one rank, started without mpirun; the exchange between ranks is not checked");
        return CNN_OK;
    }
    cnn_found_ok(out, "%d rank%s on %d host%s, started by %s (%s)", size, size == 1 ? "" : "s", hosts,
                 hosts == 1 ? "" : "s", cnn_comm_launcher(comm), cnn_comm_library(comm));
    if (cnn_comm_threads(comm))
        cnn_found_ok(out, "MPI supports several threads (MPI_THREAD_MULTIPLE)");
    else
        cnn_found_warn(out, "use an MPI library built with thread support",
                       "MPI does not support several threads: gradients are exchanged between hosts after "
                       "the backward pass, not during it");
    return CNN_OK;
}

// As many rounds as fit the time, after one that tells how long a round takes. The result is the same on all
// ranks, and so is what follows from it.
static enum cnn_status bench(struct cnn_comm_bench_result *out, struct cnn_comm *comm,
                             struct cnn_exchange_device *device, size_t bytes) {
    struct cnn_comm_bench of = {.bytes = bytes, .rounds = 1, .device = device};
    CNN_TRY(cnn_comm_bench(out, comm, &of));
    of.quiet = true;
    const double rounds = BENCH_S / fmax(out->median_s, 1e-6);
    of.rounds = rounds < 1 ? 1 : rounds > MOST_ROUNDS ? MOST_ROUNDS : (int)rounds;
    return cnn_comm_bench(out, comm, &of);
}

// Where every rank has a GPU, between these. Where not, `devices` says why.
static enum cnn_status bench_devices(struct cnn_comm *comm, struct cnn_exchange_device *device,
                                     struct cnn_findings *out) {
    struct cnn_comm_bench_result result;
    int64_t every = device != NULL;
    CNN_TRY(cnn_comm_allreduce(comm, &every, 1, CNN_COMM_I64, CNN_REDUCE_MIN));
    if (!every)
        return CNN_OK;
    const enum cnn_status status = bench(&result, comm, device, LARGE_BYTES);
    if (status == CNN_OK)
        cnn_judge_devices_bandwidth(out, &result, cnn_comm_hosts(comm));
    else if (!cnn_comm_is_broken(comm)) // all ranks know of it and are in step
        cnn_found_fail(out, "set NCCL_DEBUG=INFO for details, or comm.backend: mpi to avoid NCCL", "%s",
                       cnn_error_message());
    else
        return status;
    return CNN_OK;
}

static enum cnn_status check_devices_exchange(struct cnn_comm *comm, struct cnn_findings *out) {
    const struct cnn_backend_options options = {
        .threads = 1, .local_rank = cnn_comm_local_rank(comm), .local_size = cnn_comm_local_size(comm)};
    struct cnn_backend *backend = NULL;
    struct cnn_exchange_device *device = NULL;
    if (cnn_backend_create(&backend, CNN_BACKEND_AUTO, &options) == CNN_OK &&
        cnn_backend_exchange_device(&device, backend) != CNN_OK)
        device = NULL;
    const enum cnn_status status = bench_devices(comm, device, out);
    if (device && cnn_comm_is_broken(comm))
        return status; // what waits for lost ranks gives nothing back
    cnn_exchange_device_destroy(device);
    cnn_backend_destroy(backend);
    return status;
}

enum cnn_status cnn_check_exchange(const struct cnn_doctor *doctor, struct cnn_findings *out) {
    struct cnn_comm *comm = doctor->comm;
    struct cnn_comm_bench_result small, large;
    if (cnn_comm_size(comm) == 1)
        return CNN_OK;
    CNN_TRY(bench(&small, comm, NULL, SMALL_BYTES));
    CNN_TRY(bench(&large, comm, NULL, LARGE_BYTES));
    cnn_judge_latency(out, &small);
    cnn_judge_bandwidth(out, &large, cnn_comm_hosts(comm));
    return check_devices_exchange(comm, out);
}

// ---- the same program ----

struct program {
    char version[32];
    uint32_t checksum; // 0: not known
};

static uint32_t checksum_of_program(void) {
    char *bytes = NULL;
    size_t n = 0;
    if (cnn_file_read(&bytes, &n, "/proc/self/exe", (size_t)1 << 30) != CNN_OK)
        return 0;
    uint32_t checksum = cnn_crc32c(0, bytes, n);
    free(bytes);
    return checksum;
}

enum cnn_status cnn_check_program(const struct cnn_doctor *doctor, struct cnn_findings *out) {
    struct program mine = {.checksum = checksum_of_program()}, first;
    snprintf(mine.version, sizeof mine.version, "%s", cnn_dist_version());
    first = mine;
    CNN_TRY(cnn_comm_broadcast(doctor->comm, &first, sizeof first, 0));
    if (strcmp(mine.version, first.version) == 0 && mine.checksum == first.checksum)
        cnn_found_ok(out, "program: version %s, checksum %08" PRIx32 "%s", mine.version, mine.checksum,
                     cnn_comm_size(doctor->comm) > 1 ? ", as on rank 0" : "");
    else
        cnn_found_fail(out, "install the same build on all hosts",
                       "program: version %s, checksum %08" PRIx32 ", but rank 0 runs %s, %08" PRIx32,
                       mine.version, mine.checksum, first.version, first.checksum);
    return CNN_OK;
}

// ---- time and names ----

static double wall_clock_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

enum cnn_status cnn_check_clock(const struct cnn_doctor *doctor, struct cnn_findings *out) {
    CNN_TRY(cnn_comm_barrier(doctor->comm)); // from here on, little time passes between ranks
    double mine = wall_clock_s(), first = mine;
    CNN_TRY(cnn_comm_broadcast(doctor->comm, &first, sizeof first, 0));
    double ahead = mine - first;
    if (fabs(ahead) > MOST_SKEW_S)
        cnn_found_warn(out, "synchronize the clocks of all hosts (NTP)",
                       "clock: %.1f s %s of rank 0; times in logs and metrics will not match", fabs(ahead),
                       ahead > 0 ? "ahead" : "behind");
    else if (cnn_comm_size(doctor->comm) > 1)
        cnn_found_ok(out, "clock: within %.0f s of rank 0", MOST_SKEW_S);
    return CNN_OK;
}

static bool resolves(const char *host, const char **why) {
    struct addrinfo *addresses = NULL;
    int error = getaddrinfo(host, NULL, NULL, &addresses);
    if (error == 0)
        freeaddrinfo(addresses);
    *why = error ? gai_strerror(error) : "";
    return error == 0;
}

// Was the name of this rank's host already that of another rank's?
static bool is_known(const struct cnn_peer *peers, int rank) {
    for (int other = 0; other < rank; other++)
        if (strcmp(peers[other].host, peers[rank].host) == 0)
            return true;
    return false;
}

// True: all resolve, as far as they were tried.
static bool resolve_names(const struct cnn_doctor *doctor, struct cnn_findings *out) {
    enum { MOST_FAILURES = 3 }; // each may take seconds
    int failures = 0;
    for (int rank = 0; rank < cnn_comm_size(doctor->comm) && failures < MOST_FAILURES; rank++) {
        const char *why;
        if (is_known(doctor->peers, rank) || resolves(doctor->peers[rank].host, &why))
            continue;
        failures++;
        cnn_found_warn(out, "add it to /etc/hosts or DNS; launchers need it",
                       "host name %s does not resolve: %s", doctor->peers[rank].host, why);
    }
    return failures == 0;
}

enum cnn_status cnn_check_names(const struct cnn_doctor *doctor, struct cnn_findings *out) {
    int hosts = cnn_comm_hosts(doctor->comm), names = 0;
    for (int rank = 0; rank < cnn_comm_size(doctor->comm); rank++)
        names += !is_known(doctor->peers, rank);
    if (names < hosts)
        cnn_found_warn(out, "give every host a unique name; messages identify ranks by host",
                       "%d hosts have only %d name%s", hosts, names, names == 1 ? "" : "s");
    if (resolve_names(doctor, out))
        cnn_found_ok(out, "host name%s resolve%s, %s%s", hosts == 1 ? "" : "s", hosts == 1 ? "s" : "",
                     doctor->peers[0].host, hosts == 1 ? "" : " among them");
    return CNN_OK;
}
