// Linear layer: three products of matrices by cuBLASLt. Weights lie in the arena as rows of h x w x c like a
// sample of the input, so that pictures are taken as they lie. A row of values is a column to cuBLAS:
//   out (outputs x n) = weights^T (outputs x inputs) in (inputs x n)
//   d_in (inputs x n) = weights (inputs x outputs) d_out (outputs x n)
//   d_weights (inputs x outputs) = in (inputs x n) d_out^T (n x outputs), floats
#include "backend/cuda/blas.h"
#include "backend/cuda/product.h"
#include <stdio.h>
#include <string.h>

struct linear_plan {
    struct cnn_plan base;
    struct cnn_cuda *cuda;
    bool bias;
    struct cnn_weight_order order;
    struct cnn_matmul forward, data, weights; // data, weights: in training
    struct cnn_product_scratch scratch;
    char implementation[96], passes[3][CNN_NAME_BYTES + 24];
};

static int inputs_of(const struct linear_plan *p) { return p->order.h * p->order.w * p->order.padded; }

// ---- planning ----

// With as much of bias and relu as cuBLASLt can do itself; ours does the rest.
static enum cnn_status plan_forward(struct linear_plan *p) {
    struct cnn_matmul_shape shape = {.m = p->order.outputs,
                                     .n = p->base.in.n,
                                     .k = inputs_of(p),
                                     .transpose_a = true,
                                     .in = p->base.in.type,
                                     .out = p->base.out.type,
                                     .bias = p->bias,
                                     .relu = p->base.desc.relu};
    enum cnn_status status = cnn_matmul_init(&p->forward, p->cuda, &shape);
    if (status == CNN_ERR_UNSUPPORTED && shape.relu) {
        shape.relu = false;
        status = cnn_matmul_init(&p->forward, p->cuda, &shape);
    }
    if (status == CNN_ERR_UNSUPPORTED && shape.bias) {
        shape.bias = shape.relu = false;
        status = cnn_matmul_init(&p->forward, p->cuda, &shape);
    }
    return status;
}

static enum cnn_status plan_backward(struct linear_plan *p) {
    const enum cnn_type type = p->base.in.type;
    const struct cnn_matmul_shape data = {
        .m = inputs_of(p), .n = p->base.in.n, .k = p->order.outputs, .in = type, .out = type};
    const struct cnn_matmul_shape weights = {.m = inputs_of(p),
                                             .n = p->order.outputs,
                                             .k = p->base.in.n,
                                             .transpose_b = true,
                                             .in = type,
                                             .out = CNN_TYPE_F32};
    if (!p->base.desc.from_pixels)
        CNN_TRY(cnn_matmul_init(&p->data, p->cuda, &data));
    return cnn_matmul_init(&p->weights, p->cuda, &weights);
}

static enum cnn_status plan_products(struct linear_plan *p) {
    enum cnn_status status = plan_forward(p);
    if (status == CNN_OK && p->base.desc.training)
        status = plan_backward(p);
    return status == CNN_OK ? CNN_OK
                            : cnn_fail_in(status, "%s (%d -> %d, batch %d)", p->base.desc.node->name,
                                          inputs_of(p), p->order.outputs, p->base.in.n);
}

static void name_products(struct linear_plan *p) {
    static const char *const words[] = {"forward", "backward, inputs", "backward, weights"};
    const struct cnn_matmul *f = &p->forward;
    snprintf(p->implementation, sizeof p->implementation, "cublaslt fwd%s%s algorithm %d",
             f->shape.bias ? "+bias" : "", f->shape.relu ? "+relu" : "", f->algorithm_number);
    if (p->base.desc.training)
        snprintf(p->implementation + strlen(p->implementation),
                 sizeof p->implementation - strlen(p->implementation), ", wgrad algorithm %d",
                 p->weights.algorithm_number);
    for (int i = 0; i < 3; i++)
        snprintf(p->passes[i], sizeof p->passes[i], "%.*s, %s", CNN_NAME_BYTES, p->base.desc.node->name,
                 words[i]);
    p->base.implementation = p->implementation;
}

static size_t largest(size_t a, size_t b) { return a > b ? a : b; }

static void plan_scratch(struct linear_plan *p) {
    const struct cnn_tensor *out = &p->base.out;
    size_t workspace =
        largest(p->forward.workspace_bytes, largest(p->data.workspace_bytes, p->weights.workspace_bytes));
    if (p->base.desc.training && p->bias)
        workspace = largest(workspace, cnn_cuda_sum_rows_scratch(p->cuda, (size_t)out->n, out->c));
    const bool casts = p->base.desc.training && out->type != p->base.in.type;
    p->scratch = cnn_product_scratch_of(
        workspace, casts ? cnn_tensor_count(out) * cnn_type_bytes(p->base.in.type) : 0, 0);
    p->base.scratch_bytes = p->scratch.bytes;
}

static void plan_declarations(struct linear_plan *p) {
    p->base.n_params = p->bias ? 2 : 1;
    p->base.param_counts[0] = cnn_weight_count(&p->order);
    if (p->bias)
        p->base.param_counts[1] = (size_t)p->order.outputs;
    p->base.reads_in = true;
    p->base.reads_out = p->base.desc.relu && p->base.desc.relu_backward;
    p->base.in_place = -1;
    p->base.over_input = true;
    p->base.max_gradients = 1;
}

static void linear_plan_destroy(struct cnn_plan *plan) {
    struct linear_plan *p = (struct linear_plan *)(void *)plan;
    if (!p)
        return;
    cnn_matmul_finish(&p->forward);
    cnn_matmul_finish(&p->data);
    cnn_matmul_finish(&p->weights);
    cnn_cuda_plan_free(plan);
}

static enum cnn_status linear_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                          const struct cnn_kernel_desc *desc) {
    struct linear_plan *p = NULL;
    CNN_TRY(cnn_cuda_plan_alloc(&p, sizeof *p, backend, desc));
    const struct cnn_tensor *in = &p->base.in;
    p->cuda = cnn_cuda_of(backend);
    p->bias = desc->node->linear.bias;
    p->order = (struct cnn_weight_order){desc->node->linear.out_features, in->c, in->h, in->w,
                                         (int)cnn_tensor_channels(in)};
    const enum cnn_status status = plan_products(p);
    if (status != CNN_OK) {
        linear_plan_destroy(&p->base);
        return status;
    }
    name_products(p);
    plan_scratch(p);
    plan_declarations(p);
    *out = &p->base;
    return CNN_OK;
}

// ---- running ----

static enum cnn_status linear_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                      const struct cnn_kernel_run *run) {
    struct linear_plan *p = (struct linear_plan *)(void *)plan;
    const struct cnn_matmul_shape *done = &p->forward.shape;
    (void)run;
    const struct cnn_matmul_memory memory = {
        .a = io->compute[0],
        .b = io->in[0],
        .bias = !done->bias                 ? NULL
                : done->out == CNN_TYPE_F32 ? (const void *)io->params[1]
                                            : io->compute[1],
        .d = io->out,
        .workspace = io->scratch,
    };
    CNN_TRY(cnn_matmul_run(&p->forward, p->cuda, &memory, p->passes[0]));
    const struct cnn_epilogue rest = {.bias = p->bias && !done->bias ? io->params[1] : NULL,
                                      .relu = plan->desc.relu && !done->relu};
    if (!rest.bias && !rest.relu)
        return CNN_OK;
    return cnn_cuda_epilogue(p->cuda, plan->out.type, io->out, (size_t)plan->out.n, plan->out.c, &rest);
}

static enum cnn_status linear_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                       const struct cnn_kernel_run *run) {
    struct linear_plan *p = (struct linear_plan *)(void *)plan;
    void *gradient = NULL;
    CNN_TRY(
        cnn_product_take_gradient(p->cuda, plan, io, (char *)io->scratch + p->scratch.cast_at, &gradient));
    const struct cnn_matmul_memory weights = {.a = io->in[0],
                                              .b = gradient,
                                              .d = io->d_params[0],
                                              .workspace = io->scratch,
                                              .accumulate = run->accumulate};
    CNN_TRY(cnn_matmul_run(&p->weights, p->cuda, &weights, p->passes[2]));
    if (p->bias)
        CNN_TRY(cnn_cuda_sum_rows(p->cuda, io->d_params[1], p->base.in.type, gradient, (size_t)plan->out.n,
                                  plan->out.c, run->accumulate, io->scratch));
    if (!io->d_in[0])
        return CNN_OK;
    const struct cnn_matmul_memory data = {
        .a = io->compute[0], .b = gradient, .d = io->d_in[0], .workspace = io->scratch};
    return cnn_matmul_run(&p->data, p->cuda, &data, p->passes[1]); // last: it may lie over the input
}

// ---- parameters ----

static enum cnn_status linear_param_set(struct cnn_plan *plan, int param, float *arena, const float *values) {
    struct linear_plan *p = (struct linear_plan *)(void *)plan;
    return param == 0 ? cnn_cuda_weights_in(plan, &p->order, arena, values)
                      : cnn_cuda_param_copy_in(plan, param, arena, values);
}

static enum cnn_status linear_param_get(struct cnn_plan *plan, int param, const float *arena, float *values) {
    struct linear_plan *p = (struct linear_plan *)(void *)plan;
    return param == 0 ? cnn_cuda_weights_out(plan, &p->order, arena, values)
                      : cnn_cuda_param_copy_out(plan, param, arena, values);
}

const struct cnn_kernel_ops cnn_cuda_linear = {
    .plan_create = linear_plan_create,
    .forward = linear_forward,
    .backward = linear_backward,
    .param_set = linear_param_set,
    .param_get = linear_param_get,
    .plan_destroy = linear_plan_destroy,
};
