// Every operation on pixels with fixed parameters against Pillow and torchvision, and what operations in a
// row add up to.
#include "picture.h"

#include "image/auto_augment.h"
#include "image/canvas.h"
#include "image/loops.h"

#include <math.h>

struct golden_case {
    char name[32], picture[16];
    int h, w, c, tolerance, slack;
    double v[12];
};

static enum cnn_augment_interpolation interpolation_of(double value) {
    return value != 0 ? CNN_INTERPOLATION_BILINEAR : CNN_INTERPOLATION_NEAREST;
}

static void gray_fill(uint8_t out[3], double value) { memset(out, (int)value, 3); }

static enum cnn_status do_affine(struct cnn_canvas *canvas, const double *v) {
    struct cnn_affine affine = {
        .degrees = v[0], .shift = {v[1], v[2]}, .scale = {v[3], v[3]}, .shear = {v[4], v[5]}};
    uint8_t fill[3];
    affine.centre[0] = v[6] < 0 ? canvas->w * 0.5 : v[6];
    affine.centre[1] = v[6] < 0 ? canvas->h * 0.5 : v[7];
    struct cnn_warp warp = cnn_warp_affine(&affine);
    gray_fill(fill, v[9]);
    return cnn_canvas_warp(canvas, &warp, interpolation_of(v[8]), fill);
}

static enum cnn_status do_perspective(struct cnn_canvas *canvas, const double *v) {
    double to[4][2] = {{v[0], v[1]}, {v[2], v[3]}, {v[4], v[5]}, {v[6], v[7]}};
    struct cnn_warp warp;
    uint8_t fill[3];
    gray_fill(fill, v[9]);
    assert_true(cnn_warp_perspective(&warp, canvas->w, canvas->h, to));
    return cnn_canvas_warp(canvas, &warp, interpolation_of(v[8]), fill);
}

static enum cnn_status do_chain(struct cnn_canvas *canvas) {
    CNN_TRY(cnn_canvas_brightness(canvas, 0.7));
    CNN_TRY(cnn_canvas_contrast(canvas, 1.2));
    CNN_TRY(cnn_canvas_posterize(canvas, 5));
    CNN_TRY(cnn_canvas_autocontrast(canvas));
    CNN_TRY(cnn_canvas_solarize(canvas, 128));
    return cnn_canvas_equalize(canvas);
}

static enum cnn_status do_named(struct cnn_canvas *canvas, const char *name, const double *v) {
#define DO(word, call)                                                                                       \
    if (strcmp(name, word) == 0)                                                                             \
    return call
    DO("brightness", cnn_canvas_brightness(canvas, v[0]));
    DO("contrast", cnn_canvas_contrast(canvas, v[0]));
    DO("saturation", cnn_canvas_saturation(canvas, v[0]));
    DO("sharpness", cnn_canvas_sharpness(canvas, v[0]));
    DO("gamma", cnn_canvas_gamma(canvas, v[0], v[1]));
    DO("posterize", cnn_canvas_posterize(canvas, (int)v[0]));
    DO("solarize", cnn_canvas_solarize(canvas, v[0]));
    DO("invert", cnn_canvas_invert(canvas));
    DO("equalize", cnn_canvas_equalize(canvas));
    DO("levels_chain", do_chain(canvas));
    DO("hue", cnn_canvas_hue(canvas, v[0]));
    DO("gray", cnn_canvas_gray(canvas));
    DO("lab", cnn_canvas_lab(canvas));
    DO("hcl", cnn_canvas_hcl(canvas));
    DO("blur", cnn_canvas_blur(canvas, (int)v[0], v[1]));
    DO("affine", do_affine(canvas, v));
    DO("perspective", do_perspective(canvas, v));
#undef DO
    if (strcmp(name, "autocontrast") == 0) {
        CNN_TRY(cnn_canvas_contrast(canvas, 0.4));
        return cnn_canvas_autocontrast(canvas);
    }
    fail_msg("no operation %s", name);
    return CNN_OK;
}

// Those that change the size run through a policy. Returns the pixels; the size goes to *h, *w.
static uint8_t *run_policy(const struct golden_case *golden, const uint8_t *in, int *h, int *w) {
    struct cnn_augment_list list = {.n = 1};
    struct cnn_policy *policy;
    struct cnn_image_scratch scratch = {0};
    struct cnn_image_info stored = {CNN_ENCODING_RAW, golden->h, golden->w, golden->c};
    const double *v = golden->v;
    bool is_pad = strcmp(golden->name, "pad") == 0;
    if (is_pad)
        list.ops[0] =
            (struct cnn_augment){.kind = CNN_AUGMENT_PAD, .args = {{v[0], v[1]}, {v[2]}, {v[3], v[3], v[3]}}};
    else
        list.ops[0] = (struct cnn_augment){.kind = CNN_AUGMENT_RESIZE_EXACT, .args = {{v[0], v[1]}}};
    assert_ok(cnn_policy_create(&policy, &list, true, golden->h, golden->w));
    cnn_policy_output(policy, h, w);
    uint8_t *out = malloc((size_t)(*h * *w * golden->c));
    assert_ok(cnn_policy_apply(policy, out, golden->c, in, (size_t)(golden->h * golden->w * golden->c),
                               &stored, draws_of(0), &scratch));
    cnn_policy_destroy(policy);
    cnn_image_scratch_finish(&scratch);
    return out;
}

static uint8_t *picture_of(const char *kind, int h, int w, int c) {
    return strcmp(kind, "soft") == 0 ? soft_picture(h, w, c) : texture_picture(h, w, c);
}

static uint8_t *run_case(const struct golden_case *golden, int *h, int *w) {
    struct cnn_image_scratch scratch = {0};
    struct cnn_canvas canvas;
    uint8_t *pixels = picture_of(golden->picture, golden->h, golden->w, golden->c);
    *h = golden->h;
    *w = golden->w;
    if (strcmp(golden->name, "pad") == 0 || strcmp(golden->name, "resize_exact") == 0) {
        uint8_t *out = run_policy(golden, pixels, h, w);
        free(pixels);
        return out;
    }
    cnn_canvas_init(&canvas, pixels, golden->h, golden->w, golden->c, &scratch);
    assert_ok(do_named(&canvas, golden->name, golden->v));
    assert_ok(cnn_canvas_finish(&canvas));
    cnn_image_scratch_finish(&scratch);
    return pixels;
}

// The largest difference, and how many bytes are farther off than the tolerance.
static void compare(const struct golden_case *golden, const uint8_t *made, const uint8_t *wanted, size_t n) {
    int worst = 0, off = 0, differ = 0;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        int distance = abs(made[i] - wanted[i]);
        worst = distance > worst ? distance : worst;
        differ += distance > 0;
        off += distance > golden->tolerance;
        at = distance == worst ? i : at;
    }
    if (getenv("CNN_TEST_VERBOSE"))
        print_message("%s %s c%d %g: worst %d, %d of %zu differ\n", golden->name, golden->picture, golden->c,
                      golden->v[0], worst, differ, n);
    if (off > golden->slack)
        fail_msg("%s %s, %d channels, %g %g: byte %zu is %d, not %d; %d bytes are off", golden->name,
                 golden->picture, golden->c, golden->v[0], golden->v[1], at, made[at], wanted[at], off);
}

static bool read_case(FILE *list, struct golden_case *golden) {
    char line[256], *next;
    int used;
    if (!fgets(line, sizeof line, list))
        return false;
    assert_int_equal(sscanf(line, "%31s %15s %d %d %d %d %d%n", golden->name, golden->picture, &golden->h,
                            &golden->w, &golden->c, &golden->tolerance, &golden->slack, &used),
                     7);
    memset(golden->v, 0, sizeof golden->v);
    next = line + used;
    for (int i = 0; i < 12; i++)
        golden->v[i] = strtod(next, &next);
    return true;
}

static void test_as_pillow_and_torchvision(void **state) {
    FILE *list = open_golden("augment.txt");
    size_t bytes, at = 0;
    uint8_t *wanted = read_golden("augment.pixels", &bytes);
    struct golden_case golden;
    int cases = 0;
    for (; read_case(list, &golden); cases++) {
        int h, w;
        uint8_t *made = run_case(&golden, &h, &w);
        size_t n = (size_t)(h * w * golden.c);
        assert_true(at + n <= bytes);
        compare(&golden, made, wanted + at, n);
        at += n;
        free(made);
    }
    assert_int_equal(at, bytes);
    assert_true(cases > 200);
    fclose(list);
    free(wanted);
}

static void test_strengths_and_policies_are_torchvisions(void **state) {
    FILE *list = open_golden("auto_augment.txt");
    char line[256];
    int strengths = 0, choices = 0;
    while (fgets(line, sizeof line, list)) {
        int v[7];
        double value;
        if (sscanf(line, "strength %d %d %d %d %d %d %d %lf", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6,
                   &value) == 8) {
            bool is_signed;
            double made =
                cnn_auto_strength((enum cnn_auto_kind)v[0], v[1], v[2], v[3], v[4], v[5], &is_signed);
            if (!(fabs(made - value) <= 1e-4) || is_signed != v[6])
                fail_msg("%s-> %g", line, made);
            strengths++;
        } else {
            assert_int_equal(sscanf(line, "policy %d %d %d %d %lf %d", v, v + 1, v + 2, v + 3, &value, v + 4),
                             6);
            const struct cnn_auto_choice *choice = &cnn_auto_policies[v[0]][v[1]][v[2]];
            if ((int)choice->kind != v[3] || choice->p != value || choice->bin != v[4])
                fail_msg("%s-> %d %g %d", line, (int)choice->kind, choice->p, choice->bin);
            choices++;
        }
    }
    assert_int_equal(choices, 150);
    assert_true(strengths > 150);
    fclose(list);
}

// --- operations in a row ---

struct held {
    struct cnn_canvas canvas;
    struct cnn_image_scratch scratch;
    uint8_t *pixels;
};

static void hold(struct held *held, int h, int w, int c) {
    memset(held, 0, sizeof *held);
    held->pixels = texture_picture(h, w, c);
    cnn_canvas_init(&held->canvas, held->pixels, h, w, c, &held->scratch);
}

static void let_go(struct held *held) {
    free(held->pixels);
    cnn_image_scratch_finish(&held->scratch);
}

static struct cnn_warp turn(int h, int w, double degrees, double x, double y) {
    struct cnn_affine affine = {
        .degrees = degrees, .shift = {x, y}, .scale = {1, 1}, .centre = {w * 0.5, h * 0.5}};
    return cnn_warp_affine(&affine);
}

static void test_moves_in_a_row_are_one(void **state) {
    enum { H = 31, W = 40 };
    const uint8_t black[3] = {0};
    struct held held;
    uint8_t *before = texture_picture(H, W, 3);
    struct cnn_warp there = turn(H, W, 33, 5, -7), right = turn(H, W, 0, 9, 0);
    hold(&held, H, W, 3);
    // Far out of the picture and back: nothing is lost but what the whole way loses.
    assert_ok(cnn_canvas_warp(&held.canvas, &there, CNN_INTERPOLATION_BILINEAR, black));
    struct cnn_warp back = turn(H, W, 0, -5, 7), unturn = turn(H, W, -33, 0, 0);
    assert_ok(cnn_canvas_warp(&held.canvas, &back, CNN_INTERPOLATION_BILINEAR, black));
    assert_ok(cnn_canvas_warp(&held.canvas, &unturn, CNN_INTERPOLATION_BILINEAR, black));
    assert_ok(cnn_canvas_finish(&held.canvas));
    assert_memory_equal(held.pixels, before, H * W * 3);
    // A mirroring between two moves: to the right, mirrored, and to the right again is where it was,
    // mirrored.
    for (int i = 0; i < 2; i++) {
        assert_ok(cnn_canvas_warp(&held.canvas, &right, CNN_INTERPOLATION_NEAREST, black));
        assert_ok(cnn_canvas_flip(&held.canvas, false));
    }
    assert_ok(cnn_canvas_finish(&held.canvas));
    assert_memory_equal(held.pixels, before, H * W * 3);
    // Another fill: the first move's border is part of the picture for the second.
    const uint8_t white[3] = {255, 255, 255};
    assert_ok(cnn_canvas_warp(&held.canvas, &right, CNN_INTERPOLATION_NEAREST, white));
    assert_ok(cnn_canvas_warp(&held.canvas, &right, CNN_INTERPOLATION_NEAREST, black));
    assert_ok(cnn_canvas_finish(&held.canvas));
    assert_int_equal(held.pixels[0], 0);
    assert_int_equal(held.pixels[9 * 3], 255);
    assert_int_equal(held.pixels[18 * 3], before[0]);
    free(before);
    let_go(&held);
}

// Whatever waits, the result is that of doing each at once.
static void test_waiting_changes_nothing(void **state) {
    enum { H = 12, W = 15, OPS = 9 };
    const uint8_t gray[3] = {9, 9, 9};
    for (int first = 0; first < OPS; first++)
        for (int second = 0; second < OPS; second++)
            for (int third = 0; third < OPS; third++) {
                struct held held[2];
                for (int at_once = 0; at_once < 2; at_once++) {
                    struct cnn_canvas *canvas = &held[at_once].canvas;
                    const int order[3] = {first, second, third};
                    hold(&held[at_once], H, W, 1 + 2 * ((first + second) % 2));
                    for (int i = 0; i < 3; i++) {
                        struct cnn_warp warp = turn(H, W, 0, 2, -1);
                        switch (order[i]) {
                        case 0:
                            assert_ok(cnn_canvas_brightness(canvas, 1.4));
                            break;
                        case 1:
                            assert_ok(cnn_canvas_contrast(canvas, 0.3));
                            break;
                        case 2:
                            assert_ok(cnn_canvas_equalize(canvas));
                            break;
                        case 3:
                            assert_ok(cnn_canvas_autocontrast(canvas));
                            break;
                        case 4:
                            assert_ok(cnn_canvas_warp(canvas, &warp, CNN_INTERPOLATION_NEAREST, gray));
                            break;
                        case 5:
                            assert_ok(cnn_canvas_flip(canvas, i % 2));
                            break;
                        case 6:
                            assert_ok(cnn_canvas_sharpness(canvas, 2));
                            break;
                        case 7:
                            assert_ok(cnn_canvas_saturation(canvas, 0.5));
                            break;
                        default:
                            assert_ok(cnn_canvas_solarize(canvas, 100));
                            break;
                        }
                        if (at_once)
                            assert_ok(cnn_canvas_finish(canvas));
                    }
                    assert_ok(cnn_canvas_finish(canvas));
                }
                // Two moves in a row do not lose what left the picture in between; here they move alike.
                if (memcmp(held[0].pixels, held[1].pixels, H * W) != 0)
                    fail_msg("%d, %d, %d", first, second, third);
                let_go(&held[0]);
                let_go(&held[1]);
            }
}

// --- noise ---

static void test_noise_has_its_distribution(void **state) {
    enum { H = 256, W = 256, N = H * W * 3 };
    struct held held;
    struct cnn_draws draws = draws_of(3);
    double sum = 0, squares = 0;
    int beyond[4] = {0};
    hold(&held, H, W, 3);
    memset(held.pixels, 128, N);
    assert_ok(cnn_canvas_noise(&held.canvas, 0.02, 0.1, &draws));
    for (int i = 0; i < N; i++) {
        double z = (held.pixels[i] - 128 - 0.02 * 255) / 25.5;
        sum += z;
        squares += z * z;
        for (int k = 0; k < 4; k++)
            beyond[k] += fabs(z) > k + 0.5;
    }
    assert_true(fabs(sum / N) < 0.012);              // 5 deviations of the mean
    assert_true(fabs(sqrt(squares / N) - 1) < 0.01); // rounding adds a little
    static const double expected[] = {0.6171, 0.1336, 0.01242, 0.000465};
    for (int k = 0; k < 4; k++)
        assert_true(fabs(beyond[k] - expected[k] * N) < 0.06 * expected[k] * N + 60);
    int same = 0; // neighbours, and channels of one pixel, know nothing of each other
    for (int i = 1; i < N; i++)
        same += held.pixels[i] == held.pixels[i - 1];
    assert_true(same < N / 40);
    let_go(&held);
}

static void test_salt_and_pepper(void **state) {
    enum { H = 200, W = 300 };
    struct held held;
    struct cnn_draws draws = draws_of(4);
    int white = 0, black = 0;
    hold(&held, H, W, 3);
    memset(held.pixels, 100, H * W * 3);
    assert_ok(cnn_canvas_salt_pepper(&held.canvas, 0.1, 0.25, &draws));
    for (int i = 0; i < H * W; i++) {
        const uint8_t *p = held.pixels + 3 * i;
        assert_true(p[0] == p[1] && p[0] == p[2]);
        assert_true(p[0] == 0 || p[0] == 100 || p[0] == 255);
        white += p[0] == 255;
        black += p[0] == 0;
    }
    assert_in_range(white, 1500 - 195, 1500 + 195);
    assert_in_range(black, 4500 - 325, 4500 + 325);
    assert_ok(cnn_canvas_salt_pepper(&held.canvas, 1, 1, &draws));
    for (int i = 0; i < H * W * 3; i++)
        assert_int_equal(held.pixels[i], 255);
    let_go(&held);
}

static void test_erasing(void **state) {
    enum { H = 20, W = 30 };
    const uint8_t colour[3] = {1, 2, 3};
    uint8_t *before = texture_picture(H, W, 3);
    struct held held;
    hold(&held, H, W, 3);
    assert_ok(cnn_canvas_erase(&held.canvas, (struct cnn_rect){25, -3, 10, 8}, colour, NULL));
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int k = 0; k < 3; k++)
                assert_int_equal(held.pixels[(y * W + x) * 3 + k],
                                 x >= 25 && y < 5 ? colour[k] : before[(y * W + x) * 3 + k]);
    struct cnn_draws draws = draws_of(5);
    int levels[4] = {0};
    assert_ok(cnn_canvas_erase(&held.canvas, (struct cnn_rect){0, 0, W, H}, colour, &draws));
    for (int i = 0; i < H * W * 3; i++)
        levels[held.pixels[i] / 64]++;
    for (int i = 0; i < 4; i++)
        assert_in_range(levels[i], 450 - 95, 450 + 95);
    assert_ok(cnn_canvas_erase(&held.canvas, (struct cnn_rect){40, 40, 5, 5}, colour, NULL)); // outside
    free(before);
    let_go(&held);
}

static void test_channels_change_places(void **state) {
    struct held held;
    uint8_t *before = texture_picture(5, 7, 3);
    hold(&held, 5, 7, 3);
    assert_ok(cnn_canvas_permute(&held.canvas, (const int[3]){2, 0, 1}));
    for (int i = 0; i < 35; i++)
        assert_true(held.pixels[3 * i] == before[3 * i + 2] && held.pixels[3 * i + 1] == before[3 * i] &&
                    held.pixels[3 * i + 2] == before[3 * i + 1]);
    free(before);
    let_go(&held);
}

// --- the loops of one processor against those of another ---

static void test_loops_give_equal_bytes(void **state) {
    enum { N = 1003 }; // pixels; no multiple of any vector
    const struct cnn_pixel_loops *a = &cnn_pixel_loops_portable, *b = cnn_pixel_loops();
    uint8_t *in = texture_picture(1, N + 20, 3), x[3 * N], y[3 * N];
    float linear[256], lab[2][3 * N], table[CNN_NOISE_LEVELS],
        taps[7] = {0.1f, 0.2f, 0.11f, 0.3f, 0.05f, 0.04f, 0.2f};
    float sums[2][3 * N] = {{0}};
    uint32_t words[2][4 * 37];
    print_message("%s\n", b->name);
    for (int i = 0; i < 256; i++)
        linear[i] = (float)(i * i) / 65025;
    for (int i = 0; i < CNN_NOISE_LEVELS; i++)
        table[i] = (float)i / 77;
#define SAME(call_a, call_b)                                                                                 \
    memcpy(x, in, sizeof x);                                                                                 \
    memcpy(y, in, sizeof y);                                                                                 \
    call_a;                                                                                                  \
    call_b;                                                                                                  \
    assert_memory_equal(x, y, sizeof x)
    SAME(a->gray(x, N), b->gray(y, N));
    SAME(a->saturate(x, N, 1.37f), b->saturate(y, N, 1.37f));
    SAME(a->turn_hue(x, N, -0.21f), b->turn_hue(y, N, -0.21f));
    SAME(a->sharpen(x, in + 6, in + 9, in + 21, 3 * N, 3, 2.2f),
         b->sharpen(y, in + 6, in + 9, in + 21, 3 * N, 3, 2.2f));
    SAME(a->add_noise(x, (const uint16_t *)(void *)in, N, table, 0.5f),
         b->add_noise(y, (const uint16_t *)(void *)in, N, table, 0.5f));
    a->accumulate(sums[0], in, 3 * N, 0.37f);
    b->accumulate(sums[1], in, 3 * N, 0.37f);
    assert_memory_equal(sums[0], sums[1], sizeof sums[0]);
    SAME(a->convolve(x, sums[0], 3 * N - 18, 3, taps, 7), b->convolve(y, sums[0], 3 * N - 18, 3, taps, 7));
    a->lab(lab[0], in, N, linear);
    b->lab(lab[1], in, N, linear);
    assert_memory_equal(lab[0], lab[1], sizeof lab[0]);
    assert_true(a->sum_luma(in, N) == b->sum_luma(in, N) && a->sum(in, N) == b->sum(in, N));
    struct cnn_draws draws = draws_of(9);
    draws.counter[0] = 5;
    a->philox(words[0], 37, 5, draws.counter + 1, draws.key);
    b->philox(words[1], 37, 5, draws.counter + 1, draws.key);
    for (int i = 0; i < 4 * 37; i++) {
        uint32_t word = cnn_draw_u32(&draws); // of the same numbers as everywhere
        assert_true(words[0][i] == word && words[1][i] == word);
    }
    free(in);
}

// Pictures of one pixel, one row, one column: nothing reads beyond them.
static void test_tiny_pictures(void **state) {
    static const int sizes[][2] = {{1, 1}, {1, 9}, {9, 1}, {2, 2}};
    const uint8_t black[3] = {0};
    for (size_t i = 0; i < 4; i++)
        for (int c = 1; c <= 3; c += 2) {
            struct held held;
            struct cnn_draws draws = draws_of(i);
            int h = sizes[i][0], w = sizes[i][1];
            hold(&held, h, w, c);
            struct cnn_canvas *canvas = &held.canvas;
            struct cnn_warp warp = turn(h, w, 20, 1, 0), flat = {{0, 0, 0, 0, 0, 0, 0, 0, 1}};
            assert_ok(do_chain(canvas));
            assert_ok(cnn_canvas_blur(canvas, 23, 3));
            assert_ok(cnn_canvas_sharpness(canvas, 3));
            assert_ok(cnn_canvas_hue(canvas, 0.3));
            assert_ok(cnn_canvas_lab(canvas));
            assert_ok(cnn_canvas_noise(canvas, 0, 0.3, &draws));
            assert_ok(cnn_canvas_warp(canvas, &warp, CNN_INTERPOLATION_BILINEAR, black));
            assert_ok(cnn_canvas_warp(canvas, &warp, CNN_INTERPOLATION_NEAREST, black));
            assert_ok(cnn_canvas_finish(canvas));
            assert_ok(cnn_canvas_warp(canvas, &flat, CNN_INTERPOLATION_BILINEAR, black));
            assert_ok(cnn_canvas_finish(canvas));
            assert_int_equal(held.pixels[0], 0);
            let_go(&held);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_pillow_and_torchvision),
        cmocka_unit_test(test_strengths_and_policies_are_torchvisions),
        cmocka_unit_test(test_moves_in_a_row_are_one),
        cmocka_unit_test(test_waiting_changes_nothing),
        cmocka_unit_test(test_noise_has_its_distribution),
        cmocka_unit_test(test_salt_and_pepper),
        cmocka_unit_test(test_erasing),
        cmocka_unit_test(test_channels_change_places),
        cmocka_unit_test(test_loops_give_equal_bytes),
        cmocka_unit_test(test_tiny_pictures),
    };
    return cmocka_run_group_tests_name("image/augment", tests, NULL, NULL);
}
