// Convolutions: forward, backward, in parts, in inference, and with a batch norm folded in.
#include "suite.h"
#include <math.h>
#include <stdio.h>

struct conv_case {
    struct ref_shape in;
    struct cnn_conv conv; // strides, dilations and groups of 0 stand for 1
    bool relu, from_pixels;
};

static const struct conv_case cases[] = {
    // one pixel, one channel, one sample
    {{1, 1, 1, 1}, {.out_channels = 1, .kernel = {1, 1}}, false, false},
    {{1, 8, 1, 1}, {.out_channels = 16, .kernel = {1, 1}, .bias = true}, true, false},
    {{2, 10, 1, 1}, {.out_channels = 5, .kernel = {3, 3}, .padding = {1, 1}}, false, false},
    // 1x1
    {{2, 16, 7, 9}, {.out_channels = 24, .kernel = {1, 1}}, false, false},
    {{3, 24, 5, 5}, {.out_channels = 10, .kernel = {1, 1}, .bias = true}, true, false},
    {{2, 16, 9, 9}, {.out_channels = 32, .kernel = {1, 1}, .stride = {2, 2}}, false, false},
    {{1, 5, 6, 5}, {.out_channels = 3, .kernel = {1, 1}, .stride = {2, 1}, .padding = {1, 0}}, false, false},
    // 3x3
    {{2, 16, 8, 8}, {.out_channels = 16, .kernel = {3, 3}, .padding = {1, 1}}, false, false},
    {{4, 32, 7, 7}, {.out_channels = 48, .kernel = {3, 3}, .padding = {1, 1}, .bias = true}, true, false},
    {{1, 24, 13, 11},
     {.out_channels = 40, .kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}},
     false,
     false},
    {{2, 3, 9, 7}, {.out_channels = 5, .kernel = {3, 3}, .padding = {1, 1}, .bias = true}, false, false},
    {{2, 10, 6, 6}, {.out_channels = 10, .kernel = {3, 3}}, true, false},
    {{3, 1, 5, 5}, {.out_channels = 8, .kernel = {3, 3}, .padding = {2, 2}, .bias = true}, true, false},
    // 3x3 with whole tiles, with parts of tiles, without and with wide padding, with many channels
    {{1, 24, 13, 11}, {.out_channels = 40, .kernel = {3, 3}, .padding = {1, 1}}, false, false},
    {{2, 8, 6, 10}, {.out_channels = 16, .kernel = {3, 3}, .bias = true}, true, false},
    {{3, 20, 6, 5}, {.out_channels = 9, .kernel = {3, 3}, .padding = {2, 1}, .bias = true}, true, false},
    {{5, 96, 8, 8}, {.out_channels = 104, .kernel = {3, 3}, .padding = {1, 1}}, false, false},
    {{5, 320, 8, 8}, {.out_channels = 24, .kernel = {3, 3}, .padding = {1, 1}, .bias = true}, true, false},
    // larger, unequal
    {{2, 8, 11, 10},
     {.out_channels = 16, .kernel = {5, 3}, .stride = {1, 2}, .padding = {2, 0}, .bias = true},
     false,
     false},
    {{1, 16, 9, 14}, {.out_channels = 8, .kernel = {1, 7}, .padding = {0, 3}}, true, false},
    {{1, 16, 14, 9}, {.out_channels = 8, .kernel = {7, 1}, .padding = {3, 0}}, false, false},
    {{2, 16, 15, 15},
     {.out_channels = 24, .kernel = {5, 5}, .stride = {3, 3}, .padding = {2, 2}},
     false,
     false},
    {{1, 8, 4, 6}, {.out_channels = 8, .kernel = {4, 6}}, false, false},
    // dilated
    {{2, 16, 12, 12},
     {.out_channels = 16, .kernel = {3, 3}, .padding = {2, 2}, .dilation = {2, 2}},
     false,
     false},
    {{1, 5, 10, 13},
     {.out_channels = 10,
      .kernel = {3, 2},
      .stride = {1, 2},
      .padding = {1, 2},
      .dilation = {3, 2},
      .bias = true},
     true,
     false},
    // groups: depthwise, wide, uneven
    {{2, 16, 9, 9}, {.out_channels = 16, .kernel = {3, 3}, .padding = {1, 1}, .groups = 16}, false, false},
    {{2, 24, 7, 7},
     {.out_channels = 24, .kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .groups = 24, .bias = true},
     true,
     false},
    {{1, 10, 6, 6}, {.out_channels = 10, .kernel = {3, 3}, .padding = {1, 1}, .groups = 10}, false, false},
    {{2, 32, 6, 5}, {.out_channels = 32, .kernel = {3, 3}, .padding = {1, 1}, .groups = 4}, true, false},
    {{2, 32, 5, 5},
     {.out_channels = 64, .kernel = {3, 3}, .padding = {1, 1}, .groups = 2, .bias = true},
     false,
     false},
    {{2, 6, 7, 5},
     {.out_channels = 9, .kernel = {3, 3}, .padding = {1, 1}, .groups = 3, .bias = true},
     true,
     false},
    {{1, 5, 4, 4}, {.out_channels = 10, .kernel = {3, 3}, .padding = {1, 1}, .groups = 5}, false, false},
    // first layers
    {{2, 3, 23, 21},
     {.out_channels = 64, .kernel = {7, 7}, .stride = {2, 2}, .padding = {3, 3}},
     false,
     true},
    {{2, 3, 9, 10}, {.out_channels = 16, .kernel = {3, 3}, .padding = {1, 1}}, false, true},
    {{3, 1, 9, 9}, {.out_channels = 16, .kernel = {3, 3}, .padding = {1, 1}}, false, true},
    {{1, 3, 8, 8}, {.out_channels = 64, .kernel = {3, 3}, .padding = {1, 1}, .bias = true}, true, true},
    {{2, 1, 7, 8}, {.out_channels = 5, .kernel = {5, 5}, .bias = true}, true, true},
    {{1, 3, 5, 5}, {.out_channels = 10, .kernel = {1, 1}}, false, true},
    {{2, 3, 19, 19},
     {.out_channels = 24, .kernel = {11, 11}, .stride = {4, 4}, .padding = {2, 2}, .bias = true},
     true,
     true},
};

struct conv_fixture {
    const struct conv_case *given;
    char label[160];
    struct cnn_node node, norm;
    struct ref_shape out;
    struct cnn_kernel_desc desc;
    size_t n_in, n_out, n_weight, n_bias;
    double *in, *weight, *bias, *pre, *d_out; // pre: before relu
    double *d_in, *d_weight, *d_bias;
};

static int or_one(int v) { return v ? v : 1; }

static void fixture_draw(struct conv_fixture *f) {
    const struct cnn_conv *k = &f->node.conv;
    f->in = rig_drawn(f->n_in, RIG_NORMAL, 1);
    f->weight = rig_drawn(f->n_weight, RIG_NORMAL, 2);
    f->bias = k->bias ? rig_drawn(f->n_bias, RIG_NORMAL, 3) : NULL;
    f->pre = rig_new(f->n_out);
    ref_conv(f->pre, f->in, f->given->in, k, f->weight, f->bias);
}

static void fixture_init(struct conv_fixture *f, struct cnn_backend *backend, const struct conv_case *given) {
    *f = (struct conv_fixture){.given = given,
                               .node = {.op = CNN_OP_CONV, .name = "conv", .conv = given->conv}};
    struct cnn_conv *k = &f->node.conv;
    for (int i = 0; i < 2; i++) {
        k->stride[i] = or_one(k->stride[i]);
        k->dilation[i] = or_one(k->dilation[i]);
    }
    k->groups = or_one(k->groups);
    f->out = ref_conv_shape(given->in, k);
    f->node.shape = (struct cnn_shape){f->out.h, f->out.w, f->out.c};
    f->n_in = ref_count(given->in);
    f->n_out = ref_count(f->out);
    f->n_bias = (size_t)k->out_channels;
    f->n_weight = f->n_bias * (size_t)(given->in.c / k->groups * k->kernel[0] * k->kernel[1]);
    snprintf(f->label, sizeof f->label,
             "conv n%d %dx%dx%d -> %dx%dx%d, k%dx%d s%dx%d p%dx%d d%dx%d g%d%s%s%s", given->in.n, given->in.h,
             given->in.w, given->in.c, f->out.h, f->out.w, f->out.c, k->kernel[0], k->kernel[1], k->stride[0],
             k->stride[1], k->padding[0], k->padding[1], k->dilation[0], k->dilation[1], k->groups,
             k->bias ? " bias" : "", given->relu ? " relu" : "", given->from_pixels ? " pixels" : "");
    f->desc = (struct cnn_kernel_desc){.kernel = CNN_KERNEL_CONV,
                                       .node = &f->node,
                                       .n_in = 1,
                                       .from_pixels = given->from_pixels,
                                       .accumulates = true,
                                       .shape = f->node.shape,
                                       .training = true,
                                       .relu = given->relu,
                                       .relu_backward = given->relu};
    f->desc.in[0] = rig_tensor(backend, given->in, false);
    if (given->from_pixels)
        f->desc.in[0].block = 0;
    fixture_draw(f);
}

static void fixture_finish(struct conv_fixture *f) {
    double *const arrays[] = {f->in, f->weight, f->bias, f->pre, f->d_out, f->d_in, f->d_weight, f->d_bias};
    for (size_t i = 0; i < LENGTH(arrays); i++)
        free(arrays[i]);
}

// Where relu's input is near 0, rounding decides its mask: of the sum, and of what was added up before a
// bias.
static double near_zero(void) { return 1e-4 + 4 * rig_tolerance(); }

// Gradients of the reference; none comes in where relu's mask is uncertain.
static void fixture_grad(struct conv_fixture *f, bool masked) {
    double *g = rig_new(f->n_out);
    f->d_out = rig_drawn(f->n_out, RIG_NORMAL, 4);
    f->d_in = rig_new(f->n_in);
    f->d_weight = rig_new(f->n_weight);
    f->d_bias = rig_new(f->n_bias);
    for (size_t i = 0; i < f->n_out; i++) {
        if (masked && fabs(f->pre[i]) < near_zero())
            f->d_out[i] = 0;
        g[i] = masked && f->pre[i] <= 0 ? 0 : f->d_out[i];
    }
    ref_conv_grad(f->d_in, f->d_weight, f->d_bias, g, f->in, f->given->in, &f->node.conv, f->weight);
    free(g);
}

static void give_inputs(struct rig *rig, const struct conv_fixture *f) {
    rig_set_in(rig, 0, f->in);
    rig_set_param(rig, 0, f->weight, f->n_weight);
    if (f->bias)
        rig_set_param(rig, 1, f->bias, f->n_bias);
}

static void expect_forward(struct rig *rig, const struct conv_fixture *f) {
    double *want = rig_new(f->n_out);
    const struct cnn_kernel_run run = rig_run(false);
    if (f->desc.relu)
        ref_relu(want, f->pre, f->n_out);
    else
        ref_add(want, want, f->pre, f->n_out);
    rig_forward(rig, &run);
    rig_expect_out(rig, want);
    free(want);
}

void suite_conv_training(void **state) {
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct conv_fixture f;
        struct rig rig;
        fixture_init(&f, *state, &cases[i]);
        fixture_grad(&f, f.desc.relu);
        rig_open(&rig, *state, &f.desc, f.label);
        give_inputs(&rig, &f);
        expect_forward(&rig, &f);
        rig_spoil_d_params(&rig);
        const struct cnn_kernel_run run = rig_run(false);
        rig_backward(&rig, f.d_out, NULL, &run, (const bool[2]){!f.desc.from_pixels, false});
        if (!f.desc.from_pixels)
            rig_expect_d_in(&rig, 0, f.d_in, 0);
        rig_expect_d_param(&rig, 0, f.d_weight, f.n_weight);
        if (f.bias)
            rig_expect_d_param(&rig, 1, f.d_bias, f.n_bias);
        rig_close(&rig);
        fixture_finish(&f);
    }
}

// Parameter gradients alone, added to what is there; relu's gradient left to the consumer.
static void run_in_parts(struct cnn_backend *backend, const struct conv_case *given) {
    struct conv_fixture f;
    struct rig rig;
    fixture_init(&f, backend, given);
    fixture_grad(&f, false);
    f.desc.relu_backward = false;
    rig_open(&rig, backend, &f.desc, f.label);
    assert_false(rig.plan->reads_out);
    give_inputs(&rig, &f);
    expect_forward(&rig, &f);
    double *weight = rig_drawn(f.n_weight, RIG_NORMAL, 5), *bias = rig_drawn(f.n_bias, RIG_NORMAL, 6);
    rig_set_d_param(&rig, 0, weight, f.n_weight);
    if (f.bias)
        rig_set_d_param(&rig, 1, bias, f.n_bias);
    const struct cnn_kernel_run run = rig_run(true);
    rig_backward(&rig, f.d_out, NULL, &run, (const bool[2]){false, false});
    ref_add(weight, weight, f.d_weight, f.n_weight);
    ref_add(bias, bias, f.d_bias, f.n_bias);
    rig_expect_d_param(&rig, 0, weight, f.n_weight);
    if (f.bias)
        rig_expect_d_param(&rig, 1, bias, f.n_bias);
    free(weight);
    free(bias);
    rig_close(&rig);
    fixture_finish(&f);
}

void suite_conv_parts(void **state) {
    for (size_t i = 0; i < LENGTH(cases); i++)
        run_in_parts(*state, &cases[i]);
}

// The input is what a relu gave, zeros and all, and its gradient is masked for that relu here.
static void run_masked(struct cnn_backend *backend, const struct conv_case *given) {
    struct conv_fixture f;
    struct rig rig;
    fixture_init(&f, backend, given);
    ref_relu(f.in, f.in, f.n_in);
    ref_conv(f.pre, f.in, given->in, &f.node.conv, f.weight, f.bias);
    fixture_grad(&f, f.desc.relu);
    for (size_t i = 0; i < f.n_in; i++)
        f.d_in[i] = f.in[i] > 0 ? f.d_in[i] : 0;
    f.desc.mask_by_input = true;
    rig_open(&rig, backend, &f.desc, f.label);
    give_inputs(&rig, &f);
    expect_forward(&rig, &f);
    const struct cnn_kernel_run run = rig_run(false);
    rig_backward(&rig, f.d_out, NULL, &run, (const bool[2]){true, false});
    rig_expect_d_in(&rig, 0, f.d_in, 0);
    rig_expect_d_param(&rig, 0, f.d_weight, f.n_weight);
    rig_close(&rig);
    fixture_finish(&f);
}

void suite_conv_masked(void **state) {
    for (size_t i = 0; i < LENGTH(cases); i++)
        if (!cases[i].from_pixels)
            run_masked(*state, &cases[i]);
}

// An inference plan runs on the arena of the training plan it is like.
static void run_inference(struct cnn_backend *backend, const struct conv_case *given) {
    struct conv_fixture f;
    struct rig training, inference;
    fixture_init(&f, backend, given);
    rig_open(&training, backend, &f.desc, f.label);
    f.desc.training = f.desc.accumulates = f.desc.relu_backward = false;
    f.desc.like = training.plan;
    rig_open(&inference, backend, &f.desc, f.label);
    give_inputs(&training, &f);
    for (int k = 0; k < training.plan->n_params; k++)
        assert_int_equal(inference.plan->param_counts[k], training.plan->param_counts[k]);
    rig_share_params(&inference, &training);
    rig_set_in(&inference, 0, f.in);
    expect_forward(&inference, &f);
    rig_close(&inference);
    rig_close(&training);
    fixture_finish(&f);
}

void suite_conv_inference(void **state) {
    for (size_t i = 0; i < LENGTH(cases); i++)
        run_inference(*state, &cases[i]);
}

// scale, shift, running mean, running variance of the norm folded into the convolution.
static void give_norm(struct rig *rig, const struct conv_fixture *f, double *want) {
    const int first = f->bias ? 2 : 1;
    double *values[4];
    for (int k = 0; k < 4; k++) {
        values[k] = rig_drawn(f->n_bias, k == 3 ? RIG_POSITIVE : RIG_NORMAL, (uint64_t)(20 + k));
        rig_set_param(rig, first + k, values[k], f->n_bias);
    }
    ref_norm(want, f->pre, f->out, values[2], values[3], values[0], values[1], f->norm.norm.eps);
    for (int k = 0; k < 4; k++)
        free(values[k]);
}

static void run_folded(struct cnn_backend *backend, const struct conv_case *given, bool with_residual) {
    struct conv_fixture f;
    struct rig rig;
    fixture_init(&f, backend, given);
    f.norm = (struct cnn_node){
        .op = CNN_OP_BATCH_NORM, .name = "norm", .norm = {1e-3, 0.1}, .shape = f.node.shape};
    f.desc.norm = &f.norm;
    f.desc.training = f.desc.accumulates = f.desc.relu_backward = false;
    f.desc.n_in = with_residual ? 2 : 1;
    f.desc.in[1] = rig_tensor(backend, f.out, false);
    rig_open(&rig, backend, &f.desc, f.label);
    assert_int_equal(rig.plan->n_params, f.bias ? 6 : 5);
    give_inputs(&rig, &f);
    double *want = rig_new(f.n_out), *residual = rig_drawn(f.n_out, RIG_NORMAL, 7);
    give_norm(&rig, &f, want);
    if (with_residual) {
        rig_set_in(&rig, 1, residual);
        ref_add(want, want, residual, f.n_out);
    }
    if (f.desc.relu)
        ref_relu(want, want, f.n_out);
    rig_spoil(backend, rig.io.constants, rig.plan->constant_bytes);
    if (rig.ops->refresh)
        assert_int_equal(rig.ops->refresh(rig.plan, &rig.io), CNN_OK);
    const struct cnn_kernel_run run = rig_run(false);
    rig_forward(&rig, &run);
    rig_expect_out(&rig, want);
    free(want);
    free(residual);
    rig_close(&rig);
    fixture_finish(&f);
}

void suite_conv_folded(void **state) {
    for (size_t i = 0; i < LENGTH(cases); i++) {
        run_folded(*state, &cases[i], false);
        run_folded(*state, &cases[i], true);
    }
}
