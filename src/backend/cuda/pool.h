// Private to the pools of backend/cuda: plans are made in pool.c, kernels launched in pool.cu.
#ifndef CNN_BACKEND_CUDA_POOL_H
#define CNN_BACKEND_CUDA_POOL_H
#include "backend/cuda/cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

// Position in the window that is written where an output that is not positive passes no gradient back.
#define CNN_CUDA_NO_WINNER 255

// Everything a kernel needs to know of the shapes; tensors are [n][h][w][channels].
struct cnn_pool_shape {
    int n, h, w, out_h, out_w, channels, kernel[2], stride[2], padding[2];
    bool adaptive, count_include_pad;
    bool positive; // max: an output that is not positive has no winner
};

struct cnn_cuda_pool {
    struct cnn_plan base;
    struct cnn_cuda *cuda;
    struct cnn_pool_shape shape;
};

// argmax (like out; may be NULL) numbers the winning window position.
enum cnn_status cnn_cuda_max_pool_forward(const struct cnn_cuda_pool *p, void *out, uint8_t *argmax,
                                          const void *in) CNN_MUST_CHECK;
// out NULL, or the gradient of outputs that are not positive is 0.
enum cnn_status cnn_cuda_max_pool_backward(const struct cnn_cuda_pool *p, void *d_in, const void *d_out,
                                           const uint8_t *argmax, const void *out) CNN_MUST_CHECK;
enum cnn_status cnn_cuda_average_forward(const struct cnn_cuda_pool *p, void *out,
                                         const void *in) CNN_MUST_CHECK;
enum cnn_status cnn_cuda_average_backward(const struct cnn_cuda_pool *p, void *d_in,
                                          const void *d_out) CNN_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
