// What a model costs: elements of parameters and multiply-adds.
#include "model/model.h"

size_t cnn_param_count(const struct cnn_param *param) {
    size_t n = 1;
    for (int i = 0; i < param->n_dims; i++)
        n *= (size_t)param->dims[i]; // the builder kept it below 2^31
    return n;
}

bool cnn_param_is_statistic(const struct cnn_param *param) {
    return param->role == CNN_PARAM_RUNNING_MEAN || param->role == CNN_PARAM_RUNNING_VAR;
}

size_t cnn_model_count(const struct cnn_model *model) {
    size_t n = 0;
    for (int i = 0; i < model->n_params; i++)
        if (!cnn_param_is_statistic(&model->params[i]))
            n += cnn_param_count(&model->params[i]);
    return n;
}

double cnn_node_flops(const struct cnn_model *model, int node) {
    const struct cnn_node *at = &model->nodes[node];
    if (at->op != CNN_OP_CONV && at->op != CNN_OP_LINEAR)
        return 0;
    // Each element of the weight meets each position of the output once.
    double positions = (double)at->shape.h * at->shape.w;
    return 2 * positions * (double)cnn_param_count(&model->params[at->first_param]);
}

double cnn_model_flops(const struct cnn_model *model) {
    double flops = 0;
    for (int i = 0; i < model->n_nodes; i++)
        flops += cnn_node_flops(model, i);
    return flops;
}
