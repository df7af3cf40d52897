// The inner loops of the CPU backend that are our own: one table per instruction set and type of tensors,
// picked once at start. Tensors (void pointers here) are made of the table's type; the arithmetic is that of
// floats in all tables. Data of a channel block is contiguous: `pixels` times `block` (8 or 16) elements.
// Coefficients are 16 floats, those of a block of 8 given twice. Loops take no locks and no decisions that
// depend on the number of threads.
#ifndef CNN_BACKEND_CPU_SIMD_H
#define CNN_BACKEND_CPU_SIMD_H
#include "backend/update.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CNN_LANES 16

enum cnn_mask {
    CNN_MASK_NONE,
    CNN_MASK_BY_INPUT,
    CNN_MASK_BY_OUTPUT
}; // how relu's mask is known in backward

// One channel block's part of batch norm backward. g = (d0 + d1) where the normalised value is positive.
struct cnn_norm_grad {
    const void *d0, *d1;        // d1 NULL: none
    const void *in, *out;       // the norm's input; its output for MASK_BY_OUTPUT
    const float *scale, *shift; // 16 each, for MASK_BY_INPUT
    enum cnn_mask mask;
};

#define CNN_NO_WINNER 255
struct cnn_window {
    int h, w, out_h, out_w, kernel[2], stride[2], padding[2];
    bool positive; // `argmax` of an output that is not positive is CNN_NO_WINNER: it passes no gradient back
};

struct cnn_simd {
    const char *name;
    // Mean and sum of squared deviations of each of `block` channels.
    void (*moments)(const void *x, size_t pixels, int block, double *mean, double *m2);
    // out = [relu](in * scale + shift [+ residual]); residual NULL: none. out may be in or residual.
    void (*norm_apply)(void *out, const void *in, const void *residual, const float *scale,
                       const float *shift, size_t n, bool relu);
    // Sums over pixels of g and g * (in - mean); where `g_out` is given, g is written there (may be d0).
    void (*norm_grad_sums)(const struct cnn_norm_grad *grad, const float *mean, void *g_out, size_t pixels,
                           int block, double *sum_g, double *sum_gx);
    // d_in = a * g + b * in + c; may be d0.
    void (*norm_grad_apply)(void *d_in, const struct cnn_norm_grad *grad, const float *a, const float *b,
                            const float *c, size_t n);
    void (*relu)(void *out, const void *in, size_t n);
    void (*relu_grad)(void *d_in, const void *d_out, const void *out, size_t n); // d_in may be d_out
    void (*add)(void *out, const void *a, const void *b, size_t n, bool relu);   // out may be a
    void (*narrow)(void *out, const float *in, size_t n);                        // floats to the table's type
    void (*sgd)(float *w, float *v, const float *g, size_t n, struct cnn_sgd_factors factors);
    void (*nesterov)(float *w, float *v, const float *g, size_t n, struct cnn_sgd_factors factors);
    // One channel block of pooling: in [h][w][block], out [out_h][out_w][block]; `argmax` (same shape as out,
    // may be NULL) numbers the winning window position.
    void (*max_pool)(void *out, uint8_t *argmax, const void *in, const struct cnn_window *window, int block);
    void (*max_pool_grad)(void *d_in, const void *d_out, const uint8_t *argmax,
                          const struct cnn_window *window, int block);
};

extern const struct cnn_simd cnn_simd_baseline, cnn_simd_avx2, cnn_simd_avx512;
extern const struct cnn_simd cnn_simd_avx512_bf16, cnn_simd_avx512bf16_bf16;

// The best table this processor runs (ONEDNN_MAX_CPU_ISA does not change it): of floats, and of bf16, which
// is NULL without AVX-512.
const struct cnn_simd *cnn_simd_best(void);
const struct cnn_simd *cnn_simd_best_bf16(void);
// 16 where the processor has AVX-512 and oneDNN is allowed to use it, else 8: channels a block of activations
// has.
int cnn_simd_block(void);

#endif
