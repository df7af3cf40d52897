// Whole lists through a policy: the same as one augmentation after the other, the same every time, the same
// whatever stands later, in gray and in colour.
#include "lists.h"

#include "image/perform.h"

// Every augmentation, and what it takes so that the result of a 40 x 48 picture has one size.
static const char *const singles[] = {
    "random_crop: {size: 24, padding: 3, padding_mode: reflect}",
    "random_crop: {size: [20, 31], padding: 2, fill: [9, 200, 30]}",
    "random_resized_crop: {size: [20, 24]}",
    "flip_horizontal",
    "flip_vertical",
    "resize: 24",
    "resize_exact: [30, 20]",
    "center_crop: 50",
    "fit: [20, 45]",
    "pad: {padding: [2, 5], padding_mode: edge}",
    "rotation: {degrees: 30, fill: 128}",
    "rotation: {degrees: 30, interpolation: bilinear, fill: [200, 10, 90]}",
    "shift: 0.2",
    "scale: 0.3",
    "stretch: {x: 0.3, y: 0.2}",
    "shear: {degrees: 20, degrees_y: 10}",
    "affine: {degrees: 20, translate: 0.1, scale: 0.2, shear: 10, interpolation: bilinear}",
    "perspective: {p: 0.8}",
    "brightness: 0.5",
    "contrast: 0.5",
    "saturation: 0.9",
    "hue: 0.4",
    "color_jitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1}",
    "grayscale: 0.5",
    "channel_shuffle",
    "gamma: [0.5, 2]",
    "posterize: 3",
    "solarize: 100",
    "equalize: 0.9",
    "autocontrast",
    "invert",
    "sharpness: {factor: 3, p: 1}",
    "color_space: lab",
    "color_space: hcl",
    "gaussian_blur: {kernel_size: 5}",
    "gaussian_noise: {sigma: 0.2}",
    "salt_pepper_noise",
    "random_erasing: {p: 0.9, value: [1, 2, 3]}",
    "random_erasing: {p: 0.9, content: noise}",
    "cutout: {size: 9, holes: 3, value: 99}",
    "rand_augment",
    "trivial_augment_wide",
    "auto_augment",
    "auto_augment: {policy: cifar10, interpolation: bilinear}",
    "compose: [flip_vertical, invert]",
    "random_apply: [equalize: 1, gaussian_noise]",
    "random_choice: [hue: 0.2, compose: [posterize: 2, flip_horizontal], brightness: 0.9]",
};
enum { N_SINGLES = sizeof singles / sizeof *singles, H = 40, W = 48 };

struct picture {
    int h, w, c;
    uint8_t *pixels;
};

static struct picture apply(const struct cnn_augment_list *list, const struct picture *in, int channels,
                            struct cnn_draws draws, struct cnn_image_scratch *scratch) {
    struct cnn_policy *policy;
    struct picture out = {.c = channels};
    struct cnn_image_info stored = {CNN_ENCODING_RAW, in->h, in->w, in->c};
    assert_ok(cnn_policy_create(&policy, list, true, in->h, in->w));
    cnn_policy_output(policy, &out.h, &out.w);
    out.pixels = malloc((size_t)(out.h * out.w * channels));
    assert_ok(cnn_policy_apply(policy, out.pixels, channels, in->pixels, (size_t)(in->h * in->w * in->c),
                               &stored, draws, scratch));
    cnn_policy_destroy(policy);
    return out;
}

static bool is_equal(const struct picture *a, const struct picture *b) {
    return a->h == b->h && a->w == b->w && a->c == b->c &&
           memcmp(a->pixels, b->pixels, (size_t)(a->h * a->w * a->c)) == 0;
}

// Leaves gray as it is.
static bool is_of_colour(enum cnn_augment_kind kind) {
    return kind == CNN_AUGMENT_SATURATION || kind == CNN_AUGMENT_HUE || kind == CNN_AUGMENT_GRAYSCALE ||
           kind == CNN_AUGMENT_CHANNEL_SHUFFLE;
}

static void test_same_key_same_pixels(void **state) {
    struct cnn_image_scratch used = {0};
    for (int i = 0; i < N_SINGLES; i++)
        for (int c = 1; c <= 3; c += 2) {
            struct cnn_augment_list list = list_of_yaml(singles[i]);
            struct picture in = {H, W, c, soft_picture(H, W, c)}, first = {0};
            int different = 0;
            for (uint64_t record = 0; record < 30; record++) {
                struct cnn_image_scratch fresh = {0};
                struct picture a = apply(&list, &in, c, draws_of(record), &used);
                struct picture b = apply(&list, &in, c, draws_of(record), &fresh);
                if (!is_equal(&a, &b))
                    fail_msg("%s: record %d differs from itself", singles[i], (int)record);
                if (record == 0)
                    first = a;
                else
                    different += !is_equal(&a, &first);
                free(record ? a.pixels : NULL);
                free(b.pixels);
                cnn_image_scratch_finish(&fresh);
            }
            bool fixed = true, has_colour = is_of_colour(list.ops[0].kind);
            for (int k = 0; k < list.n; k++)
                fixed = fixed && !cnn_augment_is_random(&list.ops[k]);
            if ((different == 0) != (fixed || (has_colour && c == 1)))
                fail_msg("%s, %d channels: %d of 29 records differ from the first", singles[i], c, different);
            free(first.pixels);
            free(in.pixels);
        }
    cnn_image_scratch_finish(&used);
}

static bool is_move(enum cnn_augment_kind kind) {
    return kind >= CNN_AUGMENT_ROTATION && kind <= CNN_AUGMENT_PERSPECTIVE;
}

// Moves next to each other become one, which is not the same as one after the other.
static bool may_follow(const struct cnn_augment_list *list, const struct cnn_augment *next) {
    bool is_drawn = next->kind >= CNN_AUGMENT_RAND_AUGMENT && next->kind <= CNN_AUGMENT_AUTO_AUGMENT;
    for (int i = list->n - 1; i >= 0; i--) {
        enum cnn_augment_kind before = list->ops[i].kind;
        bool moves =
            is_move(before) || (before >= CNN_AUGMENT_RAND_AUGMENT && before <= CNN_AUGMENT_AUTO_AUGMENT);
        if (moves && (is_move(next->kind) || is_drawn))
            return false;
    }
    // A mirroring before a resize waits for it, and rounds the other way there.
    bool resizes = next->kind == CNN_AUGMENT_RESIZE || next->kind == CNN_AUGMENT_RESIZE_EXACT ||
                   next->kind == CNN_AUGMENT_RANDOM_RESIZED_CROP || next->kind == CNN_AUGMENT_FIT;
    for (int i = 0; i < list->n && resizes; i++)
        if (list->ops[i].kind == CNN_AUGMENT_FLIP_HORIZONTAL ||
            list->ops[i].kind == CNN_AUGMENT_FLIP_VERTICAL)
            return false;
    return true;
}

static struct cnn_augment_list draw_list(uint64_t i) {
    struct cnn_draws draws = cnn_draws_of(11, CNN_PURPOSE_TEST, 7, i);
    struct cnn_augment_list list = {0};
    int wanted = 2 + (int)cnn_draw_below(&draws, 6);
    for (int tries = 0; list.n < wanted && tries < 100; tries++) {
        struct cnn_augment_list one = list_of_yaml(singles[cnn_draw_below(&draws, N_SINGLES)]);
        if (one.n == 1 && may_follow(&list, &one.ops[0]))
            list.ops[list.n++] = one.ops[0];
    }
    return list;
}

// Draws of an entry are those of its place, so a list of one entry with the draws of that place does the
// same.
static struct picture one_after_the_other(const struct cnn_augment_list *list, const struct picture *in,
                                          int channels, struct cnn_draws draws,
                                          struct cnn_image_scratch *scratch) {
    struct picture now = {in->h, in->w, in->c, malloc((size_t)(in->h * in->w * in->c))};
    memcpy(now.pixels, in->pixels, (size_t)(in->h * in->w * in->c));
    for (int i = 0; i < list->n; i++) {
        struct cnn_augment_list one = {.n = 1, .ops = {list->ops[i]}};
        struct picture next = apply(&one, &now, channels, cnn_draws_at(draws, i), scratch);
        free(now.pixels);
        now = next;
    }
    return now;
}

static void say_list(const struct cnn_augment_list *list) {
    for (int i = 0; i < list->n; i++)
        print_message("%s ", cnn_augment_table[list->ops[i].kind].name);
    print_message("\n");
}

static void test_lists_in_any_order(void **state) {
    struct cnn_image_scratch scratch = {0};
    int compared = 0;
    for (uint64_t i = 0; i < 1500; i++) {
        int c = i % 2 ? 3 : 1;
        struct cnn_augment_list list = draw_list(i);
        struct picture in = {H, W, c, soft_picture(H, W, c)};
        struct cnn_policy *policy;
        if (cnn_policy_create(&policy, &list, true, H, W) == CNN_OK) { // a crop may be too large
            cnn_policy_destroy(policy);
            struct picture together = apply(&list, &in, c, draws_of(i), &scratch);
            struct picture apart = one_after_the_other(&list, &in, c, draws_of(i), &scratch);
            if (!is_equal(&together, &apart)) {
                say_list(&list);
                fail_msg("list %d gives other pixels at once than one after the other", (int)i);
            }
            free(together.pixels);
            free(apart.pixels);
            compared++;
        }
        free(in.pixels);
    }
    assert_true(compared > 1000);
    cnn_image_scratch_finish(&scratch);
}

static void test_what_stands_later_changes_nothing_before(void **state) {
    static const char *const start =
        "random_resized_crop: {size: 24}, flip_horizontal, random_choice: [hue: 0.3, "
        "rotation: 20, compose: [gaussian_noise, shear: 5]], rand_augment";
    struct cnn_augment_list shorter = list_of_yaml(start);
    char yaml[512];
    struct cnn_image_scratch scratch = {0};
    struct picture in = {H, W, 3, texture_picture(H, W, 3)};
    snprintf(yaml, sizeof yaml, "%s, color_jitter: {hue: 0.5, p: 0}, cutout: {size: 1, value: 7}", start);
    struct cnn_augment_list longer = list_of_yaml(yaml);
    for (uint64_t i = 0; i < 100; i++) {
        struct picture a = apply(&shorter, &in, 3, draws_of(i), &scratch);
        struct picture b = apply(&longer, &in, 3, draws_of(i), &scratch);
        int different = 0;
        for (int k = 0; k < 24 * 24; k++)
            different += memcmp(a.pixels + 3 * k, b.pixels + 3 * k, 3) != 0;
        assert_true(different <= 1);
        free(a.pixels);
        free(b.pixels);
    }
    free(in.pixels);
    cnn_image_scratch_finish(&scratch);
}

static void test_the_same_twice_draws_twice(void **state) {
    struct cnn_augment_list list = list_of_yaml("flip_horizontal, flip_horizontal");
    struct cnn_image_scratch scratch = {0};
    struct picture in = {H, W, 1, texture_picture(H, W, 1)};
    int flipped = 0;
    for (uint64_t i = 0; i < 400; i++) {
        struct picture out = apply(&list, &in, 1, draws_of(i), &scratch);
        flipped += !is_equal(&out, &in);
        free(out.pixels);
    }
    assert_in_range(flipped, 150, 250);
    free(in.pixels);
    cnn_image_scratch_finish(&scratch);
}

// A gray record for a network that wants colour is the record in three equal channels, and stays so but where
// colour is put in.
static void test_gray_records_in_colour(void **state) {
    struct cnn_image_scratch scratch = {0};
    struct picture gray = {H, W, 1, soft_picture(H, W, 1)}, colour = {H, W, 3, malloc(H * W * 3)};
    for (int i = 0; i < H * W; i++)
        memset(colour.pixels + 3 * i, gray.pixels[i], 3);
    for (int i = 0; i < N_SINGLES; i++) {
        struct cnn_augment_list list = list_of_yaml(singles[i]);
        if (strstr(singles[i], "random_crop: {size: [")) // its border is in colour, for colour pictures only
            continue;
        for (uint64_t record = 0; record < 10; record++) {
            struct picture a = apply(&list, &gray, 3, draws_of(record), &scratch);
            struct picture b = apply(&list, &colour, 3, draws_of(record), &scratch);
            if (!is_equal(&a, &b))
                fail_msg("%s: gray and the same in colour differ", singles[i]);
            free(a.pixels);
            free(b.pixels);
        }
    }
    free(gray.pixels);
    free(colour.pixels);
    cnn_image_scratch_finish(&scratch);
}

// After the first records nothing is allocated any more.
static void test_memory_is_taken_once(void **state) {
    struct cnn_image_scratch scratch = {0}, settled = {0};
    struct picture in = {H, W, 3, texture_picture(H, W, 3)};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N_SINGLES; i++) {
            struct cnn_augment_list list = list_of_yaml(singles[i]);
            for (uint64_t record = 0; record < 5; record++)
                free(apply(&list, &in, 3, draws_of(record), &scratch).pixels);
        }
        if (round == 0)
            settled = scratch;
    }
    assert_memory_equal(&settled, &scratch, sizeof scratch);
    free(in.pixels);
    cnn_image_scratch_finish(&scratch);
}

static void refuse(const char *yaml, bool fixed, const char *reason) {
    struct cnn_augment_list list = list_of_yaml(yaml);
    struct cnn_policy *policy;
    assert_int_equal(cnn_policy_create(&policy, &list, fixed, H, W), CNN_ERR_INPUT);
    if (!strstr(cnn_error_message(), reason))
        fail_msg("%s: \"%s\" does not say \"%s\"", yaml, cnn_error_message(), reason);
}

static void accept(const char *yaml, bool fixed, int out_h, int out_w) {
    struct cnn_augment_list list = list_of_yaml(yaml);
    struct cnn_policy *policy;
    int h, w;
    assert_ok(cnn_policy_create(&policy, &list, fixed, H, W));
    cnn_policy_output(policy, &h, &w);
    assert_true(h == out_h && w == out_w);
    cnn_policy_destroy(policy);
}

static void test_sizes_are_known(void **state) {
    accept("pad: [1, 2]", true, H + 4, W + 2);
    accept("pad: 1, random_crop: {size: [20, 30]}", true, 20, 30);
    accept("random_resized_crop: {size: [20, 30]}, rand_augment", false, 20, 30);
    accept("random_choice: [random_crop: {size: 20}, random_resized_crop: {size: 20}, compose: [resize: 20, "
           "center_crop: 20]]",
           false, 20, 20);
    accept("random_apply: [resize: 60], random_resized_crop: {size: 20}", false, 20, 20);
    accept("random_apply: {p: 1, transforms: [center_crop: 20]}", false, 20, 20);
    refuse("random_choice: [center_crop: 20, center_crop: 21]", true,
           "differ in size, and random_choice does not change that");
    refuse("random_apply: [center_crop: 20]", true, "differ in size");
    refuse("random_apply: [resize: 20], random_crop: {size: 30}", true, "does not fit");
    refuse("rand_augment", false, "differ in size");
    refuse("random_choice: [hue: 0.1, random_crop: {size: 90}]", true, "does not fit");
}

static void test_broken_lists_are_refused(void **state) {
    struct cnn_augment_list list = list_of_yaml("compose: [invert], hue: 0.1");
    struct cnn_policy *policy;
    list.ops[0].args[0][0] = 5; // reaches beyond the end
    assert_int_equal(cnn_policy_create(&policy, &list, true, H, W), CNN_ERR_INPUT);
    list.ops[0].args[0][0] = 0;
    assert_int_equal(cnn_policy_create(&policy, &list, true, H, W), CNN_ERR_INPUT);
    list = list_of_yaml("random_choice: {p: [1, 2], transforms: [invert, hue: 0.1]}");
    list.ops[1].weight = list.ops[2].weight = 0;
    assert_int_equal(cnn_policy_create(&policy, &list, true, H, W), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), "weights"));
    list = list_of_yaml("compose: [compose: [invert], invert], invert");
    list.ops[1].args[0][0] = 3; // past the end of the list around it
    assert_int_equal(cnn_policy_create(&policy, &list, true, H, W), CNN_ERR_INPUT);
    memset(&list, 0, sizeof list);
    for (list.n = 0; list.n < 6; list.n++) {
        list.ops[list.n].kind = CNN_AUGMENT_COMPOSE;
        list.ops[list.n].args[0][0] = 6 - list.n;
    }
    list.ops[list.n++] = cnn_augment_default(CNN_AUGMENT_INVERT);
    assert_int_equal(cnn_policy_create(&policy, &list, true, H, W), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), "4 deep"));
    list.n = 1;
    list.ops[0].kind = CNN_N_AUGMENTS;
    assert_int_equal(cnn_policy_create(&policy, &list, true, H, W), CNN_ERR_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_key_same_pixels),
        cmocka_unit_test(test_lists_in_any_order),
        cmocka_unit_test(test_what_stands_later_changes_nothing_before),
        cmocka_unit_test(test_the_same_twice_draws_twice),
        cmocka_unit_test(test_gray_records_in_colour),
        cmocka_unit_test(test_memory_is_taken_once),
        cmocka_unit_test(test_sizes_are_known),
        cmocka_unit_test(test_broken_lists_are_refused),
    };
    return cmocka_run_group_tests_name("image/lists", tests, NULL, NULL);
}
