// The backward passes of batch norm over NHWC: sums of g and g * (x - mean), from them d_in = a g + b x + c.
#include "backend/cuda/norm.cuh"

enum { MANY = 2 }; // rows whose loads a thread has under way

enum mask { MASK_NONE, MASK_BY_INPUT, MASK_BY_OUTPUT }; // how relu's mask is known

// g = d0 [+ d1], where the normalised value was positive.
template <typename T> struct gradient {
    const T *d0, *d1, *in, *out;
    const float *scale, *shift; // rows
};

template <typename T>
static struct gradient<T> gradient_of(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io) {
    return {(const T *)io->d_out[0],
            (const T *)io->d_out[1],
            (const T *)io->in[0],
            (const T *)io->out,
            cnn_norm_row(p, io->workspace, CNN_NORM_SCALE),
            cnn_norm_row(p, io->workspace, CNN_NORM_SHIFT)};
}

static mask
mask_of(const struct cnn_cuda_norm *p) {
    if (!p->base.desc.relu || !p->base.desc.relu_backward)
        return MASK_NONE;
    return p->residual ? MASK_BY_OUTPUT : MASK_BY_INPUT;
}

template <mask MASK> struct mask_kind { static constexpr mask is = MASK; };

// launch(mask_kind)
template <typename Launch> static void by_mask(mask by, const Launch &launch) {
    if (by == MASK_NONE)
        launch(mask_kind<MASK_NONE>());
    else if (by == MASK_BY_INPUT)
        launch(mask_kind<MASK_BY_INPUT>());
    else
        launch(mask_kind<MASK_BY_OUTPUT>());
}

// What a thread loads of a row.
template <typename T, int WIDTH, mask MASK, bool TWO> struct loaded {
    cnn_packed<T, WIDTH> d0, d1, in, out;
    __device__ void fetch(const struct gradient<T> &from, size_t at) {
        d0 = cnn_fetch<WIDTH>(from.d0 + at);
        in = cnn_fetch<WIDTH>(from.in + at);
        if (TWO)
            d1 = cnn_fetch<WIDTH>(from.d1 + at);
        if (MASK == MASK_BY_OUTPUT)
            out = cnn_fetch<WIDTH>(from.out + at);
    }
    // By input, the mask repeats the forward's arithmetic, so that both see the same sign.
    __device__ float g(int i, const cnn_floats<WIDTH> &scale, const cnn_floats<WIDTH> &shift) const {
        float d = cnn_widened(d0.at[i]);
        if (TWO)
            d += cnn_widened(d1.at[i]);
        if (MASK == MASK_BY_INPUT && fmaf(cnn_widened(in.at[i]), scale.at[i], shift.at[i]) <= 0.0f)
            return 0.0f;
        if (MASK == MASK_BY_OUTPUT && cnn_widened(out.at[i]) <= 0.0f)
            return 0.0f;
        return d;
    }
};

// partials[channel][chunk]: sums of g and g * (x - mean). Where the next pass or the residual needs g itself,
// it is written to g_out, and summed as it is written.
template <typename T, int WIDTH, mask MASK, bool TWO>
static __global__ void __launch_bounds__(CNN_COLUMN_THREADS, CNN_NORM_BACK_BLOCKS)
    sums_kernel(const struct cnn_columns c, const struct gradient<T> from, const float *__restrict__ means,
                T *g_out, float2 *__restrict__ partials) {
    __shared__ float shared[2 * CNN_COLUMN_THREADS * WIDTH];
    const struct cnn_column here = cnn_column_here(c, WIDTH);
    cnn_floats<WIDTH> sums[2] = {cnn_filled<WIDTH>(0), cnn_filled<WIDTH>(0)}, mean = sums[0], scale = sums[0],
                      shift = sums[0];
    if (here.inside) {
        mean = cnn_load<WIDTH>(means + here.channel);
        if (MASK == MASK_BY_INPUT) {
            scale = cnn_load<WIDTH>(from.scale + here.channel);
            shift = cnn_load<WIDTH>(from.shift + here.channel);
        }
    }
    constexpr bool write = TWO || MASK == MASK_BY_OUTPUT;
    // one row where registers are scarce
    cnn_each_row<MASK != MASK_NONE && TWO ? 1 : MANY>(c, here, [&](auto count, size_t row) {
        constexpr int N = decltype(count)::n;
        struct loaded<T, WIDTH, MASK, TWO> x[N];
#pragma unroll
        for (int k = 0; k < N; k++)
            x[k].fetch(from, (row + (size_t)(k * c.down)) * (size_t)c.channels + (size_t)here.channel);
#pragma unroll
        for (int k = 0; k < N; k++) {
            cnn_floats<WIDTH> g;
#pragma unroll
            for (int i = 0; i < WIDTH; i++)
                g.at[i] = x[k].g(i, scale, shift);
            if (write) {
                const cnn_packed<T, WIDTH> packed = cnn_pack<T>(g);
                const size_t at = (row + (size_t)(k * c.down)) * (size_t)c.channels + (size_t)here.channel;
                *reinterpret_cast<cnn_packed<T, WIDTH> *>(g_out + at) = packed;
                g = cnn_unpack<WIDTH>(packed);
            }
#pragma unroll
            for (int i = 0; i < WIDTH; i++) {
                sums[0].at[i] += g.at[i];
                sums[1].at[i] = fmaf(g.at[i], cnn_widened(x[k].in.at[i]) - mean.at[i], sums[1].at[i]);
            }
        }
    });
    cnn_column_sums<WIDTH>(c, here, sums, shared, [&](int channel, const float *sum) {
        partials[(size_t)channel * (size_t)c.chunks + blockIdx.y] = {sum[0], sum[1]};
    });
}

template <typename T, int WIDTH, mask MASK>
static void launch_sums(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io) {
    const struct cnn_columns &c = p->back;
    const struct gradient<T> from = gradient_of<T>(p, io);
    const float *means = cnn_norm_row(p, io->workspace, CNN_NORM_MEAN);
    float2 *partials = (float2 *)(void *)cnn_norm_partials(p, io->scratch);
    T *g_out = (T *)io->d_out[0];
    if (from.d1)
        CNN_LAUNCH((sums_kernel<T, WIDTH, MASK, true>), cnn_columns_grid(c), CNN_COLUMN_THREADS,
                   p->cuda->compute, c, from, means, g_out, partials);
    else
        CNN_LAUNCH((sums_kernel<T, WIDTH, MASK, false>), cnn_columns_grid(c), CNN_COLUMN_THREADS,
                   p->cuda->compute, c, from, means, g_out, partials);
}

enum cnn_status cnn_cuda_norm_sums(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io) {
    by_mask(mask_of(p), [&](auto by) {
        cnn_norm_by_kind(p, [&](auto zero, auto width) {
            launch_sums<decltype(zero), decltype(width)::n, decltype(by)::is>(p, io);
        });
    });
    return cnn_launched("summing batch norm's gradients");
}

// ---- coefficients

struct parameter_gradients {
    float *gamma, *beta, *mean, *var;
    bool accumulate;
};

static __device__ void put(float *where, float value, bool accumulate) {
    *where = accumulate ? *where + value : value;
}

// a = gamma / std,  b = -a dgamma / (std M),  c = -a dbeta / M - b mean
static __device__ void set_back(float *coefficients, const struct cnn_norm_rows &rows, int channel,
                                double sum_g, double sum_gx, double count) {
    const double invstd = (double)rows.invstd[channel], a = (double)rows.scale[channel];
    const double b = -a * sum_gx * invstd * invstd / count;
    coefficients[channel] = (float)a;
    coefficients[rows.channels + channel] = (float)b;
    coefficients[2 * rows.channels + channel] = (float)(-a * sum_g / count - b * (double)rows.mean[channel]);
}

// A warp per channel. `totals` not NULL: the sums for the exchange instead of the coefficients.
static __global__ void __launch_bounds__(CNN_THREADS)
    gradients_kernel(const struct cnn_columns c, const float2 *__restrict__ partials,
                     const struct cnn_norm_rows rows, const struct parameter_gradients to,
                     float *coefficients, double *totals) {
    const int channel = (int)(blockIdx.x * (CNN_THREADS / CNN_WARP) + threadIdx.x / CNN_WARP),
              lane = (int)threadIdx.x % CNN_WARP;
    if (channel >= c.channels)
        return;
    double sum_g = 0, sum_gx = 0;
    for (int k = lane; k < c.chunks; k += CNN_WARP) {
        const float2 partial = partials[(size_t)channel * (size_t)c.chunks + (size_t)k];
        sum_g += (double)partial.x;
        sum_gx += (double)partial.y;
    }
    sum_g = cnn_warp_sum(sum_g);
    sum_gx = cnn_warp_sum(sum_gx);
    if (lane != 0)
        return;
    if (totals) {
        totals[channel] = sum_g;
        totals[c.channels + channel] = sum_gx;
    } else {
        set_back(coefficients, rows, channel, sum_g, sum_gx, (double)c.rows);
    }
    if (channel >= rows.real)
        return;
    put(to.gamma + channel, (float)(sum_gx * (double)rows.invstd[channel]), to.accumulate);
    put(to.beta + channel, (float)sum_g, to.accumulate);
    put(to.mean + channel, rows.mean[channel], to.accumulate);
    put(to.var + channel, rows.var[channel], to.accumulate);
}

static __global__ void __launch_bounds__(CNN_THREADS)
    settle_back_kernel(double count, const double *__restrict__ totals, const struct cnn_norm_rows rows,
                       float *coefficients) {
    const int channel = (int)(blockIdx.x * CNN_THREADS + threadIdx.x);
    if (channel < rows.channels)
        set_back(coefficients, rows, channel, totals[channel], totals[rows.channels + channel], count);
}

enum cnn_status cnn_cuda_norm_gradients(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io,
                                        bool accumulate) {
    const struct parameter_gradients to = {io->d_params[0], io->d_params[1], io->d_params[2], io->d_params[3],
                                           accumulate};
    CNN_LAUNCH(gradients_kernel, cnn_norm_warps(p->back.channels), CNN_THREADS, p->cuda->compute, p->back,
               (const float2 *)(const void *)cnn_norm_partials(p, io->scratch), cnn_norm_rows_of(p, io), to,
               cnn_norm_coefficients(p, io->scratch),
               p->base.desc.sync ? cnn_norm_totals(io->scratch) : NULL);
    return cnn_launched("computing the gradients of batch norm's parameters");
}

enum cnn_status cnn_cuda_norm_settle_back(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io,
                                          int ranks) {
    CNN_LAUNCH(settle_back_kernel, cnn_norm_threads(p->back.channels), CNN_THREADS, p->cuda->compute,
               (double)p->back.rows * ranks, cnn_norm_totals(io->scratch), cnn_norm_rows_of(p, io),
               cnn_norm_coefficients(p, io->scratch));
    return cnn_launched("computing batch norm's coefficients");
}

// ---- gradient of the input

// It may lie where d0 does: a thread reads its elements before it writes them.
template <typename T, int WIDTH, mask MASK, bool TWO>
static __global__ void __launch_bounds__(CNN_COLUMN_THREADS, CNN_NORM_BACK_BLOCKS)
    back_kernel(const struct cnn_columns c, T *d_in, const struct gradient<T> from,
                const float *__restrict__ coefficients) {
    const struct cnn_column here = cnn_column_here(c, WIDTH);
    if (!here.inside)
        return;
    const float *at_channel = coefficients + here.channel;
    const cnn_floats<WIDTH> a = cnn_load<WIDTH>(at_channel), b = cnn_load<WIDTH>(at_channel + c.channels),
                            to = cnn_load<WIDTH>(at_channel + 2 * c.channels);
    cnn_floats<WIDTH> scale = cnn_filled<WIDTH>(0), shift = scale;
    if (MASK == MASK_BY_INPUT) {
        scale = cnn_load<WIDTH>(from.scale + here.channel);
        shift = cnn_load<WIDTH>(from.shift + here.channel);
    }
    cnn_each_row<MANY>(c, here, [&](auto count, size_t row) {
        constexpr int N = decltype(count)::n;
        struct loaded<T, WIDTH, MASK, TWO> x[N];
#pragma unroll
        for (int k = 0; k < N; k++)
            x[k].fetch(from, (row + (size_t)(k * c.down)) * (size_t)c.channels + (size_t)here.channel);
#pragma unroll
        for (int k = 0; k < N; k++) {
            cnn_floats<WIDTH> v;
#pragma unroll
            for (int i = 0; i < WIDTH; i++)
                v.at[i] = fmaf(a.at[i], x[k].g(i, scale, shift),
                               fmaf(b.at[i], cnn_widened(x[k].in.at[i]), to.at[i]));
            cnn_store(d_in + (row + (size_t)(k * c.down)) * (size_t)c.channels + (size_t)here.channel, v);
        }
    });
}

template <typename T, int WIDTH, mask MASK>
static void launch_back(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io) {
    CNN_LAUNCH((back_kernel<T, WIDTH, MASK, false>), cnn_columns_grid(p->back), CNN_COLUMN_THREADS,
               p->cuda->compute, p->back, (T *)io->d_in[0], gradient_of<T>(p, io),
               cnn_norm_coefficients(p, io->scratch));
}

// A second gradient, or a mask by output, is in d_out[0] already.
enum cnn_status cnn_cuda_norm_back(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io) {
    const bool written = io->d_out[1] || mask_of(p) == MASK_BY_OUTPUT;
    cnn_norm_by_kind(p, [&](auto zero, auto width) {
        using T = decltype(zero);
        constexpr int WIDTH = decltype(width)::n;
        if (!written && mask_of(p) == MASK_BY_INPUT)
            launch_back<T, WIDTH, MASK_BY_INPUT>(p, io);
        else
            launch_back<T, WIDTH, MASK_NONE>(p, io);
    });
    return cnn_launched("computing batch norm's gradient");
}
