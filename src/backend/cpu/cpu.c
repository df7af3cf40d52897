#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void cpu_destroy(struct cnn_backend *backend) {
    struct cnn_cpu *cpu = (struct cnn_cpu *)(void *)backend;
    if (!cpu)
        return;
    cnn_onednn_destroy(cpu->dnn);
    free(cpu);
}

// Slower than floats where the processor does not multiply in it: only tests may want that.
static enum cnn_status check_bf16(void) {
    const char *wish = getenv("CNN_CPU_BF16");
    const enum cnn_onednn_bf16 can = cnn_onednn_bf16();
    if (can == CNN_ONEDNN_BF16 || (can == CNN_ONEDNN_BF16_EMULATED && wish && !strcmp(wish, "emulate")))
        return CNN_OK;
    return cnn_fail(CNN_ERR_UNSUPPORTED,
                    "train.precision: bf16 needs a processor with AVX-512 BF16 or AMX, but this one has %s; "
                    "use fp32 or auto",
                    cnn_onednn_isa());
}

// What tensors are made of.
static enum cnn_status choose_type(enum cnn_type *out, enum cnn_precision precision) {
    if (precision == CNN_PRECISION_BF16)
        CNN_TRY(check_bf16());
    else if (precision != CNN_PRECISION_AUTO && precision != CNN_PRECISION_FP32)
        return cnn_fail(CNN_ERR_UNSUPPORTED,
                        "train.precision: the cpu backend supports fp32 and bf16, not %s; use fp32 or auto",
                        cnn_precision_name(precision));
    *out = precision == CNN_PRECISION_BF16 ? CNN_TYPE_BF16 : CNN_TYPE_F32;
    return CNN_OK;
}

static void describe(struct cnn_cpu *cpu) {
    char library[128];
    cnn_onednn_describe(library, sizeof library);
    snprintf(cpu->base.description, sizeof cpu->base.description, "cpu: %s, %d thread%s%s", library,
             cpu->threads, cpu->threads == 1 ? "" : "s", cpu->base.type == CNN_TYPE_BF16 ? ", bf16" : "");
}

static enum cnn_status cpu_create(struct cnn_backend **out, const struct cnn_backend_options *options) {
    struct cnn_cpu *cpu = NULL;
    enum cnn_type type = CNN_TYPE_F32;
    CNN_TRY(choose_type(&type, options->precision));
    CNN_TRY(cnn_calloc(&cpu, 1, sizeof *cpu));
    cpu->base.ops = &cnn_backend_cpu;
    cpu->base.type = type;
    cpu->threads = options->threads;
    cpu->simd[CNN_TYPE_F32] = cnn_simd_best();
    cpu->simd[CNN_TYPE_BF16] = type == CNN_TYPE_BF16 ? cnn_simd_best_bf16() : NULL;
    cpu->block = cnn_simd_block();
    omp_set_dynamic(0);
    omp_set_num_threads(options->threads);
    const enum cnn_status status = cnn_onednn_create(&cpu->dnn);
    if (status != CNN_OK) {
        free(cpu);
        return status;
    }
    describe(cpu);
    *out = &cpu->base;
    return CNN_OK;
}

#define HUGE_PAGE ((size_t)2 << 20)

// Stands right before memory that was mapped; small memory comes from the heap.
struct mapping {
    void *base;
    size_t bytes;
    char pad[CNN_ALIGN - sizeof(void *) - sizeof(size_t)];
};

// Arenas are walked whole every step: huge pages, where the system gives them, spare the translations. Pages
// that nobody touches take no memory.
static enum cnn_status map_arena(void **out, size_t bytes) {
    const size_t whole = cnn_align_up(bytes, HUGE_PAGE) + 2 * HUGE_PAGE;
    void *base = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory (%zu bytes)", bytes);
    char *memory = (char *)cnn_align_up((size_t)base + sizeof(struct mapping), HUGE_PAGE);
    (void)madvise(memory, cnn_align_up(bytes, HUGE_PAGE), MADV_HUGEPAGE);
    ((struct mapping *)(void *)memory)[-1] = (struct mapping){.base = base, .bytes = whole};
    *out = memory;
    return CNN_OK;
}

static enum cnn_status cpu_alloc(struct cnn_backend *backend, void **out, size_t bytes) {
    struct mapping *small = NULL;
    (void)backend;
    if (bytes >= 2 * HUGE_PAGE)
        return map_arena(out, bytes);
    CNN_TRY(cnn_calloc(&small, 1, sizeof *small + bytes));
    *out = small + 1;
    return CNN_OK;
}

static void cpu_free(struct cnn_backend *backend, void *memory) {
    struct mapping *mapping = (struct mapping *)memory - 1;
    (void)backend;
    if (mapping->base)
        munmap(mapping->base, mapping->bytes);
    else
        free(mapping);
}

static enum cnn_status cpu_upload(struct cnn_backend *backend, void *device, const void *host, size_t bytes) {
    (void)backend;
    memcpy(device, host, bytes);
    return CNN_OK;
}

static enum cnn_status cpu_synchronize(struct cnn_backend *backend) {
    (void)backend;
    return CNN_OK;
}

// Floats a thread works on at a time.
#define SPAN ((size_t)8192)

static size_t span_at(size_t i, size_t n) { return n - i < SPAN ? n - i : SPAN; }

enum cnn_status cnn_cpu_add_into(struct cnn_backend *backend, enum cnn_type type, void *into,
                                 const void *values, size_t n) {
    const struct cnn_cpu *cpu = (const struct cnn_cpu *)(const void *)backend;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i += SPAN)
        cpu->simd[type]->add(cnn_cpu_to(into, type, i), cnn_cpu_from(into, type, i),
                             cnn_cpu_from(values, type, i), span_at(i, n), false);
    return CNN_OK;
}

static enum cnn_status cpu_copy(struct cnn_backend *backend, float *to, const float *from, size_t n) {
    (void)backend;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i += SPAN)
        memcpy(to + i, from + i, span_at(i, n) * sizeof *to);
    return CNN_OK;
}

enum cnn_status cnn_cpu_narrow(struct cnn_backend *backend, void *to, const float *from, size_t n) {
    const struct cnn_cpu *cpu = (const struct cnn_cpu *)(const void *)backend;
    const enum cnn_type type = backend->type;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i += SPAN)
        cpu->simd[type]->narrow(cnn_cpu_to(to, type, i), from + i, span_at(i, n));
    return CNN_OK;
}

void cnn_cpu_relu_grad(const struct cnn_cpu *cpu, enum cnn_type type, void *d_in, const void *d_out,
                       const void *out, size_t n) {
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i += SPAN)
        cpu->simd[type]->relu_grad(cnn_cpu_to(d_in, type, i), cnn_cpu_from(d_out, type, i),
                                   cnn_cpu_from(out, type, i), span_at(i, n));
}

// The 16-bit copy of parameters that were changed.
static void update_copy(const struct cnn_cpu *cpu, const struct cnn_sgd *sgd, size_t first, size_t n) {
    const enum cnn_type type = cpu->base.type;
    if (sgd->compute)
        cpu->simd[type]->narrow(cnn_cpu_to(sgd->compute, type, first), sgd->parameters + first, n);
}

static void update_statistics(const struct cnn_cpu *cpu, const struct cnn_sgd *sgd,
                              const struct cnn_segment *segment) {
    const float share = segment->statistic_momentum / (float)sgd->micros;
    for (size_t i = segment->first; i < segment->first + segment->n; i++)
        cnn_update_statistic(sgd->parameters + i, sgd->gradients[i], segment->statistic_momentum, share);
    update_copy(cpu, sgd, segment->first, segment->n);
}

// A value times 0 is NaN where it is not finite, and so is the sum then.
static bool are_finite(const float *values, size_t n) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += values[i] * 0.0f;
    return sum == 0;
}

static enum cnn_status cpu_check_finite(struct cnn_backend *backend, const float *values, size_t n,
                                        struct cnn_control *control) {
    uint32_t overflow = 0;
    (void)backend;
#pragma omp parallel for schedule(static) reduction(| : overflow)
    for (size_t i = 0; i < n; i += SPAN)
        overflow |= !are_finite(values + i, span_at(i, n));
    control->overflow |= overflow;
    return CNN_OK;
}

enum cnn_status cnn_cpu_sgd(struct cnn_backend *backend, const struct cnn_sgd *sgd) {
    const struct cnn_cpu *cpu = (const struct cnn_cpu *)(const void *)backend;
    const struct cnn_simd *simd = cpu->simd[CNN_TYPE_F32];
    const struct cnn_control *control = sgd->control;
    if (control->overflow)
        return CNN_OK;
    for (size_t s = 0; s < sgd->n_segments; s++) {
        const struct cnn_segment *segment = &sgd->segments[s];
        if (segment->kind == CNN_SEGMENT_STATISTIC) {
            update_statistics(cpu, sgd, segment);
            continue;
        }
        const struct cnn_sgd_factors factors = {control->rate, sgd->momentum,
                                                control->first_update ? 1.0f : 1.0f - sgd->dampening,
                                                sgd->decay[segment->kind], 1.0f / control->loss_scale};
        float *w = sgd->parameters + segment->first, *v = sgd->velocity + segment->first;
        const float *g = sgd->gradients + segment->first;
        const size_t n = segment->n;
#pragma omp parallel for schedule(static) if (n > 4 * SPAN)
        for (size_t i = 0; i < n; i += SPAN) {
            (sgd->nesterov ? simd->nesterov : simd->sgd)(w + i, v + i, g + i, span_at(i, n), factors);
            update_copy(cpu, sgd, segment->first + i, span_at(i, n));
        }
    }
    return CNN_OK;
}

// Some kernels walk channel blocks. A row of values whose channels fill blocks is the same memory as one
// pixel of blocks.
static enum cnn_status settle_block(struct cnn_tensor *in, const struct cnn_cpu *cpu,
                                    const struct cnn_kernel_desc *desc) {
    const enum cnn_kernel kernel = desc->kernel;
    if (in->block == 0)
        in->block = cpu->block;
    if (kernel != CNN_KERNEL_NORM && kernel != CNN_KERNEL_MAX_POOL && kernel != CNN_KERNEL_AVG_POOL &&
        kernel != CNN_KERNEL_ADAPTIVE_AVG_POOL)
        return CNN_OK;
    if (in->h == 1 && in->w == 1 && in->block == in->c && in->c % cpu->block == 0)
        in->block = cpu->block;
    if (in->block == cpu->block)
        return CNN_OK;
    return cnn_fail(CNN_ERR_UNSUPPORTED, "%s: this layer supports blocks of %d channels, not %s of %d",
                    desc->node->name, cpu->block, in->block == in->c ? "rows" : "planes",
                    in->block == in->c ? in->c : in->h * in->w);
}

bool cnn_cpu_lie_alike(const struct cnn_tensor *a, const struct cnn_tensor *b) {
    const bool rows = a->h == 1 && a->w == 1 && a->c % a->block == 0 && b->c % b->block == 0;
    return a->block == b->block || rows;
}

// Products and averages give floats where the network ends; other layers only what they take.
static enum cnn_status check_type(const struct cnn_kernel_desc *desc) {
    const enum cnn_kernel kernel = desc->kernel;
    if (desc->out_type == desc->in[0].type || kernel == CNN_KERNEL_CONV || kernel == CNN_KERNEL_LINEAR ||
        kernel == CNN_KERNEL_AVG_POOL || kernel == CNN_KERNEL_ADAPTIVE_AVG_POOL)
        return CNN_OK;
    return cnn_fail(CNN_ERR_UNSUPPORTED,
                    "%s: in bf16, a network must end in a linear layer, a convolution or average pooling",
                    desc->node->name);
}

enum cnn_status cnn_cpu_plan_alloc(void *out_plan, size_t plan_bytes, struct cnn_backend *backend,
                                   const struct cnn_kernel_desc *desc) {
    const struct cnn_cpu *cpu = (const struct cnn_cpu *)(const void *)backend;
    struct cnn_plan *plan = NULL;
    CNN_TRY(check_type(desc));
    CNN_TRY(cnn_calloc(&plan, 1, plan_bytes));
    plan->desc = *desc;
    plan->in = desc->in[0];
    const enum cnn_status status = settle_block(&plan->in, cpu, desc);
    if (status != CNN_OK) {
        free(plan);
        return status;
    }
    const bool row = desc->shape.h == 1 && desc->shape.w == 1 && desc->kernel != CNN_KERNEL_CONV &&
                     desc->kernel != CNN_KERNEL_NORM;
    plan->out = (struct cnn_tensor){
        plan->in.n,    desc->shape.h, desc->shape.w, desc->shape.c, row ? desc->shape.c : cpu->block,
        desc->out_type};
    if (desc->kernel == CNN_KERNEL_NORM)
        plan->out.block = plan->in.block;
    memcpy(out_plan, &plan, sizeof plan);
    return CNN_OK;
}

enum cnn_status cnn_cpu_param_copy_in(struct cnn_plan *plan, int param, float *arena, const float *values) {
    memcpy(arena, values, plan->param_counts[param] * sizeof(float));
    return CNN_OK;
}

enum cnn_status cnn_cpu_param_copy_out(struct cnn_plan *plan, int param, const float *arena, float *values) {
    memcpy(values, arena, plan->param_counts[param] * sizeof(float));
    return CNN_OK;
}

void cnn_cpu_plan_free(struct cnn_plan *plan) { free(plan); }

const struct cnn_backend_ops cnn_backend_cpu = {
    .name = "cpu",
    .create = cpu_create,
    .destroy = cpu_destroy,
    .alloc = cpu_alloc,
    .free = cpu_free,
    .alloc_host = cpu_alloc,
    .free_host = cpu_free,
    .upload = cpu_upload,
    .download = cpu_upload,
    .synchronize = cpu_synchronize,
    .kernels =
        {
            [CNN_KERNEL_CONV] = &cnn_cpu_conv,
            [CNN_KERNEL_NORM] = &cnn_cpu_norm,
            [CNN_KERNEL_MAX_POOL] = &cnn_cpu_max_pool,
            [CNN_KERNEL_AVG_POOL] = &cnn_cpu_avg_pool,
            [CNN_KERNEL_ADAPTIVE_AVG_POOL] = &cnn_cpu_adaptive_avg_pool,
            [CNN_KERNEL_LINEAR] = &cnn_cpu_linear,
            [CNN_KERNEL_ADD] = &cnn_cpu_add,
            [CNN_KERNEL_RELU] = &cnn_cpu_relu,
            [CNN_KERNEL_DROPOUT] = &cnn_cpu_dropout,
        },
    .normalize = cnn_cpu_normalize,
    .loss = cnn_cpu_loss,
    .add = cnn_cpu_add_into,
    .copy = cpu_copy,
    .narrow = cnn_cpu_narrow,
    .check_finite = cpu_check_finite,
    .sgd = cnn_cpu_sgd,
};
