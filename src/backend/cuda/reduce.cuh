// Sums over the threads of a warp and of a block, always in the same order.
#ifndef CNN_BACKEND_CUDA_REDUCE_CUH
#define CNN_BACKEND_CUDA_REDUCE_CUH
#include "backend/cuda/launch.cuh"

enum : unsigned { CNN_ALL_LANES = 0xffffffffu };

// Every lane gets the sum, with the same bits: a butterfly adds the same pairs everywhere.
template <typename V> static __device__ inline V cnn_warp_sum(V v) {
#pragma unroll
    for (int lane = CNN_WARP / 2; lane > 0; lane /= 2)
        v += __shfl_xor_sync(CNN_ALL_LANES, v, lane);
    return v;
}

static __device__ inline float cnn_warp_max(float v) {
#pragma unroll
    for (int lane = CNN_WARP / 2; lane > 0; lane /= 2)
        v = fmaxf(v, __shfl_xor_sync(CNN_ALL_LANES, v, lane));
    return v;
}

// The sum over a block of THREADS; `sums` is shared memory for a value of each warp. Thread 0 gets it.
template <int THREADS, typename V> static __device__ inline V cnn_block_sum(V v, V *sums) {
    v = cnn_warp_sum(v);
    __syncthreads(); // `sums` may still be read
    if (threadIdx.x % CNN_WARP == 0)
        sums[threadIdx.x / CNN_WARP] = v;
    __syncthreads();
    v = 0;
    for (int warp = 0; threadIdx.x == 0 && warp < THREADS / CNN_WARP; warp++)
        v += sums[warp];
    return v;
}

#endif
