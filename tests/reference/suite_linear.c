// Linear layers, on rows of values and on blocked pictures.
#include "suite.h"
#include <math.h>
#include <stdio.h>

struct linear_case {
    struct ref_shape in;
    int outputs;
    bool bias, relu, row, from_pixels;
};

static const struct linear_case cases[] = {
    {{1, 1, 1, 1}, 1, true, false, true, false},    {{1, 512, 1, 1}, 10, true, false, true, false},
    {{3, 10, 1, 1}, 24, false, true, true, false},  {{4, 64, 1, 1}, 1000, true, false, true, false},
    {{2, 16, 1, 1}, 5, true, true, true, false},    {{5, 3, 1, 1}, 8, true, false, true, false},
    {{2, 16, 1, 1}, 10, true, false, false, false}, {{2, 10, 1, 1}, 16, true, true, false, false},
    {{3, 32, 3, 3}, 40, true, true, false, false},  {{1, 24, 7, 7}, 16, true, false, false, false},
    {{2, 10, 3, 5}, 7, true, false, false, false},  {{2, 5, 2, 1}, 3, false, true, false, false},
    {{3, 1, 4, 4}, 10, true, false, false, false},  {{2, 3, 5, 4}, 10, true, true, false, true},
    {{1, 1, 6, 6}, 5, true, false, false, true},
};

struct linear_values {
    size_t n_in, n_out, n_weight, n_bias;
    double *in, *weight, *bias, *pre, *out, *d_out, *g, *d_in, *d_weight, *d_bias;
};

static void draw_values(struct linear_values *v, const struct linear_case *given) {
    const struct ref_linear size = {given->in.n, given->in.c * given->in.h * given->in.w, given->outputs};
    v->n_in = ref_count(given->in);
    v->n_bias = (size_t)given->outputs;
    v->n_out = (size_t)given->in.n * v->n_bias;
    v->n_weight = v->n_bias * (size_t)size.inputs;
    v->in = rig_drawn(v->n_in, RIG_NORMAL, 1);
    v->weight = rig_drawn(v->n_weight, RIG_NORMAL, 2);
    v->bias = given->bias ? rig_drawn(v->n_bias, RIG_NORMAL, 3) : NULL;
    v->d_out = rig_drawn(v->n_out, RIG_NORMAL, 4);
    double **made[] = {&v->pre, &v->out, &v->g, &v->d_in, &v->d_weight, &v->d_bias};
    const size_t counts[] = {v->n_out, v->n_out, v->n_out, v->n_in, v->n_weight, v->n_bias};
    for (size_t i = 0; i < LENGTH(made); i++)
        *made[i] = rig_new(counts[i]);
    ref_linear(v->pre, v->in, size, v->weight, v->bias);
    for (size_t i = 0; i < v->n_out; i++) {
        if (given->relu && fabs(v->pre[i]) < 1e-3)
            v->d_out[i] = 0;
        v->out[i] = given->relu && v->pre[i] < 0 ? 0 : v->pre[i];
        v->g[i] = given->relu && v->pre[i] <= 0 ? 0 : v->d_out[i];
    }
    ref_linear_grad(v->d_in, v->d_weight, v->d_bias, v->g, v->in, size, v->weight);
}

static void free_values(struct linear_values *v) {
    double *const arrays[] = {v->in,    v->weight, v->bias, v->pre,      v->out,
                              v->d_out, v->g,      v->d_in, v->d_weight, v->d_bias};
    for (size_t i = 0; i < LENGTH(arrays); i++)
        free(arrays[i]);
}

static void check_backward(struct rig *rig, const struct linear_values *v, bool wants_in) {
    const struct cnn_kernel_run replace = rig_run(false), accumulate = rig_run(true);
    double *weight = rig_drawn(v->n_weight, RIG_NORMAL, 5), *bias = rig_drawn(v->n_bias, RIG_NORMAL, 6);
    rig_spoil_d_params(rig);
    rig_backward(rig, v->d_out, NULL, &replace, (const bool[2]){wants_in, false});
    if (wants_in)
        rig_expect_d_in(rig, 0, v->d_in, 0);
    rig_expect_d_param(rig, 0, v->d_weight, v->n_weight);
    if (v->bias)
        rig_expect_d_param(rig, 1, v->d_bias, v->n_bias);
    rig_set_d_param(rig, 0, weight, v->n_weight);
    if (v->bias)
        rig_set_d_param(rig, 1, bias, v->n_bias);
    rig_backward(rig, v->d_out, NULL, &accumulate, (const bool[2]){false, false});
    ref_add(weight, weight, v->d_weight, v->n_weight);
    ref_add(bias, bias, v->d_bias, v->n_bias);
    rig_expect_d_param(rig, 0, weight, v->n_weight);
    if (v->bias)
        rig_expect_d_param(rig, 1, bias, v->n_bias);
    free(weight);
    free(bias);
}

static void check_inference(struct cnn_backend *backend, const struct rig *training,
                            struct cnn_kernel_desc desc, const struct linear_values *v) {
    struct rig rig;
    const struct cnn_kernel_run run = rig_run(false);
    desc.training = desc.accumulates = desc.relu_backward = false;
    desc.like = training->plan;
    rig_open(&rig, backend, &desc, training->label);
    rig_share_params(&rig, training);
    rig_set_in(&rig, 0, v->in);
    rig_forward(&rig, &run);
    rig_expect_out(&rig, v->out);
    rig_close(&rig);
}

static void run_case(struct cnn_backend *backend, const struct linear_case *given, bool last) {
    const struct cnn_node node = {.op = CNN_OP_LINEAR,
                                  .name = "linear",
                                  .shape = {1, 1, given->outputs},
                                  .linear = {given->outputs, given->bias}};
    struct cnn_kernel_desc desc = {.kernel = CNN_KERNEL_LINEAR,
                                   .node = &node,
                                   .n_in = 1,
                                   .from_pixels = given->from_pixels,
                                   .accumulates = true,
                                   .shape = node.shape,
                                   .training = true,
                                   .relu = given->relu,
                                   .relu_backward = given->relu};
    const struct cnn_kernel_run run = rig_run(false);
    struct linear_values v;
    struct rig rig;
    char label[96];
    desc.in[0] = rig_tensor(backend, given->in, given->row);
    if (given->from_pixels)
        desc.in[0].block = 0;
    snprintf(label, sizeof label, "linear n%d %dx%dx%d%s -> %d%s%s%s%s", given->in.n, given->in.h,
             given->in.w, given->in.c, given->row ? " row" : "", given->outputs, given->bias ? " bias" : "",
             given->relu ? " relu" : "", given->from_pixels ? " pixels" : "", last ? " last" : "");
    draw_values(&v, given);
    (last ? rig_open_last : rig_open)(&rig, backend, &desc, label);
    rig_set_in(&rig, 0, v.in);
    rig_set_param(&rig, 0, v.weight, v.n_weight);
    if (v.bias)
        rig_set_param(&rig, 1, v.bias, v.n_bias);
    rig_forward(&rig, &run);
    rig_expect_out(&rig, v.out);
    check_backward(&rig, &v, !given->from_pixels);
    check_inference(backend, &rig, desc, &v);
    rig_close(&rig);
    free_values(&v);
}

void suite_linear(void **state) {
    struct cnn_backend *backend = *state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        run_case(backend, &cases[i], false);
        if (backend->type != CNN_TYPE_F32)
            run_case(backend, &cases[i], true);
    }
}
