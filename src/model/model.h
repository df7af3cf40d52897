// A network as a DAG of ops with inferred shapes; it knows no device and holds no values.
// Node and parameter names, and parameter layouts, are torchvision's, so weights travel between the two.
#ifndef CNN_MODEL_MODEL_H
#define CNN_MODEL_MODEL_H
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CNN_NAME_BYTES 96
#define CNN_MAX_INPUTS 4

enum cnn_op {
    CNN_OP_INPUT,
    CNN_OP_CONV,
    CNN_OP_BATCH_NORM,
    CNN_OP_RELU,
    CNN_OP_ADD,
    CNN_OP_MAX_POOL,
    CNN_OP_AVG_POOL,          // windowed
    CNN_OP_ADAPTIVE_AVG_POOL, // to a fixed output size; 1x1 is global average pooling
    CNN_OP_LINEAR, // takes any H x W x C; its weight counts inputs in C, H, W order as PyTorch's flatten does
    CNN_OP_DROPOUT,
    CNN_N_OPS
};
const char *cnn_op_name(enum cnn_op op); // "conv", "batch_norm", ...

struct cnn_shape {
    int h, w, c; // of one sample; a vector is 1 x 1 x C
};

struct cnn_conv {
    int out_channels, kernel[2], stride[2], padding[2], dilation[2], groups; // [0] height, [1] width
    bool bias;
};
struct cnn_norm {
    double eps, momentum; // running = (1 - momentum) * running + momentum * batch, as PyTorch
};
struct cnn_pool {
    int kernel[2], stride[2], padding[2];
    bool ceil_mode, count_include_pad;
};
struct cnn_adaptive_pool {
    int out[2];
};
struct cnn_linear {
    int out_features;
    bool bias;
};
struct cnn_dropout {
    double p;
};

struct cnn_node {
    enum cnn_op op;
    char name[CNN_NAME_BYTES]; // module name ("layer1.0.conv1"); unnamed ops get a made one ("layer1.0.add")
    int inputs[CNN_MAX_INPUTS], n_inputs;
    struct cnn_shape shape; // of the output
    union {
        struct cnn_conv conv;
        struct cnn_norm norm;
        struct cnn_pool pool;
        struct cnn_adaptive_pool adaptive_pool;
        struct cnn_linear linear;
        struct cnn_dropout dropout;
    };
    int first_param,
        n_params; // into model->params: conv, linear: weight[, bias]; batch_norm: scale, shift, mean, var
};

enum cnn_param_role {
    CNN_PARAM_WEIGHT,
    CNN_PARAM_BIAS,
    CNN_PARAM_NORM_SCALE,   // BN weight
    CNN_PARAM_NORM_SHIFT,   // BN bias
    CNN_PARAM_RUNNING_MEAN, // a statistic: no gradient
    CNN_PARAM_RUNNING_VAR,  // a statistic: no gradient
};
enum cnn_init_kind { CNN_INIT_CONSTANT, CNN_INIT_NORMAL, CNN_INIT_UNIFORM };
struct cnn_init {
    enum cnn_init_kind kind;
    double a, b; // CONSTANT: value; NORMAL: mean, deviation; UNIFORM: lo, hi
};
struct cnn_param {
    char name[CNN_NAME_BYTES]; // "layer1.0.conv1.weight"
    int node;
    enum cnn_param_role role;
    int n_dims, dims[4]; // conv OIHW (I is per group), linear OI, others C
    struct cnn_init init;
};

struct cnn_model {
    char arch[64];
    struct cnn_shape input;
    int n_classes;
    struct cnn_node *nodes; // in execution order: inputs come before users; nodes[0] is the input
    int n_nodes;
    struct cnn_param *params; // in definition order
    int n_params;
    int output; // the node whose shape is 1 x 1 x n_classes: the logits
};

struct cnn_model_options {
    struct cnn_shape input;
    int n_classes;
    bool zero_init_residual; // Goyal et al. 2017: the last BN of each block starts at 0
    double dropout;          // probability where the architecture has dropout; negative: its own default
};

// Builds a network of the zoo. Fails with CNN_ERR_INPUT for an unknown arch (with the nearest name), or an
// input too small for it (naming the layer and both sizes).
enum cnn_status cnn_model_create(struct cnn_model **out, const char *arch,
                                 const struct cnn_model_options *options) CNN_MUST_CHECK;
void cnn_model_destroy(struct cnn_model *model);

struct cnn_builder;
// The architectures by name, in the order `model list` prints them.
struct cnn_arch {
    const char *name, *doc; // doc: one line with the paper
    struct cnn_shape input; // usual input
    int n_classes;          // usual number of classes
    // How its family writes it: adds the nodes and returns the one that holds the logits. Only
    // cnn_model_create calls it.
    int (*build)(struct cnn_builder *builder, const struct cnn_model_options *options, int depth);
    int depth;
};
const struct cnn_arch *cnn_arch_list(size_t *out_n);
const struct cnn_arch *cnn_arch_find(const char *name); // NULL: unknown

// Elements of a parameter; below 2^31, as are those of a node's output for one sample.
size_t cnn_param_count(const struct cnn_param *param);
// A statistic moves with the batches and has no gradient.
bool cnn_param_is_statistic(const struct cnn_param *param);
// Fills values (cnn_param_count of them, in the layout above) from Philox(seed, INIT, param index, element):
// what one parameter gets does not depend on the others, so threads may fill different ones at once.
void cnn_param_init(const struct cnn_model *model, int param, uint64_t seed, float *out);
// Learnable elements of the model (statistics not counted), and the multiply-adds x 2 of one forward pass of
// one sample: those of convolutions and linear layers, biases not counted, as torchvision and the papers
// count.
size_t cnn_model_count(const struct cnn_model *model);
double cnn_node_flops(const struct cnn_model *model, int node);
double cnn_model_flops(const struct cnn_model *model);

#endif
