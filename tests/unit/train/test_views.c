// Test-time augmentation: the lists of the crops, mirrors, averages and scores.
#include "train/views.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void words(void **state) {
    enum cnn_tta tta;
    (void)state;
    assert_int_equal(cnn_tta_parse(&tta, "none"), CNN_OK);
    assert_true(tta == CNN_TTA_NONE && cnn_tta_crops(tta) == 1 && !cnn_tta_flips(tta));
    assert_int_equal(cnn_tta_parse(&tta, "flip"), CNN_OK);
    assert_true(cnn_tta_crops(tta) == 1 && cnn_tta_flips(tta));
    assert_int_equal(cnn_tta_parse(&tta, "five_crop"), CNN_OK);
    assert_true(cnn_tta_crops(tta) == 5 && !cnn_tta_flips(tta));
    assert_int_equal(cnn_tta_parse(&tta, "ten_crop"), CNN_OK);
    assert_true(cnn_tta_crops(tta) == 5 && cnn_tta_flips(tta));
    assert_int_equal(cnn_tta_parse(&tta, "tencrop"), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), "`tencrop`; allowed: none, flip, five_crop, ten_crop"));
}

static void crops_move_to_the_corners(void **state) {
    struct cnn_augment_list eval = {.n = 2}, moved;
    (void)state;
    eval.ops[0] = cnn_augment_default(CNN_AUGMENT_RESIZE);
    eval.ops[0].args[0][0] = 256;
    eval.ops[1] = cnn_augment_default(CNN_AUGMENT_CENTER_CROP);
    eval.ops[1].args[0][0] = 224;
    static const double at[5][2] = {{0.5, 0.5}, {0, 0}, {1, 0}, {0, 1}, {1, 1}};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(cnn_tta_list(&moved, &eval, CNN_TTA_TEN_CROP, i), CNN_OK);
        assert_int_equal(moved.n, 2);
        assert_memory_equal(&moved.ops[0], &eval.ops[0], sizeof moved.ops[0]);
        assert_int_equal(moved.ops[1].kind, CNN_AUGMENT_CROP);
        assert_true(moved.ops[1].args[0][0] == 224);
        assert_true(moved.ops[1].args[1][0] == at[i][0] && moved.ops[1].args[1][1] == at[i][1]);
    }
    assert_int_equal(cnn_tta_list(&moved, &eval, CNN_TTA_FLIP, 0), CNN_OK);
    assert_int_equal(moved.ops[1].kind, CNN_AUGMENT_CENTER_CROP);
    eval.n = 1;
    assert_int_equal(cnn_tta_list(&moved, &eval, CNN_TTA_FIVE_CROP, 0), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), "five_crop"));
}

static void mirrors(void **state) {
    uint8_t pixels[] = {1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16}; // 2 rows of 3 pixels of 2 channels
    static const uint8_t mirrored[] = {5, 6, 3, 4, 1, 2, 15, 16, 13, 14, 11, 12};
    (void)state;
    cnn_views_mirror(pixels, 1, 2, 3, 2);
    assert_memory_equal(pixels, mirrored, sizeof pixels);
    uint8_t gray[] = {1, 2, 3, 4}; // 2 pictures of 1 x 2
    cnn_views_mirror(gray, 2, 1, 2, 1);
    assert_memory_equal(gray, ((uint8_t[]){2, 1, 4, 3}), 4);
}

static void probabilities_are_averaged(void **state) {
    // softmax: (1/2, 1/4, 1/4) and (1/8, 1/8, 3/4); then (1/3, 1/3, 1/3) twice, where ties go to the lower
    // class
    const float first[6] = {logf(2), 0, 0, 5, 5, 5}, second[6] = {1000, 1000, 1000 + logf(6), 0, 0, 0};
    const uint64_t ids[2] = {70, 50};
    const int32_t labels[2] = {0, 1};
    struct cnn_view_scores scores = {0};
    struct cnn_view_sums sums;
    (void)state;
    assert_int_equal(cnn_view_sums_init(&sums, 2, 3), CNN_OK);
    cnn_view_sums_start(&sums);
    cnn_view_sums_add(&sums, ids, labels, first, 2);
    cnn_view_sums_add(&sums, ids, labels, second, 2);
    cnn_view_sums_complete(&sums, 2);
    const double *p = sums.sums;
    assert_true(fabs(p[0] - 0.625) < 1e-5 && fabs(p[2] - 1) < 1e-4 && fabs(p[4] - 2.0 / 3) < 1e-6);
    cnn_views_score(&scores, &sums, 2);
    assert_true(fabs(scores.loss - (-log(0.3125) - log(1.0 / 3))) < 1e-4);
    assert_true(scores.top1 == 0 && scores.top5 == 2 && scores.n == 2);
    sums.sums[0] = NAN;
    sums.n = 1;
    cnn_views_score(&scores, &sums, 2);
    assert_true(scores.top1 == 0 && scores.top5 == 2 && scores.n == 3);
    cnn_view_sums_finish(&sums);
}

// Five records; each view misses other ones. What belongs to one record is never added to another.
static void views_are_matched_by_id(void **state) {
    static const struct {
        int n;
        uint64_t ids[5];
    } views[] = {{4, {10, 30, 40, 50}}, {5, {10, 20, 30, 40, 50}}, {3, {10, 20, 50}}};
    struct cnn_view_scores scores = {0};
    struct cnn_view_sums sums;
    (void)state;
    assert_int_equal(cnn_view_sums_init(&sums, 5, 2), CNN_OK);
    for (int batch = 0; batch < 2; batch++) { // the second finds nothing of the first
        cnn_view_sums_start(&sums);
        for (int v = 0; v < 3; v++) {
            float logits[10];
            int32_t labels[5];
            for (int i = 0; i < views[v].n; i++) { // record 10 * k is of class k % 2, with probability 1
                labels[i] = (int32_t)(views[v].ids[i] / 10 % 2);
                logits[2 * i + labels[i]] = 100;
                logits[2 * i + 1 - labels[i]] = -100;
            }
            cnn_view_sums_add(&sums, views[v].ids, labels, logits, views[v].n);
        }
        cnn_view_sums_complete(&sums, 3);
        assert_int_equal(sums.n, 2); // 10 and 50 alone were in all of them
        assert_true(sums.ids[0] == 10 && sums.ids[1] == 50);
        assert_true(sums.labels[0] == 1 && sums.labels[1] == 1);
        for (int i = 0; i < 2; i++)
            assert_true(sums.sums[2 * i] < 1e-9 && fabs(sums.sums[2 * i + 1] - 3) < 1e-9);
        cnn_views_score(&scores, &sums, 3);
    }
    assert_true(scores.n == 4 && scores.top1 == 4);
    cnn_view_sums_finish(&sums);
}

// Datasets put together by hand may have an id twice: the records stay two.
static void an_id_may_occur_twice(void **state) {
    const uint64_t ids[3] = {7, 7, 8};
    const int32_t labels[3] = {0, 1, 0};
    const float logits[6] = {50, -50, -50, 50, 50, -50};
    struct cnn_view_sums sums;
    (void)state;
    assert_int_equal(cnn_view_sums_init(&sums, 3, 2), CNN_OK);
    cnn_view_sums_start(&sums);
    for (int v = 0; v < 5; v++)
        cnn_view_sums_add(&sums, ids, labels, logits, 3);
    cnn_view_sums_complete(&sums, 5);
    assert_int_equal(sums.n, 3);
    assert_memory_equal(sums.labels, labels, sizeof labels);
    assert_true(fabs(sums.sums[0] - 5) < 1e-9 && fabs(sums.sums[3] - 5) < 1e-9);
    cnn_view_sums_finish(&sums);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(crops_move_to_the_corners),
        cmocka_unit_test(mirrors),
        cmocka_unit_test(probabilities_are_averaged),
        cmocka_unit_test(views_are_matched_by_id),
        cmocka_unit_test(an_id_may_occur_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
