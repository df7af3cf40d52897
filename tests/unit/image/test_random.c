// What is drawn: parameters in their ranges and evenly, chances and choices as often as they say.
#include "lists.h"

#include "image/perform.h"
#include <math.h>

// One augmentation of a list, performed on a canvas that still holds what is waiting.
struct trial {
    struct cnn_canvas canvas;
    struct cnn_image_scratch scratch;
    uint8_t *pixels, *before;
    size_t bytes;
};

static void trial_create(struct trial *trial, int h, int w, int c) {
    memset(trial, 0, sizeof *trial);
    trial->bytes = (size_t)(h * w * c);
    trial->pixels = texture_picture(h, w, c);
    trial->before = texture_picture(h, w, c);
    cnn_canvas_init(&trial->canvas, trial->pixels, h, w, c, &trial->scratch);
}

static void trial_destroy(struct trial *trial) {
    free(trial->pixels);
    free(trial->before);
    cnn_image_scratch_finish(&trial->scratch);
}

static void perform(struct trial *trial, const struct cnn_augment_list *list, uint64_t record) {
    struct cnn_chosen chosen;
    struct cnn_canvas *canvas = &trial->canvas;
    memcpy(trial->pixels, trial->before, trial->bytes);
    cnn_canvas_init(canvas, trial->pixels, canvas->h, canvas->w, canvas->c, &trial->scratch);
    cnn_choose(&chosen, list, draws_of(record));
    for (int i = 0; i < chosen.n; i++)
        assert_ok(cnn_perform(canvas, chosen.ops[i].op, chosen.ops[i].draws));
}

#define BINS 10
struct spread {
    double low, high;
    int bins[BINS], n;
};

static void spread_add(struct spread *spread, double value) {
    double at = (value - spread->low) / (spread->high - spread->low) * BINS;
    if (!(at > -1e-6 && at < BINS + 1e-6))
        fail_msg("%g is not in %g to %g", value, spread->low, spread->high);
    spread->bins[(int)fmin(fmax(at, 0), BINS - 1)]++;
    spread->n++;
}

// Five deviations.
static void assert_even(const struct spread *spread, const char *what) {
    double expected = spread->n / (double)BINS;
    for (int i = 0; i < BINS; i++)
        if (fabs(spread->bins[i] - expected) > 5 * sqrt(expected))
            fail_msg("%s: %d of %d in part %d", what, spread->bins[i], spread->n, i);
}

enum { N = 4000, H = 100, W = 140 };

// What a warp does to the middle, and around it: [a b; c d].
static void middle_of(const struct cnn_warp *warp, double *x, double *y) {
    *x = warp->m[0] * W / 2 + warp->m[1] * H / 2 + warp->m[2] - W / 2.0;
    *y = warp->m[3] * W / 2 + warp->m[4] * H / 2 + warp->m[5] - H / 2.0;
}

static void check_warps(const char *yaml, struct spread *values, int n_values,
                        void (*measure)(double *out, const struct cnn_warp *warp)) {
    struct cnn_augment_list list = list_of_yaml(yaml);
    struct trial trial;
    trial_create(&trial, H, W, 1);
    for (uint64_t i = 0; i < N; i++) {
        double out[4];
        perform(&trial, &list, i);
        assert_true(trial.canvas.has_warp);
        measure(out, &trial.canvas.warp);
        for (int k = 0; k < n_values; k++)
            spread_add(&values[k], out[k]);
    }
    for (int k = 0; k < n_values; k++)
        assert_even(&values[k], yaml);
    trial_destroy(&trial);
}

static void measure_turn(double *out, const struct cnn_warp *warp) {
    double x, y;
    middle_of(warp, &x, &y);
    assert_true(fabs(x) < 1e-9 && fabs(y) < 1e-9);
    out[0] = atan2(-warp->m[3], warp->m[0]) * 180 / M_PI; // counter-clockwise, with y down
}

static void measure_shift(double *out, const struct cnn_warp *warp) {
    assert_true(warp->m[0] == 1 && warp->m[1] == 0 && warp->m[4] == 1);
    middle_of(warp, &out[0], &out[1]);
    assert_true(out[0] == nearbyint(out[0]) && out[1] == nearbyint(out[1]));
}

static void measure_zoom(double *out, const struct cnn_warp *warp) {
    assert_true(warp->m[1] == 0 && warp->m[3] == 0);
    out[0] = warp->m[0];
    out[1] = warp->m[4];
}

static void measure_shear(double *out, const struct cnn_warp *warp) {
    out[0] = atan(-warp->m[1]) * 180 / M_PI;
}

static void measure_affine(double *out, const struct cnn_warp *warp) {
    out[0] = atan2(warp->m[3], warp->m[0]) * 180 / M_PI; // clockwise; no shear along the other axis
    out[1] = hypot(warp->m[0], warp->m[3]);
    middle_of(warp, &out[2], &out[3]);
}

static void test_moves_draw_what_they_say(void **state) {
    check_warps("rotation: 30", (struct spread[]){{-30, 30, {0}, 0}}, 1, measure_turn);
    check_warps("rotation: [40, 90]", (struct spread[]){{40, 90, {0}, 0}}, 1, measure_turn);
    // 13.98 -> 14 and 9.98 -> 10 pixels; the outermost values are half as frequent, so the ranges are that
    // wide
    check_warps("shift: [0.1, 0.1]", (struct spread[]){{-14.5, 14.5, {0}, 0}}, 1, measure_shift);
    check_warps("scale: [0.5, 2]", (struct spread[]){{0.5, 2, {0}, 0}, {0.5, 2, {0}, 0}}, 2, measure_zoom);
    check_warps("stretch: {x: [1, 1.5], y: [0.7, 0.9]}",
                (struct spread[]){{1, 1.5, {0}, 0}, {0.7, 0.9, {0}, 0}}, 2, measure_zoom);
    check_warps("shear: 20", (struct spread[]){{-20, 20, {0}, 0}}, 1, measure_shear);
    check_warps("affine: {degrees: 10, translate: [0, 0], scale: [0.9, 1.4], shear: 5}",
                (struct spread[]){{-10, 10, {0}, 0}, {0.9, 1.4, {0}, 0}}, 2, measure_affine);
    // Zoom is of both sides alike.
    struct cnn_augment_list list = list_of_yaml("scale: 0.5");
    struct trial trial;
    trial_create(&trial, H, W, 1);
    for (uint64_t i = 0; i < 50; i++) {
        perform(&trial, &list, i);
        assert_true(trial.canvas.warp.m[0] == trial.canvas.warp.m[4]);
    }
    trial_destroy(&trial);
}

static void test_perspective_stays_in_its_quarters(void **state) {
    static const double corners[4][2] = {{0, 0}, {W - 1, 0}, {W - 1, H - 1}, {0, H - 1}};
    struct cnn_augment_list list = list_of_yaml("perspective: {distortion_scale: 0.6, p: 1}");
    struct spread across = {-0.5, 42.5, {0}, 0}, down = {-0.5, 30.5, {0}, 0};
    struct trial trial;
    trial_create(&trial, H, W, 1);
    for (uint64_t i = 0; i < N; i++) {
        perform(&trial, &list, i);
        const double *m = trial.canvas.warp.m;
        for (int k = 0; k < 4; k++) {
            double x = corners[k][0], y = corners[k][1], depth = m[6] * x + m[7] * y + m[8];
            spread_add(&across, fabs((m[0] * x + m[1] * y + m[2]) / depth - x));
            spread_add(&down, fabs((m[3] * x + m[4] * y + m[5]) / depth - y));
        }
    }
    for (int b = 0; b < BINS; b++) { // 43 and 31 values in 10 parts are uneven by themselves
        assert_in_range(across.bins[b], 4 * N / 14, 4 * N / 7);
        assert_in_range(down.bins[b], 4 * N / 14, 4 * N / 7);
    }
    trial_destroy(&trial);
}

static void test_factors_draw_what_they_say(void **state) {
    struct cnn_augment_list list = list_of_yaml("brightness: [0.2, 1.2]"),
                            gamma = list_of_yaml("gamma: [0.5, 3]");
    struct spread factors = {0.2, 1.2, {0}, 0}, gammas = {0.5, 3, {0}, 0};
    struct trial trial;
    trial_create(&trial, 10, 10, 1);
    for (uint64_t i = 0; i < N; i++) {
        perform(&trial, &list, i);
        spread_add(&factors, fmax((trial.canvas.table[0][200] + 0.5) / 200, 0.2));
        perform(&trial, &gamma, i);
        spread_add(&gammas,
                   fmin(fmax(log((trial.canvas.table[0][96] + 0.5) / 256) / log(96 / 255.0), 0.5), 3));
    }
    assert_even(&factors, "brightness");
    for (int b = 0; b < BINS; b++) // levels are coarse where gamma is large
        assert_in_range(gammas.bins[b], N / 20, N / 5);
    trial_destroy(&trial);
}

static void test_jitter_comes_in_every_order(void **state) {
    struct cnn_augment_list list = list_of_yaml("color_jitter: {brightness: [2, 2], contrast: [0.5, 0.5]}");
    struct trial trial;
    int seen[256] = {0}, kinds = 0;
    trial_create(&trial, 8, 8, 1);
    for (uint64_t i = 0; i < N; i++) {
        perform(&trial, &list, i);
        assert_ok(cnn_canvas_finish(&trial.canvas));
        seen[trial.pixels[5]]++;
    }
    for (int v = 0; v < 256; v++)
        if (seen[v]) {
            kinds++;
            assert_in_range(seen[v], N / 2 - 160, N / 2 + 160);
        }
    assert_int_equal(kinds, 2);
    trial_destroy(&trial);
}

static void test_channels_in_every_order(void **state) {
    struct cnn_augment_list list = list_of_yaml("channel_shuffle");
    struct trial trial;
    int seen[3][3] = {{0}};
    trial_create(&trial, 1, 1, 3);
    for (uint64_t i = 0; i < 6 * 1000; i++) {
        perform(&trial, &list, i);
        int a = -1, b = -1;
        for (int k = 0; k < 3; k++) {
            a = trial.pixels[0] == trial.before[k] ? k : a;
            b = trial.pixels[1] == trial.before[k] ? k : b;
        }
        seen[a][b]++;
    }
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            assert_in_range(seen[a][b], a == b ? 0 : 850, a == b ? 0 : 1150);
    trial_destroy(&trial);
}

// The rectangle of pixels that changed; checks that it is one.
static struct cnn_rect changed(const struct trial *trial) {
    int w = trial->canvas.w, h = trial->canvas.h, n = 0, x0 = w, y0 = h, x1 = 0, y1 = 0;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            if (trial->pixels[y * w + x] != trial->before[y * w + x]) {
                n++;
                x0 = x < x0 ? x : x0, x1 = x + 1 > x1 ? x + 1 : x1;
                y0 = y < y0 ? y : y0, y1 = y + 1 > y1 ? y + 1 : y1;
            }
    if (n == 0)
        return (struct cnn_rect){0, 0, 0, 0};
    assert_int_equal(n, (x1 - x0) * (y1 - y0));
    return (struct cnn_rect){x0, y0, x1 - x0, y1 - y0};
}

static void test_erasing_draws_what_it_says(void **state) {
    struct cnn_augment_list list =
        list_of_yaml("random_erasing: {p: 0.6, scale: [0.1, 0.3], ratio: [0.5, 2], value: 1}");
    struct spread areas = {0.1, 0.3, {0}, 0}, ratios = {-M_LN2, M_LN2, {0}, 0};
    int erased = 0, trials = 1500, left = 0;
    struct trial trial;
    trial_create(&trial, H, H, 1);
    memset(trial.before, 200, trial.bytes);
    for (uint64_t i = 0; i < (uint64_t)trials; i++) {
        perform(&trial, &list, i);
        struct cnn_rect rect = changed(&trial);
        if (rect.w == 0)
            continue;
        erased++;
        left += 2 * rect.x < H - rect.w;
        double area = (double)rect.w * rect.h / (H * H), ratio = log((double)rect.h / rect.w);
        assert_true(area > 0.094 && area < 0.306 && fabs(ratio) < M_LN2 + 0.03); // sides are whole pixels
        spread_add(&areas, fmin(fmax(area, 0.1), 0.3));
        spread_add(&ratios, fmin(fmax(ratio, -M_LN2), M_LN2));
    }
    assert_in_range(erased, 900 - 95, 900 + 95);
    assert_in_range(left, erased / 2 - 80, erased / 2 + 80);
    assert_even(&areas, "areas");
    assert_even(&ratios, "ratios");
    trial_destroy(&trial);
}

static void test_cutout_reaches_the_edges(void **state) {
    struct cnn_augment_list list = list_of_yaml("cutout: {size: 8, value: 1}");
    struct trial trial;
    int hit[4] = {0}, whole = 0;
    trial_create(&trial, 32, 32, 1);
    memset(trial.before, 200, trial.bytes);
    for (uint64_t i = 0; i < 2000; i++) {
        perform(&trial, &list, i);
        struct cnn_rect rect = changed(&trial);
        assert_in_range(rect.w, 4, 8);
        assert_in_range(rect.h, 4, 8);
        whole += rect.w == 8 && rect.h == 8;
        hit[0] += rect.x == 0, hit[1] += rect.y == 0;
        hit[2] += rect.x + rect.w == 32, hit[3] += rect.y + rect.h == 32;
    }
    for (int k = 0; k < 4; k++) // the middle is in the outermost 5 or 4 of 32 lines
        assert_in_range(hit[k], 2000 * 4 / 32 - 80, 2000 * 5 / 32 + 80);
    assert_in_range(whole, 2000 * 25 * 25 / 1024 - 130, 2000 * 25 * 25 / 1024 + 130);
    trial_destroy(&trial);
}

// --- chances and choices ---

static void test_every_chance_is_kept(void **state) {
    for (int kind = 0; kind < CNN_N_AUGMENTS; kind++) {
        struct cnn_augment_list list = {.n = 1};
        int p = cnn_augment_arg_index((enum cnn_augment_kind)kind, "p"), n = 0;
        if (p < 0 || cnn_augment_table[kind].args[0].type == CNN_ARG_OPS)
            continue;
        list.ops[0] = cnn_augment_default((enum cnn_augment_kind)kind);
        for (int chance = 0; chance <= 10; chance += 5, n = 0) {
            struct cnn_chosen chosen;
            list.ops[0].args[p][0] = chance * 0.1;
            for (uint64_t i = 0; i < 2000; i++) {
                cnn_choose(&chosen, &list, draws_of(i));
                n += chosen.n;
            }
            int slack = chance == 5 ? 112 : 0;
            assert_in_range(n, chance * 200 - slack, chance * 200 + slack);
        }
    }
}

static void test_choices_and_lists_inside_lists(void **state) {
    // 0 random_choice 1 hue 2 compose 3 invert 4 equalize 5 random_apply 6 posterize 7 solarize, 8 gamma
    struct cnn_augment_list list = list_of_yaml(
        "random_choice: {p: [1, 3, 6], transforms: [hue: 0.1, compose: [invert: 1, equalize: 1], "
        "random_apply: {p: 0.25, transforms: [posterize: {bits: 4, p: 1}, solarize: {threshold: 9, p: "
        "1}]}]}, "
        "gamma: 2");
    int seen[9] = {0};
    enum { TRIALS = 20000 };
    assert_int_equal(list.n, 9);
    for (uint64_t i = 0; i < TRIALS; i++) {
        struct cnn_chosen chosen;
        cnn_choose(&chosen, &list, draws_of(i));
        for (int k = 0; k < chosen.n; k++)
            seen[chosen.ops[k].op - list.ops]++;
        for (int k = 1; k < chosen.n; k++)
            assert_true(chosen.ops[k].op > chosen.ops[k - 1].op);
    }
    assert_int_equal(seen[8], TRIALS);
    assert_int_equal(seen[0] + seen[2] + seen[5], 0);
    assert_in_range(seen[1], TRIALS / 10 - 212, TRIALS / 10 + 212);
    assert_in_range(seen[3], TRIALS * 3 / 10 - 324, TRIALS * 3 / 10 + 324);
    assert_int_equal(seen[3], seen[4]);
    assert_in_range(seen[6], TRIALS * 15 / 100 - 252, TRIALS * 15 / 100 + 252);
    assert_int_equal(seen[6], seen[7]);
    list = list_of_yaml("random_choice: [invert: 1, equalize: 1, hue: 0.1]");
    memset(seen, 0, sizeof seen);
    for (uint64_t i = 0; i < TRIALS; i++) {
        struct cnn_chosen chosen;
        cnn_choose(&chosen, &list, draws_of(i));
        assert_int_equal(chosen.n, 1);
        seen[chosen.ops[0].op - list.ops]++;
    }
    for (int k = 1; k <= 3; k++)
        assert_in_range(seen[k], TRIALS / 3 - 333, TRIALS / 3 + 333);
}

// The kinds of rand_augment, by what they leave on the canvas: 5 of 14 move the picture.
static void test_drawn_augmentations_are_even(void **state) {
    static const char *const yaml[] = {"rand_augment: {num_ops: 1, magnitude: 15}", "trivial_augment_wide"};
    static const struct {
        int least, most;
    } moved[] = {{5000 * 5 / 14 - 170, 5000 * 5 / 14 + 170}, {5000 * 5 / 14 - 170, 5000 * 5 / 14 + 170}};
    for (int k = 0; k < 2; k++) {
        struct cnn_augment_list list = list_of_yaml(yaml[k]);
        struct trial trial;
        int moves = 0, clockwise = 0, turns = 0;
        trial_create(&trial, 24, 24, 3);
        for (uint64_t i = 0; i < 5000; i++) {
            perform(&trial, &list, i);
            const double *m = trial.canvas.warp.m;
            moves += trial.canvas.has_warp;
            bool is_turn = trial.canvas.has_warp && m[1] != 0 && m[3] != 0;
            turns += is_turn;
            clockwise += is_turn && m[3] > 0;
        }
        assert_in_range(moves, moved[k].least, moved[k].most);
        assert_in_range(turns, 5000 / 14 - 95, 5000 / 14 + 95);
        assert_in_range(clockwise, turns / 2 - 50, turns / 2 + 50);
        trial_destroy(&trial);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves_draw_what_they_say),
        cmocka_unit_test(test_perspective_stays_in_its_quarters),
        cmocka_unit_test(test_factors_draw_what_they_say),
        cmocka_unit_test(test_jitter_comes_in_every_order),
        cmocka_unit_test(test_channels_in_every_order),
        cmocka_unit_test(test_erasing_draws_what_it_says),
        cmocka_unit_test(test_cutout_reaches_the_edges),
        cmocka_unit_test(test_every_chance_is_kept),
        cmocka_unit_test(test_choices_and_lists_inside_lists),
        cmocka_unit_test(test_drawn_augmentations_are_even),
    };
    return cmocka_run_group_tests_name("image/random", tests, NULL, NULL);
}
