// Max, average and adaptive average pooling, windows and divisors as PyTorch defines them: plans. The kernels
// are in pool.cu.
#include "backend/cuda/pool.h"

#include <limits.h>

static struct cnn_cuda_pool *pool_of(struct cnn_plan *plan) { return (struct cnn_cuda_pool *)(void *)plan; }

static void take_shape(struct cnn_cuda_pool *p) {
    const struct cnn_tensor *in = &p->base.in, *out = &p->base.out;
    const struct cnn_pool *pool = &p->base.desc.node->pool;
    struct cnn_pool_shape *shape = &p->shape;
    *shape = (struct cnn_pool_shape){.n = in->n,
                                     .h = in->h,
                                     .w = in->w,
                                     .out_h = out->h,
                                     .out_w = out->w,
                                     .channels = (int)cnn_tensor_channels(in),
                                     .adaptive = p->base.desc.kernel == CNN_KERNEL_ADAPTIVE_AVG_POOL};
    for (int i = 0; i < 2 && !shape->adaptive; i++) {
        shape->kernel[i] = pool->kernel[i];
        shape->stride[i] = pool->stride[i];
        shape->padding[i] = pool->padding[i];
        shape->count_include_pad = pool->count_include_pad;
    }
}

// Threads are counted in 32 bits.
static enum cnn_status check(const struct cnn_cuda_pool *p) {
    const struct cnn_plan *base = &p->base;
    const char *name = base->desc.node->name;
    const bool max = base->desc.kernel == CNN_KERNEL_MAX_POOL;
    if (cnn_tensor_count(&base->in) > INT_MAX || cnn_tensor_count(&base->out) > INT_MAX)
        return cnn_fail(CNN_ERR_UNSUPPORTED,
                        "%s: pools more than 2^31 values; use a smaller train.batch.micro", name);
    if (max && base->desc.node->pool.kernel[0] * base->desc.node->pool.kernel[1] > 256)
        return cnn_fail(CNN_ERR_UNSUPPORTED, "%s: a max pool window of %d x %d has more than 256 positions",
                        name, base->desc.node->pool.kernel[0], base->desc.node->pool.kernel[1]);
    if (max && base->in.type != base->out.type)
        return cnn_fail(
            CNN_ERR_UNSUPPORTED,
            "%s: a network with 16-bit activations must not end in a max pool; end it with a linear layer "
            "or average pooling",
            name);
    return CNN_OK;
}

static enum cnn_status pool_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                        const struct cnn_kernel_desc *desc) {
    struct cnn_cuda_pool *p = NULL;
    CNN_TRY(cnn_cuda_plan_alloc(&p, sizeof *p, backend, desc));
    struct cnn_plan *base = &p->base;
    p->cuda = cnn_cuda_of(backend);
    base->out.block = base->in.block;
    base->in_place = -1;
    base->max_gradients = 1;
    base->implementation = "own";
    const enum cnn_status status = check(p);
    if (status != CNN_OK) {
        cnn_cuda_plan_free(base);
        return status;
    }
    take_shape(p);
    *out = base;
    return CNN_OK;
}

static enum cnn_status max_pool_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                            const struct cnn_kernel_desc *desc) {
    CNN_TRY(pool_plan_create(out, backend, desc));
    struct cnn_cuda_pool *p = pool_of(*out);
    const int positions = p->shape.kernel[0] * p->shape.kernel[1];
    if (desc->training)
        p->base.workspace_bytes = cnn_tensor_count(&p->base.out);
    p->shape.positive = desc->mask_by_output && positions <= CNN_CUDA_NO_WINNER;
    p->base.reads_out = desc->mask_by_output && !p->shape.positive;
    return CNN_OK;
}

static enum cnn_status max_pool_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                        const struct cnn_kernel_run *run) {
    (void)run;
    return cnn_cuda_max_pool_forward(pool_of(plan), io->out, io->workspace, io->in[0]);
}

static enum cnn_status max_pool_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                         const struct cnn_kernel_run *run) {
    (void)run;
    if (!io->d_in[0])
        return CNN_OK;
    return cnn_cuda_max_pool_backward(pool_of(plan), io->d_in[0], io->d_out[0], io->workspace,
                                      plan->reads_out ? io->out : NULL);
}

static enum cnn_status average_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                       const struct cnn_kernel_run *run) {
    (void)run;
    return cnn_cuda_average_forward(pool_of(plan), io->out, io->in[0]);
}

static enum cnn_status average_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                        const struct cnn_kernel_run *run) {
    (void)run;
    return io->d_in[0] ? cnn_cuda_average_backward(pool_of(plan), io->d_in[0], io->d_out[0]) : CNN_OK;
}

const struct cnn_kernel_ops cnn_cuda_max_pool = {
    .plan_create = max_pool_plan_create,
    .forward = max_pool_forward,
    .backward = max_pool_backward,
    .plan_destroy = cnn_cuda_plan_free,
};
const struct cnn_kernel_ops cnn_cuda_avg_pool = {
    .plan_create = pool_plan_create,
    .forward = average_forward,
    .backward = average_backward,
    .plan_destroy = cnn_cuda_plan_free,
};
const struct cnn_kernel_ops cnn_cuda_adaptive_avg_pool = {
    .plan_create = pool_plan_create,
    .forward = average_forward,
    .backward = average_backward,
    .plan_destroy = cnn_cuda_plan_free,
};
