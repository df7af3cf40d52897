#include "backend/cpu/product.h"
#include "base/memory.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// A norm folded into a convolution: constants hold its weights and bias, in the forward product's layout.
static bool has_constants(const struct cnn_product_plan *p) { return p->base.desc.norm != NULL; }

static size_t folded_bias_offset(const struct cnn_product_plan *p) {
    return cnn_align_up(cnn_layout_bytes(cnn_primitive_layout(p->forward.product, CNN_SLOT_WEIGHTS)),
                        CNN_ALIGN);
}

static enum cnn_status plan_arena_layout(struct cnn_product_plan *p, const struct cnn_layout *free_weights,
                                         const struct cnn_layout *bias) {
    if (p->base.desc.like) {
        const struct cnn_product_plan *like =
            (const struct cnn_product_plan *)(const void *)p->base.desc.like;
        CNN_TRY(cnn_layout_copy(&p->arena, like->arena));
        return cnn_layout_copy(&p->compute, like->compute);
    }
    // training and inference must agree on the arena, so both ask for what training would choose
    const struct cnn_product product = {CNN_PASS_FORWARD, p->conv, p->src, free_weights, bias,
                                        p->dst,           NULL,    false};
    struct cnn_fit fit = {0};
    CNN_TRY(cnn_fit_create(&fit, p->cpu->dnn, &product));
    const struct cnn_layout *chosen = cnn_primitive_layout(fit.product, CNN_SLOT_WEIGHTS);
    enum cnn_status status = cnn_layout_retype(&p->arena, chosen, CNN_TYPE_F32);
    if (status == CNN_ERR_UNSUPPORTED) // products reorder it
        status = cnn_layout_copy(&p->arena, p->plain);
    if (status == CNN_OK)
        status = cnn_layout_retype(&p->compute, p->arena, p->base.in.type);
    cnn_fit_finish(&fit);
    return status;
}

static enum cnn_status plan_forward(struct cnn_product_plan *p, const struct cnn_layout *free_weights,
                                    const struct cnn_layout *bias) {
    const struct cnn_kernel_desc *desc = &p->base.desc;
    const enum cnn_pass pass = desc->training ? CNN_PASS_FORWARD : CNN_PASS_INFERENCE;
    const struct cnn_product product = {
        pass, p->conv, p->src,      has_constants(p) ? free_weights : p->compute,
        bias, p->dst,  p->residual, desc->relu};
    CNN_TRY(cnn_fit_create(&p->forward, p->cpu->dnn, &product));
    p->base.implementation = cnn_primitive_name(p->forward.product);
    if (!has_constants(p))
        return CNN_OK;
    p->base.constant_bytes =
        folded_bias_offset(p) + cnn_align_up((size_t)p->out_channels * sizeof(float), CNN_ALIGN);
    return cnn_reorder_create(&p->to_folded, p->cpu->dnn, p->plain,
                              cnn_primitive_layout(p->forward.product, CNN_SLOT_WEIGHTS));
}

static enum cnn_status plan_backward(struct cnn_product_plan *p, const struct cnn_layout *bias) {
    CNN_TRY(cnn_layout_retype(&p->d_dst, p->dst, p->base.in.type));
    const struct cnn_product data = {
        CNN_PASS_BACKWARD_DATA, p->conv, p->src, p->compute, NULL, p->d_dst, NULL, false};
    const struct cnn_product weights = {
        CNN_PASS_BACKWARD_WEIGHTS, p->conv, p->src, p->arena, bias, p->d_dst, NULL, false};
    if (!p->base.desc.from_pixels)
        CNN_TRY(cnn_fit_create(&p->data, p->cpu->dnn, &data));
    return cnn_fit_create(&p->weights, p->cpu->dnn, &weights);
}

static size_t largest(size_t a, size_t b) { return a > b ? a : b; }

// The gradient of the network's output comes in floats.
static bool narrows(const struct cnn_product_plan *p) {
    return p->base.desc.training && p->base.out.type != p->base.in.type;
}

static void plan_sizes(struct cnn_product_plan *p) {
    struct cnn_plan *base = &p->base;
    const size_t weight_bytes = cnn_layout_bytes(p->arena);
    base->param_counts[0] = weight_bytes / sizeof(float);
    if (p->bias)
        base->param_counts[1] = (size_t)p->out_channels;
    base->n_params = p->bias ? 2 : 1;
    if (base->desc.norm)
        for (int i = 0; i < 4; i++)
            base->param_counts[base->n_params++] = (size_t)p->out_channels;
    base->scratch_bytes =
        largest(p->forward.scratch_bytes, largest(p->data.scratch_bytes, p->weights.scratch_bytes));
    if (base->desc.accumulates) {
        p->temporary_offset = cnn_align_up(p->weights.scratch_bytes, CNN_ALIGN);
        const size_t bytes = p->temporary_offset + cnn_align_up(weight_bytes, CNN_ALIGN) +
                             (size_t)p->out_channels * sizeof(float);
        base->scratch_bytes = largest(base->scratch_bytes, bytes);
    }
    if (narrows(p)) {
        p->narrowed_offset = cnn_align_up(base->scratch_bytes, CNN_ALIGN);
        base->scratch_bytes = p->narrowed_offset + cnn_layout_bytes(p->d_dst);
    }
    base->reads_in = true;
    base->reads_out = base->desc.relu && base->desc.relu_backward;
    base->in_place = -1;
    base->over_input = !base->desc.mask_by_input;
    base->max_gradients = 1;
}

enum cnn_status cnn_product_plan_finish(struct cnn_product_plan *p) {
    struct cnn_layout *free_weights = NULL, *bias = NULL;
    enum cnn_status status = cnn_layout_loosen(&free_weights, p->plain, p->base.in.type);
    if (status == CNN_OK && (p->bias || p->base.desc.norm))
        status = cnn_layout_plain(&bias, CNN_TYPE_F32, 1, &p->out_channels);
    if (status == CNN_OK)
        status = plan_arena_layout(p, free_weights, bias);
    if (status == CNN_OK)
        status = plan_forward(p, free_weights, bias);
    if (status == CNN_OK && p->base.desc.training)
        status = plan_backward(p, bias);
    if (status == CNN_OK)
        status = cnn_reorder_create(&p->to_arena, p->cpu->dnn, p->plain, p->arena);
    if (status == CNN_OK)
        status = cnn_reorder_create(&p->to_plain, p->cpu->dnn, p->arena, p->plain);
    if (status == CNN_OK)
        plan_sizes(p);
    cnn_layout_destroy(free_weights);
    cnn_layout_destroy(bias);
    return status;
}

// Product slots are not const: oneDNN takes inputs and outputs alike.
static void *unconst(const void *pointer) { return (void *)(uintptr_t)pointer; }

enum cnn_status cnn_product_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                    const struct cnn_kernel_run *run) {
    struct cnn_product_plan *p = (struct cnn_product_plan *)(void *)plan;
    (void)run;
    void *slots[CNN_N_SLOTS] = {unconst(io->in[0]), unconst(io->compute[0]),
                                p->bias ? unconst(io->params[1]) : NULL, io->out, unconst(io->in[1])};
    if (has_constants(p)) {
        slots[CNN_SLOT_WEIGHTS] = io->constants;
        slots[CNN_SLOT_BIAS] = (char *)io->constants + folded_bias_offset(p);
    }
    return cnn_fit_run(&p->forward, slots, io->scratch);
}

static enum cnn_status backward_weights(struct cnn_product_plan *p, const struct cnn_kernel_io *io,
                                        void *d_out, bool accumulate) {
    void *weights = io->d_params[0], *bias = p->bias ? io->d_params[1] : NULL;
    if (accumulate) {
        weights = (char *)io->scratch + p->temporary_offset;
        bias = p->bias ? (char *)weights + cnn_align_up(cnn_layout_bytes(p->arena), CNN_ALIGN) : NULL;
    }
    void *const slots[CNN_N_SLOTS] = {unconst(io->in[0]), weights, bias, d_out, NULL};
    CNN_TRY(cnn_fit_run(&p->weights, slots, io->scratch));
    if (!accumulate)
        return CNN_OK;
    CNN_TRY(cnn_cpu_add_into(&p->cpu->base, CNN_TYPE_F32, io->d_params[0], weights, p->base.param_counts[0]));
    return p->bias
               ? cnn_cpu_add_into(&p->cpu->base, CNN_TYPE_F32, io->d_params[1], bias, p->base.param_counts[1])
               : CNN_OK;
}

// The output's gradient as the products take it.
static enum cnn_status take_gradient(struct cnn_product_plan *p, const struct cnn_kernel_io *io, void **out) {
    const size_t count = cnn_tensor_count(&p->base.out);
    if (p->base.reads_out)
        cnn_cpu_relu_grad(p->cpu, p->base.out.type, io->d_out[0], io->d_out[0], io->out, count);
    *out = io->d_out[0];
    if (!narrows(p))
        return CNN_OK;
    *out = (char *)io->scratch + p->narrowed_offset;
    return cnn_cpu_narrow(&p->cpu->base, *out, io->d_out[0], count);
}

enum cnn_status cnn_product_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                     const struct cnn_kernel_run *run) {
    struct cnn_product_plan *p = (struct cnn_product_plan *)(void *)plan;
    void *d_out;
    CNN_TRY(take_gradient(p, io, &d_out));
    CNN_TRY(backward_weights(p, io, d_out, run->accumulate));
    if (io->d_in[0]) { // last: it may lie over the input
        void *const slots[CNN_N_SLOTS] = {io->d_in[0], unconst(io->compute[0]), NULL, d_out, NULL};
        CNN_TRY(cnn_fit_run(&p->data, slots, io->scratch));
        if (plan->desc.mask_by_input)
            cnn_cpu_relu_grad(p->cpu, plan->in.type, io->d_in[0], io->d_in[0], io->in[0],
                              cnn_tensor_count(&plan->in));
    }
    return CNN_OK;
}

static enum cnn_status reorder(struct cnn_primitive *primitive, const void *from, void *to) {
    void *const slots[CNN_N_SLOTS] = {unconst(from), NULL, NULL, to, NULL};
    void *scratch = NULL;
    CNN_TRY(cnn_malloc(&scratch, cnn_primitive_scratch_bytes(primitive), 1));
    const enum cnn_status status = cnn_primitive_run(primitive, slots, scratch);
    free(scratch);
    return status;
}

// w' = w * gamma / sqrt(var + eps) and b' = (b - mean) * gamma / sqrt(var + eps) + beta, per output channel.
static void fold_norm(const struct cnn_product_plan *p, const struct cnn_kernel_io *io, float *weights,
                      float *bias) {
    const float *const *norm = io->params + (p->bias ? 2 : 1);
    const size_t row =
        p->base.param_counts[0] ? cnn_layout_bytes(p->plain) / sizeof(float) / (size_t)p->out_channels : 0;
    for (int o = 0; o < p->out_channels; o++) {
        const double scale = (double)norm[0][o] / sqrt((double)norm[3][o] + p->base.desc.norm->norm.eps);
        for (size_t i = 0; i < row; i++)
            weights[(size_t)o * row + i] *= (float)scale;
        const double shift = (p->bias ? (double)io->params[1][o] : 0.0) - (double)norm[2][o];
        bias[o] = (float)(shift * scale + (double)norm[1][o]);
    }
}

enum cnn_status cnn_product_refresh(struct cnn_plan *plan, const struct cnn_kernel_io *io) {
    struct cnn_product_plan *p = (struct cnn_product_plan *)(void *)plan;
    if (!has_constants(p))
        return CNN_OK;
    float *weights = NULL;
    CNN_TRY(cnn_malloc(&weights, cnn_layout_bytes(p->plain), 1));
    enum cnn_status status = reorder(p->to_plain, io->params[0], weights);
    if (status == CNN_OK) {
        fold_norm(p, io, weights, (float *)(void *)((char *)io->constants + folded_bias_offset(p)));
        status = reorder(p->to_folded, weights, io->constants);
    }
    free(weights);
    return status;
}

enum cnn_status cnn_product_param_set(struct cnn_plan *plan, int param, float *arena, const float *values) {
    struct cnn_product_plan *p = (struct cnn_product_plan *)(void *)plan;
    return param == 0 ? reorder(p->to_arena, values, arena)
                      : cnn_cpu_param_copy_in(plan, param, arena, values);
}

enum cnn_status cnn_product_param_get(struct cnn_plan *plan, int param, const float *arena, float *values) {
    struct cnn_product_plan *p = (struct cnn_product_plan *)(void *)plan;
    return param == 0 ? reorder(p->to_plain, arena, values)
                      : cnn_cpu_param_copy_out(plan, param, arena, values);
}

void cnn_product_plan_destroy(struct cnn_plan *plan) {
    struct cnn_product_plan *p = (struct cnn_product_plan *)(void *)plan;
    if (!p)
        return;
    cnn_fit_finish(&p->forward);
    cnn_fit_finish(&p->data);
    cnn_fit_finish(&p->weights);
    cnn_primitive_destroy(p->to_arena);
    cnn_primitive_destroy(p->to_plain);
    cnn_primitive_destroy(p->to_folded);
    cnn_layout_destroy(p->src);
    cnn_layout_destroy(p->dst);
    cnn_layout_destroy(p->residual);
    cnn_layout_destroy(p->plain);
    cnn_layout_destroy(p->arena);
    cnn_layout_destroy(p->compute);
    cnn_layout_destroy(p->d_dst);
    cnn_cpu_plan_free(plan);
}
