#include "cli/judge.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>

// A rank that trains a ResNet-50 with micro-batches of 16 takes 1.3 GiB; a smaller machine can do smaller
// things.
#define LEAST_MEMORY_BYTES (2.0 * (1 << 30))
// A checkpoint of a ResNet-50 is 200 MB and several are kept.
#define LEAST_SPACE_BYTES (2.0 * (1 << 30))
#define NO_SPACE_BYTES (4.0 * CNN_DISK_TRIAL_BYTES) // the trial must not be what fills a disk
#define LEAST_WRITE_BYTES_PER_S 50e6
#define LEAST_READ_BYTES_PER_S 100e6
#define MOST_FSYNC_S 0.1
// Ranks of a host add in memory; between hosts, slower than gigabit Ethernet is a fault.
#define LEAST_DEVICES_BYTES_PER_S 5e9 // half of what PCIe 3 carries
#define LEAST_HOST_BYTES_PER_S 500e6
#define LEAST_NETWORK_BYTES_PER_S 100e6
#define MOST_LATENCY_S 5e-3

struct bytes {
    char text[32];
};

static struct bytes bytes_of(double bytes) {
    struct bytes out;
    cnn_format_bytes(out.text, sizeof out.text, bytes);
    return out;
}

void cnn_judge_library(struct cnn_findings *out, const struct cnn_library *library) {
    const char *name = library->name, *built = library->built.text, *found = library->found.text;
    const char *advice = library->newer_is_fine ? "install a newer version"
                                                : "build cnn_dist again on this machine, or install "
                                                  "the version it was built with";
    switch (cnn_library_match(library)) {
    case CNN_LIBRARY_ALIKE:
        cnn_found_ok(out, "%s %s", name, found);
        break;
    case CNN_LIBRARY_MINOR:
        cnn_found_warn(out, advice, "%s %s is installed, built with %s", name, found, built);
        break;
    case CNN_LIBRARY_MAJOR:
        cnn_found_fail(out, advice,
                       "%s %s is installed, but cnn_dist was built with %s, another major "
                       "version",
                       name, found, built);
        break;
    case CNN_LIBRARY_UNKNOWN:
        cnn_found_ok(out, "%s: built with %s, installed version unknown", name, built);
        break;
    }
}

// ---- the machine ----

void cnn_judge_processor(struct cnn_findings *out, const struct cnn_processor *processor,
                         const struct cnn_topology *topology) {
    const struct cnn_processor *p = processor;
    cnn_found_ok(out, "processor %s: %d package%s, %d cores, %d NUMA node%s",
                 *p->model ? p->model : "of unknown model", topology->packages,
                 topology->packages == 1 ? "" : "s", topology->cores, topology->numa_nodes,
                 topology->numa_nodes == 1 ? "" : "s");
    if (!p->avx2)
        cnn_found_warn(out, "training will be slow; processors since about 2013 have AVX2",
                       "the processor does not support AVX2");
    else
        cnn_found_ok(out, "instruction sets AVX2%s%s%s", p->avx512 ? ", AVX-512" : "",
                     p->avx512_bf16 ? ", AVX-512 BF16" : "", p->amx_bf16 ? ", AMX BF16" : "");
}

void cnn_judge_memory(struct cnn_findings *out, const struct cnn_memory_room *room, int local_size) {
    double usable = fmin(room->available_bytes, room->limit_bytes);
    char limit[64] = "";
    if (isfinite(room->limit_bytes))
        snprintf(limit, sizeof limit, ", limited to %s by a cgroup", bytes_of(room->limit_bytes).text);
    if (room->total_bytes <= 0)
        cnn_found_warn(out, "see /proc/meminfo", "cannot determine the amount of memory");
    else if (usable < LEAST_MEMORY_BYTES * local_size)
        cnn_found_warn(out, "start fewer ranks, or use a small train.batch.micro",
                       "memory: %s of %s available%s for %d rank%s; 2 GiB per rank are recommended",
                       bytes_of(room->available_bytes).text, bytes_of(room->total_bytes).text, limit,
                       local_size, local_size == 1 ? "" : "s");
    else
        cnn_found_ok(out, "memory: %s of %s available%s", bytes_of(room->available_bytes).text,
                     bytes_of(room->total_bytes).text, limit);
}

void cnn_judge_shared_memory(struct cnn_findings *out, double free_bytes, int local_size) {
    if (free_bytes < (double)CNN_COMM_SHARED_BYTES)
        cnn_found_warn(out, "give the container more shared memory (docker run --shm-size 1g)",
                       "/dev/shm: only %s free, %s needed; ranks on this host will exchange gradients by "
                       "messages, which takes more processor time",
                       bytes_of(free_bytes).text, bytes_of((double)CNN_COMM_SHARED_BYTES).text);
    else
        cnn_found_ok(out, "/dev/shm: %s free for the exchange of gradients within the host",
                     bytes_of(free_bytes).text);
}

// ---- the exchange ----

void cnn_judge_latency(struct cnn_findings *out, const struct cnn_comm_bench_result *result) {
    double ms = 1e3 * result->median_s;
    if (result->median_s > MOST_LATENCY_S)
        cnn_found_warn(out, "do not start more ranks than processors, or check the network",
                       "all-reduce of %s over %d ranks: %.2f ms, expected at most %.0f",
                       bytes_of((double)result->bytes).text, result->ranks, ms, 1e3 * MOST_LATENCY_S);
    else
        cnn_found_ok(out, "all-reduce of %s over %d ranks: %.2f ms", bytes_of((double)result->bytes).text,
                     result->ranks, ms);
}

static void judge_bandwidth(struct cnn_findings *out, const struct cnn_comm_bench_result *result,
                            const char *where, double least, const char *advice) {
    if (result->bus_bytes_per_s < least)
        cnn_found_warn(out, advice,
                       "all-reduce of %s over %d ranks%s: %.1f ms, %.2f GB/s per link, expected at least "
                       "%.1f",
                       bytes_of((double)result->bytes).text, result->ranks, where, 1e3 * result->median_s,
                       1e-9 * result->bus_bytes_per_s, 1e-9 * least);
    else
        cnn_found_ok(out, "all-reduce of %s over %d ranks%s: %.1f ms, %.2f GB/s per link",
                     bytes_of((double)result->bytes).text, result->ranks, where, 1e3 * result->median_s,
                     1e-9 * result->bus_bytes_per_s);
}

void cnn_judge_bandwidth(struct cnn_findings *out, const struct cnn_comm_bench_result *result, int hosts) {
    judge_bandwidth(out, result, "", hosts > 1 ? LEAST_NETWORK_BYTES_PER_S : LEAST_HOST_BYTES_PER_S,
                    hosts > 1 ? "make sure that MPI uses the fast network; larger batches hide a slow one"
                              : "do not start more ranks than processors; see --bind-to none");
}

void cnn_judge_devices_bandwidth(struct cnn_findings *out, const struct cnn_comm_bench_result *result,
                                 int hosts) {
    char where[96];
    snprintf(where, sizeof where, ", in GPU memory by %s", result->way);
    judge_bandwidth(out, result, where, hosts > 1 ? LEAST_NETWORK_BYTES_PER_S : LEAST_DEVICES_BYTES_PER_S,
                    hosts > 1 ? "make sure that NCCL uses the fast network (NCCL_DEBUG=INFO shows which)"
                              : "give every rank its own GPU; NCCL_DEBUG=INFO shows how they are connected");
}

// ---- the disk ----

bool cnn_judge_space(struct cnn_findings *out, const char *place, const struct cnn_disk_space *space) {
    const char *advice = "free some space, or choose another run.dir";
    struct bytes left = bytes_of(space->free_bytes), total = bytes_of(space->total_bytes);
    if (space->total_bytes <= 0) // some file systems do not say
        return true;
    if (space->free_bytes < NO_SPACE_BYTES) {
        cnn_found_fail(out, advice, "disk of %s: %s of %s free", place, left.text, total.text);
        return false;
    }
    if (space->free_bytes < LEAST_SPACE_BYTES)
        cnn_found_warn(out, advice, "disk of %s: only %s of %s free, enough for few checkpoints", place,
                       left.text, total.text);
    else
        cnn_found_ok(out, "disk of %s: %s of %s free", place, left.text, total.text);
    return true;
}

static void judge_speed(struct cnn_findings *out, const char *what, double bytes_per_s, double least) {
    if (bytes_per_s < least)
        cnn_found_warn(out, "choose a faster disk for run.dir and the datasets",
                       "disk %s %.0f MB/s, expected at least %.0f", what, 1e-6 * bytes_per_s, 1e-6 * least);
    else
        cnn_found_ok(out, "disk %s %.0f MB/s", what, 1e-6 * bytes_per_s);
}

void cnn_judge_disk(struct cnn_findings *out, const struct cnn_disk_speed *speed) {
    judge_speed(out, "writes", speed->write_bytes_per_s, LEAST_WRITE_BYTES_PER_S);
    judge_speed(out, "reads", speed->read_bytes_per_s, LEAST_READ_BYTES_PER_S);
    if (speed->fsync_s > MOST_FSYNC_S)
        cnn_found_warn(out,
                       "every checkpoint waits for this several times; save less often, or to another "
                       "disk",
                       "disk: %.0f ms to sync a small file (fsync), expected at most %.0f",
                       1e3 * speed->fsync_s, 1e3 * MOST_FSYNC_S);
    else
        cnn_found_ok(out, "disk: %.1f ms to sync a small file (fsync)", 1e3 * speed->fsync_s);
}
