// Everything that goes element by element, and sums of a matrix's rows. Results may lie where an operand
// does.
#include "backend/cuda/columns.cuh"
#include "backend/cuda/each.cuh"
#include "backend/cuda/elementwise.h"

template <typename T> struct sum_body {
    T *out;
    const T *a, *b;
    bool relu;
    template <int N> __device__ void at(size_t i) const {
        cnn_floats<N> x = cnn_load<N>(a + i);
        const cnn_floats<N> y = cnn_load<N>(b + i);
#pragma unroll
        for (int k = 0; k < N; k++) {
            x.at[k] += y.at[k];
            x.at[k] = relu ? cnn_relu(x.at[k]) : x.at[k];
        }
        cnn_store(out + i, x);
    }
};

enum cnn_status cnn_cuda_sum_of(struct cnn_cuda *cuda, enum cnn_type type, void *out, const void *a,
                                const void *b, size_t n, bool relu) {
    enum cnn_status status = CNN_OK;
    cnn_with_type(type, [&](auto zero) {
        using T = decltype(zero);
        const sum_body<T> body = {(T *)out, (const T *)a, (const T *)b, relu};
        status = cnn_each<cnn_width<T>>(cuda, body, n, cnn_aligned(out, a, b), "adding tensors");
    });
    return status;
}

enum cnn_status cnn_cuda_add_into(struct cnn_backend *backend, enum cnn_type type, void *into,
                                  const void *values, size_t n) {
    return cnn_cuda_sum_of(cnn_cuda_of(backend), type, into, into, values, n, false);
}

template <typename T> struct relu_body {
    T *out;
    const T *in;
    template <int N> __device__ void at(size_t i) const {
        cnn_floats<N> x = cnn_load<N>(in + i);
#pragma unroll
        for (int k = 0; k < N; k++)
            x.at[k] = cnn_relu(x.at[k]);
        cnn_store(out + i, x);
    }
};

enum cnn_status cnn_cuda_relu_of(struct cnn_cuda *cuda, enum cnn_type type, void *out, const void *in,
                                 size_t n) {
    enum cnn_status status = CNN_OK;
    cnn_with_type(type, [&](auto zero) {
        using T = decltype(zero);
        const relu_body<T> body = {(T *)out, (const T *)in};
        status = cnn_each<cnn_width<T>>(cuda, body, n, cnn_aligned(out, in), "computing relu");
    });
    return status;
}

template <typename T> struct relu_grad_body {
    T *d_in;
    const T *d_out, *out;
    template <int N> __device__ void at(size_t i) const {
        cnn_floats<N> d = cnn_load<N>(d_out + i);
        const cnn_floats<N> by = cnn_load<N>(out + i);
#pragma unroll
        for (int k = 0; k < N; k++)
            d.at[k] = by.at[k] <= 0.0f ? 0.0f : d.at[k];
        cnn_store(d_in + i, d);
    }
};

enum cnn_status cnn_cuda_relu_grad(struct cnn_cuda *cuda, enum cnn_type type, void *d_in, const void *d_out,
                                   const void *out, size_t n) {
    enum cnn_status status = CNN_OK;
    cnn_with_type(type, [&](auto zero) {
        using T = decltype(zero);
        const relu_grad_body<T> body = {(T *)d_in, (const T *)d_out, (const T *)out};
        status =
            cnn_each<cnn_width<T>>(cuda, body, n, cnn_aligned(d_in, d_out, out), "computing relu's gradient");
    });
    return status;
}

// N elements are of one sample, and begin at a multiple of N in it.
template <typename T> struct dropout_body {
    T *out;
    const T *in;
    size_t per_sample;
    struct cnn_dropping d;
    const struct cnn_control *control;
    template <int N> __device__ void at(size_t i) const {
        const size_t sample = i / per_sample, first = i - sample * per_sample;
        cnn_floats<N> x = cnn_load<N>(in + i);
        uint32_t draws[4] = {};
#pragma unroll
        for (int k = 0; k < N; k++) {
            if (k % 4 == 0)
                cnn_dropout_draw(&d, control->step, control->position + sample,
                                 (uint32_t)((first + (size_t)k) / 4), draws);
            const uint32_t which = N == 1 ? (uint32_t)first % 4 : (uint32_t)k % 4;
            const uint32_t draw = which == 0   ? draws[0]
                                  : which == 1 ? draws[1]
                                  : which == 2 ? draws[2]
                                               : draws[3];
            x.at[k] = cnn_dropout_apply(&d, draw, x.at[k]);
        }
        cnn_store(out + i, x);
    }
};

enum cnn_status cnn_cuda_dropout_of(struct cnn_cuda *cuda, enum cnn_type type, void *out, const void *in,
                                    size_t n, size_t per_sample, const struct cnn_dropping *d,
                                    const struct cnn_control *control) {
    enum cnn_status status = CNN_OK;
    cnn_with_type(type, [&](auto zero) {
        using T = decltype(zero);
        const dropout_body<T> body = {(T *)out, (const T *)in, per_sample, *d, control};
        const bool whole = cnn_aligned(out, in) && per_sample % cnn_width<T> == 0;
        status = cnn_each<cnn_width<T>>(cuda, body, n, whole, "computing dropout");
    });
    return status;
}

template <typename T> struct narrow_body {
    T *to;
    const float *from;
    template <int N> __device__ void at(size_t i) const { cnn_store(to + i, cnn_load<N>(from + i)); }
};

// Four floats, 16 bytes, a thread: the narrow side then takes 8.
enum cnn_status cnn_cuda_narrow(struct cnn_backend *backend, void *to, const float *from, size_t n) {
    enum cnn_status status = CNN_OK;
    cnn_with_type(backend->type, [&](auto zero) {
        using T = decltype(zero);
        const narrow_body<T> body = {(T *)to, from};
        status = cnn_each<4>(cnn_cuda_of(backend), body, n, cnn_aligned(to, from), "narrowing parameters");
    });
    return status;
}

template <typename T> struct widen_body {
    float *to;
    const T *from;
    bool accumulate;
    template <int N> __device__ void at(size_t i) const {
        cnn_floats<N> x = cnn_load<N>(from + i);
        if (accumulate) {
            const cnn_floats<N> before = cnn_load<N>(to + i);
#pragma unroll
            for (int k = 0; k < N; k++)
                x.at[k] += before.at[k];
        }
        cnn_store(to + i, x);
    }
};

enum cnn_status cnn_cuda_widen(struct cnn_cuda *cuda, float *to, enum cnn_type type, const void *from,
                               size_t n, bool accumulate) {
    enum cnn_status status = CNN_OK;
    cnn_with_type(type, [&](auto zero) {
        using T = decltype(zero);
        const widen_body<T> body = {to, (const T *)from, accumulate};
        status = cnn_each<4>(cuda, body, n, cnn_aligned(to, from), "widening gradients");
    });
    return status;
}

struct finite_body {
    const float *values;
    struct cnn_control *control;
    template <int N> __device__ void at(size_t i) const {
        const cnn_floats<N> x = cnn_load<N>(values + i);
        bool finite = true;
#pragma unroll
        for (int k = 0; k < N; k++)
            finite = finite && fabsf(x.at[k]) <= 3.402823466e38f; // false for NaN
        if (!finite)
            control->overflow = 1; // whoever writes it writes the same
    }
};

enum cnn_status cnn_cuda_check_finite(struct cnn_backend *backend, const float *values, size_t n,
                                      struct cnn_control *control) {
    const finite_body body = {values, control};
    return cnn_each<4>(cnn_cuda_of(backend), body, n, cnn_aligned(values), "looking for overflows");
}

// ---- sums over rows

// partials[channel][chunk]
template <typename T, int WIDTH>
static __global__ void __launch_bounds__(CNN_COLUMN_THREADS, 4)
    sum_rows_kernel(const struct cnn_columns c, const T *__restrict__ values, float *__restrict__ partials) {
    __shared__ float shared[CNN_COLUMN_THREADS * WIDTH];
    const struct cnn_column here = cnn_column_here(c, WIDTH);
    cnn_floats<WIDTH> sums[1] = {cnn_filled<WIDTH>(0)};
    cnn_each_row<4>(c, here, [&](auto count, size_t row) {
        constexpr int N = decltype(count)::n;
        cnn_packed<T, WIDTH> x[N];
#pragma unroll
        for (int k = 0; k < N; k++)
            x[k] =
                cnn_fetch<WIDTH>(values + (row + (size_t)(k * c.down)) * (size_t)c.channels + here.channel);
#pragma unroll
        for (int k = 0; k < N; k++)
#pragma unroll
            for (int i = 0; i < WIDTH; i++)
                sums[0].at[i] += cnn_widened(x[k].at[i]);
    });
    cnn_column_sums<WIDTH>(c, here, sums, shared, [&](int channel, const float *sum) {
        partials[(size_t)channel * (size_t)c.chunks + blockIdx.y] = sum[0];
    });
}

// A warp per channel.
static __global__ void __launch_bounds__(CNN_THREADS)
    sum_chunks_kernel(const struct cnn_columns c, const float *__restrict__ partials, float *out,
                      bool accumulate) {
    const int channel = (int)(blockIdx.x * (CNN_THREADS / CNN_WARP) + threadIdx.x / CNN_WARP),
              lane = (int)threadIdx.x % CNN_WARP;
    double sum = 0;
    if (channel >= c.channels)
        return;
    for (int k = lane; k < c.chunks; k += CNN_WARP)
        sum += (double)partials[(size_t)channel * (size_t)c.chunks + (size_t)k];
    sum = cnn_warp_sum(sum);
    if (lane == 0)
        out[channel] = accumulate ? out[channel] + (float)sum : (float)sum;
}

static struct cnn_columns columns_of(const struct cnn_cuda *cuda, size_t rows, int c, enum cnn_type type) {
    return cnn_columns_of(rows, c, cnn_type_bytes(type), cuda->processors * 4);
}

enum cnn_status cnn_cuda_sum_rows(struct cnn_cuda *cuda, float *out, enum cnn_type type, const void *values,
                                  size_t rows, int c, bool accumulate, void *scratch) {
    struct cnn_columns columns = columns_of(cuda, rows, c, type);
    float *partials = (float *)scratch;
    cnn_with_type(type, [&](auto zero) {
        using T = decltype(zero);
        if (columns.width > 1)
            CNN_LAUNCH((sum_rows_kernel<T, cnn_width<T>>), cnn_columns_grid(columns), CNN_COLUMN_THREADS,
                       cuda->compute, columns, (const T *)values, partials);
        else
            CNN_LAUNCH((sum_rows_kernel<T, 1>), cnn_columns_grid(columns), CNN_COLUMN_THREADS, cuda->compute,
                       columns, (const T *)values, partials);
    });
    CNN_LAUNCH(sum_chunks_kernel, (unsigned)(c + 7) / 8, CNN_THREADS, cuda->compute, columns, partials, out,
               accumulate);
    return cnn_launched("summing rows");
}

size_t cnn_cuda_sum_rows_scratch(const struct cnn_cuda *cuda, size_t rows, int c) {
    const struct cnn_columns wide = columns_of(cuda, rows, c, CNN_TYPE_F32),
                             narrow = columns_of(cuda, rows, c, CNN_TYPE_BF16);
    const int chunks = wide.chunks > narrow.chunks ? wide.chunks : narrow.chunks;
    return (size_t)c * (size_t)chunks * sizeof(float);
}
