// Device side of columns.h.
#ifndef CNN_BACKEND_CUDA_COLUMNS_CUH
#define CNN_BACKEND_CUDA_COLUMNS_CUH
#include "backend/cuda/columns.h"
#include "backend/cuda/reduce.cuh"
#include "backend/cuda/vector.cuh"

// A thread's place: its first channel, and its rows row, row + down, ... below end. Threads that are left
// over have no rows.
struct cnn_column {
    int x, y, channel;
    size_t row, end;
    bool inside; // the channel is one; row may be past the end all the same
};

static __device__ inline struct cnn_column cnn_column_here(const struct cnn_columns &c, int width) {
    struct cnn_column here;
    here.x = (int)threadIdx.x % c.across;
    here.y = (int)threadIdx.x / c.across;
    here.channel = ((int)blockIdx.x * c.across + here.x) * width;
    here.inside = here.y < c.down && here.channel < c.channels;
    const size_t first = (size_t)blockIdx.y * c.chunk_rows, end = first + c.chunk_rows;
    here.end = here.inside ? (end < c.rows ? end : c.rows) : 0;
    here.row = first + (size_t)here.y;
    return here;
}

static inline dim3 cnn_columns_grid(const struct cnn_columns &c) {
    return dim3((unsigned)c.blocks, (unsigned)c.chunks);
}

template <int N> struct cnn_count { static constexpr int n = N; };

// body(cnn_count<N>, row) for rows row, row + down, ..., row + (N - 1) down: N = MANY, so that many loads are
// under way at a time, then one by one.
template <int MANY, typename Body>
static __device__ inline void cnn_each_row(const struct cnn_columns &c, const struct cnn_column &here,
                                           const Body &body) {
    const size_t down = (size_t)c.down;
    size_t row = here.row;
    for (; row + (MANY - 1) * down < here.end; row += MANY * down)
        body(cnn_count<MANY>(), row);
    for (; row < here.end; row += down)
        body(cnn_count<1>(), row);
}

// The block's N sums of each of its channels, from those of its threads. store(channel, sums) is called by
// one thread for each channel. `shared`: N * CNN_COLUMN_THREADS * WIDTH floats.
template <int WIDTH, int N, typename Store>
static __device__ inline void cnn_column_sums(const struct cnn_columns &c, const struct cnn_column &here,
                                              const cnn_floats<WIDTH> (&mine)[N], float *shared,
                                              const Store &store) {
    constexpr int plane = CNN_COLUMN_THREADS * WIDTH;
    const int span = c.across * WIDTH, slices = CNN_COLUMN_THREADS / span, slice = (int)threadIdx.x / span,
              column = (int)threadIdx.x % span, channel = (int)blockIdx.x * span + column;
    float sums[N];
    for (int k = 0; here.y < c.down && k < N; k++)
#pragma unroll
        for (int i = 0; i < WIDTH; i++)
            shared[k * plane + here.y * span + here.x * WIDTH + i] = mine[k].at[i];
    __syncthreads();
#pragma unroll
    for (int k = 0; k < N; k++) {
        sums[k] = 0;
        for (int y = slice; slice < slices && y < c.down; y += slices)
            sums[k] += shared[k * plane + y * span + column];
    }
    __syncthreads();
    for (int k = 0; slice < slices && k < N; k++)
        shared[k * plane + slice * span + column] = sums[k];
    __syncthreads();
    if (slice > 0 || channel >= c.channels)
        return;
#pragma unroll
    for (int k = 0; k < N; k++)
        for (int other = 1; other < slices; other++)
            sums[k] += shared[k * plane + other * span + column];
    store(channel, sums);
}

#endif
