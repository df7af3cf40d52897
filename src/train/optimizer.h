// Stochastic gradient descent with momentum (Sutskever et al. 2013, PyTorch's velocity): owns the velocity,
// and makes one fused pass over the arenas of a replica per step.
#ifndef CNN_TRAIN_OPTIMIZER_H
#define CNN_TRAIN_OPTIMIZER_H
#include "config/config.h"
#include "replica/replica.h"
#include "train/loss_scaling.h"
#include "train/record.h"

struct cnn_optimizer;
// Velocity starts at nothing. `backend` and `replica` (a training one) are borrowed; `micros`: micro-batches
// of a step over all ranks. Not collective.
enum cnn_status cnn_optimizer_create(struct cnn_optimizer **out, const struct cnn_config *config,
                                     struct cnn_backend *backend, struct cnn_replica *replica,
                                     int micros) CNN_MUST_CHECK;
void cnn_optimizer_destroy(struct cnn_optimizer *optimizer);

// Before a step: the learning rate and loss scale its micro-batches take along.
void cnn_optimizer_begin(struct cnn_optimizer *optimizer, double rate);
// Queues the update of the parameters from the summed gradients, and of BN's running statistics from the sum
// of the micro-batches' statistics; may be recorded. With loss scaling, gradients that are not finite change
// nothing. Not collective.
enum cnn_status cnn_optimizer_step(struct cnn_optimizer *optimizer) CNN_MUST_CHECK;
// After a step: whether it overflowed (cnn_metrics). The same on all ranks.
void cnn_optimizer_end(struct cnn_optimizer *optimizer, bool overflow);

// The arena of velocities, laid out like the replica's parameters.
float *cnn_optimizer_velocity(struct cnn_optimizer *optimizer);
// To be told after parameters and velocity were filled: how many steps they come from, and the loss scale.
void cnn_optimizer_resumed(struct cnn_optimizer *optimizer, const struct cnn_run_state *state);
// Fills in the loss scale's part of a state.
void cnn_optimizer_tell(const struct cnn_optimizer *optimizer, struct cnn_run_state *state);

#endif
