// Convolution: three products by cuDNN, each on the engine that was chosen for it, fused with what follows it
// where that is faster (cudnn_choose.h).
#include "backend/cuda/cudnn_choose.h"
#include "backend/cuda/product.h"
#include "base/memory.h"
#include <stdio.h>
#include <string.h>

struct conv_plan {
    struct cnn_plan base;
    struct cnn_cuda *cuda;
    bool bias;
    struct cnn_weight_order order;
    struct cnn_conv_engine forward, data, weights; // data, weights: in training
    struct cnn_product_scratch scratch;
    char implementation[160], passes[3][CNN_NAME_BYTES + 24]; // names, for messages
};

static const struct cnn_conv *conv_of(const struct conv_plan *p) { return &p->base.desc.node->conv; }
static bool is_folded(const struct conv_plan *p) { return p->base.desc.norm != NULL; }
// A network that ends in a convolution: its result in 16 bits becomes floats.
static bool casts(const struct conv_plan *p) { return p->base.out.type != p->base.in.type; }

static size_t weight_bytes(const struct conv_plan *p) {
    return cnn_weight_count(&p->order) * cnn_type_bytes(p->base.in.type);
}

static size_t folded_bias_at(const struct conv_plan *p) { return cnn_align_up(weight_bytes(p), CNN_ALIGN); }

// ---- planning ----

// In floats, squares keep fewer digits than the norm's own sums about a rough mean do; of values that were
// rounded to 16 bits they keep more than those have.
static unsigned moments(const struct conv_plan *p) {
    return p->base.desc.wants_moments && p->base.out.type != CNN_TYPE_F32 ? CNN_CONV_MOMENTS : 0u;
}

static unsigned forward_epilogue(const struct conv_plan *p) {
    return moments(p) | (p->bias || is_folded(p) ? CNN_CONV_BIAS : 0u) |
           (p->base.desc.n_in > 1 ? CNN_CONV_RESIDUAL : 0u) | (p->base.desc.relu ? CNN_CONV_RELU : 0u);
}

static enum cnn_status choose(struct conv_plan *p, struct cnn_conv_engine *out, enum cnn_cudnn_pass pass,
                              unsigned wanted) {
    const struct cnn_conv_product product = {cnn_conv_shape_of(conv_of(p), &p->base.in, &p->base.out), pass,
                                             wanted};
    return cnn_cudnn_choose(out, p->cuda, &product, p->base.desc.node->name);
}

static enum cnn_status choose_engines(struct conv_plan *p) {
    const struct cnn_kernel_desc *desc = &p->base.desc;
    CNN_TRY(choose(p, &p->forward, CNN_CUDNN_FORWARD, forward_epilogue(p)));
    if (!desc->training)
        return CNN_OK;
    if (!desc->from_pixels)
        CNN_TRY(choose(p, &p->data, CNN_CUDNN_BACKWARD_DATA, desc->mask_by_input ? CNN_CONV_MASK : 0u));
    return choose(p, &p->weights, CNN_CUDNN_BACKWARD_WEIGHTS, 0);
}

// "cudnn fwd+bias+relu 62, dgrad 7, wgrad 65": each pass's form and engine. Long tags are cut to the engine's
// number.
static void name_engines(struct conv_plan *p) {
    static const char *const words[] = {"forward", "backward, inputs", "backward, weights"};
    const struct cnn_conv_engine *engines[] = {&p->forward, &p->data, &p->weights};
    size_t used = (size_t)snprintf(p->implementation, sizeof p->implementation, "cudnn");
    for (int i = 0; i < 3; i++) {
        char form[CNN_CONV_FORM_BYTES];
        snprintf(p->passes[i], sizeof p->passes[i], "%.*s, %s", CNN_NAME_BYTES, p->base.desc.node->name,
                 words[i]);
        if (!engines[i]->plan.plan)
            continue;
        cnn_conv_form_name(form, engines[i]->product.pass, engines[i]->with);
        snprintf(p->implementation + used, sizeof p->implementation - used, "%s %s engine %.*s", i ? "," : "",
                 form, (int)strcspn(engines[i]->plan.tag, ":"), engines[i]->plan.tag);
        used = strlen(p->implementation);
    }
    p->base.implementation = p->implementation;
}

static size_t largest(size_t a, size_t b) { return a > b ? a : b; }

static void plan_scratch(struct conv_plan *p) {
    const struct cnn_tensor *out = &p->base.out;
    const size_t element = cnn_type_bytes(p->base.in.type);
    size_t workspace = largest(p->forward.plan.workspace_bytes,
                               largest(p->data.plan.workspace_bytes, p->weights.plan.workspace_bytes));
    if (p->base.desc.training && p->bias)
        workspace = largest(
            workspace, cnn_cuda_sum_rows_scratch(p->cuda, cnn_tensor_count(out) / (size_t)out->c, out->c));
    const bool by_scratch =
        p->base.desc.training && (p->base.in.type != CNN_TYPE_F32 || p->base.desc.accumulates);
    p->scratch = cnn_product_scratch_of(workspace, casts(p) ? cnn_tensor_count(out) * element : 0,
                                        by_scratch ? weight_bytes(p) : 0);
    p->base.scratch_bytes = p->scratch.bytes;
}

static void plan_params(struct conv_plan *p) {
    const size_t outputs = (size_t)conv_of(p)->out_channels;
    p->base.param_counts[p->base.n_params++] = cnn_weight_count(&p->order);
    if (p->bias)
        p->base.param_counts[p->base.n_params++] = outputs;
    for (int i = 0; is_folded(p) && i < 4; i++)
        p->base.param_counts[p->base.n_params++] = outputs;
    if (is_folded(p))
        p->base.constant_bytes = folded_bias_at(p) + outputs * sizeof(float);
}

static void plan_declarations(struct conv_plan *p) {
    p->base.reads_in = true;
    p->base.reads_out = p->base.desc.relu && p->base.desc.relu_backward;
    p->base.in_place = -1;
    p->base.over_input = !p->base.desc.mask_by_input;
    p->base.max_gradients = 1;
    p->base.gives_moments = p->forward.with & CNN_CONV_MOMENTS;
    if (p->base.gives_moments)
        p->base.workspace_bytes = 2 * cnn_moments_row(&p->base.out) * sizeof(float);
}

// Every layer's channels lie without gaps, the picture's may be padded; there, there are no groups.
static struct cnn_weight_order order_of(const struct cnn_conv *conv, const struct cnn_tensor *in) {
    return (struct cnn_weight_order){.outputs = conv->out_channels,
                                     .channels = in->c / conv->groups,
                                     .h = conv->kernel[0],
                                     .w = conv->kernel[1],
                                     .padded = (int)cnn_tensor_channels(in) / conv->groups};
}

static void conv_plan_destroy(struct cnn_plan *plan) {
    struct conv_plan *p = (struct conv_plan *)(void *)plan;
    if (!p)
        return;
    cnn_conv_engine_finish(&p->forward);
    cnn_conv_engine_finish(&p->data);
    cnn_conv_engine_finish(&p->weights);
    cnn_cuda_plan_free(plan);
}

static enum cnn_status plan_alloc(struct conv_plan **out, struct cnn_backend *backend,
                                  const struct cnn_kernel_desc *desc) {
    struct cnn_kernel_desc settled = *desc;
    // groups cut the channels, so a picture that has them is not padded
    if (desc->from_pixels && desc->in[0].block == 0 && desc->node->conv.groups > 1)
        settled.in[0].block = settled.in[0].c;
    return cnn_cuda_plan_alloc(out, sizeof **out, backend, &settled);
}

static enum cnn_status conv_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                        const struct cnn_kernel_desc *desc) {
    struct conv_plan *p = NULL;
    CNN_TRY(plan_alloc(&p, backend, desc));
    p->cuda = cnn_cuda_of(backend);
    p->bias = desc->node->conv.bias;
    p->order = order_of(conv_of(p), &p->base.in);
    const enum cnn_status status = choose_engines(p);
    if (status != CNN_OK) {
        conv_plan_destroy(&p->base);
        return status;
    }
    name_engines(p);
    plan_scratch(p);
    plan_params(p);
    plan_declarations(p);
    *out = &p->base;
    return CNN_OK;
}

// ---- running ----

// cuDNN's slots are not const: it takes inputs and outputs alike.
static void *unconst(const void *pointer) { return (void *)(uintptr_t)pointer; }

static const void *forward_bias(const struct conv_plan *p, const struct cnn_kernel_io *io) {
    if (is_folded(p))
        return (const char *)io->constants + folded_bias_at(p);
    return p->bias ? io->params[1] : NULL;
}

static enum cnn_status conv_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                    const struct cnn_kernel_run *run) {
    struct conv_plan *p = (struct conv_plan *)(void *)plan;
    void *result = casts(p) ? (char *)io->scratch + p->scratch.cast_at : io->out;
    (void)run;
    struct cnn_cudnn_memory memory = {
        .at = {[CNN_CUDNN_IN] = unconst(io->in[0]),
               [CNN_CUDNN_WEIGHTS] = is_folded(p) ? io->constants : unconst(io->compute[0]),
               [CNN_CUDNN_OUT] = result,
               [CNN_CUDNN_BIAS] = unconst(forward_bias(p, io)),
               [CNN_CUDNN_RESIDUAL] = unconst(io->in[1])}};
    if (plan->gives_moments) {
        memory.at[CNN_CUDNN_SUM] = io->workspace;
        memory.at[CNN_CUDNN_SQUARES] = (float *)io->workspace + cnn_moments_row(&plan->out);
    }
    CNN_TRY(cnn_conv_engine_run(&p->forward, p->cuda, &memory, io->scratch, p->passes[0]));
    return casts(p)
               ? cnn_cuda_widen(p->cuda, io->out, plan->in.type, result, cnn_tensor_count(&plan->out), false)
               : CNN_OK;
}

// Floats go straight to the arena where nothing is there to be added to.
static enum cnn_status backward_weights(struct conv_plan *p, const struct cnn_kernel_io *io, void *gradient,
                                        bool accumulate) {
    const enum cnn_type type = p->base.in.type;
    const size_t n = p->base.param_counts[0];
    const bool straight = type == CNN_TYPE_F32 && !accumulate;
    void *made = straight ? (void *)io->d_params[0] : (char *)io->scratch + p->scratch.d_weights_at;
    const struct cnn_cudnn_memory memory = {
        .at = {[CNN_CUDNN_IN] = unconst(io->in[0]), [CNN_CUDNN_WEIGHTS] = gradient, [CNN_CUDNN_OUT] = made}};
    CNN_TRY(cnn_conv_engine_run(&p->weights, p->cuda, &memory, io->scratch, p->passes[2]));
    if (straight)
        return CNN_OK;
    return type == CNN_TYPE_F32 ? cnn_cuda_add_into(&p->cuda->base, type, io->d_params[0], made, n)
                                : cnn_cuda_widen(p->cuda, io->d_params[0], type, made, n, accumulate);
}

static enum cnn_status backward_bias(struct conv_plan *p, const struct cnn_kernel_io *io,
                                     const void *gradient, bool accumulate) {
    const struct cnn_tensor *out = &p->base.out;
    return cnn_cuda_sum_rows(p->cuda, io->d_params[1], p->base.in.type, gradient,
                             cnn_tensor_count(out) / (size_t)out->c, out->c, accumulate, io->scratch);
}

static enum cnn_status backward_data(struct conv_plan *p, const struct cnn_kernel_io *io, void *gradient) {
    const struct cnn_cudnn_memory memory = {.at = {[CNN_CUDNN_IN] = gradient,
                                                   [CNN_CUDNN_WEIGHTS] = unconst(io->compute[0]),
                                                   [CNN_CUDNN_OUT] = io->d_in[0],
                                                   [CNN_CUDNN_MASK] = unconst(io->in[0])}};
    return cnn_conv_engine_run(&p->data, p->cuda, &memory, io->scratch, p->passes[1]);
}

static enum cnn_status conv_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                     const struct cnn_kernel_run *run) {
    struct conv_plan *p = (struct conv_plan *)(void *)plan;
    void *gradient = NULL;
    CNN_TRY(
        cnn_product_take_gradient(p->cuda, plan, io, (char *)io->scratch + p->scratch.cast_at, &gradient));
    CNN_TRY(backward_weights(p, io, gradient, run->accumulate));
    if (p->bias)
        CNN_TRY(backward_bias(p, io, gradient, run->accumulate));
    return io->d_in[0] ? backward_data(p, io, gradient) : CNN_OK; // last: it may lie over the input
}

// ---- parameters ----

static enum cnn_status conv_refresh(struct cnn_plan *plan, const struct cnn_kernel_io *io) {
    struct conv_plan *p = (struct conv_plan *)(void *)plan;
    if (!is_folded(p))
        return CNN_OK;
    const float *const *norm = io->params + (p->bias ? 2 : 1);
    const struct cnn_fold fold = {
        .weights = io->params[0],
        .bias = p->bias ? io->params[1] : NULL,
        .scale = norm[0],
        .shift = norm[1],
        .mean = norm[2],
        .var = norm[3],
        .eps = (float)plan->desc.norm->norm.eps,
        .outputs = p->order.outputs,
        .row = cnn_weight_count(&p->order) / (size_t)p->order.outputs,
    };
    return cnn_cuda_fold_norm(p->cuda, plan->in.type, io->constants,
                              (float *)(void *)((char *)io->constants + folded_bias_at(p)), &fold);
}

static enum cnn_status conv_param_set(struct cnn_plan *plan, int param, float *arena, const float *values) {
    struct conv_plan *p = (struct conv_plan *)(void *)plan;
    return param == 0 ? cnn_cuda_weights_in(plan, &p->order, arena, values)
                      : cnn_cuda_param_copy_in(plan, param, arena, values);
}

static enum cnn_status conv_param_get(struct cnn_plan *plan, int param, const float *arena, float *values) {
    struct conv_plan *p = (struct conv_plan *)(void *)plan;
    return param == 0 ? cnn_cuda_weights_out(plan, &p->order, arena, values)
                      : cnn_cuda_param_copy_out(plan, param, arena, values);
}

const struct cnn_kernel_ops cnn_cuda_conv = {
    .plan_create = conv_plan_create,
    .forward = conv_forward,
    .backward = conv_backward,
    .refresh = conv_refresh,
    .param_set = conv_param_set,
    .param_get = conv_param_get,
    .plan_destroy = conv_plan_destroy,
};
