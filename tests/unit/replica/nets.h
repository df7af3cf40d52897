// What the tests of this folder share: cmocka, quick models, and small networks written with the builder.
#ifndef TEST_REPLICA_NETS_H
#define TEST_REPLICA_NETS_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/builder.h"

#define EXPECT_OK(call)                                                                                      \
    do {                                                                                                     \
        if ((call) != CNN_OK)                                                                                \
            fail_msg("%s: %s", #call, cnn_error_message());                                                  \
    } while (0)
#define LENGTH(array) (sizeof(array) / sizeof *(array))

static inline struct cnn_model *zoo(const char *arch, int size, int channels, int n_classes) {
    const struct cnn_model_options options = {
        .input = {size, size, channels}, .n_classes = n_classes, .dropout = -1};
    struct cnn_model *model = NULL;
    EXPECT_OK(cnn_model_create(&model, arch, &options));
    return model;
}

static inline struct cnn_builder *start(int h, int w, int c, int n_classes) {
    const struct cnn_model_options options = {.input = {h, w, c}, .n_classes = n_classes, .dropout = -1};
    struct cnn_builder *builder = NULL;
    EXPECT_OK(cnn_builder_create(&builder, "hand-made", &options));
    return builder;
}

static inline struct cnn_model *finish(struct cnn_builder *builder, int output) {
    struct cnn_model *model = NULL;
    EXPECT_OK(cnn_builder_finish(&model, builder, output));
    return model;
}

static inline int conv3(struct cnn_builder *b, const char *name, int input, int channels) {
    return cnn_build_conv(b, name, input,
                          (struct cnn_conv){.out_channels = channels, .kernel = {3, 3}, .padding = {1, 1}});
}

static inline int norm(struct cnn_builder *b, const char *name, int input) {
    return cnn_build_batch_norm(b, name, input, CNN_TORCH_NORM);
}

// Global average and a linear layer to the logits.
static inline struct cnn_model *finish_with_head(struct cnn_builder *b, int node, int n_classes) {
    node = cnn_build_adaptive_avg_pool(b, "head.pool", node, 1, 1);
    return finish(b, cnn_build_linear(b, "head.fc", node,
                                      (struct cnn_linear){.out_features = n_classes, .bias = true}));
}

// Each writes a network in which one thing is unusual; all take 9 x 9 x 3 and have 5 classes.
struct net {
    const char *name;
    struct cnn_model *(*build)(void);
};
extern const struct net nets[];
extern const size_t n_nets;

#endif
