// The families of the zoo: each writes its network into a builder and returns the node that holds the logits.
#ifndef CNN_MODEL_FAMILY_H
#define CNN_MODEL_FAMILY_H
#include "model/builder.h"

// torchvision's ResNet v1.5 of depth 18, 34, 50, 101 or 152.
int cnn_resnet_build(struct cnn_builder *builder, const struct cnn_model_options *options, int depth);
// He et al. 2015 section 4.2, for small pictures: depth 6 n + 2, stages of 16, 32 and 64 channels, projection
// shortcuts.
int cnn_resnet_cifar_build(struct cnn_builder *builder, const struct cnn_model_options *options, int depth);
// torchvision's VGG of depth 11, 13, 16 or 19, without and with batch norm.
int cnn_vgg_build(struct cnn_builder *builder, const struct cnn_model_options *options, int depth);
int cnn_vgg_bn_build(struct cnn_builder *builder, const struct cnn_model_options *options, int depth);

#endif
