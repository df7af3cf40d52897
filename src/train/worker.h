// A worker: this rank's replica of the model with its optimizer and its end of the gradient exchange, and the
// training step over them.
#ifndef CNN_TRAIN_WORKER_H
#define CNN_TRAIN_WORKER_H
#include "base/error.h"
#include "comm/reducer.h"
#include "data/loader.h"
#include "replica/replica.h"
#include "train/coordinator.h"
#include "train/optimizer.h"

// Where micro-batches come from: a loader, or a benchmark's memory.
struct cnn_batch_source {
    void *context;
    enum cnn_status (*next)(void *context, struct cnn_batch **out, double *waited_s);
    void (*release)(void *context, struct cnn_batch *batch);
};
struct cnn_batch_source cnn_batch_source_of_loader(struct cnn_loader *loader);

struct cnn_worker_options {
    const struct cnn_config *config; // optimizer, label smoothing, exchange; borrowed during create
    struct cnn_comm *comm;           // these three borrowed
    struct cnn_backend *backend;
    const struct cnn_model *model;
    int micro;              // samples of a micro-batch
    int micros, all_micros; // micro-batches of a step: of this rank, of all ranks
    double mean[3], std[3];
    struct cnn_batch_source source;
};

struct cnn_worker {
    struct cnn_comm *comm;
    struct cnn_backend *backend;
    struct cnn_replica *replica;
    struct cnn_optimizer *optimizer;
    struct cnn_exchange_device *device; // NULL: gradients are host memory
    struct cnn_reducer *reducer;
    struct cnn_batch_source source;
    int micros, all_micros;
    float share; // 1 / global batch
    // The micro-batch that was fetched and is not computed yet, or why there is none.
    struct cnn_batch *ahead;
    struct cnn_error ahead_error;
    struct cnn_recording **recordings; // by micro-batch of a step
    bool prefetches;                   // while the device computes; on the CPU the loader's threads do
    bool records;                      // steps are recorded once and run again
    bool warm;                         // a step has run
    bool syncs;                        // ranks meet inside the network
    double *sums;                      // of a layer, on their way from the device to other ranks and back
    size_t n_sums;
    bool exchanged; // this step's exchange was begun to its end
    bool broken;    // the exchange failed: other ranks may be gone
};

// Parameters are not set yet. All ranks succeed or fail together. Collective.
enum cnn_status cnn_worker_create(struct cnn_worker **out,
                                  const struct cnn_worker_options *options) CNN_MUST_CHECK;
// Collective, unless the exchange is broken: then its end is left as it is, for the process to take along.
void cnn_worker_destroy(struct cnn_worker *worker);

// One step: number `step` (from 0) of the run, with this learning rate. Adds this rank's part to *report. An
// error of this rank is returned after the exchange, in which the rank still takes part so that the others do
// not wait for it; CNN_ERR_COMM means that the exchange itself failed and no collective call may follow.
// Collective.
enum cnn_status cnn_worker_step(struct cnn_worker *worker, uint64_t step, double rate,
                                struct cnn_step_report *report) CNN_MUST_CHECK;

#endif
