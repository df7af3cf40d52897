// Stages of residual blocks, shared by the ResNets for ImageNet and those for CIFAR.
#ifndef CNN_MODEL_RESIDUAL_H
#define CNN_MODEL_RESIDUAL_H
#include "model/builder.h"

struct cnn_residual_stage {
    int number;          // names are "layerNUMBER.BLOCK...."
    int n_blocks, width; // channels of the 3x3 convolutions
    int stride;          // of the first block
    bool bottleneck; // 1x1, 3x3, 1x1 with 4 x width outputs and the stride on the 3x3 (v1.5); else two 3x3
    bool zero_init;  // the last batch norm of each block starts at 0
};
// Adds the stage after `input` and returns its output. Where a block changes the shape its shortcut is a 1x1
// convolution and a batch norm ("downsample.0", "downsample.1").
int cnn_build_residual_stage(struct cnn_builder *builder, int input, const struct cnn_residual_stage *stage);

#endif
