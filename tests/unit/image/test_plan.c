#include "picture.h"

#include <math.h>

static struct cnn_augment_list list_of(int n, const struct cnn_augment *ops) {
    struct cnn_augment_list list = {.n = n};
    memcpy(list.ops, ops, (size_t)n * sizeof *ops);
    return list;
}

static void check_resize(int h, int w, int side, int out_h, int out_w) {
    struct cnn_augment_list list =
        list_of(1, &(struct cnn_augment){.kind = CNN_AUGMENT_RESIZE, .args = {{side}}});
    struct cnn_plan plan;
    int got_h, got_w;
    assert_ok(draw_plan(&plan, &list, h, w, draws_of(0)));
    cnn_plan_output(&plan, &got_h, &got_w);
    assert_int_equal(got_h, out_h);
    assert_int_equal(got_w, out_w);
}

// The five places of a crop of 4 x 6 in a picture of 9 x 11.
static void crops_lie_where_they_are_told(void **state) {
    static const struct {
        double across, down;
        int y, x;
    } places[] = {{0, 0, 0, 0}, {1, 0, 0, 5}, {0, 1, 5, 0}, {1, 1, 5, 5}, {0.2, 0.4, 2, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const struct cnn_augment op = {.kind = CNN_AUGMENT_CROP,
                                       .args = {{4, 6}, {places[i].across, places[i].down}}};
        struct cnn_plan plan;
        cnn_plan_init(&plan, 9, 11);
        assert_int_equal(cnn_plan_add(&plan, &op, cnn_draws_of(1, CNN_PURPOSE_TEST, 0, 0)), CNN_OK);
        const struct cnn_rect window = plan.stages[plan.n - 1].window;
        assert_int_equal(window.y, places[i].y);
        assert_int_equal(window.x, places[i].x);
        assert_int_equal(window.h, 4);
        assert_int_equal(window.w, 6);
    }
}

// fit leaves a picture of its size alone; others are resized as little as will do and cut in the middle.
static void fit_covers_its_size(void **state) {
    static const struct {
        int h, w, size_h, size_w, stages, x, y, across, down;
    } cases[] = {
        {16, 48, 16, 48, 1, 0, 0, 0, 0},      {32, 96, 16, 48, 2, 0, 0, 48, 16},
        {300, 300, 16, 48, 2, 0, 16, 48, 48}, {100, 640, 16, 48, 2, 27, 0, 102, 16},
        {7, 5, 21, 10, 2, 2, 0, 15, 21},      {480, 640, 224, 224, 2, 37, 0, 298, 224},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct cnn_augment op = {.kind = CNN_AUGMENT_FIT, .args = {{cases[i].size_h, cases[i].size_w}}};
        struct cnn_plan plan;
        cnn_plan_init(&plan, cases[i].h, cases[i].w);
        assert_ok(cnn_plan_add(&plan, &op, draws_of(0)));
        const struct cnn_rect window = plan.stages[plan.n - 1].window;
        assert_int_equal(plan.n, cases[i].stages);
        assert_int_equal(window.h, cases[i].size_h);
        assert_int_equal(window.w, cases[i].size_w);
        assert_int_equal(window.x, cases[i].x);
        assert_int_equal(window.y, cases[i].y);
        if (plan.n > 1) {
            assert_int_equal(plan.stages[0].w, cases[i].across);
            assert_int_equal(plan.stages[0].h, cases[i].down);
        }
    }
}

static void check_center_crop(int h, int w, int size, int y, int x) {
    struct cnn_augment_list list =
        list_of(1, &(struct cnn_augment){.kind = CNN_AUGMENT_CENTER_CROP, .args = {{size}}});
    struct cnn_plan plan;
    assert_ok(draw_plan(&plan, &list, h, w, draws_of(0)));
    assert_int_equal(plan.n, 1);
    struct cnn_rect window = plan.stages[0].window;
    assert_int_equal(window.y, y);
    assert_int_equal(window.x, x);
    assert_true(window.w == size && window.h == size);
}

static void test_sizes_round_as_in_torchvision(void **state) {
    FILE *list = open_golden("sizes.txt");
    char op[32];
    int v[5], n = 0;
    for (; fscanf(list, "%31s %d %d %d %d %d", op, &v[0], &v[1], &v[2], &v[3], &v[4]) == 6; n++) {
        if (strcmp(op, "resize") == 0)
            check_resize(v[0], v[1], v[2], v[3], v[4]);
        else
            check_center_crop(v[0], v[1], v[2], v[3], v[4]);
    }
    assert_int_equal(n, 12 + 66);
    fclose(list);
}

static const struct cnn_augment RANDOM_RESIZED_CROP = {.kind = CNN_AUGMENT_RANDOM_RESIZED_CROP,
                                                       .args = {{16}, {0.08, 1}, {0.75, 4.0 / 3}}};

// Areas are uniform over the asked range and logarithms of ratios too, where the picture is square and few
// tries fail.
static void test_random_resized_crop_draws_what_it_says(void **state) {
    struct cnn_augment op = RANDOM_RESIZED_CROP;
    op.args[1][0] = 0.1, op.args[1][1] = 0.5;
    struct cnn_augment_list list = list_of(1, &op);
    enum { N = 20000, SIDE = 1000, BINS = 10 };
    int areas[BINS] = {0}, ratios[BINS] = {0}, columns[2] = {0};
    for (int i = 0; i < N; i++) {
        struct cnn_plan plan;
        assert_ok(draw_plan(&plan, &list, SIDE, SIDE, draws_of((uint64_t)i)));
        struct cnn_rect cut = plan.stages[0].window;
        assert_true(cnn_rect_contains((struct cnn_rect){0, 0, SIDE, SIDE}, cut));
        double area = (double)cut.w * cut.h / (SIDE * SIDE),
               ratio = log((double)cut.w / cut.h) / log(4.0 / 3);
        assert_true(area > 0.099 && area < 0.502);
        assert_true(ratio > -1.02 && ratio < 1.02);
        areas[(int)fmin(fmax((area - 0.1) / 0.4 * BINS, 0), BINS - 1)]++;
        ratios[(int)fmin(fmax((ratio + 1) / 2 * BINS, 0), BINS - 1)]++;
        columns[cut.x * 2 > SIDE - cut.w]++;
    }
    for (int b = 0; b < BINS; b++) { // 2000 expected; 5 deviations are 212
        assert_in_range(areas[b], 1780, 2220);
        assert_in_range(ratios[b], 1780, 2220);
    }
    assert_in_range(columns[1], N / 2 - 360, N / 2 + 360);
}

static void test_random_resized_crop_reaches_every_corner(void **state) {
    struct cnn_augment_list list = list_of(1, &RANDOM_RESIZED_CROP);
    bool left = false, right = false, top = false, bottom = false, whole = false;
    for (int i = 0; i < 3000; i++) {
        struct cnn_plan plan;
        assert_ok(draw_plan(&plan, &list, 20, 22, draws_of((uint64_t)i)));
        struct cnn_rect cut = plan.stages[0].window;
        assert_true(cnn_rect_contains((struct cnn_rect){0, 0, 22, 20}, cut));
        left |= cut.x == 0 && cut.w < 22;
        right |= cut.x + cut.w == 22 && cut.w < 22;
        top |= cut.y == 0 && cut.h < 20;
        bottom |= cut.y + cut.h == 20 && cut.h < 20;
        whole |= cut.w >= 20 && cut.h == 20;
    }
    assert_true(left && right && top && bottom && whole);
}

// No rectangle of the ratio fits: the largest that does, in the middle.
static void test_random_resized_crop_falls_back(void **state) {
    struct cnn_augment op = RANDOM_RESIZED_CROP;
    op.args[1][0] = op.args[1][1] = 1;
    struct cnn_augment_list list = list_of(1, &op);
    struct cnn_plan plan;
    assert_ok(draw_plan(&plan, &list, 10, 1000, draws_of(1)));
    struct cnn_rect cut = plan.stages[0].window;
    assert_true(cut.h == 10 && cut.w == 13 && cut.y == 0 && cut.x == 493);
    assert_ok(draw_plan(&plan, &list, 900, 30, draws_of(1)));
    cut = plan.stages[0].window;
    assert_true(cut.h == 40 && cut.w == 30 && cut.x == 0 && cut.y == 430);
    assert_ok(draw_plan(&plan, &list, 1, 1, draws_of(1)));
    cut = plan.stages[0].window;
    assert_true(cut.h == 1 && cut.w == 1);
}

static void test_random_crop_is_uniform(void **state) {
    struct cnn_augment_list list =
        list_of(1, &(struct cnn_augment){.kind = CNN_AUGMENT_RANDOM_CROP, .args = {{32}, {4}}});
    enum { N = 16200 };
    int seen[9][9] = {{0}};
    for (int i = 0; i < N; i++) {
        struct cnn_plan plan;
        assert_ok(draw_plan(&plan, &list, 32, 32, draws_of((uint64_t)i)));
        struct cnn_rect cut = plan.stages[0].window;
        assert_true(cut.w == 32 && cut.h == 32);
        assert_in_range(cut.x + 4, 0, 8);
        assert_in_range(cut.y + 4, 0, 8);
        seen[cut.y + 4][cut.x + 4]++;
    }
    for (int y = 0; y < 9; y++)
        for (int x = 0; x < 9; x++)
            assert_in_range(seen[y][x], 200 - 70, 200 + 70);
}

static void test_flip_has_its_probability(void **state) {
    static const double chances[] = {0, 0.3, 1};
    for (int k = 0; k < 3; k++) {
        struct cnn_augment_list list =
            list_of(1, &(struct cnn_augment){.kind = CNN_AUGMENT_FLIP_HORIZONTAL, .args = {{chances[k]}}});
        int n = 0;
        for (int i = 0; i < 10000; i++) {
            struct cnn_plan plan;
            assert_ok(draw_plan(&plan, &list, 5, 5, draws_of((uint64_t)i)));
            n += plan.flip;
        }
        assert_true(fabs(n - 10000 * chances[k]) <= 230);
    }
}

static void test_what_does_not_fit_is_refused(void **state) {
    struct cnn_augment_list crop =
        list_of(1, &(struct cnn_augment){.kind = CNN_AUGMENT_RANDOM_CROP, .args = {{32}, {0}}});
    struct cnn_plan plan;
    assert_int_equal(draw_plan(&plan, &crop, 31, 50, draws_of(0)), CNN_ERR_INPUT);
    assert_int_equal(draw_plan(&plan, &crop, 50, 31, draws_of(0)), CNN_ERR_INPUT);
    assert_ok(draw_plan(&plan, &crop, 32, 32, draws_of(0)));
    struct cnn_augment_list resize =
        list_of(1, &(struct cnn_augment){.kind = CNN_AUGMENT_RESIZE, .args = {{4096}}});
    assert_int_equal(draw_plan(&plan, &resize, 1, 65500, draws_of(0)), CNN_ERR_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crops_lie_where_they_are_told),
        cmocka_unit_test(fit_covers_its_size),
        cmocka_unit_test(test_sizes_round_as_in_torchvision),
        cmocka_unit_test(test_random_resized_crop_draws_what_it_says),
        cmocka_unit_test(test_random_resized_crop_reaches_every_corner),
        cmocka_unit_test(test_random_resized_crop_falls_back),
        cmocka_unit_test(test_random_crop_is_uniform),
        cmocka_unit_test(test_flip_has_its_probability),
        cmocka_unit_test(test_what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests_name("image/plan", tests, NULL, NULL);
}
