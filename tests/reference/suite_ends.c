// Pixels in, loss out, the optimizer, and what a backend has to refuse.
#include "suite.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void check_normalize(struct cnn_backend *backend, struct ref_shape s, int n, int block) {
    const float mean[3] = {0.485f, 0.456f, 0.406f}, std[3] = {0.229f, 0.224f, 0.225f};
    const double means[3] = {(double)mean[0], (double)mean[1], (double)mean[2]},
                 stds[3] = {(double)std[0], (double)std[1], (double)std[2]};
    const struct cnn_tensor to = {s.n, s.h, s.w, s.c, block};
    const size_t count = cnn_tensor_count(&to), plain = ref_count(s);
    uint8_t *pixels = NULL;
    float *device = NULL;
    double *want = rig_new(plain);
    assert_int_equal(cnn_backend_alloc_host(backend, (void **)&pixels, plain), CNN_OK);
    for (size_t i = 0; i < plain; i++)
        pixels[i] = (uint8_t)(i * 37 + i / 256);
    assert_int_equal(cnn_backend_alloc(backend, (void **)&device, count * sizeof *device), CNN_OK);
    rig_spoil(backend, device, count * sizeof *device);
    assert_int_equal(backend->ops->normalize(backend, device, &to, pixels, n, mean, std), CNN_OK);
    ref_normalize(want, pixels, (struct ref_shape){n, s.c, s.h, s.w}, means, stds);
    float *packed = rig_download(backend, device, count);
    char label[64];
    snprintf(label, sizeof label, "normalize %d of n%d %dx%dx%d block %d", n, s.n, s.h, s.w, s.c, block);
    float *got = rig_unpack(label, &to, packed);
    rig_near(label, "pixel", got, want, plain, 0); // want is 0 past n
    free(packed);
    free(got);
    free(want);
    cnn_backend_free(backend, device);
    cnn_backend_free_host(backend, pixels);
}

void suite_normalize(void **state) {
    static const struct ref_shape shapes[] = {{1, 1, 1, 1}, {3, 3, 5, 7}, {4, 1, 8, 8}, {2, 3, 16, 16}};
    for (size_t i = 0; i < LENGTH(shapes); i++)
        for (int n = 1; n <= shapes[i].n; n++) {
            check_normalize(*state, shapes[i], n, 1);
            check_normalize(*state, shapes[i], n, rig_block(*state));
            check_normalize(*state, shapes[i], n, shapes[i].c);
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

static void *host_copy(struct cnn_backend *backend, const void *values, size_t bytes) {
    void *host = NULL;
    assert_int_equal(cnn_backend_alloc_host(backend, &host, bytes), CNN_OK);
    memcpy(host, values, bytes);
    return host;
}

static struct loss_result run_loss(struct cnn_backend *backend, const double *logits, const int32_t *labels,
                                   const struct mixture *mixture, int n, int rows, int classes,
                                   double smoothing, double scale, bool training) {
    const size_t count = (size_t)rows * (size_t)classes;
    const struct cnn_tensor row = {rows, 1, 1, classes, classes};
    const double before[4] = {1.5, 1, 2, 3};
    float *packed = rig_pack(&row, logits), *device = rig_upload(backend, packed, count),
          *d = rig_upload(backend, packed, count);
    double *sums = NULL;
    struct loss_result result = {.d_logits = NULL};
    int32_t *host = host_copy(backend, labels, (size_t)n * sizeof *host), *partners = NULL;
    float *weights = NULL;
    if (mixture) {
        partners = host_copy(backend, mixture->partners, (size_t)n * sizeof *partners);
        weights = host_copy(backend, mixture->weights, (size_t)n * sizeof *weights);
    }
    assert_int_equal(cnn_backend_alloc(backend, (void **)&sums, sizeof before), CNN_OK);
    rig_spoil(backend, d, count * sizeof *d);
    assert_int_equal(cnn_backend_upload(backend, sums, before, sizeof before), CNN_OK);
    const struct cnn_loss_args args = {.logits = device,
                                       .d_logits = training ? d : NULL,
                                       .labels = host,
                                       .partners = partners,
                                       .weights = weights,
                                       .n = n,
                                       .rows = rows,
                                       .classes = classes,
                                       .smoothing = (float)smoothing,
                                       .scale = (float)scale,
                                       .sums = sums};
    assert_int_equal(backend->ops->loss(backend, &args), CNN_OK);
    assert_int_equal(cnn_backend_download(backend, result.sums, sums, sizeof before), CNN_OK);
    assert_int_equal(cnn_backend_synchronize(backend), CNN_OK);
    for (int i = 0; i < 4; i++)
        result.sums[i] -= before[i]; // added to, not replaced
    if (training)
        result.d_logits = rig_download(backend, d, count);
    free(packed);
    cnn_backend_free(backend, device);
    cnn_backend_free(backend, d);
    cnn_backend_free(backend, sums);
    cnn_backend_free_host(backend, host);
    cnn_backend_free_host(backend, partners);
    cnn_backend_free_host(backend, weights);
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

void suite_add_into(void **state) {
    static const size_t counts[] = {1, 7, 64, 1000, 100003};
    for (size_t i = 0; i < LENGTH(counts); i++) {
        const size_t n = counts[i];
        double *a = rig_drawn(n, RIG_NORMAL, 1), *b = rig_drawn(n, RIG_NORMAL, 2);
        const struct cnn_tensor row = {1, 1, 1, (int)n, (int)n};
        float *x = rig_pack(&row, a), *y = rig_pack(&row, b);
        float *into = rig_upload(*state, x, n), *values = rig_upload(*state, y, n);
        struct cnn_backend *backend = *state;
        assert_int_equal(backend->ops->add(backend, into, values, n), CNN_OK);
        float *got = rig_download(backend, into, n);
        ref_add(a, a, b, n);
        rig_near("add", "sum", got, a, n, 0);
        free(got);
        free(x);
        free(y);
        free(a);
        free(b);
        cnn_backend_free(backend, into);
        cnn_backend_free(backend, values);
    }
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
                                         .in = {{1, 17, 16, 8, rig_block(backend)}},
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
    const struct cnn_tensor row = {1, 1, 1, 3, 3};
    float *packed = rig_pack(&row, logits), *device = rig_upload(backend, packed, 3);
    int32_t *labels = NULL;
    double *sums = NULL;
    assert_int_equal(cnn_backend_alloc_host(backend, (void **)&labels, sizeof *labels), CNN_OK);
    assert_int_equal(cnn_backend_alloc(backend, (void **)&sums, 4 * sizeof *sums), CNN_OK);
    const struct cnn_loss_args args = {
        .logits = device, .labels = labels, .n = 1, .rows = 1, .classes = 3, .scale = 1, .sums = sums};
    for (int label = -1; label < 4; label += 4) {
        labels[0] = label;
        assert_int_equal(backend->ops->loss(backend, &args), CNN_ERR_INPUT);
    }
    free(packed);
    cnn_backend_free(backend, device);
    cnn_backend_free(backend, sums);
    cnn_backend_free_host(backend, labels);
}
