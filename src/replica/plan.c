// Plans for every step, where parameters lie in the arenas, and the pointers a step runs with.
#include "base/memory.h"
#include "replica/private.h"
#include <string.h>

static const struct cnn_plan *plan_of_node(const struct cnn_replica *replica, const struct cnn_node *node) {
    if (!replica)
        return NULL;
    for (int i = 0; i < replica->graph.n_steps; i++)
        if (replica->graph.steps[i].desc.node == node)
            return replica->graph.steps[i].plan;
    return NULL;
}

static enum cnn_status plan_step(struct cnn_replica *r, struct cnn_step *step, int index) {
    struct cnn_kernel_desc *desc = &step->desc;
    struct cnn_value *input = &r->graph.values[r->graph.input];
    for (int j = 0; j < desc->n_in; j++)
        desc->in[j] = r->graph.values[step->in[j]].tensor;
    desc->accumulates = r->options.micros > 1;
    desc->seed = r->options.seed;
    desc->out_type = step->out == r->graph.output ? CNN_TYPE_F32 : r->backend->type;
    desc->sync = r->options.sync_norm && desc->kernel == CNN_KERNEL_NORM && desc->training;
    desc->like = plan_of_node(r->options.of, desc->node);
    step->ops = r->backend->ops->kernels[desc->kernel];
    if (!step->ops)
        return cnn_fail(CNN_ERR_UNSUPPORTED, "%s: layers of type %s are not supported by the %s backend",
                        desc->node->name, cnn_op_name(desc->node->op), r->backend->ops->name);
    const enum cnn_status status = step->ops->plan_create(&step->plan, r->backend, desc);
    if (status != CNN_OK)
        return cnn_fail_in(status, "layer %s", desc->node->name);
    r->graph.values[step->out].tensor = step->plan->out;
    r->graph.values[step->out].producer = index;
    if (!desc->from_pixels)
        return CNN_OK;
    if (input->tensor.block != 0 && input->tensor.block != step->plan->in.block)
        return cnn_fail(CNN_ERR_UNSUPPORTED, "%s: two layers require the input in different layouts",
                        desc->node->name);
    input->tensor = step->plan->in;
    return CNN_OK;
}

// The loss takes rows of logits.
static enum cnn_status check_output(const struct cnn_replica *r) {
    const struct cnn_tensor *logits = &r->graph.values[r->graph.output].tensor;
    if (logits->c % logits->block == 0)
        return CNN_OK;
    return cnn_fail(
        CNN_ERR_UNSUPPORTED,
        "%s: a network that ends in layer %s is not supported; it must end in a linear layer or average "
        "pooling",
        r->model->arch, r->model->nodes[r->graph.output].name);
}

enum cnn_status cnn_replica_plan(struct cnn_replica *r) {
    struct cnn_graph *graph = &r->graph;
    CNN_TRY(cnn_calloc(&graph->values, (size_t)r->model->n_nodes, sizeof *graph->values));
    for (int v = 0; v < r->model->n_nodes; v++)
        graph->values[v].producer = -1;
    graph->values[graph->input].tensor = (struct cnn_tensor){
        r->options.micro_batch, r->model->input.h, r->model->input.w, r->model->input.c, 0, r->backend->type};
    for (int i = 0; i < graph->n_steps; i++)
        CNN_TRY(plan_step(r, &graph->steps[i], i));
    return check_output(r);
}

static enum cnn_segment_kind segment_kind(const struct cnn_param *param) {
    switch (param->role) {
    case CNN_PARAM_WEIGHT:
        return CNN_SEGMENT_DECAY;
    case CNN_PARAM_BIAS:
        return CNN_SEGMENT_PLAIN_BIAS;
    case CNN_PARAM_NORM_SCALE:
    case CNN_PARAM_NORM_SHIFT:
        return CNN_SEGMENT_PLAIN_NORM;
    default:
        return CNN_SEGMENT_STATISTIC;
    }
}

static void add_segment(struct cnn_replica *r, int param, size_t first, size_t n) {
    const struct cnn_param *p = &r->model->params[param];
    struct cnn_segment segment = {.first = first, .n = n, .kind = segment_kind(p)};
    if (segment.kind == CNN_SEGMENT_STATISTIC)
        segment.statistic_momentum = (float)r->model->nodes[p->node].norm.momentum;
    struct cnn_segment *last = r->n_segments ? &r->segments[r->n_segments - 1] : NULL;
    if (last && last->kind == segment.kind && last->statistic_momentum == segment.statistic_momentum &&
        last->first + last->n == first)
        last->n += n;
    else
        r->segments[r->n_segments++] = segment;
}

// A borrower's parameters are where the lender has them.
static enum cnn_status place_param(struct cnn_replica *r, struct cnn_step *step, int index, int param) {
    const size_t n = step->plan->param_counts[index];
    struct cnn_place *place = &r->places[param];
    *place = (struct cnn_place){(int)(step - r->graph.steps), index, r->count, n};
    if (r->borrows) {
        if (r->options.of->places[param].count != n)
            return cnn_fail(CNN_ERR_BACKEND, "%s: training and evaluation require different layouts",
                            r->model->params[param].name);
        place->at = r->options.of->places[param].at;
    } else {
        const size_t padded = cnn_align_up(n, CNN_ALIGN / sizeof(float));
        add_segment(r, param, r->count, padded);
        r->count += padded;
    }
    step->param_at[index] = place->at;
    return CNN_OK;
}

enum cnn_status cnn_replica_lay_out(struct cnn_replica *r) {
    CNN_TRY(cnn_calloc(&r->places, (size_t)r->model->n_params, sizeof *r->places));
    CNN_TRY(cnn_calloc(&r->segments, (size_t)r->model->n_params, sizeof *r->segments));
    for (int i = r->graph.n_steps - 1; i >= 0; i--) {
        struct cnn_step *step = &r->graph.steps[i];
        for (int k = 0; k < step->n_params; k++)
            CNN_TRY(place_param(r, step, k, step->params[k]));
        step->ready = r->count;
    }
    if (r->borrows)
        r->count = r->options.of->count;
    return CNN_OK;
}

static void *at(const struct cnn_replica *r, int buffer) {
    return buffer < 0 ? NULL : r->arena + r->graph.buffers[buffer].offset;
}

// A value's data as backward sees it.
static void *data_in_backward(const struct cnn_replica *r, int value) {
    const struct cnn_value *v = &r->graph.values[value];
    return at(r, v->again >= 0 ? v->again : v->buffer);
}

static const float *moments_of(const struct cnn_replica *r, int value) {
    const int producer = r->graph.values[value].producer;
    return producer >= 0 && r->graph.steps[producer].plan->gives_moments
               ? at(r, r->graph.workspaces[producer])
               : NULL;
}

static void bind_step(struct cnn_replica *r, int i) {
    struct cnn_step *step = &r->graph.steps[i];
    struct cnn_kernel_io io = {.workspace = at(r, r->graph.workspaces[i]),
                               .scratch = at(r, r->graph.scratch),
                               .constants = step->constants};
    for (int k = 0; k < step->n_params; k++) {
        io.params[k] = r->parameters + step->param_at[k];
        io.compute[k] = r->compute
                            ? (const char *)r->compute + step->param_at[k] * cnn_type_bytes(r->backend->type)
                            : (const void *)io.params[k];
        io.d_params[k] = r->gradients ? r->gradients + step->param_at[k] : NULL;
    }
    io.out = at(r, r->graph.values[step->out].buffer);
    for (int j = 0; j < step->desc.n_in; j++)
        io.in[j] = at(r, r->graph.values[step->in[j]].buffer);
    if (step->desc.kernel == CNN_KERNEL_NORM)
        io.moments = moments_of(r, step->in[0]);
    step->forward = step->backward = step->again = io;
    if (!r->graph.training)
        return;
    step->again.out = data_in_backward(r, step->out);
    step->backward.out = data_in_backward(r, step->out);
    step->backward.in[0] = data_in_backward(r, step->in[0]);
    for (int j = 0; j < r->graph.values[step->out].n_gradients; j++)
        step->backward.d_out[j] = at(r, r->graph.values[step->out].gradients[j]);
    for (int j = 0; j < step->desc.n_in; j++)
        step->backward.d_in[j] = at(r, r->graph.d_in[i][j]);
}

size_t cnn_replica_constant_bytes(const struct cnn_replica *r) {
    size_t bytes = 0;
    for (int i = 0; i < r->graph.n_steps; i++)
        bytes += r->graph.steps[i].plan->constant_bytes;
    return bytes;
}

void cnn_replica_bind(struct cnn_replica *r) {
    for (int i = 0; i < r->graph.n_steps; i++)
        bind_step(r, i);
}
