// Gradients to 16 bits and back. Memory-bound: a thread does one element at a time of a loop over the grid.
#include "backend/cuda/exchange.h"
#include "base/half.h"

#if !defined(CNN_LAUNCH)
#define CNN_LAUNCH(kernel, grid, block, stream, ...) kernel<<<(grid), (block), 0, (stream)>>>(__VA_ARGS__)
#endif

static const unsigned THREADS = 256;
static const size_t MOST_BLOCKS = 1024;

struct to_bf16 {
    static __device__ void convert(uint16_t *out, const float *in) { *out = cnn_bf16_from_float(*in); }
};
struct to_fp16 {
    static __device__ void convert(uint16_t *out, const float *in) { *out = cnn_fp16_from_float(*in); }
};
struct from_bf16 {
    static __device__ void convert(float *out, const uint16_t *in) { *out = cnn_bf16_to_float(*in); }
};
struct from_fp16 {
    static __device__ void convert(float *out, const uint16_t *in) { *out = cnn_fp16_to_float(*in); }
};

template <typename Conversion, typename Out, typename In>
static __global__ void __launch_bounds__(THREADS) convert_kernel(Out *out, const In *in, size_t n) {
    const size_t step = (size_t)gridDim.x * THREADS;
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < n; i += step)
        Conversion::convert(out + i, in + i);
}

template <typename Conversion, typename Out, typename In>
static enum cnn_status convert(cudaStream_t stream, Out *out, const In *in, size_t n) {
    const size_t blocks = (n + THREADS - 1) / THREADS;
    if (n == 0)
        return CNN_OK;
    CNN_LAUNCH((convert_kernel<Conversion, Out, In>), (unsigned)(blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS),
               THREADS, stream, out, in, n);
    return cnn_cuda_check(cudaGetLastError(), "rounding gradients");
}

enum cnn_status cnn_cuda_pack(cudaStream_t stream, uint16_t *out, const float *in, size_t n,
                              enum cnn_precision precision) {
    return precision == CNN_PRECISION_BF16 ? convert<to_bf16>(stream, out, in, n)
                                           : convert<to_fp16>(stream, out, in, n);
}

enum cnn_status cnn_cuda_unpack(cudaStream_t stream, float *out, const uint16_t *in, size_t n,
                                enum cnn_precision precision) {
    return precision == CNN_PRECISION_BF16 ? convert<from_bf16>(stream, out, in, n)
                                           : convert<from_fp16>(stream, out, in, n);
}
