// Pools over NHWC: a thread makes one pixel of 16 bytes of neighbouring channels. Backward gathers: a pixel
// of the input adds up what the windows over it send back, always in the same order.
#include "backend/cuda/each.cuh"

#include "backend/cuda/pool.h"

typedef struct cnn_pool_shape shape;

// What is sent to or from a pixel of h x w.
struct pixel {
    int n, y, x, channel;
};

template <int N>
static __device__ struct pixel pixel_of(unsigned i, unsigned channels, unsigned h, unsigned w) {
    struct pixel p;
    const unsigned groups = channels / N, position = i / groups, line = position / w;
    p.channel = (int)((i - position * groups) * N);
    p.x = (int)(position - line * w);
    p.n = (int)(line / h);
    p.y = (int)(line - (unsigned)p.n * h);
    return p;
}

static __device__ size_t place_of(const struct pixel &p, int y, int x, int h, int w, int channels) {
    return (((size_t)p.n * (size_t)h + (size_t)y) * (size_t)w + (size_t)x) * (size_t)channels +
           (size_t)p.channel;
}

static __device__ int at_least(int v, int low) { return v < low ? low : v; }
static __device__ int at_most(int v, int high) { return v > high ? high : v; }

// Half open.
struct range {
    int begin, end;
};

// Output positions whose windows cover input position i.
static __device__ struct range covering(const shape &s, int axis, int i) {
    const int size = axis ? s.w : s.h, out = axis ? s.out_w : s.out_h;
    if (s.adaptive)
        return {i * out / size, ((i + 1) * out - 1) / size + 1};
    const int low = i + s.padding[axis] - s.kernel[axis] + 1, stride = s.stride[axis];
    return {low <= 0 ? 0 : (low + stride - 1) / stride, at_most((i + s.padding[axis]) / stride + 1, out)};
}

// argmax is one byte per channel.
template <int N> struct alignas(N) bytes { uint8_t at[N]; };

// The first of equal maxima wins and NaN beats everything, as in PyTorch.
template <typename T, int N>
static __global__ void __launch_bounds__(CNN_THREADS)
    max_kernel(const shape s, unsigned n_threads, T *__restrict__ out, uint8_t *__restrict__ argmax,
               const T *__restrict__ in) {
    for (unsigned i = blockIdx.x * CNN_THREADS + threadIdx.x; i < n_threads; i += gridDim.x * CNN_THREADS) {
        const struct pixel p = pixel_of<N>(i, (unsigned)s.channels, (unsigned)s.out_h, (unsigned)s.out_w);
        const int y0 = p.y * s.stride[0] - s.padding[0], x0 = p.x * s.stride[1] - s.padding[1];
        const int y_begin = at_least(-y0, 0), y_end = at_most(s.h - y0, s.kernel[0]);
        const int x_begin = at_least(-x0, 0), x_end = at_most(s.w - x0, s.kernel[1]);
        cnn_floats<N> best = cnn_filled<N>(-HUGE_VALF);
        bytes<N> which;
#pragma unroll
        for (int k = 0; k < N; k++)
            which.at[k] = (uint8_t)(y_begin * s.kernel[1] + x_begin);
        for (int y = y_begin; y < y_end; y++)
            for (int x = x_begin; x < x_end; x++) {
                const cnn_floats<N> v = cnn_load<N>(in + place_of(p, y0 + y, x0 + x, s.h, s.w, s.channels));
#pragma unroll
                for (int k = 0; k < N; k++)
                    if (v.at[k] > best.at[k] || v.at[k] != v.at[k]) {
                        best.at[k] = v.at[k];
                        which.at[k] = (uint8_t)(y * s.kernel[1] + x);
                    }
            }
        const size_t to = (size_t)i * N;
        cnn_store(out + to, best);
        if (!argmax)
            continue;
#pragma unroll
        for (int k = 0; k < N; k++)
            if (s.positive && best.at[k] <= 0.0f)
                which.at[k] = CNN_CUDA_NO_WINNER;
        *reinterpret_cast<bytes<N> *>(argmax + to) = which;
    }
}

template <typename T, int N>
static __global__ void __launch_bounds__(CNN_THREADS)
    max_back_kernel(const shape s, unsigned n_threads, T *__restrict__ d_in, const T *__restrict__ d_out,
                    const uint8_t *__restrict__ argmax, const T *__restrict__ out) {
    for (unsigned i = blockIdx.x * CNN_THREADS + threadIdx.x; i < n_threads; i += gridDim.x * CNN_THREADS) {
        const struct pixel p = pixel_of<N>(i, (unsigned)s.channels, (unsigned)s.h, (unsigned)s.w);
        const struct range ys = covering(s, 0, p.y), xs = covering(s, 1, p.x);
        cnn_floats<N> sum = cnn_filled<N>(0);
        for (int y = ys.begin; y < ys.end; y++)
            for (int x = xs.begin; x < xs.end; x++) {
                const size_t from = place_of(p, y, x, s.out_h, s.out_w, s.channels);
                const int mine = (p.y + s.padding[0] - y * s.stride[0]) * s.kernel[1] +
                                 (p.x + s.padding[1] - x * s.stride[1]);
                const bytes<N> won = *reinterpret_cast<const bytes<N> *>(argmax + from);
                const cnn_floats<N> d = cnn_load<N>(d_out + from);
                const cnn_floats<N> by = out ? cnn_load<N>(out + from) : cnn_filled<N>(1);
#pragma unroll
                for (int k = 0; k < N; k++)
                    if (won.at[k] == mine && !(by.at[k] <= 0.0f))
                        sum.at[k] += d.at[k];
            }
        cnn_store(d_in + (size_t)i * N, sum);
    }
}

// The inputs an output averages, and what their sum is divided by.
struct average {
    struct range y, x;
    float divisor;
};

static __device__ struct range window(const shape &s, int axis, int o, int *padded) {
    const int size = axis ? s.w : s.h, out = axis ? s.out_w : s.out_h;
    if (s.adaptive) {
        *padded = 1;
        return {o * size / out, ((o + 1) * size + out - 1) / out};
    }
    const int begin = o * s.stride[axis] - s.padding[axis],
              end = at_most(begin + s.kernel[axis], size + s.padding[axis]);
    *padded = end - begin;
    return {at_least(begin, 0), at_most(end, size)};
}

static __device__ struct average average_of(const shape &s, int oy, int ox) {
    int padded_y, padded_x;
    struct average a;
    a.y = window(s, 0, oy, &padded_y);
    a.x = window(s, 1, ox, &padded_x);
    const int inside = (a.y.end - a.y.begin) * (a.x.end - a.x.begin);
    a.divisor = (float)(s.count_include_pad ? padded_y * padded_x : inside);
    return a;
}

template <typename T, typename TO, int N>
static __global__ void __launch_bounds__(CNN_THREADS)
    average_kernel(const shape s, unsigned n_threads, TO *__restrict__ out, const T *__restrict__ in) {
    for (unsigned i = blockIdx.x * CNN_THREADS + threadIdx.x; i < n_threads; i += gridDim.x * CNN_THREADS) {
        const struct pixel p = pixel_of<N>(i, (unsigned)s.channels, (unsigned)s.out_h, (unsigned)s.out_w);
        const struct average a = average_of(s, p.y, p.x);
        cnn_floats<N> sum = cnn_filled<N>(0);
        for (int y = a.y.begin; y < a.y.end; y++)
#pragma unroll 4
            for (int x = a.x.begin; x < a.x.end; x++) {
                const cnn_floats<N> v = cnn_load<N>(in + place_of(p, y, x, s.h, s.w, s.channels));
#pragma unroll
                for (int k = 0; k < N; k++)
                    sum.at[k] += v.at[k];
            }
#pragma unroll
        for (int k = 0; k < N; k++)
            sum.at[k] /= a.divisor;
        cnn_store(out + (size_t)i * N, sum);
    }
}

template <typename T, typename TO, int N>
static __global__ void __launch_bounds__(CNN_THREADS)
    average_back_kernel(const shape s, unsigned n_threads, T *__restrict__ d_in,
                        const TO *__restrict__ d_out) {
    for (unsigned i = blockIdx.x * CNN_THREADS + threadIdx.x; i < n_threads; i += gridDim.x * CNN_THREADS) {
        const struct pixel p = pixel_of<N>(i, (unsigned)s.channels, (unsigned)s.h, (unsigned)s.w);
        const struct range ys = covering(s, 0, p.y), xs = covering(s, 1, p.x);
        cnn_floats<N> sum = cnn_filled<N>(0);
        for (int y = ys.begin; y < ys.end; y++)
            for (int x = xs.begin; x < xs.end; x++) {
                const cnn_floats<N> d = cnn_load<N>(d_out + place_of(p, y, x, s.out_h, s.out_w, s.channels));
                const float divisor = average_of(s, y, x).divisor;
#pragma unroll
                for (int k = 0; k < N; k++)
                    sum.at[k] += d.at[k] / divisor;
            }
        cnn_store(d_in + (size_t)i * N, sum);
    }
}

// launch(T(), cnn_pool_count<N>(), threads) for a tensor of `pixels` pixels.
template <int N> struct width { static constexpr int n = N; };

template <typename Launch>
static void by_kind(const struct cnn_cuda_pool *p, int pixels, const Launch &launch) {
    const unsigned all = (unsigned)p->shape.n * (unsigned)pixels * (unsigned)p->shape.channels;
    cnn_with_type(p->base.in.type, [&](auto zero) {
        constexpr int N = cnn_width<decltype(zero)>;
        if (p->shape.channels % N == 0)
            launch(zero, width<N>(), all / N);
        else
            launch(zero, width<1>(), all);
    });
}

enum cnn_status cnn_cuda_max_pool_forward(const struct cnn_cuda_pool *p, void *out, uint8_t *argmax,
                                          const void *in) {
    by_kind(p, p->shape.out_h * p->shape.out_w, [&](auto zero, auto n, unsigned threads) {
        using T = decltype(zero);
        CNN_LAUNCH((max_kernel<T, decltype(n)::n>), cnn_grid(p->cuda, threads), CNN_THREADS, p->cuda->compute,
                   p->shape, threads, (T *)out, argmax, (const T *)in);
    });
    return cnn_launched("computing max pooling");
}

enum cnn_status cnn_cuda_max_pool_backward(const struct cnn_cuda_pool *p, void *d_in, const void *d_out,
                                           const uint8_t *argmax, const void *out) {
    by_kind(p, p->shape.h * p->shape.w, [&](auto zero, auto n, unsigned threads) {
        using T = decltype(zero);
        CNN_LAUNCH((max_back_kernel<T, decltype(n)::n>), cnn_grid(p->cuda, threads), CNN_THREADS,
                   p->cuda->compute, p->shape, threads, (T *)d_in, (const T *)d_out, argmax, (const T *)out);
    });
    return cnn_launched("computing max pooling's gradient");
}

enum cnn_status cnn_cuda_average_forward(const struct cnn_cuda_pool *p, void *out, const void *in) {
    by_kind(p, p->shape.out_h * p->shape.out_w, [&](auto zero, auto n, unsigned threads) {
        using T = decltype(zero);
        if (p->base.out.type == p->base.in.type)
            CNN_LAUNCH((average_kernel<T, T, decltype(n)::n>), cnn_grid(p->cuda, threads), CNN_THREADS,
                       p->cuda->compute, p->shape, threads, (T *)out, (const T *)in);
        else
            CNN_LAUNCH((average_kernel<T, float, decltype(n)::n>), cnn_grid(p->cuda, threads), CNN_THREADS,
                       p->cuda->compute, p->shape, threads, (float *)out, (const T *)in);
    });
    return cnn_launched("computing average pooling");
}

enum cnn_status cnn_cuda_average_backward(const struct cnn_cuda_pool *p, void *d_in, const void *d_out) {
    by_kind(p, p->shape.h * p->shape.w, [&](auto zero, auto n, unsigned threads) {
        using T = decltype(zero);
        if (p->base.out.type == p->base.in.type)
            CNN_LAUNCH((average_back_kernel<T, T, decltype(n)::n>), cnn_grid(p->cuda, threads), CNN_THREADS,
                       p->cuda->compute, p->shape, threads, (T *)d_in, (const T *)d_out);
        else
            CNN_LAUNCH((average_back_kernel<T, float, decltype(n)::n>), cnn_grid(p->cuda, threads),
                       CNN_THREADS, p->cuda->compute, p->shape, threads, (T *)d_in, (const float *)d_out);
    });
    return cnn_launched("computing average pooling's gradient");
}
