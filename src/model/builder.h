// How an architecture's file writes its network: each call adds a node, infers its shape and returns its
// index. An error sticks in the builder: later calls do nothing and return -1, and cnn_builder_finish reports
// it.
#ifndef CNN_MODEL_BUILDER_H
#define CNN_MODEL_BUILDER_H
#include "model/model.h"

struct cnn_builder;
// Starts a network of options->input; node 0 is the input. Copies what it needs of `options`.
enum cnn_status cnn_builder_create(struct cnn_builder **out, const char *arch,
                                   const struct cnn_model_options *options) CNN_MUST_CHECK;
// Puts "scope." in front of the names of the nodes that follow, until the next scope or its end.
void cnn_build_scope(struct cnn_builder *builder, const char *format, ...) CNN_PRINTF(2, 3);
void cnn_build_scope_end(struct cnn_builder *builder);
// The shape of a node; all 1 after an error.
struct cnn_shape cnn_build_shape(const struct cnn_builder *builder, int node);

// Names are unique in a network; a NULL name gets a made one ("relu7": the op and the node's index).
// Zero stride, dilation or groups of a convolution mean 1; zero stride of a pool means its kernel.
int cnn_build_conv(struct cnn_builder *builder, const char *name, int input, struct cnn_conv conv);
// PyTorch's defaults, which torchvision's networks keep.
#define CNN_TORCH_NORM ((struct cnn_norm){.eps = 1e-5, .momentum = 0.1})
int cnn_build_batch_norm(struct cnn_builder *builder, const char *name, int input, struct cnn_norm norm);
int cnn_build_relu(struct cnn_builder *builder, const char *name, int input);
int cnn_build_add(struct cnn_builder *builder, const char *name, int a, int b);
// Output extents are PyTorch's: with ceil_mode a last window may hang over the far edge, but must start
// inside the input or its near padding.
int cnn_build_max_pool(struct cnn_builder *builder, const char *name, int input, struct cnn_pool pool);
int cnn_build_avg_pool(struct cnn_builder *builder, const char *name, int input, struct cnn_pool pool);
int cnn_build_adaptive_avg_pool(struct cnn_builder *builder, const char *name, int input, int h, int w);
int cnn_build_linear(struct cnn_builder *builder, const char *name, int input, struct cnn_linear linear);
// 0 <= p < 1; p = 0 adds no node and returns `input`.
int cnn_build_dropout(struct cnn_builder *builder, const char *name, int input, double p);
// Initialisation of a node's parameter other than the default (He normal fan-out for convolutions,
// PyTorch's uniform for linear layers, 1/0/0/1 for batch norm).
void cnn_build_init(struct cnn_builder *builder, int node, enum cnn_param_role role, struct cnn_init init);
// Ends the network at `output`. Always frees the builder; *out is set on success.
enum cnn_status cnn_builder_finish(struct cnn_model **out, struct cnn_builder *builder,
                                   int output) CNN_MUST_CHECK;

#endif
