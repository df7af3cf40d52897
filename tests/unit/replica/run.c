#include "run.h"

#include "base/random.h"
#include <math.h>

const double run_mean[3] = {0.48, 0.46, 0.41}, run_std[3] = {0.23, 0.22, 0.24};

struct cnn_backend *new_backend(int threads) {
    const struct cnn_backend_options options = {.threads = threads, .precision = CNN_PRECISION_FP32};
    struct cnn_backend *backend = NULL;
    EXPECT_OK(cnn_backend_create(&backend, CNN_BACKEND_CPU, &options));
    return backend;
}

struct cnn_replica_options options_for(const struct cnn_model *model, struct cnn_backend *backend,
                                       int micro) {
    struct cnn_replica_options options = {.model = model,
                                          .backend = backend,
                                          .micro_batch = micro,
                                          .training = true,
                                          .micros = 2,
                                          .label_smoothing = RUN_SMOOTHING,
                                          .seed = 5};
    memcpy(options.mean, run_mean, sizeof run_mean);
    memcpy(options.std, run_std, sizeof run_std);
    return options;
}

// Weights as the model begins; what begins at 0 or 1 moves away from it, so that it matters.
static float *draw_param(const struct cnn_model *model, int index) {
    const struct cnn_param *param = &model->params[index];
    const size_t n = cnn_param_count(param);
    float *values = malloc(n * sizeof *values);
    struct cnn_draws draws = cnn_draws_of(3, CNN_PURPOSE_TEST, (uint64_t)index, 1);
    assert_non_null(values);
    cnn_param_init(model, index, 17, values);
    for (size_t i = 0; param->role != CNN_PARAM_WEIGHT && i < n; i++)
        values[i] += (float)cnn_draw_between(&draws, -0.3, 0.3);
    return values;
}

static void draw_batch(struct run *run) {
    const struct cnn_shape in = run->model->input;
    const size_t n = (size_t)run->micro * (size_t)(in.h * in.w * in.c);
    struct cnn_draws draws = cnn_draws_of(4, CNN_PURPOSE_TEST, 0, 2);
    run->pixels = malloc(n);
    run->labels = malloc((size_t)run->micro * sizeof *run->labels);
    assert_true(run->pixels && run->labels);
    for (size_t i = 0; i < n; i++)
        run->pixels[i] = (uint8_t)cnn_draw_below(&draws, 256);
    for (int i = 0; i < run->micro; i++)
        run->labels[i] = (i * 3 + 1) % run->model->n_classes;
}

void run_give_params(const struct run *run, struct cnn_replica *replica) {
    for (int i = 0; i < run->model->n_params; i++)
        EXPECT_OK(cnn_replica_set(replica, cnn_replica_parameters(replica), i, run->params[i]));
    EXPECT_OK(cnn_replica_refresh(replica));
}

struct run *run_create(const struct cnn_model *model, struct cnn_backend *backend, int micro,
                       const struct cnn_replica_options *options) {
    const struct cnn_replica_options usual = options_for(model, backend, micro);
    struct run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    *run = (struct run){.model = model, .backend = backend, .micro = micro};
    EXPECT_OK(cnn_replica_create(&run->replica, options ? options : &usual));
    run->reference = ref_network_create(model, micro, (options ? options : &usual)->training);
    run->params = calloc((size_t)model->n_params, sizeof *run->params);
    assert_non_null(run->params);
    for (int i = 0; i < model->n_params; i++) {
        run->params[i] = draw_param(model, i);
        for (size_t k = 0; k < cnn_param_count(&model->params[i]); k++)
            run->reference->params[i][k] = (double)run->params[i][k];
    }
    run_give_params(run, run->replica);
    draw_batch(run);
    return run;
}

void run_destroy(struct run *run) {
    for (int i = 0; i < run->model->n_params; i++)
        free(run->params[i]);
    free(run->params);
    free(run->pixels);
    free(run->labels);
    ref_network_destroy(run->reference);
    cnn_replica_destroy(run->replica);
    free(run);
}

void run_step(const struct run *run, int micro) {
    const struct cnn_micro_key key = {.step = 1, .position = 0};
    EXPECT_OK(cnn_replica_forward(run->replica, run->pixels, run->micro, key));
    EXPECT_OK(cnn_replica_loss(run->replica, &(struct cnn_targets){.labels = run->labels}, run->micro,
                               1.0f / (float)run->micro));
    EXPECT_OK(cnn_replica_backward(run->replica, micro, NULL, NULL));
}

double run_reference_step(struct run *run) {
    ref_network_forward(run->reference, run->pixels, run_mean, run_std);
    const double loss = ref_network_loss(run->reference, run->labels,
                                         run->reference->training ? RUN_SMOOTHING : 0, 1.0 / run->micro);
    if (run->reference->training)
        ref_network_backward(run->reference);
    return loss;
}

float *param_of(struct cnn_replica *replica, const float *arena, const struct cnn_model *model, int param) {
    float *values = malloc(cnn_param_count(&model->params[param]) * sizeof *values);
    assert_non_null(values);
    EXPECT_OK(cnn_replica_get(replica, arena, param, values));
    return values;
}

void expect_near(const char *net, const char *what, const float *got, const double *want, size_t n,
                 double tolerance, double floor) {
    double most = floor;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(want[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - want[i]) <= tolerance * most))
            fail_msg("%s: %s [%zu of %zu] is %.9g, the reference says %.9g (largest: %.4g)", net, what, i, n,
                     (double)got[i], want[i], most);
}
