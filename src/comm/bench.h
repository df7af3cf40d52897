// How fast gradients are summed over the ranks: the reducer's own path, with nothing else to do.
#ifndef CNN_COMM_BENCH_H
#define CNN_COMM_BENCH_H
#include "comm/comm.h"
#include "config/config.h"

struct cnn_exchange_device;
struct cnn_comm_bench {
    size_t bytes; // of every rank, rounded down to floats; at least 4
    int rounds;   // at least 1; one more goes before them
    // as of reducer.h
    enum cnn_precision precision;
    struct cnn_exchange_device *device;
    enum cnn_comm_kind kind;
    size_t bucket_bytes;
    bool deterministic, quiet;
};

struct cnn_comm_bench_result {
    size_t bytes;        // of every rank, a whole number of floats
    size_t travel_bytes; // the same as they travel between hosts
    int ranks, rounds;
    char way[64];                     // what summed: "NCCL 2.28.9"
    double median_s, least_s, most_s; // of a round, on the slowest rank
    double algorithm_bytes_per_s;     // bytes / median_s
    double bus_bytes_per_s;           // algorithm * 2 (ranks - 1) / ranks: what each rank's link carries
    double processor_s;               // processor time of a round, mean over ranks
};

// Sums gradients over all ranks and checks the sums. One that is wrong is CNN_ERR_COMM. The result is the
// same on all ranks. After an exchange of a device that failed (cnn_comm_is_broken) everything is left as it
// is, and so must be the device: it gives nothing back while it waits for lost ranks. Collective.
enum cnn_status cnn_comm_bench(struct cnn_comm_bench_result *out, struct cnn_comm *comm,
                               const struct cnn_comm_bench *bench) CNN_MUST_CHECK;

#endif
