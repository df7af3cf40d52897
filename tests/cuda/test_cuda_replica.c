// Whole networks on a GPU: against the plain reference, and a recorded step against the same step queued.
#include "gpu.h"
#include "replica/run.h"

#include <math.h>

#define TOLERANCE 1e-4 // of the largest magnitude, through whole networks in single precision

static double largest_gradient(const struct run *run) {
    double most = 0;
    for (int p = 0; p < run->model->n_params; p++)
        for (size_t i = 0; i < cnn_param_count(&run->model->params[p]); i++)
            if (!cnn_param_is_statistic(&run->model->params[p]))
                most = fmax(most, fabs(run->reference->d_params[p][i]));
    return most;
}

// Gradients that batch norm makes vanish are small beside others: those of the whole network set the scale.
static void check_step(const char *name, struct run *run) {
    struct cnn_metrics metrics;
    const double loss = run_reference_step(run), most = largest_gradient(run);
    run_step(run, 0);
    EXPECT_OK(cnn_replica_metrics(run->replica, &metrics));
    assert_int_equal(metrics.n, run->micro);
    if (!(fabs(metrics.loss - loss) <= TOLERANCE * loss))
        fail_msg("%s: the loss is %.9g, the reference says %.9g", name, metrics.loss, loss);
    for (int p = 0; p < run->model->n_params; p++) {
        float *got = param_of(run->replica, cnn_replica_gradients(run->replica), run->model, p);
        expect_near(name, run->model->params[p].name, got, run->reference->d_params[p],
                    cnn_param_count(&run->model->params[p]), TOLERANCE, 1e-2 * most);
        free(got);
    }
}

static void networks_train_as_the_reference(void **state) {
    for (size_t i = 0; i <= n_nets; i++) {
        struct cnn_model *model = i < n_nets ? nets[i].build() : zoo("resnet20", 9, 3, 10);
        struct run *run = run_create(model, *state, 3, NULL);
        check_step(i < n_nets ? nets[i].name : "resnet20", run);
        run_destroy(run);
        cnn_model_destroy(model);
    }
}

static float *all_gradients(struct run *run) {
    const size_t n = cnn_replica_count(run->replica);
    float *values = malloc(n * sizeof *values);
    assert_non_null(values);
    EXPECT_OK(
        cnn_backend_download(run->backend, values, cnn_replica_gradients(run->replica), n * sizeof *values));
    EXPECT_OK(cnn_backend_synchronize(run->backend));
    return values;
}

static void load(struct run *run, uint64_t step) {
    const struct cnn_targets targets = {.labels = run->labels};
    EXPECT_OK(cnn_replica_load(run->replica, run->pixels, &targets, run->micro));
    EXPECT_OK(cnn_replica_begin(run->replica, (struct cnn_micro_key){.step = step}));
}

static void compute(struct run *run) {
    EXPECT_OK(cnn_replica_compute(run->replica, 0, 1.0f / (float)run->micro, NULL, NULL));
}

// Other pixels after the recording was made: it reads them where they lie, not as they were.
static void a_recorded_step_gives_the_same_bits(void **state) {
    struct cnn_model *model = zoo("resnet20", 32, 3, 10);
    struct run *run = run_create(model, *state, 8, NULL);
    struct cnn_recording *recording = NULL;
    load(run, 0);
    compute(run); // libraries load what they need
    EXPECT_OK(cnn_backend_record_begin(run->backend));
    compute(run);
    EXPECT_OK(cnn_backend_record_end(run->backend, &recording));
    for (uint64_t step = 1; step < 4; step++) {
        EXPECT_OK(cnn_replica_loaded(run->replica));
        for (size_t i = 0; i < 8 * 32 * 32 * 3; i++)
            run->pixels[i] = (uint8_t)(run->pixels[i] * 5 + 31);
        load(run, step);
        compute(run);
        float *queued = all_gradients(run);
        load(run, step);
        EXPECT_OK(cnn_backend_replay(run->backend, recording));
        float *recorded = all_gradients(run);
        assert_memory_equal(queued, recorded, cnn_replica_count(run->replica) * sizeof *queued);
        free(queued);
        free(recorded);
    }
    cnn_recording_destroy(run->backend, recording);
    run_destroy(run);
    cnn_model_destroy(model);
}

int main(void) {
    int status = 1;
    struct cnn_backend *backend = gpu_open(CNN_PRECISION_FP32, &status);
    if (!backend)
        return status;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(networks_train_as_the_reference, backend),
        cmocka_unit_test_prestate(a_recorded_step_gives_the_same_bits, backend),
    };
    const int failed = cmocka_run_group_tests_name("cuda replica", tests, NULL, NULL);
    cnn_backend_destroy(backend);
    return failed != 0;
}
