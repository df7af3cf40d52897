// The learning rate against PyTorch's schedulers (tests/golden/schedule.txt), and the clocks.
#include "train/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STEPS 20

static void assert_near(double is, double wanted, double error) {
    if (!(fabs(is - wanted) <= error))
        fail_msg("%.17g is not %.17g", is, wanted);
}

static struct cnn_config base_config(enum cnn_schedule_kind kind) {
    struct cnn_config config;
    cnn_config_defaults(&config);
    config.train.batch.global = 256;
    config.train.schedule.name = kind;
    config.train.schedule.rate = 0.4;
    config.train.schedule.per_batch = 0;
    return config;
}

static struct cnn_schedule schedule_of(const struct cnn_config *config, int64_t per_epoch, int64_t total) {
    struct cnn_schedule schedule;
    struct cnn_timeline timeline = cnn_timeline_uniform(per_epoch, total);
    assert_int_equal(cnn_schedule_init(&schedule, config, &timeline, 0), CNN_OK);
    return schedule;
}

static struct cnn_duration steps(double n) { return (struct cnn_duration){n, CNN_STEPS}; }
static struct cnn_duration epochs(double n) { return (struct cnn_duration){n, CNN_EPOCHS}; }

static void read_golden(const char *name, double rates[STEPS]) {
    FILE *file = fopen(CNN_SOURCE_DIR "/tests/golden/schedule.txt", "r");
    char word[64];
    assert_non_null(file);
    while (fscanf(file, "%63s", word) == 1) {
        for (int i = 0; i < STEPS; i++)
            assert_int_equal(fscanf(file, "%lf", &rates[i]), 1);
        if (strcmp(word, name) == 0) {
            fclose(file);
            return;
        }
    }
    fail_msg("no golden schedule %s", name);
}

static void assert_golden(const char *name, const struct cnn_config *config) {
    double golden[STEPS];
    struct cnn_schedule schedule = schedule_of(config, 10, STEPS);
    read_golden(name, golden);
    for (int i = 0; i < STEPS; i++)
        if (!(fabs(cnn_schedule_rate(&schedule, i) - golden[i]) <= 1e-12))
            fail_msg("%s, step %d: %.17g, PyTorch %.17g", name, i, cnn_schedule_rate(&schedule, i),
                     golden[i]);
}

static void rates_are_pytorchs(void **state) {
    struct cnn_config config = base_config(CNN_SCHEDULE_CONSTANT);
    config.train.schedule.warmup = steps(4);
    config.train.schedule.warmup_from = 0.25;
    assert_golden("constant", &config);

    config = base_config(CNN_SCHEDULE_STEP);
    config.train.schedule.every = steps(3);
    config.train.schedule.factor = 0.5;
    assert_golden("step", &config);

    config = base_config(CNN_SCHEDULE_MULTISTEP);
    config.train.schedule.milestones[0] = steps(4);
    config.train.schedule.milestones[1] = epochs(0.9);
    config.train.schedule.n_milestones = 2;
    config.train.schedule.factor = 0.1;
    assert_golden("multistep", &config);

    config = base_config(CNN_SCHEDULE_COSINE);
    config.train.schedule.warmup = epochs(0.5);
    config.train.schedule.warmup_from = 0.01;
    config.train.schedule.final_rate = 0.001;
    assert_golden("cosine", &config);

    config = base_config(CNN_SCHEDULE_POLYNOMIAL);
    config.train.schedule.power = 2;
    assert_golden("polynomial", &config);
}

static void rate_scales_with_the_batch(void **state) {
    struct cnn_config config = base_config(CNN_SCHEDULE_CONSTANT);
    config.train.batch.global = 1024;
    config.train.schedule.per_batch = 256;
    struct cnn_schedule schedule = schedule_of(&config, 10, STEPS);
    assert_near(cnn_schedule_rate(&schedule, 7), 1.6, 1e-15);
    char text[512];
    cnn_schedule_describe(&schedule, text, sizeof text);
    assert_non_null(strstr(text, "1.6 = rate 0.4 x global batch 1024 / per_batch 256"));
}

static void by_epoch_changes_between_epochs_only(void **state) {
    struct cnn_config config = base_config(CNN_SCHEDULE_COSINE);
    config.train.schedule.by_epoch = true;
    config.train.schedule.warmup = epochs(2);
    struct cnn_schedule schedule = schedule_of(&config, 5, 50);
    for (int64_t step = 0; step < 50; step++)
        assert_near(cnn_schedule_rate(&schedule, step), cnn_schedule_rate(&schedule, step / 5 * 5), 0);
    assert_near(cnn_schedule_rate(&schedule, 5), 0.2, 1e-15);
    assert_near(cnn_schedule_rate(&schedule, 30), 0.4 * (1 + cos(acos(-1.0) * 0.5)) / 2, 1e-12);
    // A warm-up stated in steps would make no sense by epochs.
    config.train.schedule.warmup = steps(4);
    schedule = schedule_of(&config, 5, 50);
    assert_near(cnn_schedule_rate(&schedule, 1), 0.1, 1e-15);
}

static void drops_of_fractional_epochs_fall_on_the_nearest_step(void **state) {
    struct cnn_config config = base_config(CNN_SCHEDULE_STEP);
    config.train.schedule.every = epochs(0.5);
    config.train.schedule.factor = 0.1;
    struct cnn_schedule schedule = schedule_of(&config, 7, 70); // 3.5 steps
    int64_t drops[] = {4, 7, 11, 14};
    for (int i = 0; i < 4; i++) {
        assert_near(cnn_schedule_rate(&schedule, drops[i]) / cnn_schedule_rate(&schedule, drops[i] - 1), 0.1,
                    1e-12);
    }
}

static void senseless_schedules_are_refused(void **state) {
    struct cnn_config config = base_config(CNN_SCHEDULE_COSINE);
    struct cnn_schedule schedule;
    struct cnn_timeline timeline = cnn_timeline_uniform(10, 20);
    config.train.schedule.warmup = epochs(2);
    assert_int_equal(cnn_schedule_init(&schedule, &config, &timeline, 0), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), "train.schedule.warmup"));
    config = base_config(CNN_SCHEDULE_STEP);
    config.train.schedule.every = steps(0);
    assert_int_equal(cnn_schedule_init(&schedule, &config, &timeline, 0), CNN_ERR_INPUT);
    config = base_config(CNN_SCHEDULE_MULTISTEP);
    config.train.schedule.n_milestones = 0;
    assert_int_equal(cnn_schedule_init(&schedule, &config, &timeline, 0), CNN_ERR_INPUT);
}

static bool is_due(struct cnn_duration every, int64_t per_epoch, int64_t step) {
    struct cnn_timeline timeline = cnn_timeline_uniform(per_epoch, INT64_C(1) << 40);
    return cnn_schedule_due(every, &timeline, step);
}

static int count_due(struct cnn_duration every, int64_t per_epoch, int64_t n) {
    int due = 0;
    for (int64_t step = 1; step <= n; step++)
        due += is_due(every, per_epoch, step);
    return due;
}

static void things_are_due_without_drift(void **state) {
    assert_true(is_due(steps(5), 100, 5));
    assert_false(is_due(steps(5), 100, 4));
    assert_false(is_due(steps(5), 100, 6));
    assert_int_equal(count_due(steps(5), 100, 100), 20);
    assert_int_equal(count_due(epochs(0.5), 469, 469 * 10), 20); // 234.5 steps each
    for (int epoch = 1; epoch <= 10; epoch++)
        assert_true(is_due(epochs(0.5), 469, 469 * epoch));
    assert_int_equal(count_due(epochs(0.001), 10, 30), 30); // more often than every step
    assert_int_equal(count_due((struct cnn_duration){0, CNN_NEVER}, 10, 30), 0);
    assert_int_equal(count_due(steps(0), 10, 30), 0);
}

// ---- phases: 2 epochs of 10 steps, then 2 of 5 ----

static struct cnn_timeline two_phases(void) {
    struct cnn_timeline timeline;
    const int64_t lengths[] = {10, 5}, until[] = {2};
    cnn_timeline_init(&timeline, 2, lengths, until, 4);
    assert_int_equal(timeline.total_steps, 30);
    return timeline;
}

// The rate of a step of the run, from the schedule of its phase.
static double rate_at(const struct cnn_config *config, int64_t step) {
    struct cnn_timeline timeline = two_phases();
    struct cnn_schedule schedule;
    assert_int_equal(cnn_schedule_init(&schedule, config, &timeline, step >= 20), CNN_OK);
    return cnn_schedule_rate(&schedule, step);
}

static double cosine(double progress) { return 0.4 * (1 + cos(acos(-1.0) * progress)) / 2; }

static void curves_go_by_epochs(void **state) {
    struct cnn_config config = base_config(CNN_SCHEDULE_COSINE);
    for (int step = 0; step < 30; step++)
        assert_near(rate_at(&config, step), cosine(step < 20 ? step / 40.0 : (step - 10) / 20.0), 1e-12);
    config = base_config(CNN_SCHEDULE_STEP);
    config.train.schedule.every = epochs(1);
    assert_near(rate_at(&config, 19), 0.04, 1e-12);
    assert_near(rate_at(&config, 20), 0.004, 1e-12);
    assert_near(rate_at(&config, 24), 0.004, 1e-12);
    assert_near(rate_at(&config, 25), 0.0004, 1e-12);
    config = base_config(CNN_SCHEDULE_MULTISTEP);
    config.train.schedule.milestones[0] = epochs(3);
    config.train.schedule.n_milestones = 1;
    assert_near(rate_at(&config, 24), 0.4, 1e-12);
    assert_near(rate_at(&config, 25), 0.04, 1e-12);
    config = base_config(CNN_SCHEDULE_COSINE);
    config.train.schedule.by_epoch = true;
    assert_near(rate_at(&config, 24), cosine(0.5), 1e-12);
    assert_near(rate_at(&config, 25), cosine(0.75), 1e-12);
}

static void times_in_steps_are_steps_of_the_run(void **state) {
    struct cnn_config config = base_config(CNN_SCHEDULE_STEP);
    config.train.schedule.every = steps(11);
    config.train.schedule.factor = 0.5;
    for (int step = 0; step < 30; step++)
        assert_near(rate_at(&config, step), 0.4 * pow(0.5, step / 11), 1e-12);
    config = base_config(CNN_SCHEDULE_MULTISTEP);
    config.train.schedule.milestones[0] = steps(5);
    config.train.schedule.milestones[1] = steps(22);
    config.train.schedule.n_milestones = 2;
    config.train.schedule.factor = 0.5;
    for (int step = 0; step < 30; step++)
        assert_near(rate_at(&config, step), step < 5 ? 0.4 : step < 22 ? 0.2 : 0.1, 1e-12);
}

static void warmups_cross_phases(void **state) {
    struct cnn_config config = base_config(CNN_SCHEDULE_COSINE);
    config.train.schedule.warmup = epochs(3); // ends at step 25
    assert_near(rate_at(&config, 15), 0.4 * 1.5 / 3, 1e-12);
    assert_near(rate_at(&config, 20), 0.4 * 2 / 3, 1e-12);
    assert_near(rate_at(&config, 25), 0.4, 1e-12);
    assert_near(rate_at(&config, 27), cosine(0.4), 1e-12);
    config.train.schedule.warmup = steps(24);
    assert_near(rate_at(&config, 12), 0.2, 1e-12);
    assert_near(rate_at(&config, 22), 0.4 * 22 / 24, 1e-12);
    assert_near(rate_at(&config, 24), 0.4, 1e-12);
    assert_near(rate_at(&config, 27), cosine(0.5), 1e-12);
    config.train.schedule.warmup = steps(10); // epoch 1 of 4
    assert_near(rate_at(&config, 16), cosine(0.2), 1e-12);
    assert_near(rate_at(&config, 25), cosine(2.0 / 3), 1e-12);
    struct cnn_timeline timeline = two_phases();
    struct cnn_schedule schedule;
    config.train.schedule.warmup = steps(30);
    assert_int_equal(cnn_schedule_init(&schedule, &config, &timeline, 0), CNN_ERR_INPUT);
    config.train.schedule.warmup = steps(29);
    assert_int_equal(cnn_schedule_init(&schedule, &config, &timeline, 1), CNN_OK);
}

static void a_phase_scales_with_its_own_batch(void **state) {
    struct cnn_config config = base_config(CNN_SCHEDULE_CONSTANT);
    config.train.schedule.per_batch = 256;
    config.train.phases[0] = (struct cnn_phase){.until = 2, .batch = 128};
    config.train.n_phases = 1;
    struct cnn_config first = config;
    assert_int_equal(cnn_config_for_phase(&first, 0), CNN_OK);
    assert_int_equal(cnn_config_for_phase(&config, 1), CNN_OK);
    assert_near(rate_at(&first, 0), 0.2, 1e-15);
    assert_near(rate_at(&config, 20), 0.4, 1e-15);
}

static void assert_due(struct cnn_duration every, const int64_t *wanted) {
    struct cnn_timeline timeline = two_phases();
    for (int64_t step = 1; step <= 30; step++) {
        bool due = cnn_schedule_due(every, &timeline, step);
        if (due != (step == *wanted))
            fail_msg("every %g: step %d is%s due", every.count, (int)step, due ? "" : " not");
        wanted += due;
    }
    assert_int_equal(*wanted, 0);
}

static void things_are_due_by_epochs_of_any_length(void **state) {
    assert_due(epochs(1), (const int64_t[]){10, 20, 25, 30, 0});
    assert_due(epochs(0.5), (const int64_t[]){5, 10, 15, 20, 23, 25, 28, 30, 0});
    assert_due(epochs(2), (const int64_t[]){20, 30, 0});
    assert_due(epochs(3), (const int64_t[]){25, 0});
    assert_due(steps(8), (const int64_t[]){8, 16, 24, 0});
}

static void phases_are_described_in_steps_of_the_run(void **state) {
    struct cnn_config config = base_config(CNN_SCHEDULE_COSINE);
    struct cnn_timeline timeline = two_phases();
    struct cnn_schedule schedule;
    char text[512];
    config.train.schedule.warmup = epochs(3);
    assert_int_equal(cnn_schedule_init(&schedule, &config, &timeline, 0), CNN_OK);
    cnn_schedule_describe(&schedule, text, sizeof text);
    assert_non_null(strstr(text, "over 25 steps, then cosine to 0 at step 30"));
    config = base_config(CNN_SCHEDULE_STEP);
    config.train.schedule.every = epochs(3);
    assert_int_equal(cnn_schedule_init(&schedule, &config, &timeline, 1), CNN_OK);
    cnn_schedule_describe(&schedule, text, sizeof text);
    assert_non_null(strstr(text, "x 0.1 every 3 epochs"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_pytorchs),
        cmocka_unit_test(rate_scales_with_the_batch),
        cmocka_unit_test(by_epoch_changes_between_epochs_only),
        cmocka_unit_test(drops_of_fractional_epochs_fall_on_the_nearest_step),
        cmocka_unit_test(senseless_schedules_are_refused),
        cmocka_unit_test(things_are_due_without_drift),
        cmocka_unit_test(curves_go_by_epochs),
        cmocka_unit_test(times_in_steps_are_steps_of_the_run),
        cmocka_unit_test(warmups_cross_phases),
        cmocka_unit_test(a_phase_scales_with_its_own_batch),
        cmocka_unit_test(things_are_due_by_epochs_of_any_length),
        cmocka_unit_test(phases_are_described_in_steps_of_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
