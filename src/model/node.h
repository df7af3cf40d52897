// What the ops' files need of the builder: a node is begun, given its attributes, shape and parameters, and
// appended.
#ifndef CNN_MODEL_NODE_H
#define CNN_MODEL_NODE_H
#include "model/builder.h"

#define CNN_NO_INPUT (-1)

// Keeps this thread's error as the builder's, which stops it; always -1.
int cnn_builder_stick(struct cnn_builder *builder, enum cnn_status status);
bool cnn_builder_broken(const struct cnn_builder *builder);
const struct cnn_model *cnn_builder_model(const struct cnn_builder *builder);

// Every error about a node that is being added; -1. `format` needs at least one argument.
#define CNN_NODE_FAIL(builder, node, format, ...)                                                            \
    cnn_builder_stick(builder, cnn_fail(CNN_ERR_INPUT, "layer '%s' (%s): " format, (node)->name,             \
                                        cnn_op_name((node)->op), __VA_ARGS__))

// Fills op, name and inputs of *node, and its shape with that of input a; false after an error.
bool cnn_node_begin(struct cnn_builder *builder, struct cnn_node *node, enum cnn_op op, const char *name,
                    int a, int b);
// Adds a parameter of the node that is being built; name and node are filled in. False after an error.
bool cnn_node_add_param(struct cnn_builder *builder, struct cnn_node *node, struct cnn_param param);
// Puts the finished node into the graph and returns its index, or -1.
int cnn_node_append(struct cnn_builder *builder, const struct cnn_node *node);

#endif
