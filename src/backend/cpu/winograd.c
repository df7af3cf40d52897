#include "backend/cpu/winograd.h"
#include "backend/cpu/elements.h"
#include "base/memory.h"
#include <omp.h>

#define POSITIONS CNN_WINOGRAD_POSITIONS

// Working sets, in bytes, that still lie in a core's own cache, and that all cores together keep.
#define NEAR ((size_t)384 << 10)
#define FAR ((size_t)8 << 20)
// Transformed weights held at a time.
#define MOST_WEIGHTS ((size_t)20 << 20)

const struct cnn_winograd_kernels *cnn_winograd_kernels(int block, enum cnn_type type) {
    if (type != CNN_TYPE_F32)
        return block == 16 && type == CNN_TYPE_BF16 && __builtin_cpu_supports("avx512f")
                   ? &cnn_winograd_avx512_bf16
                   : NULL;
    if (block == 8 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &cnn_winograd_avx2;
    return block == 16 && __builtin_cpu_supports("avx512f") ? &cnn_winograd_avx512 : NULL;
}

static int blocks_of(const struct cnn_tensor *t) { return (t->c + t->block - 1) / t->block; }

static int smaller(int a, int b) { return a < b ? a : b; }
static int larger(int a, int b) { return a > b ? a : b; }
static int divide_up(int a, int b) { return (a + b - 1) / b; }

// Positions lie an odd number of cache lines apart: 36 streams at a power of two would share a few cache
// sets.
static size_t odd_lines(size_t floats) {
    const size_t line = CNN_ALIGN / sizeof(float), lines = (floats + line - 1) / line;
    return (lines | 1) * line;
}

static void plan_tiles(struct cnn_winograd *p, const struct cnn_winograd_kernels *kernels,
                       const struct cnn_tensor *in, const struct cnn_tensor *out, const int padding[2],
                       int threads) {
    *p = (struct cnn_winograd){.kernels = kernels,
                               .in = *in,
                               .out = *out,
                               .padding = {padding[0], padding[1]},
                               .threads = threads,
                               .rows = divide_up(out->h, CNN_WINOGRAD_TILE),
                               .cols = divide_up(out->w, CNN_WINOGRAD_TILE)};
    p->tiles = p->rows * p->cols * out->n;
}

// About `most` tiles at a time, so that each of `shares` gets the same number of blocks of nearly the same
// size.
static int even_block(int tiles, int shares, int most, int group) {
    const int each = divide_up(tiles, shares), rounds = divide_up(each, larger(most, group));
    return divide_up(divide_up(each, rounds), group) * group;
}

// As few slices of output channel blocks as keep the weights below the limit, nearly alike, in whole pairs.
static int slice_of(int ins, int outs, size_t vector, int lanes) {
    const size_t weights = vector * (size_t)ins * (size_t)outs * (size_t)lanes;
    const int slices = (int)((weights + MOST_WEIGHTS - 1) / MOST_WEIGHTS);
    return divide_up(divide_up(outs, slices), 2) * 2;
}

void cnn_winograd_plan_sums(struct cnn_winograd *p, const struct cnn_winograd_kernels *kernels,
                            const struct cnn_tensor *in, const struct cnn_tensor *result,
                            const int padding[2], int threads) {
    plan_tiles(p, kernels, in, result, padding, threads);
    const int lanes = kernels->lanes, ins = blocks_of(in), outs = blocks_of(result);
    const size_t vector = POSITIONS * (size_t)lanes * sizeof(float),
                 weights = vector * (size_t)(ins * outs * lanes);
    // each block reads the transformed weights once more: the larger they are, the more tiles have to share
    // them
    const int least = weights > FAR ? 96 : weights > NEAR ? 48 : 24;
    p->block = even_block(p->tiles, threads, larger(least, (int)(NEAR / (vector * (size_t)(ins + 2)))),
                          kernels->group);
    const bool near = vector * (size_t)p->block * (size_t)ins <= 2 * NEAR;
    p->slice = slice_of(ins, outs, vector, lanes);
    p->panels = near ? 1 : p->slice / 2;
    p->u_stride = odd_lines((size_t)p->slice * (size_t)ins * (size_t)(lanes * lanes));
    p->v_stride = odd_lines((size_t)ins * (size_t)p->block * (size_t)lanes);
    p->m_stride = odd_lines((size_t)p->panels * 2 * (size_t)p->block * (size_t)lanes);
}

void cnn_winograd_plan_correlation(struct cnn_winograd *p, const struct cnn_winograd_kernels *kernels,
                                   const struct cnn_tensor *in, const struct cnn_tensor *result,
                                   const int padding[2], int threads) {
    plan_tiles(p, kernels, in, result, padding, threads);
    const int lanes = kernels->lanes, ins = blocks_of(in), outs = blocks_of(result);
    const size_t vector = POSITIONS * (size_t)lanes * sizeof(float),
                 sums = vector * (size_t)(ins * outs * lanes);
    p->common = sums > 2 * NEAR;
    const int most = (int)((p->common ? FAR : NEAR) / (vector * (size_t)(ins + outs)));
    p->block = p->common ? even_block(p->tiles, 1, larger(most, 96), 1)
                         : even_block(p->tiles, threads, larger(most, 24), 1);
    p->slice = slice_of(ins, outs, vector, lanes);
    p->u_stride = odd_lines((size_t)p->slice * (size_t)ins * (size_t)(lanes * lanes));
    p->v_stride = odd_lines((size_t)ins * (size_t)p->block * (size_t)lanes);
    p->m_stride = odd_lines((size_t)p->slice * (size_t)p->block * (size_t)lanes);
}

size_t cnn_winograd_sums_scratch(const struct cnn_winograd *p) {
    const size_t each = POSITIONS * (p->v_stride + p->m_stride);
    return (POSITIONS * p->u_stride + (size_t)p->threads * each) * sizeof(float);
}

size_t cnn_winograd_correlation_scratch(const struct cnn_winograd *p) {
    const size_t own = p->common ? 1 : (size_t)p->threads;
    return own * POSITIONS * (p->u_stride + p->v_stride + p->m_stride) * sizeof(float);
}

// Tile number `tile` of the batch: its sample, and where its first output lies.
static int locate(const struct cnn_winograd *p, int tile, struct cnn_winograd_place *place) {
    const int each = p->rows * p->cols, in_picture = tile % each;
    place->y = in_picture / p->cols * CNN_WINOGRAD_TILE;
    place->x = in_picture % p->cols * CNN_WINOGRAD_TILE;
    return tile / each;
}

static size_t plane_at(const struct cnn_tensor *t, int sample, int block) {
    return ((size_t)sample * (size_t)blocks_of(t) + (size_t)block) * (size_t)t->h * (size_t)t->w *
           (size_t)t->block;
}

// The transforms of channel block `b` of `n` tiles from `first` on, one behind the other.
static void transform_in(const struct cnn_winograd *p, float *v, const void *in, int b, int first, int n) {
    struct cnn_winograd_place place = {.h = p->in.h, .w = p->in.w};
    for (int t = 0; t < n; t++) {
        const int sample = locate(p, first + t, &place);
        place.y -= p->padding[0];
        place.x -= p->padding[1];
        p->kernels->input(v + (size_t)t * (size_t)p->kernels->lanes, p->v_stride,
                          cnn_cpu_from(in, p->in.type, plane_at(&p->in, sample, b)), &place);
    }
}

static void transform_grad(const struct cnn_winograd *p, float *z, const void *d_out, int b, int first,
                           int n) {
    struct cnn_winograd_place place = {.h = p->out.h, .w = p->out.w};
    for (int t = 0; t < n; t++) {
        const int sample = locate(p, first + t, &place);
        p->kernels->output_grad(z + (size_t)t * (size_t)p->kernels->lanes, p->m_stride,
                                cnn_cpu_from(d_out, p->out.type, plane_at(&p->out, sample, b)), &place);
    }
}

static void transform_out(const struct cnn_winograd *p, void *out, const float *m, int b, int first, int n,
                          const struct cnn_winograd_finish *finish) {
    struct cnn_winograd_place place = {.h = p->out.h, .w = p->out.w};
    const size_t channel = (size_t)b * (size_t)p->kernels->lanes;
    for (int t = 0; t < n; t++) {
        const int sample = locate(p, first + t, &place);
        const size_t at = plane_at(&p->out, sample, b);
        const enum cnn_type type = p->out.type;
        const struct cnn_winograd_finish here = {
            .scale = finish->scale ? finish->scale + channel : NULL,
            .shift = finish->scale ? finish->shift + channel : NULL,
            .residual = finish->residual ? cnn_cpu_from(finish->residual, type, at) : NULL,
            .mask = finish->mask ? cnn_cpu_from(finish->mask, type, at) : NULL,
            .relu = finish->relu};
        p->kernels->output(cnn_cpu_to(out, type, at), &place, m + (size_t)t * (size_t)p->kernels->lanes,
                           p->m_stride, &here);
    }
}

// A panel is a pair of output blocks (the last may be single): [position][panel][c][1 or 2 blocks of k].
static int width_of(int panel, int outs) { return outs - 2 * panel < 2 ? 1 : 2; }
static size_t panel_at(const struct cnn_winograd *p, int panel) {
    return (size_t)panel * 2 * cnn_tensor_channels(&p->in) * (size_t)p->kernels->lanes;
}

// Blocks of output channels first..first + n - 1.
struct slice {
    int first, n;
};

static struct slice slice_at(const struct cnn_winograd *p, int first) {
    return (struct slice){first, smaller(p->slice, blocks_of(&p->out) - first)};
}

static void transform_weights(const struct cnn_winograd *p, float *u, const float *w, bool turned,
                              struct slice slice) {
    const int lanes = p->kernels->lanes, ins = blocks_of(&p->in), outs = blocks_of(&p->out);
#pragma omp for schedule(static) collapse(2)
    for (int k = 0; k < slice.n; k++)
        for (int c = 0; c < ins; c++) {
            const int width = width_of(k / 2, slice.n), at = slice.first + k;
            const size_t row = (size_t)(width * lanes);
            float *to = u + panel_at(p, k / 2) + (size_t)(c * lanes) * row + (size_t)(k % 2 * lanes);
            const size_t block =
                turned ? (size_t)c * (size_t)outs + (size_t)at : (size_t)at * (size_t)ins + (size_t)c;
            const float *from = w + block * 9 * (size_t)(lanes * lanes);
            (turned ? p->kernels->weights_turned : p->kernels->weights)(to, p->u_stride, row, from);
        }
}

// Tiles past the last, up to a whole group, are computed like the others and not looked at: they must be
// numbers.
static void clear_rest(const struct cnn_winograd *p, float *v, int n, int padded) {
    const size_t lanes = (size_t)p->kernels->lanes;
    for (int i = 0; i < POSITIONS; i++)
        for (size_t j = (size_t)n * lanes; j < (size_t)padded * lanes; j++)
            v[(size_t)i * p->v_stride + j] = 0;
}

struct sums_args {
    void *out;
    const void *in;
    const float *u;
    const struct cnn_winograd_finish *finish;
    struct slice slice;
};

static void sums_of_block(const struct cnn_winograd *p, const struct sums_args *args, int first, float *v,
                          float *m) {
    const int n = smaller(p->block, p->tiles - first),
              padded = divide_up(n, p->kernels->group) * p->kernels->group;
    const int ins = blocks_of(&p->in), outs = args->slice.n, panels = divide_up(outs, 2);
    const size_t block = (size_t)p->block * (size_t)p->kernels->lanes;
    for (int b = 0; b < ins; b++) {
        transform_in(p, v + (size_t)b * block, args->in, b, first, n);
        clear_rest(p, v + (size_t)b * block, n, padded);
    }
    for (int from = 0; from < panels; from += p->panels) {
        const int to = smaller(from + p->panels, panels);
        for (int i = 0; i < POSITIONS; i++)
            for (int panel = from; panel < to; panel++)
                p->kernels->multiply(m + (size_t)i * p->m_stride + (size_t)(panel - from) * 2 * block, block,
                                     v + (size_t)i * p->v_stride, block,
                                     args->u + (size_t)i * p->u_stride + panel_at(p, panel), ins, padded,
                                     width_of(panel, outs));
        for (int b = 2 * from; b < smaller(2 * to, outs); b++)
            transform_out(p, args->out, m + (size_t)(b - 2 * from) * block, args->slice.first + b, first, n,
                          args->finish);
    }
}

void cnn_winograd_sums(const struct cnn_winograd *p, void *out, const void *in, const float *w, bool turned,
                       const struct cnn_winograd_finish *finish, void *scratch) {
    float *u = scratch, *own = u + POSITIONS * p->u_stride;
    const int n_blocks = divide_up(p->tiles, p->block);
#pragma omp parallel num_threads(p->threads)
    {
        float *v = own + (size_t)omp_get_thread_num() * POSITIONS * (p->v_stride + p->m_stride);
        for (int k = 0; k < blocks_of(&p->out); k += p->slice) {
            const struct sums_args args = {out, in, u, finish, slice_at(p, k)};
            transform_weights(p, u, w, turned, args.slice);
#pragma omp for schedule(static)
            for (int i = 0; i < n_blocks; i++)
                sums_of_block(p, &args, i * p->block, v, v + POSITIONS * p->v_stride);
        }
    }
}

struct correlation_args {
    float *u, *v, *z;
    const void *in, *d_out;
    struct slice slice;
};

// Tiles' transforms, the blocks of channels divided over `share` of `shares`.
static void transform_both(const struct cnn_winograd *p, const struct correlation_args *a, int first, int n,
                           int share, int shares) {
    const int ins = blocks_of(&p->in), blocks = ins + a->slice.n;
    const size_t block = (size_t)p->block * (size_t)p->kernels->lanes;
    for (int b = share; b < blocks; b += shares)
        if (b < ins)
            transform_in(p, a->v + (size_t)b * block, a->in, b, first, n);
        else
            transform_grad(p, a->z + (size_t)(b - ins) * block, a->d_out, a->slice.first + b - ins, first, n);
}

static void correlate_positions(const struct cnn_winograd *p, const struct correlation_args *a, int n,
                                int from, int to) {
    const int lanes = p->kernels->lanes, ins = blocks_of(&p->in);
    const size_t block = (size_t)p->block * (size_t)lanes;
    for (int i = from; i < to; i++)
        for (int k = 0; k < a->slice.n; k++)
            for (int c = 0; c < ins; c++)
                p->kernels->correlate(a->u + (size_t)i * p->u_stride +
                                          (size_t)(k * ins + c) * (size_t)(lanes * lanes),
                                      a->v + (size_t)i * p->v_stride + (size_t)c * block,
                                      a->z + (size_t)i * p->m_stride + (size_t)k * block, n);
}

static void clear_sums(const struct cnn_winograd *p, float *u, int from, int to) {
    for (size_t i = (size_t)from * p->u_stride; i < (size_t)to * p->u_stride; i++)
        u[i] = 0;
}

// Each thread transforms its own tiles and adds them up for itself.
static void correlate_apart(const struct cnn_winograd *p, const struct correlation_args *a) {
    const int n_blocks = divide_up(p->tiles, p->block);
    clear_sums(p, a->u, 0, POSITIONS);
#pragma omp for schedule(static)
    for (int i = 0; i < n_blocks; i++) {
        const int first = i * p->block, n = smaller(p->block, p->tiles - first);
        transform_both(p, a, first, n, 0, 1);
        correlate_positions(p, a, n, 0, POSITIONS);
    }
}

// All threads transform the same tiles, then each adds up its share of the positions.
static void correlate_together(const struct cnn_winograd *p, const struct correlation_args *a) {
    const int share = omp_get_thread_num(), shares = omp_get_num_threads();
    const int from = POSITIONS * share / shares, to = POSITIONS * (share + 1) / shares;
    clear_sums(p, a->u, from, to);
    for (int first = 0; first < p->tiles; first += p->block) {
        const int n = smaller(p->block, p->tiles - first);
        transform_both(p, a, first, n, share, shares);
#pragma omp barrier
        correlate_positions(p, a, n, from, to);
#pragma omp barrier
    }
}

void cnn_winograd_correlation(const struct cnn_winograd *p, float *d_w, const void *in, const void *d_out,
                              bool accumulate, void *scratch) {
    const size_t each = POSITIONS * (p->u_stride + p->v_stride + p->m_stride),
                 lanes = (size_t)p->kernels->lanes;
    const int rows = blocks_of(&p->in) * p->kernels->lanes; // of one output channel block
    float *base = scratch;
#pragma omp parallel num_threads(p->threads)
    {
        float *own = base + (p->common ? 0 : (size_t)omp_get_thread_num()) * each;
        for (int k = 0; k < blocks_of(&p->out); k += p->slice) {
            const struct correlation_args args = {.u = own,
                                                  .v = own + POSITIONS * p->u_stride,
                                                  .z = own + POSITIONS * (p->u_stride + p->v_stride),
                                                  .in = in,
                                                  .d_out = d_out,
                                                  .slice = slice_at(p, k)};
            p->common ? correlate_together(p, &args) : correlate_apart(p, &args);
#pragma omp for schedule(static)
            for (int i = 0; i < args.slice.n * rows; i++)
                p->kernels->weights_grad(d_w + (size_t)(k * rows + i) * 9 * lanes, base + (size_t)i * lanes,
                                         p->u_stride, p->common ? 1 : omp_get_num_threads(), each,
                                         accumulate);
        }
    }
}
