#include "base/random.h"

#include "base/clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void philox_known_answers(void **state) {
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t out[4];
        cnn_philox4x32(cases[i].counter, cases[i].key, out);
        assert_memory_equal(out, cases[i].out, sizeof out);
    }
}

static uint32_t first(uint64_t seed, enum cnn_purpose purpose, uint64_t a, uint64_t b) {
    struct cnn_draws draws = cnn_draws_of(seed, purpose, a, b);
    return cnn_draw_u32(&draws);
}

static void draws_depend_on_every_argument_and_nothing_else(void **state) {
    uint32_t base = first(1, CNN_PURPOSE_TEST, 2, 3);
    assert_int_equal(base, first(1, CNN_PURPOSE_TEST, 2, 3));
    assert_int_not_equal(base, first(2, CNN_PURPOSE_TEST, 2, 3));
    assert_int_not_equal(base, first(1ull << 32 | 1, CNN_PURPOSE_TEST, 2, 3));
    assert_int_not_equal(base, first(1, CNN_PURPOSE_INIT, 2, 3));
    assert_int_not_equal(base, first(1, CNN_PURPOSE_TEST, 3, 3));
    assert_int_not_equal(base, first(1, CNN_PURPOSE_TEST, 1 << 23 | 2, 3));
    assert_int_not_equal(base, first(1, CNN_PURPOSE_TEST, 2, 4));
    assert_int_not_equal(base, first(1, CNN_PURPOSE_TEST, 2, 1ull << 32 | 3));
}

static void the_sequence_never_repeats_a_block(void **state) {
    struct cnn_draws draws = cnn_draws_of(9, CNN_PURPOSE_TEST, 0, 0);
    uint32_t seen[64];
    for (int i = 0; i < 64; i++) {
        seen[i] = cnn_draw_u32(&draws);
        for (int j = 0; j < i; j++)
            assert_int_not_equal(seen[i], seen[j]);
    }
}

static void copies_continue_alike(void **state) {
    struct cnn_draws draws = cnn_draws_of(4, CNN_PURPOSE_TEST, 5, 6);
    cnn_draw_normal(&draws); // leaves a spare behind
    struct cnn_draws copy = draws;
    for (int i = 0; i < 10; i++)
        assert_true(cnn_draw_normal(&draws) == cnn_draw_normal(&copy));
}

static void uniform_is_uniform(void **state) {
    struct cnn_draws draws = cnn_draws_of(1, CNN_PURPOSE_TEST, 0, 0);
    enum { N = 200000, BINS = 64 };
    int count[BINS] = {0};
    for (int i = 0; i < N; i++) {
        double x = cnn_draw_uniform(&draws);
        assert_true(x >= 0 && x < 1);
        count[(int)(x * BINS)]++;
    }
    double chi2 = 0, expected = (double)N / BINS;
    for (int i = 0; i < BINS; i++)
        chi2 += (count[i] - expected) * (count[i] - expected) / expected;
    assert_true(chi2 < 120 && chi2 > 25); // 63 degrees of freedom
}

static void between_stays_between(void **state) {
    struct cnn_draws draws = cnn_draws_of(2, CNN_PURPOSE_TEST, 0, 0);
    double least = 10, most = -10;
    for (int i = 0; i < 100000; i++) {
        double x = cnn_draw_between(&draws, -2, 3);
        assert_true(x >= -2 && x < 3);
        least = fmin(least, x);
        most = fmax(most, x);
        double top = cnn_draw_between(&draws, 1, 1 + 0x1p-52); // every other draw would round up to hi
        assert_true(top == 1);
    }
    assert_true(least < -1.99 && most > 2.99);
    assert_true(cnn_draw_between(&draws, 5, 5) == 5);
}

static void below_is_unbiased(void **state) {
    struct cnn_draws draws = cnn_draws_of(3, CNN_PURPOSE_TEST, 0, 0);
    int count[3] = {0};
    for (int i = 0; i < 90000; i++) {
        // With a plain modulo the lowest third of 3 * 2^30 would come up twice as often.
        uint32_t x = cnn_draw_below(&draws, 3u << 30);
        assert_true(x < 3u << 30);
        count[x >> 30]++;
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(count[i], 29300, 30700);
    for (int i = 0; i < 100; i++)
        assert_int_equal(cnn_draw_below(&draws, 1), 0);
}

static void normal_has_the_right_moments(void **state) {
    struct cnn_draws draws = cnn_draws_of(4, CNN_PURPOSE_TEST, 0, 0);
    enum { N = 400000 };
    double sum = 0, squares = 0, fourth = 0, lag = 0, last = 0;
    for (int i = 0; i < N; i++) {
        double x = cnn_draw_normal(&draws);
        assert_true(isfinite(x));
        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
        lag += x * last;
        last = x;
    }
    assert_true(fabs(sum / N) < 0.008);
    assert_true(fabs(squares / N - 1) < 0.012);
    assert_true(fabs(fourth / N - 3) < 0.08);
    assert_true(fabs(lag / N) < 0.008);
}

static void assert_bijection(uint64_t n, uint64_t a) {
    char *hit = calloc(n, 1);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t to = cnn_permute(7, CNN_PURPOSE_ORDER, a, n, i);
        assert_true(to < n);
        assert_false(hit[to]);
        hit[to] = 1;
    }
    free(hit);
}

static void permute_is_a_bijection(void **state) {
    for (uint64_t n = 1; n <= 300; n++)
        assert_bijection(n, n % 3);
    static const uint64_t sizes[] = {1021, 1023,  1024,  1025,  4095,  4096,  4097,
                                     9973, 16383, 16384, 16385, 60000, 65537, 99991};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_bijection(sizes[i], i);
}

static void permute_works_at_the_edges_of_64_bits(void **state) {
    static const uint64_t sizes[] = {UINT32_MAX, 1ull << 32, (1ull << 62) + 1, 1ull << 63, UINT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (uint64_t j = 0; j < 100; j++) {
            assert_true(cnn_permute(1, CNN_PURPOSE_ORDER, 0, sizes[i], j) < sizes[i]);
            assert_true(cnn_permute(1, CNN_PURPOSE_ORDER, 0, sizes[i], sizes[i] - 1 - j) < sizes[i]);
        }
}

// Over many keys, element i lands everywhere equally often, and so does the pair of two neighbours.
static void permute_is_uniform_for(uint64_t n) {
    enum { KEYS = 6000 };
    int(*single)[16] = calloc(16, sizeof *single), (*pair)[16] = calloc(16, sizeof *pair);
    for (uint64_t key = 0; key < KEYS; key++) {
        for (uint64_t i = 0; i < n; i++)
            single[i][cnn_permute(11, CNN_PURPOSE_ORDER, key, n, i)]++;
        pair[cnn_permute(11, CNN_PURPOSE_ORDER, key, n, 0)][cnn_permute(11, CNN_PURPOSE_ORDER, key, n, 1)]++;
    }
    double chi2 = 0, expected = (double)KEYS / (double)n, pair_chi2 = 0,
           pair_expected = KEYS / (double)(n * (n - 1));
    for (uint64_t i = 0; i < n; i++)
        for (uint64_t j = 0; j < n; j++) {
            chi2 += (single[i][j] - expected) * (single[i][j] - expected) / expected;
            if (i != j)
                pair_chi2 += (pair[i][j] - pair_expected) * (pair[i][j] - pair_expected) / pair_expected;
        }
    double degrees = (double)((n - 1) * (n - 1)), pair_degrees = (double)(n * (n - 1) - 1);
    assert_true(chi2 < degrees + 5 * sqrt(2 * degrees) + 5);
    assert_true(pair_chi2 < pair_degrees + 5 * sqrt(2 * pair_degrees) + 5);
    free(single);
    free(pair);
}

static void permute_is_uniform(void **state) {
    for (uint64_t n = 2; n <= 16; n++)
        permute_is_uniform_for(n);
}

// All 24 orders of four elements come up equally often.
static void permute_reaches_every_order(void **state) {
    enum { KEYS = 24000 };
    int count[256] = {0}, orders = 0;
    for (uint64_t key = 0; key < KEYS; key++) {
        unsigned order = 0;
        for (uint64_t i = 0; i < 4; i++)
            order = order << 2 | (unsigned)cnn_permute(5, CNN_PURPOSE_SPLIT, key, 4, i);
        count[order]++;
    }
    for (int i = 0; i < 256; i++)
        if (count[i]) {
            orders++;
            assert_in_range(count[i], 840, 1160);
        }
    assert_int_equal(orders, 24);
}

// A large permutation looks like one: neighbours land as far apart as independent places would, and the ranks
// of i and its place are uncorrelated.
static void permute_breaks_up_neighbourhoods(void **state) {
    enum { N = 50000 };
    double near = 0, fixed = 0, product = 0, last = 0;
    for (uint64_t i = 0; i < N; i++) {
        double to = (double)cnn_permute(3, CNN_PURPOSE_ORDER, 1, N, i);
        near += i > 0 && fabs(to - last) < N / 100;
        fixed += to == (double)i;
        product += (to / N - 0.5) * ((double)i / N - 0.5);
        last = to;
    }
    assert_in_range((int)near, 850, 1140); // 1 - 0.99^2 of N
    assert_true(fixed < 10);
    assert_true(fabs(product / N * 12) < 0.02);
}

static void epochs_and_seeds_give_other_orders(void **state) {
    int same_epoch = 0, same_seed = 0, same_size = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t to = cnn_permute(1, CNN_PURPOSE_ORDER, 0, 1000, i);
        same_epoch += to == cnn_permute(1, CNN_PURPOSE_ORDER, 1, 1000, i);
        same_seed += to == cnn_permute(2, CNN_PURPOSE_ORDER, 0, 1000, i);
        same_size += to == cnn_permute(1, CNN_PURPOSE_ORDER, 0, 1001, i);
    }
    assert_true(same_epoch < 8 && same_seed < 8 && same_size < 8);
}

static void permute_is_quick(void **state) {
    double best = 1;
    for (int attempt = 0; attempt < 5; attempt++) {
        double begin = cnn_clock_s();
        volatile uint64_t sum = 0;
        for (uint64_t i = 0; i < 20000; i++)
            sum += cnn_permute(1, CNN_PURPOSE_ORDER, 0, 1281167, i);
        best = fmin(best, (cnn_clock_s() - begin) / 20000);
    }
    assert_true(best < 3e-6); // 0.2 us in a release build; slack for sanitizers and busy machines
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(draws_depend_on_every_argument_and_nothing_else),
        cmocka_unit_test(the_sequence_never_repeats_a_block),
        cmocka_unit_test(copies_continue_alike),
        cmocka_unit_test(uniform_is_uniform),
        cmocka_unit_test(between_stays_between),
        cmocka_unit_test(below_is_unbiased),
        cmocka_unit_test(normal_has_the_right_moments),
        cmocka_unit_test(permute_is_a_bijection),
        cmocka_unit_test(permute_works_at_the_edges_of_64_bits),
        cmocka_unit_test(permute_is_uniform),
        cmocka_unit_test(permute_reaches_every_order),
        cmocka_unit_test(permute_breaks_up_neighbourhoods),
        cmocka_unit_test(epochs_and_seeds_give_other_orders),
        cmocka_unit_test(permute_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
