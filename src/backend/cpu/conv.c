// Convolution: Winograd's filtering where the shape is made for it, otherwise oneDNN's direct sums.
#include "backend/cpu/conv.h"

// A plan's method follows from its description alone, and for evaluation from the training plan's: never from
// the batch or from timings. So parameters lie alike in both, and runs repeat.
static const struct cnn_kernel_ops *method_of(const struct cnn_kernel_desc *desc) {
    while (desc->like)
        desc = &desc->like->desc;
    return cnn_conv_winograd_fits(desc) ? &cnn_cpu_conv_winograd : &cnn_cpu_conv_direct;
}

static enum cnn_status conv_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                        const struct cnn_kernel_desc *desc) {
    return method_of(desc)->plan_create(out, backend, desc);
}

static enum cnn_status conv_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                    const struct cnn_kernel_run *run) {
    return method_of(&plan->desc)->forward(plan, io, run);
}

static enum cnn_status conv_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                     const struct cnn_kernel_run *run) {
    return method_of(&plan->desc)->backward(plan, io, run);
}

static enum cnn_status conv_recompute(struct cnn_plan *plan, const struct cnn_kernel_io *io) {
    return method_of(&plan->desc)->recompute(plan, io);
}

static enum cnn_status conv_refresh(struct cnn_plan *plan, const struct cnn_kernel_io *io) {
    return method_of(&plan->desc)->refresh(plan, io);
}

static enum cnn_status conv_param_set(struct cnn_plan *plan, int param, float *arena, const float *values) {
    return method_of(&plan->desc)->param_set(plan, param, arena, values);
}

static enum cnn_status conv_param_get(struct cnn_plan *plan, int param, const float *arena, float *values) {
    return method_of(&plan->desc)->param_get(plan, param, arena, values);
}

static void conv_plan_destroy(struct cnn_plan *plan) {
    if (plan)
        method_of(&plan->desc)->plan_destroy(plan);
}

const struct cnn_kernel_ops cnn_cpu_conv = {
    .plan_create = conv_plan_create,
    .forward = conv_forward,
    .backward = conv_backward,
    .recompute = conv_recompute,
    .refresh = conv_refresh,
    .param_set = conv_param_set,
    .param_get = conv_param_get,
    .plan_destroy = conv_plan_destroy,
};
