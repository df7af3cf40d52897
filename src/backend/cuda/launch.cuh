// What every CUDA source of ours includes first: how kernels are launched, how many blocks they get, and how
// a tensor's type becomes a C++ type. Apart from CNN_LAUNCH a source holds nothing that only nvcc can read,
// so that tests/cuda/emulator runs the same kernels on the host.
#ifndef CNN_BACKEND_CUDA_LAUNCH_CUH
#define CNN_BACKEND_CUDA_LAUNCH_CUH
extern "C" {
#include "backend/ops.h"
}
#include "backend/cuda/cuda.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

// Put a template's kernel in parentheses. Shared memory is static everywhere.
#if !defined(CNN_LAUNCH)
#define CNN_LAUNCH(kernel, grid, block, stream, ...) kernel<<<(grid), (block), 0, (stream)>>>(__VA_ARGS__)
#endif

enum { CNN_THREADS = 256, CNN_WARP = 32 }; // of a block, unless a kernel says otherwise

// Blocks for n threads' work in loops over the grid: no more than the device runs at a time.
static inline unsigned cnn_grid(const struct cnn_cuda *cuda, size_t n_threads) {
    const size_t blocks = (n_threads + CNN_THREADS - 1) / CNN_THREADS, most = (size_t)cuda->processors * 8;
    return (unsigned)(blocks < 1 ? 1 : blocks < most ? blocks : most);
}

// After launches: what `what` began could not be queued.
static inline enum cnn_status cnn_launched(const char *what) {
    return cnn_cuda_check(cudaGetLastError(), what);
}

// body(T()) with T the type's.
template <typename Body> static inline void cnn_with_type(enum cnn_type type, const Body &body) {
    if (type == CNN_TYPE_F32)
        body(float());
    else if (type == CNN_TYPE_BF16)
        body(__nv_bfloat16());
    else
        body(__half());
}

#endif
