// What the plans of all kernels share.
#include "backend/cuda/cuda.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

// Pictures in colour get a fourth channel, so that a pixel is a power of two of bytes.
static int block_of(const struct cnn_tensor *in) { return in->block ? in->block : in->c == 3 ? 4 : in->c; }

enum cnn_status cnn_cuda_plan_alloc(void *out_plan, size_t plan_bytes, struct cnn_backend *backend,
                                    const struct cnn_kernel_desc *desc) {
    struct cnn_plan *plan = NULL;
    (void)backend;
    CNN_TRY(cnn_calloc(&plan, 1, plan_bytes));
    plan->desc = *desc;
    plan->in = desc->in[0];
    plan->in.block = block_of(&desc->in[0]);
    plan->out = (struct cnn_tensor){plan->in.n,    desc->shape.h, desc->shape.w,
                                    desc->shape.c, desc->shape.c, desc->out_type};
    memcpy(out_plan, &plan, sizeof plan);
    return CNN_OK;
}

void cnn_cuda_plan_free(struct cnn_plan *plan) { free(plan); }

// A plan knows no stream, so the device is waited for as a whole, before the copy and after.
static enum cnn_status copy_alone(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind) {
    CNN_CUDA_TRY(cudaDeviceSynchronize(), "waiting for the device");
    CNN_CUDA_TRY(cudaMemcpy(to, from, bytes, kind), "copying a parameter");
    return cnn_cuda_check(cudaDeviceSynchronize(), "copying a parameter");
}

enum cnn_status cnn_cuda_param_copy_in(struct cnn_plan *plan, int param, float *arena, const float *values) {
    return copy_alone(arena, values, plan->param_counts[param] * sizeof(float), cudaMemcpyHostToDevice);
}

enum cnn_status cnn_cuda_param_copy_out(struct cnn_plan *plan, int param, const float *arena, float *values) {
    return copy_alone(values, arena, plan->param_counts[param] * sizeof(float), cudaMemcpyDeviceToHost);
}
