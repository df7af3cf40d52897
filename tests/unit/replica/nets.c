#include "nets.h"

static struct cnn_model *residual_of_norms(void) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    int stem = cnn_build_relu(b, NULL, norm(b, "bn0", conv3(b, "conv0", 0, 10)));
    int branch = norm(b, "bn1", conv3(b, "conv1", stem, 16)),
        shortcut = norm(b, "bn2", conv3(b, "conv2", stem, 16));
    return finish_with_head(b, cnn_build_relu(b, NULL, cnn_build_add(b, NULL, branch, shortcut)), 5);
}

static struct cnn_model *identity_blocks(void) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    int node = cnn_build_relu(b, NULL, norm(b, "bn", conv3(b, "conv", 0, 16)));
    for (int i = 0; i < 4; i++) {
        cnn_build_scope(b, "block%d", i);
        int branch = cnn_build_relu(b, NULL, norm(b, "bn1", conv3(b, "conv1", node, 16)));
        branch = norm(b, "bn2", conv3(b, "conv2", branch, 16));
        node = cnn_build_relu(b, NULL, cnn_build_add(b, NULL, node, branch)); // the shortcut comes first
    }
    cnn_build_scope_end(b);
    return finish_with_head(b, node, 5);
}

static struct cnn_model *norm_used_twice(void) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    int shared = norm(b, "bn0", conv3(b, "conv0", 0, 8));
    int branch = norm(b, "bn1", conv3(b, "conv1", cnn_build_relu(b, NULL, shared), 8));
    return finish_with_head(b, cnn_build_add(b, NULL, shared, branch), 5);
}

static struct cnn_model *conv_used_twice(void) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    int shared = conv3(b, "conv0", 0, 10);
    int branch = cnn_build_relu(b, NULL, conv3(b, "conv1", cnn_build_relu(b, NULL, shared), 10));
    return finish_with_head(b, cnn_build_add(b, NULL, branch, shared), 5);
}

static struct cnn_model *used_four_times(void) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    int shared = cnn_build_relu(b, NULL, norm(b, "bn0", conv3(b, "conv0", 0, 8)));
    int sum = shared;
    for (int i = 1; i < 4; i++) {
        cnn_build_scope(b, "branch%d", i);
        sum = cnn_build_add(b, NULL, sum, norm(b, "bn", conv3(b, "conv", shared, 8)));
    }
    cnn_build_scope_end(b);
    return finish_with_head(b, cnn_build_relu(b, NULL, sum), 5);
}

static struct cnn_model *sum_with_itself(void) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    int node = norm(b, "bn", conv3(b, "conv0", 0, 10));
    node = cnn_build_relu(b, NULL, cnn_build_add(b, NULL, node, node));
    node = conv3(b, "conv1", node, 10);
    return finish_with_head(b, cnn_build_add(b, NULL, node, node), 5);
}

static struct cnn_model *norm_of_norm(void) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    int node = norm(b, "bn1", cnn_build_relu(b, NULL, norm(b, "bn0", conv3(b, "conv0", 0, 10))));
    node = cnn_build_relu(b, NULL, conv3(b, "conv1", cnn_build_relu(b, NULL, node), 24));
    return finish_with_head(b, norm(b, "bn2", cnn_build_relu(b, NULL, norm(b, "bn3", node))), 5);
}

static struct cnn_model *pools(void) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    const struct cnn_pool overlapping = {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}};
    struct cnn_pool averaging = overlapping;
    averaging.count_include_pad = true;
    int node = cnn_build_relu(b, NULL, conv3(b, "conv0", 0, 16));
    node = cnn_build_max_pool(b, NULL, node, overlapping); // takes the mask of relu over
    node = cnn_build_relu(b, NULL, norm(b, "bn1", conv3(b, "conv1", node, 10)));
    node = cnn_build_max_pool(b, NULL, node, overlapping); // of a norm, which keeps its mask
    node = cnn_build_avg_pool(b, NULL, conv3(b, "conv2", node, 10), averaging);
    return finish_with_head(b, cnn_build_relu(b, NULL, node), 5);
}

// The pool may not take over a mask that another consumer needs, even when an op that does nothing stands
// between.
static struct cnn_model *pool_behind_an_alias(void) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    int node = cnn_build_relu(b, NULL, conv3(b, "conv0", 0, 8));
    node = cnn_build_adaptive_avg_pool(b, "same", node, 9, 9);
    int pooled = cnn_build_max_pool(b, NULL, node,
                                    (struct cnn_pool){.kernel = {3, 3}, .stride = {1, 1}, .padding = {1, 1}});
    return finish_with_head(b, cnn_build_add(b, NULL, pooled, node), 5);
}

static struct cnn_model *shortcut_from_the_picture(void) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    int node = norm(b, "bn0", conv3(b, "conv0", 0, 3));
    node = conv3(b, "conv1", cnn_build_relu(b, NULL, node), 16);
    int second = cnn_build_conv(b, "conv2", 0, (struct cnn_conv){.out_channels = 16, .kernel = {1, 1}});
    return finish_with_head(b, cnn_build_relu(b, NULL, cnn_build_add(b, NULL, node, second)), 5);
}

static struct cnn_model *perceptron(void) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    int node = cnn_build_linear(b, "fc1", 0, (struct cnn_linear){.out_features = 24, .bias = true});
    node = cnn_build_linear(b, "fc2", cnn_build_relu(b, NULL, node), (struct cnn_linear){.out_features = 10});
    int skip = cnn_build_linear(b, "fc3", node, (struct cnn_linear){.out_features = 10, .bias = true});
    node = cnn_build_relu(b, NULL, cnn_build_add(b, NULL, skip, node));
    return finish(b, cnn_build_linear(b, "fc4", node, (struct cnn_linear){.out_features = 5, .bias = true}));
}

static struct cnn_model *classifier_of_blocks(void) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    int node = cnn_build_relu(b, NULL, conv3(b, "conv", 0, 10));
    node = cnn_build_adaptive_avg_pool(b, "pool", node, 4, 2);
    node = cnn_build_relu(
        b, NULL, cnn_build_linear(b, "fc1", node, (struct cnn_linear){.out_features = 16, .bias = true}));
    return finish(b, cnn_build_linear(b, "fc2", node, (struct cnn_linear){.out_features = 5}));
}

static struct cnn_model *logits_from_a_window(void) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    int node = cnn_build_conv(
        b, "conv0", 0,
        (struct cnn_conv){.out_channels = 12, .kernel = {3, 3}, .stride = {2, 2}, .groups = 3, .bias = true});
    node = cnn_build_relu(b, NULL, norm(b, "bn", node));
    node = cnn_build_conv(b, "conv1", node,
                          (struct cnn_conv){.out_channels = 5, .kernel = {4, 4}, .bias = true});
    return finish(b, cnn_build_adaptive_avg_pool(b, "pool", node, 1, 1));
}

// A row of 16 values is one pixel of two blocks, to whom it matters.
static struct cnn_model *norm_of_a_row(void) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    int node = cnn_build_linear(b, "fc0", 0, (struct cnn_linear){.out_features = 16, .bias = true});
    int branch = cnn_build_linear(b, "fc1", node, (struct cnn_linear){.out_features = 16});
    branch = cnn_build_relu(b, NULL, norm(b, "bn", branch));
    node = cnn_build_add(b, NULL, branch, node);
    node = cnn_build_max_pool(b, NULL, node, (struct cnn_pool){.kernel = {1, 1}});
    node = cnn_build_adaptive_avg_pool(b, "spread", node, 2, 3);
    return finish_with_head(b, norm(b, "bn2", conv3(b, "conv", node, 10)), 5);
}

static struct cnn_model *pool_of_the_picture(void) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    const struct cnn_pool pool = {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}};
    int pooled = cnn_build_max_pool(b, "pool", 0, pool), averaged = cnn_build_avg_pool(b, "mean", 0, pool);
    int sum = norm(b, "bn", cnn_build_add(b, NULL, pooled, averaged));
    return finish_with_head(b, conv3(b, "conv", cnn_build_relu(b, NULL, sum), 8), 5);
}

const struct net nets[] = {
    {"norm_of_a_row", norm_of_a_row},
    {"pool_of_the_picture", pool_of_the_picture},
    {"residual_of_norms", residual_of_norms},
    {"identity_blocks", identity_blocks},
    {"norm_used_twice", norm_used_twice},
    {"conv_used_twice", conv_used_twice},
    {"used_four_times", used_four_times},
    {"sum_with_itself", sum_with_itself},
    {"norm_of_norm", norm_of_norm},
    {"pools", pools},
    {"pool_behind_an_alias", pool_behind_an_alias},
    {"shortcut_from_the_picture", shortcut_from_the_picture},
    {"perceptron", perceptron},
    {"classifier_of_blocks", classifier_of_blocks},
    {"logits_from_a_window", logits_from_a_window},
};
const size_t n_nets = LENGTH(nets);
