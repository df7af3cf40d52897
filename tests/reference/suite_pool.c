// Max, average and adaptive average pooling.
#include "suite.h"
#include <math.h>
#include <stdio.h>

struct pool_case {
    struct ref_shape in;
    struct cnn_pool pool;
};

static const struct pool_case cases[] = {
    {{1, 1, 1, 1}, {.kernel = {1, 1}, .stride = {1, 1}}},
    {{1, 3, 2, 2}, {.kernel = {2, 2}, .stride = {2, 2}}},
    {{2, 16, 8, 8}, {.kernel = {2, 2}, .stride = {2, 2}}},
    {{2, 64, 15, 17}, {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}}},
    {{3, 10, 7, 5}, {.kernel = {3, 3}, .stride = {1, 1}, .padding = {1, 1}}},
    {{1, 5, 9, 6}, {.kernel = {3, 2}, .stride = {2, 1}, .padding = {0, 1}}},
    {{2, 24, 5, 5}, {.kernel = {5, 5}, .stride = {1, 1}}},
    {{2, 3, 7, 7}, {.kernel = {1, 1}, .stride = {3, 2}}},
    {{1, 8, 6, 9}, {.kernel = {2, 3}, .stride = {3, 4}}},
    {{2, 10, 8, 7}, {.kernel = {3, 3}, .stride = {2, 2}, .ceil_mode = true}},
    {{1, 16, 6, 6}, {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .ceil_mode = true}},
    {{1, 1, 5, 8}, {.kernel = {4, 4}, .stride = {3, 3}, .padding = {2, 2}, .ceil_mode = true}},
    {{1, 3, 20, 20}, {.kernel = {16, 16}, .stride = {2, 2}}},
};

static void describe(struct cnn_backend *backend, struct cnn_kernel_desc *desc, const struct cnn_node *node,
                     enum cnn_kernel kernel, struct ref_shape in) {
    *desc = (struct cnn_kernel_desc){.kernel = kernel,
                                     .node = node,
                                     .n_in = 1,
                                     .shape = node->shape,
                                     .out_type = backend->type,
                                     .training = true};
    desc->in[0] = rig_tensor(backend, in, false);
}

static struct cnn_node pool_node(enum cnn_op op, const struct pool_case *given) {
    const struct ref_shape o = ref_pool_shape(given->in, &given->pool);
    return (struct cnn_node){.op = op, .name = "pool", .pool = given->pool, .shape = {o.h, o.w, o.c}};
}

static void name_case(char label[128], const char *what, const struct pool_case *given) {
    const struct cnn_pool *k = &given->pool;
    snprintf(label, 128, "%s n%d %dx%dx%d, k%dx%d s%dx%d p%dx%d%s%s", what, given->in.n, given->in.h,
             given->in.w, given->in.c, k->kernel[0], k->kernel[1], k->stride[0], k->stride[1], k->padding[0],
             k->padding[1], k->ceil_mode ? " ceil" : "", k->count_include_pad ? " padding counts" : "");
}

struct pool_values {
    size_t n_in, n_out;
    double *in, *out, *d_out, *d_in;
};

typedef void (*opening)(struct rig *rig, struct cnn_backend *backend, const struct cnn_kernel_desc *desc,
                        const char *label);

// Forward, backward, and the same forward in inference.
static void check_opened(opening open, struct cnn_backend *backend, struct cnn_kernel_desc desc,
                         const struct pool_values *v, const char *label) {
    const struct cnn_kernel_run run = rig_run(false);
    struct rig rig;
    open(&rig, backend, &desc, label);
    rig_set_in(&rig, 0, v->in);
    rig_forward(&rig, &run);
    rig_expect_out(&rig, v->out);
    rig_backward(&rig, v->d_out, NULL, &run, (const bool[2]){true, false});
    rig_expect_d_in(&rig, 0, v->d_in, 0);
    rig_backward(&rig, v->d_out, NULL, &run, (const bool[2]){false, false}); // of the picture: nothing to do
    rig_close(&rig);
    desc.training = desc.mask_by_output = false;
    open(&rig, backend, &desc, label);
    rig_set_in(&rig, 0, v->in);
    rig_forward(&rig, &run);
    rig_expect_out(&rig, v->out);
    rig_close(&rig);
}

static void check(struct cnn_backend *backend, struct cnn_kernel_desc desc, const struct pool_values *v,
                  const char *label) {
    check_opened(rig_open, backend, desc, v, label);
}

// Averages may also end a network.
static void check_average(struct cnn_backend *backend, struct cnn_kernel_desc desc,
                          const struct pool_values *v, const char *label) {
    check(backend, desc, v, label);
    if (backend->type != CNN_TYPE_F32)
        check_opened(rig_open_last, backend, desc, v, label);
}

static void new_values(struct pool_values *v, struct ref_shape in, struct ref_shape out, enum rig_draw kind) {
    *v = (struct pool_values){.n_in = ref_count(in), .n_out = ref_count(out)};
    v->in = rig_drawn(v->n_in, kind, 1);
    v->out = rig_new(v->n_out);
    v->d_out = rig_drawn(v->n_out, RIG_NORMAL, 2);
    v->d_in = rig_new(v->n_in);
}

static void free_values(struct pool_values *v) {
    free(v->in);
    free(v->out);
    free(v->d_out);
    free(v->d_in);
}

static void max_pool_on(struct cnn_backend *backend, const struct pool_case *given,
                        const struct pool_values *v, bool mask, const char *label) {
    const struct cnn_node node = pool_node(CNN_OP_MAX_POOL, given);
    struct cnn_kernel_desc desc;
    int *argmax = calloc(v->n_out, sizeof *argmax);
    double *masked = rig_new(v->n_out);
    assert_non_null(argmax);
    ref_max_pool(v->out, argmax, v->in, given->in, &given->pool);
    for (size_t i = 0; i < v->n_out; i++)
        masked[i] = mask && v->out[i] <= 0 ? 0 : v->d_out[i];
    ref_max_pool_grad(v->d_in, masked, argmax, given->in, &given->pool);
    describe(backend, &desc, &node, CNN_KERNEL_MAX_POOL, given->in);
    desc.mask_by_output = mask;
    check(backend, desc, v, label);
    free(argmax);
    free(masked);
}

void suite_max_pool(void **state) {
    for (size_t i = 0; i < LENGTH(cases); i++)
        for (int mask = 0; mask < 2; mask++) {
            struct pool_values v;
            char label[128];
            name_case(label, mask ? "masked max pool" : "max pool", &cases[i]);
            new_values(&v, cases[i].in, ref_pool_shape(cases[i].in, &cases[i].pool), RIG_NORMAL);
            max_pool_on(*state, &cases[i], &v, mask, label);
            free_values(&v);
        }
}

// Ties, relu's zeros, infinities, and NaN, which must come through.
void suite_max_pool_of_odd_values(void **state) {
    for (size_t i = 0; i < LENGTH(cases); i++)
        for (int kind = 0; kind < 3; kind++) {
            struct pool_values v;
            char label[128];
            name_case(label,
                      kind == 0   ? "max pool of ties"
                      : kind == 1 ? "max pool of zeros"
                                  : "max pool of NaN",
                      &cases[i]);
            new_values(&v, cases[i].in, ref_pool_shape(cases[i].in, &cases[i].pool), RIG_COARSE);
            for (size_t j = 0; j < v.n_in; j++)
                v.in[j] = kind == 0       ? v.in[j]
                          : kind == 1     ? fmax(v.in[j], 0)
                          : v.in[j] == 2  ? (double)NAN
                          : v.in[j] == -2 ? -(double)INFINITY
                                          : v.in[j];
            max_pool_on(*state, &cases[i], &v, kind == 1, label);
            free_values(&v);
        }
}

void suite_avg_pool(void **state) {
    for (size_t i = 0; i < LENGTH(cases); i++)
        for (int counts = 0; counts < 2; counts++) {
            struct pool_case given = cases[i];
            struct pool_values v;
            struct cnn_kernel_desc desc;
            char label[128];
            given.pool.count_include_pad = counts;
            name_case(label, "average pool", &given);
            const struct cnn_node node = pool_node(CNN_OP_AVG_POOL, &given);
            new_values(&v, given.in, ref_pool_shape(given.in, &given.pool), RIG_NORMAL);
            ref_avg_pool(v.out, v.in, given.in, &given.pool);
            ref_avg_pool_grad(v.d_in, v.d_out, given.in, &given.pool);
            describe(*state, &desc, &node, CNN_KERNEL_AVG_POOL, given.in);
            check_average(*state, desc, &v, label);
            free_values(&v);
        }
}

void suite_adaptive_pool(void **state) {
    static const struct {
        struct ref_shape in;
        int out[2];
    } sizes[] = {
        {{1, 1, 1, 1}, {1, 1}},   {{2, 10, 7, 7}, {1, 1}},  {{3, 64, 4, 5}, {1, 1}}, {{2, 8, 3, 3}, {1, 1}},
        {{2, 16, 2, 2}, {1, 1}},  {{2, 5, 14, 14}, {7, 7}}, {{1, 24, 6, 9}, {7, 7}}, {{2, 10, 10, 7}, {3, 4}},
        {{1, 16, 5, 5}, {2, 3}},  {{1, 3, 1, 1}, {7, 7}},   {{2, 24, 3, 1}, {2, 1}}, {{2, 512, 1, 1}, {7, 7}},
        {{1, 8, 13, 11}, {1, 5}},
    };
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        const struct ref_shape in = sizes[i].in, out = {in.n, in.c, sizes[i].out[0], sizes[i].out[1]};
        const struct cnn_node node = {.op = CNN_OP_ADAPTIVE_AVG_POOL,
                                      .name = "pool",
                                      .shape = {out.h, out.w, out.c},
                                      .adaptive_pool = {{out.h, out.w}}};
        struct cnn_kernel_desc desc;
        struct pool_values v;
        char label[128];
        snprintf(label, sizeof label, "adaptive pool n%d %dx%dx%d -> %dx%d", in.n, in.h, in.w, in.c, out.h,
                 out.w);
        new_values(&v, in, out, RIG_NORMAL);
        ref_adaptive_pool(v.out, v.in, in, sizes[i].out);
        ref_adaptive_pool_grad(v.d_in, v.d_out, in, sizes[i].out);
        describe(*state, &desc, &node, CNN_KERNEL_ADAPTIVE_AVG_POOL, in);
        check_average(*state, desc, &v, label);
        free_values(&v);
    }
}
