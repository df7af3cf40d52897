// The loss scale from step to step, and what an update does with gradients that are not finite.
#include "train_fixture.h"

#include "base/random.h"
#include "train/loss_scaling.h"
#include "train/optimizer.h"

#include <math.h>

static struct cnn_loss_scaling started(double initial, int grow_after, enum cnn_type type) {
    struct cnn_config config;
    struct cnn_loss_scaling scaling;
    cnn_config_defaults(&config);
    config.train.loss_scale.initial = initial;
    config.train.loss_scale.grow_after = grow_after;
    cnn_loss_scaling_init(&scaling, &config, type);
    return scaling;
}

static void only_fp16_begins_with_it(void **state) {
    (void)state;
    const struct cnn_loss_scaling f32 = started(0, 10, CNN_TYPE_F32), bf16 = started(0, 10, CNN_TYPE_BF16),
                                  f16 = started(0, 10, CNN_TYPE_F16), wanted = started(0.5, 10, CNN_TYPE_F32);
    assert_true(!f32.on && f32.scale == 1);
    assert_true(!bf16.on && bf16.scale == 1);
    assert_true(f16.on && f16.scale == 65536);
    assert_true(wanted.on && wanted.scale == 0.5f);
}

static void without_it_nothing_moves(void **state) {
    (void)state;
    struct cnn_loss_scaling scaling = started(0, 1, CNN_TYPE_F32);
    for (int i = 0; i < 10; i++)
        cnn_loss_scaling_end(&scaling, i % 2);
    assert_true(scaling.scale == 1 && scaling.skipped == 0 && scaling.good_steps == 0);
}

static void overflow_halves_it(void **state) {
    (void)state;
    struct cnn_loss_scaling scaling = started(1024, 3, CNN_TYPE_F16);
    cnn_loss_scaling_end(&scaling, false);
    cnn_loss_scaling_end(&scaling, false);
    assert_int_equal(scaling.good_steps, 2);
    cnn_loss_scaling_end(&scaling, true);
    assert_true(scaling.scale == 512 && scaling.skipped == 1);
    assert_int_equal(scaling.good_steps, 0); // the count begins anew
    cnn_loss_scaling_end(&scaling, false);
    cnn_loss_scaling_end(&scaling, false);
    assert_true(scaling.scale == 512);
    cnn_loss_scaling_end(&scaling, false);
    assert_true(scaling.scale == 1024 && scaling.skipped == 1);
    assert_int_equal(scaling.good_steps, 0);
}

static void it_stays_in_its_bounds(void **state) {
    (void)state;
    struct cnn_loss_scaling scaling = started(1, 1, CNN_TYPE_F16);
    for (int i = 0; i < 100; i++)
        cnn_loss_scaling_end(&scaling, false);
    assert_true(scaling.scale == CNN_LOSS_SCALE_MOST);
    for (int i = 0; i < 100; i++)
        cnn_loss_scaling_end(&scaling, true);
    assert_true(scaling.scale == CNN_LOSS_SCALE_LEAST);
    assert_int_equal(scaling.skipped, 100);
    struct cnn_loss_scaling shrinks = started(8, 0, CNN_TYPE_F16);
    for (int i = 0; i < 100; i++)
        cnn_loss_scaling_end(&shrinks, false);
    assert_true(shrinks.scale == 8);
}

#define MICRO 4
#define HUGE_SCALE 0x1p127 // no gradient of a loss survives it

// A small network in training, all pictures of one class.
struct trainer {
    struct cnn_backend *backend;
    struct cnn_model *model;
    struct cnn_replica *replica;
    struct cnn_optimizer *optimizer;
    uint8_t *pixels;
};

static void open_trainer(struct trainer *t, enum cnn_precision precision, double loss_scale) {
    const struct cnn_backend_options backend = {.threads = 1, .precision = precision};
    const struct cnn_model_options shape = {.input = {8, 8, 3}, .n_classes = N_CLASSES, .dropout = -1};
    struct cnn_config config;
    memset(t, 0, sizeof *t);
    if (cnn_backend_create(&t->backend, CNN_BACKEND_CPU, &backend) != CNN_OK)
        skip();
    assert_int_equal(cnn_model_create(&t->model, "resnet20", &shape), CNN_OK);
    const struct cnn_replica_options replica = {.model = t->model,
                                                .backend = t->backend,
                                                .micro_batch = MICRO,
                                                .training = true,
                                                .mean = {0.5, 0.5, 0.5},
                                                .std = {0.25, 0.25, 0.25}};
    assert_int_equal(cnn_replica_create(&t->replica, &replica), CNN_OK);
    assert_int_equal(cnn_replica_init(t->replica, 3), CNN_OK);
    cnn_config_defaults(&config);
    config.train.loss_scale.initial = loss_scale;
    assert_int_equal(cnn_optimizer_create(&t->optimizer, &config, t->backend, t->replica, 1), CNN_OK);
    t->pixels = malloc(MICRO * 8 * 8 * 3);
    assert_non_null(t->pixels);
    struct cnn_draws draws = cnn_draws_of(1, CNN_PURPOSE_TEST, 0, 0);
    for (int i = 0; i < MICRO * 8 * 8 * 3; i++)
        t->pixels[i] = (uint8_t)cnn_draw_below(&draws, 256);
}

static void close_trainer(struct trainer *t) {
    free(t->pixels);
    cnn_optimizer_destroy(t->optimizer);
    cnn_replica_destroy(t->replica);
    cnn_model_destroy(t->model);
    cnn_backend_destroy(t->backend);
}

// One step; whether its gradients overflowed.
static bool step(struct trainer *t) {
    const int32_t labels[MICRO] = {1, 1, 1, 1};
    const struct cnn_targets targets = {.labels = labels};
    struct cnn_metrics metrics;
    cnn_optimizer_begin(t->optimizer, 0.1);
    assert_int_equal(cnn_replica_forward(t->replica, t->pixels, MICRO, (struct cnn_micro_key){0, 0}), CNN_OK);
    assert_int_equal(cnn_replica_loss(t->replica, &targets, MICRO, 1), CNN_OK);
    assert_int_equal(cnn_replica_backward(t->replica, 0, NULL, NULL), CNN_OK);
    assert_int_equal(cnn_optimizer_step(t->optimizer), CNN_OK);
    assert_int_equal(cnn_replica_metrics(t->replica, &metrics), CNN_OK);
    assert_true(isfinite(metrics.loss) && metrics.n == MICRO);
    cnn_optimizer_end(t->optimizer, metrics.overflow);
    return metrics.overflow;
}

static struct cnn_run_state told(const struct trainer *t) {
    struct cnn_run_state state = {.step = 0};
    cnn_optimizer_tell(t->optimizer, &state);
    return state;
}

static void *copy_of(const void *values, size_t bytes) {
    void *copy = malloc(bytes);
    assert_non_null(copy);
    memcpy(copy, values, bytes);
    return copy;
}

// Parameters (with the running statistics), velocity, and the 16-bit copy.
static void expect_skipped(struct trainer *t) {
    const size_t n = cnn_replica_count(t->replica);
    void *compute = cnn_replica_compute_parameters(t->replica), *narrow = NULL;
    float *parameters = copy_of(cnn_replica_parameters(t->replica), n * sizeof(float)),
          *velocity = copy_of(cnn_optimizer_velocity(t->optimizer), n * sizeof(float));
    if (compute)
        narrow = copy_of(compute, n * sizeof(uint16_t));
    assert_true(step(t));
    assert_memory_equal(parameters, cnn_replica_parameters(t->replica), n * sizeof(float));
    assert_memory_equal(velocity, cnn_optimizer_velocity(t->optimizer), n * sizeof(float));
    if (compute)
        assert_memory_equal(narrow, compute, n * sizeof(uint16_t));
    free(parameters);
    free(velocity);
    free(narrow);
}

// Overflowing steps change nothing but the scale; the first that does not overflow is the step that is made
// without a scale.
static void skips_until_it_fits(enum cnn_precision precision) {
    struct trainer scaled, plain;
    open_trainer(&scaled, precision, HUGE_SCALE);
    open_trainer(&plain, precision, 0);
    expect_skipped(&scaled);
    const struct cnn_run_state first = told(&scaled);
    assert_true(first.loss_scale == HUGE_SCALE / 2 && first.skipped_steps == 1 && first.good_steps == 0);
    int skipped = 1;
    while (step(&scaled))
        assert_true(++skipped < 100);
    const struct cnn_run_state after = told(&scaled);
    assert_true(after.loss_scale == ldexp(HUGE_SCALE, -skipped));
    assert_true(after.skipped_steps == skipped && after.good_steps == 1);
    assert_false(step(&plain));
    assert_true(told(&plain).loss_scale == 0 && told(&plain).skipped_steps == 0);
    const size_t n = cnn_replica_count(plain.replica);
    const float *got = cnn_replica_parameters(scaled.replica), *want = cnn_replica_parameters(plain.replica);
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(got[i] - want[i]) <= 1e-6f * (1 + fabsf(want[i]))))
            fail_msg("parameter %zu is %.9g after the scaled step, %.9g after the plain one", i,
                     (double)got[i], (double)want[i]);
    close_trainer(&scaled);
    close_trainer(&plain);
}

static void steps_are_skipped_in_fp32(void **state) {
    (void)state;
    skips_until_it_fits(CNN_PRECISION_FP32);
}

static void steps_are_skipped_in_bf16(void **state) {
    (void)state;
    skips_until_it_fits(CNN_PRECISION_BF16);
}

// What a checkpoint keeps of it.
static struct cnn_run_state through_a_record(const struct cnn_run_state *state) {
    struct cnn_run_record out = {.facts = {.arch = "resnet8",
                                           .classes = 2,
                                           .channels = 3,
                                           .height = 8,
                                           .width = 8,
                                           .global = 4,
                                           .micro = 4,
                                           .records = 4,
                                           .std = {1, 1, 1}},
                                 .state = *state},
                          back = {.state = {.step = -1}};
    char value[CNN_RECORD_VALUE_BYTES];
    for (int field = 0; field < cnn_record_n_fields(); field++) {
        cnn_record_write(&out, field, value);
        assert_int_equal(cnn_record_read(&back, field, value), CNN_OK);
    }
    return back.state;
}

// A run that goes on takes the step that the unbroken one takes, also where no update was made so far.
static void the_scale_survives_a_checkpoint(void **state) {
    (void)state;
    struct trainer whole, resumed;
    open_trainer(&whole, CNN_PRECISION_FP32, HUGE_SCALE);
    open_trainer(&resumed, CNN_PRECISION_FP32, 1); // what the file says counts
    const size_t bytes = cnn_replica_count(whole.replica) * sizeof(float);
    int steps = 0;
    bool overflow = true;
    for (int more = 2; more > 0; more -= !overflow) { // stops in turn at every step
        struct cnn_run_state kept = told(&whole);
        kept.step = steps;
        const struct cnn_run_state read = through_a_record(&kept);
        assert_memory_equal(&read, &kept, sizeof kept);
        cnn_optimizer_resumed(resumed.optimizer, &read);
        overflow = step(&whole);
        steps++;
        assert_int_equal(step(&resumed), overflow);
        const struct cnn_run_state a = told(&whole), b = told(&resumed);
        assert_memory_equal(&a, &b, sizeof a);
        assert_memory_equal(cnn_replica_parameters(whole.replica), cnn_replica_parameters(resumed.replica),
                            bytes);
        assert_memory_equal(cnn_optimizer_velocity(whole.optimizer),
                            cnn_optimizer_velocity(resumed.optimizer), bytes);
    }
    assert_true(told(&whole).skipped_steps >= 1);
    close_trainer(&whole);
    close_trainer(&resumed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_fp16_begins_with_it),
        cmocka_unit_test(without_it_nothing_moves),
        cmocka_unit_test(overflow_halves_it),
        cmocka_unit_test(it_stays_in_its_bounds),
        cmocka_unit_test(steps_are_skipped_in_fp32),
        cmocka_unit_test(steps_are_skipped_in_bf16),
        cmocka_unit_test(the_scale_survives_a_checkpoint),
    };
    setenv("CNN_CPU_BF16", "emulate", 1); // of processors without it
    return cmocka_run_group_tests(tests, NULL, NULL);
}
