#include "train/loss_scaling.h"

#define FP16_START 65536.0f // 2^16, as PyTorch begins

void cnn_loss_scaling_init(struct cnn_loss_scaling *out, const struct cnn_config *config,
                           enum cnn_type type) {
    const double wanted = config->train.loss_scale.initial;
    *out = (struct cnn_loss_scaling){
        .on = wanted > 0 || type == CNN_TYPE_F16,
        .scale = 1,
        .grow_after = config->train.loss_scale.grow_after,
    };
    if (out->on)
        out->scale = wanted > 0 ? (float)wanted : FP16_START;
}

void cnn_loss_scaling_end(struct cnn_loss_scaling *scaling, bool overflow) {
    if (!scaling->on)
        return;
    if (overflow) {
        scaling->skipped++;
        scaling->good_steps = 0;
        if (scaling->scale > CNN_LOSS_SCALE_LEAST)
            scaling->scale /= 2;
        return;
    }
    scaling->good_steps++;
    if (scaling->grow_after == 0 || scaling->good_steps < scaling->grow_after)
        return;
    scaling->good_steps = 0;
    if (scaling->scale < CNN_LOSS_SCALE_MOST)
        scaling->scale *= 2;
}
