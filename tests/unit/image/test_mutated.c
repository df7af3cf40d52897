// Ten thousand damaged JPEGs: decoded or refused with a reason, the same way twice, and never worse. Damage
// is drawn: changed bytes and bits, missing ends, parts left out or said twice.
#include "image/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 10000, MOST_PIXELS = 1 << 20, SIDE = 24 };

struct bytes {
    uint8_t *data;
    size_t n;
};

// A picture with something in it, so that its JPEG has all kinds of codes.
static struct bytes draw_jpeg(int h, int w, int c, int quality) {
    struct bytes out = {0};
    uint8_t *pixels = malloc((size_t)(h * w * c));
    struct cnn_draws draws = cnn_draws_of(2, CNN_PURPOSE_TEST, 0, (uint64_t)(h * w * c));
    assert_non_null(pixels);
    for (int i = 0; i < h * w * c; i++)
        pixels[i] = (uint8_t)(i / c % w * 5 + i / c / w * 3 + (int)cnn_draw_below(&draws, 40));
    assert_int_equal(cnn_image_encode_jpeg(&out.data, &out.n, pixels, h, w, c, quality), CNN_OK);
    free(pixels);
    return out;
}

static void overwrite(struct bytes *b, struct cnn_draws *draws) {
    for (uint32_t k = 1 + cnn_draw_below(draws, 8); k > 0; k--) {
        uint8_t *byte = &b->data[cnn_draw_below(draws, (uint32_t)b->n)];
        const uint32_t how = cnn_draw_below(draws, 3);
        *byte = how == 0   ? (uint8_t)(*byte ^ 1u << cnn_draw_below(draws, 8))
                : how == 1 ? 0xff
                           : (uint8_t)cnn_draw_u32(draws);
    }
}

// Moves the bytes behind `from` to `to`; what lies between is left out, or stays and is there twice.
static void splice(struct bytes *b, struct cnn_draws *draws) {
    const size_t from = cnn_draw_below(draws, (uint32_t)b->n), to = cnn_draw_below(draws, (uint32_t)b->n);
    memmove(b->data + to, b->data + from, b->n - from);
    b->n = to + (b->n - from);
}

// Room is twice the bytes.
static struct bytes damaged(const struct bytes *whole, struct cnn_draws *draws) {
    struct bytes b = {malloc(2 * whole->n), whole->n};
    assert_non_null(b.data);
    memcpy(b.data, whole->data, whole->n);
    switch (cnn_draw_below(draws, 4)) {
    case 0:
        b.n = cnn_draw_below(draws, (uint32_t)b.n);
        break;
    case 1:
        splice(&b, draws);
        break;
    default:
        overwrite(&b, draws);
    }
    return b;
}

static void expect_reason(enum cnn_status status) {
    assert_true(status == CNN_OK || status == CNN_ERR_INPUT || status == CNN_ERR_UNSUPPORTED);
    assert_true(status == CNN_OK || cnn_error_message()[0] != '\0');
}

// Whether it decodes; what does is augmented too.
static bool try_one(const struct bytes *b, const struct cnn_policy *policy,
                    struct cnn_image_scratch *scratch) {
    struct cnn_image_info probed, info;
    uint8_t *pixels = NULL, once[SIDE * SIDE * 3], again[SIDE * SIDE * 3];
    const struct cnn_draws draws = cnn_draws_of(1, CNN_PURPOSE_TEST, 0, 7);
    enum cnn_status status = cnn_image_probe(&probed, b->data, b->n);
    expect_reason(status);
    if (status != CNN_OK || (int64_t)probed.h * probed.w > MOST_PIXELS)
        return false;
    status = cnn_image_decode(&pixels, &info, b->data, b->n, 3);
    expect_reason(status);
    free(pixels);
    const enum cnn_status first = cnn_policy_apply(policy, once, 3, b->data, b->n, NULL, draws, scratch);
    const enum cnn_status second = cnn_policy_apply(policy, again, 3, b->data, b->n, NULL, draws, scratch);
    assert_int_equal(first, second);
    assert_true(first == CNN_OK || status != CNN_OK); // a part of what decodes whole, decodes
    assert_true(first != CNN_OK || memcmp(once, again, sizeof once) == 0);
    return status == CNN_OK;
}

static void damage_is_survived(void **state) {
    struct bytes whole[] = {draw_jpeg(40, 48, 3, 90), draw_jpeg(33, 65, 1, 75), draw_jpeg(17, 16, 3, 30)};
    struct cnn_augment_list list = {
        2,
        {{.kind = CNN_AUGMENT_RANDOM_RESIZED_CROP, .args = {{SIDE}, {0.1, 1}, {0.75, 1.3333}}},
         {.kind = CNN_AUGMENT_FLIP_HORIZONTAL, .args = {{0.5}}}}};
    struct cnn_policy *policy = NULL;
    struct cnn_image_scratch scratch = {0};
    int decoded = 0;
    (void)state;
    assert_int_equal(cnn_policy_create(&policy, &list, false, 0, 0), CNN_OK);
    for (uint64_t i = 0; i < N; i++) {
        struct cnn_draws draws = cnn_draws_of(3, CNN_PURPOSE_TEST, 1, i);
        struct bytes b = damaged(&whole[i % 3], &draws);
        decoded += try_one(&b, policy, &scratch);
        free(b.data);
    }
    printf("%d of %d damaged pictures still decode\n", decoded, N);
    assert_in_range(decoded, N / 20, N * 19 / 20); // damage of both kinds
    cnn_image_scratch_finish(&scratch);
    cnn_policy_destroy(policy);
    for (int i = 0; i < 3; i++)
        free(whole[i].data);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(damage_is_survived)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
