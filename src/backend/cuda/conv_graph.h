// A convolution's three products as graphs of cuDNN, with what may be done to a result before it is written.
#ifndef CNN_BACKEND_CUDA_CONV_GRAPH_H
#define CNN_BACKEND_CUDA_CONV_GRAPH_H
#include "backend/cuda/cudnn_graph.h"

struct cnn_conv_shape {
    struct cnn_conv conv;
    struct cnn_cudnn_dims in, weights, out;
    enum cnn_type type;
};
// ---- conv_shape.c
// Of a layer whose tensors are `in` and `out`: channels of `in` as they lie, padding included.
struct cnn_conv_shape cnn_conv_shape_of(const struct cnn_conv *conv, const struct cnn_tensor *in,
                                        const struct cnn_tensor *out);

// What follows the product, in this order. BIAS and MOMENTS are floats, c each; RESIDUAL lies like the
// result.
enum {
    CNN_CONV_BIAS = 1,
    CNN_CONV_RESIDUAL = 2,
    CNN_CONV_RELU = 4,
    CNN_CONV_MASK = 8,     // backward data: 0 where the input is not above 0
    CNN_CONV_MOMENTS = 16, // forward: sums of the result and of its squares, as well
};
// Builds a graph in `out`, initialised here and finished by the caller. CNN_ERR_UNSUPPORTED: no such graph.
enum cnn_status cnn_conv_graph_build(struct cnn_cudnn_graph *out, const struct cnn_cudnn_target *target,
                                     const struct cnn_conv_shape *shape, enum cnn_cudnn_pass pass,
                                     unsigned with) CNN_MUST_CHECK;

// ---- conv_shape.c
// "fwd+bias+relu"
#define CNN_CONV_FORM_BYTES 48
void cnn_conv_form_name(char out[CNN_CONV_FORM_BYTES], enum cnn_cudnn_pass pass, unsigned with);
// "bf16 n64 56x56x64 -> 56x56x256 k1x1 s1x1 p0x0 d1x1 g1": for messages and the cache of engines.
void cnn_conv_shape_text(char *out, size_t out_bytes, const struct cnn_conv_shape *shape);

#endif
