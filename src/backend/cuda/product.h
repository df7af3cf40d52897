// Our own kernels around the libraries' products, and how a plan's products share its scratch memory.
#ifndef CNN_BACKEND_CUDA_PRODUCT_H
#define CNN_BACKEND_CUDA_PRODUCT_H
#include "backend/cuda/cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- product.cu
// What follows a product and its engine does not do, in this order: + bias (c floats), + residual (like the
// output), relu. NULL: not.
struct cnn_epilogue {
    const float *bias;
    const void *residual;
    bool relu;
};
// In place on rows x c elements of `type`.
enum cnn_status cnn_cuda_epilogue(struct cnn_cuda *cuda, enum cnn_type type, void *out, size_t rows, int c,
                                  const struct cnn_epilogue *epilogue) CNN_MUST_CHECK;
// A batch norm by running statistics folded into weights of `outputs` rows of `row` floats:
//   w' = w * scale / sqrt(var + eps) in `type`, b' = (b - mean) * scale / sqrt(var + eps) + shift in floats
struct cnn_fold {
    const float *weights, *bias;             // bias NULL: 0
    const float *scale, *shift, *mean, *var; // per output
    float eps;
    int outputs;
    size_t row;
};
enum cnn_status cnn_cuda_fold_norm(struct cnn_cuda *cuda, enum cnn_type type, void *weights, float *bias,
                                   const struct cnn_fold *fold) CNN_MUST_CHECK;
// 16 bits to floats and back, for a product at the end of a network: cnn_cuda_widen, cnn_cuda_narrow.

// ---- product.c
// Weights between the model's order (output, input channel, kh, kw) and the arena's (output, kh, kw, input
// channel), where channels beyond the model's hold zeros. A linear layer's input is h x w x c likewise.
struct cnn_weight_order {
    int outputs, channels, h, w, padded; // padded: channels in the arena
};
enum cnn_status cnn_cuda_weights_in(struct cnn_plan *plan, const struct cnn_weight_order *order, float *arena,
                                    const float *values) CNN_MUST_CHECK;
enum cnn_status cnn_cuda_weights_out(struct cnn_plan *plan, const struct cnn_weight_order *order,
                                     const float *arena, float *values) CNN_MUST_CHECK;
static inline size_t cnn_weight_count(const struct cnn_weight_order *o) {
    return (size_t)o->outputs * (size_t)o->padded * (size_t)o->h * (size_t)o->w;
}

// Scratch of a product: the libraries' workspace first, then the result or its gradient in the backend's type
// where the tensor is of floats (the network's end), then the weights' gradient before it goes to the arena.
struct cnn_product_scratch {
    size_t workspace_bytes, cast_at, d_weights_at, bytes;
};
struct cnn_product_scratch cnn_product_scratch_of(size_t workspace_bytes, size_t cast_bytes,
                                                  size_t d_weights_bytes);
// Where relu's gradient is this layer's to take, takes it; then d_out in the backend's type, in `cast` where
// it is not already.
enum cnn_status cnn_product_take_gradient(struct cnn_cuda *cuda, const struct cnn_plan *plan,
                                          const struct cnn_kernel_io *io, void *cast,
                                          void **out) CNN_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
