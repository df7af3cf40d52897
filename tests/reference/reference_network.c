#include "reference_network.h"
#include <stdlib.h>
#include <string.h>

static struct ref_shape shape_of(const struct ref_network *network, int node) {
    const struct cnn_shape s = network->model->nodes[node].shape;
    return (struct ref_shape){network->n, s.c, s.h, s.w};
}

static double **new_rows(int n) { return calloc((size_t)n, sizeof(double *)); }

struct ref_network *ref_network_create(const struct cnn_model *model, int n, bool training) {
    struct ref_network *network = calloc(1, sizeof *network);
    *network = (struct ref_network){model,
                                    n,
                                    training,
                                    new_rows(model->n_nodes),
                                    new_rows(model->n_nodes),
                                    new_rows(model->n_params),
                                    new_rows(model->n_params)};
    for (int i = 0; i < model->n_nodes; i++) {
        network->values[i] = calloc(ref_count(shape_of(network, i)), sizeof(double));
        network->gradients[i] = calloc(ref_count(shape_of(network, i)), sizeof(double));
    }
    for (int i = 0; i < model->n_params; i++) {
        network->params[i] = calloc(cnn_param_count(&model->params[i]), sizeof(double));
        network->d_params[i] = calloc(cnn_param_count(&model->params[i]), sizeof(double));
    }
    return network;
}

void ref_network_destroy(struct ref_network *network) {
    for (int i = 0; i < network->model->n_nodes; i++) {
        free(network->values[i]);
        free(network->gradients[i]);
    }
    for (int i = 0; i < network->model->n_params; i++) {
        free(network->params[i]);
        free(network->d_params[i]);
    }
    free(network->values);
    free(network->gradients);
    free(network->params);
    free(network->d_params);
    free(network);
}

static struct ref_linear linear_size(const struct ref_network *network, int node) {
    const struct cnn_shape in = network->model->nodes[network->model->nodes[node].inputs[0]].shape;
    return (struct ref_linear){network->n, in.h * in.w * in.c,
                               network->model->nodes[node].linear.out_features};
}

// The batch's statistics go where gradients of the running ones would.
static void norm_forward(struct ref_network *network, const struct cnn_node *node, double *out,
                         const double *in, struct ref_shape shape) {
    double **params = network->params + node->first_param, **d_params = network->d_params + node->first_param;
    const double count = (double)shape.n * shape.h * shape.w;
    if (!network->training) {
        ref_norm(out, in, shape, params[2], params[3], params[0], params[1], node->norm.eps);
        return;
    }
    ref_norm_statistics(d_params[2], d_params[3], in, shape);
    ref_norm(out, in, shape, d_params[2], d_params[3], params[0], params[1], node->norm.eps);
    for (int c = 0; c < shape.c; c++)
        d_params[3][c] *= count > 1 ? count / (count - 1) : 0;
}

static void max_pool_forward(double *out, const double *in, struct ref_shape shape,
                             const struct cnn_pool *pool) {
    int *argmax = calloc(ref_count(ref_pool_shape(shape, pool)), sizeof *argmax);
    ref_max_pool(out, argmax, in, shape, pool);
    free(argmax);
}

static void node_forward(struct ref_network *network, int index) {
    const struct cnn_node *node = &network->model->nodes[index];
    double **params = network->params + node->first_param, *out = network->values[index];
    const double *in = network->values[node->inputs[0]];
    const struct ref_shape shape = shape_of(network, node->inputs[0]);
    switch (node->op) {
    case CNN_OP_CONV:
        ref_conv(out, in, shape, &node->conv, params[0], node->conv.bias ? params[1] : NULL);
        break;
    case CNN_OP_BATCH_NORM:
        norm_forward(network, node, out, in, shape);
        break;
    case CNN_OP_RELU:
        ref_relu(out, in, ref_count(shape));
        break;
    case CNN_OP_ADD:
        ref_add(out, in, network->values[node->inputs[1]], ref_count(shape));
        break;
    case CNN_OP_MAX_POOL:
        max_pool_forward(out, in, shape, &node->pool);
        break;
    case CNN_OP_AVG_POOL:
        ref_avg_pool(out, in, shape, &node->pool);
        break;
    case CNN_OP_ADAPTIVE_AVG_POOL:
        ref_adaptive_pool(out, in, shape, node->adaptive_pool.out);
        break;
    case CNN_OP_LINEAR:
        ref_linear(out, in, linear_size(network, index), params[0], node->linear.bias ? params[1] : NULL);
        break;
    default:
        memcpy(out, in, ref_count(shape) * sizeof *out);
        break;
    }
}

void ref_network_forward(struct ref_network *network, const uint8_t *pixels, const double *mean,
                         const double *std) {
    ref_normalize(network->values[0], pixels, shape_of(network, 0), mean, std);
    for (int i = 1; i < network->model->n_nodes; i++)
        node_forward(network, i);
}

const double *ref_network_logits(const struct ref_network *network) {
    return network->values[network->model->output];
}

double ref_network_loss(struct ref_network *network, const int32_t *labels, double smoothing, double scale) {
    const struct cnn_model *model = network->model;
    for (int i = 0; i < model->n_nodes; i++)
        memset(network->gradients[i], 0, ref_count(shape_of(network, i)) * sizeof(double));
    return ref_loss(network->gradients[model->output], network->values[model->output], network->n,
                    model->n_classes, labels, smoothing, scale);
}

static void max_pool_backward(double *d_in, const double *d_out, const double *in, struct ref_shape shape,
                              const struct cnn_pool *pool) {
    const size_t n = ref_count(ref_pool_shape(shape, pool));
    int *argmax = calloc(n, sizeof *argmax);
    double *out = calloc(n, sizeof *out);
    ref_max_pool(out, argmax, in, shape, pool);
    ref_max_pool_grad(d_in, d_out, argmax, shape, pool);
    free(argmax);
    free(out);
}

// The gradient of a node's first input, into d_in; parameter gradients where they belong.
static void node_backward(struct ref_network *network, int index, double *d_in) {
    const struct cnn_node *node = &network->model->nodes[index];
    double **params = network->params + node->first_param, **d_params = network->d_params + node->first_param;
    const double *in = network->values[node->inputs[0]], *d_out = network->gradients[index];
    const struct ref_shape shape = shape_of(network, node->inputs[0]);
    switch (node->op) {
    case CNN_OP_CONV:
        ref_conv_grad(d_in, d_params[0], node->conv.bias ? d_params[1] : NULL, d_out, in, shape, &node->conv,
                      params[0]);
        break;
    case CNN_OP_BATCH_NORM:
        ref_norm_grad(d_in, d_params[0], d_params[1], d_out, in, shape, params[0], node->norm.eps);
        break;
    case CNN_OP_RELU:
        ref_relu_grad(d_in, d_out, network->values[index], ref_count(shape));
        break;
    case CNN_OP_MAX_POOL:
        max_pool_backward(d_in, d_out, in, shape, &node->pool);
        break;
    case CNN_OP_AVG_POOL:
        ref_avg_pool_grad(d_in, d_out, shape, &node->pool);
        break;
    case CNN_OP_ADAPTIVE_AVG_POOL:
        ref_adaptive_pool_grad(d_in, d_out, shape, node->adaptive_pool.out);
        break;
    case CNN_OP_LINEAR:
        ref_linear_grad(d_in, d_params[0], node->linear.bias ? d_params[1] : NULL, d_out, in,
                        linear_size(network, index), params[0]);
        break;
    default:
        memcpy(d_in, d_out, ref_count(shape) * sizeof *d_in);
        break;
    }
}

void ref_network_backward(struct ref_network *network) {
    for (int i = network->model->n_nodes - 1; i > 0; i--) {
        const struct cnn_node *node = &network->model->nodes[i];
        const size_t n = ref_count(shape_of(network, node->inputs[0]));
        double *d_in = calloc(n, sizeof *d_in);
        node_backward(network, i, d_in);
        for (int j = 0; j < node->n_inputs; j++)
            ref_add(network->gradients[node->inputs[j]], network->gradients[node->inputs[j]], d_in, n);
        free(d_in);
    }
}
