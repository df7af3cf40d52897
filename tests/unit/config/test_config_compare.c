// What differs between two configs.
#include "config/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void append(void *context, const char *path, const char *was, const char *is,
                   const char *what_follows) {
    char *text = context;
    sprintf(text + strlen(text), "%s: %s -> %s%s\n", path, was, is, what_follows ? "!" : "");
}

// Both configs are read from YAML, with overrides for the second.
static const char *difference(const char *yaml, const char *const *set, size_t n) {
    static char text[4096];
    static struct cnn_config was, is;
    text[0] = '\0';
    assert_int_equal(cnn_config_parse(&was, "a.yaml", yaml, strlen(yaml), NULL, 0), CNN_OK);
    assert_int_equal(cnn_config_parse(&is, "a.yaml", yaml, strlen(yaml), set, n), CNN_OK);
    assert_int_equal(cnn_config_compare(&was, &is, append, text), CNN_OK);
    return text;
}
#define DIFFERENCE(yaml, ...)                                                                                \
    difference(yaml, (const char *const[]){__VA_ARGS__},                                                     \
               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static const char yaml[] = "augment: {train: [random_crop: {size: 16, padding: 2}, flip_horizontal]}\n"
                           "train: {schedule: {milestones: [1 epoch, 2 epochs]}}\n";

static void equal_configs_have_no_difference(void **state) {
    assert_string_equal(difference(yaml, NULL, 0), "");
    assert_string_equal(DIFFERENCE(yaml, "train.epochs=90", "data.threads=auto"), "");
}

static void every_kind_of_value_is_compared(void **state) {
    assert_string_equal(DIFFERENCE(yaml, "train.epochs=8.5", "run.name=x y", "eval.every=never",
                                   "backend=cpu", "train.optimizer.nesterov=true", "run.seed=7"),
                        "run.name: a -> \"x y\"\n"
                        "run.seed: 1 -> 7\n"
                        "train.epochs: 90 -> 8.5\n"
                        "train.optimizer.nesterov: false -> true\n"
                        "eval.every: 1 epoch -> never\n"
                        "backend: auto -> cpu\n");
    assert_string_equal(
        DIFFERENCE(yaml, "train.schedule.milestones=[1 epoch]", "data.mean=0.5", "data.std=0.25"),
        "data.mean: auto -> [0.5, 0.5, 0.5]!\n"
        "data.std: auto -> [0.25, 0.25, 0.25]!\n"
        "train.schedule.milestones: [1 epoch, 2 epochs] -> [1 epoch]\n");
}

static void lists_are_compared_by_what_is_in_them(void **state) {
    const char *text =
        DIFFERENCE(yaml, "augment.train=[random_crop: {size: 16, padding: 3}, flip_horizontal]");
    const char *now = strstr(text, "] -> [random_crop: {");
    assert_non_null(now);
    assert_non_null(strstr(now, "padding: 3"));
    assert_int_equal(strncmp(text, "augment.train: [random_crop: {", 30), 0);
    assert_true(strstr(text, "padding: 2") < now);
    assert_null(strchr(strchr(text, '\n') + 1, '\n')); // one option, one line
    assert_string_equal(DIFFERENCE(yaml, "train.phases=[{until: 2 epochs, batch: 128}]"),
                        "train.phases: [] -> [{until: 2 epochs, batch: 128}]!\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_configs_have_no_difference),
        cmocka_unit_test(every_kind_of_value_is_compared),
        cmocka_unit_test(lists_are_compared_by_what_is_in_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
