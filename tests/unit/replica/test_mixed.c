// Mixed precision: networks that compute in 16 bits, beside the reference in double. Where the processor does
// not multiply in bf16, oneDNN emulates it; where it cannot, or there is no GPU, the tests are skipped.
//   test_mixed [cpu|cuda [bf16|fp16]]
#include "run.h"

#include "backend/ops.h"
#include <math.h>

static enum cnn_backend_kind kind = CNN_BACKEND_CPU;
static enum cnn_precision precision = CNN_PRECISION_BF16;

// An output of 8 bits behind some layers is right to about this. Gradients are compared as a whole: where
// rounding turns a relu's mask over, a gradient is all wrong, and that is so for about one of 200 values in
// each layer, which makes 0.07 of the length, and 0.3 after twenty layers.
#define LOGITS_TOLERANCE 0.06
#define GRADIENT_TOLERANCE 0.12
#define DEEP_GRADIENT_TOLERANCE 0.4

static int give_backend(void **state) {
    const struct cnn_backend_options options = {
        .threads = 2, .local_size = 1, .precision = precision, .deterministic = true, .recompute = true};
    struct cnn_backend *backend = NULL;
    setenv("CNN_CPU_BF16", "emulate", 1);
    if (cnn_backend_create(&backend, kind, &options) != CNN_OK) {
        const char *needed = getenv("CNN_TEST_NEEDS_GPU");
        fprintf(stderr, "skipped: %s\n", cnn_error_message());
        return kind == CNN_BACKEND_CUDA && needed && needed[0] == '1';
    }
    *state = backend;
    return 0;
}

static int take_backend(void **state) {
    cnn_backend_destroy(*state);
    return 0;
}

static struct cnn_backend *backend_of(void **state) {
    if (!*state)
        skip();
    return *state;
}

static void check_logits(const char *name, struct cnn_replica *replica, const struct run *run) {
    const size_t n = (size_t)(run->micro * run->model->n_classes);
    float *logits = malloc(n * sizeof *logits);
    assert_non_null(logits);
    EXPECT_OK(cnn_replica_logits(replica, logits, run->micro));
    expect_near(name, "logit", logits, ref_network_logits(run->reference), n, LOGITS_TOLERANCE, 0.5);
    free(logits);
}

// How far the gradients of all weights are from the reference's, by their length.
static double gradient_error(const struct run *run) {
    double off = 0, length = 0;
    for (int p = 0; p < run->model->n_params; p++) {
        const struct cnn_param *param = &run->model->params[p];
        float *got = param_of(run->replica, cnn_replica_gradients(run->replica), run->model, p);
        for (size_t i = 0; i < cnn_param_count(param) && !cnn_param_is_statistic(param); i++) {
            const double want = run->reference->d_params[p][i];
            off += ((double)got[i] - want) * ((double)got[i] - want);
            length += want * want;
        }
        free(got);
    }
    return sqrt(off / length);
}

static void check_step(const char *name, struct run *run, double tolerance) {
    struct cnn_metrics metrics;
    const double loss = run_reference_step(run);
    run_step(run, 0);
    check_logits(name, run->replica, run);
    EXPECT_OK(cnn_replica_metrics(run->replica, &metrics));
    assert_int_equal(metrics.n, run->micro);
    if (!(fabs(metrics.loss - loss) <= 0.03 * loss))
        fail_msg("%s: the loss is %.9g, the reference says %.9g", name, metrics.loss, loss);
    if (!(gradient_error(run) < tolerance))
        fail_msg("%s: the gradients are off by %.3g", name, gradient_error(run));
}

static void networks_train_as_the_reference(void **state) {
    struct cnn_backend *backend = backend_of(state);
    for (size_t i = 0; i <= n_nets; i++) {
        struct cnn_model *model = i < n_nets ? nets[i].build() : zoo("resnet20", 16, 3, 10);
        struct run *run = run_create(model, backend, 8, NULL);
        if (i < n_nets)
            check_step(nets[i].name, run, GRADIENT_TOLERANCE);
        else
            check_step("resnet20", run, DEEP_GRADIENT_TOLERANCE);
        run_destroy(run);
        cnn_model_destroy(model);
    }
}

static void evaluation_folds_norms(void **state) {
    struct cnn_backend *backend = backend_of(state);
    for (size_t i = 0; i <= n_nets; i++) {
        struct cnn_model *model = i < n_nets ? nets[i].build() : zoo("resnet20", 16, 3, 10);
        struct cnn_replica_options options = options_for(model, backend, 3);
        options.training = false;
        struct run *run = run_create(model, backend, 3, &options);
        run_reference_step(run);
        EXPECT_OK(cnn_replica_forward(run->replica, run->pixels, 3, (struct cnn_micro_key){0, 0}));
        check_logits(i < n_nets ? nets[i].name : "resnet20", run->replica, run);
        run_destroy(run);
        cnn_model_destroy(model);
    }
}

struct training {
    struct run *run;
    struct cnn_sgd sgd;
};

static void begin(struct training *t, const struct cnn_model *model, struct cnn_backend *backend) {
    t->run = run_create(model, backend, 8, NULL);
    struct cnn_replica *replica = t->run->replica;
    t->sgd = (struct cnn_sgd){.parameters = cnn_replica_parameters(replica),
                              .gradients = cnn_replica_gradients(replica),
                              .compute = cnn_replica_compute_parameters(replica),
                              .control = cnn_replica_control(replica),
                              .momentum = 0.9f,
                              .micros = 1};
    t->sgd.segments = cnn_replica_segments(replica, &t->sgd.n_segments);
    EXPECT_OK(cnn_backend_alloc(backend, (void **)&t->sgd.velocity,
                                cnn_replica_count(replica) * sizeof *t->sgd.velocity));
}

static void end(struct training *t) {
    cnn_backend_free(t->run->backend, t->sgd.velocity);
    run_destroy(t->run);
}

// One step; the loss before it.
static double step(struct training *t, bool first) {
    struct cnn_metrics metrics;
    cnn_replica_set_update(t->run->replica,
                           (struct cnn_update_values){.rate = 0.02f, .loss_scale = 1, .first = first});
    run_step(t->run, 0);
    EXPECT_OK(cnn_backend_sgd(t->run->backend, &t->sgd));
    EXPECT_OK(cnn_replica_metrics(t->run->replica, &metrics));
    return metrics.loss / (double)metrics.n;
}

static void training_goes_as_in_floats(void **state) {
    struct cnn_backend *backends[2] = {backend_of(state), new_backend(2)};
    struct cnn_model *model = zoo("resnet8", 16, 3, 10);
    struct training t[2];
    double losses[2] = {0}, before = 0;
    for (int i = 0; i < 2; i++)
        begin(&t[i], model, backends[i]);
    for (int s = 0; s < 12; s++) {
        for (int i = 0; i < 2; i++)
            losses[i] = step(&t[i], s == 0);
        before = s == 0 ? losses[0] : before;
        if (!(fabs(losses[0] - losses[1]) <= 0.1 * before))
            fail_msg("step %d: the loss is %g in 16 bits, %g in floats", s, losses[0], losses[1]);
    }
    if (!(losses[0] <= 0.75 * before))
        fail_msg("the loss went from %g to %g", before, losses[0]);
    for (int i = 0; i < 2; i++)
        end(&t[i]);
    cnn_backend_destroy(backends[1]);
    cnn_model_destroy(model);
}

// n elements of 16 bits of device memory.
static void expect_same(struct cnn_backend *backend, const void *a, const void *b, size_t n) {
    uint16_t *values[2];
    for (int i = 0; i < 2; i++) {
        assert_non_null(values[i] = malloc(n * sizeof *values[i]));
        EXPECT_OK(cnn_backend_download(backend, values[i], i ? b : a, n * sizeof *values[i]));
    }
    EXPECT_OK(cnn_backend_synchronize(backend));
    assert_memory_equal(values[0], values[1], n * sizeof *values[0]);
    free(values[0]);
    free(values[1]);
}

// What products read is what the update and `refresh` make of the parameters, also behind their padding.
static void the_copy_follows_the_parameters(void **state) {
    struct cnn_backend *backend = backend_of(state);
    struct cnn_model *model = zoo("resnet20", 16, 3, 10);
    struct training t;
    begin(&t, model, backend);
    const size_t n = cnn_replica_count(t.run->replica);
    void *want = NULL;
    step(&t, true);
    EXPECT_OK(cnn_backend_alloc(backend, &want, n * sizeof(uint16_t)));
    EXPECT_OK(backend->ops->narrow(backend, want, t.sgd.parameters, n));
    expect_same(backend, t.sgd.compute, want, n);
    EXPECT_OK(backend->ops->narrow(backend, t.sgd.compute, t.sgd.velocity, n)); // something else
    EXPECT_OK(cnn_replica_refresh(t.run->replica));
    expect_same(backend, t.sgd.compute, want, n);
    cnn_backend_free(backend, want);
    end(&t);
    cnn_model_destroy(model);
}

// An evaluation replica reads the trainer's copy, and folds norms from its floats.
static void evaluation_shares_parameters(void **state) {
    struct cnn_backend *backend = backend_of(state);
    struct cnn_model *model = zoo("resnet20", 16, 3, 10);
    struct training t;
    begin(&t, model, backend);
    struct cnn_replica_options options = options_for(model, backend, 8);
    struct cnn_replica *borrower = NULL, *alone = NULL;
    float shared[80], own[80];
    options.training = false;
    EXPECT_OK(cnn_replica_create(&alone, &options));
    options.of = t.run->replica;
    EXPECT_OK(cnn_replica_create(&borrower, &options));
    step(&t, true);
    EXPECT_OK(cnn_replica_refresh(borrower));
    for (int p = 0; p < model->n_params; p++) {
        float *values = param_of(t.run->replica, t.sgd.parameters, model, p);
        EXPECT_OK(cnn_replica_set(alone, cnn_replica_parameters(alone), p, values));
        free(values);
    }
    EXPECT_OK(cnn_replica_refresh(alone));
    struct cnn_replica *const both[2] = {borrower, alone};
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(cnn_replica_forward(both[i], t.run->pixels, 8, (struct cnn_micro_key){0, 0}));
        EXPECT_OK(cnn_replica_logits(both[i], i ? own : shared, 8));
    }
    assert_memory_equal(shared, own, sizeof own);
    cnn_replica_destroy(borrower);
    cnn_replica_destroy(alone);
    end(&t);
    cnn_model_destroy(model);
}

static void activations_take_half_the_memory(void **state) {
    struct cnn_backend *backends[2] = {new_backend(2), backend_of(state)};
    struct cnn_model *model = zoo("resnet20", 16, 3, 10);
    struct cnn_replica_memory memory[2];
    for (int i = 0; i < 2; i++) {
        struct run *run = run_create(model, backends[i], 8, NULL);
        memory[i] = cnn_replica_memory(run->replica);
        run_destroy(run);
    }
    assert_true((double)memory[1].activations < 0.55 * (double)memory[0].activations);
    cnn_backend_destroy(backends[0]);
    cnn_model_destroy(model);
}

// Layers that give what they take cannot give the floats that the loss wants.
static void the_last_layer_must_give_floats(void **state) {
    struct cnn_builder *b = start(9, 9, 3, 16);
    int node = cnn_build_conv(b, "conv", 0, (struct cnn_conv){.out_channels = 16, .kernel = {9, 9}});
    struct cnn_model *model = finish(b, norm(b, "last", node));
    const struct cnn_replica_options options = options_for(model, backend_of(state), 2);
    struct cnn_replica *replica = NULL;
    assert_int_equal(cnn_replica_create(&replica, &options), CNN_ERR_UNSUPPORTED);
    assert_non_null(strstr(cnn_error_message(), "last: "));
    assert_non_null(strstr(cnn_error_message(), "a network must end in"));
    cnn_model_destroy(model);
}

// Without the switch it depends on the processor.
static void bf16_is_refused_where_it_would_be_slow(void **state) {
    const struct cnn_backend_options bf16 = {.threads = 1, .precision = CNN_PRECISION_BF16},
                                     fp16 = {.threads = 1, .precision = CNN_PRECISION_FP16};
    struct cnn_backend *backend = NULL;
    (void)state;
    if (kind != CNN_BACKEND_CPU)
        return;
    unsetenv("CNN_CPU_BF16");
    const enum cnn_status status = cnn_backend_create(&backend, CNN_BACKEND_CPU, &bf16);
    setenv("CNN_CPU_BF16", "emulate", 1);
    if (status == CNN_OK) {
        assert_int_equal(cnn_backend_type(backend), CNN_TYPE_BF16);
        cnn_backend_destroy(backend);
    } else {
        assert_int_equal(status, CNN_ERR_UNSUPPORTED);
        assert_non_null(
            strstr(cnn_error_message(), "needs a processor with AVX-512 BF16 or AMX, but this one has"));
    }
    assert_int_equal(cnn_backend_create(&backend, CNN_BACKEND_CPU, &fp16), CNN_ERR_UNSUPPORTED);
    assert_non_null(strstr(cnn_error_message(), "fp16"));
}

static bool take_arguments(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "cuda") == 0)
        kind = CNN_BACKEND_CUDA;
    else if (argc > 1 && strcmp(argv[1], "cpu") != 0)
        return false;
    if (argc > 2 && strcmp(argv[2], "fp16") == 0)
        precision = CNN_PRECISION_FP16;
    else if (argc > 2 && strcmp(argv[2], "bf16") != 0)
        return false;
    return argc <= 3;
}

int main(int argc, char **argv) {
    if (!take_arguments(argc, argv)) {
        fprintf(stderr, "usage: test_mixed [cpu|cuda [bf16|fp16]]\n");
        return 2;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_train_as_the_reference),
        cmocka_unit_test(evaluation_folds_norms),
        cmocka_unit_test(training_goes_as_in_floats),
        cmocka_unit_test(the_copy_follows_the_parameters),
        cmocka_unit_test(evaluation_shares_parameters),
        cmocka_unit_test(activations_take_half_the_memory),
        cmocka_unit_test(the_last_layer_must_give_floats),
        cmocka_unit_test(bf16_is_refused_where_it_would_be_slow),
    };
    return cmocka_run_group_tests(tests, give_backend, take_backend);
}
