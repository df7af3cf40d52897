// Sums the gradient arena over all ranks in contiguous buckets while backward still runs; they start in order
// as soon as backward has passed them. Gradients in the host's memory are summed by a thread and a
// communicator of their own; those of a device by NCCL on a stream of their own, where every rank has a
// device to itself, or else through the host.
#ifndef CNN_COMM_REDUCER_H
#define CNN_COMM_REDUCER_H
#include "comm/comm.h"
#include "comm/wire.h"

struct cnn_exchange_device; // backend/exchange_device.h
struct cnn_reducer_options {
    float *gradients;                   // n floats, borrowed
    struct cnn_exchange_device *device; // whose memory they are, borrowed; NULL: the host's
    // What follows is the same on all ranks.
    enum cnn_comm_kind kind; // AUTO: NCCL where it is possible
    size_t n;
    size_t bucket_bytes; // 0: chosen from n and the number of ranks
    bool deterministic;  // same bits in every run: NCCL's ways that do not give that are left out
    double timeout_s;    // how long a bucket may take before the job is given up with an error that says so
    // BF16, FP16: each rank's gradients are rounded to it, added as floats, and the sums rounded again,
    // whichever way they travel; between hosts they take half the bytes (the sums of a host of several ranks
    // go out as floats and come back in 16 bits). FP32 or AUTO: floats. NCCL rounds after each addition.
    enum cnn_precision precision;
    const struct cnn_span *exact; // what is never rounded: ascending, disjoint, none empty; copied
    size_t n_exact;
    bool quiet; // which way the gradients of a device go is not logged
};

struct cnn_reducer;
struct cnn_reducer_stats {
    double wait_s;   // of the last step: time it had to wait, the part of communication that was not hidden
    double busy_s;   // of the last step: time the exchange itself took, waiting for slower ranks included
    const char *way; // "NCCL 2.28.9", "shared memory": what sums; lives as long as the reducer
    size_t n_buckets, bytes; // bytes: of all buckets as they travel between hosts
};

// With one rank the reducer does nothing at no cost. CNN_ERR_UNSUPPORTED where `kind` is not possible.
// Collective.
enum cnn_status cnn_reducer_create(struct cnn_reducer **out, struct cnn_comm *comm,
                                   const struct cnn_reducer_options *options) CNN_MUST_CHECK;
void cnn_reducer_destroy(struct cnn_reducer *reducer); // Collective, but after a failed finish; accepts NULL
// Starts a step: nothing is ready. Not collective.
void cnn_reducer_begin(struct cnn_reducer *reducer);
// The first `n_ready` elements of the arena are final; on a device: when the ops queued so far are done. Does
// not wait for the exchange. Not collective.
void cnn_reducer_ready(struct cnn_reducer *reducer, size_t n_ready);
// From here on the whole arena (all of which must be ready) holds the sums over ranks: bit-equal on all
// ranks. On a device that is so for the ops queued from now on. An error is CNN_ERR_COMM, and of the ranks
// this one is out of step. Collective.
enum cnn_status cnn_reducer_finish(struct cnn_reducer *reducer) CNN_MUST_CHECK;
// Waits until the device has done all that is queued: to be called once the step is queued or run again,
// before anything else waits for the device, for a rank that is lost would keep that waiting for ever. Errors
// as of finish. Collective.
enum cnn_status cnn_reducer_settle(struct cnn_reducer *reducer) CNN_MUST_CHECK;
// Whether begin to finish only queue work on a device, which may then be recorded and run again.
bool cnn_reducer_can_record(const struct cnn_reducer *reducer);
struct cnn_reducer_stats cnn_reducer_stats(const struct cnn_reducer *reducer);

#endif
