// Which of a model's ops become one kernel, in training and in inference.
#include "nets.h"

#include "replica/step.h"

static struct cnn_graph fused(const struct cnn_model *model, bool training) {
    struct cnn_graph graph = {0};
    EXPECT_OK(cnn_graph_fuse(&graph, model, training));
    return graph;
}

static int count(const struct cnn_graph *g, enum cnn_kernel kernel) {
    int n = 0;
    for (int i = 0; i < g->n_steps; i++)
        n += g->steps[i].desc.kernel == kernel;
    return n;
}

struct tally {
    int relu, residual, folded, masked_pools, masked_inputs,
        left_masks; // left_masks: relus whose backward another takes over
};

static struct tally tally_of(const struct cnn_graph *g, enum cnn_kernel kernel) {
    struct tally t = {0};
    for (int i = 0; i < g->n_steps; i++) {
        const struct cnn_kernel_desc *d = &g->steps[i].desc;
        if (d->kernel != kernel)
            continue;
        t.relu += d->relu;
        t.residual += d->n_in == 2;
        t.folded += d->norm != NULL;
        t.masked_pools += d->mask_by_output;
        t.masked_inputs += d->mask_by_input;
        t.left_masks += d->relu && !d->relu_backward;
    }
    return t;
}

static const struct cnn_step *step_at(const struct cnn_graph *g, const char *node) {
    for (int i = 0; i < g->n_steps; i++)
        if (strcmp(g->steps[i].desc.node->name, node) == 0)
            return &g->steps[i];
    fail_msg("no step begins with %s", node);
    return NULL;
}

static const char *value_name(const struct cnn_graph *g, int value) { return g->model->nodes[value].name; }

// Every step reads values made before it, makes a value of its own, and every parameter belongs to one step.
static void check_order(const struct cnn_graph *g) {
    const struct cnn_model *model = g->model;
    bool *made = calloc((size_t)model->n_nodes, sizeof *made);
    int *owners = calloc((size_t)model->n_params, sizeof *owners);
    assert_true(made && owners);
    made[g->input] = true;
    for (int i = 0; i < g->n_steps; i++) {
        const struct cnn_step *step = &g->steps[i];
        for (int j = 0; j < step->desc.n_in; j++)
            if (!made[step->in[j]])
                fail_msg("%s reads %s before it is made", step->desc.node->name, value_name(g, step->in[j]));
        assert_false(made[step->out]);
        made[step->out] = true;
        for (int k = 0; k < step->n_params; k++)
            owners[step->params[k]]++;
        assert_int_equal(step->desc.from_pixels, step->in[0] == g->input);
        assert_int_equal(step->desc.training, g->training);
        const struct cnn_shape out = model->nodes[step->out].shape, said = step->desc.shape;
        assert_true(out.h == said.h && out.w == said.w && out.c == said.c);
    }
    assert_true(made[g->output]);
    for (int i = 0; i < model->n_params; i++)
        assert_int_equal(owners[i], 1);
    free(made);
    free(owners);
}

static void order_holds_everywhere(void **state) {
    (void)state;
    static const char *const archs[] = {"resnet18", "resnet50", "resnet20", "vgg11", "vgg16_bn"};
    for (int training = 0; training < 2; training++) {
        for (size_t i = 0; i < LENGTH(archs); i++) {
            struct cnn_model *model = zoo(archs[i], 64, 3, 10);
            struct cnn_graph g = fused(model, training);
            check_order(&g);
            cnn_graph_finish(&g);
            cnn_model_destroy(model);
        }
        for (size_t i = 0; i < n_nets; i++) {
            struct cnn_model *model = nets[i].build();
            struct cnn_graph g = fused(model, training);
            check_order(&g);
            cnn_graph_finish(&g);
            cnn_model_destroy(model);
        }
    }
}

static void resnet18_in_training(void **state) {
    (void)state;
    struct cnn_model *model = zoo("resnet18", 224, 3, 1000);
    struct cnn_graph g = fused(model, true);
    assert_int_equal(count(&g, CNN_KERNEL_CONV), 20);
    assert_int_equal(count(&g, CNN_KERNEL_NORM), 20);
    assert_int_equal(g.n_steps, 20 + 20 + 3); // max pool, average, linear
    const struct tally norms = tally_of(&g, CNN_KERNEL_NORM);
    assert_int_equal(norms.relu, 17); // all but those of the three projections
    assert_int_equal(norms.residual, 8);
    assert_int_equal(norms.left_masks, 0);
    assert_int_equal(tally_of(&g, CNN_KERNEL_CONV).relu, 0);
    assert_int_equal(tally_of(&g, CNN_KERNEL_MAX_POOL).masked_pools, 0);
    const struct cnn_step *block = step_at(&g, "layer2.0.bn2");
    assert_string_equal(value_name(&g, block->in[0]), "layer2.0.conv2");
    assert_string_equal(value_name(&g, block->in[1]), "layer2.0.downsample.1");
    assert_string_equal(value_name(&g, block->out), "layer2.0.relu2");
    block = step_at(&g, "layer2.1.bn2");
    assert_string_equal(value_name(&g, block->in[1]), "layer2.0.relu2");
    cnn_graph_finish(&g);
    cnn_model_destroy(model);
}

static void resnet18_in_inference(void **state) {
    (void)state;
    struct cnn_model *model = zoo("resnet18", 224, 3, 1000);
    struct cnn_graph g = fused(model, false);
    assert_int_equal(g.n_steps, 20 + 3);
    const struct tally convs = tally_of(&g, CNN_KERNEL_CONV);
    assert_int_equal(convs.folded, 20);
    assert_int_equal(convs.relu, 17);
    assert_int_equal(convs.residual, 8);
    const struct cnn_step *conv = step_at(&g, "layer3.0.conv2");
    assert_string_equal(conv->desc.norm->name, "layer3.0.bn2");
    assert_int_equal(conv->n_params, 5);
    assert_string_equal(value_name(&g, conv->in[1]), "layer3.0.downsample.1");
    assert_string_equal(value_name(&g, conv->out), "layer3.0.relu2");
    cnn_graph_finish(&g);
    cnn_model_destroy(model);
}

static void vgg16(void **state) {
    (void)state;
    struct cnn_model *model = zoo("vgg16", 224, 3, 1000);
    struct cnn_graph g = fused(model, true);
    const struct tally convs = tally_of(&g, CNN_KERNEL_CONV);
    assert_int_equal(count(&g, CNN_KERNEL_CONV), 13);
    assert_int_equal(convs.relu, 13);
    assert_int_equal(convs.left_masks, convs.relu); // by a pool or by the next convolution
    assert_int_equal(convs.masked_inputs, convs.relu - 5);
    assert_int_equal(tally_of(&g, CNN_KERNEL_MAX_POOL).masked_pools, 5);
    assert_int_equal(count(&g, CNN_KERNEL_ADAPTIVE_AVG_POOL), 0); // 7 x 7 already
    assert_int_equal(tally_of(&g, CNN_KERNEL_LINEAR).relu, 2);
    assert_int_equal(count(&g, CNN_KERNEL_DROPOUT), 2);
    assert_int_equal(g.n_steps, 13 + 5 + 3 + 2);
    assert_string_equal(value_name(&g, step_at(&g, "classifier.0")->in[0]), "features.30");
    cnn_graph_finish(&g);
    g = fused(model, false);
    assert_int_equal(count(&g, CNN_KERNEL_DROPOUT), 0);
    assert_int_equal(tally_of(&g, CNN_KERNEL_MAX_POOL).masked_pools, 0);
    assert_string_equal(value_name(&g, step_at(&g, "classifier.3")->in[0]), "classifier.1");
    cnn_graph_finish(&g);
    cnn_model_destroy(model);
    model = zoo("vgg16", 64, 3, 1000);
    g = fused(model, true);
    assert_int_equal(count(&g, CNN_KERNEL_ADAPTIVE_AVG_POOL), 1); // 2 x 2 to 7 x 7
    cnn_graph_finish(&g);
    cnn_model_destroy(model);
}

// A norm keeps its own mask: a pool behind it does not take it over.
static void vgg16_bn(void **state) {
    (void)state;
    struct cnn_model *model = zoo("vgg16_bn", 64, 3, 10);
    struct cnn_graph g = fused(model, true);
    assert_int_equal(tally_of(&g, CNN_KERNEL_NORM).relu, 13);
    assert_int_equal(tally_of(&g, CNN_KERNEL_MAX_POOL).masked_pools, 0);
    cnn_graph_finish(&g);
    g = fused(model, false);
    assert_int_equal(step_at(&g, "features.0")->n_params, 6); // weight, bias and the norm's four
    cnn_graph_finish(&g);
    cnn_model_destroy(model);
}

static struct cnn_graph graph_of(const char *net, bool training, struct cnn_model **out_model) {
    for (size_t i = 0; i < n_nets; i++)
        if (strcmp(nets[i].name, net) == 0) {
            *out_model = nets[i].build();
            return fused(*out_model, training);
        }
    fail_msg("no net %s", net);
    return (struct cnn_graph){0};
}

// What several read is not swallowed by one of them.
static void values_read_twice_stay(void **state) {
    (void)state;
    struct cnn_model *model = NULL;
    for (int training = 0; training < 2; training++) {
        struct cnn_graph g = graph_of("conv_used_twice", training, &model);
        assert_false(step_at(&g, "conv0")->desc.relu);
        assert_int_equal(count(&g, CNN_KERNEL_RELU), 1);
        assert_true(step_at(&g, "conv1")->desc.relu);
        assert_int_equal(count(&g, CNN_KERNEL_ADD), 1); // no norm that could take it
        cnn_graph_finish(&g);
        cnn_model_destroy(model);
        g = graph_of("norm_used_twice", training, &model);
        const struct cnn_step *first = step_at(&g, training ? "bn0" : "conv0"),
                              *second = step_at(&g, training ? "bn1" : "conv1");
        assert_int_equal(first->desc.n_in, 1);
        assert_false(first->desc.relu);
        assert_int_equal(second->desc.n_in, 2);
        assert_int_equal(second->in[1], first->out);
        cnn_graph_finish(&g);
        cnn_model_destroy(model);
    }
}

static void a_value_added_to_itself_is_no_residual(void **state) {
    (void)state;
    struct cnn_model *model = NULL;
    struct cnn_graph g = graph_of("sum_with_itself", true, &model);
    assert_int_equal(tally_of(&g, CNN_KERNEL_NORM).residual, 0);
    assert_int_equal(count(&g, CNN_KERNEL_ADD), 2);
    for (int i = 0; i < g.n_steps; i++)
        if (g.steps[i].desc.kernel == CNN_KERNEL_ADD)
            assert_int_equal(g.steps[i].in[0], g.steps[i].in[1]);
    assert_int_equal(tally_of(&g, CNN_KERNEL_ADD).relu, 1);
    cnn_graph_finish(&g);
    cnn_model_destroy(model);
}

static void a_sum_of_two_norms_goes_to_the_first(void **state) {
    (void)state;
    struct cnn_model *model = NULL;
    for (int training = 0; training < 2; training++) {
        struct cnn_graph g = graph_of("residual_of_norms", training, &model);
        const struct cnn_step *first = step_at(&g, training ? "bn1" : "conv1"),
                              *second = step_at(&g, training ? "bn2" : "conv2");
        assert_int_equal(first->desc.n_in, 2);
        assert_int_equal(first->in[1], second->out);
        assert_true(first->desc.relu);
        assert_int_equal(second->desc.n_in, 1);
        assert_false(second->desc.relu);
        cnn_graph_finish(&g);
        cnn_model_destroy(model);
    }
}

static void a_mask_that_others_need_stays_with_its_relu(void **state) {
    (void)state;
    struct cnn_model *model = NULL;
    struct cnn_graph g = graph_of("pool_behind_an_alias", true, &model);
    assert_int_equal(tally_of(&g, CNN_KERNEL_MAX_POOL).masked_pools, 0);
    assert_true(step_at(&g, "conv0")->desc.relu_backward);
    cnn_graph_finish(&g);
    cnn_model_destroy(model);
    g = graph_of("pools", true, &model);
    assert_int_equal(tally_of(&g, CNN_KERNEL_MAX_POOL).masked_pools, 1);
    assert_false(step_at(&g, "conv0")->desc.relu_backward);
    cnn_graph_finish(&g);
    cnn_model_destroy(model);
}

static void a_layer_that_leads_nowhere_is_named(void **state) {
    (void)state;
    struct cnn_builder *b = start(9, 9, 3, 5);
    int node = conv3(b, "conv", 0, 8);
    norm(b, "lost", node);
    struct cnn_model *model = finish_with_head(b, node, 5);
    struct cnn_graph g = {0};
    assert_int_equal(cnn_graph_fuse(&g, model, true), CNN_ERR_UNSUPPORTED);
    assert_non_null(strstr(cnn_error_message(), "lost"));
    cnn_graph_finish(&g);
    cnn_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_holds_everywhere),
        cmocka_unit_test(resnet18_in_training),
        cmocka_unit_test(resnet18_in_inference),
        cmocka_unit_test(vgg16),
        cmocka_unit_test(vgg16_bn),
        cmocka_unit_test(values_read_twice_stay),
        cmocka_unit_test(a_value_added_to_itself_is_no_residual),
        cmocka_unit_test(a_sum_of_two_norms_goes_to_the_first),
        cmocka_unit_test(a_mask_that_others_need_stays_with_its_relu),
        cmocka_unit_test(a_layer_that_leads_nowhere_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
