// Private to the elementwise ops of backend/cuda: plans are made in elementwise.c, kernels launched in
// elementwise.cu. All are of n elements.
#ifndef CNN_BACKEND_CUDA_ELEMENTWISE_H
#define CNN_BACKEND_CUDA_ELEMENTWISE_H
#include "backend/cuda/cuda.h"
#include "backend/dropout.h"

#ifdef __cplusplus
extern "C" {
#endif

// out = [relu](a + b); out may be a or b.
enum cnn_status cnn_cuda_sum_of(struct cnn_cuda *cuda, enum cnn_type type, void *out, const void *a,
                                const void *b, size_t n, bool relu) CNN_MUST_CHECK;
enum cnn_status cnn_cuda_relu_of(struct cnn_cuda *cuda, enum cnn_type type, void *out, const void *in,
                                 size_t n) CNN_MUST_CHECK;
// of samples of per_sample elements
enum cnn_status cnn_cuda_dropout_of(struct cnn_cuda *cuda, enum cnn_type type, void *out, const void *in,
                                    size_t n, size_t per_sample, const struct cnn_dropping *d,
                                    const struct cnn_control *control) CNN_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
