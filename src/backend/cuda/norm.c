// Batch normalisation (Ioffe and Szegedy, 2015) with residual sum and relu: what is queued in which order.
// Three launches each way: a pass over memory that sums, unless forward is given the sums, the channels'
// coefficients, a pass that applies them.
#include "backend/cuda/norm.h"

static struct cnn_cuda_norm *norm_of(struct cnn_plan *plan) { return (struct cnn_cuda_norm *)(void *)plan; }

static enum cnn_status check(const struct cnn_cuda_norm *p) {
    const struct cnn_plan *base = &p->base;
    if (base->out.type != base->in.type)
        return cnn_fail(CNN_ERR_UNSUPPORTED,
                        "%s: in 16 bits, a network must end in a linear layer, a convolution or average "
                        "pooling; use another train.precision",
                        base->desc.node->name);
    if (p->residual && (base->desc.in[1].block != base->in.block || base->desc.in[1].type != base->in.type))
        return cnn_fail(CNN_ERR_UNSUPPORTED,
                        "%s: the residual has a different memory layout (blocks of %d and %d channels)",
                        base->desc.node->name, base->in.block, base->desc.in[1].block);
    return CNN_OK;
}

static void declare(struct cnn_cuda_norm *p) {
    struct cnn_plan *base = &p->base;
    base->n_params = 4;
    for (int i = 0; i < 4; i++)
        base->param_counts[i] = (size_t)base->in.c;
    if (base->desc.training) {
        base->workspace_bytes = CNN_NORM_ROWS * (size_t)p->columns.channels * sizeof(float);
        base->scratch_bytes = cnn_norm_scratch_bytes(p);
    }
    base->reads_in = true;
    base->reads_out = p->residual && base->desc.relu && base->desc.relu_backward;
    base->recomputable = p->cuda->recompute;
    base->in_place = p->residual ? 1 : 0;
    base->max_gradients = 2;
    base->implementation = p->columns.width > 1 ? "own, 16 bytes a thread" : "own, one channel a thread";
}

static void cut(struct cnn_cuda_norm *p) {
    const struct cnn_tensor *in = &p->base.in;
    const size_t rows = (size_t)in->n * (size_t)in->h * (size_t)in->w, bytes = cnn_type_bytes(in->type);
    const int channels = (int)cnn_tensor_channels(in), processors = p->cuda->processors;
    p->columns = cnn_columns_of(rows, channels, bytes, processors * CNN_NORM_FORWARD_BLOCKS);
    p->back = cnn_columns_of(rows, channels, bytes, processors * CNN_NORM_BACK_BLOCKS);
}

static enum cnn_status norm_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                        const struct cnn_kernel_desc *desc) {
    struct cnn_cuda_norm *p = NULL;
    CNN_TRY(cnn_cuda_plan_alloc(&p, sizeof *p, backend, desc));
    struct cnn_plan *base = &p->base;
    p->cuda = cnn_cuda_of(backend);
    p->residual = desc->n_in > 1;
    base->out.block = base->in.block;
    cut(p);
    const enum cnn_status status = check(p);
    if (status != CNN_OK) {
        cnn_cuda_plan_free(base);
        return status;
    }
    declare(p);
    *out = base;
    return CNN_OK;
}

// Sums of 2 x channels doubles over ranks.
static enum cnn_status exchange(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io,
                                const struct cnn_kernel_run *run) {
    return run->sum(run->sum_context, cnn_norm_totals(io->scratch), 2 * (size_t)p->columns.channels);
}

static enum cnn_status norm_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                    const struct cnn_kernel_run *run) {
    const struct cnn_cuda_norm *p = norm_of(plan);
    if (plan->desc.training)
        CNN_TRY(io->moments ? cnn_cuda_norm_take_moments(p, io) : cnn_cuda_norm_moments(p, io));
    if (plan->desc.training && plan->desc.sync) {
        CNN_TRY(exchange(p, io, run));
        CNN_TRY(cnn_cuda_norm_settle(p, io, run->ranks));
    }
    return cnn_cuda_norm_apply(p, io);
}

static enum cnn_status norm_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                     const struct cnn_kernel_run *run) {
    const struct cnn_cuda_norm *p = norm_of(plan);
    CNN_TRY(cnn_cuda_norm_sums(p, io));
    CNN_TRY(cnn_cuda_norm_gradients(p, io, run->accumulate));
    if (plan->desc.sync) {
        CNN_TRY(exchange(p, io, run));
        CNN_TRY(cnn_cuda_norm_settle_back(p, io, run->ranks));
    }
    return io->d_in[0] ? cnn_cuda_norm_back(p, io) : CNN_OK;
}

static enum cnn_status norm_recompute(struct cnn_plan *plan, const struct cnn_kernel_io *io) {
    return cnn_cuda_norm_apply(norm_of(plan), io);
}

const struct cnn_kernel_ops cnn_cuda_norm = {
    .plan_create = norm_plan_create,
    .forward = norm_forward,
    .backward = norm_backward,
    .recompute = norm_recompute,
    .param_set = cnn_cuda_param_copy_in,
    .param_get = cnn_cuda_param_copy_out,
    .plan_destroy = cnn_cuda_plan_free,
};
