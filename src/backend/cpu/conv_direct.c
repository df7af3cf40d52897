// Convolution by direct sums: oneDNN, weights kept blocked.
#include "backend/cpu/conv.h"
#include "backend/cpu/product.h"
#include "base/memory.h"

// The picture may stay NCHW where the first convolution is fast on it; otherwise it is blocked like
// everything else.
static enum cnn_status lay_out_pixels(struct cnn_product_plan *p, const int *weight_dims, int n_weight_dims) {
    struct cnn_layout *src = NULL, *weights = NULL;
    struct cnn_primitive *trial = NULL;
    struct cnn_tensor plain = p->base.in;
    plain.block = 1;
    enum cnn_status status = cnn_layout_tensor(&src, &plain);
    if (status == CNN_OK)
        status = cnn_layout_any(&weights, plain.type, n_weight_dims, weight_dims);
    const struct cnn_product product = {CNN_PASS_FORWARD, p->conv, src, weights, NULL, p->dst, NULL, false};
    if (status == CNN_OK && cnn_product_create(&trial, p->cpu->dnn, &product) == CNN_OK &&
        cnn_primitive_class(trial) == 2)
        p->base.in.block = 1;
    cnn_primitive_destroy(trial);
    cnn_layout_destroy(src);
    cnn_layout_destroy(weights);
    return status;
}

static enum cnn_status plan_layouts(struct cnn_product_plan *p) {
    const struct cnn_conv *conv = p->conv;
    const int in_per_group = p->base.in.c / conv->groups, out_per_group = conv->out_channels / conv->groups;
    const int grouped[5] = {conv->groups, out_per_group, in_per_group, conv->kernel[0], conv->kernel[1]};
    const int *dims = conv->groups > 1 ? grouped : grouped + 1, n_dims = conv->groups > 1 ? 5 : 4;
    CNN_TRY(cnn_layout_plain(&p->plain, CNN_TYPE_F32, n_dims, dims));
    CNN_TRY(cnn_layout_tensor(&p->dst, &p->base.out));
    if (p->base.desc.from_pixels && p->base.desc.in[0].block == 0)
        CNN_TRY(lay_out_pixels(p, dims, n_dims));
    if (p->base.desc.n_in > 1)
        CNN_TRY(cnn_layout_tensor(&p->residual, &p->base.desc.in[1]));
    return cnn_layout_tensor(&p->src, &p->base.in);
}

// Of a few values a pixel into many: soon made again from the picture, and large to keep. Behind a batch norm
// it would be wanted twice.
static bool is_cheap(const struct cnn_product_plan *p) {
    const int products = p->conv->kernel[0] * p->conv->kernel[1] * p->base.in.c / p->conv->groups;
    return p->base.desc.from_pixels && p->base.desc.relu && products <= 32;
}

static enum cnn_status direct_recompute(struct cnn_plan *plan, const struct cnn_kernel_io *io) {
    const struct cnn_kernel_run run = {0};
    return cnn_product_forward(plan, io, &run);
}

static enum cnn_status direct_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                          const struct cnn_kernel_desc *desc) {
    struct cnn_product_plan *p = NULL;
    CNN_TRY(cnn_cpu_plan_alloc(&p, sizeof *p, backend, desc));
    p->cpu = (struct cnn_cpu *)(void *)backend;
    p->conv = &desc->node->conv;
    p->bias = desc->node->conv.bias;
    p->out_channels = desc->node->conv.out_channels;
    enum cnn_status status = plan_layouts(p);
    if (status == CNN_OK)
        status = cnn_product_plan_finish(p);
    p->base.recomputable = is_cheap(p);
    if (status != CNN_OK) {
        cnn_product_plan_destroy(&p->base);
        return status;
    }
    *out = &p->base;
    return CNN_OK;
}

const struct cnn_kernel_ops cnn_cpu_conv_direct = {
    .plan_create = direct_plan_create,
    .forward = cnn_product_forward,
    .backward = cnn_product_backward,
    .recompute = direct_recompute,
    .refresh = cnn_product_refresh,
    .param_set = cnn_product_param_set,
    .param_get = cnn_product_param_get,
    .plan_destroy = cnn_product_plan_destroy,
};
