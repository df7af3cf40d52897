#include "picture.h"

#include "image/resample.h"
#include <math.h>

// clang-format off
#define CROP(side, padding) {.kind = CNN_AUGMENT_RANDOM_CROP, .args = {{side}, {padding}}}
#define RESIZED_CROP(side) {.kind = CNN_AUGMENT_RANDOM_RESIZED_CROP, .args = {{side}, {0.08, 1}, {0.75, 4.0 / 3}}}
#define FLIP(p) {.kind = CNN_AUGMENT_FLIP_HORIZONTAL, .args = {{p}}}
#define FLIP_VERTICAL(p) {.kind = CNN_AUGMENT_FLIP_VERTICAL, .args = {{p}}}
#define RESIZE(side) {.kind = CNN_AUGMENT_RESIZE, .args = {{side}}}
#define RESIZE_EXACT(h, w) {.kind = CNN_AUGMENT_RESIZE_EXACT, .args = {{h, w}}}
#define CENTER(side) {.kind = CNN_AUGMENT_CENTER_CROP, .args = {{side}}}
#define PAD(across, down, mode, fill) {.kind = CNN_AUGMENT_PAD, .args = {{across, down}, {mode}, {fill, fill, fill}}}
#define CROP_BORDER(side, padding, mode, fill) \
    {.kind = CNN_AUGMENT_RANDOM_CROP, .args = {{side}, {padding}, {mode}, {fill, fill, fill}}}
// clang-format on

// A picture being taken through a list by plain loops, one augmentation after the other.
struct plain {
    int h, w, c;
    uint8_t *pixels;
    struct cnn_border border;
};

static int mirrored(int i, int n) {
    while (n > 1 && (i < 0 || i >= n))
        i = i < 0 ? -i : 2 * n - 2 - i;
    return n > 1 ? i : 0;
}

static int clamped(int i, int n) { return i < 0 ? 0 : i < n ? i : n - 1; }

static uint8_t plain_at(const struct plain *p, int y, int x, int k) {
    bool inside = y >= 0 && x >= 0 && y < p->h && x < p->w;
    if (!inside && p->border.mode == CNN_BORDER_CONSTANT)
        return p->border.fill[k];
    if (p->border.mode == CNN_BORDER_EDGE)
        y = clamped(y, p->h), x = clamped(x, p->w);
    if (p->border.mode == CNN_BORDER_REFLECT)
        y = mirrored(y, p->h), x = mirrored(x, p->w);
    return p->pixels[(y * p->w + x) * p->c + k];
}

static void plain_become(struct plain *p, int h, int w, uint8_t *pixels) {
    free(p->pixels);
    *p = (struct plain){h, w, p->c, pixels, {0}};
}

static void plain_cut(struct plain *p, int y, int x, int h, int w) {
    uint8_t *out = malloc((size_t)(h * w * p->c)), *next = out;
    for (int v = 0; v < h; v++)
        for (int u = 0; u < w; u++)
            for (int k = 0; k < p->c; k++)
                *next++ = plain_at(p, y + v, x + u, k);
    plain_become(p, h, w, out);
}

static void plain_flip_vertical(struct plain *p) {
    uint8_t *out = malloc((size_t)(p->h * p->w * p->c)), *next = out;
    for (int v = 0; v < p->h; v++)
        for (int u = 0; u < p->w; u++)
            for (int k = 0; k < p->c; k++)
                *next++ = plain_at(p, p->h - 1 - v, u, k);
    plain_become(p, p->h, p->w, out);
}

static void plain_flip(struct plain *p) {
    uint8_t *out = malloc((size_t)(p->h * p->w * p->c)), *next = out;
    for (int v = 0; v < p->h; v++)
        for (int u = 0; u < p->w; u++)
            for (int k = 0; k < p->c; k++)
                *next++ = plain_at(p, v, p->w - 1 - u, k);
    plain_become(p, p->h, p->w, out);
}

static void plain_resize(struct plain *p, int h, int w) {
    struct cnn_image_scratch scratch = {0};
    struct cnn_axis axes[2] = {{0, p->w, p->w, w, 0, w, false}, {0, p->h, p->h, h, 0, h, false}};
    struct cnn_filter filters[2];
    uint8_t *out = malloc((size_t)(h * w * p->c));
    assert_ok(cnn_filters_create(filters, axes, &scratch));
    struct cnn_view view = {p->pixels, (size_t)(p->w * p->c), p->h, p->w, p->c};
    struct cnn_view read = cnn_view_part(&view, (struct cnn_rect){filters[0].low, filters[1].low,
                                                                  filters[0].high - filters[0].low,
                                                                  filters[1].high - filters[1].low});
    assert_ok(cnn_resample(out, (size_t)(w * p->c), &read, &filters[0], &filters[1], &scratch));
    cnn_image_scratch_finish(&scratch);
    plain_become(p, h, w, out);
}

// The draws of one augmentation, learnt from a plan of it alone.
static void plain_step(struct plain *p, const struct cnn_augment *op, struct cnn_draws draws) {
    struct cnn_augment_list one = {.n = 1, .ops = {*op}};
    struct cnn_plan plan;
    assert_ok(draw_plan(&plan, &one, p->h, p->w, draws));
    struct cnn_rect cut = plan.stages[0].window;
    p->border = plan.stages[0].border;
    plain_cut(p, cut.y, cut.x, cut.h, cut.w);
    if (plan.n == 2)
        plain_resize(p, plan.stages[0].h, plan.stages[0].w);
    if (plan.flip)
        plain_flip(p);
    if (plan.flip_vertical)
        plain_flip_vertical(p);
}

struct chain {
    const char *name;
    int h, w;
    struct cnn_augment_list list;
    bool exact;
};

static const struct chain chains[] = {
    {"nothing", 32, 32, {0}, true},
    {"crop, flip", 32, 32, {2, {CROP(32, 4), FLIP(0.5)}}, true},
    {"gray crop, flip", 28, 28, {2, {CROP(28, 2), FLIP(0.5)}}, true},
    {"flip, crop", 31, 33, {2, {FLIP(0.5), CROP(24, 3)}}, true},
    {"center, crop, flip", 32, 40, {3, {CENTER(24), CROP(30, 5), FLIP(0.5)}}, true},
    {"crop twice", 20, 20, {4, {CROP(22, 4), FLIP(0.5), CROP(26, 6), FLIP(0.5)}}, true},
    {"border only", 10, 10, {2, {CROP(4, 40), FLIP(0.5)}}, true},
    {"wide center", 9, 15, {2, {CENTER(20), FLIP(1)}}, true},
    {"resize, center", 37, 53, {2, {RESIZE(24), CENTER(20)}}, true},
    {"resize, wide center, flip", 37, 53, {3, {RESIZE(14), CENTER(21), FLIP(0.5)}}, true},
    {"resize, crop, flip", 53, 37, {3, {RESIZE(32), CROP(32, 4), FLIP(0.5)}}, true},
    {"crop with border, resize", 16, 16, {2, {CROP(20, 4), RESIZE(9)}}, true},
    {"border only, resize", 10, 10, {2, {CROP(4, 40), RESIZE(9)}}, true},
    {"resize twice", 50, 40, {4, {RESIZE(33), CENTER(31), RESIZE(17), CROP(17, 1)}}, true},
    {"resize, border, resize, border", 50, 40, {4, {RESIZE(20), CENTER(30), RESIZE(17), CENTER(19)}}, true},
    // Mirroring is put off until the end, where a centre may round to the other side.
    {"flip, resize", 37, 53, {3, {FLIP(0.5), RESIZE(24), CENTER(20)}}, false},
    {"resized crop, flip", 60, 70, {2, {RESIZED_CROP(24), FLIP(0.5)}}, true},
    {"both flips, crop", 31, 33, {3, {FLIP(0.5), FLIP_VERTICAL(0.5), CROP(24, 3)}}, true},
    {"crop, both flips", 31, 33, {3, {CROP(24, 3), FLIP_VERTICAL(0.5), FLIP(0.5)}}, true},
    {"resized crop, both flips", 60, 70, {3, {RESIZED_CROP(24), FLIP_VERTICAL(0.5), FLIP(0.5)}}, true},
    {"exact resize, crop", 60, 70, {2, {RESIZE_EXACT(20, 33), CROP(20, 2)}}, true},
    {"white border", 20, 30, {2, {PAD(3, 5, CNN_BORDER_CONSTANT, 255), FLIP(0.5)}}, true},
    {"white border, crop",
     20,
     20,
     {2, {CROP_BORDER(20, 4, CNN_BORDER_CONSTANT, 255), FLIP_VERTICAL(0.5)}},
     true},
    {"white around black", 9, 9, {3, {PAD(2, 2, 0, 0), PAD(3, 1, 0, 255), FLIP(0.5)}}, true},
    {"mirrored border, crop", 20, 20, {3, {PAD(4, 4, CNN_BORDER_REFLECT, 0), CROP(20, 0), FLIP(0.5)}}, true},
    {"mirrored border of a crop",
     20,
     24,
     {3, {CENTER(8), PAD(3, 3, CNN_BORDER_REFLECT, 0), FLIP(0.5)}},
     true},
    {"mirrored often", 5, 3, {2, {PAD(20, 11, CNN_BORDER_REFLECT, 0), FLIP_VERTICAL(0.5)}}, true},
    {"one row mirrored", 1, 6, {1, {PAD(4, 2, CNN_BORDER_REFLECT, 0)}}, true},
    {"edges, crop", 20, 20, {2, {CROP_BORDER(22, 6, CNN_BORDER_EDGE, 0), FLIP(0.5)}}, true},
    {"edges only", 10, 10, {1, {CROP_BORDER(4, 40, CNN_BORDER_EDGE, 0)}}, true},
    {"edges, resize", 20, 20, {3, {PAD(4, 4, CNN_BORDER_EDGE, 0), RESIZE(15), CENTER(13)}}, true},
    {"resize, edges, crop", 20, 27, {3, {RESIZE(15), PAD(6, 6, CNN_BORDER_EDGE, 0), CROP(12, 0)}}, true},
    {"edges around mirrors",
     9,
     7,
     {3, {PAD(4, 4, CNN_BORDER_REFLECT, 0), PAD(2, 2, CNN_BORDER_EDGE, 0), FLIP(0.5)}},
     true},
    {"black around edges", 9, 7, {3, {PAD(4, 4, CNN_BORDER_EDGE, 0), CENTER(20), FLIP_VERTICAL(0.5)}}, true},
    {"edges, crop, white", 9, 7, {3, {PAD(4, 4, CNN_BORDER_EDGE, 0), CENTER(11), PAD(1, 2, 0, 255)}}, true},
};

static void check_chain(const struct chain *chain, int c, uint64_t record) {
    size_t bytes = (size_t)(chain->h * chain->w * c);
    struct cnn_policy *policy;
    struct cnn_image_scratch scratch = {0};
    struct cnn_image_info stored = {CNN_ENCODING_RAW, chain->h, chain->w, c};
    struct plain plain = {chain->h, chain->w, c, texture_picture(chain->h, chain->w, c), {0}};
    uint8_t *in = texture_picture(chain->h, chain->w, c);
    struct cnn_draws draws = draws_of(record);
    for (int i = 0; i < chain->list.n; i++)
        plain_step(&plain, &chain->list.ops[i], cnn_draws_at(draws, i));
    int h, w;
    assert_ok(cnn_policy_create(&policy, &chain->list, true, chain->h, chain->w));
    cnn_policy_output(policy, &h, &w);
    assert_int_equal(h, plain.h);
    assert_int_equal(w, plain.w);
    uint8_t *slot = malloc((size_t)(h * w * c));
    assert_ok(cnn_policy_apply(policy, slot, c, in, bytes, &stored, draws, &scratch));
    for (int i = 0; i < h * w * c; i++)
        if (abs(slot[i] - plain.pixels[i]) > (chain->exact ? 0 : 1))
            fail_msg("%s, %d channels, record %d: byte %d is %d, not %d", chain->name, c, (int)record, i,
                     slot[i], plain.pixels[i]);
    free(slot);
    free(in);
    free(plain.pixels);
    cnn_policy_destroy(policy);
    cnn_image_scratch_finish(&scratch);
}

static void test_chains_against_plain_loops(void **state) {
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++)
        for (uint64_t record = 0; record < 40; record++) {
            check_chain(&chains[i], 1, record);
            check_chain(&chains[i], 3, record);
        }
}

static void test_evaluation_is_torchvisions(void **state) {
    FILE *list = open_golden("eval.txt");
    size_t bytes, at = 0;
    uint8_t *golden = read_golden("eval.pixels", &bytes);
    struct cnn_image_scratch scratch = {0};
    int h, w, c, side, size;
    while (fscanf(list, "%d %d %d %d %d", &h, &w, &c, &side, &size) == 5) {
        struct cnn_augment_list ops = {2, {RESIZE(side), CENTER(size)}};
        struct cnn_policy *policy;
        struct cnn_image_info stored = {CNN_ENCODING_RAW, h, w, c};
        uint8_t *in = texture_picture(h, w, c);
        size_t n = (size_t)(size * size * c);
        uint8_t *slot = malloc(n);
        assert_ok(cnn_policy_create(&policy, &ops, false, 0, 0));
        assert_ok(cnn_policy_apply(policy, slot, c, in, (size_t)(h * w * c), &stored, draws_of(0), &scratch));
        assert_true(at + n <= bytes);
        for (size_t i = 0; i < n; i++) // 1: Pillow 13 may go down first
            assert_true(abs(slot[i] - golden[at + i]) <= 1);
        at += n;
        cnn_policy_destroy(policy);
        free(in);
        free(slot);
    }
    assert_int_equal(at, bytes);
    fclose(list);
    free(golden);
    cnn_image_scratch_finish(&scratch);
}

static void test_gray_and_colour(void **state) {
    struct cnn_augment_list crop = {2, {CROP(9, 2), FLIP(0.5)}}, resize = {2, {RESIZE(7), CENTER(6)}};
    struct cnn_image_scratch scratch = {0};
    uint8_t *gray = texture_picture(9, 9, 1), *colour = texture_picture(9, 9, 3), flat[9 * 9 * 3];
    for (int i = 0; i < 81; i++)
        flat[3 * i] = flat[3 * i + 1] = flat[3 * i + 2] = gray[i];
    struct cnn_image_info one = {CNN_ENCODING_RAW, 9, 9, 1}, three = {CNN_ENCODING_RAW, 9, 9, 3};
    for (int i = 0; i < 30; i++) {
        struct cnn_policy *policy;
        uint8_t a[9 * 9 * 3] = {1}, b[9 * 9 * 3] = {2};
        assert_ok(cnn_policy_create(&policy, i % 2 ? &crop : &resize, true, 9, 9));
        int h, w;
        cnn_policy_output(policy, &h, &w);
        assert_ok(cnn_policy_apply(policy, a, 3, gray, 81, &one, draws_of((uint64_t)i), &scratch));
        assert_ok(cnn_policy_apply(policy, b, 3, flat, 243, &three, draws_of((uint64_t)i), &scratch));
        assert_memory_equal(a, b, (size_t)(h * w * 3));
        assert_ok(cnn_policy_apply(policy, a, 1, gray, 81, &one, draws_of((uint64_t)i), &scratch));
        assert_ok(cnn_policy_apply(policy, b, 1, flat, 243, &three, draws_of((uint64_t)i), &scratch));
        assert_memory_equal(a, b, (size_t)(h * w)); // the luma of gray is itself
        cnn_policy_destroy(policy);
    }
    struct cnn_policy *policy;
    uint8_t luma[81];
    assert_ok(cnn_policy_create(&policy, &(struct cnn_augment_list){0}, true, 9, 9));
    assert_ok(cnn_policy_apply(policy, luma, 1, colour, 243, &three, draws_of(0), &scratch));
    for (int i = 0; i < 81; i++)
        assert_int_equal(
            luma[i],
            (19595 * colour[3 * i] + 38470 * colour[3 * i + 1] + 7471 * colour[3 * i + 2] + 32768) >> 16);
    cnn_policy_destroy(policy);
    free(gray);
    free(colour);
    cnn_image_scratch_finish(&scratch);
}

// A JPEG's crop is what the same crop of its decoded pixels would be, unless it is twice the result or more.
static void test_jpeg_crops_equal_raw_crops(void **state) {
    struct cnn_augment_list ops = {2, {RESIZED_CROP(64), FLIP(0.5)}};
    struct cnn_policy *policy;
    struct cnn_image_scratch scratch = {0};
    int h = 103, w = 121; // under 2 x 64
    uint8_t *soft = soft_picture(h, w, 3), *file, *pixels, a[64 * 64 * 3], b[64 * 64 * 3];
    size_t bytes;
    assert_ok(cnn_image_encode_jpeg(&file, &bytes, soft, h, w, 3, 90));
    assert_ok(cnn_image_decode(&pixels, NULL, file, bytes, 3));
    assert_ok(cnn_policy_create(&policy, &ops, false, 0, 0));
    struct cnn_image_info raw = {CNN_ENCODING_RAW, h, w, 3};
    for (int channels = 1; channels <= 3; channels += 2)
        for (uint64_t i = 0; i < 100; i++) {
            assert_ok(cnn_policy_apply(policy, a, channels, file, bytes, NULL, draws_of(i), &scratch));
            assert_ok(cnn_policy_apply(policy, b, channels, pixels, (size_t)(h * w * 3), &raw, draws_of(i),
                                       &scratch));
            assert_memory_equal(a, b, (size_t)(64 * 64 * channels));
        }
    cnn_policy_destroy(policy);
    free(soft);
    free(file);
    free(pixels);
    cnn_image_scratch_finish(&scratch);
}

static uint8_t *smooth_picture(int h, int w) {
    uint8_t *pixels = malloc((size_t)(h * w * 3)), *next = pixels;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int k = 0; k < 3; k++)
                *next++ = (uint8_t)(128 + 60 * sin(x / (63.0 + k)) + 50 * cos(y / (51.0 + k)));
    return pixels;
}

// Large crops are shrunk while decoding: not the same pixels, but nearly, and not shifted.
static void test_large_jpeg_crops_are_close(void **state) {
    struct cnn_augment_list ops = {2, {RESIZED_CROP(24), FLIP(0.5)}};
    struct cnn_policy *policy;
    struct cnn_image_scratch scratch = {0};
    int h = 403, w = 517;
    size_t bytes, n = 24 * 24 * 3;
    uint8_t *soft = smooth_picture(h, w), *file, *pixels, a[24 * 24 * 3], b[24 * 24 * 3];
    assert_ok(cnn_image_encode_jpeg(&file, &bytes, soft, h, w, 3, 95));
    assert_ok(cnn_image_decode(&pixels, NULL, file, bytes, 3));
    assert_ok(cnn_policy_create(&policy, &ops, false, 0, 0));
    struct cnn_image_info raw = {CNN_ENCODING_RAW, h, w, 3};
    double distance = 0;
    for (uint64_t i = 0; i < 50; i++) {
        assert_ok(cnn_policy_apply(policy, a, 3, file, bytes, NULL, draws_of(i), &scratch));
        assert_ok(cnn_policy_apply(policy, b, 3, pixels, (size_t)(h * w * 3), &raw, draws_of(i), &scratch));
        for (size_t k = 0; k < n; k++)
            distance += abs(a[k] - b[k]);
    }
    distance /= 50 * (double)n;
    print_message("mean distance %.3f\n", distance);
    assert_true(distance < 0.6); // half a pixel of the shrunk picture would be 1 or more
    cnn_policy_destroy(policy);
    free(soft);
    free(file);
    free(pixels);
    cnn_image_scratch_finish(&scratch);
}

// Whatever a scratch was used for before, and after failures, the pixels depend on the record and its draws.
static void test_same_draws_same_pixels(void **state) {
    static const char *const names[] = {"420.jpg",         "cmyk.jpg",           "orientation-6.jpg",
                                        "progressive.jpg", "rgb-interlaced.png", "gray4.png",
                                        "rgba.png"};
    struct cnn_augment_list ops = {3, {RESIZED_CROP(20), CROP(20, 2), FLIP(0.5)}};
    struct cnn_policy *policy;
    struct cnn_image_scratch used = {0};
    assert_ok(cnn_policy_create(&policy, &ops, false, 0, 0));
    for (int round = 0; round < 20; round++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            struct cnn_image_scratch fresh = {0};
            size_t bytes;
            uint8_t *data = read_golden(names[i], &bytes), a[20 * 20 * 3], b[20 * 20 * 3];
            memset(a, round, sizeof a);
            memset(b, ~round, sizeof b);
            assert_ok(cnn_policy_apply(policy, a, 3, data, bytes, NULL, draws_of((uint64_t)round), &used));
            assert_int_equal(cnn_policy_apply(policy, b, 3, data, bytes / 8, NULL, draws_of(1), &used),
                             CNN_ERR_INPUT);
            assert_ok(cnn_policy_apply(policy, b, 3, data, bytes, NULL, draws_of((uint64_t)round), &fresh));
            assert_memory_equal(a, b, sizeof a);
            cnn_image_scratch_finish(&fresh);
            free(data);
        }
    cnn_policy_destroy(policy);
    cnn_image_scratch_finish(&used);
}

static void refuse(int n, const struct cnn_augment *ops, bool fixed, int h, int w, const char *reason) {
    struct cnn_augment_list list = {.n = n};
    struct cnn_policy *policy = NULL;
    for (int i = 0; i < n; i++)
        list.ops[i] = ops[i];
    assert_int_equal(cnn_policy_create(&policy, &list, fixed, h, w), CNN_ERR_INPUT);
    assert_null(policy);
    if (!strstr(cnn_error_message(), reason))
        fail_msg("\"%s\" does not say \"%s\"", cnn_error_message(), reason);
}

static void test_lists_that_give_no_one_size(void **state) {
    refuse(0, NULL, false, 0, 0, "differ in size");
    refuse(1, (struct cnn_augment[]){RESIZE(256)}, false, 0, 0, "resize does not change that");
    refuse(2, (struct cnn_augment[]){RESIZE(256), FLIP(0.5)}, false, 0, 0, "differ in size");
    refuse(1, (struct cnn_augment[]){CROP(41, 4)}, true, 32, 40, "does not fit");
    refuse(2, (struct cnn_augment[]){RESIZE(30), CROP(32, 0)}, false, 0, 0, "does not fit");
    refuse(1, (struct cnn_augment[]){CENTER(0)}, true, 32, 32, "size");
    refuse(1, (struct cnn_augment[]){FLIP(1.5)}, true, 32, 32, "allowed");
    refuse(1,
           (struct cnn_augment[]){
               {.kind = CNN_AUGMENT_RANDOM_RESIZED_CROP, .args = {{8}, {0.5, 0.1}, {0.75, 1.3}}}},
           true, 32, 32, "ends below its start");
    refuse(0, NULL, true, 0, 32, "0");
    int h, w;
    struct cnn_policy *policy;
    struct cnn_augment_list list = {1, {RESIZE(16)}};
    assert_ok(cnn_policy_create(&policy, &list, true, 32, 48)); // fixed records: a resize alone will do
    cnn_policy_output(policy, &h, &w);
    assert_true(h == 16 && w == 24);
    cnn_policy_destroy(policy);
    cnn_policy_destroy(NULL);
}

static void test_records_that_do_not_fit(void **state) {
    struct cnn_augment_list none = {0}, crop = {1, {CROP(32, 0)}};
    struct cnn_policy *policy;
    struct cnn_image_scratch scratch = {0};
    uint8_t pixels[64 * 64] = {0}, slot[64 * 64 * 3];
    struct cnn_image_info small = {CNN_ENCODING_RAW, 16, 64, 1}, strange = {CNN_ENCODING_RAW, 4, 4, 2},
                          empty = {CNN_ENCODING_RAW, 0, 4, 1};
    assert_ok(cnn_policy_create(&policy, &none, true, 64, 64));
    assert_int_equal(cnn_policy_apply(policy, slot, 1, pixels, 16 * 64, &small, draws_of(0), &scratch),
                     CNN_ERR_INPUT);
    assert_int_equal(cnn_policy_apply(policy, slot, 1, pixels, 16 * 64 - 1, &small, draws_of(0), &scratch),
                     CNN_ERR_INPUT);
    assert_int_equal(cnn_policy_apply(policy, slot, 1, pixels, 32, &strange, draws_of(0), &scratch),
                     CNN_ERR_INPUT);
    assert_int_equal(cnn_policy_apply(policy, slot, 1, pixels, 0, &empty, draws_of(0), &scratch),
                     CNN_ERR_INPUT);
    assert_int_equal(cnn_policy_apply(policy, slot, 2, pixels, 16 * 64, &small, draws_of(0), &scratch),
                     CNN_ERR_INPUT);
    cnn_policy_destroy(policy);
    assert_ok(cnn_policy_create(&policy, &crop, false, 0, 0));
    assert_int_equal(cnn_policy_apply(policy, slot, 1, pixels, 16 * 64, &small, draws_of(0), &scratch),
                     CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), "does not fit"));
    cnn_policy_destroy(policy);
    cnn_image_scratch_finish(&scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains_against_plain_loops),
        cmocka_unit_test(test_evaluation_is_torchvisions),
        cmocka_unit_test(test_gray_and_colour),
        cmocka_unit_test(test_jpeg_crops_equal_raw_crops),
        cmocka_unit_test(test_large_jpeg_crops_are_close),
        cmocka_unit_test(test_same_draws_same_pixels),
        cmocka_unit_test(test_lists_that_give_no_one_size),
        cmocka_unit_test(test_records_that_do_not_fit),
    };
    return cmocka_run_group_tests_name("image/policy", tests, NULL, NULL);
}
