#include "train/optimizer.h"

#include "base/memory.h"

#include <stdlib.h>

struct cnn_optimizer {
    struct cnn_backend *backend;
    struct cnn_sgd sgd; // all but rate and micros stays from step to step
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
    sgd->gradient_scale = 1; // the loss is scaled by 1 / global batch already
    sgd->first_step = true;
}

enum cnn_status cnn_optimizer_create(struct cnn_optimizer **out, const struct cnn_config *config,
                                     struct cnn_backend *backend, struct cnn_replica *replica) {
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
    optimizer->sgd.parameters = cnn_replica_parameters(replica);
    optimizer->sgd.gradients = cnn_replica_gradients(replica);
    optimizer->sgd.velocity = velocity;
    optimizer->sgd.segments = cnn_replica_segments(replica, &optimizer->sgd.n_segments);
    set_hyperparameters(&optimizer->sgd, config);
    *out = optimizer;
    return CNN_OK;
}

void cnn_optimizer_destroy(struct cnn_optimizer *optimizer) {
    if (!optimizer)
        return;
    cnn_backend_free(optimizer->backend, optimizer->sgd.velocity);
    free(optimizer);
}

enum cnn_status cnn_optimizer_step(struct cnn_optimizer *optimizer, double rate, int micros) {
    optimizer->sgd.rate = (float)rate;
    optimizer->sgd.micros = micros;
    CNN_TRY(cnn_backend_sgd(optimizer->backend, &optimizer->sgd));
    optimizer->sgd.first_step = false;
    return CNN_OK;
}

float *cnn_optimizer_velocity(struct cnn_optimizer *optimizer) { return optimizer->sgd.velocity; }

void cnn_optimizer_resumed(struct cnn_optimizer *optimizer) { optimizer->sgd.first_step = false; }
