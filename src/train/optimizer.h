// Stochastic gradient descent with momentum (Sutskever et al. 2013, PyTorch's velocity): owns the velocity,
// and makes one fused pass over the arenas of a replica per step.
#ifndef CNN_TRAIN_OPTIMIZER_H
#define CNN_TRAIN_OPTIMIZER_H
#include "config/config.h"
#include "replica/replica.h"

struct cnn_optimizer;
// Velocity starts at nothing. `backend` and `replica` (a training one) are borrowed. Not collective.
enum cnn_status cnn_optimizer_create(struct cnn_optimizer **out, const struct cnn_config *config,
                                     struct cnn_backend *backend, struct cnn_replica *replica) CNN_MUST_CHECK;
void cnn_optimizer_destroy(struct cnn_optimizer *optimizer);

// Updates the parameters from the summed gradients, and BN's running statistics from the sum of `micros`
// micro-batches' statistics (over all ranks). Not collective.
enum cnn_status cnn_optimizer_step(struct cnn_optimizer *optimizer, double rate, int micros) CNN_MUST_CHECK;

// The arena of velocities, laid out like the replica's parameters.
float *cnn_optimizer_velocity(struct cnn_optimizer *optimizer);
// To be told after the velocity was filled from a checkpoint: the next step is not the first.
void cnn_optimizer_resumed(struct cnn_optimizer *optimizer);

#endif
