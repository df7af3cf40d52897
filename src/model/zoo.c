// The table of architectures.
#include "base/suggest.h"
#include "model/family.h"

#include <string.h>

#define IMAGENET .input = {224, 224, 3}, .n_classes = 1000
#define CIFAR .input = {32, 32, 3}, .n_classes = 10

#define RESNET(N, BLOCKS)                                                                                    \
    {                                                                                                        \
        .name = "resnet" #N, .doc = "ResNet v1.5 of " BLOCKS " blocks; He et al. 2015, arXiv 1512.03385",    \
        IMAGENET, .build = cnn_resnet_build, .depth = N                                                      \
    }
#define RESNET_CIFAR(N)                                                                                      \
    {                                                                                                        \
        .name = "resnet" #N,                                                                                 \
        .doc = "ResNet for images of about 32x32; He et al. 2015, section 4.2, projection shortcuts", CIFAR, \
        .build = cnn_resnet_cifar_build, .depth = N                                                          \
    }
#define VGG(N, LETTER, SUFFIX, WITH, BUILD)                                                                  \
    {                                                                                                        \
        .name = "vgg" #N SUFFIX,                                                                             \
        .doc = "VGG configuration " LETTER WITH "; Simonyan and Zisserman 2014, arXiv 1409.1556", IMAGENET,  \
        .build = BUILD, .depth = N                                                                           \
    }
#define VGG_PLAIN(N, LETTER) VGG(N, LETTER, "", "", cnn_vgg_build)
#define VGG_NORM(N, LETTER) VGG(N, LETTER, "_bn", " with batch norm", cnn_vgg_bn_build)

static const struct cnn_arch archs[] = {
    RESNET(18, "basic"),       RESNET(34, "basic"), RESNET(50, "bottleneck"), RESNET(101, "bottleneck"),
    RESNET(152, "bottleneck"), RESNET_CIFAR(8),     RESNET_CIFAR(20),         RESNET_CIFAR(32),
    RESNET_CIFAR(44),          RESNET_CIFAR(56),    RESNET_CIFAR(110),        VGG_PLAIN(11, "A"),
    VGG_PLAIN(13, "B"),        VGG_PLAIN(16, "D"),  VGG_PLAIN(19, "E"),       VGG_NORM(11, "A"),
    VGG_NORM(13, "B"),         VGG_NORM(16, "D"),   VGG_NORM(19, "E"),
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
                        "unknown architecture '%.64s'; did you mean '%s'? (`cnn_dist model list` prints all)",
                        name, near);
    return cnn_fail(CNN_ERR_INPUT, "unknown architecture '%.64s'; `cnn_dist model list` prints all", name);
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
