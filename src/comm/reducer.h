// Sums the gradient arena over all ranks in contiguous buckets while backward still runs.
// A thread of its own and a communicator of its own; buckets start in order as soon as backward has passed
// them.
#ifndef CNN_COMM_REDUCER_H
#define CNN_COMM_REDUCER_H
#include "comm/comm.h"
#include "comm/wire.h"

struct cnn_reducer_options {
    float *gradients; // n floats, borrowed; n is the same on all ranks, as is all that follows
    size_t n;
    size_t bucket_bytes; // 0: chosen from n and the number of ranks
    double timeout_s;    // how long a bucket may take before the job is given up with an error that says so
    // BF16, FP16: each rank's gradients are rounded to it, added as floats, and the sums rounded again,
    // whichever way they travel; between hosts they take half the bytes (the sums of a host of several ranks
    // go out as floats and come back in 16 bits). FP32 or AUTO: floats.
    enum cnn_precision precision;
    const struct cnn_span *exact; // what is never rounded: ascending, disjoint, none empty; copied
    size_t n_exact;
};

struct cnn_reducer;
struct cnn_reducer_stats {
    double wait_s; // of the last step: time finish had to wait, the part of communication that was not hidden
    double busy_s; // of the last step: time the exchange itself took, waiting for slower ranks included
    size_t n_buckets, bytes; // bytes: of all buckets as they travel between hosts
};

// With one rank the reducer does nothing at no cost. Collective.
enum cnn_status cnn_reducer_create(struct cnn_reducer **out, struct cnn_comm *comm,
                                   const struct cnn_reducer_options *options) CNN_MUST_CHECK;
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
