// The forward passes of batch norm over NHWC. Sums are made in floats by a thread over few rows, added up
// over a block and then over blocks in doubles, always in the same order.
#include "backend/cuda/norm.cuh"

enum { MANY = 4 }; // rows whose loads a thread has under way

// ---- moments

// The mean of four rows of the chunk: sums of squares are taken about it, so that they stay near the
// variance.
template <typename T, int WIDTH>
static __device__ cnn_floats<WIDTH> rough_mean(const struct cnn_columns &c, const struct cnn_column &here,
                                               const T *in) {
    cnn_floats<WIDTH> mean = cnn_filled<WIDTH>(0);
    const size_t first = (size_t)blockIdx.y * c.chunk_rows, rows = here.end - first;
    if (!here.inside)
        return mean;
#pragma unroll
    for (int k = 0; k < 4; k++) {
        const cnn_floats<WIDTH> x =
            cnn_load<WIDTH>(in + (first + (size_t)k * rows / 4) * (size_t)c.channels + here.channel);
#pragma unroll
        for (int i = 0; i < WIDTH; i++)
            mean.at[i] += 0.25f * x.at[i];
    }
    return mean;
}

// partials[channel][chunk]: mean and sum of squared deviations.
template <typename T, int WIDTH>
static __global__ void __launch_bounds__(CNN_COLUMN_THREADS, CNN_NORM_FORWARD_BLOCKS)
    moments_kernel(const struct cnn_columns c, const T *__restrict__ in, float2 *__restrict__ partials) {
    __shared__ float shared[2 * CNN_COLUMN_THREADS * WIDTH];
    const struct cnn_column here = cnn_column_here(c, WIDTH);
    const cnn_floats<WIDTH> shift = rough_mean<T, WIDTH>(c, here, in);
    cnn_floats<WIDTH> sums[2] = {cnn_filled<WIDTH>(0), cnn_filled<WIDTH>(0)};
    cnn_each_row<MANY>(c, here, [&](auto count, size_t row) {
        constexpr int N = decltype(count)::n;
        cnn_packed<T, WIDTH> x[N];
#pragma unroll
        for (int k = 0; k < N; k++)
            x[k] = cnn_fetch<WIDTH>(in + (row + (size_t)(k * c.down)) * (size_t)c.channels + here.channel);
#pragma unroll
        for (int k = 0; k < N; k++)
#pragma unroll
            for (int i = 0; i < WIDTH; i++) {
                const float d = cnn_widened(x[k].at[i]) - shift.at[i];
                sums[0].at[i] += d;
                sums[1].at[i] = fmaf(d, d, sums[1].at[i]);
            }
    });
    // each column's shift lies with its first thread; the others' are the same
    __shared__ float shifts[32 * WIDTH];
    for (int i = 0; here.y == 0 && i < WIDTH; i++)
        shifts[here.x * WIDTH + i] = shift.at[i];
    const size_t first = (size_t)blockIdx.y * c.chunk_rows,
                 rows = c.rows - first < c.chunk_rows ? c.rows - first : c.chunk_rows;
    cnn_column_sums<WIDTH>(c, here, sums, shared, [&](int channel, const float *sum) {
        const float shared_shift = shifts[channel - (int)blockIdx.x * c.across * WIDTH];
        const double s1 = (double)sum[0], s2 = (double)sum[1], m2 = s2 - s1 * s1 / (double)rows;
        partials[(size_t)channel * (size_t)c.chunks + blockIdx.y] = {
            (float)((double)shared_shift + s1 / (double)rows), m2 < 0 ? 0.0f : (float)m2};
    });
}

struct moments {
    double count, mean, m2;
};

static __device__ double rows_of_chunk(const struct cnn_columns &c, int chunk) {
    const size_t first = (size_t)chunk * c.chunk_rows, left = c.rows - first;
    return (double)(left < c.chunk_rows ? left : c.chunk_rows);
}

// Of a channel, by its warp (Chan et al. 1983).
static __device__ struct moments combined(const struct cnn_columns &c, const float2 *partials) {
    const int lane = (int)threadIdx.x % CNN_WARP;
    struct moments all = {(double)c.rows, 0, 0};
    double sum = 0, m2 = 0;
    for (int k = lane; k < c.chunks; k += CNN_WARP)
        sum += rows_of_chunk(c, k) * (double)partials[k].x;
    all.mean = cnn_warp_sum(sum) / all.count;
    for (int k = lane; k < c.chunks; k += CNN_WARP) {
        const double delta = (double)partials[k].x - all.mean;
        m2 += (double)partials[k].y + rows_of_chunk(c, k) * delta * delta;
    }
    all.m2 = cnn_warp_sum(m2);
    return all;
}

// What forward and backward need of a channel.
static __device__ void set_channel(const struct cnn_norm_rows &to, int channel, const struct moments &of,
                                   double eps) {
    const double invstd = 1.0 / sqrt(of.m2 / of.count + eps);
    const float scale = channel < to.real ? (float)(invstd * (double)to.gamma[channel]) : 0.0f;
    to.mean[channel] = (float)of.mean;
    to.invstd[channel] = (float)invstd;
    to.var[channel] = (float)(of.count > 1 ? of.m2 / (of.count - 1) : 0.0);
    to.scale[channel] = scale;
    to.shift[channel] =
        channel < to.real ? (float)((double)to.beta[channel] - of.mean * (double)scale) : 0.0f;
}

// A warp per channel. `totals` not NULL: sums of values and of squares for the exchange, nothing else. Plain
// sums add up whatever the ranks' means are; see cpu/norm.c for what that costs.
static __global__ void __launch_bounds__(CNN_THREADS)
    combine_kernel(const struct cnn_columns c, const float2 *__restrict__ partials, struct cnn_norm_rows to,
                   double eps, double *totals) {
    const int channel = (int)(blockIdx.x * (CNN_THREADS / CNN_WARP) + threadIdx.x / CNN_WARP);
    if (channel >= c.channels)
        return;
    const struct moments all = combined(c, partials + (size_t)channel * (size_t)c.chunks);
    if (threadIdx.x % CNN_WARP != 0)
        return;
    if (!totals) {
        set_channel(to, channel, all, eps);
        return;
    }
    totals[channel] = all.count * all.mean;
    totals[c.channels + channel] = all.m2 + all.count * all.mean * all.mean;
}

// Sums of values and of squares.
template <typename T> struct sums { const T *values, *squares; };

template <typename T>
static __global__ void __launch_bounds__(CNN_THREADS)
    settle_kernel(double count, const struct sums<T> of, struct cnn_norm_rows to, double eps) {
    const int channel = (int)(blockIdx.x * CNN_THREADS + threadIdx.x);
    if (channel >= to.channels)
        return;
    const double sum = (double)of.values[channel], mean = sum / count,
                 m2 = (double)of.squares[channel] - sum * mean;
    set_channel(to, channel, {count, mean, m2 < 0 ? 0 : m2}, eps); // NaN stays
}

static __global__ void __launch_bounds__(CNN_THREADS)
    totals_kernel(int channels, const struct sums<float> of, double *__restrict__ totals) {
    const int channel = (int)(blockIdx.x * CNN_THREADS + threadIdx.x);
    if (channel >= channels)
        return;
    totals[channel] = (double)of.values[channel];
    totals[channels + channel] = (double)of.squares[channel];
}

template <typename T>
static void launch_settle(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io, double count,
                          const struct sums<T> &of) {
    CNN_LAUNCH(settle_kernel<T>, cnn_norm_threads(p->columns.channels), CNN_THREADS, p->cuda->compute, count,
               of, cnn_norm_rows_of(p, io), p->base.desc.node->norm.eps);
}

enum cnn_status cnn_cuda_norm_moments(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io) {
    const struct cnn_columns &c = p->columns;
    float2 *partials = (float2 *)(void *)cnn_norm_partials(p, io->scratch);
    double *totals = p->base.desc.sync ? cnn_norm_totals(io->scratch) : NULL;
    cnn_norm_by_kind(p, [&](auto zero, auto width) {
        using T = decltype(zero);
        CNN_LAUNCH((moments_kernel<T, decltype(width)::n>), cnn_columns_grid(c), CNN_COLUMN_THREADS,
                   p->cuda->compute, c, (const T *)io->in[0], partials);
    });
    CNN_LAUNCH(combine_kernel, cnn_norm_warps(c.channels), CNN_THREADS, p->cuda->compute, c, partials,
               cnn_norm_rows_of(p, io), p->base.desc.node->norm.eps, totals);
    return cnn_launched("computing batch norm's moments");
}

enum cnn_status cnn_cuda_norm_settle(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io,
                                     int ranks) {
    const double *totals = cnn_norm_totals(io->scratch);
    const struct sums<double> of = { totals, totals + p->columns.channels };
    launch_settle(p, io, (double)p->columns.rows * ranks, of);
    return cnn_launched("computing batch norm's coefficients");
}

enum cnn_status cnn_cuda_norm_take_moments(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io) {
    const struct sums<float> of = { io->moments, io->moments + cnn_moments_row(&p->base.in) };
    if (p->base.desc.sync)
        CNN_LAUNCH(totals_kernel, cnn_norm_threads(p->columns.channels), CNN_THREADS, p->cuda->compute,
                   p->columns.channels, of, cnn_norm_totals(io->scratch));
    else
        launch_settle(p, io, (double)p->columns.rows, of);
    return cnn_launched("taking batch norm's moments");
}

// ---- apply

struct running {
    const float *gamma, *beta, *mean, *var; // NULL in training
    float eps;
    int real;
};

template <int WIDTH>
static __device__ void load_coefficients(cnn_floats<WIDTH> *scale, cnn_floats<WIDTH> *shift, int channel,
                                         const float *scales, const float *shifts, const struct running &by) {
    if (scales) {
        *scale = cnn_load<WIDTH>(scales + channel);
        *shift = cnn_load<WIDTH>(shifts + channel);
        return;
    }
#pragma unroll
    for (int i = 0; i < WIDTH; i++) {
        const bool real = channel + i < by.real;
        scale->at[i] = real ? by.gamma[channel + i] / sqrtf(by.var[channel + i] + by.eps) : 0.0f;
        shift->at[i] = real ? by.beta[channel + i] - by.mean[channel + i] * scale->at[i] : 0.0f;
    }
}

// The output may lie where the input or the residual does: a thread reads its elements before it writes them.
template <typename T, int WIDTH, bool RESIDUAL>
static __global__ void __launch_bounds__(CNN_COLUMN_THREADS, CNN_NORM_FORWARD_BLOCKS)
    apply_kernel(const struct cnn_columns c, T *out, const T *in, const T *residual,
                 const float *__restrict__ scales, const float *__restrict__ shifts, const struct running by,
                 bool relu) {
    const struct cnn_column here = cnn_column_here(c, WIDTH);
    cnn_floats<WIDTH> scale, shift;
    if (!here.inside)
        return;
    load_coefficients<WIDTH>(&scale, &shift, here.channel, scales, shifts, by);
    cnn_each_row<RESIDUAL ? MANY / 2 : MANY>(c, here, [&](auto count, size_t row) {
        constexpr int N = decltype(count)::n;
        cnn_packed<T, WIDTH> x[N], r[N];
#pragma unroll
        for (int k = 0; k < N; k++) {
            const size_t at = (row + (size_t)(k * c.down)) * (size_t)c.channels + (size_t)here.channel;
            x[k] = cnn_fetch<WIDTH>(in + at);
            if (RESIDUAL)
                r[k] = cnn_fetch<WIDTH>(residual + at);
        }
#pragma unroll
        for (int k = 0; k < N; k++) {
            const size_t at = (row + (size_t)(k * c.down)) * (size_t)c.channels + (size_t)here.channel;
            cnn_floats<WIDTH> v;
#pragma unroll
            for (int i = 0; i < WIDTH; i++) {
                v.at[i] = fmaf(cnn_widened(x[k].at[i]), scale.at[i], shift.at[i]);
                if (RESIDUAL)
                    v.at[i] += cnn_widened(r[k].at[i]);
                v.at[i] = relu ? cnn_relu(v.at[i]) : v.at[i];
            }
            cnn_store(out + at, v);
        }
    });
}

template <typename T, int WIDTH, bool RESIDUAL>
static void launch_apply(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io) {
    const struct cnn_plan &plan = p->base;
    const bool training = plan.desc.training;
    const struct running by = {
        io->params[0], io->params[1], io->params[2], io->params[3], (float)plan.desc.node->norm.eps,
        plan.in.c};
    CNN_LAUNCH((apply_kernel<T, WIDTH, RESIDUAL>), cnn_columns_grid(p->columns), CNN_COLUMN_THREADS,
               p->cuda->compute, p->columns, (T *)io->out, (const T *)io->in[0], (const T *)io->in[1],
               training ? cnn_norm_row(p, io->workspace, CNN_NORM_SCALE) : NULL,
               training ? cnn_norm_row(p, io->workspace, CNN_NORM_SHIFT) : NULL, by, plan.desc.relu);
}

enum cnn_status cnn_cuda_norm_apply(const struct cnn_cuda_norm *p, const struct cnn_kernel_io *io) {
    cnn_norm_by_kind(p, [&](auto zero, auto width) {
        if (p->residual)
            launch_apply<decltype(zero), decltype(width)::n, true>(p, io);
        else
            launch_apply<decltype(zero), decltype(width)::n, false>(p, io);
    });
    return cnn_launched("applying batch norm");
}
