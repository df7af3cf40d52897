// Convolution by Winograd's filtering: weights lie as [k block][c][9 taps][k lane], c padded to whole blocks.
// In bf16 only tensors are: transforms and products are of floats, and so are the weights, the parameters
// themselves.
#include "backend/cpu/conv.h"
#include "backend/cpu/winograd.h"
#include "base/memory.h"
#include <math.h>
#include <string.h>

struct winograd_plan {
    struct cnn_plan base;
    struct cnn_cpu *cpu;
    const struct cnn_conv *conv;
    struct cnn_winograd forward, data, weights;
    size_t finish_offset; // in scratch: scale and shift, where they are not constants
    size_t bias_offset;   // in scratch: moments of each plane, for the gradient of the bias
};

bool cnn_conv_winograd_fits(const struct cnn_kernel_desc *desc) {
    const struct cnn_conv *conv = &desc->node->conv;
    if (desc->from_pixels || conv->groups != 1 || desc->out_type != desc->in[0].type ||
        !cnn_winograd_kernels(desc->in[0].block, desc->in[0].type))
        return false;
    if (desc->in[0].type == CNN_TYPE_BF16 && cnn_onednn_has_amx())
        return false; // multiplies bf16 faster than floats by more than filtering saves
    for (int i = 0; i < 2; i++)
        if (conv->kernel[i] != 3 || conv->stride[i] != 1 || conv->dilation[i] != 1 || conv->padding[i] > 2)
            return false;
    const int lanes = desc->in[0].block, tile = CNN_WINOGRAD_TILE;
    if (desc->in[0].c < lanes || conv->out_channels < lanes)
        return false;
    // tiles that hang over the edge are computed whole
    const int h = desc->shape.h, w = desc->shape.w;
    const int covered = (h + tile - 1) / tile * tile * ((w + tile - 1) / tile * tile);
    return 2 * h * w >= covered;
}

static size_t largest(size_t a, size_t b) { return a > b ? a : b; }

// Rows of padded output channels in the constants and in the scratch.
static size_t row_floats(const struct winograd_plan *p) {
    return cnn_align_up(cnn_tensor_channels(&p->base.out), CNN_ALIGN / sizeof(float));
}

static void plan_backward(struct winograd_plan *p, const struct cnn_winograd_kernels *kernels) {
    struct cnn_plan *base = &p->base;
    const int turned[2] = {2 - p->conv->padding[0], 2 - p->conv->padding[1]};
    cnn_winograd_plan_sums(&p->data, kernels, &base->out, &base->in, turned, p->cpu->threads);
    cnn_winograd_plan_correlation(&p->weights, kernels, &base->in, &base->out, p->conv->padding,
                                  p->cpu->threads);
    base->scratch_bytes = largest(base->scratch_bytes, cnn_winograd_sums_scratch(&p->data));
    const size_t sums = cnn_align_up(cnn_winograd_correlation_scratch(&p->weights), CNN_ALIGN);
    p->bias_offset = sums;
    const size_t planes = (size_t)base->out.n * (size_t)cnn_cpu_blocks(&base->out);
    base->scratch_bytes =
        largest(base->scratch_bytes, sums + (p->conv->bias ? planes * 2 * CNN_LANES * sizeof(double) : 0));
}

static void plan_params(struct winograd_plan *p) {
    struct cnn_plan *base = &p->base;
    const size_t channels = (size_t)p->conv->out_channels;
    base->param_counts[base->n_params++] =
        cnn_tensor_channels(&base->in) * cnn_tensor_channels(&base->out) * 9;
    if (p->conv->bias)
        base->param_counts[base->n_params++] = channels;
    if (base->desc.norm)
        for (int i = 0; i < 4; i++)
            base->param_counts[base->n_params++] = channels;
}

static enum cnn_status winograd_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                            const struct cnn_kernel_desc *desc) {
    struct winograd_plan *p = NULL;
    CNN_TRY(cnn_cpu_plan_alloc(&p, sizeof *p, backend, desc));
    p->cpu = (struct cnn_cpu *)(void *)backend;
    p->conv = &desc->node->conv;
    struct cnn_plan *base = &p->base;
    const struct cnn_winograd_kernels *kernels = cnn_winograd_kernels(base->in.block, base->in.type);
    cnn_winograd_plan_sums(&p->forward, kernels, &base->in, &base->out, p->conv->padding, p->cpu->threads);
    p->finish_offset = cnn_align_up(cnn_winograd_sums_scratch(&p->forward), CNN_ALIGN);
    base->scratch_bytes = p->finish_offset + 2 * row_floats(p) * sizeof(float);
    if (desc->training)
        plan_backward(p, kernels);
    if (desc->norm)
        base->constant_bytes = 2 * row_floats(p) * sizeof(float);
    plan_params(p);
    base->reads_in = true;
    base->reads_out = desc->relu && desc->relu_backward;
    base->in_place = -1;
    base->over_input = true;
    base->max_gradients = 1;
    base->implementation = kernels->name;
    *out = base;
    return CNN_OK;
}

// scale and shift of each output channel; channels that pad the last block stay 0.
static void fill_finish(const struct winograd_plan *p, const struct cnn_kernel_io *io, float *scale,
                        float *shift) {
    const struct cnn_node *norm = p->base.desc.norm;
    const float *bias = p->conv->bias ? io->params[1] : NULL, *const *folded = io->params + (bias ? 2 : 1);
    memset(scale, 0, row_floats(p) * sizeof *scale);
    memset(shift, 0, row_floats(p) * sizeof *shift);
    for (int o = 0; o < p->conv->out_channels; o++) {
        const double factor = norm ? (double)folded[0][o] / sqrt((double)folded[3][o] + norm->norm.eps) : 1.0;
        const double before = (bias ? (double)bias[o] : 0.0) - (norm ? (double)folded[2][o] : 0.0);
        scale[o] = (float)factor;
        shift[o] = (float)(before * factor + (norm ? (double)folded[1][o] : 0.0));
    }
}

static enum cnn_status winograd_refresh(struct cnn_plan *plan, const struct cnn_kernel_io *io) {
    const struct winograd_plan *p = (const struct winograd_plan *)(const void *)plan;
    if (plan->constant_bytes)
        fill_finish(p, io, io->constants, (float *)io->constants + row_floats(p));
    return CNN_OK;
}

static enum cnn_status winograd_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                        const struct cnn_kernel_run *run) {
    const struct winograd_plan *p = (const struct winograd_plan *)(const void *)plan;
    (void)run;
    struct cnn_winograd_finish finish = {.residual = io->in[1], .relu = plan->desc.relu};
    if (plan->constant_bytes) {
        finish.scale = io->constants;
    } else if (p->conv->bias || finish.relu || finish.residual) {
        float *scale = (float *)(void *)((char *)io->scratch + p->finish_offset);
        fill_finish(p, io, scale, scale + row_floats(p));
        finish.scale = scale;
    }
    finish.shift = finish.scale ? finish.scale + row_floats(p) : NULL;
    cnn_winograd_sums(&p->forward, io->out, io->in[0], io->params[0], false, &finish, io->scratch);
    return CNN_OK;
}

// The sum of the output's gradient over pixels, planes folded in order.
static void bias_grad(const struct winograd_plan *p, const struct cnn_kernel_io *io, bool accumulate) {
    const struct cnn_tensor *t = &p->base.out;
    const int blocks = cnn_cpu_blocks(t), planes = t->n * blocks;
    const double pixels = (double)cnn_cpu_pixels(t);
    double *moments = (double *)(void *)((char *)io->scratch + p->bias_offset);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < planes; i++) {
        double *mean = moments + (size_t)i * 2 * CNN_LANES;
        p->cpu->simd[t->type]->moments(
            cnn_cpu_from(io->d_out[0], t->type, cnn_cpu_at(t, i / blocks, i % blocks)), cnn_cpu_pixels(t),
            t->block, mean, mean + CNN_LANES);
    }
    for (int o = 0; o < t->c; o++) {
        double sum = accumulate ? (double)io->d_params[1][o] : 0.0;
        for (int n = 0; n < t->n; n++)
            sum += pixels *
                   moments[(size_t)(n * blocks + o / t->block) * 2 * CNN_LANES + (size_t)(o % t->block)];
        io->d_params[1][o] = (float)sum;
    }
}

static enum cnn_status winograd_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                         const struct cnn_kernel_run *run) {
    const struct winograd_plan *p = (const struct winograd_plan *)(const void *)plan;
    const struct cnn_winograd_finish finish = {.mask = plan->desc.mask_by_input ? io->in[0] : NULL};
    if (plan->reads_out)
        cnn_cpu_relu_grad(p->cpu, plan->out.type, io->d_out[0], io->d_out[0], io->out,
                          cnn_tensor_count(&plan->out));
    cnn_winograd_correlation(&p->weights, io->d_params[0], io->in[0], io->d_out[0], run->accumulate,
                             io->scratch);
    if (p->conv->bias)
        bias_grad(p, io, run->accumulate);
    if (io->d_in[0]) // last: it may lie over the input
        cnn_winograd_sums(&p->data, io->d_in[0], io->d_out[0], io->params[0], true, &finish, io->scratch);
    return CNN_OK;
}

// Where weight (k, c, tap) lies in the arena.
static size_t weight_at(const struct winograd_plan *p, int k, int c, int tap) {
    const size_t lanes = (size_t)p->base.in.block, channels = cnn_tensor_channels(&p->base.in);
    return (((size_t)k / lanes * channels + (size_t)c) * 9 + (size_t)tap) * lanes + (size_t)k % lanes;
}

static enum cnn_status winograd_param_set(struct cnn_plan *plan, int param, float *arena,
                                          const float *values) {
    const struct winograd_plan *p = (const struct winograd_plan *)(const void *)plan;
    if (param != 0)
        return cnn_cpu_param_copy_in(plan, param, arena, values);
    memset(arena, 0, plan->param_counts[0] * sizeof *arena);
    for (int k = 0; k < p->conv->out_channels; k++)
        for (int c = 0; c < plan->in.c; c++)
            for (int tap = 0; tap < 9; tap++)
                arena[weight_at(p, k, c, tap)] = *values++;
    return CNN_OK;
}

static enum cnn_status winograd_param_get(struct cnn_plan *plan, int param, const float *arena,
                                          float *values) {
    const struct winograd_plan *p = (const struct winograd_plan *)(const void *)plan;
    if (param != 0)
        return cnn_cpu_param_copy_out(plan, param, arena, values);
    for (int k = 0; k < p->conv->out_channels; k++)
        for (int c = 0; c < plan->in.c; c++)
            for (int tap = 0; tap < 9; tap++)
                *values++ = arena[weight_at(p, k, c, tap)];
    return CNN_OK;
}

const struct cnn_kernel_ops cnn_cpu_conv_winograd = {
    .plan_create = winograd_plan_create,
    .forward = winograd_forward,
    .backward = winograd_backward,
    .refresh = winograd_refresh,
    .param_set = winograd_param_set,
    .param_get = winograd_param_get,
    .plan_destroy = cnn_cpu_plan_free,
};
