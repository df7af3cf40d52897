// Plain loops for every op, in double: slow and obvious, what each backend is compared with (backend_suite.h)
// and what finite differences check (test_reference.c). Tensors are dense NCHW. Gradients are those of a
// scalar whose gradient by `out` is d_out; they replace what was there.
#ifndef TESTS_REFERENCE_REFERENCE_H
#define TESTS_REFERENCE_REFERENCE_H
#include "model/model.h"

struct ref_shape {
    int n, c, h, w;
};
size_t ref_count(struct ref_shape shape);

// Cross-correlation. weight: out_channels x in_channels / groups x kh x kw; bias, d_in, d_weight, d_bias may
// be NULL.
struct ref_shape ref_conv_shape(struct ref_shape in, const struct cnn_conv *conv);
void ref_conv(double *out, const double *in, struct ref_shape shape, const struct cnn_conv *conv,
              const double *weight, const double *bias);
void ref_conv_grad(double *d_in, double *d_weight, double *d_bias, const double *d_out, const double *in,
                   struct ref_shape shape, const struct cnn_conv *conv, const double *weight);

// n x inputs to n x outputs; weight: outputs x inputs.
struct ref_linear {
    int n, inputs, outputs;
};
void ref_linear(double *out, const double *in, struct ref_linear size, const double *weight,
                const double *bias);
void ref_linear_grad(double *d_in, double *d_weight, double *d_bias, const double *d_out, const double *in,
                     struct ref_linear size, const double *weight);

// Batch norm. Statistics per channel: mean, and the biased variance (divided by the count), which normalises.
void ref_norm_statistics(double *mean, double *var, const double *in, struct ref_shape shape);
void ref_norm(double *out, const double *in, struct ref_shape shape, const double *mean, const double *var,
              const double *gamma, const double *beta, double eps);
// By the batch's own statistics, through which gradients flow too.
void ref_norm_grad(double *d_in, double *d_gamma, double *d_beta, const double *d_out, const double *in,
                   struct ref_shape shape, const double *gamma, double eps);

void ref_relu(double *out, const double *in, size_t n);
void ref_relu_grad(double *d_in, const double *d_out, const double *out, size_t n);
void ref_add(double *out, const double *a, const double *b, size_t n);

// The first of equal maxima wins; the last NaN beats everything. argmax: positions y * w + x in the input's
// plane.
struct ref_shape ref_pool_shape(struct ref_shape in, const struct cnn_pool *pool);
void ref_max_pool(double *out, int *argmax, const double *in, struct ref_shape shape,
                  const struct cnn_pool *pool);
void ref_max_pool_grad(double *d_in, const double *d_out, const int *argmax, struct ref_shape shape,
                       const struct cnn_pool *pool);
void ref_avg_pool(double *out, const double *in, struct ref_shape shape, const struct cnn_pool *pool);
void ref_avg_pool_grad(double *d_in, const double *d_out, struct ref_shape shape,
                       const struct cnn_pool *pool);
// Output i of n averages inputs floor(i size / n) to ceil((i + 1) size / n).
void ref_adaptive_pool(double *out, const double *in, struct ref_shape shape, const int out_size[2]);
void ref_adaptive_pool_grad(double *d_in, const double *d_out, struct ref_shape shape, const int out_size[2]);

// uint8 n x h x w x c pixels to (pixel / 255 - mean) / std.
void ref_normalize(double *out, const uint8_t *pixels, struct ref_shape shape, const double *mean,
                   const double *std);

// Sum over n samples of the cross-entropy with label smoothing; d_logits (may be NULL) is its gradient times
// scale.
double ref_loss(double *d_logits, const double *logits, int n, int classes, const int32_t *labels,
                double smoothing, double scale);
// Whether the label is among the k highest logits: ties go to the lower class, a NaN at the label loses.
bool ref_in_top(const double *logits, int classes, int label, int k);

// torch.optim.SGD: one step of one element; the first step's velocity is the gradient itself.
struct ref_sgd {
    double rate, momentum, dampening, decay;
    bool nesterov, first_step;
};
void ref_sgd_step(double *w, double *velocity, double gradient, const struct ref_sgd *sgd);

#endif
