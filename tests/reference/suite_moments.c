// Convolutions that sum what they write, and the batch norms behind them that are given the sums. Where a
// backend's convolutions do not, there is nothing to look at.
#include "suite.h"
#include <math.h>
#include <stdio.h>

static const struct {
    struct ref_shape in;
    struct cnn_conv conv;
} cases[] = {
    {{2, 16, 8, 8}, {.out_channels = 16, .kernel = {3, 3}, .padding = {1, 1}}},
    {{3, 24, 7, 5}, {.out_channels = 72, .kernel = {1, 1}}},
    {{4, 8, 9, 9}, {.out_channels = 40, .kernel = {3, 3}, .padding = {1, 1}, .bias = true}},
    {{2, 10, 6, 9}, {.out_channels = 5, .kernel = {1, 1}}},
};
static const double eps = 1e-5;

struct pair {
    struct cnn_node conv_node, norm_node;
    struct ref_shape shape; // between the two
    struct cnn_kernel_desc conv, norm;
    size_t n, c;
    double *pre, *gamma, *beta;
};

static void describe(struct pair *p, struct cnn_backend *backend, size_t which, bool sync) {
    struct cnn_conv conv = cases[which].conv;
    conv.stride[0] = conv.stride[1] = conv.dilation[0] = conv.dilation[1] = conv.groups = 1;
    p->shape = ref_conv_shape(cases[which].in, &conv);
    const struct cnn_shape between = {p->shape.h, p->shape.w, p->shape.c};
    p->conv_node = (struct cnn_node){.op = CNN_OP_CONV, .name = "conv", .conv = conv, .shape = between};
    p->norm_node =
        (struct cnn_node){.op = CNN_OP_BATCH_NORM, .name = "norm", .norm = {eps, 0.1}, .shape = between};
    p->conv = (struct cnn_kernel_desc){.kernel = CNN_KERNEL_CONV,
                                       .node = &p->conv_node,
                                       .n_in = 1,
                                       .shape = between,
                                       .out_type = backend->type,
                                       .training = true,
                                       .wants_moments = true};
    p->conv.in[0] = rig_tensor(backend, cases[which].in, false);
    p->norm = (struct cnn_kernel_desc){.kernel = CNN_KERNEL_NORM,
                                       .node = &p->norm_node,
                                       .n_in = 1,
                                       .shape = between,
                                       .out_type = backend->type,
                                       .training = true,
                                       .sync = sync};
    p->norm.in[0] = rig_tensor(backend, p->shape, false);
    p->n = ref_count(p->shape);
    p->c = (size_t)p->shape.c;
}

static void give_values(struct pair *p, struct rig *conv, struct rig *norm, struct ref_shape in) {
    const struct cnn_conv *k = &p->conv_node.conv;
    const size_t n_weight = p->c * (size_t)(in.c * k->kernel[0] * k->kernel[1]);
    double *x = rig_drawn(ref_count(in), RIG_NORMAL, 1), *weight = rig_drawn(n_weight, RIG_NORMAL, 2),
           *bias = k->bias ? rig_drawn(p->c, RIG_NORMAL, 3) : NULL;
    p->pre = rig_new(p->n);
    p->gamma = rig_drawn(p->c, RIG_NORMAL, 4);
    p->beta = rig_drawn(p->c, RIG_NORMAL, 5);
    ref_conv(p->pre, x, in, k, weight, bias);
    rig_set_in(conv, 0, x);
    rig_set_param(conv, 0, weight, n_weight);
    if (bias)
        rig_set_param(conv, 1, bias, p->c);
    rig_set_param(norm, 0, p->gamma, p->c);
    rig_set_param(norm, 1, p->beta, p->c);
    free(x);
    free(weight);
    free(bias);
}

// Sums may cancel: what their terms add up to sets the scale.
static void expect_moments(const struct rig *conv, const struct pair *p) {
    const size_t area = (size_t)p->shape.h * (size_t)p->shape.w, row = cnn_moments_row(&conv->plan->out);
    double *sums = rig_new(p->c), *squares = rig_new(p->c), most = 0;
    float *got = rig_download(conv->backend, conv->io.workspace, row + p->c);
    for (size_t i = 0; i < p->n; i++) {
        sums[i / area % p->c] += p->pre[i];
        squares[i / area % p->c] += p->pre[i] * p->pre[i];
    }
    for (size_t c = 0; c < p->c; c++)
        most = fmax(most, sqrt(squares[c] * (double)(p->n / p->c)));
    rig_near(conv->label, "sum", got, sums, p->c, most);
    rig_near(conv->label, "sum of squares", got + row, squares, p->c, 0);
    free(sums);
    free(squares);
    free(got);
}

static void expect_normed(struct rig *norm, const struct pair *p, const float *in) {
    double *x = rig_new(p->n), *mean = rig_new(p->c), *var = rig_new(p->c), *want = rig_new(p->n);
    for (size_t i = 0; i < p->n; i++)
        x[i] = (double)in[i];
    ref_norm_statistics(mean, var, x, p->shape);
    ref_norm(want, x, p->shape, mean, var, p->gamma, p->beta, eps);
    rig_expect_out(norm, want);
    free(x);
    free(mean);
    free(var);
    free(want);
}

static enum cnn_status alone(void *context, double *values, size_t n) {
    (void)context;
    (void)values;
    (void)n;
    return CNN_OK;
}

static void run_pair(struct cnn_backend *backend, size_t which, bool sync) {
    const struct cnn_kernel_run run = {.sum = alone, .ranks = 1};
    struct pair p;
    struct rig conv, norm;
    describe(&p, backend, which, sync);
    rig_open(&conv, backend, &p.conv, sync ? "moments, synced" : "moments");
    if (conv.plan->gives_moments) {
        rig_open(&norm, backend, &p.norm, conv.label);
        give_values(&p, &conv, &norm, cases[which].in);
        rig_forward(&conv, &run);
        expect_moments(&conv, &p);
        float *between = rig_out(&conv);
        double *x = rig_new(p.n);
        for (size_t i = 0; i < p.n; i++)
            x[i] = (double)between[i];
        rig_set_in(&norm, 0, x);
        norm.io.moments = conv.io.workspace;
        rig_forward(&norm, &run);
        expect_normed(&norm, &p, between);
        free(x);
        free(between);
        free(p.pre);
        free(p.gamma);
        free(p.beta);
        rig_close(&norm);
    }
    rig_close(&conv);
}

void suite_moments(void **state) {
    for (size_t i = 0; i < LENGTH(cases); i++)
        for (int sync = 0; sync < 2; sync++)
            run_pair(*state, i, sync);
}
