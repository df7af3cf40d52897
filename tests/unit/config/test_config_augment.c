// Lists of augmentations: the three ways to write an entry, defaults, ranges, and what is refused.
#include "given.h"

#include "base/file.h"
#include "config/words.h"

#include <math.h>

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
    check_args(only(&config, "random_crop: {size: 32}"), CNN_AUGMENT_RANDOM_CROP, 4,
               (const double[][2]){{32, 32}, {0, 0}, {0, 0}, {0, 0}});
    check_args(only(&config, "random_crop: {padding: 4, size: 1}"), CNN_AUGMENT_RANDOM_CROP, 4,
               (const double[][2]){{1, 1}, {4, 4}, {0, 0}, {0, 0}});
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
           "Allowed: random_crop, random_resized_crop, flip_horizontal, resize, center_crop, flip_vertical");
    refuse("mixup: 0.2", "t.yaml:3:7: augment.train[0]: unknown augmentation `mixup`. Allowed:", "");
    refuse("[resize]", "t.yaml:3:7: augment.train[0]: unknown augmentation", "");
    refuse("random_crop: {size: 4, pading: 2}",
           "t.yaml:3:30: augment.train[0].random_crop: unknown argument `pading`, did you mean `padding`?",
           "Allowed: size, padding, padding_mode, fill");
    refuse("random_crop: {[1]: 4}", "t.yaml:3:21: augment.train[0].random_crop: unknown argument", "");
}

static void wrong_arguments(void **state) {
    refuse("resize",
           "t.yaml:3:7: augment.train[0].resize: missing argument `side`; write `resize: {side: ...}`", "");
    refuse("random_crop: {padding: 2}", "t.yaml:3:7: augment.train[0].random_crop: missing argument `size`",
           "");
    refuse(
        "random_crop: 32",
        "t.yaml:3:20: augment.train[0].random_crop: found `32`; arguments need names: `random_crop: {size: "
        "..., padding: ..., padding_mode: ..., fill: ...}`",
        "");
    refuse("random_crop: {size: 4, size: 5}",
           "t.yaml:3:30: augment.train[0].random_crop: duplicate argument `size`", "");
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
    must_refuse("augment: {train: }", "t.yaml:1:18: augment.train: missing value", "");
}

static void evaluation_is_never_random(void **state) {
    struct cnn_config config;
    must_refuse("augment: {eval: [resize: 4, flip_horizontal]}",
                "t.yaml:1:29: augment.eval[1]: found `flip_horizontal`, which is random",
                "and this one with `p: 1` and single values instead of ranges");
    must_refuse("augment: {eval: [rand_augment]}",
                "t.yaml:1:18: augment.eval[0]: found `rand_augment`, which is random",
                "allowed: resize, center_crop, resize_exact, pad, color_space, compose");
    must_refuse("augment: {eval: [compose: [resize: 4, random_crop: {size: 4}]]}",
                "t.yaml:1:39: augment.eval[0].compose.transforms[1]: found `random_crop`, which is random",
                "");
    must_refuse("augment: {eval: [brightness: 0.5]}", "t.yaml:1:18: augment.eval[0]: found `brightness`",
                "p: 1");
    must_refuse_set("augment.eval=[flip_vertical]", "--set augment.eval[0]: found `flip_vertical`", "");
    must_read(&config, "augment: {eval: [resize: 4, center_crop: 4, equalize: 1, flip_vertical: {p: 0}, "
                       "gamma: 2.2, compose: [brightness: {factor: [1.5, 1.5]}], color_space: lab]}");
    assert_int_equal(config.augment.eval.n, 8);
}

static void at_most_64(void **state) {
    char yaml[2048] = "augment: {train: [", *end = yaml + strlen(yaml);
    struct cnn_config config;
    for (int i = 0; i < CNN_AUGMENT_MAX_OPS; i++)
        end += sprintf(end, "resize: 4,");
    strcpy(end, "]}");
    must_read(&config, yaml);
    assert_int_equal(config.augment.train.n, 64);
    strcpy(end, "compose: [resize: 4]]}");
    must_refuse(yaml, "t.yaml:1:659: augment.train[64]: too many augmentations; allowed: at most 64", "");
}

static void check_range(const char *entry, int arg, double low, double high) {
    struct cnn_config config;
    const struct cnn_augment *op = only(&config, entry);
    if (op->args[arg][0] != low || op->args[arg][1] != high)
        fail_msg("%s: %g to %g", entry, op->args[arg][0], op->args[arg][1]);
}

static void one_number_for_a_range(void **state) {
    static const char jitter[] = "color_jitter: {brightness: 0.5, saturation: [0, 2], hue: 0}";
    check_range("rotation: 15", 0, -15, 15);
    check_range("rotation: [5, 15]", 0, 5, 15);
    check_range("brightness: 0.25", 0, 0.75, 1.25);
    check_range("brightness: 2", 0, 0, 3);
    check_range("hue: 0.1", 0, -0.1, 0.1);
    check_range("gamma: {gamma: 2.2}", 0, 2.2, 2.2);
    check_range(jitter, 0, 0.5, 1.5);
    check_range(jitter, 1, 1, 1);
    check_range(jitter, 2, 0, 2);
    check_range("gaussian_blur: {kernel_size: 5, sigma: 1.5}", 1, 1.5, 1.5);
    refuse("hue: 0.6",
           "t.yaml:3:12: augment.train[0].hue.factor: found `0.6`; allowed: a number from 0 to 0.5", "");
    refuse("rotation: -15", "t.yaml:3:17: augment.train[0].rotation.degrees: found `-15`", "from 0 to 360");
    refuse("brightness: [-1, 1]", "t.yaml:3:20: augment.train[0].brightness.factor: found `-1`",
           "from 0 to 100");
    refuse("rotation: {degrees: {a: 1}}", "t.yaml:3:27: augment.train[0].rotation.degrees: found a mapping",
           "a range [low, high] from -360 to 360, or a single number x for [-x, x]");
}

static void pairs_sizes_colours_and_words(void **state) {
    struct cnn_config config;
    check_args(only(&config, "pad: 4"), CNN_AUGMENT_PAD, 3, (const double[][2]){{4, 4}, {0, 0}, {0, 0}});
    check_args(only(&config, "pad: {padding: [2, 3], padding_mode: reflect, fill: 7}"), CNN_AUGMENT_PAD, 3,
               (const double[][2]){{2, 3}, {CNN_BORDER_REFLECT, CNN_BORDER_REFLECT}, {7, 7}});
    check_range("center_crop: [20, 30]", 0, 20, 30);
    check_range("shift: 0.1", 0, 0.1, 0.1);
    check_range("shift: [0.1, 0.2]", 0, 0.1, 0.2);
    const struct cnn_augment *op = only(&config, "rotation: {degrees: 5, fill: [124, 116, 104]}");
    assert_true(op->args[2][0] == 124 && op->args[2][1] == 116 && op->args[2][2] == 104);
    op = only(&config, "rotation: {degrees: 5, fill: 9, interpolation: bilinear}");
    assert_true(op->args[2][2] == 9 && op->args[1][0] == CNN_INTERPOLATION_BILINEAR);
    refuse("pad: {padding: 1, padding_mode: reflct}",
           "t.yaml:3:39: augment.train[0].pad.padding_mode: unknown padding_mode `reflct`, did you mean "
           "`reflect`?",
           "Allowed: constant, edge, reflect");
    refuse("pad: {padding: 1, fill: [1, 2]}",
           "t.yaml:3:31: augment.train[0].pad.fill: found a list; allowed: a level", "[red, green, blue]");
    refuse("pad: {padding: 1, fill: 256}", "t.yaml:3:31: augment.train[0].pad.fill: found `256`",
           "from 0 to 255");
    refuse("pad: 1.5", "t.yaml:3:12: augment.train[0].pad.padding: found `1.5`", "whole number");
    refuse("gaussian_blur: 4", "t.yaml:3:22: augment.train[0].gaussian_blur", "arguments need names");
    refuse("gaussian_blur: {kernel_size: 4}",
           "t.yaml:3:36: augment.train[0].gaussian_blur.kernel_size: found `4`", "an odd number");
    refuse("rand_augment: {magnitude: 31}",
           "t.yaml:3:7: augment.train[0].rand_augment: `magnitude` is 31; allowed: 0 to 30",
           "num_magnitude_bins");
    refuse("auto_augment: cifar", "t.yaml:3:21: augment.train[0].auto_augment.policy: unknown policy `cifar`",
           "did you mean `cifar10`?");
}

static void lists_inside_lists(void **state) {
    struct cnn_config config;
    must_read(&config, "augment:\n  train:\n"
                       "    - random_apply:\n"
                       "        p: 0.3\n"
                       "        transforms: [flip_horizontal, compose: [invert, equalize: 1]]\n"
                       "    - random_choice:\n        p: [1, 2]\n        transforms:\n"
                       "          - random_choice: [posterize: 4, solarize: 128, invert]\n"
                       "          - hue: 0.1\n"
                       "    - resize: 4\n");
    const struct cnn_augment_list *list = &config.augment.train;
    static const struct {
        enum cnn_augment_kind kind;
        int span;
    } expected[] = {
        {CNN_AUGMENT_RANDOM_APPLY, 4},  {CNN_AUGMENT_FLIP_HORIZONTAL, 0},
        {CNN_AUGMENT_COMPOSE, 2},       {CNN_AUGMENT_INVERT, 0},
        {CNN_AUGMENT_EQUALIZE, 0},      {CNN_AUGMENT_RANDOM_CHOICE, 5},
        {CNN_AUGMENT_RANDOM_CHOICE, 3}, {CNN_AUGMENT_POSTERIZE, 0},
        {CNN_AUGMENT_SOLARIZE, 0},      {CNN_AUGMENT_INVERT, 0},
        {CNN_AUGMENT_HUE, 0},           {CNN_AUGMENT_RESIZE, 0},
    };
    assert_int_equal(list->n, 12);
    for (int i = 0; i < list->n; i++) {
        assert_int_equal(list->ops[i].kind, expected[i].kind);
        assert_int_equal(cnn_augment_span(&list->ops[i]), expected[i].span);
    }
    assert_true(list->ops[0].args[1][0] == 0.3);
    assert_true(list->ops[6].weight == 1 && list->ops[10].weight == 2 && list->ops[7].weight == 0);
    must_read(&config, "augment: {train: [compose: [compose: [compose: [compose: [invert]]]]]}");
    assert_int_equal(config.augment.train.n, 5);
}

static void wrong_lists_inside_lists(void **state) {
    refuse("random_choice: [flip_horizontl]",
           "t.yaml:3:23: augment.train[0].random_choice.transforms[0]: unknown augmentation `flip_horizontl`",
           "did you mean");
    refuse("random_choice: [rotation: {degrees: 4, degres: 5}]",
           "t.yaml:3:46: augment.train[0].random_choice.transforms[0].rotation: unknown argument `degres`",
           "degrees");
    refuse("random_choice: {transforms: []}",
           "t.yaml:3:35: augment.train[0].random_choice.transforms: the list is empty", "");
    refuse("compose", "t.yaml:3:7: augment.train[0].compose: missing argument `transforms`", "");
    refuse("compose: invert",
           "t.yaml:3:16: augment.train[0].compose.transforms: found `invert`; allowed: a list", "");
    refuse("random_choice: {p: [1], transforms: [invert, equalize]}",
           "t.yaml:3:26: augment.train[0].random_choice.p: found a list; allowed: a list of 2 numbers", "");
    refuse("random_choice: {p: [0, 0], transforms: [invert, equalize]}",
           "t.yaml:3:26: augment.train[0].random_choice.p: all values are 0", "");
    refuse("random_choice: {p: [0, 0]}",
           "t.yaml:3:7: augment.train[0].random_choice: missing argument `transforms`", "");
    refuse("compose: [compose: [compose: [compose: [compose: [invert]]]]]", "t.yaml:3:56: augment.train[0]",
           "lists are nested more than 4 deep");
}

// What is printed reads back to the same list, every augmentation with all its arguments included.
static void lists_read_back(void **state) {
    struct cnn_config config, again;
    char yaml[8192] = "augment: {train: [", *text;
    for (int i = 0; i < CNN_N_AUGMENTS; i++) {
        const struct cnn_augment_info *info = &cnn_augment_table[i];
        sprintf(yaml + strlen(yaml), "%s: {", info->name);
        for (int a = 0; a < info->n_args; a++)
            if (isnan(info->args[a].fallback[0])) // any value in the range will do
                sprintf(yaml + strlen(yaml), "%s: %s, ", info->args[a].name,
                        info->args[a].type == CNN_ARG_OPS
                            ? "[invert, random_choice: {p: [1, 0.5], transforms: "
                              "[pad: {padding: [1, 2], fill: [1, 2, 3]}, hue: 0.1]}]"
                        : info->args[a].type == CNN_ARG_RANGE ? "[0.25, 0.5]"
                        : info->args[a].type == CNN_ARG_PAIR  ? "[1, 0]"
                                                              : "1");
        strcat(yaml, "}, ");
    }
    strcat(yaml, "]}");
    must_read(&config, yaml);
    assert_true(config.augment.train.n > CNN_N_AUGMENTS);
    assert_int_equal(cnn_config_format(&text, &config), CNN_OK);
    must_read(&again, text);
    assert_memory_equal(&config.augment, &again.augment, sizeof config.augment);
    free(text);
}

// The row of docs/augmentation.md: what it is called, its arguments with their defaults, torchvision's name.
static void write_row(FILE *file, const struct cnn_augment_info *info) {
    fprintf(file, "| [`%s`](config.md#%s) | %s | ", info->name, info->name, info->doc);
    for (int a = 0; a < info->n_args; a++) {
        const struct cnn_augment_arg *arg = &info->args[a];
        fprintf(file, "%s`%s", a ? ", " : "", arg->name);
        if (!isnan(arg->fallback[0]) && arg->type != CNN_ARG_WEIGHTS) {
            fputs(": ", file);
            cnn_augment_write_value(file, arg, arg->fallback);
        }
        fputc('`', file);
    }
    if (info->peer)
        fprintf(file, " | `%s` |\n", info->peer);
    else
        fputs(" | |\n", file);
}

static void the_page_names_every_augmentation(void **state) {
    char *page, *rows = NULL;
    size_t bytes;
    int missing = 0;
    assert_int_equal(cnn_file_read(&page, &bytes, CNN_SOURCE_DIR "/docs/augmentation.md", 1 << 20), CNN_OK);
    for (int i = 0; i < CNN_N_AUGMENTS; i++) {
        FILE *file = open_memstream(&rows, &bytes);
        write_row(file, &cnn_augment_table[i]);
        fclose(file);
        if (!strstr(page, rows)) {
            print_message("%s", rows);
            missing++;
        }
        free(rows);
    }
    if (missing)
        fail_msg("docs/augmentation.md lacks the %d rows above", missing);
    free(page);
}

// The examples of the page are lists that read.
static void the_examples_of_the_page_read(void **state) {
    char *page, *next;
    size_t bytes;
    int examples = 0;
    assert_int_equal(cnn_file_read(&page, &bytes, CNN_SOURCE_DIR "/docs/augmentation.md", 1 << 20), CNN_OK);
    for (next = page; (next = strstr(next, "```yaml\n")); examples++) {
        struct cnn_config config;
        char *end = strstr(next, "\n```\n");
        assert_non_null(end);
        end[1] = '\0';
        must_read(&config, next + strlen("```yaml\n"));
        assert_true(config.augment.train.n + config.augment.eval.n > 0);
        next = end + 2;
    }
    assert_true(examples >= 5);
    free(page);
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
        cmocka_unit_test(evaluation_is_never_random),
        cmocka_unit_test(at_most_64),
        cmocka_unit_test(one_number_for_a_range),
        cmocka_unit_test(pairs_sizes_colours_and_words),
        cmocka_unit_test(lists_inside_lists),
        cmocka_unit_test(wrong_lists_inside_lists),
        cmocka_unit_test(lists_read_back),
        cmocka_unit_test(the_page_names_every_augmentation),
        cmocka_unit_test(the_examples_of_the_page_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
