// Fusion: which of the model's ops become one kernel.
//   training:  batch norm [+ add] [+ relu];  conv or linear [+ relu];  add [+ relu];  relu before max pool is
//   masked by the pool; conv may give the batch norm behind it its input's moments
//   inference: conv + batch norm [+ add] [+ relu] with the norm folded into the weights;
//   dropout is nothing
#include "base/memory.h"
#include "replica/step.h"
#include <stdlib.h>
#include <string.h>

struct fusion {
    const struct cnn_model *model;
    struct cnn_graph *graph;
    int *uses;   // consumers of each node
    int *user;   // the last of them
    int *source; // the node whose value stands for this node's (aliases resolved)
    bool *taken; // part of a step already
};

// The one node that uses `node`, if it is of kind `op` and free to be fused; otherwise -1.
static int only_user(const struct fusion *f, int node, enum cnn_op op) {
    if (f->uses[node] != 1 || node == f->model->output)
        return -1;
    const int user = f->user[node];
    return f->model->nodes[user].op == op && !f->taken[user] ? user : -1;
}

static void add_param(const struct fusion *f, struct cnn_step *step, int node) {
    for (int i = 0; i < f->model->nodes[node].n_params; i++)
        step->params[step->n_params++] = f->model->nodes[node].first_param + i;
}

static int take(struct fusion *f, struct cnn_step *step, int node) {
    f->taken[node] = true;
    step->out = node;
    return node;
}

// An add that ends in this step takes the step's value and one more.
static int take_add(struct fusion *f, struct cnn_step *step, int tail) {
    const int add = only_user(f, tail, CNN_OP_ADD);
    if (add < 0 || step->desc.n_in != 1)
        return tail;
    const struct cnn_node *node = &f->model->nodes[add];
    const int other = f->source[node->inputs[0]] == tail ? node->inputs[1] : node->inputs[0];
    if (f->source[node->inputs[0]] == f->source[node->inputs[1]])
        return tail;
    step->in[1] = f->source[other];
    step->desc.n_in = 2;
    return take(f, step, add);
}

static int take_relu(struct fusion *f, struct cnn_step *step, int tail) {
    const int relu = only_user(f, tail, CNN_OP_RELU);
    if (relu < 0)
        return tail;
    step->desc.relu = step->desc.relu_backward = true;
    return take(f, step, relu);
}

static enum cnn_kernel kernel_of(enum cnn_op op) {
    static const enum cnn_kernel kernels[CNN_N_OPS] = {
        [CNN_OP_CONV] = CNN_KERNEL_CONV,
        [CNN_OP_BATCH_NORM] = CNN_KERNEL_NORM,
        [CNN_OP_RELU] = CNN_KERNEL_RELU,
        [CNN_OP_ADD] = CNN_KERNEL_ADD,
        [CNN_OP_MAX_POOL] = CNN_KERNEL_MAX_POOL,
        [CNN_OP_AVG_POOL] = CNN_KERNEL_AVG_POOL,
        [CNN_OP_ADAPTIVE_AVG_POOL] = CNN_KERNEL_ADAPTIVE_AVG_POOL,
        [CNN_OP_LINEAR] = CNN_KERNEL_LINEAR,
        [CNN_OP_DROPOUT] = CNN_KERNEL_DROPOUT,
    };
    return kernels[op];
}

static void fuse_from(struct fusion *f, struct cnn_step *step, int node) {
    const struct cnn_node *first = &f->model->nodes[node];
    *step = (struct cnn_step){.desc = {.kernel = kernel_of(first->op),
                                       .node = first,
                                       .n_in = first->n_inputs,
                                       .training = f->graph->training}};
    for (int i = 0; i < first->n_inputs && i < 2; i++)
        step->in[i] = f->source[first->inputs[i]];
    step->desc.from_pixels = step->in[0] == f->graph->input;
    step->desc.layer = (uint32_t)node;
    add_param(f, step, node);
    int tail = take(f, step, node);
    const int norm =
        first->op == CNN_OP_CONV && !f->graph->training ? only_user(f, tail, CNN_OP_BATCH_NORM) : -1;
    if (norm >= 0) {
        step->desc.norm = &f->model->nodes[norm];
        add_param(f, step, norm);
        tail = take(f, step, norm);
    }
    if (norm >= 0 || first->op == CNN_OP_BATCH_NORM)
        tail = take_add(f, step, tail);
    if (first->op == CNN_OP_CONV || first->op == CNN_OP_BATCH_NORM || first->op == CNN_OP_LINEAR ||
        first->op == CNN_OP_ADD)
        tail = take_relu(f, step, tail);
    step->desc.shape = f->model->nodes[tail].shape;
}

static bool is_alias(const struct fusion *f, int node) {
    const struct cnn_node *n = &f->model->nodes[node];
    if (n->op == CNN_OP_DROPOUT)
        return !f->graph->training || n->dropout.p == 0.0;
    const struct cnn_shape in = f->model->nodes[n->inputs[0]].shape;
    // at the end of a network it still makes rows of logits out of channel blocks
    return n->op == CNN_OP_ADAPTIVE_AVG_POOL && in.h == n->shape.h && in.w == n->shape.w &&
           node != f->model->output;
}

static int by_out(const void *a, const void *b) {
    return ((const struct cnn_step *)a)->out - ((const struct cnn_step *)b)->out;
}

static int readers(const struct cnn_graph *graph, int value) {
    int n = value == graph->output;
    for (int i = 0; i < graph->n_steps; i++)
        for (int j = 0; j < graph->steps[i].desc.n_in; j++)
            n += graph->steps[i].in[j] == value;
    return n;
}

// A pool or convolution that alone reads a convolution's relu masks the gradient it makes, and the relu's own
// pass is saved. relu and max pool commute, so a pool masks the smaller gradient, and the convolution's
// output need not be kept; a convolution has its input at hand.
static void mask_in_consumers(struct cnn_graph *graph) {
    for (int i = 0; i < graph->n_steps; i++) {
        struct cnn_kernel_desc *desc = &graph->steps[i].desc;
        const int value = graph->steps[i].in[0];
        const bool pools = desc->kernel == CNN_KERNEL_MAX_POOL;
        if ((!pools && desc->kernel != CNN_KERNEL_CONV) || readers(graph, value) != 1)
            continue;
        for (int j = 0; j < i; j++)
            if (graph->steps[j].out == value && graph->steps[j].desc.kernel == CNN_KERNEL_CONV &&
                graph->steps[j].desc.relu) {
                graph->steps[j].desc.relu_backward = false;
                desc->mask_by_output = pools;
                desc->mask_by_input = !pools;
            }
    }
}

// A convolution may sum what it writes while it has it at hand, and the norm behind it is saved a reading.
static void ask_for_moments(struct cnn_graph *graph) {
    for (int i = 0; i < graph->n_steps; i++)
        for (int j = 0; j < i && graph->steps[i].desc.kernel == CNN_KERNEL_NORM; j++)
            if (graph->steps[j].out == graph->steps[i].in[0] &&
                graph->steps[j].desc.kernel == CNN_KERNEL_CONV)
                graph->steps[j].desc.wants_moments = true;
}

static void count_uses(struct fusion *f) {
    const struct cnn_model *model = f->model;
    for (int i = 0; i < model->n_nodes; i++) {
        f->source[i] = i;
        for (int j = 0; j < model->nodes[i].n_inputs; j++) {
            f->uses[model->nodes[i].inputs[j]]++;
            f->user[model->nodes[i].inputs[j]] = i;
        }
    }
}

static void fuse_all(struct fusion *f) {
    const struct cnn_model *model = f->model;
    for (int i = 0; i < model->n_nodes; i++) {
        if (model->nodes[i].op == CNN_OP_INPUT || f->taken[i])
            continue;
        if (is_alias(f, i))
            f->source[i] = f->source[model->nodes[i].inputs[0]];
        else
            fuse_from(f, &f->graph->steps[f->graph->n_steps++], i);
    }
    qsort(f->graph->steps, (size_t)f->graph->n_steps, sizeof *f->graph->steps, by_out);
    f->graph->output = f->source[model->output];
}

// A step reads values by the node that ends the step making them; nodes inside a fused step have none.
static void resolve_inputs(struct fusion *f) {
    for (int i = 0; i < f->graph->n_steps; i++)
        for (int j = 0; j < f->graph->steps[i].desc.n_in; j++)
            f->graph->steps[i].in[j] = f->source[f->graph->steps[i].in[j]];
}

// A layer that leads nowhere would be trained by no gradient.
static enum cnn_status check_uses(const struct fusion *f) {
    for (int i = 1; i < f->model->n_nodes; i++)
        if (!f->uses[i] && i != f->model->output)
            return cnn_fail(CNN_ERR_UNSUPPORTED, "%s: the output of layer %s is not used", f->model->arch,
                            f->model->nodes[i].name);
    return CNN_OK;
}

enum cnn_status cnn_graph_fuse(struct cnn_graph *graph, const struct cnn_model *model, bool training) {
    const size_t n = (size_t)model->n_nodes;
    struct fusion f = {.model = model, .graph = graph};
    graph->model = model;
    graph->training = training;
    graph->input = 0;
    enum cnn_status status = cnn_calloc(&graph->steps, n, sizeof *graph->steps);
    if (status == CNN_OK)
        status = cnn_calloc(&f.uses, n, sizeof *f.uses);
    if (status == CNN_OK)
        status = cnn_calloc(&f.user, n, sizeof *f.user);
    if (status == CNN_OK)
        status = cnn_calloc(&f.source, n, sizeof *f.source);
    if (status == CNN_OK)
        status = cnn_calloc(&f.taken, n, sizeof *f.taken);
    if (status == CNN_OK) {
        count_uses(&f);
        status = check_uses(&f);
    }
    if (status == CNN_OK) {
        fuse_all(&f);
        resolve_inputs(&f);
        if (training) {
            mask_in_consumers(graph);
            ask_for_moments(graph);
        }
    }
    free(f.uses);
    free(f.user);
    free(f.source);
    free(f.taken);
    return status;
}
