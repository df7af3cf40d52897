// Sum, relu and dropout.
#include "backend/cpu/cpu.h"
#include "backend/dropout.h"
#include "base/memory.h"
#include "base/random.h"
#include <string.h>

struct elementwise_plan {
    struct cnn_plan base;
    struct cnn_cpu *cpu;
};

// Floats a thread works on at a time: fits in its first-level cache.
#define SPAN ((size_t)4096)

static size_t span_at(size_t i, size_t n) { return n - i < SPAN ? n - i : SPAN; }

static enum cnn_status elementwise_plan_alloc(struct elementwise_plan **out, struct cnn_backend *backend,
                                              const struct cnn_kernel_desc *desc) {
    CNN_TRY(cnn_cpu_plan_alloc(out, sizeof **out, backend, desc));
    struct elementwise_plan *p = *out;
    p->cpu = (struct cnn_cpu *)(void *)backend;
    p->base.out.block = p->base.in.block;
    p->base.in_place = 0;
    p->base.max_gradients = 1;
    p->base.implementation = p->cpu->simd[p->base.in.type]->name;
    return CNN_OK;
}

static enum cnn_status add_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                       const struct cnn_kernel_desc *desc) {
    struct elementwise_plan *p = NULL;
    if (!cnn_cpu_lie_alike(&desc->in[0], &desc->in[1]))
        return cnn_fail(CNN_ERR_UNSUPPORTED,
                        "%s: the tensors to add have different memory layouts (blocks of %d and %d channels)",
                        desc->node->name, desc->in[0].block, desc->in[1].block);
    CNN_TRY(elementwise_plan_alloc(&p, backend, desc));
    p->base.reads_out = desc->relu && desc->relu_backward;
    *out = &p->base;
    return CNN_OK;
}

static enum cnn_status add_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                   const struct cnn_kernel_run *run) {
    (void)run;
    const struct elementwise_plan *p = (const struct elementwise_plan *)(const void *)plan;
    const size_t n = cnn_tensor_count(&plan->out);
    const enum cnn_type type = plan->out.type;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i += SPAN)
        p->cpu->simd[type]->add(cnn_cpu_to(io->out, type, i), cnn_cpu_from(io->in[0], type, i),
                                cnn_cpu_from(io->in[1], type, i), span_at(i, n), plan->desc.relu);
    return CNN_OK;
}

static enum cnn_status add_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                    const struct cnn_kernel_run *run) {
    (void)run;
    const struct elementwise_plan *p = (const struct elementwise_plan *)(const void *)plan;
    if (plan->reads_out)
        cnn_cpu_relu_grad(p->cpu, plan->out.type, io->d_out[0], io->d_out[0], io->out,
                          cnn_tensor_count(&plan->out));
    for (int i = 0; i < 2; i++)
        if (io->d_in[i] && io->d_in[i] != io->d_out[0])
            memcpy(io->d_in[i], io->d_out[0], cnn_tensor_bytes(&plan->out));
    return CNN_OK;
}

static enum cnn_status relu_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                        const struct cnn_kernel_desc *desc) {
    struct elementwise_plan *p = NULL;
    CNN_TRY(elementwise_plan_alloc(&p, backend, desc));
    p->base.reads_out = true;
    *out = &p->base;
    return CNN_OK;
}

static enum cnn_status relu_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                    const struct cnn_kernel_run *run) {
    (void)run;
    const struct elementwise_plan *p = (const struct elementwise_plan *)(const void *)plan;
    const size_t n = cnn_tensor_count(&plan->out);
    const enum cnn_type type = plan->out.type;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i += SPAN)
        p->cpu->simd[type]->relu(cnn_cpu_to(io->out, type, i), cnn_cpu_from(io->in[0], type, i),
                                 span_at(i, n));
    return CNN_OK;
}

static enum cnn_status relu_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                     const struct cnn_kernel_run *run) {
    (void)run;
    const struct elementwise_plan *p = (const struct elementwise_plan *)(const void *)plan;
    if (io->d_in[0])
        cnn_cpu_relu_grad(p->cpu, plan->out.type, io->d_in[0], io->d_out[0], io->out,
                          cnn_tensor_count(&plan->out));
    return CNN_OK;
}

static enum cnn_status dropout_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                           const struct cnn_kernel_desc *desc) {
    struct elementwise_plan *p = NULL;
    CNN_TRY(elementwise_plan_alloc(&p, backend, desc));
    *out = &p->base;
    return CNN_OK;
}

static void dropout(const struct cnn_plan *plan, const struct cnn_kernel_run *run, void *to,
                    const void *from) {
    const enum cnn_type type = plan->out.type;
    const size_t per_sample = cnn_tensor_count(&plan->out) / (size_t)plan->out.n;
    const struct cnn_dropping d =
        cnn_dropout_of(plan->desc.node->dropout.p, plan->desc.seed, plan->desc.layer, CNN_PURPOSE_DROPOUT);
#pragma omp parallel for schedule(static)
    for (int n = 0; n < plan->out.n; n++) {
        const uint64_t position = run->control->position + (uint64_t)n;
        for (size_t i = 0; i < per_sample; i += 4) {
            uint32_t draws[4];
            cnn_dropout_draw(&d, run->control->step, position, (uint32_t)(i / 4), draws);
            const size_t at = (size_t)n * per_sample + i;
            const int count = per_sample - i < 4 ? (int)(per_sample - i) : 4;
            float buffer[4], out[4];
            const float *in = cnn_cpu_read(buffer, from, type, at, count);
            for (int j = 0; j < count; j++)
                out[j] = cnn_dropout_apply(&d, draws[j], in[j]);
            cnn_cpu_write(to, type, at, out, count);
        }
    }
}

static enum cnn_status dropout_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                       const struct cnn_kernel_run *run) {
    if (plan->desc.training)
        dropout(plan, run, io->out, io->in[0]);
    else
        memcpy(io->out, io->in[0], cnn_tensor_bytes(&plan->out));
    return CNN_OK;
}

static enum cnn_status dropout_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                        const struct cnn_kernel_run *run) {
    if (io->d_in[0])
        dropout(plan, run, io->d_in[0], io->d_out[0]);
    return CNN_OK;
}

const struct cnn_kernel_ops cnn_cpu_add = {
    .plan_create = add_plan_create,
    .forward = add_forward,
    .backward = add_backward,
    .plan_destroy = cnn_cpu_plan_free,
};
const struct cnn_kernel_ops cnn_cpu_relu = {
    .plan_create = relu_plan_create,
    .forward = relu_forward,
    .backward = relu_backward,
    .plan_destroy = cnn_cpu_plan_free,
};
const struct cnn_kernel_ops cnn_cpu_dropout = {
    .plan_create = dropout_plan_create,
    .forward = dropout_forward,
    .backward = dropout_backward,
    .plan_destroy = cnn_cpu_plan_free,
};
