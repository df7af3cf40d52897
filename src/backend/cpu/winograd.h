// Convolutions of 3x3 taps, stride 1, by Winograd's minimal filtering F(4x4, 3x3): a tile of 4x4 outputs
// costs 36 multiplications a channel pair instead of 144 (Lavin and Gray 2015, arXiv:1509.09308).
// Interpolation points are 0, +-sqrt(1/2), +-sqrt(2) and infinity: with them the rounding error is about
// twice that of the direct sum, where the usual 0, +-1, +-2 are at seven times.
#ifndef CNN_BACKEND_CPU_WINOGRAD_H
#define CNN_BACKEND_CPU_WINOGRAD_H
#include "backend/ops.h"

#define CNN_WINOGRAD_TILE 4
#define CNN_WINOGRAD_PATCH 6
#define CNN_WINOGRAD_POSITIONS 36

// What becomes of a sum before it is stored: out = [relu](sum * scale + shift [+ residual]). All channel
// blocks padded; scale NULL: sums are stored as they are, or, where mask is given, those whose mask is
// positive, and 0 for the others. The mask may be the output itself.
struct cnn_winograd_finish {
    const float *scale, *shift;
    const void *residual, *mask; // elements like the output's
    bool relu;
};

// Where a tile lies in a plane [h][w][lanes] of one channel block; its first row and column may lie outside.
struct cnn_winograd_place {
    int h, w, y, x;
};

// The inner loops, once per instruction set. A vector is `lanes` channels. Positions of one vector lie
// `stride` floats apart.
struct cnn_winograd_kernels {
    const char *name;
    enum cnn_type type; // of planes' elements
    int lanes;
    int group; // tiles `multiply` takes at once
    // The transform of the 6x6 patch at `place`; what lies outside the plane is 0.
    void (*input)(float *v, size_t stride, const void *plane, const struct cnn_winograd_place *place);
    // The 4x4 outputs at `place`, those outside left out; residual, where given, is a plane like `plane`.
    void (*output)(void *plane, const struct cnn_winograd_place *place, const float *m, size_t stride,
                   const struct cnn_winograd_finish *finish);
    // The transposed transform of a 4x4 patch of output gradients.
    void (*output_grad)(float *z, size_t stride, const void *plane, const struct cnn_winograd_place *place);
    // 9 taps to 36 positions, for a block of lanes x lanes: w[c][tap][k] gives row c of u at c * row floats.
    // In `weights_turned` taps are reversed and row k holds the lanes of c.
    void (*weights)(float *u, size_t stride, size_t row, const float *w);
    void (*weights_turned)(float *u, size_t stride, size_t row, const float *w);
    // 36 positions back to 9 taps, summed over `copies` that lie `copy` floats apart; added to d_w if
    // `accumulate`.
    void (*weights_grad)(float *d_w, const float *d_u, size_t stride, int copies, size_t copy,
                         bool accumulate);
    // m[k][tile] = sum over c of v[c][tile] * u[c][k] for `width` (1 or 2) blocks of k and `tiles` (a
    // multiple of group) tiles; blocks of v lie v_block floats apart, of m m_block.
    void (*multiply)(float *m, size_t m_block, const float *v, size_t v_block, const float *u, int blocks,
                     int tiles, int width);
    // d_u[c][k] += sum over tiles of v[tile][c] * z[tile][k], one block by one block.
    void (*correlate)(float *d_u, const float *v, const float *z, int tiles);
};

extern const struct cnn_winograd_kernels cnn_winograd_avx2, cnn_winograd_avx512, cnn_winograd_avx512_bf16;

// Those for tensors of `type` in blocks of 8 or 16 channels; NULL where this processor cannot run them.
const struct cnn_winograd_kernels *cnn_winograd_kernels(int block, enum cnn_type type);

// How one pass is cut. `in` and `out` are the convolution's, or swapped for the gradient of the input.
struct cnn_winograd {
    const struct cnn_winograd_kernels *kernels;
    struct cnn_tensor in, out;
    int padding[2];
    int threads;
    int rows, cols; // tiles of a picture
    int tiles;      // of the batch
    int block;      // tiles worked on at a time
    int slice;      // output channel blocks computed at a time, so that their transformed weights stay small
    int panels;     // pairs of output channel blocks whose sums are kept before they are transformed back
    bool common;    // correlation: threads share chunks and divide positions, instead of each having its own
    size_t u_stride, v_stride, m_stride;
};

// Cuts the pass; not a failure where it would not pay.
void cnn_winograd_plan_sums(struct cnn_winograd *out, const struct cnn_winograd_kernels *kernels,
                            const struct cnn_tensor *in, const struct cnn_tensor *result,
                            const int padding[2], int threads);
void cnn_winograd_plan_correlation(struct cnn_winograd *out, const struct cnn_winograd_kernels *kernels,
                                   const struct cnn_tensor *in, const struct cnn_tensor *result,
                                   const int padding[2], int threads);
size_t cnn_winograd_sums_scratch(const struct cnn_winograd *p);        // bytes
size_t cnn_winograd_correlation_scratch(const struct cnn_winograd *p); // bytes

// out = in * w, finished. w is [k block][c][9][k lane] with c padded to whole blocks; `turned`: of the
// convolution whose gradient this is, so the roles of c and k are swapped. Results do not depend on threads.
void cnn_winograd_sums(const struct cnn_winograd *p, void *out, const void *in, const float *w, bool turned,
                       const struct cnn_winograd_finish *finish, void *scratch);
// d_w = [d_w +] the correlation of the input with the gradient of the output, laid out like w.
void cnn_winograd_correlation(const struct cnn_winograd *p, float *d_w, const void *in, const void *d_out,
                              bool accumulate, void *scratch);

#endif
