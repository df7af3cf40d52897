#include "base/clock.h"
#include "base/memory.h"
#include "replica/private.h"
#include <stdlib.h>

// The largest micro-batch whose activations would fit in `bytes`: they grow with it.
static int fitting_micro(const struct cnn_replica *r, size_t bytes) {
    const double each = (double)r->graph.arena_bytes / r->options.micro_batch;
    const double fits = (double)bytes / each;
    return fits >= r->options.micro_batch ? r->options.micro_batch - 1 : (int)fits;
}

static enum cnn_status tell_memory(struct cnn_replica *r, size_t bytes, const char *what) {
    size_t left = 0;
    if (!r->backend->ops->memory_left || r->backend->ops->memory_left(r->backend, &left) != CNN_OK)
        return cnn_fail(CNN_ERR_MEMORY,
                        "not enough memory for %s of %s: %.1f MiB needed; use a smaller train.batch.micro",
                        what, r->model->arch, (double)bytes / (1 << 20));
    return cnn_fail(
        CNN_ERR_MEMORY,
        "not enough memory on the device for %s of %s at a micro-batch of %d: %.1f MiB needed, %.1f "
        "MiB left; use a smaller train.batch.micro, at most about %d",
        what, r->model->arch, r->options.micro_batch, (double)bytes / (1 << 20), (double)left / (1 << 20),
        fitting_micro(r, left));
}

static enum cnn_status allocate(struct cnn_replica *r, void *out, size_t bytes, const char *what) {
    const enum cnn_status status = cnn_backend_alloc(r->backend, out, bytes);
    return status == CNN_ERR_MEMORY ? tell_memory(r, bytes, what) : status;
}

static enum cnn_status allocate_parameters(struct cnn_replica *r) {
    if (r->borrows) {
        r->parameters = r->options.of->parameters;
        r->compute = r->options.of->compute;
        r->arena = r->options.of->arena;
        return CNN_OK;
    }
    CNN_TRY(allocate(r, &r->parameters, r->count * sizeof(float), "the parameters"));
    if (r->backend->type == CNN_TYPE_F32)
        return CNN_OK;
    return allocate(r, &r->compute, r->count * cnn_type_bytes(r->backend->type), "the 16-bit parameters");
}

static enum cnn_status allocate_gradients(struct cnn_replica *r) {
    const size_t levels = (size_t)cnn_replica_pair_levels(r);
    if (!r->graph.training)
        return CNN_OK;
    CNN_TRY(allocate(r, &r->gradients, r->count * sizeof(float), "the gradients"));
    if (levels)
        CNN_TRY(allocate(r, &r->pairs, levels * r->count * sizeof(float), "the gradient sums"));
    return CNN_OK;
}

static enum cnn_status allocate_arenas(struct cnn_replica *r) {
    CNN_TRY(allocate_parameters(r));
    CNN_TRY(allocate_gradients(r));
    // while a borrower runs the lender is idle, so its memory serves both
    if (!r->borrows || r->options.of->graph.arena_bytes < r->graph.arena_bytes) {
        CNN_TRY(allocate(r, &r->own_arena, r->graph.arena_bytes, "the activations"));
        r->arena = r->own_arena;
    }
    for (int i = 0; i < r->graph.n_steps; i++)
        if (r->graph.steps[i].plan->constant_bytes)
            CNN_TRY(allocate(r, &r->graph.steps[i].constants, r->graph.steps[i].plan->constant_bytes,
                             "the folded weights"));
    return cnn_replica_create_inputs(r);
}

static enum cnn_status build(struct cnn_replica *r) {
    CNN_TRY(cnn_graph_fuse(&r->graph, r->model, r->options.training));
    CNN_TRY(cnn_replica_plan(r));
    CNN_TRY(cnn_replica_lay_out(r));
    CNN_TRY(cnn_graph_place(&r->graph));
    CNN_TRY(allocate_arenas(r));
    cnn_replica_bind(r);
    return CNN_OK;
}

enum cnn_status cnn_replica_create(struct cnn_replica **out, const struct cnn_replica_options *options) {
    struct cnn_replica *r = NULL;
    CNN_TRY(cnn_calloc(&r, 1, sizeof *r));
    r->options = *options;
    if (r->options.micros < 1)
        r->options.micros = 1;
    r->model = options->model;
    r->backend = options->backend;
    r->borrows = options->of != NULL;
    for (int i = 0; i < 3; i++) {
        r->mean[i] = (float)options->mean[i];
        r->std[i] = (float)options->std[i];
    }
    const enum cnn_status status = build(r);
    if (status != CNN_OK) {
        cnn_replica_destroy(r);
        return status;
    }
    *out = r;
    return CNN_OK;
}

void cnn_replica_destroy(struct cnn_replica *r) {
    if (!r)
        return;
    for (int i = 0; i < r->graph.n_steps; i++) {
        struct cnn_step *step = &r->graph.steps[i];
        cnn_backend_free(r->backend, step->constants);
        if (step->plan)
            step->ops->plan_destroy(step->plan);
    }
    cnn_graph_finish(&r->graph);
    if (!r->borrows) {
        cnn_backend_free(r->backend, r->parameters);
        cnn_backend_free(r->backend, r->compute);
    }
    cnn_backend_free(r->backend, r->gradients);
    cnn_backend_free(r->backend, r->pairs);
    cnn_backend_free(r->backend, r->own_arena);
    cnn_replica_destroy_inputs(r);
    free(r->places);
    free(r->segments);
    free(r);
}

size_t cnn_replica_count(const struct cnn_replica *r) { return r->count; }
float *cnn_replica_parameters(struct cnn_replica *r) { return r->parameters; }
float *cnn_replica_gradients(struct cnn_replica *r) { return r->gradients; }
void *cnn_replica_compute_parameters(struct cnn_replica *r) { return r->compute; }

const struct cnn_segment *cnn_replica_segments(const struct cnn_replica *r, size_t *out_n) {
    *out_n = r->n_segments;
    return r->segments;
}

static void *buffer_at(const struct cnn_replica *r, int buffer) {
    return r->arena + r->graph.buffers[buffer].offset;
}

static enum cnn_status profile_since(struct cnn_replica *r, double *seconds, double *since) {
    if (!r->profiling)
        return CNN_OK;
    CNN_TRY(cnn_backend_synchronize(r->backend));
    const double now = cnn_clock_s();
    *seconds += now - *since;
    *since = now;
    return CNN_OK;
}

static struct cnn_kernel_run run_of(const struct cnn_replica *r, bool accumulate) {
    return (struct cnn_kernel_run){.accumulate = accumulate,
                                   .control = r->control,
                                   .sum = r->options.sum,
                                   .sum_context = r->options.sum_context,
                                   .ranks = r->options.ranks};
}

static enum cnn_status run_forward(struct cnn_replica *r) {
    const struct cnn_value *input = &r->graph.values[r->graph.input];
    const struct cnn_kernel_run run = run_of(r, false);
    double since = r->profiling ? cnn_clock_s() : 0;
    CNN_TRY(r->backend->ops->normalize(r->backend, buffer_at(r, input->buffer), &input->tensor,
                                       r->inputs.pixels, r->inputs.n, r->mean, r->std));
    CNN_TRY(profile_since(r, &r->input_s, &since));
    for (int i = 0; i < r->graph.n_steps; i++) {
        struct cnn_step *step = &r->graph.steps[i];
        CNN_TRY(step->ops->forward(step->plan, &step->forward, &run));
        CNN_TRY(profile_since(r, &step->forward_s, &since));
    }
    r->profiled++;
    return CNN_OK;
}

static enum cnn_status run_loss(struct cnn_replica *r, float scale) {
    const struct cnn_value *logits = &r->graph.values[r->graph.output];
    const struct cnn_loss_args args = {
        .logits = buffer_at(r, logits->buffer),
        .d_logits = r->graph.training ? buffer_at(r, logits->gradients[0]) : NULL,
        .labels = r->inputs.targets.labels,
        .partners = r->inputs.targets.partners,
        .weights = r->inputs.targets.weights,
        .n = r->inputs.n,
        .rows = r->options.micro_batch,
        .classes = r->model->n_classes,
        .smoothing = r->graph.training ? (float)r->options.label_smoothing : 0.0f,
        .scale = scale,
        .control = r->control,
    };
    CNN_TRY(r->backend->ops->loss(r->backend, &args));
    return cnn_replica_used(r);
}

enum cnn_status cnn_replica_forward(struct cnn_replica *r, const uint8_t *pixels, int n,
                                    struct cnn_micro_key key) {
    CNN_TRY(cnn_replica_load_pixels(r, pixels, n));
    CNN_TRY(cnn_replica_begin(r, key));
    CNN_TRY(run_forward(r));
    CNN_TRY(cnn_replica_used(r));
    return cnn_replica_loaded(r);
}

enum cnn_status cnn_replica_loss(struct cnn_replica *r, const struct cnn_targets *targets, int n,
                                 float scale) {
    r->inputs.n = n;
    CNN_TRY(cnn_replica_load_targets(r, targets, n));
    if (r->inputs.memory)
        CNN_TRY(r->backend->ops->stage_wait(r->backend));
    CNN_TRY(run_loss(r, scale));
    return cnn_replica_loaded(r);
}

static enum cnn_status recompute_for(struct cnn_replica *r, int step) {
    for (int i = 0; i < r->graph.n_recomputations; i++) {
        if (r->graph.recomputations[i].step != step)
            continue;
        struct cnn_step *what = &r->graph.steps[r->graph.recomputations[i].what];
        CNN_TRY(what->ops->recompute(what->plan, &what->again));
    }
    return CNN_OK;
}

static enum cnn_status add_for(struct cnn_replica *r, int step) {
    for (int i = 0; i < r->graph.n_additions; i++) {
        const struct cnn_addition *a = &r->graph.additions[i];
        if (a->step == step)
            CNN_TRY(r->backend->ops->add(r->backend, a->type, buffer_at(r, a->into), buffer_at(r, a->from),
                                         a->count));
    }
    return CNN_OK;
}

static enum cnn_status backward_step(struct cnn_replica *r, int i, const struct cnn_kernel_run *run,
                                     double *since) {
    struct cnn_step *step = &r->graph.steps[i];
    CNN_TRY(recompute_for(r, i));
    CNN_TRY(profile_since(r, &r->recompute_s, since));
    CNN_TRY(step->ops->backward(step->plan, &step->backward, run));
    CNN_TRY(add_for(r, i));
    return profile_since(r, &step->backward_s, since);
}

enum cnn_status cnn_replica_backward(struct cnn_replica *r, int micro, cnn_gradients_ready on_ready,
                                     void *context) {
    if (micro >= r->options.micros)
        return cnn_fail(CNN_ERR_BACKEND, "%s: the replica was planned for at most %d micro-batches per step",
                        r->model->arch, r->options.micros);
    const struct cnn_kernel_run run = run_of(r, micro % 2 == 1);
    const bool last = micro == r->options.micros - 1;
    double since = r->profiling ? cnn_clock_s() : 0;
    size_t ready = 0;
    for (int i = r->graph.n_steps - 1; i >= 0; i--) {
        CNN_TRY(backward_step(r, i, &run, &since));
        const size_t before = ready;
        ready = r->graph.steps[i].ready;
        if (last)
            CNN_TRY(cnn_replica_add_pairs(r, before, ready));
        if (last && on_ready)
            on_ready(context, ready);
    }
    return last ? CNN_OK : cnn_replica_keep_pair(r, micro);
}

enum cnn_status cnn_replica_compute(struct cnn_replica *r, int micro, float scale,
                                    cnn_gradients_ready on_ready, void *context) {
    CNN_TRY(run_forward(r));
    CNN_TRY(run_loss(r, scale));
    return cnn_replica_backward(r, micro, on_ready, context);
}

enum cnn_status cnn_replica_logits(struct cnn_replica *r, float *out, int n) {
    const struct cnn_value *logits = &r->graph.values[r->graph.output];
    CNN_TRY(cnn_backend_download(r->backend, out, buffer_at(r, logits->buffer),
                                 (size_t)n * (size_t)r->model->n_classes * sizeof *out));
    return cnn_backend_synchronize(r->backend);
}

struct cnn_replica_memory cnn_replica_memory(const struct cnn_replica *r) {
    struct cnn_replica_memory memory = {
        .parameters =
            r->borrows ? 0 : r->count * (sizeof(float) + (r->compute ? cnn_type_bytes(r->backend->type) : 0)),
        .gradients = r->gradients ? (size_t)(1 + cnn_replica_pair_levels(r)) * r->count * sizeof(float) : 0,
        .activations = r->own_arena ? r->graph.arena_bytes - r->graph.scratch_bytes : 0,
        .scratch = r->own_arena ? r->graph.scratch_bytes : 0,
        .inputs = r->inputs.bytes,
        .activations_unshared = r->graph.unshared_bytes - r->graph.scratch_bytes,
    };
    memory.total = memory.parameters + memory.gradients + memory.activations + memory.scratch +
                   memory.inputs + cnn_replica_constant_bytes(r);
    return memory;
}
