// Gradients to 16 bits and back. Memory-bound: a thread does one element at a time of a loop over the grid.
#include "backend/cuda/launch.cuh"

#include "backend/cuda/exchange.h"
#include "base/half.h"

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
static __global__ void __launch_bounds__(CNN_THREADS) convert_kernel(Out *out, const In *in, size_t n) {
    const size_t step = (size_t)gridDim.x * CNN_THREADS;
    for (size_t i = (size_t)blockIdx.x * CNN_THREADS + threadIdx.x; i < n; i += step)
        Conversion::convert(out + i, in + i);
}

template <typename Conversion, typename Out, typename In>
static enum cnn_status convert(const struct cnn_cuda *cuda, cudaStream_t stream, Out *out, const In *in,
                               size_t n) {
    if (n == 0)
        return CNN_OK;
    CNN_LAUNCH((convert_kernel<Conversion, Out, In>), cnn_grid(cuda, n), CNN_THREADS, stream, out, in, n);
    return cnn_launched("rounding gradients");
}

enum cnn_status cnn_cuda_pack(const struct cnn_cuda *cuda, cudaStream_t stream, uint16_t *out,
                              const float *in, size_t n, enum cnn_precision precision) {
    return precision == CNN_PRECISION_BF16 ? convert<to_bf16>(cuda, stream, out, in, n)
                                           : convert<to_fp16>(cuda, stream, out, in, n);
}

enum cnn_status cnn_cuda_unpack(const struct cnn_cuda *cuda, cudaStream_t stream, float *out,
                                const uint16_t *in, size_t n, enum cnn_precision precision) {
    return precision == CNN_PRECISION_BF16 ? convert<from_bf16>(cuda, stream, out, in, n)
                                           : convert<from_fp16>(cuda, stream, out, in, n);
}
