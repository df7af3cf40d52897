// Pixels in, loss out, the optimizer, and what a backend has to refuse.
#include "suite.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void check_normalize(struct cnn_backend *backend, struct ref_shape s, int n, int block) {
    const float mean[3] = {0.485f, 0.456f, 0.406f}, std[3] = {0.229f, 0.224f, 0.225f};
    const double means[3] = {(double)mean[0], (double)mean[1], (double)mean[2]},
                 stds[3] = {(double)std[0], (double)std[1], (double)std[2]};
    const struct cnn_tensor to = {s.n, s.h, s.w, s.c, block, backend->type};
    const size_t plain = ref_count(s);
    uint8_t *pixels = NULL;
    void *device = NULL;
    double *want = rig_new(plain);
    assert_int_equal(cnn_backend_alloc_host(backend, (void **)&pixels, plain), CNN_OK);
    for (size_t i = 0; i < plain; i++)
        pixels[i] = (uint8_t)(i * 37 + i / 256);
    uint8_t *there = rig_upload_bytes(backend, pixels, plain);
    assert_int_equal(cnn_backend_alloc(backend, &device, cnn_tensor_bytes(&to)), CNN_OK);
    rig_spoil(backend, device, cnn_tensor_bytes(&to));
    assert_int_equal(backend->ops->normalize(backend, device, &to, there, n, mean, std), CNN_OK);
    ref_normalize(want, pixels, (struct ref_shape){n, s.c, s.h, s.w}, means, stds);
    char label[64];
    snprintf(label, sizeof label, "normalize %d of n%d %dx%dx%d block %d", n, s.n, s.h, s.w, s.c, block);
    float *got = rig_tensor_values(backend, label, &to, device);
    rig_near(label, "pixel", got, want, plain, 0); // want is 0 past n
    cnn_backend_free(backend, there);
    free(got);
    free(want);
    cnn_backend_free(backend, device);
    cnn_backend_free_host(backend, pixels);
}

void suite_normalize(void **state) {
    static const struct ref_shape shapes[] = {{1, 1, 1, 1}, {3, 3, 5, 7}, {4, 1, 8, 8}, {2, 3, 16, 16}};
    for (size_t i = 0; i < LENGTH(shapes); i++)
        for (int n = 1; n <= shapes[i].n; n++) {
            const int block = rig_block(*state), c = shapes[i].c;
            if (block > 0)
                check_normalize(*state, shapes[i], n, 1);
            check_normalize(*state, shapes[i], n, block > 0 ? block : c == 3 ? 4 : c);
            check_normalize(*state, shapes[i], n, c);
        }
}

struct loss_result {
    double sums[4];
    float *d_logits; // NULL in inference
};

// Labels that samples have with part of the weight; NULL: one label each.
struct mixture {
    const int32_t *partners;
    const float *weights;
};

static struct loss_result run_loss(struct cnn_backend *backend, const double *logits, const int32_t *labels,
                                   const struct mixture *mixture, int n, int rows, int classes,
                                   double smoothing, double scale, bool training) {
    const size_t count = (size_t)rows * (size_t)classes;
    const struct cnn_tensor row = {rows, 1, 1, classes, classes, CNN_TYPE_F32};
    const struct cnn_control before = {.loss_scale = 4, .sums = {1.5, 1, 2, 3}};
    float *packed = rig_pack(&row, logits), *device = rig_upload(backend, packed, count),
          *d = rig_upload(backend, packed, count);
    struct loss_result result = {.d_logits = NULL};
    int32_t *there = rig_upload_bytes(backend, labels, (size_t)n * sizeof *there), *partners = NULL;
    float *weights = NULL;
    if (mixture) {
        partners = rig_upload_bytes(backend, mixture->partners, (size_t)n * sizeof *partners);
        weights = rig_upload_bytes(backend, mixture->weights, (size_t)n * sizeof *weights);
    }
    struct cnn_control *control = rig_upload_bytes(backend, &before, sizeof before), after;
    rig_spoil(backend, d, count * sizeof *d);
    const struct cnn_loss_args args = {.logits = device,
                                       .d_logits = training ? d : NULL,
                                       .labels = there,
                                       .partners = partners,
                                       .weights = weights,
                                       .n = n,
                                       .rows = rows,
                                       .classes = classes,
                                       .smoothing = (float)smoothing,
                                       .scale = (float)scale / 4,
                                       .control = control};
    assert_int_equal(backend->ops->loss(backend, &args), CNN_OK);
    assert_int_equal(cnn_backend_download(backend, &after, control, sizeof after), CNN_OK);
    assert_int_equal(cnn_backend_synchronize(backend), CNN_OK);
    for (int i = 0; i < 4; i++)
        result.sums[i] = after.sums[i] - before.sums[i]; // added to, not replaced
    if (training)
        result.d_logits = rig_download(backend, d, count);
    free(packed);
    cnn_backend_free(backend, device);
    cnn_backend_free(backend, d);
    cnn_backend_free(backend, control);
    cnn_backend_free(backend, there);
    cnn_backend_free(backend, partners);
    cnn_backend_free(backend, weights);
    return result;
}

static void check_loss(struct cnn_backend *backend, int n, int rows, int classes, double smoothing,
                       double size) {
    char label[96];
    const size_t count = (size_t)rows * (size_t)classes;
    double *logits = rig_drawn(count, RIG_NORMAL, 1), *want = rig_new(count);
    int32_t labels[64];
    double top1 = 0, top5 = 0;
    snprintf(label, sizeof label, "loss of %d of %d rows, %d classes, smoothing %g, logits of %g", n, rows,
             classes, smoothing, size);
    for (size_t i = 0; i < count; i++)
        logits[i] = (double)(float)(logits[i] * size);
    for (int i = 0; i < n; i++) {
        labels[i] = (i * 7 + 3) % classes;
        top1 += ref_in_top(logits + i * classes, classes, labels[i], 1);
        top5 += ref_in_top(logits + i * classes, classes, labels[i], 5);
    }
    const double loss = ref_loss(want, logits, n, classes, labels, (double)(float)smoothing, 0.125);
    struct loss_result got =
        run_loss(backend, logits, labels, NULL, n, rows, classes, smoothing, 0.125, true);
    rig_near(label, "gradient of the logits", got.d_logits, want, count, 1e-6); // rows past n: 0
    if (!(fabs(got.sums[0] - loss) <= 1e-6 * (1 + fabs(loss))) || got.sums[1] != top1 ||
        got.sums[2] != top5 || got.sums[3] != n)
        fail_msg("%s: sums are %.9g, %g, %g, %g instead of %.9g, %g, %g, %d", label, got.sums[0], got.sums[1],
                 got.sums[2], got.sums[3], loss, top1, top5, n);
    free(got.d_logits);
    got = run_loss(backend, logits, labels, NULL, n, rows, classes, smoothing, 0.125, false);
    if (!(fabs(got.sums[0] - loss) <= 1e-6 * (1 + fabs(loss))))
        fail_msg("%s: in inference the loss is %.9g instead of %.9g", label, got.sums[0], loss);
    free(logits);
    free(want);
}

void suite_loss(void **state) {
    static const int sizes[][3] = {{1, 1, 1}, {1, 1, 10}, {3, 4, 10}, {5, 5, 3}, {2, 8, 1000}, {4, 4, 7}};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        check_loss(*state, sizes[i][0], sizes[i][1], sizes[i][2], 0, 1);
        check_loss(*state, sizes[i][0], sizes[i][1], sizes[i][2], 0.1, 3);
        check_loss(*state, sizes[i][0], sizes[i][1], sizes[i][2], 0.1, 300); // would overflow without care
    }
}

static void expect_tops(struct cnn_backend *backend, const double *logits, int classes, int label, int top1,
                        int top5) {
    const int32_t labels[1] = {label};
    struct loss_result got = run_loss(backend, logits, labels, NULL, 1, 1, classes, 0, 1, true);
    if ((int)got.sums[1] != top1 || (int)got.sums[2] != top5)
        fail_msg("label %d of %d classes counts %g, %g as top 1, top 5 instead of %d, %d", label, classes,
                 got.sums[1], got.sums[2], top1, top5);
    free(got.d_logits);
}

// The loss of a mixture is the mixture of losses.
void suite_loss_of_mixtures(void **state) {
    enum { N = 4, CLASSES = 7 };
    static const int32_t labels[N] = {0, 3, 6, 2}, partners[N] = {5, 3, 1, 0};
    static const float weights[N] = {0.75f, 0.3f, 0.0f, 1.0f};
    const struct mixture mixture = {partners, weights};
    double *logits = rig_drawn(N * CLASSES, RIG_NORMAL, 9), *one = rig_new(CLASSES),
           *other = rig_new(CLASSES), *want = rig_new(N * CLASSES), loss = 0, top1 = 0;
    for (int i = 0; i < N; i++) {
        const double *row = logits + i * CLASSES, w = (double)weights[i];
        loss += w * ref_loss(one, row, 1, CLASSES, labels + i, (double)0.1f, 0.5) +
                (1 - w) * ref_loss(other, row, 1, CLASSES, partners + i, (double)0.1f, 0.5);
        top1 += ref_in_top(row, CLASSES, w >= 0.5 ? labels[i] : partners[i], 1);
        for (int j = 0; j < CLASSES; j++)
            want[i * CLASSES + j] = w * one[j] + (1 - w) * other[j];
    }
    struct loss_result got = run_loss(*state, logits, labels, &mixture, N, N, CLASSES, 0.1, 0.5, true);
    rig_near("loss of mixtures", "gradient of the logits", got.d_logits, want, N * CLASSES, 1e-6);
    assert_true(fabs(got.sums[0] - loss) <= 1e-6 * (1 + fabs(loss)));
    assert_true(got.sums[1] == top1 && got.sums[3] == N);
    free(got.d_logits);
    free(logits);
    free(one);
    free(other);
    free(want);
}

// Equal logits: the lower class wins. NaN: no hit, and the loss says so.
void suite_loss_of_odd_values(void **state) {
    const double equal[7] = {2, 2, 2, 2, 2, 2, 2}, few[3] = {1, 1, 0};
    const double nan_elsewhere[6] = {(double)NAN, 3, 1, 0, 0, 0}, nan_at_label[3] = {0, (double)NAN, 1};
    expect_tops(*state, equal, 7, 0, 1, 1);
    expect_tops(*state, equal, 7, 1, 0, 1);
    expect_tops(*state, equal, 7, 4, 0, 1);
    expect_tops(*state, equal, 7, 5, 0, 0);
    expect_tops(*state, few, 3, 0, 1, 1);
    expect_tops(*state, few, 3, 1, 0, 1);
    expect_tops(*state, few, 3, 2, 0, 1);
    expect_tops(*state, nan_at_label, 3, 1, 0, 0);
    const int32_t labels[1] = {1};
    struct loss_result got = run_loss(*state, nan_elsewhere, labels, NULL, 1, 1, 6, 0.1, 1, true);
    assert_true(isnan(got.sums[0]));
    free(got.d_logits);
}

static void check_add_into(struct cnn_backend *backend, enum cnn_type type, const double *a, const double *b,
                           size_t n) {
    const struct cnn_tensor row = {1, 1, 1, (int)n, (int)n, type};
    void *into = rig_upload_tensor(backend, &row, a), *values = rig_upload_tensor(backend, &row, b);
    double *want = rig_new(n);
    assert_int_equal(backend->ops->add(backend, type, into, values, n), CNN_OK);
    float *got = rig_tensor_values(backend, "add", &row, into);
    ref_add(want, a, b, n);
    rig_near("add", "sum", got, want, n, 0);
    free(got);
    free(want);
    cnn_backend_free(backend, into);
    cnn_backend_free(backend, values);
}

void suite_add_into(void **state) {
    static const size_t counts[] = {1, 7, 64, 1000, 100003};
    for (size_t i = 0; i < LENGTH(counts); i++) {
        const size_t n = counts[i];
        double *a = rig_drawn(n, RIG_NORMAL, 1), *b = rig_drawn(n, RIG_NORMAL, 2);
        struct cnn_backend *backend = *state;
        for (int type = 0; type <= (int)backend->type; type++)
            if (type == CNN_TYPE_F32 || type == (int)backend->type)
                check_add_into(backend, (enum cnn_type)type, a, b, n);
        free(a);
        free(b);
    }
}

// A device that runs behind the host cannot fail at once: its loss is NaN then, which ends the run.
static void refuse_label(struct cnn_backend *backend, const double logits[3], int32_t label) {
    const struct cnn_tensor row = {1, 1, 1, 3, 3, CNN_TYPE_F32};
    const struct cnn_control zeros = {.loss_scale = 1};
    float *device = rig_upload_tensor(backend, &row, logits);
    int32_t *labels = rig_upload_bytes(backend, &label, sizeof label);
    struct cnn_control *control = rig_upload_bytes(backend, &zeros, sizeof zeros), after;
    const struct cnn_loss_args args = {
        .logits = device, .labels = labels, .n = 1, .rows = 1, .classes = 3, .scale = 1, .control = control};
    const enum cnn_status status = backend->ops->loss(backend, &args);
    assert_int_equal(cnn_backend_download(backend, &after, control, sizeof after), CNN_OK);
    assert_int_equal(cnn_backend_synchronize(backend), CNN_OK);
    assert_true(status == CNN_ERR_INPUT || (!cnn_backend_is_host(backend) && isnan(after.sums[0])));
    cnn_backend_free(backend, device);
    cnn_backend_free(backend, labels);
    cnn_backend_free(backend, control);
}

// What a plan cannot do is said when it is made, with the layer's name.
void suite_refusals(void **state) {
    struct cnn_backend *backend = *state;
    const struct cnn_node node = {.op = CNN_OP_MAX_POOL,
                                  .name = "far",
                                  .shape = {1, 1, 8},
                                  .pool = {.kernel = {17, 16}, .stride = {1, 1}}};
    const struct cnn_kernel_desc desc = {.kernel = CNN_KERNEL_MAX_POOL,
                                         .node = &node,
                                         .in = {rig_tensor(backend, (struct ref_shape){1, 8, 17, 16}, false)},
                                         .n_in = 1,
                                         .shape = node.shape,
                                         .training = true};
    struct cnn_plan *plan = NULL;
    const enum cnn_status status =
        backend->ops->kernels[CNN_KERNEL_MAX_POOL]->plan_create(&plan, backend, &desc);
    if (status == CNN_OK) {
        backend->ops->kernels[CNN_KERNEL_MAX_POOL]->plan_destroy(plan); // a backend may be able to
    } else {
        assert_int_equal(status, CNN_ERR_UNSUPPORTED);
        assert_non_null(strstr(cnn_error_message(), "far"));
    }
    const double logits[3] = {0, 1, 2};
    for (int label = -1; label < 4; label += 4)
        refuse_label(backend, logits, label);
}
