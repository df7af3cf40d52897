// Stochastic gradient descent over all segments in one launch. What is to do is cut into tiles of one segment
// each; the list of them is made once per list of segments and stays on the device.
#include "backend/cuda/vector.cuh"

#include "backend/cuda/tiles.h"
#include "backend/update.h"

enum { THREADS = 256 };

struct update {
    float *parameters, *velocity;
    const float *gradients;
    void *compute;
    const struct cnn_control *control;
    float momentum, dampening, decay[3];
    int micros;
    bool nesterov;
};

static struct update update_of(const struct cnn_sgd *sgd) {
    return {sgd->parameters, sgd->velocity, sgd->gradients, sgd->compute,
            sgd->control,    sgd->momentum, sgd->dampening, {sgd->decay[0], sgd->decay[1], sgd->decay[2]},
            sgd->micros,     sgd->nesterov};
}

template <int N, typename T>
static __device__ void update_at(const struct update &u, const struct cnn_tile &tile,
                                 const struct cnn_sgd_factors &factors, size_t i) {
    cnn_floats<N> w = cnn_load<N>(u.parameters + i);
    const cnn_floats<N> g = cnn_load<N>(u.gradients + i);
    if (tile.kind == CNN_SEGMENT_STATISTIC) {
        const float share = tile.statistic_momentum / (float)u.micros;
#pragma unroll
        for (int k = 0; k < N; k++)
            cnn_update_statistic(&w.at[k], g.at[k], tile.statistic_momentum, share);
    } else {
        cnn_floats<N> v = cnn_load<N>(u.velocity + i);
#pragma unroll
        for (int k = 0; k < N; k++)
            if (u.nesterov)
                cnn_update_nesterov(&w.at[k], &v.at[k], g.at[k], factors);
            else
                cnn_update_sgd(&w.at[k], &v.at[k], g.at[k], factors);
        cnn_store(u.velocity + i, v);
    }
    cnn_store(u.parameters + i, w);
    if (sizeof(T) < sizeof(float) && u.compute)
        cnn_store((T *)u.compute + i, w);
}

// Picked, not indexed: an index at run time would put all of `u` into local memory.
static __device__ float decay_of(const struct update &u, int kind) {
    return kind == CNN_SEGMENT_DECAY        ? u.decay[CNN_SEGMENT_DECAY]
           : kind == CNN_SEGMENT_PLAIN_NORM ? u.decay[CNN_SEGMENT_PLAIN_NORM]
           : kind == CNN_SEGMENT_PLAIN_BIAS ? u.decay[CNN_SEGMENT_PLAIN_BIAS]
                                            : 0.0f;
}

// T: the type of the copy that products read.
template <typename T>
static __global__ void __launch_bounds__(THREADS)
    update_kernel(const struct update u, const struct cnn_tile *__restrict__ tiles, int n_tiles) {
    const struct cnn_control &control = *u.control;
    if (control.overflow)
        return;
    for (int t = (int)blockIdx.x; t < n_tiles; t += (int)gridDim.x) {
        const struct cnn_tile tile = tiles[t];
        const struct cnn_sgd_factors factors = {control.rate, u.momentum,
                                                control.first_update ? 1.0f : 1.0f - u.dampening,
                                                decay_of(u, (int)tile.kind), 1.0f / control.loss_scale};
        size_t i = tile.first + threadIdx.x * 4;
        const size_t end = tile.first + tile.n;
        // a tile that does not begin at 16 bytes goes one by one
        if (tile.first % 4 == 0) {
            for (; i + 4 <= end; i += THREADS * 4)
                update_at<4, T>(u, tile, factors, i);
            for (; i < end; i++)
                update_at<1, T>(u, tile, factors, i);
        } else {
            for (i = tile.first + threadIdx.x; i < end; i += THREADS)
                update_at<1, T>(u, tile, factors, i);
        }
    }
}

enum cnn_status cnn_cuda_sgd(struct cnn_backend *backend, const struct cnn_sgd *sgd) {
    struct cnn_cuda *cuda = cnn_cuda_of(backend);
    const struct cnn_tiles *tiles = NULL;
    CNN_TRY(cnn_cuda_tiles_of(&tiles, cuda, sgd->segments, sgd->n_segments));
    if (tiles->n == 0)
        return CNN_OK;
    const int most = cuda->processors * 8;
    cnn_with_type(backend->type, [&](auto zero) {
        CNN_LAUNCH((update_kernel<decltype(zero)>), (unsigned)(tiles->n < most ? tiles->n : most), THREADS,
                   cuda->compute, update_of(sgd), tiles->device, tiles->n);
    });
    return cnn_launched("updating the parameters");
}
