// Single records of an evaluation: brought together from all ranks, in the order of the dataset.
#ifndef CNN_TRAIN_OBSERVER_H
#define CNN_TRAIN_OBSERVER_H
#include "comm/comm.h"

// What rank 0 is told of each record: its id, its class in the network's numbering, and the probabilities of
// all classes, averaged over the views.
struct cnn_observer {
    void *context;
    enum cnn_status (*record)(void *context, uint64_t id, int32_t label, const float *probabilities);
};

// The results of one batch on its way.
struct cnn_observed;
// Borrows the observer and comm. Not collective.
enum cnn_status cnn_observed_create(struct cnn_observed **out, const struct cnn_observer *observer,
                                    struct cnn_comm *comm, int capacity, int classes) CNN_MUST_CHECK;
void cnn_observed_destroy(struct cnn_observed *observed);

// Adds a record to the batch; returns where its probabilities go.
float *cnn_observed_add(struct cnn_observed *observed, uint64_t id, int32_t label);
// Gathers the batches of all ranks, in the order of ranks, and tells the observer; then the batch is empty.
// *mine: the observer's error, on rank 0 alone. Collective.
enum cnn_status cnn_observed_share(struct cnn_observed *observed, enum cnn_status *mine) CNN_MUST_CHECK;

#endif
