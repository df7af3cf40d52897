#include "base/clock.h"
#include "base/memory.h"
#include "replica/private.h"
#include <stdlib.h>
#include <string.h>

static enum cnn_status allocate(struct cnn_replica *r, void *out, size_t bytes, const char *what) {
    const enum cnn_status status = cnn_backend_alloc(r->backend, out, bytes);
    if (status == CNN_ERR_MEMORY)
        return cnn_fail(CNN_ERR_MEMORY,
                        "not enough memory for %s of %s: %.1f MiB needed; use a smaller train.batch.micro",
                        what, r->model->arch, (double)bytes / (1 << 20));
    return status;
}

static enum cnn_status allocate_arenas(struct cnn_replica *r) {
    if (r->borrows) {
        r->parameters = r->options.of->parameters;
        r->arena = r->options.of->arena;
    } else {
        CNN_TRY(allocate(r, &r->parameters, r->count * sizeof(float), "the parameters"));
    }
    if (r->graph.training)
        CNN_TRY(allocate(r, &r->gradients, r->count * sizeof(float), "the gradients"));
    const size_t levels = (size_t)cnn_replica_pair_levels(r);
    if (r->graph.training && levels)
        CNN_TRY(allocate(r, &r->pairs, levels * r->count * sizeof(float), "the gradients' sums"));
    // while a borrower runs the lender is idle, so its memory serves both
    if (!r->borrows || r->options.of->graph.arena_bytes < r->graph.arena_bytes) {
        CNN_TRY(allocate(r, &r->own_arena, r->graph.arena_bytes, "the activations"));
        r->arena = r->own_arena;
    }
    for (int i = 0; i < r->graph.n_steps; i++)
        if (r->graph.steps[i].plan->constant_bytes)
            CNN_TRY(allocate(r, &r->graph.steps[i].constants, r->graph.steps[i].plan->constant_bytes,
                             "folded weights"));
    const size_t samples = (size_t)r->options.micro_batch;
    CNN_TRY(cnn_backend_alloc_host(r->backend, (void **)&r->labels, samples * sizeof *r->labels));
    CNN_TRY(cnn_backend_alloc_host(r->backend, (void **)&r->partners, samples * sizeof *r->partners));
    CNN_TRY(cnn_backend_alloc_host(r->backend, (void **)&r->weights, samples * sizeof *r->weights));
    return allocate(r, &r->sums, 4 * sizeof *r->sums, "the metrics");
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
    if (!r->borrows)
        cnn_backend_free(r->backend, r->parameters);
    cnn_backend_free(r->backend, r->gradients);
    cnn_backend_free(r->backend, r->pairs);
    cnn_backend_free(r->backend, r->own_arena);
    cnn_backend_free(r->backend, r->sums);
    cnn_backend_free_host(r->backend, r->labels);
    cnn_backend_free_host(r->backend, r->partners);
    cnn_backend_free_host(r->backend, r->weights);
    free(r->places);
    free(r->segments);
    free(r);
}

size_t cnn_replica_count(const struct cnn_replica *r) { return r->count; }
float *cnn_replica_parameters(struct cnn_replica *r) { return r->parameters; }
float *cnn_replica_gradients(struct cnn_replica *r) { return r->gradients; }

const struct cnn_segment *cnn_replica_segments(const struct cnn_replica *r, size_t *out_n) {
    *out_n = r->n_segments;
    return r->segments;
}

static float *buffer_at(const struct cnn_replica *r, int buffer) {
    return (float *)(void *)(r->arena + r->graph.buffers[buffer].offset);
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

static struct cnn_kernel_run run_of(struct cnn_micro_key key, bool accumulate) {
    struct cnn_kernel_run run = {.accumulate = accumulate};
    run.key.step = key.step;
    run.key.position = key.position;
    return run;
}

enum cnn_status cnn_replica_forward(struct cnn_replica *r, const uint8_t *pixels, int n,
                                    struct cnn_micro_key key) {
    const struct cnn_value *input = &r->graph.values[r->graph.input];
    const struct cnn_kernel_run run = run_of(key, false);
    double since = r->profiling ? cnn_clock_s() : 0;
    r->key = key;
    CNN_TRY(r->backend->ops->normalize(r->backend, buffer_at(r, input->buffer), &input->tensor, pixels, n,
                                       r->mean, r->std));
    CNN_TRY(profile_since(r, &r->input_s, &since));
    for (int i = 0; i < r->graph.n_steps; i++) {
        struct cnn_step *step = &r->graph.steps[i];
        CNN_TRY(step->ops->forward(step->plan, &step->forward, &run));
        CNN_TRY(profile_since(r, &step->forward_s, &since));
    }
    r->profiled++;
    return CNN_OK;
}

enum cnn_status cnn_replica_loss(struct cnn_replica *r, const struct cnn_targets *targets, int n,
                                 float scale) {
    const struct cnn_value *logits = &r->graph.values[r->graph.output];
    memcpy(r->labels, targets->labels, (size_t)n * sizeof *r->labels);
    if (targets->partners) {
        memcpy(r->partners, targets->partners, (size_t)n * sizeof *r->partners);
        memcpy(r->weights, targets->weights, (size_t)n * sizeof *r->weights);
    }
    const struct cnn_loss_args args = {
        .logits = buffer_at(r, logits->buffer),
        .d_logits = r->graph.training ? buffer_at(r, logits->gradients[0]) : NULL,
        .labels = r->labels,
        .partners = targets->partners ? r->partners : NULL,
        .weights = targets->partners ? r->weights : NULL,
        .n = n,
        .rows = r->options.micro_batch,
        .classes = r->model->n_classes,
        .smoothing = r->graph.training ? (float)r->options.label_smoothing : 0.0f,
        .scale = scale,
        .sums = r->sums,
    };
    return r->backend->ops->loss(r->backend, &args);
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
            CNN_TRY(r->backend->ops->add(r->backend, buffer_at(r, a->into), buffer_at(r, a->from), a->count));
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
        return cnn_fail(CNN_ERR_BACKEND,
                        "%s: the replica was planned for %d micro-batches a step, not for more",
                        r->model->arch, r->options.micros);
    const struct cnn_kernel_run run = run_of(r->key, micro % 2 == 1);
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

enum cnn_status cnn_replica_metrics(struct cnn_replica *r, struct cnn_metrics *out) {
    static const double zeros[4] = {0};
    double sums[4];
    CNN_TRY(cnn_backend_download(r->backend, sums, r->sums, sizeof sums));
    CNN_TRY(cnn_backend_synchronize(r->backend));
    CNN_TRY(cnn_backend_upload(r->backend, r->sums, zeros, sizeof zeros));
    CNN_TRY(cnn_backend_synchronize(r->backend));
    *out = (struct cnn_metrics){sums[0], (uint64_t)sums[1], (uint64_t)sums[2], (uint64_t)sums[3]};
    return CNN_OK;
}

enum cnn_status cnn_replica_logits(struct cnn_replica *r, float *out, int n) {
    const struct cnn_value *logits = &r->graph.values[r->graph.output];
    CNN_TRY(cnn_backend_download(r->backend, out, buffer_at(r, logits->buffer),
                                 (size_t)n * (size_t)r->model->n_classes * sizeof *out));
    return cnn_backend_synchronize(r->backend);
}

struct cnn_replica_memory cnn_replica_memory(const struct cnn_replica *r) {
    struct cnn_replica_memory memory = {
        .parameters = r->borrows ? 0 : r->count * sizeof(float),
        .gradients = r->gradients ? (size_t)(1 + cnn_replica_pair_levels(r)) * r->count * sizeof(float) : 0,
        .activations = r->own_arena ? r->graph.arena_bytes - r->graph.scratch_bytes : 0,
        .scratch = r->own_arena ? r->graph.scratch_bytes : 0,
        .activations_unshared = r->graph.unshared_bytes - r->graph.scratch_bytes,
    };
    memory.total = memory.parameters + memory.gradients + memory.activations + memory.scratch +
                   cnn_replica_constant_bytes(r);
    return memory;
}
