// Linear layer: oneDNN's inner product over C, H, W of a sample, so that it takes blocked pictures as they
// lie.
#include "backend/cpu/product.h"
#include "base/memory.h"

static enum cnn_status plan_layouts(struct cnn_product_plan *p) {
    const struct cnn_tensor *in = &p->base.in;
    const bool vector = in->h == 1 && in->w == 1 && in->block == in->c;
    const int weights[4] = {p->out_channels, in->c, in->h, in->w}, src[2] = {in->n, in->c},
              dst[2] = {in->n, p->out_channels};
    CNN_TRY(cnn_layout_plain(&p->plain, CNN_TYPE_F32, vector ? 2 : 4, weights));
    CNN_TRY(cnn_layout_plain(&p->dst, p->base.out.type, 2, dst));
    return vector ? cnn_layout_plain(&p->src, in->type, 2, src) : cnn_layout_tensor(&p->src, in);
}

static enum cnn_status linear_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                          const struct cnn_kernel_desc *desc) {
    struct cnn_product_plan *p = NULL;
    CNN_TRY(cnn_cpu_plan_alloc(&p, sizeof *p, backend, desc));
    p->cpu = (struct cnn_cpu *)(void *)backend;
    p->bias = desc->node->linear.bias;
    p->out_channels = desc->node->linear.out_features;
    enum cnn_status status = plan_layouts(p);
    if (status == CNN_OK)
        status = cnn_product_plan_finish(p);
    if (status != CNN_OK) {
        cnn_product_plan_destroy(&p->base);
        return status;
    }
    *out = &p->base;
    return CNN_OK;
}

const struct cnn_kernel_ops cnn_cpu_linear = {
    .plan_create = linear_plan_create,
    .forward = cnn_product_forward,
    .backward = cnn_product_backward,
    .refresh = cnn_product_refresh,
    .param_set = cnn_product_param_set,
    .param_get = cnn_product_param_get,
    .plan_destroy = cnn_product_plan_destroy,
};
