// A body for every element of flat memory: body.at<N>(i) does elements i ... i + N - 1.
#ifndef CNN_BACKEND_CUDA_EACH_CUH
#define CNN_BACKEND_CUDA_EACH_CUH
#include "backend/cuda/vector.cuh"

template <int N, typename Body>
static __global__ void __launch_bounds__(CNN_THREADS) cnn_each_kernel(const Body body, size_t n) {
    const size_t step = (size_t)gridDim.x * CNN_THREADS * N;
    size_t i = ((size_t)blockIdx.x * CNN_THREADS + threadIdx.x) * N;
    for (; i + N <= n; i += step)
        body.template at<N>(i);
    for (; i < n; i++) // the last few: of one thread
        body.template at<1>(i);
}

// N elements a thread, where `whole` allows (memory aligned, for most bodies), else one.
template <int N, typename Body>
static inline enum cnn_status cnn_each(const struct cnn_cuda *cuda, const Body &body, size_t n, bool whole,
                                       const char *what) {
    if (n == 0)
        return CNN_OK;
    if (whole)
        CNN_LAUNCH((cnn_each_kernel<N, Body>), cnn_grid(cuda, (n + N - 1) / N), CNN_THREADS, cuda->compute,
                   body, n);
    else
        CNN_LAUNCH((cnn_each_kernel<1, Body>), cnn_grid(cuda, n), CNN_THREADS, cuda->compute, body, n);
    return cnn_launched(what);
}

#endif
