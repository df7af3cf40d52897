// Sums the gradient arena over all ranks in contiguous buckets while backward still runs.
// A thread of its own and a communicator of its own; buckets start in order as soon as backward has passed
// them.
#ifndef CNN_COMM_REDUCER_H
#define CNN_COMM_REDUCER_H
#include "comm/comm.h"

struct cnn_reducer;
struct cnn_reducer_stats {
    double wait_s; // of the last step: time finish had to wait, the part of communication that was not hidden
    double busy_s; // of the last step: time the exchange itself took, waiting for slower ranks included
    size_t n_buckets, bytes;
};

// `gradients`: n floats, the same n on all ranks, borrowed. bucket_bytes 0: chosen from n and the number of
// ranks. With one rank the reducer does nothing at no cost. timeout_s: how long a bucket may take before the
// job is given up with an error that says so. Collective.
enum cnn_status cnn_reducer_create(struct cnn_reducer **out, struct cnn_comm *comm, float *gradients,
                                   size_t n, size_t bucket_bytes, double timeout_s) CNN_MUST_CHECK;
void cnn_reducer_destroy(struct cnn_reducer *reducer); // Collective, but after a failed finish; accepts NULL
// Starts a step: nothing is ready. Not collective.
void cnn_reducer_begin(struct cnn_reducer *reducer);
// The first `n_ready` elements of the arena are final. Never blocks. Not collective.
void cnn_reducer_ready(struct cnn_reducer *reducer, size_t n_ready);
// Waits until the whole arena (all of which must be ready) holds the sums over ranks: bit-equal on all ranks.
// Collective.
enum cnn_status cnn_reducer_finish(struct cnn_reducer *reducer) CNN_MUST_CHECK;
// Whether begin to finish only queue work on a device, which may then be recorded and run again.
bool cnn_reducer_can_record(const struct cnn_reducer *reducer);
struct cnn_reducer_stats cnn_reducer_stats(const struct cnn_reducer *reducer);

#endif
