// Loss scaling (Micikevicius et al. 2018): in fp16 small gradients would become 0, so the loss's gradient is
// multiplied by a factor that the update takes out again. Where gradients overflow, that step changes nothing
// and the factor is halved; after many steps without, it is doubled. All ranks see the same summed gradients
// and so do the same.
#ifndef CNN_TRAIN_LOSS_SCALING_H
#define CNN_TRAIN_LOSS_SCALING_H
#include "backend/backend.h"
#include "config/config.h"
#include <stdbool.h>
#include <stdint.h>

#define CNN_LOSS_SCALE_MOST 16777216.0f    // 2^24
#define CNN_LOSS_SCALE_LEAST 5.9604645e-8f // 2^-24

struct cnn_loss_scaling {
    bool on;
    float scale;        // 1 where it is off
    int64_t grow_after; // steps without overflow after which it is doubled; 0: it only shrinks
    int64_t good_steps; // since it last changed
    int64_t skipped;    // steps of the run whose gradients were not finite
};

// As train.loss_scale says for a backend that computes in `type`.
void cnn_loss_scaling_init(struct cnn_loss_scaling *out, const struct cnn_config *config, enum cnn_type type);
// After a step.
void cnn_loss_scaling_end(struct cnn_loss_scaling *scaling, bool overflow);

#endif
