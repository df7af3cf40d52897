// Private to the batch norm of backend/cuda: the plan (norm.c) and the passes it queues (norm.cu).
#ifndef CNN_BACKEND_CUDA_NORM_H
#define CNN_BACKEND_CUDA_NORM_H
#include "backend/cuda/columns.h"
#include "backend/cuda/cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cnn_cuda_norm {
    struct cnn_plan base;
    struct cnn_cuda *cuda;
    struct cnn_columns columns, back; // forward's, backward's: the same but for the chunks
    bool residual;
};

// Blocks that a processor has at a time: so many let the compiler use the registers it needs (launch bounds).
enum { CNN_NORM_FORWARD_BLOCKS = 4, CNN_NORM_BACK_BLOCKS = 3 };

// Workspace in training: five rows of channels, floats.
enum { CNN_NORM_MEAN, CNN_NORM_INVSTD, CNN_NORM_VAR, CNN_NORM_SCALE, CNN_NORM_SHIFT, CNN_NORM_ROWS };

static inline float *cnn_norm_row(const struct cnn_cuda_norm *p, void *workspace, int which) {
    return (float *)workspace + (size_t)which * (size_t)p->columns.channels;
}

// Scratch: two rows of doubles, the sums that ranks exchange; three of floats, backward's coefficients; then
// for each channel two floats of each chunk.
static inline double *cnn_norm_totals(void *scratch) { return (double *)scratch; }
static inline float *cnn_norm_coefficients(const struct cnn_cuda_norm *p, void *scratch) {
    return (float *)(void *)((double *)scratch + 2 * (size_t)p->columns.channels);
}
static inline float *cnn_norm_partials(const struct cnn_cuda_norm *p, void *scratch) {
    return cnn_norm_coefficients(p, scratch) + 4 * (size_t)p->columns.channels; // a row is left free: 8 bytes
}
static inline size_t cnn_norm_scratch_bytes(const struct cnn_cuda_norm *p) {
    const size_t channels = (size_t)p->columns.channels,
                 chunks = (size_t)(p->columns.chunks > p->back.chunks ? p->columns.chunks : p->back.chunks);
    return channels * (2 * sizeof(double) + 4 * sizeof(float) + 2 * chunks * sizeof(float));
}

// Forward. Moments of the batch to the workspace, from its values or, where another kernel has summed those,
// from io->moments; where ranks are synchronised, sums of values and of squares to the totals, from which
// `settle` makes the workspace once they are summed over `ranks`.
enum cnn_status cnn_cuda_norm_moments(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io);
enum cnn_status cnn_cuda_norm_take_moments(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io);
enum cnn_status cnn_cuda_norm_settle(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io,
                                     int ranks);
// out = [relu](in * scale + shift [+ residual]) by the workspace, in inference by the running statistics.
enum cnn_status cnn_cuda_norm_apply(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io);

// Backward. Sums over rows of g and g * (x - mean); where it is more than a mask by input, g is left in
// d_out[0].
enum cnn_status cnn_cuda_norm_sums(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io);
// From them the parameters' gradients, and the coefficients of d_in = a g + b x + c; where ranks are
// synchronised, the totals instead, from which `settle_back` makes the coefficients.
enum cnn_status cnn_cuda_norm_gradients(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io,
                                        bool accumulate);
enum cnn_status cnn_cuda_norm_settle_back(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io,
                                          int ranks);
// d_in by the coefficients.
enum cnn_status cnn_cuda_norm_back(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io);

#ifdef __cplusplus
}
#endif
#endif
