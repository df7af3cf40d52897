// Sum, relu and dropout: plans. The kernels are in elementwise.cu.
#include "backend/cuda/elementwise.h"

#include "base/random.h"

struct elementwise_plan {
    struct cnn_plan base;
    struct cnn_cuda *cuda;
};

static struct elementwise_plan *plan_of(struct cnn_plan *plan) {
    return (struct elementwise_plan *)(void *)plan;
}

static enum cnn_status elementwise_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                               const struct cnn_kernel_desc *desc) {
    struct elementwise_plan *p = NULL;
    CNN_TRY(cnn_cuda_plan_alloc(&p, sizeof *p, backend, desc));
    struct cnn_plan *base = &p->base;
    p->cuda = cnn_cuda_of(backend);
    base->out.block = base->in.block;
    base->in_place = 0;
    base->max_gradients = 1;
    base->implementation = "own";
    *out = base;
    if (base->out.type == base->in.type &&
        (desc->n_in < 2 || (desc->in[1].block == base->in.block && desc->in[1].type == base->in.type)))
        return CNN_OK;
    cnn_cuda_plan_free(base);
    *out = NULL;
    return cnn_fail(
        CNN_ERR_UNSUPPORTED,
        "%s: a sum, relu or dropout of tensors with different layouts, or at the end of a network with "
        "16-bit activations, is not supported; end the network with a linear layer or average pooling",
        desc->node->name);
}

static size_t count_of(const struct cnn_plan *plan) { return cnn_tensor_count(&plan->out); }

static enum cnn_status copy(const struct elementwise_plan *p, void *to, const void *from) {
    return cnn_cuda_check(
        cudaMemcpyAsync(to, from, cnn_tensor_bytes(&p->base.out), cudaMemcpyDeviceToDevice, p->cuda->compute),
        "copying a tensor");
}

static enum cnn_status add_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                       const struct cnn_kernel_desc *desc) {
    CNN_TRY(elementwise_plan_create(out, backend, desc));
    (*out)->reads_out = desc->relu && desc->relu_backward;
    return CNN_OK;
}

static enum cnn_status add_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                   const struct cnn_kernel_run *run) {
    (void)run;
    return cnn_cuda_sum_of(plan_of(plan)->cuda, plan->in.type, io->out, io->in[0], io->in[1], count_of(plan),
                           plan->desc.relu);
}

static enum cnn_status add_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                    const struct cnn_kernel_run *run) {
    const struct elementwise_plan *p = plan_of(plan);
    (void)run;
    if (plan->reads_out)
        CNN_TRY(
            cnn_cuda_relu_grad(p->cuda, plan->in.type, io->d_out[0], io->d_out[0], io->out, count_of(plan)));
    for (int i = 0; i < 2; i++)
        if (io->d_in[i] && io->d_in[i] != io->d_out[0])
            CNN_TRY(copy(p, io->d_in[i], io->d_out[0]));
    return CNN_OK;
}

static enum cnn_status relu_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                        const struct cnn_kernel_desc *desc) {
    CNN_TRY(elementwise_plan_create(out, backend, desc));
    (*out)->reads_out = true;
    return CNN_OK;
}

static enum cnn_status relu_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                    const struct cnn_kernel_run *run) {
    (void)run;
    return cnn_cuda_relu_of(plan_of(plan)->cuda, plan->in.type, io->out, io->in[0], count_of(plan));
}

static enum cnn_status relu_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                     const struct cnn_kernel_run *run) {
    (void)run;
    if (!io->d_in[0])
        return CNN_OK;
    return cnn_cuda_relu_grad(plan_of(plan)->cuda, plan->in.type, io->d_in[0], io->d_out[0], io->out,
                              count_of(plan));
}

static enum cnn_status dropout(struct cnn_plan *plan, const struct cnn_kernel_run *run, void *to,
                               const void *from) {
    const struct cnn_dropping d =
        cnn_dropout_of(plan->desc.node->dropout.p, plan->desc.seed, plan->desc.layer, CNN_PURPOSE_DROPOUT);
    return cnn_cuda_dropout_of(plan_of(plan)->cuda, plan->in.type, to, from, count_of(plan),
                               count_of(plan) / (size_t)plan->out.n, &d, run->control);
}

static enum cnn_status dropout_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                       const struct cnn_kernel_run *run) {
    if (!plan->desc.training)
        return copy(plan_of(plan), io->out, io->in[0]);
    return dropout(plan, run, io->out, io->in[0]);
}

static enum cnn_status dropout_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                        const struct cnn_kernel_run *run) {
    return io->d_in[0] ? dropout(plan, run, io->d_in[0], io->d_out[0]) : CNN_OK;
}

const struct cnn_kernel_ops cnn_cuda_add = {
    .plan_create = add_plan_create,
    .forward = add_forward,
    .backward = add_backward,
    .plan_destroy = cnn_cuda_plan_free,
};
const struct cnn_kernel_ops cnn_cuda_relu = {
    .plan_create = relu_plan_create,
    .forward = relu_forward,
    .backward = relu_backward,
    .plan_destroy = cnn_cuda_plan_free,
};
const struct cnn_kernel_ops cnn_cuda_dropout = {
    .plan_create = elementwise_plan_create,
    .forward = dropout_forward,
    .backward = dropout_backward,
    .plan_destroy = cnn_cuda_plan_free,
};
