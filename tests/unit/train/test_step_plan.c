// How a step is cut into micro-batches and over ranks.
#include "train/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct cnn_config config_of(int global, int micro) {
    struct cnn_config config;
    cnn_config_defaults(&config);
    config.train.batch.global = global;
    config.train.batch.micro = micro;
    config.train.epochs = 2.5;
    return config;
}

// The only phase of a plan. `earlier`: the micro-batch of a checkpoint, 0: none.
static struct cnn_phase_plan plan_of(int global, int micro, int size, int earlier) {
    struct cnn_config config = config_of(global, micro);
    struct cnn_place place = {.rank = size - 1, .size = size, .local_size = size};
    struct cnn_plan plan;
    assert_int_equal(
        cnn_plan_make(&plan, &config, place, 1000, (struct cnn_earlier_cut){earlier ? global : 0, earlier}),
        CNN_OK);
    assert_int_equal(plan.timeline.n, 1);
    assert_int_equal(plan.eval_batch, plan.phases[0].sampler.micro);
    assert_int_equal(plan.timeline.total_steps, (plan.phases[0].steps_per_epoch * 5 + 1) / 2);
    return plan.phases[0];
}

static void micro_auto_gives_each_rank_one(void **state) {
    struct cnn_phase_plan plan = plan_of(96, CNN_AUTO, 4, 0);
    assert_int_equal(plan.sampler.micro, 24);
    assert_int_equal(plan.micros, 1);
    assert_int_equal(plan.all_micros, 4);
    assert_int_equal(plan.sampler.rank, 3);
    assert_int_equal(plan.steps_per_epoch, 10);
}

static void a_written_micro_accumulates(void **state) {
    struct cnn_phase_plan plan = plan_of(96, 8, 3, 0);
    assert_int_equal(plan.micros, 4);
    assert_int_equal(plan.all_micros, 12);
}

static void micro_auto_stays_what_a_checkpoint_had(void **state) {
    assert_int_equal(plan_of(96, CNN_AUTO, 1, 24).sampler.micro, 24); // 4 ranks then, 1 now
    assert_int_equal(plan_of(96, CNN_AUTO, 2, 24).micros, 2);
    assert_int_equal(plan_of(96, CNN_AUTO, 8, 24).sampler.micro,
                     12);                                       // cannot be: more ranks than micro-batches
    assert_int_equal(plan_of(96, 48, 2, 24).sampler.micro, 48); // what is written counts
}

// 1000 records: 2 epochs of batches of 200, 3 of 100, then 96 a step.
static struct cnn_config phases_of(double epochs) {
    struct cnn_config config = config_of(96, CNN_AUTO);
    config.train.epochs = epochs;
    config.train.phases[0] = (struct cnn_phase){.until = 2, .batch = 200, .micro = 50};
    config.train.phases[1] = (struct cnn_phase){.until = 5, .batch = 100, .micro = CNN_PHASE_MICRO_AUTO};
    config.train.n_phases = 2;
    return config;
}

static void phases_are_planned_one_by_one(void **state) {
    struct cnn_config config = phases_of(7);
    struct cnn_place place = {.rank = 1, .size = 2, .local_size = 2};
    struct cnn_plan plan;
    assert_int_equal(cnn_plan_make(&plan, &config, place, 1000, (struct cnn_earlier_cut){0}), CNN_OK);
    assert_int_equal(plan.timeline.n, 3);
    static const int globals[] = {200, 100, 96}, micros[] = {50, 50, 48}, steps[] = {5, 10, 10};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(plan.phases[i].sampler.global, globals[i]);
        assert_int_equal(plan.phases[i].sampler.micro, micros[i]);
        assert_int_equal(plan.phases[i].micros, globals[i] / micros[i] / 2);
        assert_int_equal(plan.phases[i].steps_per_epoch, steps[i]);
        assert_int_equal(plan.timeline.stretches[i].steps_per_epoch, steps[i]);
    }
    assert_int_equal(plan.timeline.total_steps, 2 * 5 + 3 * 10 + 2 * 10);
    assert_int_equal(plan.eval_batch, 48); // that of full-sized pictures, all along
    cnn_plan_resolve(&plan, &config);
    assert_int_equal(config.train.phases[1].micro, 50);
    assert_int_equal(config.train.batch.micro, 48);
}

static void phases_behind_the_end_are_left_out(void **state) {
    struct cnn_config config = phases_of(5);
    struct cnn_place place = {.size = 3, .local_size = 3};
    struct cnn_plan plan;
    config.train.phases[0].micro = config.train.phases[0].batch = 0;
    config.train.phases[1].batch = 99;
    config.train.batch.global = 96;
    assert_int_equal(cnn_plan_make(&plan, &config, place, 1000, (struct cnn_earlier_cut){0}), CNN_OK);
    assert_int_equal(plan.timeline.n, 2);
    assert_int_equal(plan.eval_batch, 33);
    config.train.epochs = 2;
    assert_int_equal(cnn_plan_make(&plan, &config, place, 1000, (struct cnn_earlier_cut){0}), CNN_OK);
    assert_int_equal(plan.timeline.n, 1);
    assert_int_equal(plan.timeline.total_steps, 20);
}

// A checkpoint of 2 ranks goes on with 1: every phase is cut in two as before.
static void micro_auto_stays_in_all_phases(void **state) {
    struct cnn_config config = phases_of(7);
    struct cnn_place place = {.size = 1, .local_size = 1};
    struct cnn_plan plan;
    config.train.phases[0].micro = 0;
    assert_int_equal(cnn_plan_make(&plan, &config, place, 1000, (struct cnn_earlier_cut){100, 50}), CNN_OK);
    assert_int_equal(plan.phases[0].sampler.micro, 100);
    assert_int_equal(plan.phases[1].sampler.micro, 50);
    assert_int_equal(plan.phases[2].sampler.micro, 48);
}

static void a_phase_that_does_not_divide_is_named(void **state) {
    struct cnn_config config = phases_of(7);
    struct cnn_place place = {.size = 3, .local_size = 3};
    struct cnn_plan plan;
    config.train.phases[0] = (struct cnn_phase){.until = 2, .batch = 99};
    assert_int_equal(cnn_plan_make(&plan, &config, place, 1000, (struct cnn_earlier_cut){0}), CNN_ERR_INPUT);
    const char *start =
        "train.phases[1], whose batch is 100: train.batch.global 100 is not divisible by 3 ranks";
    if (strncmp(cnn_error_message(), start, strlen(start)) != 0)
        fail_msg("%s", cnn_error_message());
}

static void assert_refused(int global, int micro, int size, uint64_t records, const char *word) {
    struct cnn_config config = config_of(global, micro);
    struct cnn_plan plan;
    struct cnn_place place = {.size = size, .local_size = size};
    assert_int_equal(cnn_plan_make(&plan, &config, place, records, (struct cnn_earlier_cut){0}),
                     CNN_ERR_INPUT);
    if (!strstr(cnn_error_message(), word))
        fail_msg("'%s' is not in: %s", word, cnn_error_message());
}

static void uneven_cuts_are_refused_with_a_way_out(void **state) {
    assert_refused(100, CNN_AUTO, 3, 1000, "use 99");
    assert_refused(101, CNN_AUTO, 3, 1000, "use 102");
    assert_refused(2, CNN_AUTO, 3, 1000, "use 3");
    assert_refused(96, 7, 1, 1000, "train.batch.micro");
    assert_refused(96, 48, 4, 1000, "more ranks than micro-batches");
    assert_refused(96, 16, 4, 1000, "ranks");
    assert_refused(96, CNN_AUTO, 1, 95, "train.batch.global");
}

static void written_threads_are_taken(void **state) {
    struct cnn_config config = config_of(8, 8);
    config.train.threads = 7;
    config.data.threads = 5;
    struct cnn_thread_plan threads = cnn_plan_threads(&config, 1);
    assert_int_equal(threads.compute, 7);
    assert_int_equal(threads.loader, 5);
    config.train.threads = config.data.threads = CNN_AUTO;
    threads = cnn_plan_threads(&config, 1000000);
    assert_int_equal(threads.compute, 1);
    assert_int_equal(threads.loader, 1);
}

static void starving_threads_are_reported(void **state) {
    struct cnn_thread_plan bound = {.compute = 1, .loader = 1, .allowed = 1, .online = 16, .share = 1};
    struct cnn_thread_plan fine = {.compute = 8, .loader = 8, .allowed = 16, .online = 16, .share = 8};
    struct cnn_thread_plan crowded = {.compute = 1, .loader = 1, .allowed = 2, .online = 2, .share = 1};
    struct cnn_thread_plan greedy = {.compute = 32, .loader = 8, .allowed = 16, .online = 16, .share = 16};
    struct cnn_place two = {.local_size = 2}, four = {.local_size = 4}, one = {.local_size = 1};
    struct cnn_place second = {.local_size = 2, .local_rank = 1};
    assert_true(cnn_plan_report_threads(&bound, two));
    assert_false(cnn_plan_report_threads(&bound, second)); // once a host
    assert_false(cnn_plan_report_threads(&fine, two));
    assert_true(cnn_plan_report_threads(&crowded, four));
    assert_true(cnn_plan_report_threads(&greedy, one));
    char sentence[512];
    assert_true(cnn_plan_judge_threads(sentence, sizeof sentence, &bound, second));
    assert_non_null(strstr(sentence, "may use only 1 of the host's 16 processors (its share would be 8)"));
    assert_false(cnn_plan_judge_threads(sentence, sizeof sentence, &fine, two));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(micro_auto_gives_each_rank_one),
        cmocka_unit_test(a_written_micro_accumulates),
        cmocka_unit_test(micro_auto_stays_what_a_checkpoint_had),
        cmocka_unit_test(phases_are_planned_one_by_one),
        cmocka_unit_test(phases_behind_the_end_are_left_out),
        cmocka_unit_test(micro_auto_stays_in_all_phases),
        cmocka_unit_test(a_phase_that_does_not_divide_is_named),
        cmocka_unit_test(uneven_cuts_are_refused_with_a_way_out),
        cmocka_unit_test(written_threads_are_taken),
        cmocka_unit_test(starving_threads_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
