#include "train/optimizer.h"

#include "base/memory.h"

#include <stdlib.h>

struct cnn_optimizer {
    struct cnn_backend *backend;
    struct cnn_replica *replica;
    struct cnn_sgd sgd;
    bool has_velocity; // some update was made
    struct cnn_loss_scaling scaling;
};

static void set_hyperparameters(struct cnn_sgd *sgd, const struct cnn_config *config) {
    const __typeof__(config->train.optimizer) *from = &config->train.optimizer;
    float decay = (float)from->weight_decay;
    sgd->momentum = (float)from->momentum;
    sgd->dampening = (float)from->dampening;
    sgd->nesterov = from->nesterov;
    sgd->decay[CNN_SEGMENT_DECAY] = decay;
    sgd->decay[CNN_SEGMENT_PLAIN_NORM] = from->decay_norm ? decay : 0;
    sgd->decay[CNN_SEGMENT_PLAIN_BIAS] = from->decay_bias ? decay : 0;
}

enum cnn_status cnn_optimizer_create(struct cnn_optimizer **out, const struct cnn_config *config,
                                     struct cnn_backend *backend, struct cnn_replica *replica, int micros) {
    struct cnn_optimizer *optimizer = NULL;
    size_t bytes;
    void *velocity = NULL;
    CNN_TRY(cnn_multiply(&bytes, cnn_replica_count(replica), sizeof(float)));
    CNN_TRY(cnn_calloc(&optimizer, 1, sizeof *optimizer));
    enum cnn_status status = cnn_backend_alloc(backend, &velocity, bytes);
    if (status != CNN_OK) {
        free(optimizer);
        return status;
    }
    optimizer->backend = backend;
    optimizer->replica = replica;
    optimizer->sgd.parameters = cnn_replica_parameters(replica);
    optimizer->sgd.gradients = cnn_replica_gradients(replica);
    optimizer->sgd.velocity = velocity;
    optimizer->sgd.compute = cnn_replica_compute_parameters(replica);
    optimizer->sgd.control = cnn_replica_control(replica);
    optimizer->sgd.micros = micros;
    optimizer->sgd.segments = cnn_replica_segments(replica, &optimizer->sgd.n_segments);
    set_hyperparameters(&optimizer->sgd, config);
    cnn_loss_scaling_init(&optimizer->scaling, config, cnn_backend_type(backend));
    *out = optimizer;
    return CNN_OK;
}

void cnn_optimizer_destroy(struct cnn_optimizer *optimizer) {
    if (!optimizer)
        return;
    cnn_backend_free(optimizer->backend, optimizer->sgd.velocity);
    free(optimizer);
}

void cnn_optimizer_begin(struct cnn_optimizer *optimizer, double rate) {
    cnn_replica_set_update(optimizer->replica, (struct cnn_update_values){
                                                   .rate = (float)rate,
                                                   .loss_scale = optimizer->scaling.scale,
                                                   .first = !optimizer->has_velocity,
                                               });
}

enum cnn_status cnn_optimizer_step(struct cnn_optimizer *optimizer) {
    const struct cnn_sgd *sgd = &optimizer->sgd;
    if (optimizer->scaling.on)
        CNN_TRY(cnn_backend_check_finite(optimizer->backend, sgd->gradients,
                                         cnn_replica_count(optimizer->replica),
                                         cnn_replica_control(optimizer->replica)));
    return cnn_backend_sgd(optimizer->backend, sgd);
}

void cnn_optimizer_end(struct cnn_optimizer *optimizer, bool overflow) {
    optimizer->has_velocity |= !overflow;
    cnn_loss_scaling_end(&optimizer->scaling, overflow);
}

float *cnn_optimizer_velocity(struct cnn_optimizer *optimizer) { return optimizer->sgd.velocity; }

void cnn_optimizer_resumed(struct cnn_optimizer *optimizer, const struct cnn_run_state *state) {
    struct cnn_loss_scaling *scaling = &optimizer->scaling;
    optimizer->has_velocity = state->step > state->skipped_steps;
    scaling->skipped = state->skipped_steps;
    if (!scaling->on || state->loss_scale == 0)
        return;
    scaling->scale = (float)state->loss_scale;
    scaling->good_steps = state->good_steps;
}

void cnn_optimizer_tell(const struct cnn_optimizer *optimizer, struct cnn_run_state *state) {
    const struct cnn_loss_scaling *scaling = &optimizer->scaling;
    state->loss_scale = scaling->on ? (double)scaling->scale : 0;
    state->good_steps = scaling->good_steps;
    state->skipped_steps = scaling->skipped;
}
