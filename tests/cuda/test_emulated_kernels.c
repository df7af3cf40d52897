// The CUDA backend's own kernels, run by the emulator on the host: through the suite of tests/reference, and
// beside the CPU backend where bits have to be the same.   test_emulated_kernels fp32|bf16|fp16
#include "backend/cuda/cuda.h"
#include "backend/cuda/exchange.h"
#include "base/half.h"
#include "emulated.h"
#include "reference/suite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static enum cnn_status open_backend(struct cnn_backend **out, enum cnn_backend_kind kind,
                                    enum cnn_precision precision) {
    const struct cnn_backend_options options = {
        .threads = 1, .precision = precision, .deterministic = true, .recompute = true};
    return cnn_backend_create(out, kind, &options);
}

static struct cnn_tensor row_of(size_t n, enum cnn_type type) {
    return (struct cnn_tensor){1, 1, 1, (int)n, (int)n, type};
}

// ---- what products need

static void check_sum_rows(struct cnn_cuda *cuda, size_t rows, int c, enum cnn_type type, bool accumulate) {
    const struct cnn_tensor matrix = {(int)rows, 1, 1, c, c, type};
    char label[96];
    double *values = rig_drawn(rows * (size_t)c, RIG_NORMAL, 1), *want = rig_drawn((size_t)c, RIG_NORMAL, 2);
    const struct cnn_tensor row = row_of((size_t)c, CNN_TYPE_F32);
    float *out = rig_upload_tensor(&cuda->base, &row, want);
    void *device = rig_upload_tensor(&cuda->base, &matrix, values), *scratch = NULL;
    const size_t bytes = cnn_cuda_sum_rows_scratch(cuda, rows, c);
    assert_int_equal(cnn_backend_alloc(&cuda->base, &scratch, bytes), CNN_OK);
    rig_spoil(&cuda->base, scratch, bytes);
    for (int k = 0; k < c; k++) {
        want[k] = accumulate ? want[k] : 0;
        for (size_t i = 0; i < rows; i++)
            want[k] += values[i * (size_t)c + (size_t)k];
    }
    snprintf(label, sizeof label, "sums of %zu rows of %d%s", rows, c, accumulate ? ", added" : "");
    assert_int_equal(cnn_cuda_sum_rows(cuda, out, type, device, rows, c, accumulate, scratch), CNN_OK);
    float *got = rig_download(&cuda->base, out, (size_t)c);
    rig_near(label, "sum", got, want, (size_t)c, 1);
    free(got);
    free(values);
    free(want);
    cnn_backend_free(&cuda->base, out);
    cnn_backend_free(&cuda->base, device);
    cnn_backend_free(&cuda->base, scratch);
}

static void test_sum_rows(void **state) {
    static const struct {
        size_t rows;
        int c;
    } sizes[] = {{1, 1}, {1, 1000}, {7, 3}, {64, 10}, {300, 64}, {5000, 8}, {33, 520}, {129, 96}, {20, 264}};
    struct cnn_cuda *cuda = cnn_cuda_of(*state);
    for (size_t i = 0; i < LENGTH(sizes); i++)
        for (int accumulate = 0; accumulate < 2; accumulate++) {
            check_sum_rows(cuda, sizes[i].rows, sizes[i].c, cuda->base.type, accumulate);
            check_sum_rows(cuda, sizes[i].rows, sizes[i].c, CNN_TYPE_F32, accumulate);
        }
}

// Narrowing to the backend's type and back again, at the beginning of memory and past it, where 16 bytes are
// not aligned.
static void check_conversion(struct cnn_cuda *cuda, size_t n, size_t skip, bool accumulate) {
    struct cnn_backend *backend = &cuda->base;
    const struct cnn_tensor wide = row_of(n + skip, CNN_TYPE_F32), narrow = row_of(n + skip, backend->type);
    double *values = rig_drawn(n + skip, RIG_NORMAL, n), *before = rig_drawn(n + skip, RIG_NORMAL, n + 1);
    float *from = rig_upload_tensor(backend, &wide, values),
          *back = rig_upload_tensor(backend, &wide, before);
    char *to = rig_upload_tensor(backend, &narrow, before);
    const size_t bytes = skip * cnn_type_bytes(backend->type);
    assert_int_equal(cnn_cuda_narrow(backend, to + bytes, from + skip, n), CNN_OK);
    float *got = rig_tensor_values(backend, "narrow", &narrow, to);
    for (size_t i = 0; i < n + skip; i++)
        assert_true((double)got[i] == (i < skip ? before[i] : values[i])); // drawn values are the type's
    free(got);
    assert_int_equal(cnn_cuda_widen(cuda, back + skip, backend->type, to + bytes, n, accumulate), CNN_OK);
    got = rig_download(backend, back, n + skip);
    for (size_t i = skip; i < n + skip; i++)
        assert_true(got[i] == (accumulate ? (float)before[i] + (float)values[i] : (float)values[i]));
    free(got);
    free(values);
    free(before);
    cnn_backend_free(backend, from);
    cnn_backend_free(backend, back);
    cnn_backend_free(backend, to);
}

static void test_conversions(void **state) {
    static const size_t counts[] = {0, 1, 3, 4, 5, 63, 64, 1000, 30001};
    for (size_t i = 0; i < LENGTH(counts); i++)
        for (size_t skip = counts[i] == 0; skip < 3; skip++)
            check_conversion(cnn_cuda_of(*state), counts[i], skip, i % 2 == 1);
}

// Every 16-bit value comes through widening and narrowing as it was; half-way values go to the even one.
static void test_rounding(void **state) {
    enum { N = 65536 };
    struct cnn_cuda *cuda = cnn_cuda_of(*state);
    struct cnn_backend *backend = *state;
    uint16_t *bits = malloc(N * sizeof *bits);
    float *wide = NULL, halfway[N / 2];
    assert_non_null(bits);
    if (backend->type == CNN_TYPE_F32) {
        free(bits);
        return;
    }
    for (size_t i = 0; i < N; i++)
        bits[i] = (uint16_t)i;
    uint16_t *narrow = rig_upload_bytes(backend, bits, N * sizeof *bits);
    assert_int_equal(cnn_backend_alloc(backend, (void **)&wide, N * sizeof *wide), CNN_OK);
    assert_int_equal(cnn_cuda_widen(cuda, wide, backend->type, narrow, N, false), CNN_OK);
    for (size_t i = 0; i + 1 < N / 2; i++)
        halfway[i] = isfinite(wide[i + 1]) ? 0.5f * wide[i] + 0.5f * wide[i + 1] : 0;
    assert_int_equal(cnn_cuda_narrow(backend, narrow, wide, N), CNN_OK);
    for (size_t i = 0; i < N; i++)
        assert_true(narrow[i] == i || isnan(wide[i]));
    memcpy(wide, halfway, sizeof halfway);
    assert_int_equal(cnn_cuda_narrow(backend, narrow, wide, N / 2 - 1), CNN_OK);
    for (size_t i = 0; i + 1 < N / 2; i++)
        if (wide[i] != 0)
            assert_int_equal(narrow[i], i % 2 ? i + 1 : i);
    free(bits);
    cnn_backend_free(backend, narrow);
    cnn_backend_free(backend, wide);
}

// relu's gradient by itself, in place and not.
// Gradients on their way to other ranks have the bits that the host's loops give.
static void check_pack(struct cnn_cuda *cuda, enum cnn_precision precision, size_t n) {
    struct cnn_backend *backend = &cuda->base;
    float *floats, *back, *right = malloc((n + 1) * sizeof *right);
    uint16_t *halves, *packed = malloc((n + 1) * sizeof *packed);
    assert_int_equal(cnn_backend_alloc(backend, (void **)&floats, n * sizeof *floats), CNN_OK);
    assert_int_equal(cnn_backend_alloc(backend, (void **)&back, n * sizeof *back), CNN_OK);
    assert_int_equal(cnn_backend_alloc(backend, (void **)&halves, n * sizeof *halves), CNN_OK);
    for (size_t i = 0; i < n; i++)
        floats[i] = cnn_float_of_bits((uint32_t)i * 2654435761u);
    (precision == CNN_PRECISION_BF16 ? cnn_bf16_pack : cnn_fp16_pack)(packed, floats, n);
    (precision == CNN_PRECISION_BF16 ? cnn_bf16_unpack : cnn_fp16_unpack)(right, packed, n);
    assert_int_equal(cnn_cuda_pack(cuda, cuda->compute, halves, floats, n, precision), CNN_OK);
    assert_int_equal(cnn_cuda_unpack(cuda, cuda->compute, back, halves, n, precision), CNN_OK);
    assert_memory_equal(halves, packed, n * sizeof *halves);
    assert_memory_equal(back, right, n * sizeof *back);
    free(right);
    free(packed);
    cnn_backend_free(backend, floats);
    cnn_backend_free(backend, back);
    cnn_backend_free(backend, halves);
}

static void test_gradients_of_16_bits(void **state) {
    static const size_t counts[] = {0, 1, 255, 257, 20000};
    for (size_t i = 0; i < LENGTH(counts); i++) {
        check_pack(cnn_cuda_of(*state), CNN_PRECISION_BF16, counts[i]);
        check_pack(cnn_cuda_of(*state), CNN_PRECISION_FP16, counts[i]);
    }
}

static void test_relu_grad(void **state) {
    struct cnn_cuda *cuda = cnn_cuda_of(*state);
    struct cnn_backend *backend = *state;
    for (size_t n = 1; n < 3000; n = n * 3 + 1) {
        const struct cnn_tensor t = row_of(n, backend->type);
        double *out = rig_drawn(n, RIG_COARSE, 1), *d = rig_drawn(n, RIG_NORMAL, 2), *want = rig_new(n);
        void *by = rig_upload_tensor(backend, &t, out), *from = rig_upload_tensor(backend, &t, d),
             *to = rig_upload_tensor(backend, &t, out);
        ref_relu_grad(want, d, out, n);
        assert_int_equal(cnn_cuda_relu_grad(cuda, backend->type, to, from, by, n), CNN_OK);
        assert_int_equal(cnn_cuda_relu_grad(cuda, backend->type, from, from, by, n), CNN_OK);
        float *apart = rig_tensor_values(backend, "relu", &t, to),
              *here = rig_tensor_values(backend, "relu", &t, from);
        for (size_t i = 0; i < n; i++)
            assert_true((double)apart[i] == want[i] && (double)here[i] == want[i]);
        free(apart);
        free(here);
        free(out);
        free(d);
        free(want);
        cnn_backend_free(backend, by);
        cnn_backend_free(backend, from);
        cnn_backend_free(backend, to);
    }
}

// ---- overflow

static uint32_t overflow_of(struct cnn_backend *backend, const float *values, size_t n) {
    const struct cnn_control zeros = {.loss_scale = 1};
    struct cnn_control *control = rig_upload_bytes(backend, &zeros, sizeof zeros);
    assert_int_equal(cnn_backend_check_finite(backend, values, n, control), CNN_OK);
    const uint32_t overflow = control->overflow;
    cnn_backend_free(backend, control);
    return overflow;
}

// One value that is not finite is found wherever it stands; the largest finite one is none.
static void test_check_finite(void **state) {
    enum { N = 4099 };
    struct cnn_backend *backend = *state;
    static const float odd[] = {INFINITY, -INFINITY, NAN};
    float *values = NULL;
    assert_int_equal(cnn_backend_alloc(backend, (void **)&values, N * sizeof *values), CNN_OK);
    values[3] = 3.402823466e38f;
    values[N - 1] = -3.402823466e38f;
    assert_int_equal(overflow_of(backend, values, N), 0);
    for (size_t i = 0; i < N; i += i < 8 || i > N - 8 ? 1 : 61) {
        const float kept = values[i];
        values[i] = odd[i % 3];
        assert_int_equal(overflow_of(backend, values, N), 1);
        assert_int_equal(overflow_of(backend, values, i), 0);
        values[i] = kept;
    }
    cnn_backend_free(backend, values);
}

// The update writes the copy that products read; after an overflow it changes nothing. Segments lie as they
// do in arenas and otherwise.
static void test_update_copies(void **state) {
    enum { N = 9000 };
    static const struct cnn_segment segments[] = {{0, 4100, CNN_SEGMENT_DECAY, 0},
                                                  {4112, 21, CNN_SEGMENT_STATISTIC, 0.1f},
                                                  {4135, 4865, CNN_SEGMENT_PLAIN_NORM, 0}};
    struct cnn_backend *backend = *state;
    const struct cnn_tensor wide = row_of(N, CNN_TYPE_F32), narrow = row_of(N, backend->type);
    double *drawn = rig_drawn(N, RIG_NORMAL, 3), *zeros = rig_new(N);
    float *w = rig_upload_tensor(backend, &wide, drawn), *v = rig_upload_tensor(backend, &wide, zeros),
          *g = rig_upload_tensor(backend, &wide, drawn);
    void *compute = rig_upload_tensor(backend, &narrow, zeros),
         *again = rig_upload_tensor(backend, &narrow, zeros);
    struct cnn_control set = {.rate = 0.125f, .loss_scale = 1, .first_update = 1, .overflow = 1};
    struct cnn_control *control = rig_upload_bytes(backend, &set, sizeof set);
    const struct cnn_sgd sgd = {.parameters = w,
                                .gradients = g,
                                .velocity = v,
                                .compute = backend->type == CNN_TYPE_F32 ? NULL : compute,
                                .control = control,
                                .segments = segments,
                                .n_segments = LENGTH(segments),
                                .momentum = 0.9f,
                                .micros = 1};
    assert_int_equal(cnn_backend_sgd(backend, &sgd), CNN_OK);
    for (size_t i = 0; i < N; i++)
        assert_true((double)w[i] == drawn[i] && v[i] == 0);
    control->overflow = 0;
    assert_int_equal(cnn_backend_sgd(backend, &sgd), CNN_OK);
    assert_true(w[4099] == (float)drawn[4099] - 0.125f * (float)drawn[4099] &&
                (double)w[4100] == drawn[4100]);
    if (backend->type != CNN_TYPE_F32) {
        assert_int_equal(cnn_cuda_narrow(backend, again, w, N), CNN_OK);
        for (size_t s = 0; s < LENGTH(segments); s++) {
            const size_t first = segments[s].first * 2;
            assert_memory_equal((char *)compute + first, (char *)again + first, segments[s].n * 2);
        }
        assert_true(((uint16_t *)compute)[4100] == 0); // nobody's
    }
    free(drawn);
    free(zeros);
    cnn_backend_free(backend, w);
    cnn_backend_free(backend, v);
    cnn_backend_free(backend, g);
    cnn_backend_free(backend, compute);
    cnn_backend_free(backend, again);
    cnn_backend_free(backend, control);
}

// Another list of segments at the same place is not taken for the first one.
static void test_other_segments(void **state) {
    struct cnn_backend *backend = *state;
    struct cnn_segment segment = {0, 100, CNN_SEGMENT_DECAY, 0};
    const struct cnn_control set = {.rate = 1, .loss_scale = 1, .first_update = 1};
    double *ones = rig_new(200);
    for (size_t i = 0; i < 200; i++)
        ones[i] = 1;
    const struct cnn_tensor t = row_of(200, CNN_TYPE_F32);
    float *w = rig_upload_tensor(backend, &t, ones), *v = rig_upload_tensor(backend, &t, ones),
          *g = rig_upload_tensor(backend, &t, ones);
    struct cnn_control *control = rig_upload_bytes(backend, &set, sizeof set);
    const struct cnn_sgd sgd = {.parameters = w,
                                .gradients = g,
                                .velocity = v,
                                .control = control,
                                .segments = &segment,
                                .n_segments = 1,
                                .micros = 1};
    assert_int_equal(cnn_backend_sgd(backend, &sgd), CNN_OK);
    segment.first = 100;
    assert_int_equal(cnn_backend_sgd(backend, &sgd), CNN_OK);
    for (size_t i = 0; i < 200; i++)
        assert_true(w[i] == 0);
    free(ones);
    cnn_backend_free(backend, w);
    cnn_backend_free(backend, v);
    cnn_backend_free(backend, g);
    cnn_backend_free(backend, control);
}

// ---- the same bits as the CPU backend's

static float *drop(struct cnn_backend *backend, struct ref_shape shape, const double *in) {
    const struct cnn_node node = {
        .op = CNN_OP_DROPOUT, .name = "dropout", .shape = {shape.h, shape.w, shape.c}, .dropout = {0.3}};
    struct cnn_kernel_desc desc = {.kernel = CNN_KERNEL_DROPOUT,
                                   .node = &node,
                                   .n_in = 1,
                                   .shape = node.shape,
                                   .out_type = backend->type,
                                   .training = true,
                                   .seed = 0x123456789abcdefu,
                                   .layer = 5};
    const struct cnn_kernel_run run = rig_run(false);
    struct rig rig;
    desc.in[0] = rig_tensor(backend, shape, true);
    rig_open(&rig, backend, &desc, "dropout");
    rig_set_key(&rig, 0x1234567890u, 0x4000000001u);
    rig_set_in(&rig, 0, in);
    rig_forward(&rig, &run);
    float *out = rig_out(&rig);
    rig_close(&rig);
    return out;
}

static void test_dropout_like_cpu(void **state) {
    static const struct ref_shape shapes[] = {{3, 4096, 1, 1}, {2, 10, 1, 1}, {5, 7, 1, 1}, {1, 1, 1, 1}};
    struct cnn_backend *backend = *state, *cpu = NULL;
    if (backend->type != CNN_TYPE_F32)
        return;
    assert_int_equal(open_backend(&cpu, CNN_BACKEND_CPU, CNN_PRECISION_FP32), CNN_OK);
    for (size_t i = 0; i < LENGTH(shapes); i++) {
        const size_t n = ref_count(shapes[i]);
        double *in = rig_drawn(n, RIG_NORMAL, 8);
        float *here = drop(backend, shapes[i], in), *there = drop(cpu, shapes[i], in);
        assert_memory_equal(here, there, n * sizeof *here);
        free(in);
        free(here);
        free(there);
    }
    cnn_backend_destroy(cpu);
}

// ---- launches: each costs a few microseconds, however little it does

static unsigned launched_since(unsigned *before) {
    const unsigned since = emulated_launches() - *before;
    *before += since;
    return since;
}

static void test_launches_of_norm(void **state) {
    struct cnn_backend *backend = *state;
    const struct ref_shape shape = {4, 64, 9, 9};
    const size_t n = ref_count(shape);
    const struct cnn_node node = {
        .op = CNN_OP_BATCH_NORM, .name = "norm", .shape = {9, 9, 64}, .norm = {1e-5, 0.1}};
    struct cnn_kernel_desc desc = {.kernel = CNN_KERNEL_NORM,
                                   .node = &node,
                                   .n_in = 2,
                                   .shape = node.shape,
                                   .out_type = backend->type,
                                   .training = true,
                                   .relu = true,
                                   .relu_backward = true};
    const struct cnn_kernel_run run = rig_run(false);
    double *values = rig_drawn(n, RIG_NORMAL, 1);
    unsigned launches = 0;
    struct rig rig;
    desc.in[0] = desc.in[1] = rig_tensor(backend, shape, false);
    for (desc.n_in = 1; desc.n_in <= 2; desc.n_in++) {
        rig_open(&rig, backend, &desc, "norm");
        for (int j = 0; j < desc.n_in; j++)
            rig_set_in(&rig, j, values);
        for (int i = 0; i < 4; i++)
            rig_set_param(&rig, i, values, 64);
        launched_since(&launches);
        rig_forward(&rig, &run);
        assert_int_equal(launched_since(&launches), 3);
        rig_recompute(&rig);
        assert_int_equal(launched_since(&launches), 1);
        rig_backward(&rig, values, values, &run, (const bool[2]){true, true});
        assert_int_equal(launched_since(&launches), 3);
        rig_close(&rig);
    }
    desc.training = false;
    desc.n_in = 1;
    rig_open(&rig, backend, &desc, "norm");
    launched_since(&launches);
    rig_forward(&rig, &run);
    assert_int_equal(launched_since(&launches), 1);
    rig_close(&rig);
    free(values);
}

// ---- main

static struct cnn_backend *under_test;

static int give_backend(void **state) {
    *state = under_test;
    return 0;
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suite_norm_training),
        cmocka_unit_test(suite_norm_inference),
        cmocka_unit_test(suite_norm_synced),
        cmocka_unit_test(suite_max_pool),
        cmocka_unit_test(suite_max_pool_of_odd_values),
        cmocka_unit_test(suite_avg_pool),
        cmocka_unit_test(suite_adaptive_pool),
        cmocka_unit_test(suite_add),
        cmocka_unit_test(suite_relu),
        cmocka_unit_test(suite_dropout),
        cmocka_unit_test(suite_normalize),
        cmocka_unit_test(suite_loss),
        cmocka_unit_test(suite_loss_of_odd_values),
        cmocka_unit_test(suite_loss_of_mixtures),
        cmocka_unit_test(suite_add_into),
        cmocka_unit_test(suite_sgd),
        cmocka_unit_test(suite_sgd_golden),
        cmocka_unit_test(suite_refusals),
        cmocka_unit_test(test_sum_rows),
        cmocka_unit_test(test_conversions),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_gradients_of_16_bits),
        cmocka_unit_test(test_relu_grad),
        cmocka_unit_test(test_check_finite),
        cmocka_unit_test(test_update_copies),
        cmocka_unit_test(test_other_segments),
        cmocka_unit_test(test_dropout_like_cpu),
        cmocka_unit_test(test_launches_of_norm),
    };
    const char *name = argc == 2 ? argv[1] : "";
    const enum cnn_precision precision = strcmp(name, "fp32") == 0   ? CNN_PRECISION_FP32
                                         : strcmp(name, "bf16") == 0 ? CNN_PRECISION_BF16
                                         : strcmp(name, "fp16") == 0 ? CNN_PRECISION_FP16
                                                                     : CNN_PRECISION_AUTO;
    if (precision == CNN_PRECISION_AUTO) {
        fprintf(stderr, "usage: test_emulated_kernels fp32|bf16|fp16\n");
        return 2;
    }
    if (open_backend(&under_test, CNN_BACKEND_CUDA, precision) != CNN_OK) {
        fprintf(stderr, "%s\n", cnn_error_message());
        return 1;
    }
    rig_use(under_test);
    fprintf(stderr, "%s\n", cnn_backend_description(under_test));
    const int failed = cmocka_run_group_tests_name("emulated", tests, give_backend, NULL);
    cnn_backend_destroy(under_test);
    return failed != 0;
}
