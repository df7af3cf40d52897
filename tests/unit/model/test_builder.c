// The builder on networks written here: shapes, parameters, names, and errors that stick.
#include "golden.h"

#include "model/builder.h"

static struct cnn_builder *start(int h, int w, int c, int n_classes) {
    struct cnn_model_options options = options_of(h, w, c, n_classes);
    struct cnn_builder *builder = NULL;
    assert_int_equal(cnn_builder_create(&builder, "test", &options), CNN_OK);
    return builder;
}

static void expect_failure(struct cnn_builder *builder, int output, const char *const *words) {
    struct cnn_model *model = NULL;
    assert_int_equal(cnn_builder_finish(&model, builder, output), CNN_ERR_INPUT);
    assert_null(model);
    for (; *words; words++)
        if (!strstr(cnn_error_message(), *words))
            fail_msg("'%s' is not in: %s", *words, cnn_error_message());
}
#define EXPECT_FAILURE(builder, output, ...)                                                                 \
    expect_failure(builder, output, (const char *const[]){__VA_ARGS__, NULL})

static void assert_shape(const struct cnn_node *node, int h, int w, int c) {
    assert_int_equal(node->shape.h, h);
    assert_int_equal(node->shape.w, w);
    assert_int_equal(node->shape.c, c);
}

static void rectangular_ops_have_pytorch_shapes(void **state) {
    (void)state;
    struct cnn_builder *builder = start(20, 31, 6, 5);
    int conv = cnn_build_conv(builder, "conv", 0,
                              (struct cnn_conv){.out_channels = 9,
                                                .kernel = {3, 5},
                                                .stride = {2, 1},
                                                .padding = {1, 0},
                                                .dilation = {1, 2},
                                                .groups = 3,
                                                .bias = true});
    int pool = cnn_build_avg_pool(builder, "pool", conv,
                                  (struct cnn_pool){.kernel = {3, 2}, .stride = {2, 2}, .ceil_mode = true});
    int square = cnn_build_max_pool(builder, "square", pool, (struct cnn_pool){.kernel = {2, 2}});
    int adaptive = cnn_build_adaptive_avg_pool(builder, "adaptive", square, 3, 2);
    int linear =
        cnn_build_linear(builder, "linear", adaptive, (struct cnn_linear){.out_features = 5, .bias = false});
    struct cnn_model *model = NULL;
    assert_int_equal(cnn_builder_finish(&model, builder, linear), CNN_OK);
    assert_shape(&model->nodes[0], 20, 31, 6);
    assert_shape(&model->nodes[conv], 10, 23, 9);
    assert_shape(&model->nodes[pool], 5, 12, 9); // ceil((10-3)/2)+1, ceil((23-2)/2)+1
    assert_shape(&model->nodes[square], 2, 6, 9);
    assert_shape(&model->nodes[adaptive], 3, 2, 9);
    assert_shape(&model->nodes[linear], 1, 1, 5);
    assert_int_equal(model->n_params, 3);
    const struct cnn_param *weight = &model->params[0];
    assert_string_equal(weight->name, "conv.weight");
    assert_int_equal(weight->n_dims, 4);
    assert_memory_equal(weight->dims, ((int[]){9, 2, 3, 5}), sizeof weight->dims);
    assert_string_equal(model->params[1].name, "conv.bias");
    assert_int_equal(model->params[1].dims[0], 9);
    assert_int_equal(model->params[2].dims[0], 5);
    assert_int_equal(model->params[2].dims[1], 3 * 2 * 9);
    assert_int_equal(model->nodes[linear].n_params, 1);
    assert_int_equal(model->params[2].node, linear);
    // Each output of the convolution meets 2 input channels of its group in a 3x5 window.
    assert_true(cnn_node_flops(model, conv) == 2.0 * 10 * 23 * 9 * 2 * 3 * 5);
    assert_true(cnn_node_flops(model, linear) == 2.0 * 5 * 54);
    assert_true(cnn_model_flops(model) == cnn_node_flops(model, conv) + cnn_node_flops(model, linear));
    cnn_model_destroy(model);
}

static void batch_norm_lists_its_statistics(void **state) {
    (void)state;
    struct cnn_builder *builder = start(1, 1, 4, 4);
    cnn_build_scope(builder, "stage%d", 3);
    int norm = cnn_build_batch_norm(builder, "bn", 0, CNN_TORCH_NORM);
    cnn_build_scope_end(builder);
    cnn_build_init(builder, norm, CNN_PARAM_NORM_SCALE,
                   (struct cnn_init){.kind = CNN_INIT_CONSTANT, .a = 0.25});
    int relu = cnn_build_relu(builder, NULL, norm);
    int again = cnn_build_relu(builder, NULL, relu);
    struct cnn_model *model = NULL;
    assert_int_equal(cnn_builder_finish(&model, builder, again), CNN_OK);
    static const char *const names[] = {"stage3.bn.weight", "stage3.bn.bias", "stage3.bn.running_mean",
                                        "stage3.bn.running_var"};
    static const double values[] = {0.25, 0, 0, 1};
    assert_int_equal(model->n_params, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(model->params[i].name, names[i]);
        assert_int_equal(model->params[i].init.kind, CNN_INIT_CONSTANT);
        assert_true(model->params[i].init.a == values[i]);
        assert_int_equal(cnn_param_is_statistic(&model->params[i]), i >= 2);
    }
    assert_int_equal(cnn_model_count(model), 8);
    assert_string_equal(model->nodes[relu].name, "relu2");
    assert_string_equal(model->nodes[again].name, "relu3");
    cnn_model_destroy(model);
}

static void many_nodes_fit(void **state) {
    (void)state;
    struct cnn_builder *builder = start(3, 3, 2, 2);
    int node = 0;
    for (int i = 0; i < 500; i++)
        node = cnn_build_batch_norm(builder, NULL, node, CNN_TORCH_NORM);
    node = cnn_build_adaptive_avg_pool(builder, NULL, node, 1, 1);
    struct cnn_model *model = NULL;
    assert_int_equal(cnn_builder_finish(&model, builder, node), CNN_OK);
    assert_int_equal(model->n_nodes, 502);
    assert_int_equal(model->n_params, 2000);
    for (int i = 1; i <= 500; i++) {
        assert_int_equal(model->nodes[i].inputs[0], i - 1);
        assert_int_equal(model->nodes[i].first_param, 4 * (i - 1));
        assert_int_equal(model->params[4 * (i - 1) + 3].node, i);
    }
    cnn_model_destroy(model);
}

static void first_error_sticks(void **state) {
    (void)state;
    struct cnn_builder *builder = start(4, 4, 3, 3);
    cnn_build_scope(builder, "block");
    int bad = cnn_build_conv(builder, "wide", 0, (struct cnn_conv){.out_channels = 3, .kernel = {5, 7}});
    assert_int_equal(bad, -1);
    assert_int_equal(cnn_build_relu(builder, "relu", 0), -1);
    assert_int_equal(cnn_build_add(builder, "add", bad, 0), -1);
    assert_int_equal(cnn_build_dropout(builder, "drop", 0, 0), -1);
    cnn_build_init(builder, bad, CNN_PARAM_WEIGHT, (struct cnn_init){.kind = CNN_INIT_CONSTANT});
    assert_int_equal(cnn_build_shape(builder, bad).c, 1);
    (void)cnn_fail(CNN_ERR_IO, "something else went wrong meanwhile");
    EXPECT_FAILURE(builder, 0, "test: ", "'block.wide'", "(conv)", "4x4", "5x7");
}

static void sizes_that_do_not_fit_are_named(void **state) {
    (void)state;
    struct cnn_builder *builder = start(4, 4, 3, 3);
    int conv = cnn_build_conv(builder, "conv", 0, (struct cnn_conv){.out_channels = 8, .kernel = {3, 3}});
    cnn_build_add(builder, "sum", conv, 0);
    EXPECT_FAILURE(builder, 0, "'sum'", "2x2x8", "'conv'", "4x4x3", "'input'");

    builder = start(4, 4, 3, 3);
    cnn_build_conv(builder, "grouped", 0,
                   (struct cnn_conv){.out_channels = 4, .kernel = {1, 1}, .groups = 2});
    EXPECT_FAILURE(builder, 0, "'grouped'", "3 channels to 4 in 2 groups");

    builder = start(4, 4, 3, 3);
    cnn_build_max_pool(builder, "pool", 0, (struct cnn_pool){.kernel = {2, 2}, .padding = {2, 0}});
    EXPECT_FAILURE(builder, 0, "'pool'", "2x0", "half");

    builder = start(4, 4, 3, 3);
    cnn_build_max_pool(builder, "pool", 0, (struct cnn_pool){.kernel = {5, 1}, .stride = {1, 1}});
    EXPECT_FAILURE(builder, 0, "'pool'", "4x4", "5x1");

    builder = start(4, 4, 3, 3);
    cnn_build_conv(builder, "conv", 0, (struct cnn_conv){.out_channels = 3, .kernel = {0, 3}});
    EXPECT_FAILURE(builder, 0, "'conv'", "0x3");

    builder = start(4, 4, 3, 3);
    cnn_build_conv(builder, "conv", 7, (struct cnn_conv){.out_channels = 3, .kernel = {1, 1}});
    EXPECT_FAILURE(builder, 0, "'conv'", "7");

    builder = start(4, 4, 3, 3);
    cnn_build_dropout(builder, "drop", 0, 1.0);
    EXPECT_FAILURE(builder, 0, "'drop'", "1");
}

static void too_much_is_refused(void **state) {
    (void)state;
    struct cnn_builder *builder = start(65500, 65500, 3, 3);
    EXPECT_FAILURE(builder, 0, "'input'", "65500x65500x3", "2^31");

    builder = start(1, 1, 65536, 65536);
    cnn_build_linear(builder, "huge", 0, (struct cnn_linear){.out_features = 65536});
    EXPECT_FAILURE(builder, 0, "'huge'", "weight", "2^31");

    char name[CNN_NAME_BYTES + 10];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    builder = start(1, 1, 3, 3);
    cnn_build_relu(builder, name, 0);
    EXPECT_FAILURE(builder, 0, "longer than");
    builder = start(1, 1, 3, 3);
    cnn_build_scope(builder, "%s", name);
    EXPECT_FAILURE(builder, 0, "longer than");
    name[CNN_NAME_BYTES - 3] = '\0'; // the node's name fits, "NAME.weight" does not
    builder = start(1, 1, 3, 3);
    cnn_build_batch_norm(builder, name, 0, CNN_TORCH_NORM);
    EXPECT_FAILURE(builder, 0, "longer than");
}

static void names_must_differ(void **state) {
    (void)state;
    struct cnn_builder *builder = start(1, 1, 3, 3);
    int first = cnn_build_relu(builder, "relu", 0);
    cnn_build_relu(builder, "relu", first);
    EXPECT_FAILURE(builder, first, "'relu'", "node 1");
}

static void output_must_be_the_logits(void **state) {
    (void)state;
    struct cnn_builder *builder = start(2, 2, 3, 3);
    EXPECT_FAILURE(builder, cnn_build_relu(builder, "relu", 0), "'relu'", "2x2x3", "1x1x3");
    struct cnn_model *model = NULL;
    builder = start(2, 2, 3, 3);
    assert_int_equal(cnn_builder_finish(&model, builder, 5), CNN_ERR_FAILED);
    builder = start(2, 2, 3, 3);
    cnn_build_init(builder, 0, CNN_PARAM_WEIGHT, (struct cnn_init){.kind = CNN_INIT_CONSTANT});
    assert_int_equal(cnn_builder_finish(&model, builder, 0), CNN_ERR_FAILED);
    assert_null(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rectangular_ops_have_pytorch_shapes),
        cmocka_unit_test(batch_norm_lists_its_statistics),
        cmocka_unit_test(many_nodes_fit),
        cmocka_unit_test(first_error_sticks),
        cmocka_unit_test(sizes_that_do_not_fit_are_named),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(names_must_differ),
        cmocka_unit_test(output_must_be_the_logits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
