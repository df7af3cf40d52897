// The ops of the builder: each checks its attributes, infers its shape by PyTorch's formulas and lists its
// parameters.
#include "model/node.h"
#include "model/shape.h"

#include <math.h>

static bool add_vector(struct cnn_builder *builder, struct cnn_node *node, enum cnn_param_role role, int n,
                       struct cnn_init init) {
    return cnn_node_add_param(builder, node,
                              (struct cnn_param){.role = role, .n_dims = 1, .dims = {n}, .init = init});
}

static struct cnn_init constant(double value) {
    return (struct cnn_init){.kind = CNN_INIT_CONSTANT, .a = value};
}

static bool window_is_sane(struct cnn_builder *builder, const struct cnn_node *node, const int kernel[2],
                           const int stride[2], const int padding[2]) {
    for (int i = 0; i < 2; i++)
        if (kernel[i] < 1 || stride[i] < 1 || padding[i] < 0) {
            CNN_NODE_FAIL(builder, node,
                          "kernel %dx%d, stride %dx%d, padding %dx%d: kernel and stride must be at least 1, "
                          "and padding at least 0",
                          kernel[0], kernel[1], stride[0], stride[1], padding[0], padding[1]);
            return false;
        }
    return true;
}

static int too_small(struct cnn_builder *builder, const struct cnn_node *node, const int window[2],
                     const int padding[2]) {
    struct cnn_shape in = node->shape, whole = cnn_builder_model(builder)->input;
    return CNN_NODE_FAIL(
        builder, node,
        "the layer's input of %dx%d (padding %dx%d) is smaller than its %dx%d window; the network's input "
        "of %dx%d is too small, use larger images",
        in.h, in.w, padding[0], padding[1], window[0], window[1], whole.h, whole.w);
}

static void default_to(int pair[2], int first, int second) {
    if (!pair[0] && !pair[1]) {
        pair[0] = first;
        pair[1] = second;
    }
}

static bool conv_is_sane(struct cnn_builder *builder, const struct cnn_node *node) {
    const struct cnn_conv *conv = &node->conv;
    if (!window_is_sane(builder, node, conv->kernel, conv->stride, conv->padding))
        return false;
    int in = node->shape.c, out = conv->out_channels;
    if (out < 1 || conv->groups < 1 || in % conv->groups || out % conv->groups || conv->dilation[0] < 1 ||
        conv->dilation[1] < 1) {
        CNN_NODE_FAIL(builder, node,
                      "%d channels to %d in %d groups, dilation %dx%d: the channel counts must be multiples "
                      "of the number of groups, and dilation at least 1",
                      in, out, conv->groups, conv->dilation[0], conv->dilation[1]);
        return false;
    }
    return true;
}

static bool add_conv_params(struct cnn_builder *builder, struct cnn_node *node, int in_channels) {
    const struct cnn_conv *conv = &node->conv;
    struct cnn_param weight = {
        .role = CNN_PARAM_WEIGHT,
        .n_dims = 4,
        .dims = {conv->out_channels, in_channels / conv->groups, conv->kernel[0], conv->kernel[1]},
    };
    // He et al. 2015, "Delving deep into rectifiers", counted over the outputs as torchvision does.
    double fan_out = (double)conv->out_channels * conv->kernel[0] * conv->kernel[1];
    weight.init = (struct cnn_init){.kind = CNN_INIT_NORMAL, .a = 0, .b = sqrt(2 / fan_out)};
    return cnn_node_add_param(builder, node, weight) &&
           (!conv->bias || add_vector(builder, node, CNN_PARAM_BIAS, conv->out_channels, constant(0)));
}

int cnn_build_conv(struct cnn_builder *builder, const char *name, int input, struct cnn_conv conv) {
    struct cnn_node node;
    if (!cnn_node_begin(builder, &node, CNN_OP_CONV, name, input, CNN_NO_INPUT))
        return -1;
    default_to(conv.stride, 1, 1);
    default_to(conv.dilation, 1, 1);
    conv.groups = conv.groups ? conv.groups : 1;
    node.conv = conv;
    if (!conv_is_sane(builder, &node))
        return -1;
    struct cnn_shape in = node.shape;
    int h = cnn_conv_extent(in.h, conv.kernel[0], conv.stride[0], conv.padding[0], conv.dilation[0]);
    int w = cnn_conv_extent(in.w, conv.kernel[1], conv.stride[1], conv.padding[1], conv.dilation[1]);
    if (h < 1 || w < 1)
        return too_small(
            builder, &node,
            (int[]){conv.dilation[0] * (conv.kernel[0] - 1) + 1, conv.dilation[1] * (conv.kernel[1] - 1) + 1},
            conv.padding);
    node.shape = (struct cnn_shape){h, w, conv.out_channels};
    if (!add_conv_params(builder, &node, in.c))
        return -1;
    return cnn_node_append(builder, &node);
}

int cnn_build_batch_norm(struct cnn_builder *builder, const char *name, int input, struct cnn_norm norm) {
    struct cnn_node node;
    if (!cnn_node_begin(builder, &node, CNN_OP_BATCH_NORM, name, input, CNN_NO_INPUT))
        return -1;
    node.norm = norm;
    if (!(norm.eps > 0) || !(norm.momentum >= 0 && norm.momentum <= 1))
        return CNN_NODE_FAIL(builder, &node, "eps (%g) must be above 0, and momentum (%g) in 0..1", norm.eps,
                             norm.momentum);
    int c = node.shape.c;
    if (!add_vector(builder, &node, CNN_PARAM_NORM_SCALE, c, constant(1)) ||
        !add_vector(builder, &node, CNN_PARAM_NORM_SHIFT, c, constant(0)) ||
        !add_vector(builder, &node, CNN_PARAM_RUNNING_MEAN, c, constant(0)) ||
        !add_vector(builder, &node, CNN_PARAM_RUNNING_VAR, c, constant(1)))
        return -1;
    return cnn_node_append(builder, &node);
}

int cnn_build_relu(struct cnn_builder *builder, const char *name, int input) {
    struct cnn_node node;
    return cnn_node_begin(builder, &node, CNN_OP_RELU, name, input, CNN_NO_INPUT)
               ? cnn_node_append(builder, &node)
               : -1;
}

int cnn_build_add(struct cnn_builder *builder, const char *name, int a, int b) {
    struct cnn_node node;
    if (!cnn_node_begin(builder, &node, CNN_OP_ADD, name, a, b))
        return -1;
    struct cnn_shape x = cnn_builder_model(builder)->nodes[a].shape,
                     y = cnn_builder_model(builder)->nodes[b].shape;
    if (x.h != y.h || x.w != y.w || x.c != y.c)
        return CNN_NODE_FAIL(builder, &node,
                             "cannot add %dx%dx%d ('%s') and %dx%dx%d ('%s'): the shapes must be equal", x.h,
                             x.w, x.c, cnn_builder_model(builder)->nodes[a].name, y.h, y.w, y.c,
                             cnn_builder_model(builder)->nodes[b].name);
    return cnn_node_append(builder, &node);
}

static int build_pool(struct cnn_builder *builder, enum cnn_op op, const char *name, int input,
                      struct cnn_pool pool) {
    struct cnn_node node;
    if (!cnn_node_begin(builder, &node, op, name, input, CNN_NO_INPUT))
        return -1;
    default_to(pool.stride, pool.kernel[0], pool.kernel[1]);
    node.pool = pool;
    if (!window_is_sane(builder, &node, pool.kernel, pool.stride, pool.padding))
        return -1;
    if (pool.padding[0] > pool.kernel[0] / 2 || pool.padding[1] > pool.kernel[1] / 2)
        return CNN_NODE_FAIL(builder, &node, "padding %dx%d is larger than half of the %dx%d window",
                             pool.padding[0], pool.padding[1], pool.kernel[0], pool.kernel[1]);
    int h = cnn_pool_extent(node.shape.h, pool.kernel[0], pool.stride[0], pool.padding[0], pool.ceil_mode);
    int w = cnn_pool_extent(node.shape.w, pool.kernel[1], pool.stride[1], pool.padding[1], pool.ceil_mode);
    if (h < 1 || w < 1)
        return too_small(builder, &node, pool.kernel, pool.padding);
    node.shape.h = h;
    node.shape.w = w;
    return cnn_node_append(builder, &node);
}

int cnn_build_max_pool(struct cnn_builder *builder, const char *name, int input, struct cnn_pool pool) {
    return build_pool(builder, CNN_OP_MAX_POOL, name, input, pool);
}

int cnn_build_avg_pool(struct cnn_builder *builder, const char *name, int input, struct cnn_pool pool) {
    return build_pool(builder, CNN_OP_AVG_POOL, name, input, pool);
}

int cnn_build_adaptive_avg_pool(struct cnn_builder *builder, const char *name, int input, int h, int w) {
    struct cnn_node node;
    if (!cnn_node_begin(builder, &node, CNN_OP_ADAPTIVE_AVG_POOL, name, input, CNN_NO_INPUT))
        return -1;
    if (h < 1 || w < 1)
        return CNN_NODE_FAIL(builder, &node, "invalid output size %dx%d; both must be at least 1", h, w);
    node.adaptive_pool = (struct cnn_adaptive_pool){.out = {h, w}};
    node.shape.h = h;
    node.shape.w = w;
    return cnn_node_append(builder, &node);
}

int cnn_build_linear(struct cnn_builder *builder, const char *name, int input, struct cnn_linear linear) {
    struct cnn_node node;
    if (!cnn_node_begin(builder, &node, CNN_OP_LINEAR, name, input, CNN_NO_INPUT))
        return -1;
    if (linear.out_features < 1)
        return CNN_NODE_FAIL(builder, &node, "invalid number of output features %d; at least 1 is required",
                             linear.out_features);
    node.linear = linear;
    int n_inputs = node.shape.h * node.shape.w * node.shape.c, n_outputs = linear.out_features;
    double reach = 1 / sqrt(n_inputs);
    struct cnn_init init = {.kind = CNN_INIT_UNIFORM, .a = -reach, .b = reach};
    struct cnn_param weight = {
        .role = CNN_PARAM_WEIGHT, .n_dims = 2, .dims = {n_outputs, n_inputs}, .init = init};
    node.shape = (struct cnn_shape){1, 1, n_outputs};
    if (!cnn_node_add_param(builder, &node, weight) ||
        (linear.bias && !add_vector(builder, &node, CNN_PARAM_BIAS, n_outputs, init)))
        return -1;
    return cnn_node_append(builder, &node);
}

int cnn_build_dropout(struct cnn_builder *builder, const char *name, int input, double p) {
    if (p == 0)
        return cnn_builder_broken(builder) ? -1 : input;
    struct cnn_node node;
    if (!cnn_node_begin(builder, &node, CNN_OP_DROPOUT, name, input, CNN_NO_INPUT))
        return -1;
    if (!(p > 0 && p < 1))
        return CNN_NODE_FAIL(builder, &node, "invalid probability %g; it must be at least 0 and below 1", p);
    node.dropout = (struct cnn_dropout){.p = p};
    return cnn_node_append(builder, &node);
}
