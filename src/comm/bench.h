// How fast gradients are summed over the ranks: the reducer's own path, with nothing else to do.
#ifndef CNN_COMM_BENCH_H
#define CNN_COMM_BENCH_H
#include "comm/comm.h"
#include "config/config.h"

struct cnn_comm_bench_result {
    size_t bytes;        // of every rank, a whole number of floats
    size_t travel_bytes; // the same as they travel between hosts
    int ranks, rounds;
    double median_s, least_s, most_s; // of a round, on the slowest rank
    double algorithm_bytes_per_s;     // bytes / median_s
    double bus_bytes_per_s;           // algorithm * 2 (ranks - 1) / ranks: what each rank's link carries
    double processor_s;               // processor time of a round, mean over ranks
};

// Sums `bytes` (rounded down to floats, at least 4) over all ranks `rounds` times (at least 1) after one
// round to warm up, in a precision as of reducer.h. A sum that is wrong is CNN_ERR_COMM. The result is the
// same on all ranks. Collective.
enum cnn_status cnn_comm_bench(struct cnn_comm *comm, size_t bytes, int rounds, enum cnn_precision precision,
                               struct cnn_comm_bench_result *out) CNN_MUST_CHECK;

#endif
