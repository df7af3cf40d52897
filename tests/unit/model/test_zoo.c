// Every architecture against torchvision: names, layouts, shapes, parameters, multiply-adds.
#include "golden.h"

#include "base/checksum.h"

static void param_line(char out[160], const struct cnn_param *param) {
    int at = snprintf(out, 160, "%s ", param->name);
    for (int i = 0; i < param->n_dims; i++)
        at += snprintf(out + at, (size_t)(160 - at), "%s%d", i ? "x" : "", param->dims[i]);
}

static uint32_t params_crc(const struct cnn_model *model) {
    uint32_t crc = 0;
    for (int i = 0; i < model->n_params; i++) {
        char line[160];
        param_line(line, &model->params[i]);
        crc = cnn_crc32c(crc, line, strlen(line));
        crc = cnn_crc32c(crc, "\n", 1);
    }
    return crc;
}

static void counts_and_names_are_torchvisions(void **state) {
    (void)state;
    FILE *file = golden_open("model_zoo.txt");
    char arch[64];
    int h, w, c, classes, tensors, n = 0;
    size_t parameters;
    double macs;
    unsigned crc;
    while (fscanf(file, "%63s %d %d %d %d %d %zu %lf %x", arch, &h, &w, &c, &classes, &tensors, &parameters,
                  &macs, &crc) == 9) {
        struct cnn_model *model = model_of(arch, options_of(h, w, c, classes));
        print_message("%s %dx%dx%d\n", arch, h, w, c);
        assert_int_equal(model->n_params, tensors);
        assert_int_equal(cnn_model_count(model), parameters);
        assert_true(cnn_model_flops(model) == 2 * macs);
        assert_int_equal(params_crc(model), crc);
        cnn_model_destroy(model);
        n++;
    }
    fclose(file);
    assert_int_equal(n, 21);
}

static void published_sizes(void **state) {
    (void)state;
    static const struct {
        const char *arch;
        size_t parameters;
        double gmacs;
    } known[] = {
        {"resnet18", 11689512, 1.81},  {"resnet34", 21797672, 3.66},   {"resnet50", 25557032, 4.09},
        {"resnet101", 44549160, 7.80}, {"resnet152", 60192808, 11.51}, {"vgg11", 132863336, 7.61},
        {"vgg13", 133047848, 11.31},   {"vgg16", 138357544, 15.47},    {"vgg19", 143667240, 19.63},
        {"vgg11_bn", 132868840, 7.61}, {"vgg16_bn", 138365992, 15.47}, {"vgg19_bn", 143678248, 19.63},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct cnn_model *model = model_of(known[i].arch, options_of(224, 224, 3, 1000));
        assert_int_equal(cnn_model_count(model), known[i].parameters);
        assert_float_equal(cnn_model_flops(model) / 2e9, known[i].gmacs, 0.0051);
        cnn_model_destroy(model);
    }
}

static void names_one_by_one(void **state) {
    (void)state;
    FILE *file = golden_open("model_names.txt");
    char arch[64], name[128], dims[64];
    struct cnn_model *model = NULL;
    int at = 0, n = 0;
    for (; fscanf(file, "%63s %127s %63s", arch, name, dims) == 3; n++) {
        if (!model || strcmp(model->arch, arch) != 0) {
            assert_true(!model || at == model->n_params);
            cnn_model_destroy(model);
            const struct cnn_arch *usual = cnn_arch_find(arch);
            model = model_of(arch, (struct cnn_model_options){usual->input, usual->n_classes, false, -1});
            at = 0;
        }
        char want[256], got[160];
        snprintf(want, sizeof want, "%s %s", name, dims);
        assert_true(at < model->n_params);
        param_line(got, &model->params[at++]);
        assert_string_equal(got, want);
    }
    assert_true(model && at == model->n_params);
    cnn_model_destroy(model);
    fclose(file);
    assert_int_equal(n, 102 + 267 + 107 + 54);
}

// torchvision's modules run in the order of our nodes, with the same outputs.
static void odd_inputs_have_torchvisions_shapes(void **state) {
    (void)state;
    FILE *file = golden_open("model_shapes.txt");
    char arch[64], name[128];
    int h, w, c, out[3], last = -1, n = 0;
    struct cnn_model *model = NULL;
    for (;
         fscanf(file, "%63s %d %d %d %127s %dx%dx%d", arch, &h, &w, &c, name, &out[0], &out[1], &out[2]) == 8;
         n++) {
        if (!model || strcmp(model->arch, arch) != 0 || model->input.h != h || model->input.w != w) {
            cnn_model_destroy(model);
            model = model_of(arch, options_of(h, w, c, 10));
            last = -1;
        }
        int node = node_named(model, name);
        assert_true(node > last);
        last = node;
        struct cnn_shape shape = model->nodes[node].shape;
        if (shape.h != out[0] || shape.w != out[1] || shape.c != out[2])
            fail_msg("%s of %dx%d, %s: got %dx%dx%d, torchvision has %dx%dx%d", arch, h, w, name, shape.h,
                     shape.w, shape.c, out[0], out[1], out[2]);
    }
    cnn_model_destroy(model);
    fclose(file);
    assert_true(n > 300);
}

static void every_graph_is_in_execution_order(void **state) {
    (void)state;
    size_t n = 0;
    const struct cnn_arch *archs = cnn_arch_list(&n);
    assert_int_equal(n, 19);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(cnn_arch_find(archs[i].name), &archs[i]);
        assert_non_null(archs[i].doc);
        struct cnn_model *model = model_of(
            archs[i].name, (struct cnn_model_options){archs[i].input, archs[i].n_classes, false, -1});
        assert_int_equal(model->nodes[0].op, CNN_OP_INPUT);
        assert_int_equal(model->output, model->n_nodes - 1);
        assert_int_equal(model->nodes[model->output].shape.c, archs[i].n_classes);
        int first_param = 0;
        for (int k = 0; k < model->n_nodes; k++) {
            const struct cnn_node *node = &model->nodes[k];
            assert_int_equal(node->n_inputs, k == 0 ? 0 : node->op == CNN_OP_ADD ? 2 : 1);
            for (int j = 0; j < node->n_inputs; j++)
                assert_in_range(node->inputs[j], 0, k - 1);
            assert_int_equal(node->first_param, first_param);
            first_param += node->n_params;
        }
        assert_int_equal(first_param, model->n_params);
        cnn_model_destroy(model);
    }
}

static const struct cnn_node *input_of(const struct cnn_model *model, const struct cnn_node *node, int i) {
    return &model->nodes[node->inputs[i]];
}

static void residual_blocks_are_wired(void **state) {
    (void)state;
    struct cnn_model *model = model_of("resnet50", options_of(64, 64, 3, 10));
    const struct cnn_node *add = &model->nodes[node_named(model, "layer2.0.add")];
    assert_string_equal(input_of(model, add, 0)->name, "layer2.0.bn3");
    assert_string_equal(input_of(model, add, 1)->name, "layer2.0.downsample.1");
    assert_string_equal(input_of(model, input_of(model, input_of(model, add, 1), 0), 0)->name,
                        "layer1.2.relu3");
    assert_string_equal(model->nodes[add - model->nodes + 1].name, "layer2.0.relu3");
    add = &model->nodes[node_named(model, "layer2.1.add")];
    assert_string_equal(input_of(model, add, 1)->name, "layer2.0.relu3");
    // v1.5: the 3x3 carries the stride, the first 1x1 does not.
    assert_int_equal(model->nodes[node_named(model, "layer2.0.conv1")].conv.stride[0], 1);
    assert_int_equal(model->nodes[node_named(model, "layer2.0.conv2")].conv.stride[0], 2);
    assert_false(model->nodes[node_named(model, "layer2.0.conv2")].conv.bias);
    assert_true(model->nodes[node_named(model, "bn1")].norm.eps == 1e-5);
    assert_true(model->nodes[node_named(model, "bn1")].norm.momentum == 0.1);
    cnn_model_destroy(model);
}

static void options_reach_the_layers(void **state) {
    (void)state;
    struct cnn_model_options options = options_of(64, 64, 3, 10);
    options.zero_init_residual = true;
    struct cnn_model *model = model_of("resnet50", options);
    assert_true(model->params[param_named(model, "layer3.2.bn3.weight")].init.a == 0);
    assert_true(model->params[param_named(model, "layer3.2.bn2.weight")].init.a == 1);
    assert_true(model->params[param_named(model, "layer3.0.downsample.1.weight")].init.a == 1);
    cnn_model_destroy(model);
    model = model_of("resnet20", options);
    assert_true(model->params[param_named(model, "layer3.2.bn2.weight")].init.a == 0);
    cnn_model_destroy(model);

    model = model_of("vgg11", options);
    assert_true(model->nodes[node_named(model, "classifier.2")].dropout.p == 0.5);
    cnn_model_destroy(model);
    options.dropout = 0.25;
    model = model_of("vgg11", options);
    assert_true(model->nodes[node_named(model, "classifier.5")].dropout.p == 0.25);
    cnn_model_destroy(model);
    options.dropout = 0;
    model = model_of("vgg11", options);
    for (int i = 0; i < model->n_nodes; i++)
        assert_int_not_equal(model->nodes[i].op, CNN_OP_DROPOUT);
    assert_int_equal(model->nodes[node_named(model, "classifier.3")].inputs[0],
                     node_named(model, "classifier.1"));
    cnn_model_destroy(model);
}

static void expect_refusal(const char *arch, struct cnn_model_options options, const char *word) {
    struct cnn_model *model = NULL;
    assert_int_equal(cnn_model_create(&model, arch, &options), CNN_ERR_INPUT);
    assert_null(model);
    if (!strstr(cnn_error_message(), word))
        fail_msg("'%s' is not in: %s", word, cnn_error_message());
}

static void wrong_requests_are_refused(void **state) {
    (void)state;
    expect_refusal("resnet51", options_of(224, 224, 3, 10), "'resnet50'");
    expect_refusal("vgg16bn", options_of(224, 224, 3, 10), "'vgg16_bn'");
    expect_refusal("transformer-xxl", options_of(224, 224, 3, 10), "model list");
    expect_refusal("vgg16", options_of(31, 224, 3, 10), "'features.30'");
    expect_refusal("vgg16", options_of(31, 224, 3, 10), "1x14");
    expect_refusal("vgg16", options_of(31, 224, 3, 10), "31x224");
    expect_refusal("resnet18", options_of(0, 224, 3, 10), "0x224");
    expect_refusal("resnet18", options_of(224, 224, -3, 10), "-3");
    expect_refusal("resnet18", options_of(224, 224, 3, 0), "number of classes 0");
    expect_refusal("resnet18", options_of(65500, 65500, 3, 10), "65500");
    struct cnn_model_options certain = options_of(224, 224, 3, 10);
    certain.dropout = 1;
    expect_refusal("vgg11", certain, "dropout");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_and_names_are_torchvisions),
        cmocka_unit_test(published_sizes),
        cmocka_unit_test(names_one_by_one),
        cmocka_unit_test(odd_inputs_have_torchvisions_shapes),
        cmocka_unit_test(every_graph_is_in_execution_order),
        cmocka_unit_test(residual_blocks_are_wired),
        cmocka_unit_test(options_reach_the_layers),
        cmocka_unit_test(wrong_requests_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
