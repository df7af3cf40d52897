// The bodies of struct cnn_winograd_kernels, in GCC vector extensions; included once per instruction set by
// winograd_avx2.c and winograd_avx512.c, which define LANES, GROUP, TABLE and NAME, and for tensors of bf16
// once more with BF16 defined: values are widened when they are read and rounded when they are written.
#include "backend/cpu/winograd.h"
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")
#define PATCH CNN_WINOGRAD_PATCH
#define TILE CNN_WINOGRAD_TILE

typedef float vec __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }
#if defined(BF16)
typedef uint16_t element;
typedef uint16_t words __attribute__((vector_size(LANES * 2), aligned(2), may_alias));
typedef uint32_t uvec __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
INLINE vec load_element(const element *p) {
    return (vec)(__builtin_convertvector(*(const words *)p, uvec) << 16);
}
// As cnn_bf16_from_float.
INLINE void store_element(element *p, vec v) {
    const uvec bits = (uvec)v, odd = bits >> 16 & 1, nan = (uvec)(v != v);
    const uvec rounded = (bits + 0x7fff + odd) >> 16, quiet = bits >> 16 | 0x40;
    *(words *)p = __builtin_convertvector((nan & quiet) | (~nan & rounded), words);
}
#else
typedef float element;
INLINE vec load_element(const element *p) { return load(p); }
INLINE void store_element(element *p, vec v) { store(p, v); }
#endif
INLINE vec all(float v) { return v - (vec){0}; } // exact for every v, and one broadcast

// Points a and b; every matrix below is made of them.
#define A 0.70710678118654752440f
#define B 1.41421356237309504880f

// B^T of the input, 6 to 6.
INLINE void input_line(vec o[PATCH], const vec d[PATCH]) {
    const vec s = d[4] - 2.0f * d[2], t = d[3] - 2.0f * d[1];
    const vec u = d[4] - 0.5f * d[2], v = d[3] - 0.5f * d[1];
    o[0] = d[0] + d[4] - 2.5f * d[2];
    o[1] = s + A * t;
    o[2] = s - A * t;
    o[3] = u + B * v;
    o[4] = u - B * v;
    o[5] = d[1] + d[5] - 2.5f * d[3];
}

// A^T of the sums, 6 to 4.
INLINE void output_line(vec o[TILE], const vec m[PATCH]) {
    const vec p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
    o[0] = m[0] + p + r;
    o[1] = A * q + B * s;
    o[2] = 0.5f * p + 2.0f * r;
    o[3] = 0.5f * A * q + 2.0f * B * s + m[5];
}

// A of the output's gradient, 4 to 6.
INLINE void output_grad_line(vec o[PATCH], const vec g[TILE]) {
    const vec p = g[0] + 0.5f * g[2], q = A * g[1] + 0.5f * A * g[3];
    const vec r = g[0] + 2.0f * g[2], s = B * g[1] + 2.0f * B * g[3];
    o[0] = g[0];
    o[1] = p + q;
    o[2] = p - q;
    o[3] = r + s;
    o[4] = r - s;
    o[5] = g[3];
}

// G of the weights, 3 to 6.
INLINE void weights_line(vec o[PATCH], const vec w[3]) {
    const vec p = -2.0f / 3 * w[0] - 1.0f / 3 * w[2], q = -2.0f / 3 * A * w[1];
    const vec r = 1.0f / 6 * w[0] + 1.0f / 3 * w[2], s = B / 6 * w[1];
    o[0] = w[0];
    o[1] = p + q;
    o[2] = p - q;
    o[3] = r + s;
    o[4] = r - s;
    o[5] = w[2];
}

// G^T of the weights' gradient, 6 to 3.
INLINE void weights_grad_line(vec o[3], const vec u[PATCH]) {
    const vec p = u[1] + u[2], q = u[1] - u[2], r = u[3] + u[4], s = u[3] - u[4];
    o[0] = u[0] - 2.0f / 3 * p + 1.0f / 6 * r;
    o[1] = B / 6 * s - 2.0f / 3 * A * q;
    o[2] = 1.0f / 3 * (r - p) + u[5];
}

// Copies the part of a side x side patch that lies in the plane; the rest is 0. Returns where to read, and
// the elements between its rows: the plane itself where all of it lies inside.
INLINE const element *patch_of(element *copy, const element *plane, const struct cnn_winograd_place *at,
                               int side, size_t *row) {
    const int y0 = at->y < 0 ? -at->y : 0, y1 = at->h - at->y < side ? at->h - at->y : side;
    const int x0 = at->x < 0 ? -at->x : 0, x1 = at->w - at->x < side ? at->w - at->x : side;
    const element *corner = plane + ((ptrdiff_t)at->y * at->w + at->x) * LANES;
    if (y0 == 0 && y1 == side && x0 == 0 && x1 == side) {
        *row = (size_t)at->w * LANES;
        return corner;
    }
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            const bool inside = y >= y0 && y < y1 && x >= x0 && x < x1;
            store_element(copy + (y * side + x) * LANES,
                          inside ? load_element(corner + ((ptrdiff_t)y * at->w + x) * LANES) : (vec){0});
        }
    *row = (size_t)side * LANES;
    return copy;
}

static void input(float *v, size_t stride, const void *plane, const struct cnn_winograd_place *place) {
    element copy[PATCH * PATCH * LANES];
    size_t row;
    const element *patch = patch_of(copy, plane, place, PATCH, &row);
    vec columns[PATCH][PATCH];
    UNROLL for (int x = 0; x < PATCH; x++) {
        vec d[PATCH], o[PATCH];
        UNROLL for (int y = 0; y < PATCH; y++) d[y] =
            load_element(patch + (size_t)y * row + (size_t)x * LANES);
        input_line(o, d);
        UNROLL for (int y = 0; y < PATCH; y++) columns[y][x] = o[y];
    }
    UNROLL for (int y = 0; y < PATCH; y++) {
        vec o[PATCH];
        input_line(o, columns[y]);
        UNROLL for (int x = 0; x < PATCH; x++) store(v + (size_t)(y * PATCH + x) * stride, o[x]);
    }
}

INLINE void output_tile(vec tile[TILE][TILE], const float *m, size_t stride) {
    vec columns[TILE][PATCH];
    UNROLL for (int x = 0; x < PATCH; x++) {
        vec d[PATCH], o[TILE];
        UNROLL for (int y = 0; y < PATCH; y++) d[y] = load(m + (size_t)(y * PATCH + x) * stride);
        output_line(o, d);
        UNROLL for (int y = 0; y < TILE; y++) columns[y][x] = o[y];
    }
    UNROLL for (int y = 0; y < TILE; y++) output_line(tile[y], columns[y]);
}

INLINE void output_finish(element *plane, const struct cnn_winograd_place *at, vec tile[TILE][TILE],
                          const struct cnn_winograd_finish *finish, int rows, int cols) {
    const vec scale = load(finish->scale), shift = load(finish->shift);
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < cols; x++) {
            const size_t i = ((size_t)(at->y + y) * (size_t)at->w + (size_t)(at->x + x)) * LANES;
            vec v = tile[y][x] * scale + shift;
            if (finish->residual)
                v += load_element((const element *)finish->residual + i);
            if (finish->relu)
                v = (vec)(~(v < 0.0f) & (ivec)v); // NaN stays NaN
            store_element(plane + i, v);
        }
}

INLINE void output_masked(element *plane, const struct cnn_winograd_place *at, vec tile[TILE][TILE],
                          const element *mask, int rows, int cols) {
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < cols; x++) {
            const size_t i = ((size_t)(at->y + y) * (size_t)at->w + (size_t)(at->x + x)) * LANES;
            store_element(plane + i, (vec)(~(load_element(mask + i) <= 0.0f) & (ivec)tile[y][x]));
        }
}

static void output(void *plane, const struct cnn_winograd_place *at, const float *m, size_t stride,
                   const struct cnn_winograd_finish *finish) {
    vec tile[TILE][TILE];
    const int rows = at->h - at->y < TILE ? at->h - at->y : TILE,
              cols = at->w - at->x < TILE ? at->w - at->x : TILE;
    element *corner = (element *)plane + ((size_t)at->y * (size_t)at->w + (size_t)at->x) * LANES;
    output_tile(tile, m, stride);
    if (finish->scale)
        output_finish(plane, at, tile, finish, rows, cols);
    else if (finish->mask)
        output_masked(plane, at, tile, finish->mask, rows, cols);
    else if (rows == TILE && cols == TILE)
        UNROLL for (int y = 0; y < TILE; y++) UNROLL for (int x = 0; x < TILE; x++)
            store_element(corner + ((size_t)y * (size_t)at->w + (size_t)x) * LANES, tile[y][x]);
    else
        for (int y = 0; y < rows; y++)
            for (int x = 0; x < cols; x++)
                store_element(corner + ((size_t)y * (size_t)at->w + (size_t)x) * LANES, tile[y][x]);
}

static void output_grad(float *z, size_t stride, const void *plane, const struct cnn_winograd_place *place) {
    element copy[TILE * TILE * LANES];
    size_t row;
    const element *patch = patch_of(copy, plane, place, TILE, &row);
    vec columns[PATCH][TILE];
    UNROLL for (int x = 0; x < TILE; x++) {
        vec d[TILE], o[PATCH];
        UNROLL for (int y = 0; y < TILE; y++) d[y] =
            load_element(patch + (size_t)y * row + (size_t)x * LANES);
        output_grad_line(o, d);
        UNROLL for (int y = 0; y < PATCH; y++) columns[y][x] = o[y];
    }
    UNROLL for (int y = 0; y < PATCH; y++) {
        vec o[PATCH];
        output_grad_line(o, columns[y]);
        UNROLL for (int x = 0; x < PATCH; x++) store(z + (size_t)(y * PATCH + x) * stride, o[x]);
    }
}

// Taps lie `tap` floats apart.
INLINE void weights_one(float *u, size_t stride, const float *w, ptrdiff_t tap) {
    vec columns[PATCH][3];
    UNROLL for (int x = 0; x < 3; x++) {
        vec d[3], o[PATCH];
        UNROLL for (int y = 0; y < 3; y++) d[y] = load(w + (y * 3 + x) * tap);
        weights_line(o, d);
        UNROLL for (int y = 0; y < PATCH; y++) columns[y][x] = o[y];
    }
    UNROLL for (int y = 0; y < PATCH; y++) {
        vec o[PATCH];
        weights_line(o, columns[y]);
        UNROLL for (int x = 0; x < PATCH; x++) store(u + (size_t)(y * PATCH + x) * stride, o[x]);
    }
}

static void weights(float *u, size_t stride, size_t row, const float *w) {
    for (int c = 0; c < LANES; c++)
        weights_one(u + (size_t)c * row, stride, w + c * 9 * LANES, LANES);
}

static void weights_turned(float *u, size_t stride, size_t row, const float *w) {
    float turned[LANES][9][LANES];
    for (int c = 0; c < LANES; c++)
        for (int tap = 0; tap < 9; tap++)
            for (int k = 0; k < LANES; k++)
                turned[k][tap][c] = w[(c * 9 + tap) * LANES + k];
    for (int k = 0; k < LANES; k++)
        weights_one(u + (size_t)k * row, stride, turned[k][8], -LANES);
}

static void weights_grad(float *d_w, const float *d_u, size_t stride, int copies, size_t copy,
                         bool accumulate) {
    vec columns[3][PATCH];
    UNROLL for (int x = 0; x < PATCH; x++) {
        vec d[PATCH], o[3];
        UNROLL for (int y = 0; y < PATCH; y++) {
            const float *at = d_u + (size_t)(y * PATCH + x) * stride;
            d[y] = load(at);
            for (int i = 1; i < copies; i++)
                d[y] += load(at + (size_t)i * copy);
        }
        weights_grad_line(o, d);
        UNROLL for (int y = 0; y < 3; y++) columns[y][x] = o[y];
    }
    UNROLL for (int y = 0; y < 3; y++) {
        vec o[3];
        weights_grad_line(o, columns[y]);
        UNROLL for (int x = 0; x < 3; x++) {
            float *at = d_w + (y * 3 + x) * LANES;
            store(at, accumulate ? load(at) + o[x] : (vec){0} + o[x]);
        }
    }
}

INLINE void multiply_group(float *m, size_t m_block, const float *v, size_t v_block, const float *u,
                           int blocks, int width) {
    vec sums[GROUP][2];
    UNROLL for (int i = 0; i < GROUP; i++) sums[i][0] = sums[i][1] = (vec){0};
    for (int b = 0; b < blocks; b++, v += v_block)
        for (int c = 0; c < LANES; c++, u += width * LANES) {
            const vec u0 = load(u), u1 = width == 2 ? load(u + LANES) : u0;
            UNROLL for (int i = 0; i < GROUP; i++) {
                const vec x = all(v[i * LANES + c]);
                sums[i][0] += x * u0;
                if (width == 2)
                    sums[i][1] += x * u1;
            }
        }
    UNROLL for (int i = 0; i < GROUP; i++) {
        store(m + i * LANES, sums[i][0]);
        if (width == 2)
            store(m + m_block + i * LANES, sums[i][1]);
    }
}

static void multiply(float *m, size_t m_block, const float *v, size_t v_block, const float *u, int blocks,
                     int tiles, int width) {
    for (int t = 0; t < tiles; t += GROUP)
        if (width == 2)
            multiply_group(m + (size_t)t * LANES, m_block, v + (size_t)t * LANES, v_block, u, blocks, 2);
        else
            multiply_group(m + (size_t)t * LANES, m_block, v + (size_t)t * LANES, v_block, u, blocks, 1);
}

static void correlate(float *d_u, const float *v, const float *z, int tiles) {
    vec sums[LANES];
    UNROLL for (int c = 0; c < LANES; c++) sums[c] = load(d_u + c * LANES);
    for (int t = 0; t < tiles; t++) {
        const vec g = load(z + (size_t)t * LANES);
        UNROLL for (int c = 0; c < LANES; c++) sums[c] += all(v[(size_t)t * LANES + (size_t)c]) * g;
    }
    UNROLL for (int c = 0; c < LANES; c++) store(d_u + c * LANES, sums[c]);
}

const struct cnn_winograd_kernels TABLE = {
    .name = NAME,
#if defined(BF16)
    .type = CNN_TYPE_BF16,
#endif
    .lanes = LANES,
    .group = GROUP,
    .input = input,
    .output = output,
    .output_grad = output_grad,
    .weights = weights,
    .weights_turned = weights_turned,
    .weights_grad = weights_grad,
    .multiply = multiply,
    .correlate = correlate,
};
