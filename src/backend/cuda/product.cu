// What follows a product where its engine does not do it, and a batch norm folded into weights.
#include "backend/cuda/each.cuh"
#include "backend/cuda/product.h"

template <typename T> struct epilogue_body {
    T *out;
    const float *bias;
    const T *residual;
    size_t c;
    bool relu;
    // N elements are of one row: c is a multiple of N
    template <int N> __device__ void at(size_t i) const {
        cnn_floats<N> x = cnn_load<N>(out + i);
        if (bias) {
            const size_t first = i % c;
#pragma unroll
            for (int k = 0; k < N; k++)
                x.at[k] += bias[first + k];
        }
        if (residual) {
            const cnn_floats<N> y = cnn_load<N>(residual + i);
#pragma unroll
            for (int k = 0; k < N; k++)
                x.at[k] += y.at[k];
        }
#pragma unroll
        for (int k = 0; k < N; k++)
            x.at[k] = relu ? cnn_relu(x.at[k]) : x.at[k];
        cnn_store(out + i, x);
    }
};

enum cnn_status cnn_cuda_epilogue(struct cnn_cuda *cuda, enum cnn_type type, void *out, size_t rows, int c,
                                  const struct cnn_epilogue *epilogue) {
    enum cnn_status status = CNN_OK;
    cnn_with_type(type, [&](auto zero) {
        using T = decltype(zero);
        const epilogue_body<T> body = {(T *)out, epilogue->bias, (const T *)epilogue->residual, (size_t)c,
                                       epilogue->relu};
        const bool whole = c % cnn_width<T> == 0 && cnn_aligned(out, epilogue->residual);
        status = cnn_each<cnn_width<T>>(cuda, body, rows * (size_t)c, whole, "adding a bias");
    });
    return status;
}

static __device__ double fold_scale(const struct cnn_fold &fold, size_t output) {
    return (double)fold.scale[output] / sqrt((double)fold.var[output] + (double)fold.eps);
}

template <typename T> struct fold_weights_body {
    struct cnn_fold fold;
    T *weights;
    template <int N> __device__ void at(size_t i) const {
        cnn_floats<N> w = cnn_load<N>(fold.weights + i);
        const float scale = (float)fold_scale(fold, i / fold.row);
#pragma unroll
        for (int k = 0; k < N; k++)
            w.at[k] *= scale;
        cnn_store(weights + i, w);
    }
};

struct fold_bias_body {
    struct cnn_fold fold;
    float *bias;
    template <int N> __device__ void at(size_t i) const {
#pragma unroll
        for (int k = 0; k < N; k++) {
            const size_t o = i + k;
            const double given = fold.bias ? (double)fold.bias[o] : 0.0;
            bias[o] = (float)((given - (double)fold.mean[o]) * fold_scale(fold, o) + (double)fold.shift[o]);
        }
    }
};

enum cnn_status cnn_cuda_fold_norm(struct cnn_cuda *cuda, enum cnn_type type, void *weights, float *bias,
                                   const struct cnn_fold *fold) {
    enum cnn_status status = CNN_OK;
    cnn_with_type(type, [&](auto zero) {
        using T = decltype(zero);
        const fold_weights_body<T> body = {*fold, (T *)weights};
        status = cnn_each<1>(cuda, body, (size_t)fold->outputs * fold->row, true, "folding a norm");
    });
    if (status != CNN_OK)
        return status;
    const fold_bias_body body = {*fold, bias};
    return cnn_each<1>(cuda, body, (size_t)fold->outputs, true, "folding a norm");
}
