// The inner loops of every instruction set this processor has, against plain loops in double and against each
// other: both block sizes, odd numbers of pixels, and lengths that leave a rest.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/simd.h"
#include "base/random.h"
#include <math.h>

static const struct cnn_simd *tables[3];
static int n_tables;

static void find_tables(void) {
    tables[n_tables++] = &cnn_simd_baseline;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        tables[n_tables++] = &cnn_simd_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        tables[n_tables++] = &cnn_simd_avx512;
}

// Allocated to the byte, so that a sanitizer sees a loop that goes too far.
static float *drawn(size_t n, uint64_t key) {
    float *values = malloc(n * sizeof *values);
    struct cnn_draws draws = cnn_draws_of(5, CNN_PURPOSE_TEST, key, n);
    assert_non_null(values);
    for (size_t i = 0; i < n; i++)
        values[i] = (float)cnn_draw_normal(&draws);
    return values;
}

static float *copy_of(const float *values, size_t n) {
    float *copy = malloc(n * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, values, n * sizeof *copy);
    return copy;
}

static void near(const char *table, const char *what, double got, double want, double size) {
    if (!(fabs(got - want) <= 3e-6 * size))
        fail_msg("%s: %s is %.9g instead of %.9g", table, what, got, want);
}

static const size_t pixel_counts[] = {1, 2, 3, 4, 5, 7, 9, 16, 33, 49, 1023, 1089, 3136};
#define N_PIXEL_COUNTS (sizeof pixel_counts / sizeof *pixel_counts)
static const int blocks[] = {8, 16};

// A block's coefficients: 16 floats, those of a block of 8 twice.
static void coefficients(float out[CNN_LANES], int block, uint64_t key) {
    float *values = drawn(16, key);
    for (int l = 0; l < CNN_LANES; l++)
        out[l] = values[l % block];
    free(values);
}

typedef void (*block_check)(const struct cnn_simd *simd, size_t pixels, int block);

static void on_every_block(block_check check) {
    for (int t = 0; t < n_tables; t++)
        for (size_t i = 0; i < N_PIXEL_COUNTS; i++)
            for (int b = 0; b < 2; b++)
                check(tables[t], pixel_counts[i], blocks[b]);
}

static void check_moments(const struct cnn_simd *simd, size_t pixels, int block) {
    const size_t n = pixels * (size_t)block;
    float *x = drawn(n, 1);
    double mean[CNN_LANES], m2[CNN_LANES];
    for (size_t i = 0; i < n; i++)
        x[i] += 4;
    simd->moments(x, pixels, block, mean, m2);
    for (int l = 0; l < block; l++) {
        double sum = 0, squares = 0;
        for (size_t i = (size_t)l; i < n; i += (size_t)block)
            sum += (double)x[i];
        sum /= (double)pixels;
        for (size_t i = (size_t)l; i < n; i += (size_t)block)
            squares += ((double)x[i] - sum) * ((double)x[i] - sum);
        near(simd->name, "mean", mean[l], sum, 1);
        near(simd->name, "sum of squared deviations", m2[l], squares, (double)pixels);
    }
    free(x);
}

static void moments(void **state) {
    (void)state;
    on_every_block(check_moments);
}

static void moments_of_a_constant_are_exact(void **state) {
    (void)state;
    for (int t = 0; t < n_tables; t++) {
        float x[49 * 8];
        double mean[CNN_LANES], m2[CNN_LANES];
        for (size_t i = 0; i < 49 * 8; i++)
            x[i] = 0.3f;
        tables[t]->moments(x, 49, 8, mean, m2);
        for (int l = 0; l < 8; l++)
            assert_true(mean[l] == (double)0.3f && m2[l] == 0);
    }
}

static void check_apply(const struct cnn_simd *simd, size_t pixels, int block) {
    const size_t n = pixels * (size_t)block;
    float *in = drawn(n, 1), *residual = drawn(n, 2), scale[CNN_LANES], shift[CNN_LANES];
    coefficients(scale, block, 3);
    coefficients(shift, block, 4);
    for (unsigned kind = 0; kind < 8; kind++) {
        const bool relu = kind & 1, add = kind & 2;
        float *out = kind & 4 ? copy_of(in, n) : drawn(n, 9); // also in place
        simd->norm_apply(out, kind & 4 ? out : in, add ? residual : NULL, scale, shift, n, relu);
        for (size_t i = 0; i < n; i++) {
            const size_t l = i % (size_t)block;
            const double sum =
                (double)in[i] * (double)scale[l] + (double)shift[l] + (add ? (double)residual[i] : 0);
            near(simd->name, "normalised value", (double)out[i], relu && sum < 0 ? 0 : sum, 5);
            assert_false(relu && out[i] < 0);
        }
        free(out);
    }
    free(in);
    free(residual);
}

static void norm_apply(void **state) {
    (void)state;
    on_every_block(check_apply);
}

static void norm_apply_lets_nan_through(void **state) {
    (void)state;
    const float in[8] = {NAN, 1, -1, 0, NAN, 2, -2, 3};
    float out[8], one[CNN_LANES], zero[CNN_LANES] = {0};
    for (int l = 0; l < CNN_LANES; l++)
        one[l] = 1;
    for (int t = 0; t < n_tables; t++) {
        tables[t]->norm_apply(out, in, NULL, one, zero, 8, true);
        assert_true(isnan(out[0]) && isnan(out[4]) && out[1] == 1 && out[2] == 0);
    }
}

struct grad_arrays {
    float *d0, *d1, *in, *out, scale[CNN_LANES], shift[CNN_LANES], mean[CNN_LANES];
};

// out is what the forward pass makes of in, so that both masks say the same.
static struct grad_arrays new_grad(const struct cnn_simd *simd, size_t n, int block) {
    struct grad_arrays a = {drawn(n, 1), drawn(n, 2), drawn(n, 3), drawn(n, 4), {0}, {0}, {0}};
    coefficients(a.scale, block, 5);
    coefficients(a.shift, block, 6);
    coefficients(a.mean, block, 7);
    for (size_t i = 0; i < n; i += 3) // rounding decides the sign of a third of them
        a.in[i] = -a.shift[i % (size_t)block] / a.scale[i % (size_t)block];
    simd->norm_apply(a.out, a.in, NULL, a.scale, a.shift, n, true);
    return a;
}

static void free_grad(struct grad_arrays *a) {
    free(a->d0);
    free(a->d1);
    free(a->in);
    free(a->out);
}

static double masked_gradient(const struct cnn_norm_grad *grad, const struct grad_arrays *a, size_t i) {
    const double g = (double)a->d0[i] + (grad->d1 ? (double)a->d1[i] : 0);
    return grad->mask != CNN_MASK_NONE && a->out[i] <= 0 ? 0 : g;
}

static void check_sums(const struct cnn_simd *simd, const struct cnn_norm_grad *grad,
                       const struct grad_arrays *a, size_t pixels, int block) {
    const size_t n = pixels * (size_t)block;
    double sum_g[CNN_LANES], sum_gx[CNN_LANES];
    float *g_out = drawn(n, 8), *before = copy_of(g_out, n);
    for (int write = 0; write < 2; write++) {
        simd->norm_grad_sums(grad, a->mean, write ? g_out : NULL, pixels, block, sum_g, sum_gx);
        for (int l = 0; l < block; l++) {
            double s = 0, sx = 0;
            for (size_t i = (size_t)l; i < n; i += (size_t)block) {
                const double g = masked_gradient(grad, a, i);
                s += g;
                sx += g * ((double)a->in[i] - (double)a->mean[l]);
            }
            near(simd->name, "sum of g", sum_g[l], s, 1 + sqrt((double)pixels));
            near(simd->name, "sum of g x", sum_gx[l], sx, 10 * (1 + sqrt((double)pixels)));
        }
        for (size_t i = 0; i < n; i++)
            near(simd->name, "g", (double)g_out[i], write ? masked_gradient(grad, a, i) : (double)before[i],
                 write ? 1 : 0);
    }
    free(g_out);
    free(before);
}

static void check_grad_apply(const struct cnn_simd *simd, struct cnn_norm_grad grad,
                             const struct grad_arrays *arrays, size_t pixels, int block) {
    const size_t n = pixels * (size_t)block;
    float a[CNN_LANES], b[CNN_LANES], c[CNN_LANES], *d_in = copy_of(arrays->d0, n);
    const struct cnn_norm_grad given = grad;
    coefficients(a, block, 11);
    coefficients(b, block, 12);
    coefficients(c, block, 13);
    grad.d0 = d_in; // in place, as the backend runs it
    simd->norm_grad_apply(d_in, &grad, a, b, c, n);
    for (size_t i = 0; i < n; i++) {
        const size_t l = i % (size_t)block;
        const double want = (double)a[l] * masked_gradient(&given, arrays, i) +
                            (double)b[l] * (double)arrays->in[i] + (double)c[l];
        near(simd->name, "gradient of the norm's input", (double)d_in[i], want, 10);
    }
    free(d_in);
}

static void check_grad(const struct cnn_simd *simd, size_t pixels, int block) {
    struct grad_arrays a = new_grad(simd, pixels * (size_t)block, block);
    for (int two = 0; two < 2; two++)
        for (int mask = CNN_MASK_NONE; mask <= CNN_MASK_BY_OUTPUT; mask++) {
            const struct cnn_norm_grad grad = {.d0 = a.d0,
                                               .d1 = two ? a.d1 : NULL,
                                               .in = a.in,
                                               .out = mask == CNN_MASK_BY_OUTPUT ? a.out : NULL,
                                               .scale = a.scale,
                                               .shift = a.shift,
                                               .mask = (enum cnn_mask)mask};
            check_sums(simd, &grad, &a, pixels, block);
            check_grad_apply(simd, grad, &a, pixels, block);
        }
    free_grad(&a);
}

static void norm_gradients(void **state) {
    (void)state;
    on_every_block(check_grad);
}

static const size_t lengths[] = {1, 2, 7, 8, 15, 16, 17, 63, 1000, 4099};

static void elementwise(void **state) {
    (void)state;
    for (int t = 0; t < n_tables; t++)
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
            const size_t n = lengths[k];
            float *a = drawn(n, 1), *b = drawn(n, 2), *out = drawn(n, 3), *sum = copy_of(a, n);
            tables[t]->relu(out, a, n);
            for (size_t i = 0; i < n; i++)
                assert_true(out[i] == (a[i] < 0 ? 0 : a[i]));
            tables[t]->relu_grad(out, b, out, n); // over its own mask
            for (size_t i = 0; i < n; i++)
                assert_true(out[i] == (a[i] <= 0 ? 0 : b[i]));
            tables[t]->add(sum, sum, b, n, false);
            for (size_t i = 0; i < n; i++)
                assert_true(sum[i] == a[i] + b[i]);
            tables[t]->add(out, a, b, n, true);
            for (size_t i = 0; i < n; i++)
                assert_true(out[i] == (a[i] + b[i] < 0 ? 0 : a[i] + b[i]));
            free(a);
            free(b);
            free(out);
            free(sum);
        }
}

static void updates(void **state) {
    (void)state;
    const struct cnn_sgd_factors f = {
        .rate = 0.1f, .momentum = 0.9f, .damped = 0.75f, .decay = 0.01f, .gradient_scale = 0.5f};
    for (int t = 0; t < n_tables; t++)
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++)
            for (int nesterov = 0; nesterov < 2; nesterov++) {
                const size_t n = lengths[k];
                float *w = drawn(n, 1), *v = drawn(n, 2), *g = drawn(n, 3), *w0 = copy_of(w, n),
                      *v0 = copy_of(v, n);
                (nesterov ? tables[t]->nesterov : tables[t]->sgd)(w, v, g, n, f);
                for (size_t i = 0; i < n; i++) {
                    const double step = 0.5 * (double)g[i] + (double)f.decay * (double)w0[i];
                    const double velocity = (double)f.momentum * (double)v0[i] + 0.75 * step;
                    const double move = nesterov ? step + (double)f.momentum * velocity : velocity;
                    near(tables[t]->name, "velocity", (double)v[i], velocity, 1);
                    near(tables[t]->name, "weight", (double)w[i], (double)w0[i] - (double)f.rate * move, 1);
                }
                free(w);
                free(v);
                free(g);
                free(w0);
                free(v0);
            }
}

static const struct cnn_window windows[] = {
    {.h = 1, .w = 1, .out_h = 1, .out_w = 1, .kernel = {1, 1}, .stride = {1, 1}},
    {.h = 7, .w = 5, .out_h = 3, .out_w = 2, .kernel = {2, 2}, .stride = {2, 2}},
    {.h = 9, .w = 9, .out_h = 5, .out_w = 5, .kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}},
    {.h = 6, .w = 7, .out_h = 6, .out_w = 7, .kernel = {3, 3}, .stride = {1, 1}, .padding = {1, 1}},
    {.h = 5, .w = 8, .out_h = 2, .out_w = 3, .kernel = {2, 3}, .stride = {3, 3}, .padding = {0, 1}},
    {.h = 16, .w = 16, .out_h = 1, .out_w = 1, .kernel = {16, 16}, .stride = {1, 1}},
};

// The winning position in the window of output (oy, ox), lane l.
static int winner(const float *in, const struct cnn_window *k, int block, int oy, int ox, int l) {
    int best = -1;
    float most = 0;
    for (int y = 0; y < k->kernel[0]; y++)
        for (int x = 0; x < k->kernel[1]; x++) {
            const int iy = oy * k->stride[0] - k->padding[0] + y, ix = ox * k->stride[1] - k->padding[1] + x;
            if (iy < 0 || ix < 0 || iy >= k->h || ix >= k->w)
                continue;
            const float v = in[(iy * k->w + ix) * block + l];
            if (best < 0 || v > most || isnan(v)) {
                best = y * k->kernel[1] + x;
                most = v;
            }
        }
    return best;
}

static void check_pool(const struct cnn_simd *simd, const struct cnn_window *k, int block, bool ties) {
    const size_t n_in = (size_t)(k->h * k->w * block), n_out = (size_t)(k->out_h * k->out_w * block);
    float *in = drawn(n_in, 1), *out = drawn(n_out, 2), *d_out = drawn(n_out, 3), *d_in = drawn(n_in, 4);
    uint8_t *argmax = malloc(n_out);
    double *want = calloc(n_in, sizeof *want);
    assert_true(argmax && want);
    for (size_t i = 0; ties && i < n_in; i++)
        in[i] = in[i] > 1.5f ? NAN : in[i] < -1 ? -INFINITY : roundf(in[i]);
    simd->max_pool(out, argmax, in, k, block);
    for (size_t i = 0; i < n_out; i++) {
        const int l = (int)i % block, ox = (int)i / block % k->out_w, oy = (int)i / block / k->out_w;
        const int at = winner(in, k, block, oy, ox, l);
        const int y = oy * k->stride[0] - k->padding[0] + at / k->kernel[1];
        const int x = ox * k->stride[1] - k->padding[1] + at % k->kernel[1];
        const float value = in[(y * k->w + x) * block + l];
        assert_int_equal(argmax[i], at);
        assert_memory_equal(&out[i], &value, sizeof value);
        want[(y * k->w + x) * block + l] += (double)d_out[i];
    }
    simd->max_pool_grad(d_in, d_out, argmax, k, block);
    for (size_t i = 0; i < n_in; i++)
        near(simd->name, "gradient of the pool's input", (double)d_in[i], want[i], 1);
    simd->max_pool(d_out, NULL, in, k, block); // inference keeps no positions
    assert_memory_equal(d_out, out, n_out * sizeof *out);
    free(in);
    free(out);
    free(d_out);
    free(d_in);
    free(argmax);
    free(want);
}

static void max_pools(void **state) {
    (void)state;
    for (int t = 0; t < n_tables; t++)
        for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
            for (int b = 0; b < 2; b++) {
                check_pool(tables[t], &windows[i], blocks[b], false);
                check_pool(tables[t], &windows[i], blocks[b], true);
            }
}

// Wider vectors hold the same lanes, so sums differ by contracted multiplications alone.
static void tables_agree(void **state) {
    (void)state;
    const size_t pixels = 3137;
    float *x = drawn(pixels * 16, 1);
    double mean[3][CNN_LANES], m2[3][CNN_LANES];
    for (int t = 0; t < n_tables; t++)
        tables[t]->moments(x, pixels, 16, mean[t], m2[t]);
    for (int t = 1; t < n_tables; t++)
        for (int l = 0; l < CNN_LANES; l++) {
            near(tables[t]->name, "mean, beside the baseline's,", mean[t][l], mean[0][l], 0.1);
            near(tables[t]->name, "variance, beside the baseline's,", m2[t][l] / (double)pixels,
                 m2[0][l] / (double)pixels, 0.1);
        }
    free(x);
}

static void the_best_is_one_of_them(void **state) {
    (void)state;
    assert_ptr_equal(cnn_simd_best(), tables[n_tables - 1]);
    const char *held_back = getenv("ONEDNN_MAX_CPU_ISA");
    const bool wide = tables[n_tables - 1] == &cnn_simd_avx512 && !held_back;
    if (!held_back)
        assert_int_equal(cnn_simd_block(), wide ? 16 : 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments),        cmocka_unit_test(moments_of_a_constant_are_exact),
        cmocka_unit_test(norm_apply),     cmocka_unit_test(norm_apply_lets_nan_through),
        cmocka_unit_test(norm_gradients), cmocka_unit_test(elementwise),
        cmocka_unit_test(updates),        cmocka_unit_test(max_pools),
        cmocka_unit_test(tables_agree),   cmocka_unit_test(the_best_is_one_of_them),
    };
    find_tables();
    for (int t = 0; t < n_tables; t++)
        fprintf(stderr, "instruction set: %s\n", tables[t]->name);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
