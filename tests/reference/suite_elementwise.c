// Sums, relu and dropout, on blocked tensors and on rows of values.
#include "suite.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    struct ref_shape shape;
    bool row;
} tensors[] = {
    {{1, 1, 1, 1}, true},   {{1, 1, 1, 1}, false},  {{3, 10, 1, 1}, true},  {{2, 5, 3, 3}, false},
    {{2, 24, 7, 5}, false}, {{1, 16, 9, 9}, false}, {{4, 100, 1, 1}, true}, {{3, 10, 40, 40}, false},
};

static struct cnn_kernel_desc describe(struct cnn_backend *backend, const struct cnn_node *node,
                                       enum cnn_kernel kernel, int n_in, struct ref_shape shape, bool row) {
    struct cnn_kernel_desc desc = {.kernel = kernel,
                                   .node = node,
                                   .n_in = n_in,
                                   .shape = node->shape,
                                   .out_type = backend->type,
                                   .training = true};
    desc.in[0] = desc.in[1] = rig_tensor(backend, shape, row);
    return desc;
}

struct values {
    size_t n;
    double *a, *b, *out, *d_out, *g;
};

static void new_values(struct values *v, struct ref_shape shape) {
    v->n = ref_count(shape);
    v->a = rig_drawn(v->n, RIG_NORMAL, 1);
    v->b = rig_drawn(v->n, RIG_NORMAL, 2);
    v->out = rig_new(v->n);
    v->d_out = rig_drawn(v->n, RIG_NORMAL, 3);
    v->g = rig_new(v->n);
}

static void free_values(struct values *v) {
    free(v->a);
    free(v->b);
    free(v->out);
    free(v->d_out);
    free(v->g);
}

static void check_add(struct cnn_backend *backend, struct ref_shape shape, bool row, bool relu) {
    const struct cnn_node node = {.op = CNN_OP_ADD, .name = "add", .shape = {shape.h, shape.w, shape.c}};
    struct cnn_kernel_desc desc = describe(backend, &node, CNN_KERNEL_ADD, 2, shape, row);
    const struct cnn_kernel_run run = rig_run(false);
    struct values v;
    struct rig rig;
    char label[96];
    desc.relu = desc.relu_backward = relu;
    snprintf(label, sizeof label, "add n%d %dx%dx%d%s%s", shape.n, shape.h, shape.w, shape.c,
             row ? " row" : "", relu ? " relu" : "");
    new_values(&v, shape);
    ref_add(v.out, v.a, v.b, v.n);
    for (size_t i = 0; i < v.n; i++)
        if (fabs(v.out[i]) < 1e-4)
            v.d_out[i] = 0;
    memcpy(v.g, v.d_out, v.n * sizeof *v.g);
    if (relu) {
        ref_relu(v.out, v.out, v.n);
        ref_relu_grad(v.g, v.d_out, v.out, v.n);
    }
    rig_open(&rig, backend, &desc, label);
    for (int wanted = 1; wanted < 4; wanted++) {
        rig_set_in(&rig, 0, v.a);
        rig_set_in(&rig, 1, v.b);
        rig_forward(&rig, &run);
        rig_expect_out(&rig, v.out);
        rig_backward(&rig, v.d_out, NULL, &run, (const bool[2]){wanted & 1, wanted & 2});
        for (int j = 0; j < 2; j++)
            if (wanted & 1 << j)
                rig_expect_d_in(&rig, j, v.g, 0);
    }
    rig_close(&rig);
    free_values(&v);
}

void suite_add(void **state) {
    for (size_t i = 0; i < LENGTH(tensors); i++)
        for (int relu = 0; relu < 2; relu++)
            check_add(*state, tensors[i].shape, tensors[i].row, relu);
}

void suite_relu(void **state) {
    for (size_t i = 0; i < LENGTH(tensors); i++) {
        const struct ref_shape shape = tensors[i].shape;
        const struct cnn_node node = {
            .op = CNN_OP_RELU, .name = "relu", .shape = {shape.h, shape.w, shape.c}};
        const struct cnn_kernel_desc desc =
            describe(*state, &node, CNN_KERNEL_RELU, 1, shape, tensors[i].row);
        const struct cnn_kernel_run run = rig_run(false);
        struct values v;
        struct rig rig;
        new_values(&v, shape);
        v.a[0] = 0;
        v.a[v.n - 1] = -(double)INFINITY;
        if (v.n > 2)
            v.a[1] = (double)NAN; // a run that diverges must be seen to
        ref_relu(v.out, v.a, v.n);
        ref_relu_grad(v.g, v.d_out, v.out, v.n);
        if (v.n > 2)
            v.g[1] = v.d_out[1] = 0; // what flows back through NaN is nobody's concern
        rig_open(&rig, *state, &desc, "relu");
        rig_set_in(&rig, 0, v.a);
        rig_forward(&rig, &run);
        rig_expect_out(&rig, v.out);
        rig_backward(&rig, v.d_out, NULL, &run, (const bool[2]){true, false});
        rig_expect_d_in(&rig, 0, v.g, 0);
        rig_close(&rig);
        free_values(&v);
    }
}

struct dropout_case {
    struct ref_shape shape;
    bool row;
    double p;
    uint64_t seed, step, position;
    uint32_t layer;
};

static void open_dropout(struct rig *rig, struct cnn_backend *backend, const struct dropout_case *c,
                         struct cnn_node *node, bool training) {
    *node = (struct cnn_node){.op = CNN_OP_DROPOUT,
                              .name = "dropout",
                              .shape = {c->shape.h, c->shape.w, c->shape.c},
                              .dropout = {c->p}};
    struct cnn_kernel_desc desc = describe(backend, node, CNN_KERNEL_DROPOUT, 1, c->shape, c->row);
    desc.seed = c->seed;
    desc.layer = c->layer;
    desc.training = training;
    rig_open(rig, backend, &desc, "dropout");
}

// What dropout makes of ones, after a check that backward drops the same.
static float *drop_ones(struct cnn_backend *backend, const struct dropout_case *c) {
    struct rig rig;
    struct cnn_node node;
    const struct cnn_kernel_run run = rig_run(false);
    const size_t n = ref_count(c->shape);
    double *ones = rig_new(n), *d_out = rig_drawn(n, RIG_NORMAL, 5), *want = rig_new(n);
    for (size_t i = 0; i < n; i++)
        ones[i] = 1;
    open_dropout(&rig, backend, c, &node, true);
    rig_set_key(&rig, c->step, c->position);
    rig_set_in(&rig, 0, ones);
    rig_forward(&rig, &run);
    float *out = rig_out(&rig);
    for (size_t i = 0; i < n; i++)
        want[i] = d_out[i] * (double)out[i];
    rig_backward(&rig, d_out, NULL, &run, (const bool[2]){true, false});
    rig_expect_d_in(&rig, 0, want, 0);
    rig_close(&rig);
    free(ones);
    free(d_out);
    free(want);
    return out;
}

static void check_share(const float *out, size_t n, double p) {
    size_t dropped = 0;
    for (size_t i = 0; i < n; i++) {
        if (out[i] != 0)
            assert_true(fabs((double)out[i] * (1 - p) - 1) < rig_tolerance());
        dropped += out[i] == 0;
    }
    const double off = fabs((double)dropped - p * (double)n), deviation = sqrt(p * (1 - p) * (double)n);
    if (off > 5 * deviation)
        fail_msg("dropout of %g drops %zu of %zu", p, dropped, n);
}

// The masks of two runs that differ in one thing agree no more often than chance has it.
static void expect_unrelated(struct cnn_backend *backend, const struct dropout_case *a,
                             const struct dropout_case *b, const char *what) {
    float *x = drop_ones(backend, a), *y = drop_ones(backend, b);
    const size_t n = ref_count(a->shape);
    size_t same = 0;
    for (size_t i = 0; i < n; i++)
        same += (x[i] == 0) == (y[i] == 0);
    if (fabs((double)same - 0.5 * (double)n) > 5 * sqrt(0.25 * (double)n))
        fail_msg("dropout masks of another %s agree in %zu of %zu", what, same, n);
    free(x);
    free(y);
}

// A sample's mask depends on its position alone, not on the micro-batch it comes in.
static void check_cut(struct cnn_backend *backend, struct ref_shape shape, bool row) {
    const struct dropout_case whole = {shape, row, 0.5, 9, 2, 12, 4};
    struct dropout_case half = whole;
    const size_t n = ref_count(shape) / 2;
    float *all = drop_ones(backend, &whole);
    half.shape.n = shape.n / 2;
    for (int i = 0; i < 2; i++) {
        half.position = whole.position + (uint64_t)(i * half.shape.n);
        float *part = drop_ones(backend, &half);
        assert_memory_equal(part, all + (size_t)i * n, n * sizeof *part);
        free(part);
    }
    free(all);
}

void suite_dropout(void **state) {
    static const struct dropout_case usual = {{4, 4096, 1, 1}, true, 0.5, 1, 2, 3, 4};
    static const double shares[] = {0.1, 0.5, 0.9};
    for (size_t i = 0; i < LENGTH(shares); i++) {
        struct dropout_case c = usual;
        c.p = shares[i];
        float *out = drop_ones(*state, &c);
        check_share(out, ref_count(c.shape), c.p);
        free(out);
    }
    struct dropout_case other[] = {usual, usual, usual, usual};
    other[0].seed++;
    other[1].layer++;
    other[2].step++;
    other[3].position += 4;
    static const char *const names[] = {"seed", "layer", "step", "position"};
    for (size_t i = 0; i < LENGTH(other); i++)
        expect_unrelated(*state, &usual, &other[i], names[i]);
    check_cut(*state, (struct ref_shape){4, 100, 1, 1}, true);
    check_cut(*state, (struct ref_shape){6, 10, 3, 5}, false);
    struct rig rig;
    struct cnn_node node;
    const struct cnn_kernel_run run = rig_run(false);
    double *in = rig_drawn(ref_count(usual.shape), RIG_NORMAL, 6);
    open_dropout(&rig, *state, &usual, &node, false);
    rig_set_in(&rig, 0, in);
    rig_forward(&rig, &run);
    rig_expect_out(&rig, in);
    rig_close(&rig);
    free(in);
}
