#include "model/model.h"

#include <stdlib.h>

static const char *const op_names[CNN_N_OPS] = {
    [CNN_OP_INPUT] = "input",
    [CNN_OP_CONV] = "conv",
    [CNN_OP_BATCH_NORM] = "batch_norm",
    [CNN_OP_RELU] = "relu",
    [CNN_OP_ADD] = "add",
    [CNN_OP_MAX_POOL] = "max_pool",
    [CNN_OP_AVG_POOL] = "avg_pool",
    [CNN_OP_ADAPTIVE_AVG_POOL] = "adaptive_avg_pool",
    [CNN_OP_LINEAR] = "linear",
    [CNN_OP_DROPOUT] = "dropout",
};

const char *cnn_op_name(enum cnn_op op) { return (unsigned)op < CNN_N_OPS ? op_names[op] : "unknown"; }

void cnn_model_destroy(struct cnn_model *model) {
    if (!model)
        return;
    free(model->params);
    free(model->nodes);
    free(model);
}
