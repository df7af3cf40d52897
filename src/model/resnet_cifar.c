// He et al., "Deep residual learning for image recognition", CVPR 2016, section 4.2: ResNets for pictures of
// about 32 x 32. The shortcut is the projection of the ImageNet networks (option B) instead of the paper's
// zero padding.
#include "model/family.h"
#include "model/residual.h"

int cnn_resnet_cifar_build(struct cnn_builder *builder, const struct cnn_model_options *options, int depth) {
    int node = cnn_build_conv(builder, "conv1", 0,
                              (struct cnn_conv){.out_channels = 16, .kernel = {3, 3}, .padding = {1, 1}});
    node = cnn_build_batch_norm(builder, "bn1", node, CNN_TORCH_NORM);
    node = cnn_build_relu(builder, "relu", node);
    for (int i = 0; i < 3; i++) {
        struct cnn_residual_stage stage = {.number = i + 1,
                                           .n_blocks = (depth - 2) / 6,
                                           .width = 16 << i,
                                           .stride = i == 0 ? 1 : 2,
                                           .zero_init = options->zero_init_residual};
        node = cnn_build_residual_stage(builder, node, &stage);
    }
    node = cnn_build_adaptive_avg_pool(builder, "avgpool", node, 1, 1);
    return cnn_build_linear(builder, "fc", node,
                            (struct cnn_linear){.out_features = options->n_classes, .bias = true});
}
