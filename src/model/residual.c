// He et al., "Deep residual learning for image recognition", CVPR 2016.
#include "model/residual.h"

static int conv_norm(struct cnn_builder *builder, const char *conv_name, const char *norm_name, int input,
                     int channels, int kernel, int stride) {
    int pad = kernel / 2;
    int node = cnn_build_conv(builder, conv_name, input,
                              (struct cnn_conv){.out_channels = channels,
                                                .kernel = {kernel, kernel},
                                                .stride = {stride, stride},
                                                .padding = {pad, pad}});
    return cnn_build_batch_norm(builder, norm_name, node, CNN_TORCH_NORM);
}

static int basic_branch(struct cnn_builder *builder, int input, int width, int stride) {
    int node = conv_norm(builder, "conv1", "bn1", input, width, 3, stride);
    node = cnn_build_relu(builder, "relu1", node);
    return conv_norm(builder, "conv2", "bn2", node, width, 3, 1);
}

static int bottleneck_branch(struct cnn_builder *builder, int input, int width, int stride) {
    int node = conv_norm(builder, "conv1", "bn1", input, width, 1, 1);
    node = cnn_build_relu(builder, "relu1", node);
    node = conv_norm(builder, "conv2", "bn2", node, width, 3, stride);
    node = cnn_build_relu(builder, "relu2", node);
    return conv_norm(builder, "conv3", "bn3", node, 4 * width, 1, 1);
}

static int block(struct cnn_builder *builder, int input, const struct cnn_residual_stage *stage, int stride) {
    int branch = stage->bottleneck ? bottleneck_branch(builder, input, stage->width, stride)
                                   : basic_branch(builder, input, stage->width, stride);
    if (stage->zero_init)
        cnn_build_init(builder, branch, CNN_PARAM_NORM_SCALE,
                       (struct cnn_init){.kind = CNN_INIT_CONSTANT, .a = 0});
    // The projection comes after the branch, so that parameters stand in torchvision's order.
    int channels = stage->bottleneck ? 4 * stage->width : stage->width, shortcut = input;
    if (stride != 1 || cnn_build_shape(builder, input).c != channels)
        shortcut = conv_norm(builder, "downsample.0", "downsample.1", input, channels, 1, stride);
    int sum = cnn_build_add(builder, "add", branch, shortcut);
    return cnn_build_relu(builder, stage->bottleneck ? "relu3" : "relu2", sum);
}

int cnn_build_residual_stage(struct cnn_builder *builder, int input, const struct cnn_residual_stage *stage) {
    int node = input;
    for (int i = 0; i < stage->n_blocks; i++) {
        cnn_build_scope(builder, "layer%d.%d", stage->number, i);
        node = block(builder, node, stage, i == 0 ? stage->stride : 1);
    }
    cnn_build_scope_end(builder);
    return node;
}
