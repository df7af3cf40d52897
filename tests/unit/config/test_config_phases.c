// train.phases: reading, refusing, and what a phase makes of the config.
#include "given.h"

#include "base/log.h"

#define CROP "augment: {train: [random_resized_crop: {size: 224}, flip_horizontal]}\n"

static void refuse(const char *phases, const char *part) {
    char yaml[512];
    snprintf(yaml, sizeof yaml, CROP "train:\n  phases: %s\n", phases);
    must_refuse(yaml, "t.yaml:3:", part);
}

static void phases_are_read(void **state) {
    struct cnn_config c;
    must_read(&c, CROP "train:\n  phases:\n"
                       "    - {until: 30 epochs, size: 128, batch: 512}\n"
                       "    - until: 60 epochs\n"
                       "      size: [160, 192]\n"
                       "      micro: 64\n");
    assert_int_equal(c.train.n_phases, 2);
    struct cnn_phase first = {.until = 30, .height = 128, .width = 128, .batch = 512},
                     second = {.until = 60, .height = 160, .width = 192, .micro = 64};
    assert_memory_equal(&c.train.phases[0], &first, sizeof first);
    assert_memory_equal(&c.train.phases[1], &second, sizeof second);
    must_read_with(&c, CROP "train: {phases: [{until: 3 epochs}]}", (const char *const[]){"train.phases=[]"},
                   1);
    assert_int_equal(c.train.n_phases, 0);
}

static void mistakes_are_named(void **state) {
    refuse("5", "train.phases: found `5`; allowed: a list of at most 16 phases");
    refuse("[5]", "train.phases[0]: found `5`; allowed: a mapping of until, size, batch, micro");
    refuse("[{size: 128}]", "train.phases[0]: missing key `until`");
    refuse("[{untill: 3 epochs}]", "train.phases[0]: unknown key `untill`, did you mean `until`?");
    refuse("[{until: 3 epochs, until: 4 epochs}]", "train.phases[0]: duplicate key `until`");
    refuse("[{until: 3}]", "train.phases[0].until: found `3`, which has no unit");
    refuse("[{until: 300 steps}]",
           "train.phases[0].until: found `300 steps`; allowed: a whole number of epochs");
    refuse("[{until: 1.5 epochs}]", "train.phases[0].until: found `1.5 epochs`; allowed: a whole number");
    refuse("[{until: 0}]", "train.phases[0].until: found `0`");
    refuse("[{until: [1]}]", "train.phases[0].until: found a list");
    refuse("[{until: 3 epochs, size: 0}]", "train.phases[0].size: found `0`; allowed: a whole number from 1");
    refuse("[{until: 3 epochs, size: [1, 2, 3]}]", "train.phases[0].size: found a list");
    refuse("[{until: 3 epochs, batch: 0}]",
           "train.phases[0].batch: found `0`; allowed: a whole number from 1");
    refuse("[{until: 3 epochs, batch: auto}]", "train.phases[0].batch: found `auto`");
    refuse("[{until: 3 epochs, micro: x}]", "train.phases[0].micro: found `x`");
    refuse("[{until: 3 epochs}, {until: 3 epochs}]",
           "train.phases[1]: the phase ends after 3 epochs but begins after 3");
    refuse("[{until: 5 epochs}, {until: 3 epochs}]", "must increase");
}

static void too_many_are_refused(void **state) {
    char list[512] = "[{until: 1 epoch}";
    for (int i = 2; i <= 17; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), ", {until: %d epochs}", i);
    strcat(list, "]");
    refuse(list, "found a list of 17; allowed: a list of at most 16");
}

static void numbers_must_fit_each_other(void **state) {
    struct cnn_config c;
    refuse(
        "[{until: 3 epochs, batch: 100, micro: 30}]",
        "train.phases: phase 1: the micro-batch 30 does not divide the batch 100 of the phase; set a `micro` "
        "that does, such as 25");
    must_refuse(CROP "train: {batch: {global: 64, micro: 64}, phases: [{until: 3 epochs, batch: 96}]}",
                "t.yaml:2:49: train.phases: phase 1: the micro-batch 64 (train.batch.micro) does not divide",
                "48");
    must_read(&c, CROP "train: {batch: {global: 64, micro: 64}, phases: [{until: 3 epochs, batch: 96, micro: "
                       "auto}]}");
    must_refuse("augment: {train: [flip_horizontal]}\ntrain: {phases: [{until: 3 epochs, size: 9}]}",
                "t.yaml:2:17: train.phases: phase 1: `size` has no effect: augment.train needs",
                "center_crop");
    // The lowest rate is that of the smallest batch.
    must_refuse(
        "train: {phases: [{until: 3 epochs, batch: 32}], schedule: {per_batch: 256, final_rate: 0.02}}",
        "t.yaml:1:88: train.schedule.final_rate: is higher than the initial rate 0.0125", "");
}

static void keep_line(void *context, enum cnn_log_level level, const char *line) {
    assert_int_equal(level, CNN_LOG_WARN);
    snprintf(context, 512, "%s", line);
}

static void phases_that_never_come_are_said(void **state) {
    struct cnn_config c;
    char line[512] = "";
    assert_int_equal(cnn_log_add_sink(keep_line, line, CNN_LOG_WARN), CNN_OK);
    must_read(&c, "train: {epochs: 5, phases: [{until: 2 epochs}, {until: 9 epochs}]}");
    assert_string_equal(line, "");
    must_read(&c, "train: {epochs: 2, phases: [{until: 2 epochs}, {until: 9 epochs}]}");
    assert_non_null(strstr(line, "phase 2 is never reached: training ends after 2 epochs"));
    cnn_log_remove_sink(keep_line, line);
}

static void a_phase_changes_what_it_names(void **state) {
    struct cnn_config c, whole;
    must_read(&whole,
              CROP "train: {batch: {global: 256, micro: 32}, phases: [{until: 1 epoch, size: 128}, {until: "
                   "2 epochs, batch: 512, micro: auto}]}");
    c = whole;
    assert_int_equal(cnn_config_for_phase(&c, 0), CNN_OK);
    assert_true(c.augment.train.ops[0].args[0][0] == 128 && c.augment.train.ops[0].args[0][1] == 128);
    assert_true(c.train.batch.global == 256 && c.train.batch.micro == 32);
    c = whole;
    assert_int_equal(cnn_config_for_phase(&c, 1), CNN_OK);
    assert_true(c.augment.train.ops[0].args[0][0] == 224);
    assert_true(c.train.batch.global == 512 && c.train.batch.micro == CNN_AUTO);
    c = whole;
    assert_int_equal(cnn_config_for_phase(&c, 2), CNN_OK);
    assert_memory_equal(&c, &whole, sizeof c);
}

// The heights that a list gives its entries, in the order written, when the phase's size is 7; 0: of no size.
static void assert_sizes(const char *list, const int *wanted) {
    struct cnn_config c;
    char yaml[512];
    snprintf(yaml, sizeof yaml, "augment: {train: %s}\ntrain: {phases: [{until: 1 epoch, size: 7}]}", list);
    must_read(&c, yaml);
    assert_int_equal(cnn_config_for_phase(&c, 0), CNN_OK);
    for (int i = 0; i < c.augment.train.n; i++) {
        const struct cnn_augment *op = &c.augment.train.ops[i];
        bool sized = cnn_augment_table[op->kind].args[0].type == CNN_ARG_SIZE;
        if (sized && op->args[0][0] != wanted[i])
            fail_msg("%s: entry %d is %g instead of %d", list, i, op->args[0][0], wanted[i]);
    }
}

static void the_last_size_is_replaced(void **state) {
    assert_sizes("[resize: 40, center_crop: 32, random_crop: {size: 28}, flip_horizontal]",
                 (int[]){0, 32, 7, 0});
    assert_sizes("[resize_exact: 30, crop: {size: 20}]", (int[]){30, 7});
    assert_sizes("[center_crop: 9, compose: {transforms: [center_crop: 8, random_crop: {size: 6}]}]",
                 (int[]){9, 0, 8, 7});
    // Whatever is drawn, the pictures have one size.
    assert_sizes(
        "[random_choice: {transforms: [random_resized_crop: {size: 9}, compose: {transforms: [resize: 12, "
        "center_crop: 9]}]}]",
        (int[]){0, 7, 0, 0, 7});
}

static void phases_are_written_back(void **state) {
    struct cnn_config c, again;
    char *text = NULL;
    must_read(&c, "");
    assert_int_equal(cnn_config_format(&text, &c), CNN_OK);
    assert_null(strstr(text, "phases")); // runs without them have the checkpoints they always had
    free(text);
    must_read(&c,
              CROP "train: {phases: [{until: 1 epoch, size: [9, 8], micro: auto}, {until: 4 epochs, size: 9, "
                   "batch: 64, micro: 32}]}");
    assert_int_equal(cnn_config_format(&text, &c), CNN_OK);
    assert_non_null(
        strstr(text, "\n  phases: [{until: 1 epoch, size: [9, 8], micro: auto}, {until: 4 epochs, size: "
                     "9, batch: 64, micro: 32}]\n"));
    must_read(&again, text);
    assert_memory_equal(&c, &again, sizeof c);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phases_are_read),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(numbers_must_fit_each_other),
        cmocka_unit_test(phases_that_never_come_are_said),
        cmocka_unit_test(a_phase_changes_what_it_names),
        cmocka_unit_test(the_last_size_is_replaced),
        cmocka_unit_test(phases_are_written_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
