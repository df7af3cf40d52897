// Winograd's filtering beside oneDNN's direct sums of the same convolutions: the shapes it takes, its results
// and how they do not depend on threads. The suite of tests/reference compares both with plain loops.
#include "backend/cpu/conv.h"
#include "backend/cpu/winograd.h"
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// One convolution 3x3 with padding 1, in one way, with everything it needs.
struct one {
    struct cnn_backend *backend;
    struct cnn_node node;
    struct cnn_plan *plan;
    const struct cnn_kernel_ops *ops;
    float *in, *out, *d_out, *d_in, *weights, *d_weights, *plain;
    void *scratch;
    size_t n_in, n_out, n_weights;
};

static float *zeros(struct cnn_backend *backend, size_t n) {
    void *memory = NULL;
    assert_int_equal(cnn_backend_alloc(backend, &memory, (n + 16) * sizeof(float)), CNN_OK);
    return memory;
}

static float *drawn(struct cnn_backend *backend, size_t n, uint64_t what) {
    float *values = zeros(backend, n);
    struct cnn_draws draws = cnn_draws_of(11, CNN_PURPOSE_TEST, what, 0);
    for (size_t i = 0; i < n; i++)
        values[i] = (float)cnn_draw_between(&draws, -1, 1);
    return values;
}

static struct cnn_kernel_desc desc_of(struct cnn_node *node, int n, int size, int in, int out, int block) {
    *node = (struct cnn_node){.op = CNN_OP_CONV,
                              .name = "conv",
                              .shape = {size, size, out},
                              .conv = {.out_channels = out,
                                       .kernel = {3, 3},
                                       .stride = {1, 1},
                                       .padding = {1, 1},
                                       .dilation = {1, 1},
                                       .groups = 1}};
    return (struct cnn_kernel_desc){.kernel = CNN_KERNEL_CONV,
                                    .node = node,
                                    .in = {{n, size, size, in, block}},
                                    .n_in = 1,
                                    .shape = node->shape,
                                    .training = true};
}

// Channels fill their blocks, so that every float of a tensor counts.
static void one_init(struct one *t, const struct cnn_kernel_ops *ops, int threads, int n, int size, int in,
                     int out) {
    const struct cnn_backend_options options = {.threads = threads, .precision = CNN_PRECISION_FP32};
    *t = (struct one){.ops = ops};
    assert_int_equal(cnn_backend_create(&t->backend, CNN_BACKEND_CPU, &options), CNN_OK);
    const int block = ((const struct cnn_cpu *)(const void *)t->backend)->block;
    const struct cnn_kernel_desc desc = desc_of(&t->node, n, size, in, out, block);
    assert_int_equal(ops->plan_create(&t->plan, t->backend, &desc), CNN_OK);
    t->n_in = cnn_tensor_count(&t->plan->in);
    t->n_out = cnn_tensor_count(&t->plan->out);
    t->n_weights = (size_t)in * (size_t)out * 9;
    t->in = drawn(t->backend, t->n_in, 1);
    t->d_out = drawn(t->backend, t->n_out, 2);
    t->plain = drawn(t->backend, t->n_weights, 3);
    t->out = zeros(t->backend, t->n_out);
    t->d_in = zeros(t->backend, t->n_in);
    t->weights = zeros(t->backend, t->plan->param_counts[0]);
    t->d_weights = zeros(t->backend, t->plan->param_counts[0]);
    t->scratch = zeros(t->backend, t->plan->scratch_bytes / sizeof(float));
    assert_int_equal(ops->param_set(t->plan, 0, t->weights, t->plain), CNN_OK);
}

static void one_run(struct one *t) {
    const struct cnn_kernel_io io = {.in = {t->in},
                                     .out = t->out,
                                     .params = {t->weights},
                                     .compute = {t->weights},
                                     .scratch = t->scratch,
                                     .d_out = {t->d_out},
                                     .d_in = {t->d_in},
                                     .d_params = {t->d_weights}};
    const struct cnn_kernel_run run = {0};
    assert_int_equal(t->ops->forward(t->plan, &io, &run), CNN_OK);
    assert_int_equal(t->ops->backward(t->plan, &io, &run), CNN_OK);
    assert_int_equal(t->ops->param_get(t->plan, 0, t->d_weights, t->plain), CNN_OK);
}

static void one_finish(struct one *t) {
    float *memory[] = {t->in, t->out, t->d_out, t->d_in, t->weights, t->d_weights, t->plain, t->scratch};
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
        cnn_backend_free(t->backend, memory[i]);
    t->ops->plan_destroy(t->plan);
    cnn_backend_destroy(t->backend);
}

// Not the larger of both for values that are no numbers, as fmax is: these are no match.
static void note_difference(double *most, double difference) {
    if (!(difference <= *most))
        *most = isnan(difference) ? INFINITY : difference;
}

// The largest difference, as a share of the largest magnitude.
static double apart(const float *a, const float *b, size_t n) {
    double most = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        note_difference(&most, fabs((double)a[i] - (double)b[i]));
        largest = fmax(largest, fabs((double)b[i]));
    }
    return most / largest;
}

static const struct {
    int n, size, in, out;
} shapes[] = {
    {1, 4, 16, 16},  {3, 7, 64, 32},   {2, 28, 16, 48},  {5, 14, 160, 96},
    {1, 56, 64, 64}, {9, 7, 256, 208}, {1, 4, 400, 424},
};
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

static void skip_without_kernels(void) {
    if (cnn_winograd_kernels(cnn_simd_block(), CNN_TYPE_F32))
        return;
    fprintf(stderr, "skipped: this processor has neither AVX2 nor AVX-512\n");
    skip();
}

static void results_are_those_of_direct_sums(void **state) {
    (void)state;
    skip_without_kernels();
    for (size_t s = 0; s < N_SHAPES; s++) {
        struct one fast, direct;
        one_init(&fast, &cnn_cpu_conv_winograd, 2, shapes[s].n, shapes[s].size, shapes[s].in, shapes[s].out);
        one_init(&direct, &cnn_cpu_conv_direct, 2, shapes[s].n, shapes[s].size, shapes[s].in, shapes[s].out);
        one_run(&fast);
        one_run(&direct);
        const double out = apart(fast.out, direct.out, fast.n_out),
                     d_in = apart(fast.d_in, direct.d_in, fast.n_in),
                     d_w = apart(fast.plain, direct.plain, fast.n_weights);
        if (out > 5e-6 || d_in > 5e-6 || d_w > 5e-6)
            fail_msg("n%d %dx%d %d -> %d: apart by %.1e, %.1e, %.1e", shapes[s].n, shapes[s].size,
                     shapes[s].size, shapes[s].in, shapes[s].out, out, d_in, d_w);
        one_finish(&fast);
        one_finish(&direct);
    }
}

static void outputs_do_not_depend_on_threads(void **state) {
    (void)state;
    skip_without_kernels();
    for (size_t s = 0; s < N_SHAPES; s++) {
        struct one alone, three;
        one_init(&alone, &cnn_cpu_conv_winograd, 1, shapes[s].n, shapes[s].size, shapes[s].in, shapes[s].out);
        one_run(&alone);
        one_init(&three, &cnn_cpu_conv_winograd, 3, shapes[s].n, shapes[s].size, shapes[s].in, shapes[s].out);
        one_run(&three);
        assert_memory_equal(alone.out, three.out, alone.n_out * sizeof(float));
        assert_memory_equal(alone.d_in, three.d_in, alone.n_in * sizeof(float));
        assert_true(apart(alone.plain, three.plain, alone.n_weights) < 5e-6);
        one_finish(&alone);
        one_finish(&three);
    }
}

// The relu before the convolution, taken over by its backward: over the input, where a method can, or beside
// it.
static void gradients_are_masked(void **state) {
    (void)state;
    skip_without_kernels();
    for (size_t s = 0; s < N_SHAPES; s++) {
        struct one plain, over, beside;
        one_init(&plain, &cnn_cpu_conv_winograd, 2, shapes[s].n, shapes[s].size, shapes[s].in, shapes[s].out);
        one_init(&over, &cnn_cpu_conv_winograd, 2, shapes[s].n, shapes[s].size, shapes[s].in, shapes[s].out);
        one_init(&beside, &cnn_cpu_conv_direct, 2, shapes[s].n, shapes[s].size, shapes[s].in, shapes[s].out);
        over.plan->desc.mask_by_input = beside.plan->desc.mask_by_input = true;
        assert_true(over.plan->over_input);
        float *own = over.d_in;
        over.d_in = over.in;
        one_run(&plain);
        one_run(&over);
        one_run(&beside);
        for (size_t i = 0; i < plain.n_in; i++) // plain.in is what over.in was
            plain.d_in[i] = plain.in[i] <= 0 ? 0 : plain.d_in[i];
        assert_memory_equal(over.d_in, plain.d_in, plain.n_in * sizeof(float));
        assert_memory_equal(over.plain, plain.plain, plain.n_weights * sizeof(float));
        assert_true(apart(beside.d_in, plain.d_in, plain.n_in) < 5e-6);
        over.d_in = own;
        one_finish(&plain);
        one_finish(&over);
        one_finish(&beside);
    }
}

// What lies in the scratch before a call, numbers or not, does not matter.
static void scratch_may_hold_anything(void **state) {
    (void)state;
    skip_without_kernels();
    struct one clean, dirty;
    one_init(&clean, &cnn_cpu_conv_winograd, 2, 3, 7, 64, 32);
    one_init(&dirty, &cnn_cpu_conv_winograd, 2, 3, 7, 64, 32);
    memset(dirty.scratch, 0xff, dirty.plan->scratch_bytes);
    one_run(&clean);
    one_run(&dirty);
    assert_memory_equal(clean.out, dirty.out, clean.n_out * sizeof(float));
    assert_memory_equal(clean.d_in, dirty.d_in, clean.n_in * sizeof(float));
    assert_memory_equal(clean.plain, dirty.plain, clean.n_weights * sizeof(float));
    one_finish(&clean);
    one_finish(&dirty);
}

static void shapes_it_is_made_for(void **state) {
    (void)state;
    skip_without_kernels();
    struct cnn_node node;
    const int block = cnn_simd_block();
    struct cnn_kernel_desc desc = desc_of(&node, 2, 7, 64, 64, block);
    assert_true(cnn_conv_winograd_fits(&desc));
    desc.in[0].n = 1; // whatever the batch
    assert_true(cnn_conv_winograd_fits(&desc));
    desc.from_pixels = true;
    assert_false(cnn_conv_winograd_fits(&desc));
    desc = desc_of(&node, 2, 2, 64, 64, block); // a quarter of a tile
    assert_false(cnn_conv_winograd_fits(&desc));
    desc = desc_of(&node, 2, 8, 3, 64, block);
    assert_false(cnn_conv_winograd_fits(&desc));
    for (int change = 0; change < 4; change++) {
        desc = desc_of(&node, 2, 8, 64, 64, block);
        node.conv.stride[1] = change == 0 ? 2 : 1;
        node.conv.dilation[0] = change == 1 ? 2 : 1;
        node.conv.groups = change == 2 ? 2 : 1;
        node.conv.kernel[0] = change == 3 ? 1 : 3;
        assert_false(cnn_conv_winograd_fits(&desc));
    }
}

// ---- blocks of 16 channels, which oneDNN does not give on a processor without AVX-512

extern const struct cnn_winograd_kernels winograd_wide, winograd_wide_bf16;

enum { WIDE = 16, CHANNELS = 32, SIDE = 9, SAMPLES = 2 };

static size_t wide_at(int n, int c, int y, int x) {
    return ((((size_t)n * (CHANNELS / WIDE) + (size_t)(c / WIDE)) * SIDE + (size_t)y) * SIDE + (size_t)x) *
               WIDE +
           (size_t)(c % WIDE);
}
static size_t tap_at(int k, int c, int tap) {
    return (((size_t)(k / WIDE) * CHANNELS + (size_t)c) * 9 + (size_t)tap) * WIDE + (size_t)(k % WIDE);
}

enum role { OUT, D_IN, D_WEIGHTS };

// Every product of the convolution, added to where `role` wants it: result[...] += a[...] * b[...].
static void plain_products(double *result, const float *in, const float *out, const float *weights,
                           enum role role) {
    for (int n = 0; n < SAMPLES; n++)
        for (int k = 0; k < CHANNELS; k++)
            for (int c = 0; c < CHANNELS; c++)
                for (int i = 0; i < SIDE * SIDE * 9; i++) {
                    const int tap = i % 9, y = i / 9 / SIDE, x = i / 9 % SIDE;
                    const int in_y = y + tap / 3 - 1, in_x = x + tap % 3 - 1;
                    if (in_y < 0 || in_y >= SIDE || in_x < 0 || in_x >= SIDE)
                        continue;
                    const size_t a = wide_at(n, c, in_y, in_x), o = wide_at(n, k, y, x),
                                 w = tap_at(k, c, tap);
                    if (role == OUT)
                        result[o] += (double)in[a] * (double)weights[w];
                    else if (role == D_IN)
                        result[a] += (double)out[o] * (double)weights[w];
                    else
                        result[w] += (double)in[a] * (double)out[o];
                }
}

enum { PIXELS = SAMPLES * CHANNELS * SIDE * SIDE, TAPS = CHANNELS * CHANNELS * 9 };

// Within a few roundings of floats, and of the largest value's last bit where values are rounded to bf16 at
// the end.
static void expect_plain(const float *got, const double *want, size_t n, enum cnn_type type) {
    double most = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        note_difference(&most, fabs((double)got[i] - want[i]));
        largest = fmax(largest, fabs(want[i]));
    }
    assert_true(most / largest < (type == CNN_TYPE_BF16 ? 1.0 / 256 : 3e-6));
}

// Values of `type` in memory of their own, from floats that become what it holds.
static void *pack(struct cnn_backend *backend, enum cnn_type type, float *values) {
    void *packed = zeros(backend, PIXELS);
    if (type == CNN_TYPE_BF16)
        cnn_bf16_round(values, PIXELS);
    cnn_cpu_write(packed, type, 0, values, PIXELS);
    return packed;
}

static void check_wide(struct cnn_backend *backend, const struct cnn_winograd_kernels *kernels) {
    const enum cnn_type type = kernels->type;
    const struct cnn_tensor t = {SAMPLES, SIDE, SIDE, CHANNELS, WIDE, type};
    const struct cnn_winograd_finish plain = {0};
    const int padding[2] = {1, 1};
    struct cnn_winograd sums, correlation;
    cnn_winograd_plan_sums(&sums, kernels, &t, &t, padding, 2);
    cnn_winograd_plan_correlation(&correlation, kernels, &t, &t, padding, 2);
    float *in = drawn(backend, PIXELS, 1), *out = drawn(backend, PIXELS, 2),
          *weights = drawn(backend, TAPS, 3), *result = zeros(backend, PIXELS),
          *buffer = zeros(backend, PIXELS), *taps = zeros(backend, TAPS),
          *scratch = zeros(backend,
                           cnn_winograd_sums_scratch(&sums) + cnn_winograd_correlation_scratch(&correlation));
    void *in_packed = pack(backend, type, in), *out_packed = pack(backend, type, out);
    double *want = calloc(PIXELS + TAPS, sizeof *want);
    assert_non_null(want);
    cnn_winograd_sums(&sums, result, in_packed, weights, false, &plain, scratch);
    plain_products(want, in, out, weights, OUT);
    expect_plain(cnn_cpu_read(buffer, result, type, 0, PIXELS), want, PIXELS, type);
    memset(want, 0, PIXELS * sizeof *want);
    cnn_winograd_sums(&sums, result, out_packed, weights, true, &plain, scratch);
    plain_products(want, in, out, weights, D_IN);
    expect_plain(cnn_cpu_read(buffer, result, type, 0, PIXELS), want, PIXELS, type);
    memset(want, 0, PIXELS * sizeof *want);
    cnn_winograd_correlation(&correlation, taps, in_packed, out_packed, false, scratch);
    plain_products(want, in, out, weights, D_WEIGHTS);
    expect_plain(taps, want, TAPS, CNN_TYPE_F32); // gradients of weights are floats
    free(want);
    void *memory[] = {in, out, weights, result, buffer, taps, scratch, in_packed, out_packed};
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
        cnn_backend_free(backend, memory[i]);
}

static void blocks_of_16_channels(void **state) {
    (void)state;
    skip_without_kernels();
    const struct cnn_backend_options options = {.threads = 2, .precision = CNN_PRECISION_FP32};
    struct cnn_backend *backend = NULL;
    assert_int_equal(cnn_backend_create(&backend, CNN_BACKEND_CPU, &options), CNN_OK);
    check_wide(backend, &winograd_wide);
    check_wide(backend, &winograd_wide_bf16);
    cnn_backend_destroy(backend);
}

// In bf16 the same shapes, unless the layer ends the network, whose result is floats.
static void tensors_of_bf16(void **state) {
    (void)state;
    if (!cnn_winograd_kernels(16, CNN_TYPE_BF16) || cnn_onednn_has_amx())
        skip();
    struct cnn_node node;
    struct cnn_kernel_desc desc = desc_of(&node, 2, 7, 64, 64, 16);
    desc.in[0].type = desc.out_type = CNN_TYPE_BF16;
    assert_true(cnn_conv_winograd_fits(&desc));
    desc.out_type = CNN_TYPE_F32;
    assert_false(cnn_conv_winograd_fits(&desc));
    assert_null(cnn_winograd_kernels(8, CNN_TYPE_BF16));
    assert_null(cnn_winograd_kernels(16, CNN_TYPE_F16));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_those_of_direct_sums),
        cmocka_unit_test(outputs_do_not_depend_on_threads),
        cmocka_unit_test(gradients_are_masked),
        cmocka_unit_test(scratch_may_hold_anything),
        cmocka_unit_test(shapes_it_is_made_for),
        cmocka_unit_test(blocks_of_16_channels),
        cmocka_unit_test(tensors_of_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
