// Batch norm with and without residual, relu and a second gradient to sum.
#include "suite.h"
#include <math.h>
#include <stdio.h>

static const double eps = 1e-5;

static const struct ref_shape shapes[] =
    {
        {1, 1, 1, 1},  {2, 1, 1, 1},    {1, 8, 1, 1},  {5, 10, 1, 1}, {1, 3, 3, 3},
        {2, 5, 5, 7},  {3, 8, 4, 4},    {2, 10, 1, 9}, {4, 16, 3, 5}, {2, 24, 7, 7},
        {1, 64, 6, 6}, {3, 20, 33, 33}, // the last is long enough for partial sums
};

struct norm_case {
    struct ref_shape shape;
    bool residual, relu, two;
    double offset; // added to every input: a mean far from 0
    double corner; // added to the first pixel of every plane
};

struct norm_values {
    size_t n, c;
    double *in, *residual, *gamma, *beta, *mean, *var, *pre, *out, *d0, *d1, *g, *d_in, *d_gamma, *d_beta;
};

static void draw_values(struct norm_values *v, const struct norm_case *given) {
    const size_t area = (size_t)given->shape.h * (size_t)given->shape.w;
    v->n = ref_count(given->shape);
    v->c = (size_t)given->shape.c;
    v->in = rig_drawn(v->n, RIG_NORMAL, 1);
    v->residual = rig_drawn(v->n, RIG_NORMAL, 2);
    v->gamma = rig_drawn(v->c, RIG_NORMAL, 3);
    v->beta = rig_drawn(v->c, RIG_NORMAL, 4);
    v->d0 = rig_drawn(v->n, RIG_NORMAL, 5);
    v->d1 = rig_drawn(v->n, RIG_NORMAL, 6);
    double **made[] = {&v->pre, &v->out, &v->g, &v->d_in, &v->mean, &v->var, &v->d_gamma, &v->d_beta};
    for (size_t i = 0; i < LENGTH(made); i++)
        *made[i] = rig_new(i < 4 ? v->n : v->c);
    for (size_t i = 0; i < v->n; i++)
        v->in[i] = rig_rounded(v->in[i] + given->offset + (i % area ? 0 : given->corner));
}

static void free_values(struct norm_values *v) {
    double *const arrays[] = {v->in,  v->residual, v->gamma, v->beta, v->mean, v->var,     v->pre,
                              v->out, v->d0,       v->d1,    v->g,    v->d_in, v->d_gamma, v->d_beta};
    for (size_t i = 0; i < LENGTH(arrays); i++)
        free(arrays[i]);
}

// out and, where relu's input is not so near 0 that rounding decides, the gradients that come in.
static void finish_forward(struct norm_values *v, const struct norm_case *given) {
    ref_norm(v->pre, v->in, given->shape, v->mean, v->var, v->gamma, v->beta, eps);
    if (given->residual)
        ref_add(v->pre, v->pre, v->residual, v->n);
    for (size_t i = 0; i < v->n; i++) {
        v->out[i] = given->relu && v->pre[i] < 0 ? 0 : v->pre[i];
        if (given->relu && fabs(v->pre[i]) < 1e-3)
            v->d0[i] = v->d1[i] = 0;
        const double d = v->d0[i] + (given->two ? v->d1[i] : 0);
        v->g[i] = given->relu && v->pre[i] <= 0 ? 0 : d;
    }
}

static struct cnn_kernel_desc describe(struct cnn_backend *backend, const struct norm_case *given,
                                       struct cnn_node *node, char label[96]) {
    const struct ref_shape s = given->shape;
    *node = (struct cnn_node){
        .op = CNN_OP_BATCH_NORM, .name = "norm", .shape = {s.h, s.w, s.c}, .norm = {eps, 0.1}};
    struct cnn_kernel_desc desc = {.kernel = CNN_KERNEL_NORM,
                                   .node = node,
                                   .n_in = given->residual ? 2 : 1,
                                   .accumulates = true,
                                   .shape = node->shape,
                                   .out_type = backend->type,
                                   .training = true,
                                   .relu = given->relu,
                                   .relu_backward = given->relu};
    desc.in[0] = desc.in[1] = rig_tensor(backend, s, false);
    snprintf(label, 96, "norm n%d %dx%dx%d%s%s%s%s%s", s.n, s.h, s.w, s.c, given->residual ? " residual" : "",
             given->relu ? " relu" : "", given->two ? " two gradients" : "",
             given->offset != 0 ? " offset" : "", given->corner != 0 ? " corner" : "");
    return desc;
}

// What gradients cancel from: where a channel has few values, the result is small beside its terms.
static double term_size(const struct norm_values *v) {
    double most = 0;
    for (size_t c = 0; c < v->c; c++)
        most = fmax(most, fabs(v->gamma[c]) / sqrt(v->var[c] + eps));
    return most * 3;
}

// A channel of one value is all cancellation: x / sqrt(eps) less its mean, which is the same.
static void expect_out(const struct rig *rig, const struct norm_values *v) {
    float *got = rig_out(rig);
    rig_near(rig->label, "output", got, v->out, v->n, v->n == v->c ? term_size(v) : 0);
    free(got);
}

static void check_statistics(const struct rig *rig, const struct norm_values *v,
                             const struct norm_case *given, const double *before) {
    const double count = (double)given->shape.n * given->shape.h * given->shape.w;
    double *mean = rig_new(v->c), *var = rig_new(v->c);
    for (size_t c = 0; c < v->c; c++) {
        mean[c] = before[c] + v->mean[c];
        var[c] = before[c] + (count > 1 ? v->var[c] * count / (count - 1) : 0);
    }
    float *got = rig_d_param(rig, 2, v->c);
    rig_near(rig->label, "mean", got, mean, v->c, 1); // inputs deviate by 1
    rig_expect_d_param(rig, 3, var, v->c);
    free(got);
    free(mean);
    free(var);
}

static void check_backward(struct rig *rig, struct norm_values *v, const struct norm_case *given,
                           bool accumulate) {
    const struct cnn_kernel_run run = rig_run(accumulate);
    double *before = accumulate ? rig_drawn(v->c, RIG_NORMAL, 9) : rig_new(v->c), *sum = rig_new(v->c);
    rig_spoil_d_params(rig);
    for (int k = 0; accumulate && k < 4; k++)
        rig_set_d_param(rig, k, before, v->c);
    rig_backward(rig, v->d0, given->two ? v->d1 : NULL, &run, (const bool[2]){true, given->residual});
    rig_expect_d_in(rig, 0, v->d_in, term_size(v));
    if (given->residual)
        rig_expect_d_in(rig, 1, v->g, 0);
    ref_add(sum, before, v->d_gamma, v->c);
    float *d_gamma = rig_d_param(rig, 0, v->c);
    rig_near(rig->label, "gradient of the scale", d_gamma, sum, v->c, 1);
    free(d_gamma);
    ref_add(sum, before, v->d_beta, v->c);
    rig_expect_d_param(rig, 1, sum, v->c);
    check_statistics(rig, v, given, before);
    free(before);
    free(sum);
}

static void run_training(struct cnn_backend *backend, const struct norm_case *given) {
    char label[96];
    struct cnn_node node;
    struct norm_values v;
    struct rig rig;
    const struct cnn_kernel_desc desc = describe(backend, given, &node, label);
    const struct cnn_kernel_run run = rig_run(false);
    draw_values(&v, given);
    ref_norm_statistics(v.mean, v.var, v.in, given->shape);
    finish_forward(&v, given);
    ref_norm_grad(v.d_in, v.d_gamma, v.d_beta, v.g, v.in, given->shape, v.gamma, eps);
    rig_open(&rig, backend, &desc, label);
    assert_int_equal(rig.plan->n_params, 4);
    for (int accumulate = 0; accumulate < 2 && (!given->two || rig.plan->max_gradients > 1); accumulate++) {
        rig_set_in(&rig, 0, v.in);
        if (given->residual)
            rig_set_in(&rig, 1, v.residual);
        rig_set_param(&rig, 0, v.gamma, v.c);
        rig_set_param(&rig, 1, v.beta, v.c);
        rig_forward(&rig, &run);
        expect_out(&rig, &v);
        if (rig.plan->recomputable)
            rig_recompute(&rig);
        check_backward(&rig, &v, given, accumulate);
    }
    rig_close(&rig);
    free_values(&v);
}

void suite_norm_training(void **state) {
    for (size_t i = 0; i < LENGTH(shapes); i++)
        for (unsigned kind = 0; kind < 8; kind++)
            run_training(*state, &(struct norm_case){shapes[i], kind & 1, kind & 2, kind & 4, 0, 0});
    run_training(*state, &(struct norm_case){{2, 10, 9, 9}, false, true, false, 20, 0});
    run_training(*state, &(struct norm_case){{2, 16, 9, 9}, true, true, true, -20, 0});
    run_training(*state, &(struct norm_case){{2, 16, 33, 33}, false, false, false, 0, 12});
}

static void run_inference(struct cnn_backend *backend, const struct norm_case *given) {
    char label[96];
    struct cnn_node node;
    struct norm_values v;
    struct rig rig;
    struct cnn_kernel_desc desc = describe(backend, given, &node, label);
    const struct cnn_kernel_run run = rig_run(false);
    desc.training = desc.accumulates = desc.relu_backward = false;
    draw_values(&v, given);
    free(v.mean);
    free(v.var);
    v.mean = rig_drawn(v.c, RIG_NORMAL, 7);
    v.var = rig_drawn(v.c, RIG_POSITIVE, 8);
    finish_forward(&v, given);
    rig_open(&rig, backend, &desc, label);
    const double *const params[4] = {v.gamma, v.beta, v.mean, v.var};
    for (int k = 0; k < 4; k++)
        rig_set_param(&rig, k, params[k], v.c);
    rig_set_in(&rig, 0, v.in);
    if (given->residual)
        rig_set_in(&rig, 1, v.residual);
    rig_forward(&rig, &run);
    rig_expect_out(&rig, v.out);
    rig_close(&rig);
    free_values(&v);
}

void suite_norm_inference(void **state) {
    for (size_t i = 0; i < LENGTH(shapes); i++)
        for (unsigned kind = 0; kind < 4; kind++)
            run_inference(*state, &(struct norm_case){shapes[i], kind & 1, kind & 2, false, 0, 0});
}
