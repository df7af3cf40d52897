// Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015.
// Names, order and initialisation are torchvision's; its convolutions have a bias before batch norm too.
#include "model/family.h"

#define N_STAGES 5
static const int widths[N_STAGES] = {64, 128, 256, 512, 512};

struct plan {
    int depth, n_convs[N_STAGES];
};
static const struct plan plans[] = {
    {.depth = 11, .n_convs = {1, 1, 2, 2, 2}},
    {.depth = 13, .n_convs = {2, 2, 2, 2, 2}},
    {.depth = 16, .n_convs = {2, 2, 3, 3, 3}},
    {.depth = 19, .n_convs = {2, 2, 4, 4, 4}},
};

static const struct plan *plan_of(int depth) {
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
        if (plans[i].depth == depth)
            return &plans[i];
    return NULL;
}

// Modules of a torch Sequential are named by their place in it.
static const char *next_name(char name[16], int *place) {
    snprintf(name, 16, "%d", (*place)++);
    return name;
}

static int features(struct cnn_builder *builder, const struct plan *plan, bool batch_norm) {
    char name[16];
    int node = 0, place = 0;
    cnn_build_scope(builder, "features");
    for (int stage = 0; stage < N_STAGES; stage++) {
        for (int i = 0; i < plan->n_convs[stage]; i++) {
            struct cnn_conv conv = {
                .out_channels = widths[stage], .kernel = {3, 3}, .padding = {1, 1}, .bias = true};
            node = cnn_build_conv(builder, next_name(name, &place), node, conv);
            if (batch_norm)
                node = cnn_build_batch_norm(builder, next_name(name, &place), node, CNN_TORCH_NORM);
            node = cnn_build_relu(builder, next_name(name, &place), node);
        }
        struct cnn_pool pool = {.kernel = {2, 2}, .stride = {2, 2}};
        node = cnn_build_max_pool(builder, next_name(name, &place), node, pool);
    }
    cnn_build_scope_end(builder);
    return node;
}

static int linear(struct cnn_builder *builder, const char *name, int input, int out_features) {
    int node = cnn_build_linear(builder, name, input,
                                (struct cnn_linear){.out_features = out_features, .bias = true});
    cnn_build_init(builder, node, CNN_PARAM_WEIGHT,
                   (struct cnn_init){.kind = CNN_INIT_NORMAL, .a = 0, .b = 0.01});
    cnn_build_init(builder, node, CNN_PARAM_BIAS, (struct cnn_init){.kind = CNN_INIT_CONSTANT, .a = 0});
    return node;
}

static int classifier(struct cnn_builder *builder, int input, const struct cnn_model_options *options) {
    double p = options->dropout < 0 ? 0.5 : options->dropout;
    cnn_build_scope(builder, "classifier");
    int node = linear(builder, "0", input, 4096);
    node = cnn_build_relu(builder, "1", node);
    node = cnn_build_dropout(builder, "2", node, p);
    node = linear(builder, "3", node, 4096);
    node = cnn_build_relu(builder, "4", node);
    node = cnn_build_dropout(builder, "5", node, p);
    node = linear(builder, "6", node, options->n_classes);
    cnn_build_scope_end(builder);
    return node;
}

static int build(struct cnn_builder *builder, const struct cnn_model_options *options, int depth,
                 bool batch_norm) {
    const struct plan *plan = plan_of(depth);
    if (!plan)
        return -1;
    int node = features(builder, plan, batch_norm);
    node = cnn_build_adaptive_avg_pool(builder, "avgpool", node, 7, 7);
    return classifier(builder, node, options);
}

int cnn_vgg_build(struct cnn_builder *builder, const struct cnn_model_options *options, int depth) {
    return build(builder, options, depth, false);
}

int cnn_vgg_bn_build(struct cnn_builder *builder, const struct cnn_model_options *options, int depth) {
    return build(builder, options, depth, true);
}
