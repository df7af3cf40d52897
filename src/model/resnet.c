// He et al., "Deep residual learning for image recognition", CVPR 2016, with the stride of a bottleneck on
// its 3x3 convolution (v1.5). Names, order and initialisation are torchvision's.
#include "model/family.h"
#include "model/residual.h"

struct plan {
    int depth, n_blocks[4];
    bool bottleneck;
};
static const struct plan plans[] = {
    {.depth = 18, .n_blocks = {2, 2, 2, 2}},
    {.depth = 34, .n_blocks = {3, 4, 6, 3}},
    {.depth = 50, .n_blocks = {3, 4, 6, 3}, .bottleneck = true},
    {.depth = 101, .n_blocks = {3, 4, 23, 3}, .bottleneck = true},
    {.depth = 152, .n_blocks = {3, 8, 36, 3}, .bottleneck = true},
};

static const struct plan *plan_of(int depth) {
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
        if (plans[i].depth == depth)
            return &plans[i];
    return NULL;
}

static int stem(struct cnn_builder *builder) {
    int node = cnn_build_conv(
        builder, "conv1", 0,
        (struct cnn_conv){.out_channels = 64, .kernel = {7, 7}, .stride = {2, 2}, .padding = {3, 3}});
    node = cnn_build_batch_norm(builder, "bn1", node, CNN_TORCH_NORM);
    node = cnn_build_relu(builder, "relu", node);
    return cnn_build_max_pool(builder, "maxpool", node,
                              (struct cnn_pool){.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}});
}

int cnn_resnet_build(struct cnn_builder *builder, const struct cnn_model_options *options, int depth) {
    const struct plan *plan = plan_of(depth);
    if (!plan)
        return -1;
    int node = stem(builder);
    for (int i = 0; i < 4; i++) {
        struct cnn_residual_stage stage = {.number = i + 1,
                                           .n_blocks = plan->n_blocks[i],
                                           .width = 64 << i,
                                           .stride = i == 0 ? 1 : 2,
                                           .bottleneck = plan->bottleneck,
                                           .zero_init = options->zero_init_residual};
        node = cnn_build_residual_stage(builder, node, &stage);
    }
    node = cnn_build_adaptive_avg_pool(builder, "avgpool", node, 1, 1);
    return cnn_build_linear(builder, "fc", node,
                            (struct cnn_linear){.out_features = options->n_classes, .bias = true});
}
