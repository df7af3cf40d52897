// How an architecture's file writes its network: each call adds a node, infers its shape and returns its index.
// An error sticks in the builder: later calls do nothing and return -1, and cnn_builder_finish reports it.
#ifndef CNN_MODEL_BUILDER_H
#define CNN_MODEL_BUILDER_H
#include "model/model.h"

struct cnn_builder;
enum cnn_status cnn_builder_create(struct cnn_builder **out, const char *arch, const struct cnn_model_options *options) CNN_MUST_CHECK;
int cnn_build_conv(struct cnn_builder *builder, const char *name, int input, struct cnn_conv conv);
int cnn_build_batch_norm(struct cnn_builder *builder, const char *name, int input, struct cnn_norm norm);
int cnn_build_relu(struct cnn_builder *builder, const char *name, int input);
int cnn_build_add(struct cnn_builder *builder, const char *name, int a, int b);
int cnn_build_max_pool(struct cnn_builder *builder, const char *name, int input, struct cnn_pool pool);
int cnn_build_avg_pool(struct cnn_builder *builder, const char *name, int input, struct cnn_pool pool);
int cnn_build_adaptive_avg_pool(struct cnn_builder *builder, const char *name, int input, int h, int w);
int cnn_build_linear(struct cnn_builder *builder, const char *name, int input, struct cnn_linear linear);
int cnn_build_dropout(struct cnn_builder *builder, const char *name, int input, double p);
int cnn_build_pad_shortcut(struct cnn_builder *builder, const char *name, int input, int channels);
// Initialisation of a node's parameter other than the default (He normal fan-out for convolutions,
// PyTorch's uniform for linear layers, 1/0/0/1 for batch norm).
void cnn_build_init(struct cnn_builder *builder, int node, enum cnn_param_role role, struct cnn_init init);
// Ends the network at `output`. Always frees the builder; *out is set on success.
enum cnn_status cnn_builder_finish(struct cnn_model **out, struct cnn_builder *builder, int output) CNN_MUST_CHECK;

#endif
