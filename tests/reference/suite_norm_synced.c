// Batch norm by the statistics of several ranks: each has a part of the pictures, and what comes out is what
// one rank makes of all of them. The ranks are played one after the other, in two rounds: in the first their
// sums are collected, in the second each is given the total.
#include "suite.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_RANKS = 4, MOST_SUMS = 256 };
static const double eps = 1e-5;

struct meeting {
    struct cnn_backend *backend;
    bool collecting;
    size_t n; // of the sums
    double totals[MOST_SUMS];
};

static enum cnn_status sum_ranks(void *context, double *values, size_t n) {
    struct meeting *meeting = context;
    double mine[MOST_SUMS];
    assert_true(n <= MOST_SUMS && (meeting->n == 0 || n == meeting->n));
    meeting->n = n;
    if (!meeting->collecting)
        return cnn_backend_upload(meeting->backend, values, meeting->totals, n * sizeof *values);
    assert_int_equal(cnn_backend_download(meeting->backend, mine, values, n * sizeof *values), CNN_OK);
    assert_int_equal(cnn_backend_synchronize(meeting->backend), CNN_OK);
    for (size_t i = 0; i < n; i++)
        meeting->totals[i] += mine[i];
    return CNN_OK;
}

struct synced_case {
    struct ref_shape part; // a rank's
    int ranks;
    bool residual, relu, two;
    double offset; // rank r's inputs have r times this added: ranks need not be alike
};

struct whole {
    struct ref_shape shape;
    size_t n, c, part; // values, channels, values of a rank
    double *in, *residual, *gamma, *beta, *mean, *var, *out, *d0, *d1, *g, *d_in, *d_gamma, *d_beta,
        *own_gamma, *own_beta;
};

static void draw(struct whole *w, const struct synced_case *given) {
    w->shape = given->part;
    w->shape.n *= given->ranks;
    w->part = ref_count(given->part);
    w->n = ref_count(w->shape);
    w->c = (size_t)w->shape.c;
    w->in = rig_drawn(w->n, RIG_NORMAL, 1);
    w->residual = rig_drawn(w->n, RIG_NORMAL, 2);
    w->gamma = rig_drawn(w->c, RIG_NORMAL, 3);
    w->beta = rig_drawn(w->c, RIG_NORMAL, 4);
    w->d0 = rig_drawn(w->n, RIG_NORMAL, 5);
    w->d1 = rig_drawn(w->n, RIG_NORMAL, 6);
    double **made[] = {&w->out,     &w->g,      &w->d_in,      &w->mean,    &w->var,
                       &w->d_gamma, &w->d_beta, &w->own_gamma, &w->own_beta};
    for (size_t i = 0; i < LENGTH(made); i++)
        *made[i] = rig_new(i < 3 ? w->n : w->c);
    for (size_t i = 0; i < w->n; i++)
        w->in[i] = rig_rounded(w->in[i] + given->offset * (double)(i / w->part));
}

static void work_out(struct whole *w, const struct synced_case *given) {
    ref_norm_statistics(w->mean, w->var, w->in, w->shape);
    ref_norm(w->out, w->in, w->shape, w->mean, w->var, w->gamma, w->beta, eps);
    if (given->residual)
        ref_add(w->out, w->out, w->residual, w->n);
    for (size_t i = 0; i < w->n; i++) {
        if (given->relu && fabs(w->out[i]) < 1e-3) // rounding decides
            w->d0[i] = w->d1[i] = 0;
        w->g[i] = given->relu && w->out[i] <= 0 ? 0 : w->d0[i] + (given->two ? w->d1[i] : 0);
        w->out[i] = given->relu && w->out[i] < 0 ? 0 : w->out[i];
    }
    ref_norm_grad(w->d_in, w->d_gamma, w->d_beta, w->g, w->in, w->shape, w->gamma, eps);
}

static void free_whole(struct whole *w) {
    double *const arrays[] = {w->in,   w->residual, w->gamma,  w->beta,      w->mean,
                              w->var,  w->out,      w->d0,     w->d1,        w->g,
                              w->d_in, w->d_gamma,  w->d_beta, w->own_gamma, w->own_beta};
    for (size_t i = 0; i < LENGTH(arrays); i++)
        free(arrays[i]);
}

static void open_rank(struct rig *rig, struct cnn_backend *backend, const struct synced_case *given,
                      const struct cnn_node *node, const struct whole *w, int rank, const char *label) {
    struct cnn_kernel_desc desc = {.kernel = CNN_KERNEL_NORM,
                                   .node = node,
                                   .n_in = given->residual ? 2 : 1,
                                   .shape = node->shape,
                                   .sync = true,
                                   .training = true,
                                   .out_type = backend->type,
                                   .relu = given->relu,
                                   .relu_backward = given->relu};
    const size_t first = (size_t)rank * w->part;
    desc.in[0] = desc.in[1] = rig_tensor(backend, given->part, false);
    rig_open(rig, backend, &desc, label);
    rig_set_in(rig, 0, w->in + first);
    if (given->residual)
        rig_set_in(rig, 1, w->residual + first);
    rig_set_param(rig, 0, w->gamma, w->c);
    rig_set_param(rig, 1, w->beta, w->c);
}

// Both rounds of a pass.
static void meet(struct meeting *meeting, struct rig *rigs, const struct synced_case *given,
                 const struct whole *w, bool backward) {
    const struct cnn_kernel_run run = {.sum = sum_ranks, .sum_context = meeting, .ranks = given->ranks};
    *meeting = (struct meeting){.backend = meeting->backend};
    for (int round = 0; round < 2; round++)
        for (int rank = 0; rank < given->ranks; rank++) {
            struct rig *rig = &rigs[rank];
            const size_t first = (size_t)rank * w->part;
            meeting->collecting = round == 0;
            if (!backward) {
                rig_forward(rig, &run);
                continue;
            }
            rig_set_in(rig, 0, w->in + first);
            rig_backward(rig, w->d0 + first, given->two ? w->d1 + first : NULL, &run,
                         (const bool[2]){true, given->residual});
        }
    assert_true(meeting->n > 0);
}

static void expect_statistics(const struct rig *rig, const struct whole *w) {
    const double count = (double)(w->n / w->c);
    double *var = rig_new(w->c);
    for (size_t c = 0; c < w->c; c++)
        var[c] = count > 1 ? w->var[c] * count / (count - 1) : 0;
    float *mean = rig_d_param(rig, 2, w->c);
    rig_near(rig->label, "mean", mean, w->mean, w->c, 1);
    rig_expect_d_param(rig, 3, var, w->c);
    free(mean);
    free(var);
}

static void add_gradients(const struct rig *rig, struct whole *w) {
    float *gamma = rig_d_param(rig, 0, w->c), *beta = rig_d_param(rig, 1, w->c);
    for (size_t c = 0; c < w->c; c++) {
        w->own_gamma[c] += (double)gamma[c];
        w->own_beta[c] += (double)beta[c];
    }
    free(gamma);
    free(beta);
}

static void expect_sum(const struct whole *w, const char *label, const char *what, const double *got,
                       const double *want) {
    float *narrow = malloc(w->c * sizeof *narrow);
    assert_non_null(narrow);
    for (size_t c = 0; c < w->c; c++)
        narrow[c] = (float)got[c];
    // each term is off by as much as its gradient was rounded
    rig_near(label, what, narrow, want, w->c, 2 * sqrt((double)w->n / (double)w->c));
    free(narrow);
}

static void run_synced(struct cnn_backend *backend, const struct synced_case *given) {
    const struct ref_shape s = given->part;
    const struct cnn_node node = {
        .op = CNN_OP_BATCH_NORM, .name = "norm", .shape = {s.h, s.w, s.c}, .norm = {eps, 0.1}};
    struct meeting meeting = {.backend = backend};
    struct rig rigs[MOST_RANKS];
    struct whole w;
    char label[96];
    snprintf(label, sizeof label, "norm of %d ranks, n%d %dx%dx%d%s%s%s", given->ranks, s.n, s.h, s.w, s.c,
             given->residual ? " residual" : "", given->relu ? " relu" : "",
             given->two ? " two gradients" : "");
    draw(&w, given);
    work_out(&w, given);
    for (int rank = 0; rank < given->ranks; rank++)
        open_rank(&rigs[rank], backend, given, &node, &w, rank, label);
    meet(&meeting, rigs, given, &w, false);
    for (int rank = 0; rank < given->ranks; rank++) {
        rig_expect_out(&rigs[rank], w.out + (size_t)rank * w.part);
        if (rigs[rank].plan->recomputable)
            rig_recompute(&rigs[rank]);
    }
    meet(&meeting, rigs, given, &w, true);
    for (int rank = 0; rank < given->ranks; rank++) {
        rig_expect_d_in(&rigs[rank], 0, w.d_in + (size_t)rank * w.part, 1);
        if (given->residual)
            rig_expect_d_in(&rigs[rank], 1, w.g + (size_t)rank * w.part, 0);
        expect_statistics(&rigs[rank], &w);
        add_gradients(&rigs[rank], &w);
        rig_close(&rigs[rank]);
    }
    expect_sum(&w, label, "gradient of the scale", w.own_gamma, w.d_gamma);
    expect_sum(&w, label, "gradient of the shift", w.own_beta, w.d_beta);
    free_whole(&w);
}

void suite_norm_synced(void **state) {
    static const struct ref_shape parts[] = {{1, 8, 3, 3}, {2, 10, 5, 7}, {3, 24, 4, 4}};
    for (size_t i = 0; i < LENGTH(parts); i++)
        for (int ranks = 1; ranks <= MOST_RANKS; ranks *= 2)
            for (unsigned kind = 0; kind < 8; kind++)
                run_synced(*state, &(struct synced_case){parts[i], ranks, kind & 1, kind & 2, kind & 4, 0});
    run_synced(*state, &(struct synced_case){{2, 10, 9, 9}, 2, false, true, false, 3});
    run_synced(*state, &(struct synced_case){{1, 16, 7, 7}, 4, true, true, true, -1});
}
