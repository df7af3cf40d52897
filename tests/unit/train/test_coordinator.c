// What all ranks do after a step.
#include "train/coordinator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

// 10 steps an epoch, 30 in all; evaluation every epoch, checkpoint every 4 steps, a line every 3.
static struct cnn_coordinator coordinator_of(bool has_val) {
    struct cnn_config config;
    struct cnn_coordinator coordinator;
    cnn_config_defaults(&config);
    config.eval.every = (struct cnn_duration){1, CNN_EPOCHS};
    config.checkpoint.every = (struct cnn_duration){4, CNN_STEPS};
    config.log.every = 3;
    struct cnn_timeline timeline = cnn_timeline_uniform(10, 30);
    cnn_coordinator_init(&coordinator, &config, &timeline, has_val);
    return coordinator;
}

static void an_ordinary_step_does_nothing(void **state) {
    struct cnn_coordinator coordinator = coordinator_of(true);
    struct cnn_step_report sums = {.loss = 1, .n = 8};
    struct cnn_directive nothing = {0}, is = cnn_coordinator_decide(&coordinator, 5, &sums);
    assert_memory_equal(&is, &nothing, sizeof is);
}

static void things_are_done_when_they_are_due(void **state) {
    struct cnn_coordinator coordinator = coordinator_of(true);
    struct cnn_step_report sums = {.n = 8};
    for (int64_t step = 1; step <= 30; step++) {
        struct cnn_directive is = cnn_coordinator_decide(&coordinator, step, &sums);
        assert_false(is.fail || is.stop || is.evaluation_due);
        assert_int_equal(is.log, step == 1 || step % 3 == 0);
        assert_int_equal(is.end_epoch, step % 10 == 0);
        assert_int_equal(is.evaluate, step % 10 == 0);
        assert_int_equal(is.checkpoint, step % 4 == 0 || step == 30);
        assert_int_equal(is.done, step == 30);
    }
}

// 2 epochs of 10 steps, then 3 of 4: epochs end at 10, 20, 24, 28, 32.
static void epochs_of_phases_end_where_they_do(void **state) {
    struct cnn_coordinator coordinator = coordinator_of(true);
    struct cnn_step_report sums = {.n = 8};
    const int64_t lengths[] = {10, 4}, until[] = {2};
    cnn_timeline_init(&coordinator.timeline, 2, lengths, until, 5);
    coordinator.checkpoint_every = (struct cnn_duration){2, CNN_EPOCHS};
    for (int64_t step = 1; step <= 32; step++) {
        struct cnn_directive is = cnn_coordinator_decide(&coordinator, step, &sums);
        bool ends = step == 10 || step == 20 || step == 24 || step == 28 || step == 32;
        assert_int_equal(is.end_epoch, ends);
        assert_int_equal(is.evaluate, ends);
        assert_int_equal(is.checkpoint, step == 20 || step == 28 || step == 32);
        assert_int_equal(is.done, step == 32);
    }
}

static void the_last_step_does_everything(void **state) {
    struct cnn_coordinator coordinator = coordinator_of(true);
    coordinator.timeline.total_steps = 7;
    struct cnn_step_report sums = {.n = 8};
    struct cnn_directive is = cnn_coordinator_decide(&coordinator, 7, &sums);
    assert_true(is.log && is.end_epoch && is.evaluate && is.checkpoint && is.done);
    coordinator.has_val = false;
    is = cnn_coordinator_decide(&coordinator, 7, &sums);
    assert_false(is.evaluate);
}

static void one_signal_stops_all(void **state) {
    struct cnn_coordinator coordinator = coordinator_of(true);
    struct cnn_step_report sums = {.n = 8, .stop_requests = 1};
    struct cnn_directive is = cnn_coordinator_decide(&coordinator, 5, &sums);
    assert_true(is.stop && is.checkpoint);
    assert_false(is.evaluate || is.evaluation_due || is.done);
}

static void a_stop_puts_the_evaluation_off(void **state) {
    struct cnn_coordinator coordinator = coordinator_of(true);
    struct cnn_step_report sums = {.n = 8, .stop_requests = 2};
    struct cnn_directive is = cnn_coordinator_decide(&coordinator, 20, &sums);
    assert_true(is.stop && is.checkpoint && is.evaluation_due && is.end_epoch);
    assert_false(is.evaluate);
    is = cnn_coordinator_decide(&coordinator, 30, &sums);
    assert_true(is.stop && is.evaluation_due);
    assert_false(is.done);
}

static void a_stop_with_nothing_left_is_the_end(void **state) {
    struct cnn_coordinator coordinator = coordinator_of(false);
    struct cnn_step_report sums = {.n = 8, .stop_requests = 1};
    struct cnn_directive is = cnn_coordinator_decide(&coordinator, 30, &sums);
    assert_true(is.done && is.checkpoint);
    assert_false(is.stop);
}

static void trouble_comes_before_everything(void **state) {
    struct cnn_coordinator coordinator = coordinator_of(true);
    struct cnn_step_report broken = {.n = 8, .errors = 1, .stop_requests = 1},
                           infinite = {.n = 8, .not_finite = 1};
    struct cnn_directive only_fail = {.fail = true};
    struct cnn_directive is = cnn_coordinator_decide(&coordinator, 20, &broken);
    assert_memory_equal(&is, &only_fail, sizeof is);
    is = cnn_coordinator_decide(&coordinator, 20, &infinite);
    assert_memory_equal(&is, &only_fail, sizeof is);
}

static void one_rank_alone_folds_to_itself(void **state) {
    struct cnn_comm *comm = NULL;
    struct cnn_step_report report = {.loss = 2.5, .n = 8, .bad_records = 1}, before = report;
    assert_int_equal(cnn_comm_start(&comm), CNN_OK);
    assert_int_equal(cnn_coordinator_fold(&report, comm), CNN_OK);
    assert_memory_equal(&report, &before, sizeof report);
    cnn_comm_finish(comm, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ordinary_step_does_nothing),
        cmocka_unit_test(things_are_done_when_they_are_due),
        cmocka_unit_test(epochs_of_phases_end_where_they_do),
        cmocka_unit_test(the_last_step_does_everything),
        cmocka_unit_test(one_signal_stops_all),
        cmocka_unit_test(a_stop_puts_the_evaluation_off),
        cmocka_unit_test(a_stop_with_nothing_left_is_the_end),
        cmocka_unit_test(trouble_comes_before_everything),
        cmocka_unit_test(one_rank_alone_folds_to_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
