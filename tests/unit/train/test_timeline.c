// Steps and epochs of phases of different lengths.
#include "train/timeline.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// Steps of an epoch: 10 in epochs 0 and 1, 7 in 2 to 4, 5 from then on; 7.5 epochs.
static struct cnn_timeline three_phases(void) {
    struct cnn_timeline timeline;
    const int64_t lengths[] = {10, 7, 5}, until[] = {2, 5};
    cnn_timeline_init(&timeline, 3, lengths, until, 7.5);
    return timeline;
}

static struct cnn_timeline equal_epochs(int64_t steps_per_epoch, double epochs) {
    struct cnn_timeline timeline;
    cnn_timeline_init(&timeline, 1, &steps_per_epoch, NULL, epochs);
    return timeline;
}

static void a_run_has_at_least_one_step(void **state) {
    assert_int_equal(equal_epochs(5004, 90).total_steps, 450360);
    assert_int_equal(equal_epochs(15, 0.5).total_steps, 8);
    assert_int_equal(equal_epochs(15, 0.001).total_steps, 1);
}

static void equal_epochs_are_plain_division(void **state) {
    struct cnn_timeline timeline = equal_epochs(7, 3), uniform = cnn_timeline_uniform(7, 21);
    assert_int_equal(uniform.total_steps, timeline.total_steps);
    for (int64_t step = 0; step <= 30; step++) { // behind the end as well
        assert_int_equal(cnn_timeline_stretch(&timeline, step), 0);
        assert_int_equal(cnn_timeline_epoch(&timeline, step), (step + 6) / 7);
        assert_int_equal(cnn_timeline_ends_epoch(&timeline, step), step % 7 == 0);
        assert_true(cnn_timeline_epochs(&timeline, step) == (double)step / 7);
        assert_int_equal(cnn_timeline_place(&timeline, step / 7, step % 7), step);
    }
    assert_int_equal(cnn_stretch_shift(&timeline.stretches[0]), 0);
}

// Against counting one by one.
static void steps_and_epochs_of_phases_agree(void **state) {
    struct cnn_timeline timeline = three_phases();
    static const int lengths[] = {10, 10, 7, 7, 7, 5, 5, 5};
    static const int phases[] = {0, 0, 1, 1, 1, 2, 2, 2};
    int64_t step = 0;
    assert_int_equal(timeline.total_steps, 54); // 20 + 21 + 12.5, rounded
    for (int epoch = 0; epoch < 8; epoch++) {
        assert_int_equal(cnn_timeline_stretch_of_epoch(&timeline, epoch), phases[epoch]);
        assert_int_equal(cnn_timeline_steps(&timeline, epoch), step);
        for (int i = 0; i < lengths[epoch]; i++) {
            assert_int_equal(cnn_timeline_place(&timeline, epoch, i), step);
            step++; // that many are done
            assert_int_equal(cnn_timeline_stretch(&timeline, step), phases[epoch]);
            assert_int_equal(cnn_timeline_epoch(&timeline, step), epoch + 1);
            assert_int_equal(cnn_timeline_ends_epoch(&timeline, step), i + 1 == lengths[epoch]);
            double epochs = epoch + (double)(i + 1) / lengths[epoch];
            assert_true(fabs(cnn_timeline_epochs(&timeline, step) - epochs) < 1e-12);
        }
    }
    assert_int_equal(cnn_timeline_stretch_of_epoch(&timeline, 100), 2);
}

static void fractions_fall_on_the_nearest_step(void **state) {
    struct cnn_timeline timeline = three_phases();
    assert_int_equal(cnn_timeline_steps(&timeline, 0.25), 3); // 2.5
    assert_int_equal(cnn_timeline_steps(&timeline, 1.99), 20);
    assert_int_equal(cnn_timeline_steps(&timeline, 3.5), 31); // 20 + 10.5
    assert_int_equal(cnn_timeline_steps(&timeline, 5.2), 42);
}

static void before_the_first_step(void **state) {
    struct cnn_timeline timeline = three_phases();
    assert_int_equal(cnn_timeline_stretch(&timeline, 0), 0);
    assert_int_equal(cnn_timeline_epoch(&timeline, 0), 0);
    assert_true(cnn_timeline_epochs(&timeline, 0) == 0);
}

static void only_one_place_is_right(void **state) {
    struct cnn_timeline timeline = three_phases();
    for (int64_t step = 0; step <= 45; step++) {
        int n = 0;
        for (int64_t epoch = 0; epoch < 12; epoch++)
            for (int64_t i = 0; i < 60; i++)
                n += cnn_timeline_is_at(&timeline, step, epoch, i);
        assert_int_equal(n, 1);
    }
    // As from a damaged checkpoint: the first epoch has no such step, and no number overflows.
    assert_false(cnn_timeline_is_at(&timeline, 45, 0, 45));
    assert_false(cnn_timeline_is_at(&timeline, (int64_t)1 << 50, 1000000, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_has_at_least_one_step),
        cmocka_unit_test(equal_epochs_are_plain_division),
        cmocka_unit_test(steps_and_epochs_of_phases_agree),
        cmocka_unit_test(fractions_fall_on_the_nearest_step),
        cmocka_unit_test(before_the_first_step),
        cmocka_unit_test(only_one_place_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
