// Batch normalisation (Ioffe and Szegedy, 2015) with residual sum and relu, in two passes over memory each
// way. Work is cut into (sample, channel block) items whose sums are combined in a fixed order, so results do
// not depend on threads.
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include <math.h>
#include <string.h>

struct norm_plan {
    struct cnn_plan base;
    struct cnn_cpu *cpu;
    bool residual;
};

// Workspace: five rows of padded channels.
enum { ROW_MEAN, ROW_INVSTD, ROW_VAR, ROW_SCALE, ROW_SHIFT, N_ROWS };

static float *row(void *workspace, const struct cnn_tensor *t, int which) {
    return (float *)workspace + (size_t)which * cnn_tensor_channels(t);
}

// Scratch: per item, two sums of 16 doubles; then two rows of padded channels in doubles, the sums over all
// items (and ranks); then per channel block, three rows of 16 floats.
static double *item_sums(void *scratch, size_t item) { return (double *)scratch + item * 2 * CNN_LANES; }

static size_t n_items(const struct cnn_tensor *t) { return (size_t)t->n * (size_t)cnn_cpu_blocks(t); }

static double *totals_in(void *scratch, const struct cnn_tensor *t) { return item_sums(scratch, n_items(t)); }

static enum cnn_status norm_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                        const struct cnn_kernel_desc *desc) {
    struct norm_plan *p = NULL;
    CNN_TRY(cnn_cpu_plan_alloc(&p, sizeof *p, backend, desc));
    p->cpu = (struct cnn_cpu *)(void *)backend;
    p->residual = desc->n_in > 1;
    struct cnn_plan *base = &p->base;
    if (p->residual && !cnn_cpu_lie_alike(&base->in, &desc->in[1])) {
        cnn_cpu_plan_free(base);
        return cnn_fail(CNN_ERR_UNSUPPORTED,
                        "%s: the residual has a different memory layout (blocks of %d and %d channels)",
                        desc->node->name, base->in.block, desc->in[1].block);
    }
    base->n_params = 4;
    for (int i = 0; i < 4; i++)
        base->param_counts[i] = (size_t)base->in.c;
    base->workspace_bytes = N_ROWS * cnn_tensor_channels(&base->in) * sizeof(float);
    base->scratch_bytes = n_items(&base->in) * 2 * CNN_LANES * sizeof(double) +
                          2 * cnn_tensor_channels(&base->in) * sizeof(double) +
                          (size_t)cnn_cpu_blocks(&base->in) * 3 * CNN_LANES * sizeof(float);
    base->reads_in = true;
    base->reads_out = p->residual && desc->relu;
    base->recomputable = true;
    base->in_place = p->residual ? 1 : 0;
    base->max_gradients = 2;
    base->implementation = p->cpu->simd[base->in.type]->name;
    *out = base;
    return CNN_OK;
}

struct moments {
    double count, mean, m2; // m2: sum of squared deviations
};

// A channel's moments from those of its samples (Chan et al. 1983).
static struct moments combined(const struct norm_plan *p, const struct cnn_kernel_io *io, int c) {
    const struct cnn_tensor *t = &p->base.in;
    const double pixels = (double)cnn_cpu_pixels(t);
    const int block = c / t->block, lane = c % t->block;
    struct moments all = {.count = pixels * t->n};
    for (int n = 0; n < t->n; n++) {
        const double *sums = item_sums(io->scratch, (size_t)n * (size_t)cnn_cpu_blocks(t) + (size_t)block);
        const double delta = sums[lane] - all.mean;
        all.mean += delta / (n + 1);
        all.m2 += sums[CNN_LANES + lane] + delta * delta * pixels * n / (n + 1);
    }
    return all;
}

// What forward and backward need of a channel.
static void set_coefficients(const struct norm_plan *p, const struct cnn_kernel_io *io, int c,
                             const struct moments *of) {
    const struct cnn_tensor *t = &p->base.in;
    const double invstd = 1.0 / sqrt(of->m2 / of->count + p->base.desc.node->norm.eps);
    const float scale = c < t->c ? (float)(invstd * (double)io->params[0][c]) : 0.0f;
    row(io->workspace, t, ROW_MEAN)[c] = (float)of->mean;
    row(io->workspace, t, ROW_INVSTD)[c] = (float)invstd;
    row(io->workspace, t, ROW_VAR)[c] = (float)(of->count > 1 ? of->m2 / (of->count - 1) : 0.0);
    row(io->workspace, t, ROW_SCALE)[c] = scale;
    row(io->workspace, t, ROW_SHIFT)[c] =
        c < t->c ? (float)((double)io->params[1][c] - of->mean * (double)scale) : 0.0f;
}

// Over all ranks in one exchange: plain sums of values and of squares add up whatever the ranks' means are.
// In doubles, what their difference loses is less than a float's rounding as long as a mean is below ten
// thousand deviations, where the inputs themselves have lost more.
static enum cnn_status synced_coefficients(const struct norm_plan *p, const struct cnn_kernel_io *io,
                                           const struct cnn_kernel_run *run) {
    const size_t channels = cnn_tensor_channels(&p->base.in);
    double *sums = totals_in(io->scratch, &p->base.in), *squares = sums + channels, count = 0;
    for (size_t c = 0; c < channels; c++) {
        const struct moments mine = combined(p, io, (int)c);
        sums[c] = mine.count * mine.mean;
        squares[c] = mine.m2 + mine.count * mine.mean * mine.mean;
        count = mine.count * run->ranks;
    }
    CNN_TRY(run->sum(run->sum_context, sums, 2 * channels));
    for (size_t c = 0; c < channels; c++) {
        struct moments all = {.count = count, .mean = sums[c] / count};
        all.m2 = squares[c] - sums[c] * all.mean;
        if (all.m2 < 0) // NaN stays
            all.m2 = 0;
        set_coefficients(p, io, (int)c, &all);
    }
    return CNN_OK;
}

static void running_coefficients(const struct norm_plan *p, const struct cnn_kernel_io *io) {
    const struct cnn_tensor *t = &p->base.in;
    for (int c = 0; c < (int)cnn_tensor_channels(t); c++) {
        const double scale =
            c < t->c ? (double)io->params[0][c] / sqrt((double)io->params[3][c] + p->base.desc.node->norm.eps)
                     : 0.0;
        row(io->workspace, t, ROW_SCALE)[c] = (float)scale;
        row(io->workspace, t, ROW_SHIFT)[c] =
            c < t->c ? (float)((double)io->params[1][c] - (double)io->params[2][c] * scale) : 0.0f;
    }
}

static enum cnn_status batch_coefficients(const struct norm_plan *p, const struct cnn_kernel_io *io,
                                          const struct cnn_kernel_run *run) {
    const struct cnn_tensor *t = &p->base.in;
    const int blocks = cnn_cpu_blocks(t), items = (int)n_items(t);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < items; i++) {
        double *sums = item_sums(io->scratch, (size_t)i);
        p->cpu->simd[t->type]->moments(
            cnn_cpu_from(io->in[0], t->type, cnn_cpu_at(t, i / blocks, i % blocks)), cnn_cpu_pixels(t),
            t->block, sums, sums + CNN_LANES);
    }
    if (p->base.desc.sync)
        return synced_coefficients(p, io, run);
    for (int c = 0; c < blocks * t->block; c++) {
        const struct moments all = combined(p, io, c);
        set_coefficients(p, io, c, &all);
    }
    return CNN_OK;
}

// A block's coefficients as 16 floats, those of a block of 8 twice.
static void twice(float out[CNN_LANES], const float *values, int block) {
    for (int l = 0; l < CNN_LANES; l++)
        out[l] = values[l % block];
}

static enum cnn_status norm_apply(struct cnn_plan *plan, const struct cnn_kernel_io *io) {
    const struct norm_plan *p = (const struct norm_plan *)(const void *)plan;
    const struct cnn_tensor *t = &plan->in;
    const int blocks = cnn_cpu_blocks(t), items = (int)n_items(t);
    const size_t floats = cnn_cpu_pixels(t) * (size_t)t->block;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < items; i++) {
        const size_t at = cnn_cpu_at(t, i / blocks, i % blocks);
        float scale[CNN_LANES], shift[CNN_LANES];
        twice(scale, row(io->workspace, t, ROW_SCALE) + i % blocks * t->block, t->block);
        twice(shift, row(io->workspace, t, ROW_SHIFT) + i % blocks * t->block, t->block);
        p->cpu->simd[t->type]->norm_apply(
            cnn_cpu_to(io->out, t->type, at), cnn_cpu_from(io->in[0], t->type, at),
            p->residual ? cnn_cpu_from(io->in[1], t->type, at) : NULL, scale, shift, floats, plan->desc.relu);
    }
    return CNN_OK;
}

static enum cnn_status norm_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                    const struct cnn_kernel_run *run) {
    const struct norm_plan *p = (const struct norm_plan *)(const void *)plan;
    if (plan->desc.training)
        CNN_TRY(batch_coefficients(p, io, run));
    else
        running_coefficients(p, io);
    return norm_apply(plan, io);
}

static struct cnn_norm_grad grad_at(const struct norm_plan *p, const struct cnn_kernel_io *io, size_t at,
                                    const float *scale, const float *shift) {
    const bool relu = p->base.desc.relu && p->base.desc.relu_backward;
    const enum cnn_type type = p->base.in.type;
    return (struct cnn_norm_grad){
        .d0 = cnn_cpu_from(io->d_out[0], type, at),
        .d1 = io->d_out[1] ? cnn_cpu_from(io->d_out[1], type, at) : NULL,
        .in = cnn_cpu_from(io->in[0], type, at),
        .out = p->residual && relu ? cnn_cpu_from(io->out, type, at) : NULL,
        .scale = scale,
        .shift = shift,
        .mask = !relu         ? CNN_MASK_NONE
                : p->residual ? CNN_MASK_BY_OUTPUT
                              : CNN_MASK_BY_INPUT,
    };
}

// First pass: sums of g and g * (x - mean); where the second pass or the residual needs g itself, it is left
// in d_out[0].
static void gradient_sums(const struct norm_plan *p, const struct cnn_kernel_io *io, bool write) {
    const struct cnn_tensor *t = &p->base.in;
    const int blocks = cnn_cpu_blocks(t), items = (int)n_items(t);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < items; i++) {
        const size_t at = cnn_cpu_at(t, i / blocks, i % blocks);
        float scale[CNN_LANES], shift[CNN_LANES], mean[CNN_LANES];
        twice(scale, row(io->workspace, t, ROW_SCALE) + i % blocks * t->block, t->block);
        twice(shift, row(io->workspace, t, ROW_SHIFT) + i % blocks * t->block, t->block);
        twice(mean, row(io->workspace, t, ROW_MEAN) + i % blocks * t->block, t->block);
        const struct cnn_norm_grad grad = grad_at(p, io, at, scale, shift);
        double *sums = item_sums(io->scratch, (size_t)i);
        p->cpu->simd[t->type]->norm_grad_sums(&grad, mean,
                                              write ? cnn_cpu_to(io->d_out[0], t->type, at) : NULL,
                                              cnn_cpu_pixels(t), t->block, sums, sums + CNN_LANES);
    }
}

static void put(float *where, float value, bool accumulate) { *where = accumulate ? *where + value : value; }

// Sums over all items, and with them this rank's gradients of the parameters; then, where statistics are
// those of all ranks, sums over ranks.
static enum cnn_status parameter_gradients(const struct norm_plan *p, const struct cnn_kernel_io *io,
                                           const struct cnn_kernel_run *run) {
    const struct cnn_tensor *t = &p->base.in;
    const size_t channels = cnn_tensor_channels(t);
    double *sums_g = totals_in(io->scratch, t), *sums_gx = sums_g + channels;
    for (int c = 0; c < (int)channels; c++) {
        const int block = c / t->block, lane = c % t->block;
        sums_g[c] = sums_gx[c] = 0;
        for (int n = 0; n < t->n; n++) {
            const double *sums =
                item_sums(io->scratch, (size_t)n * (size_t)cnn_cpu_blocks(t) + (size_t)block);
            sums_g[c] += sums[lane];
            sums_gx[c] += sums[CNN_LANES + lane];
        }
        if (c >= t->c)
            continue;
        const double invstd = (double)row(io->workspace, t, ROW_INVSTD)[c];
        put(io->d_params[0] + c, (float)(sums_gx[c] * invstd), run->accumulate);
        put(io->d_params[1] + c, (float)sums_g[c], run->accumulate);
        put(io->d_params[2] + c, row(io->workspace, t, ROW_MEAN)[c], run->accumulate);
        put(io->d_params[3] + c, row(io->workspace, t, ROW_VAR)[c], run->accumulate);
    }
    return p->base.desc.sync ? run->sum(run->sum_context, sums_g, 2 * channels) : CNN_OK;
}

// d_in = a g + b x + c with  a = gamma / std,  b = -a dgamma / (std M),  c = -a dbeta / M - b mean.
static void gradient_coefficients(const struct norm_plan *p, const struct cnn_kernel_io *io,
                                  float *coefficients, int ranks) {
    const struct cnn_tensor *t = &p->base.in;
    const size_t channels = cnn_tensor_channels(t);
    const double count = (double)cnn_cpu_pixels(t) * t->n * ranks;
    const double *sums_g = totals_in(io->scratch, t), *sums_gx = sums_g + channels;
    for (int c = 0; c < (int)channels; c++) {
        const int block = c / t->block, lane = c % t->block;
        const double invstd = (double)row(io->workspace, t, ROW_INVSTD)[c],
                     mean = (double)row(io->workspace, t, ROW_MEAN)[c];
        const double a = (double)row(io->workspace, t, ROW_SCALE)[c], d_gamma = sums_gx[c] * invstd;
        const double b = -a * d_gamma * invstd / count;
        float *of_block = coefficients + (size_t)block * 3 * CNN_LANES;
        for (int l = lane; l < CNN_LANES; l += t->block) {
            of_block[l] = (float)a;
            of_block[CNN_LANES + l] = (float)b;
            of_block[2 * CNN_LANES + l] = (float)(-a * sums_g[c] / count - b * mean);
        }
    }
}

static void gradient_apply(const struct norm_plan *p, const struct cnn_kernel_io *io,
                           const float *coefficients, bool written) {
    const struct cnn_tensor *t = &p->base.in;
    const int blocks = cnn_cpu_blocks(t), items = (int)n_items(t);
    const size_t floats = cnn_cpu_pixels(t) * (size_t)t->block;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < items; i++) {
        const size_t at = cnn_cpu_at(t, i / blocks, i % blocks);
        const float *abc = coefficients + (size_t)(i % blocks) * 3 * CNN_LANES;
        float scale[CNN_LANES], shift[CNN_LANES];
        twice(scale, row(io->workspace, t, ROW_SCALE) + i % blocks * t->block, t->block);
        twice(shift, row(io->workspace, t, ROW_SHIFT) + i % blocks * t->block, t->block);
        struct cnn_norm_grad grad = grad_at(p, io, at, scale, shift);
        if (written) {
            grad.d1 = NULL;
            grad.mask = CNN_MASK_NONE;
        }
        p->cpu->simd[t->type]->norm_grad_apply(cnn_cpu_to(io->d_in[0], t->type, at), &grad, abc,
                                               abc + CNN_LANES, abc + 2 * CNN_LANES, floats);
    }
}

static enum cnn_status norm_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                     const struct cnn_kernel_run *run) {
    const struct norm_plan *p = (const struct norm_plan *)(const void *)plan;
    const bool write = io->d_out[1] || (p->residual && plan->desc.relu);
    float *coefficients =
        (float *)(void *)(totals_in(io->scratch, &plan->in) + 2 * cnn_tensor_channels(&plan->in));
    gradient_sums(p, io, write);
    CNN_TRY(parameter_gradients(p, io, run));
    if (!io->d_in[0])
        return CNN_OK;
    gradient_coefficients(p, io, coefficients, plan->desc.sync ? run->ranks : 1);
    gradient_apply(p, io, coefficients, write);
    return CNN_OK;
}

const struct cnn_kernel_ops cnn_cpu_norm = {
    .plan_create = norm_plan_create,
    .forward = norm_forward,
    .backward = norm_backward,
    .recompute = norm_apply,
    .param_set = cnn_cpu_param_copy_in,
    .param_get = cnn_cpu_param_copy_out,
    .plan_destroy = cnn_cpu_plan_free,
};
