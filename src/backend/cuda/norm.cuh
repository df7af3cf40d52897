// What the forward and backward passes of batch norm share.
#ifndef CNN_BACKEND_CUDA_NORM_CUH
#define CNN_BACKEND_CUDA_NORM_CUH
#include "backend/cuda/columns.cuh"
#include "backend/cuda/norm.h"

struct cnn_norm_rows {
    float *mean, *invstd, *var, *scale, *shift; // rows of the workspace
    const float *gamma, *beta;
    int channels, real; // with padding; without
};

static inline struct cnn_norm_rows cnn_norm_rows_of(const struct cnn_cuda_norm *p,
                                                    const struct cnn_kernel_io *io) {
    return {cnn_norm_row(p, io->workspace, CNN_NORM_MEAN),
            cnn_norm_row(p, io->workspace, CNN_NORM_INVSTD),
            cnn_norm_row(p, io->workspace, CNN_NORM_VAR),
            cnn_norm_row(p, io->workspace, CNN_NORM_SCALE),
            cnn_norm_row(p, io->workspace, CNN_NORM_SHIFT),
            io->params[0],
            io->params[1],
            p->columns.channels,
            p->base.in.c};
}

// launch(T(), width): T the tensors' type, width a cnn_count of the channels a thread has.
template <typename Launch>
static inline void cnn_norm_by_kind(const struct cnn_cuda_norm *p, const Launch &launch) {
    cnn_with_type(p->base.in.type, [&](auto zero) {
        if (p->columns.width > 1)
            launch(zero, cnn_count<cnn_width<decltype(zero)>>());
        else
            launch(zero, cnn_count<1>());
    });
}

// Blocks for a warp or a thread per channel.
static inline unsigned cnn_norm_warps(int channels) {
    return (unsigned)(channels + CNN_THREADS / CNN_WARP - 1) / (CNN_THREADS / CNN_WARP);
}

static inline unsigned cnn_norm_threads(int channels) {
    return (unsigned)(channels + CNN_THREADS - 1) / CNN_THREADS;
}

#endif
