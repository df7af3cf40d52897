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

static struct cnn_plan plan_of(int global, int micro, int size, int wanted) {
    struct cnn_config config = config_of(global, micro);
    struct cnn_place place = {.rank = size - 1, .size = size, .local_size = size};
    struct cnn_plan plan;
    assert_int_equal(cnn_plan_make(&plan, &config, place, 1000, wanted), CNN_OK);
    return plan;
}

static void micro_auto_gives_each_rank_one(void **state) {
    struct cnn_plan plan = plan_of(96, CNN_AUTO, 4, 0);
    assert_int_equal(plan.sampler.micro, 24);
    assert_int_equal(plan.micros, 1);
    assert_int_equal(plan.all_micros, 4);
    assert_int_equal(plan.sampler.rank, 3);
    assert_int_equal(plan.steps_per_epoch, 10);
    assert_int_equal(plan.total_steps, 25);
    assert_int_equal(plan.eval_batch, 24);
}

static void a_written_micro_accumulates(void **state) {
    struct cnn_plan plan = plan_of(96, 8, 3, 0);
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

static void assert_refused(int global, int micro, int size, uint64_t records, const char *word) {
    struct cnn_config config = config_of(global, micro);
    struct cnn_plan plan;
    struct cnn_place place = {.size = size, .local_size = size};
    assert_int_equal(cnn_plan_make(&plan, &config, place, records, 0), CNN_ERR_INPUT);
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
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(micro_auto_gives_each_rank_one),
        cmocka_unit_test(a_written_micro_accumulates),
        cmocka_unit_test(micro_auto_stays_what_a_checkpoint_had),
        cmocka_unit_test(uneven_cuts_are_refused_with_a_way_out),
        cmocka_unit_test(written_threads_are_taken),
        cmocka_unit_test(starving_threads_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
