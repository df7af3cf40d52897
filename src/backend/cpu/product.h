// What convolutions and linear layers share: weights kept in oneDNN's layout, three products, accumulation,
// relu's gradient.
#ifndef CNN_BACKEND_CPU_PRODUCT_H
#define CNN_BACKEND_CPU_PRODUCT_H
#include "backend/cpu/cpu.h"
#include "backend/cpu/fit.h"

struct cnn_product_plan {
    struct cnn_plan base;
    struct cnn_cpu *cpu;
    const struct cnn_conv *conv; // NULL: linear
    bool bias;
    int out_channels;
    struct cnn_layout *src, *dst, *residual;
    // Weights: plain as in the model, arena as trained (both floats), compute as multiplied (the input's
    // type, element by element where the arena has them).
    struct cnn_layout *plain, *arena, *compute;
    struct cnn_layout *d_dst; // the output's gradient as backward takes it: of the input's type
    struct cnn_fit forward, data, weights;
    struct cnn_primitive *to_arena, *to_plain, *to_folded; // reorders, outside the step
    size_t temporary_offset; // in scratch: gradients before they are added to the arena
    size_t narrowed_offset;  // in scratch: the output's gradient, where it comes in another type
};

// Finishes a plan whose base, cpu, conv, bias, out_channels, src, dst and plain are set.
enum cnn_status cnn_product_plan_finish(struct cnn_product_plan *plan) CNN_MUST_CHECK;
enum cnn_status cnn_product_forward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                    const struct cnn_kernel_run *run);
enum cnn_status cnn_product_backward(struct cnn_plan *plan, const struct cnn_kernel_io *io,
                                     const struct cnn_kernel_run *run);
enum cnn_status cnn_product_refresh(struct cnn_plan *plan, const struct cnn_kernel_io *io);
enum cnn_status cnn_product_param_set(struct cnn_plan *plan, int param, float *arena, const float *values);
enum cnn_status cnn_product_param_get(struct cnn_plan *plan, int param, const float *arena, float *values);
void cnn_product_plan_destroy(struct cnn_plan *plan);

#endif
