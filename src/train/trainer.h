// A whole training run, from the config to the last checkpoint.
#ifndef CNN_TRAIN_TRAINER_H
#define CNN_TRAIN_TRAINER_H
#include "comm/comm.h"
#include "config/config.h"
#include "train/events.h"
#include <cnn_dist/status.h>
#include <stdbool.h>

struct cnn_train_options {
    const struct cnn_config *config; // borrowed, the same on every rank
    struct cnn_comm *comm;           // borrowed
    const char *resume;              // "auto", "none", or the path of a checkpoint
    cnn_event_call on_event;         // rank 0; may be NULL
    void *event_context;
    // Called in the setup, at every step boundary and now and then in evaluation; may be NULL. Returns the
    // reason, such as "received SIGTERM", or NULL to continue. Once it returns one on any rank, all ranks
    // save a checkpoint and leave.
    const char *(*stop_requested)(void *context);
    void *stop_context;
};

// Trains. CNN_STOPPED: left on request with a checkpoint saved. All ranks return the same kind of status;
// after CNN_ERR_COMM the job is broken and its processes should end without another collective call.
// Collective.
enum cnn_status cnn_train(const struct cnn_train_options *options) CNN_MUST_CHECK;

#endif
