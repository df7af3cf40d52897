// Lists of augmentations: the three ways to write an entry, defaults, ranges, and what is refused.
#include "given.h"

static const struct cnn_augment *only(struct cnn_config *config, const char *entry) {
    char yaml[256];
    snprintf(yaml, sizeof yaml, "augment:\n  train:\n    - %s\n", entry);
    must_read(config, yaml);
    assert_int_equal(config->augment.train.n, 1);
    return &config->augment.train.ops[0];
}

static void check_args(const struct cnn_augment *op, enum cnn_augment_kind kind, int n,
                       const double (*args)[2]) {
    assert_int_equal(op->kind, kind);
    assert_int_equal(cnn_augment_table[kind].n_args, n);
    for (int i = 0; i < n; i++)
        assert_true(op->args[i][0] == args[i][0] && op->args[i][1] == args[i][1]);
}

static void entries_in_every_spelling(void **state) {
    struct cnn_config config;
    check_args(only(&config, "flip_horizontal"), CNN_AUGMENT_FLIP_HORIZONTAL, 1,
               (const double[][2]){{0.5, 0.5}});
    check_args(only(&config, "flip_horizontal: "), CNN_AUGMENT_FLIP_HORIZONTAL, 1,
               (const double[][2]){{0.5, 0.5}});
    check_args(only(&config, "flip_horizontal: {}"), CNN_AUGMENT_FLIP_HORIZONTAL, 1,
               (const double[][2]){{0.5, 0.5}});
    check_args(only(&config, "flip_horizontal: 0.25"), CNN_AUGMENT_FLIP_HORIZONTAL, 1,
               (const double[][2]){{0.25, 0.25}});
    check_args(only(&config, "flip_horizontal: {p: 1}"), CNN_AUGMENT_FLIP_HORIZONTAL, 1,
               (const double[][2]){{1, 1}});
    check_args(only(&config, "flip_horizontal:\n        p: 1"), CNN_AUGMENT_FLIP_HORIZONTAL, 1,
               (const double[][2]){{1, 1}});
    check_args(only(&config, "{resize: 256}"), CNN_AUGMENT_RESIZE, 1, (const double[][2]){{256, 256}});
    check_args(only(&config, "center_crop: {size: 4096}"), CNN_AUGMENT_CENTER_CROP, 1,
               (const double[][2]){{4096, 4096}});
}

static void arguments_and_their_defaults(void **state) {
    struct cnn_config config;
    check_args(only(&config, "random_crop: {size: 32}"), CNN_AUGMENT_RANDOM_CROP, 2,
               (const double[][2]){{32, 32}, {0, 0}});
    check_args(only(&config, "random_crop: {padding: 4, size: 1}"), CNN_AUGMENT_RANDOM_CROP, 2,
               (const double[][2]){{1, 1}, {4, 4}});
    check_args(only(&config, "random_resized_crop: {size: 224}"), CNN_AUGMENT_RANDOM_RESIZED_CROP, 3,
               (const double[][2]){{224, 224}, {0.08, 1}, {0.75, 1.3333}});
    check_args(only(&config, "random_resized_crop: {size: 96, scale: [0.5, 0.5], ratio: [1, 2]}"),
               CNN_AUGMENT_RANDOM_RESIZED_CROP, 3, (const double[][2]){{96, 96}, {0.5, 0.5}, {1, 2}});
}

static void order_is_kept(void **state) {
    struct cnn_config config;
    must_read(&config, "augment: {train: [random_resized_crop: {size: 224}, flip_horizontal: {p: 0.5}],\n"
                       "          eval: [resize: {side: 256}, center_crop: {size: 224}]}");
    assert_int_equal(config.augment.train.ops[0].kind, CNN_AUGMENT_RANDOM_RESIZED_CROP);
    assert_int_equal(config.augment.train.ops[1].kind, CNN_AUGMENT_FLIP_HORIZONTAL);
    assert_int_equal(config.augment.eval.ops[0].kind, CNN_AUGMENT_RESIZE);
    assert_int_equal(config.augment.eval.ops[1].kind, CNN_AUGMENT_CENTER_CROP);
}

static void refuse(const char *entry, const char *start, const char *part) {
    char yaml[256];
    snprintf(yaml, sizeof yaml, "augment:\n  train:\n    - %s\n", entry);
    must_refuse(yaml, start, part);
}

static void unknown_names(void **state) {
    refuse("flip_horizontl",
           "t.yaml:3:7: augment.train[0]: unknown augmentation `flip_horizontl`, did you mean "
           "`flip_horizontal`?",
           "Allowed: random_crop, random_resized_crop, flip_horizontal, resize, center_crop");
    refuse("mixup: 0.2", "t.yaml:3:7: augment.train[0]: unknown augmentation `mixup`. Allowed:", "");
    refuse("[resize]", "t.yaml:3:7: augment.train[0]: unknown augmentation", "");
    refuse("random_crop: {size: 4, pading: 2}",
           "t.yaml:3:30: augment.train[0].random_crop: unknown argument `pading`, did you mean `padding`?",
           "Allowed: size, padding");
    refuse("random_crop: {[1]: 4}", "t.yaml:3:21: augment.train[0].random_crop: unknown argument", "");
}

static void wrong_arguments(void **state) {
    refuse("resize",
           "t.yaml:3:7: augment.train[0].resize: the argument `side` is missing; write `resize: {side: ...}`",
           "");
    refuse("random_crop: {padding: 2}",
           "t.yaml:3:7: augment.train[0].random_crop: the argument `size` is missing", "");
    refuse("random_crop: 32",
           "t.yaml:3:20: augment.train[0].random_crop: found `32`; name the arguments: `random_crop: {size: "
           "..., padding: ...}`",
           "");
    refuse("random_crop: {size: 4, size: 5}",
           "t.yaml:3:30: augment.train[0].random_crop: the argument `size` stands here a second time", "");
    refuse("resize: 0",
           "t.yaml:3:15: augment.train[0].resize.side: found `0`; allowed: a whole number from 1 to 4096",
           "");
    refuse("resize: {side: 4097}", "t.yaml:3:22: augment.train[0].resize.side: found `4097`", "");
    refuse("resize: 2.5", "t.yaml:3:15: augment.train[0].resize.side: found `2.5`", "whole number");
    refuse("resize: [1, 2]", "t.yaml:3:15: augment.train[0].resize.side: found a list; allowed: one number",
           "");
    refuse("flip_horizontal: 1.5",
           "t.yaml:3:24: augment.train[0].flip_horizontal.p: found `1.5`; allowed: a number from 0 to 1", "");
}

static void wrong_ranges(void **state) {
    refuse(
        "random_resized_crop: {size: 8, scale: 0.5}",
        "t.yaml:3:45: augment.train[0].random_resized_crop.scale: found `0.5`; allowed: a range [low, high]",
        "");
    refuse("random_resized_crop: {size: 8, scale: [0.5]}",
           "t.yaml:3:45: augment.train[0].random_resized_crop.scale: found a list", "");
    refuse("random_resized_crop: {size: 8, scale: [0.5, 0.4]}",
           "t.yaml:3:45: augment.train[0].random_resized_crop.scale: the range ends below its start", "");
    refuse("random_resized_crop: {size: 8, scale: [0.5, 1.5]}",
           "t.yaml:3:51: augment.train[0].random_resized_crop.scale: found `1.5`", "");
    refuse("random_resized_crop: {size: 8, scale: [0, 1]}",
           "t.yaml:3:46: augment.train[0].random_resized_crop.scale: found `0`", "");
}

static void wrong_lists(void **state) {
    must_refuse("augment: {train: flip_horizontal}",
                "t.yaml:1:18: augment.train: found `flip_horizontal`; allowed: a list", "`- `");
    must_refuse("augment:\n  train:\n    resize: 4\n    center_crop: 4\n",
                "t.yaml:3:5: augment.train: found a mapping; allowed: a list", "");
    must_refuse("augment:\n  train:\n    - resize: 4\n      center_crop: 4\n",
                "t.yaml:3:7: augment.train[0]: found 2 names in one entry", "`- `");
    must_refuse("augment: {train: [{}]}", "t.yaml:1:19: augment.train[0]: found 0 names", "");
    must_refuse("augment: {train: }", "t.yaml:1:18: augment.train: has no value", "");
    must_refuse("augment: {eval: [resize: 4, flip_horizontal]}",
                "t.yaml:1:17: augment.eval: found `flip_horizontal`, which is random", "");
}

static void at_most_32(void **state) {
    char yaml[1024] = "augment: {train: [";
    struct cnn_config config;
    for (int i = 0; i < CNN_AUGMENT_MAX_OPS; i++)
        strcat(yaml, "resize: 4,");
    size_t bytes = strlen(yaml);
    strcat(yaml, "]}");
    must_read(&config, yaml);
    assert_int_equal(config.augment.train.n, 32);
    strcpy(yaml + bytes, "resize: 4]}");
    must_refuse(yaml, "t.yaml:1:18: augment.train: found 33 augmentations; allowed: at most 32", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_in_every_spelling),
        cmocka_unit_test(arguments_and_their_defaults),
        cmocka_unit_test(order_is_kept),
        cmocka_unit_test(unknown_names),
        cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(wrong_ranges),
        cmocka_unit_test(wrong_lists),
        cmocka_unit_test(at_most_32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
