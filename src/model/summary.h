// What a network is made of and what it costs, as a table for people and as JSON for programs.
#ifndef CNN_MODEL_SUMMARY_H
#define CNN_MODEL_SUMMARY_H
#include "model/model.h"

// Bytes of activations that training must keep for the backward pass of one micro-batch of `micro` samples in
// fp32: the inputs of convolutions, linear layers and batch norms, the outputs of ReLUs, one byte an element
// for the choices of max pooling and dropout, and the logits. An estimate from the graph alone: a backend
// that fuses ops may keep less, and gradients in flight come on top.
size_t cnn_model_activation_bytes(const struct cnn_model *model, int micro);

// One line a node (name, op, output H x W x C, parameters, MFLOPs), then totals and the memory of a
// micro-batch. *out is malloc'ed text that ends with a newline; the caller frees it. Not collective.
enum cnn_status cnn_model_summary(char **out, const struct cnn_model *model, int micro) CNN_MUST_CHECK;

// The same as one JSON object: arch, input, classes, layers[] {name, op, inputs, output, parameters, flops},
// parameters, statistics, flops, micro_batch, activation_bytes, parameter_bytes. *out is malloc'ed text
// without a newline at its end.
enum cnn_status cnn_model_summary_json(char **out, const struct cnn_model *model, int micro) CNN_MUST_CHECK;

#endif
