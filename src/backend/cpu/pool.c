// Max, average and adaptive average pooling over channel blocks; windows and divisors as PyTorch defines
// them.
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include <omp.h>
#include <string.h>

struct pool_plan {
    struct cnn_plan base;
    struct cnn_cpu *cpu;
    struct cnn_window window;
    bool count_include_pad;
};

static enum cnn_status pool_plan_alloc(struct pool_plan **out, struct cnn_backend *backend,
                                       const struct cnn_kernel_desc *desc) {
    CNN_TRY(cnn_cpu_plan_alloc(out, sizeof **out, backend, desc));
    struct pool_plan *p = *out;
    p->cpu = (struct cnn_cpu *)(void *)backend;
    p->base.in_place = -1;
    p->base.max_gradients = 1;
    p->base.implementation = p->cpu->simd[p->base.in.type]->name;
    p->window = (struct cnn_window){
        .h = p->base.in.h, .w = p->base.in.w, .out_h = p->base.out.h, .out_w = p->base.out.w};
    return CNN_OK;
}

static void take_window(struct pool_plan *p, const struct cnn_pool *pool) {
    for (int i = 0; i < 2; i++) {
        p->window.kernel[i] = pool->kernel[i];
        p->window.stride[i] = pool->stride[i];
        p->window.padding[i] = pool->padding[i];
    }
    p->count_include_pad = pool->count_include_pad;
}

static enum cnn_status max_pool_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                            const struct cnn_kernel_desc *desc) {
    struct pool_plan *p = NULL;
    const struct cnn_pool *pool = &desc->node->pool;
    if (pool->kernel[0] * pool->kernel[1] > 256)
        return cnn_fail(CNN_ERR_UNSUPPORTED, "%s: a max pool window of %d x %d has more than 256 positions",
                        desc->node->name, pool->kernel[0], pool->kernel[1]);
    CNN_TRY(pool_plan_alloc(&p, backend, desc));
    take_window(p, pool);
    p->base.out.block = p->base.in.block; // argmax and result lie alike, whatever the size
    if (desc->training)
        p->base.workspace_bytes = cnn_tensor_count(&p->base.out);
    p->window.positive = desc->mask_by_output && pool->kernel[0] * pool->kernel[1] <= CNN_NO_WINNER;
    p->base.reads_out = desc->mask_by_output && !p->window.positive;
    *out = &p->base;
    return CNN_OK;
}

static enum cnn_status max_pool_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                        const struct cnn_kernel_run *run) {
    (void)run;
    const struct pool_plan *p = (const struct pool_plan *)(const void *)plan;
    const int blocks = cnn_cpu_blocks(&plan->in), items = plan->in.n * blocks;
    const enum cnn_type type = plan->in.type;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < items; i++) {
        const size_t to = cnn_cpu_at(&plan->out, i / blocks, i % blocks);
        p->cpu->simd[type]->max_pool(
            cnn_cpu_to(io->out, type, to), io->workspace ? (uint8_t *)io->workspace + to : NULL,
            cnn_cpu_from(io->in[0], type, cnn_cpu_at(&plan->in, i / blocks, i % blocks)), &p->window,
            plan->in.block);
    }
    return CNN_OK;
}

static enum cnn_status max_pool_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                         const struct cnn_kernel_run *run) {
    (void)run;
    if (!io->d_in[0])
        return CNN_OK;
    const struct pool_plan *p = (const struct pool_plan *)(const void *)plan;
    const int blocks = cnn_cpu_blocks(&plan->in), items = plan->in.n * blocks;
    const size_t count = cnn_cpu_pixels(&plan->out) * (size_t)plan->out.block;
    const enum cnn_type type = plan->in.type;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < items; i++) {
        const size_t from = cnn_cpu_at(&plan->out, i / blocks, i % blocks);
        void *d_out = cnn_cpu_to(io->d_out[0], type, from);
        if (plan->reads_out)
            p->cpu->simd[type]->relu_grad(d_out, d_out, cnn_cpu_from(io->out, type, from), count);
        p->cpu->simd[type]->max_pool_grad(
            cnn_cpu_to(io->d_in[0], type, cnn_cpu_at(&plan->in, i / blocks, i % blocks)), d_out,
            (const uint8_t *)io->workspace + from, &p->window, plan->in.block);
    }
    return CNN_OK;
}

// The inputs an output averages, and what their sum is divided by.
struct average {
    int begin[2], end[2];
    float divisor;
};

static int at_least(int v, int lo) { return v < lo ? lo : v; }
static int at_most(int v, int hi) { return v > hi ? hi : v; }

static struct average windowed(const struct pool_plan *p, int oy, int ox) {
    const int o[2] = {oy, ox}, size[2] = {p->window.h, p->window.w};
    struct average a;
    int padded = 1, inside = 1;
    for (int i = 0; i < 2; i++) {
        const int begin = o[i] * p->window.stride[i] - p->window.padding[i];
        const int end = at_most(begin + p->window.kernel[i], size[i] + p->window.padding[i]);
        padded *= end - begin;
        a.begin[i] = at_least(begin, 0);
        a.end[i] = at_most(end, size[i]);
        inside *= a.end[i] - a.begin[i];
    }
    a.divisor = (float)(p->count_include_pad ? padded : inside);
    return a;
}

static struct average adaptive(const struct pool_plan *p, int oy, int ox) {
    const int o[2] = {oy, ox}, size[2] = {p->window.h, p->window.w},
              out[2] = {p->window.out_h, p->window.out_w};
    struct average a;
    for (int i = 0; i < 2; i++) {
        a.begin[i] = o[i] * size[i] / out[i];
        a.end[i] = ((o[i] + 1) * size[i] + out[i] - 1) / out[i];
    }
    a.divisor = (float)((a.end[0] - a.begin[0]) * (a.end[1] - a.begin[1]));
    return a;
}

static struct average average_of(const struct pool_plan *p, int oy, int ox) {
    return p->base.desc.kernel == CNN_KERNEL_AVG_POOL ? windowed(p, oy, ox) : adaptive(p, oy, ox);
}

// Where channel 0 of a block lies in the output, which may be blocked or a plain row of channels.
static size_t out_at(const struct cnn_tensor *out, int in_block, int n, int block, int pixel) {
    if (out->block == in_block)
        return cnn_cpu_at(out, n, block) + (size_t)pixel * (size_t)in_block;
    return (size_t)n * (size_t)out->c + (size_t)block * (size_t)in_block;
}

static int lanes_of(const struct cnn_tensor *out, int in_block, int block) {
    return out->block == in_block ? in_block : at_most(in_block, out->c - block * in_block);
}

// `in`: the block's elements.
static void average_forward(const struct pool_plan *p, const void *in, void *out, int n, int block) {
    const int b = p->base.in.block, lanes = lanes_of(&p->base.out, b, block);
    for (int o = 0; o < p->window.out_h * p->window.out_w; o++) {
        const struct average a = average_of(p, o / p->window.out_w, o % p->window.out_w);
        float sum[CNN_LANES] = {0}, buffer[CNN_LANES];
        for (int y = a.begin[0]; y < a.end[0]; y++)
            for (int x = a.begin[1]; x < a.end[1]; x++) {
                const float *from =
                    cnn_cpu_read(buffer, in, p->base.in.type, (size_t)(y * p->window.w + x) * (size_t)b, b);
                for (int l = 0; l < b; l++)
                    sum[l] += from[l];
            }
        for (int l = 0; l < lanes; l++)
            sum[l] /= a.divisor;
        cnn_cpu_write(out, p->base.out.type, out_at(&p->base.out, b, n, block, o), sum, lanes);
    }
}

// `d_in`: the block's gradients, floats whatever the type, as windows overlap.
static void average_backward(const struct pool_plan *p, float *d_in, const void *d_out, int n, int block) {
    const int b = p->base.in.block, lanes = lanes_of(&p->base.out, b, block);
    memset(d_in, 0, cnn_cpu_pixels(&p->base.in) * (size_t)b * sizeof(float));
    for (int o = 0; o < p->window.out_h * p->window.out_w; o++) {
        const struct average a = average_of(p, o / p->window.out_w, o % p->window.out_w);
        float share[CNN_LANES] = {0}, buffer[CNN_LANES];
        const float *from =
            cnn_cpu_read(buffer, d_out, p->base.out.type, out_at(&p->base.out, b, n, block, o), lanes);
        for (int l = 0; l < lanes; l++)
            share[l] = from[l] / a.divisor;
        for (int y = a.begin[0]; y < a.end[0]; y++)
            for (int x = a.begin[1]; x < a.end[1]; x++)
                for (int l = 0; l < b; l++)
                    d_in[(y * p->window.w + x) * b + l] += share[l];
    }
}

// Elements of a channel block of the input.
static size_t block_count(const struct pool_plan *p) {
    return cnn_cpu_pixels(&p->base.in) * (size_t)p->base.in.block;
}

static enum cnn_status average_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                           const struct cnn_kernel_desc *desc) {
    struct pool_plan *p = NULL;
    CNN_TRY(pool_plan_alloc(&p, backend, desc));
    if (desc->kernel == CNN_KERNEL_AVG_POOL)
        take_window(p, &desc->node->pool);
    if (desc->training && p->base.in.type != CNN_TYPE_F32) // a block for each thread
        p->base.scratch_bytes = (size_t)p->cpu->threads * block_count(p) * sizeof(float);
    *out = &p->base;
    return CNN_OK;
}

static enum cnn_status average_pool_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                            const struct cnn_kernel_run *run) {
    (void)run;
    const struct pool_plan *p = (const struct pool_plan *)(const void *)plan;
    const int blocks = cnn_cpu_blocks(&plan->in), items = plan->in.n * blocks;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < items; i++)
        average_forward(p,
                        cnn_cpu_from(io->in[0], plan->in.type, cnn_cpu_at(&plan->in, i / blocks, i % blocks)),
                        io->out, i / blocks, i % blocks);
    return CNN_OK;
}

static enum cnn_status average_pool_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                             const struct cnn_kernel_run *run) {
    (void)run;
    if (!io->d_in[0])
        return CNN_OK;
    const struct pool_plan *p = (const struct pool_plan *)(const void *)plan;
    const int blocks = cnn_cpu_blocks(&plan->in), items = plan->in.n * blocks;
    const enum cnn_type type = plan->in.type;
#pragma omp parallel for schedule(static) num_threads(p->cpu->threads)
    for (int i = 0; i < items; i++) {
        void *d_in = cnn_cpu_to(io->d_in[0], type, cnn_cpu_at(&plan->in, i / blocks, i % blocks));
        float *sums = type == CNN_TYPE_F32
                          ? d_in
                          : (float *)io->scratch + (size_t)omp_get_thread_num() * block_count(p);
        average_backward(p, sums, io->d_out[0], i / blocks, i % blocks);
        if (type != CNN_TYPE_F32)
            p->cpu->simd[type]->narrow(d_in, sums, block_count(p));
    }
    return CNN_OK;
}

const struct cnn_kernel_ops cnn_cpu_max_pool = {
    .plan_create = max_pool_plan_create,
    .forward = max_pool_forward,
    .backward = max_pool_backward,
    .plan_destroy = cnn_cpu_plan_free,
};
const struct cnn_kernel_ops cnn_cpu_avg_pool = {
    .plan_create = average_plan_create,
    .forward = average_pool_forward,
    .backward = average_pool_backward,
    .plan_destroy = cnn_cpu_plan_free,
};
const struct cnn_kernel_ops cnn_cpu_adaptive_avg_pool = {
    .plan_create = average_plan_create,
    .forward = average_pool_forward,
    .backward = average_pool_backward,
    .plan_destroy = cnn_cpu_plan_free,
};
