// The inner loops over bf16: the same as those over floats, on the same values, with results rounded once.
// And the rounding itself, against its definition.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/elements.h"
#include "backend/cpu/simd.h"
#include "base/random.h"
#include <math.h>

static const struct cnn_simd *tables[2], *floats;
static int n_tables;

static void find_tables(void) {
    const struct cnn_simd *best = cnn_simd_best_bf16();
    if (!best)
        return;
    floats = cnn_simd_best();
    tables[n_tables++] = &cnn_simd_avx512_bf16;
    if (best != tables[0])
        tables[n_tables++] = best;
}

static void need_tables(void) {
    if (!n_tables)
        skip();
}

// Values twice: as floats, and as bf16, which holds them exactly. Allocated to the byte, so that a sanitizer
// sees a loop that goes too far.
struct values {
    size_t n;
    float *wide;
    uint16_t *narrow;
};

static struct values drawn(size_t n, uint64_t key) {
    struct values v = {n, malloc(n * sizeof *v.wide), malloc(n * sizeof *v.narrow)};
    struct cnn_draws draws = cnn_draws_of(5, CNN_PURPOSE_TEST, key, n);
    assert_true(v.wide && v.narrow);
    for (size_t i = 0; i < n; i++) {
        v.narrow[i] = cnn_bf16_from_float((float)cnn_draw_normal(&draws));
        v.wide[i] = cnn_bf16_to_float(v.narrow[i]);
    }
    return v;
}

static void finish(struct values *v) {
    free(v->wide);
    free(v->narrow);
}

static void expect_rounded(const char *what, const struct cnn_simd *simd, const struct values *v) {
    for (size_t i = 0; i < v->n; i++)
        if (v->narrow[i] != cnn_bf16_from_float(v->wide[i]))
            fail_msg("%s: %s [%zu of %zu] is %.9g instead of %.9g, rounded", simd->name, what, i, v->n,
                     (double)cnn_bf16_to_float(v->narrow[i]), (double)v->wide[i]);
}

static void expect_equal(const char *what, const struct cnn_simd *simd, const double *got, const double *want,
                         int n) {
    for (int i = 0; i < n; i++)
        if (got[i] != want[i])
            fail_msg("%s: %s of channel %d is %.17g instead of %.17g", simd->name, what, i, got[i], want[i]);
}

static const size_t pixel_counts[] = {1, 2, 3, 4, 5, 7, 9, 16, 33, 49, 1023, 1089};
static const size_t lengths[] = {1, 2, 7, 8, 15, 16, 17, 63, 1000, 4099};
#define LENGTH(array) (sizeof(array) / sizeof *(array))

typedef void (*block_check)(const struct cnn_simd *simd, size_t pixels, int block);
static void on_every_block(block_check check) {
    need_tables();
    for (int t = 0; t < n_tables; t++)
        for (size_t i = 0; i < LENGTH(pixel_counts); i++)
            for (int block = 8; block <= 16; block += 8)
                check(tables[t], pixel_counts[i], block);
}

static void check_moments(const struct cnn_simd *simd, size_t pixels, int block) {
    struct values x = drawn(pixels * (size_t)block, 1);
    double mean[2][CNN_LANES], m2[2][CNN_LANES];
    simd->moments(x.narrow, pixels, block, mean[0], m2[0]);
    floats->moments(x.wide, pixels, block, mean[1], m2[1]);
    expect_equal("mean", simd, mean[0], mean[1], block);
    expect_equal("sum of squared deviations", simd, m2[0], m2[1], block);
    finish(&x);
}

static void moments(void **state) {
    (void)state;
    on_every_block(check_moments);
}

static void coefficients(float out[CNN_LANES], int block, uint64_t key) {
    struct values v = drawn(CNN_LANES, key);
    for (int l = 0; l < CNN_LANES; l++)
        out[l] = v.wide[l % block] + 0.001f; // floats that bf16 does not hold
    finish(&v);
}

static void check_apply(const struct cnn_simd *simd, size_t pixels, int block) {
    const size_t n = pixels * (size_t)block;
    struct values in = drawn(n, 1), residual = drawn(n, 2), out = drawn(n, 9);
    float scale[CNN_LANES], shift[CNN_LANES];
    coefficients(scale, block, 3);
    coefficients(shift, block, 4);
    for (unsigned kind = 0; kind < 4; kind++) {
        const bool relu = kind & 1, add = kind & 2;
        simd->norm_apply(out.narrow, in.narrow, add ? residual.narrow : NULL, scale, shift, n, relu);
        floats->norm_apply(out.wide, in.wide, add ? residual.wide : NULL, scale, shift, n, relu);
        expect_rounded("normalised value", simd, &out);
    }
    finish(&in);
    finish(&residual);
    finish(&out);
}

static void norm_apply(void **state) {
    (void)state;
    on_every_block(check_apply);
}

struct grad_arrays {
    struct values d0, d1, in, out;
    float scale[CNN_LANES], shift[CNN_LANES], mean[CNN_LANES];
};

static void check_masked(const struct cnn_simd *simd, const struct grad_arrays *a, bool two,
                         enum cnn_mask mask, size_t pixels, int block) {
    const size_t n = pixels * (size_t)block;
    const struct cnn_norm_grad narrow = {a->d0.narrow, two ? a->d1.narrow : NULL,
                                         a->in.narrow, a->out.narrow,
                                         a->scale,     a->shift,
                                         mask},
                               wide = {a->d0.wide, two ? a->d1.wide : NULL,
                                       a->in.wide, a->out.wide,
                                       a->scale,   a->shift,
                                       mask};
    struct values g = drawn(n, 8), d_in = drawn(n, 9);
    double sums[2][2][CNN_LANES];
    simd->norm_grad_sums(&narrow, a->mean, g.narrow, pixels, block, sums[0][0], sums[0][1]);
    floats->norm_grad_sums(&wide, a->mean, g.wide, pixels, block, sums[1][0], sums[1][1]);
    expect_equal("sum of g", simd, sums[0][0], sums[1][0], block);
    expect_equal("sum of g x", simd, sums[0][1], sums[1][1], block);
    expect_rounded("g", simd, &g);
    simd->norm_grad_apply(d_in.narrow, &narrow, a->scale, a->shift, a->mean, n);
    floats->norm_grad_apply(d_in.wide, &wide, a->scale, a->shift, a->mean, n);
    expect_rounded("gradient of the norm's input", simd, &d_in);
    finish(&g);
    finish(&d_in);
}

static void check_grad(const struct cnn_simd *simd, size_t pixels, int block) {
    const size_t n = pixels * (size_t)block;
    struct grad_arrays a = {drawn(n, 1), drawn(n, 2), drawn(n, 3), drawn(n, 4), {0}, {0}, {0}};
    coefficients(a.scale, block, 5);
    coefficients(a.shift, block, 6);
    coefficients(a.mean, block, 7);
    for (int two = 0; two < 2; two++)
        for (int mask = CNN_MASK_NONE; mask <= CNN_MASK_BY_OUTPUT; mask++)
            check_masked(simd, &a, two, (enum cnn_mask)mask, pixels, block);
    finish(&a.d0);
    finish(&a.d1);
    finish(&a.in);
    finish(&a.out);
}

static void norm_gradients(void **state) {
    (void)state;
    on_every_block(check_grad);
}

static void check_elementwise(const struct cnn_simd *simd, size_t n) {
    struct values a = drawn(n, 1), b = drawn(n, 2), out = drawn(n, 3);
    a.narrow[0] = 0x8000;
    a.wide[0] = -0.0f;
    simd->relu(out.narrow, a.narrow, n);
    floats->relu(out.wide, a.wide, n);
    expect_rounded("relu", simd, &out);
    simd->relu_grad(out.narrow, b.narrow, out.narrow, n); // over its own mask
    floats->relu_grad(out.wide, b.wide, out.wide, n);
    expect_rounded("relu's gradient", simd, &out);
    for (int relu = 0; relu < 2; relu++) {
        simd->add(out.narrow, a.narrow, b.narrow, n, relu);
        floats->add(out.wide, a.wide, b.wide, n, relu);
        expect_rounded("sum", simd, &out);
    }
    finish(&a);
    finish(&b);
    finish(&out);
}

static void elementwise(void **state) {
    (void)state;
    need_tables();
    for (int t = 0; t < n_tables; t++)
        for (size_t i = 0; i < LENGTH(lengths); i++)
            check_elementwise(tables[t], lengths[i]);
}

static const struct cnn_window windows[] = {
    {.h = 1, .w = 1, .out_h = 1, .out_w = 1, .kernel = {1, 1}, .stride = {1, 1}},
    {.h = 9, .w = 9, .out_h = 5, .out_w = 5, .kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}},
    {.h = 6, .w = 7, .out_h = 6, .out_w = 7, .kernel = {3, 3}, .stride = {1, 1}, .padding = {1, 1}},
    {.h = 5,
     .w = 8,
     .out_h = 2,
     .out_w = 3,
     .kernel = {2, 3},
     .stride = {3, 3},
     .padding = {0, 1},
     .positive = 1},
};

static void check_pool(const struct cnn_simd *simd, const struct cnn_window *k, int block) {
    const size_t n_in = (size_t)(k->h * k->w * block), n_out = (size_t)(k->out_h * k->out_w * block);
    struct values in = drawn(n_in, 1), out = drawn(n_out, 2), d_out = drawn(n_out, 3), d_in = drawn(n_in, 4);
    uint8_t *argmax = malloc(2 * n_out);
    assert_non_null(argmax);
    in.wide[0] = NAN;
    in.narrow[0] = 0x7fc0;
    simd->max_pool(out.narrow, argmax, in.narrow, k, block);
    floats->max_pool(out.wide, argmax + n_out, in.wide, k, block);
    expect_rounded("maximum", simd, &out);
    assert_memory_equal(argmax, argmax + n_out, n_out);
    simd->max_pool_grad(d_in.narrow, d_out.narrow, argmax, k, block);
    floats->max_pool_grad(d_in.wide, d_out.wide, argmax, k, block);
    expect_rounded("gradient of the pool's input", simd, &d_in);
    finish(&in);
    finish(&out);
    finish(&d_out);
    finish(&d_in);
    free(argmax);
}

static void max_pools(void **state) {
    (void)state;
    need_tables();
    for (int t = 0; t < n_tables; t++)
        for (size_t i = 0; i < LENGTH(windows); i++)
            for (int block = 8; block <= 16; block += 8)
                check_pool(tables[t], &windows[i], block);
}

static uint16_t narrowed(const struct cnn_simd *simd, uint32_t bits, size_t n, size_t at) {
    float *in = calloc(n, sizeof *in);
    uint16_t *out = calloc(n, sizeof *out);
    assert_true(in && out);
    memcpy(in + at, &bits, sizeof bits);
    simd->narrow(out, in, n);
    const uint16_t got = out[at];
    free(in);
    free(out);
    return got;
}

// Sign, exponent and 7 bits; ties go to even, the largest numbers to infinity.
static void rounding(void **state) {
    (void)state;
    need_tables();
    static const struct {
        uint32_t bits;
        uint16_t want;
    } pairs[] = {
        {0x00000000, 0x0000}, {0x80000000, 0x8000}, {0x3f800000, 0x3f80}, {0x3f808000, 0x3f80},
        {0x3f808001, 0x3f81}, {0x3f818000, 0x3f82}, {0x3f817fff, 0x3f81}, {0xbf818000, 0xbf82},
        {0x3fffffff, 0x4000}, {0x7f7f0000, 0x7f7f}, {0x7f7fffff, 0x7f80}, {0xff7fffff, 0xff80},
        {0x7f800000, 0x7f80}, {0xff800000, 0xff80}, {0x7fc00000, 0x7fc0}, {0x7f800001, 0x7fc0},
        {0xffffffff, 0xffff}, {0x00800000, 0x0080},
    };
    for (int t = 0; t < n_tables; t++)
        for (size_t i = 0; i < LENGTH(pairs); i++) {
            float value;
            memcpy(&value, &pairs[i].bits, sizeof value);
            assert_int_equal(cnn_bf16_from_float(value), pairs[i].want);
            assert_int_equal(narrowed(tables[t], pairs[i].bits, 16, i % 16), pairs[i].want);
            assert_int_equal(narrowed(tables[t], pairs[i].bits, 5, i % 5), pairs[i].want);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments),     cmocka_unit_test(norm_apply), cmocka_unit_test(norm_gradients),
        cmocka_unit_test(elementwise), cmocka_unit_test(max_pools),  cmocka_unit_test(rounding),
    };
    find_tables();
    for (int t = 0; t < n_tables; t++)
        fprintf(stderr, "instruction set: %s\n", tables[t]->name);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
