// The table of architectures.
#include "base/suggest.h"
#include "model/family.h"

#include <string.h>

#define HE "He et al. 2015, arXiv 1512.03385"
#define VGG "Simonyan and Zisserman 2014, arXiv 1409.1556"
#define IMAGENET .input = {224, 224, 3}, .n_classes = 1000
#define CIFAR .input = {32, 32, 3}, .n_classes = 10

static const struct cnn_arch archs[] = {
    {.name = "resnet18",
     .doc = "residual network, basic blocks; " HE,
     IMAGENET,
     .build = cnn_resnet_build,
     .depth = 18},
    {.name = "resnet34",
     .doc = "residual network, basic blocks; " HE,
     IMAGENET,
     .build = cnn_resnet_build,
     .depth = 34},
    {.name = "resnet50",
     .doc = "residual network v1.5, bottlenecks; " HE,
     IMAGENET,
     .build = cnn_resnet_build,
     .depth = 50},
    {.name = "resnet101",
     .doc = "residual network v1.5, bottlenecks; " HE,
     IMAGENET,
     .build = cnn_resnet_build,
     .depth = 101},
    {.name = "resnet152",
     .doc = "residual network v1.5, bottlenecks; " HE,
     IMAGENET,
     .build = cnn_resnet_build,
     .depth = 152},
    {.name = "resnet20",
     .doc = "residual network for small pictures; " HE ", section 4.2",
     CIFAR,
     .build = cnn_resnet_cifar_build,
     .depth = 20},
    {.name = "resnet32",
     .doc = "residual network for small pictures; " HE ", section 4.2",
     CIFAR,
     .build = cnn_resnet_cifar_build,
     .depth = 32},
    {.name = "resnet44",
     .doc = "residual network for small pictures; " HE ", section 4.2",
     CIFAR,
     .build = cnn_resnet_cifar_build,
     .depth = 44},
    {.name = "resnet56",
     .doc = "residual network for small pictures; " HE ", section 4.2",
     CIFAR,
     .build = cnn_resnet_cifar_build,
     .depth = 56},
    {.name = "resnet110",
     .doc = "residual network for small pictures; " HE ", section 4.2",
     CIFAR,
     .build = cnn_resnet_cifar_build,
     .depth = 110},
    {.name = "vgg11", .doc = "configuration A; " VGG, IMAGENET, .build = cnn_vgg_build, .depth = 11},
    {.name = "vgg13", .doc = "configuration B; " VGG, IMAGENET, .build = cnn_vgg_build, .depth = 13},
    {.name = "vgg16", .doc = "configuration D; " VGG, IMAGENET, .build = cnn_vgg_build, .depth = 16},
    {.name = "vgg19", .doc = "configuration E; " VGG, IMAGENET, .build = cnn_vgg_build, .depth = 19},
    {.name = "vgg11_bn",
     .doc = "configuration A with batch norm; " VGG,
     IMAGENET,
     .build = cnn_vgg_bn_build,
     .depth = 11},
    {.name = "vgg13_bn",
     .doc = "configuration B with batch norm; " VGG,
     IMAGENET,
     .build = cnn_vgg_bn_build,
     .depth = 13},
    {.name = "vgg16_bn",
     .doc = "configuration D with batch norm; " VGG,
     IMAGENET,
     .build = cnn_vgg_bn_build,
     .depth = 16},
    {.name = "vgg19_bn",
     .doc = "configuration E with batch norm; " VGG,
     IMAGENET,
     .build = cnn_vgg_bn_build,
     .depth = 19},
};
#define N_ARCHS (sizeof archs / sizeof archs[0])

const struct cnn_arch *cnn_arch_list(size_t *out_n) {
    *out_n = N_ARCHS;
    return archs;
}

const struct cnn_arch *cnn_arch_find(const char *name) {
    for (size_t i = 0; i < N_ARCHS; i++)
        if (strcmp(archs[i].name, name) == 0)
            return &archs[i];
    return NULL;
}

static enum cnn_status fail_unknown(const char *name) {
    const char *names[N_ARCHS];
    for (size_t i = 0; i < N_ARCHS; i++)
        names[i] = archs[i].name;
    const char *near = cnn_suggest(name, names, N_ARCHS);
    if (near)
        return cnn_fail(CNN_ERR_INPUT,
                        "unknown architecture '%.64s'; did you mean '%s'? (all: cnn_dist model list)", name,
                        near);
    return cnn_fail(CNN_ERR_INPUT, "unknown architecture '%.64s'; see: cnn_dist model list", name);
}

enum cnn_status cnn_model_create(struct cnn_model **out, const char *arch,
                                 const struct cnn_model_options *options) {
    const struct cnn_arch *found = cnn_arch_find(arch);
    if (!found)
        return fail_unknown(arch);
    struct cnn_builder *builder = NULL;
    CNN_TRY(cnn_builder_create(&builder, arch, options));
    int output = found->build(builder, options, found->depth);
    return cnn_builder_finish(out, builder, output);
}
