// Mixup and CutMix: every byte of a mixed batch, the weights of its labels, and their distribution.
#include "data/mix.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 5, H = 12, W = 10, C = 3, BYTES = H * W * C };

struct fixture {
    uint8_t before[N * BYTES], pixels[N * BYTES], spare[BYTES];
    int32_t labels[N], partners[N];
    float weights[N];
};

static struct cnn_mix_batch batch_of(struct fixture *f, int n) {
    for (int i = 0; i < N * BYTES; i++)
        f->before[i] = f->pixels[i] = (uint8_t)(i * 167 % 256);
    for (int i = 0; i < N; i++)
        f->labels[i] = 10 * i;
    return (struct cnn_mix_batch){f->pixels, n, H, W, C, f->labels, f->partners, f->weights};
}

static const uint8_t *picture(const struct fixture *f, int i) { return f->before + ((i + N) % N) * BYTES; }

static void expect_partners(const struct fixture *f) {
    for (int i = 0; i < N; i++) {
        assert_int_equal(f->partners[i], 10 * ((i + N - 1) % N));
        assert_true(f->weights[i] == f->weights[0]);
    }
}

static void mixup_blends_with_the_picture_before(void **state) {
    const struct cnn_mix mix = {.mixup = 0.4, .p = 1};
    struct fixture f;
    (void)state;
    for (uint64_t step = 0; step < 20; step++) {
        const struct cnn_mix_batch batch = batch_of(&f, N);
        cnn_mix_pictures(&mix, &batch, 1, 2, step, f.spare);
        expect_partners(&f);
        for (int i = 0; i < N * BYTES; i++) {
            const double w = (double)f.weights[0], own = picture(&f, i / BYTES)[i % BYTES],
                         other = picture(&f, i / BYTES - 1)[i % BYTES];
            assert_true(fabs(f.pixels[i] - (w * own + (1 - w) * other)) <= 0.51);
        }
    }
}

static void cutmix_pastes_a_box(void **state) {
    const struct cnn_mix mix = {.cutmix = 1, .p = 1};
    struct fixture f;
    int boxes = 0;
    (void)state;
    for (uint64_t step = 0; step < 50; step++) {
        const struct cnn_mix_batch batch = batch_of(&f, N);
        cnn_mix_pictures(&mix, &batch, 1, 2, step, f.spare);
        expect_partners(&f);
        const int area = (int)lround((1 - (double)f.weights[0]) * H * W);
        int y0 = H, x0 = W, y1 = -1, x1 = -1, pasted = 0;
        for (int at = 0; at < H * W; at++) {
            const uint8_t *own = picture(&f, 2) + at * C, *other = picture(&f, 1) + at * C;
            const uint8_t *is = f.pixels + 2 * BYTES + at * C;
            assert_true(memcmp(is, own, C) == 0 || memcmp(is, other, C) == 0);
            if (memcmp(is, own, C) == 0)
                continue;
            pasted++;
            y0 = at / W < y0 ? at / W : y0;
            y1 = at / W > y1 ? at / W : y1;
            x0 = at % W < x0 ? at % W : x0;
            x1 = at % W > x1 ? at % W : x1;
        }
        assert_int_equal(pasted, area);
        assert_int_equal(pasted, pasted ? (y1 - y0 + 1) * (x1 - x0 + 1) : 0);
        boxes += pasted > 0;
    }
    assert_true(boxes > 30);
}

// Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)).
static void weights_follow_beta(void **state) {
    static const double alphas[] = {0.2, 1, 4};
    enum { DRAWS = 20000 };
    uint8_t pixels[2] = {0, 255}, spare[1];
    int32_t labels[2] = {0, 1}, partners[2];
    float weights[2];
    (void)state;
    for (int a = 0; a < 3; a++) {
        const struct cnn_mix mix = {.mixup = alphas[a], .p = 1};
        const struct cnn_mix_batch batch = {pixels, 2, 1, 1, 1, labels, partners, weights};
        double sum = 0, squares = 0;
        for (uint64_t i = 0; i < DRAWS; i++) {
            cnn_mix_pictures(&mix, &batch, 5, 0, i, spare);
            assert_true(weights[0] >= 0 && weights[0] <= 1);
            sum += (double)weights[0];
            squares += ((double)weights[0] - 0.5) * ((double)weights[0] - 0.5);
        }
        assert_true(fabs(sum / DRAWS - 0.5) < 0.015);
        assert_true(fabs(squares / DRAWS * 4 * (2 * alphas[a] + 1) - 1) < 0.05);
    }
}

static void draws_are_keyed(void **state) {
    const struct cnn_mix mix = {.mixup = 1, .cutmix = 1, .p = 0.5};
    struct fixture a, b;
    int untouched = 0, differs = 0;
    (void)state;
    for (uint64_t step = 0; step < 200; step++) {
        const struct cnn_mix_batch one = batch_of(&a, N), two = batch_of(&b, N);
        cnn_mix_pictures(&mix, &one, 3, 1, step, a.spare);
        cnn_mix_pictures(&mix, &two, 3, 1, step, b.spare);
        assert_memory_equal(a.pixels, b.pixels, sizeof a.pixels);
        untouched += a.weights[0] == 1.0f && memcmp(a.pixels, a.before, sizeof a.pixels) == 0;
        const struct cnn_mix_batch other = batch_of(&b, N);
        cnn_mix_pictures(&mix, &other, 3, 2, step, b.spare);
        differs += a.weights[0] != b.weights[0];
    }
    assert_in_range(untouched, 70, 130);
    assert_true(differs > 100);
}

static void one_picture_stays_alone(void **state) {
    const struct cnn_mix mix = {.mixup = 1, .p = 1};
    struct fixture f;
    (void)state;
    const struct cnn_mix_batch batch = batch_of(&f, 1);
    cnn_mix_pictures(&mix, &batch, 1, 1, 1, f.spare);
    assert_memory_equal(f.pixels, f.before, sizeof f.pixels);
    assert_true(f.weights[0] == 1.0f && f.partners[0] == f.labels[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mixup_blends_with_the_picture_before),
        cmocka_unit_test(cutmix_pastes_a_box),
        cmocka_unit_test(weights_follow_beta),
        cmocka_unit_test(draws_are_keyed),
        cmocka_unit_test(one_picture_stays_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
