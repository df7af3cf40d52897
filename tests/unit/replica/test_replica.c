// Whole networks: a replica's verbs against the plain reference, finite differences, and each other.
#include "run.h"

#include "backend/ops.h"
#include "base/random.h"
#include <math.h>

#define TOLERANCE 1e-4 // of the largest magnitude, through whole networks in single precision

static void check_logits(const char *name, struct cnn_replica *replica, const double *want, int n,
                         int classes) {
    float *logits = malloc((size_t)(n * classes) * sizeof *logits);
    assert_non_null(logits);
    EXPECT_OK(cnn_replica_logits(replica, logits, n));
    expect_near(name, "logit", logits, want, (size_t)(n * classes), TOLERANCE, 0);
    free(logits);
}

// `times`: backward passes that were summed. Gradients that batch norm makes vanish (of a bias before it) are
// small beside others: those of the whole network set the scale.
static void check_gradients(const char *name, const struct run *run, double times) {
    double most = 0;
    for (int p = 0; p < run->model->n_params; p++)
        for (size_t i = 0;
             i < cnn_param_count(&run->model->params[p]) && !cnn_param_is_statistic(&run->model->params[p]);
             i++)
            most = fmax(most, fabs(run->reference->d_params[p][i]));
    for (int p = 0; p < run->model->n_params; p++) {
        const size_t n = cnn_param_count(&run->model->params[p]);
        float *got = param_of(run->replica, cnn_replica_gradients(run->replica), run->model, p);
        for (size_t i = 0; i < n; i++)
            got[i] = (float)((double)got[i] / times);
        expect_near(name, run->model->params[p].name, got, run->reference->d_params[p], n, TOLERANCE,
                    1e-2 * most);
        free(got);
    }
}

static void check_step(const char *name, struct run *run) {
    struct cnn_metrics metrics;
    const double loss = run_reference_step(run);
    run_step(run, 0);
    check_logits(name, run->replica, ref_network_logits(run->reference), run->micro, run->model->n_classes);
    EXPECT_OK(cnn_replica_metrics(run->replica, &metrics));
    assert_int_equal(metrics.n, run->micro);
    if (!(fabs(metrics.loss - loss) <= TOLERANCE * loss))
        fail_msg("%s: the loss is %.9g, the reference says %.9g", name, metrics.loss, loss);
    check_gradients(name, run, 1);
    run_step(run, 1); // on top of the first
    check_gradients(name, run, 2);
}

static void hand_made_networks_train_as_the_reference(void **state) {
    for (size_t i = 0; i < n_nets; i++)
        for (int micro = 1; micro <= 3; micro += 2) {
            struct cnn_model *model = nets[i].build();
            struct run *run = run_create(model, *state, micro, NULL);
            check_step(nets[i].name, run);
            run_destroy(run);
            cnn_model_destroy(model);
        }
}

static void resnet20_trains_as_the_reference(void **state) {
    struct cnn_model *model = zoo("resnet20", 9, 3, 10);
    struct run *run = run_create(model, *state, 4, NULL);
    check_step("resnet20", run);
    run_destroy(run);
    cnn_model_destroy(model);
}

static void evaluation_uses_running_statistics(void **state) {
    for (size_t i = 0; i <= n_nets; i++) {
        struct cnn_model *model = i < n_nets ? nets[i].build() : zoo("resnet20", 9, 1, 10);
        const char *name = i < n_nets ? nets[i].name : "resnet20";
        struct cnn_replica_options options = options_for(model, *state, 3);
        struct cnn_metrics metrics;
        options.training = false;
        struct run *run = run_create(model, *state, 3, &options);
        const double loss = run_reference_step(run); // without label smoothing
        assert_null(cnn_replica_gradients(run->replica));
        EXPECT_OK(cnn_replica_forward(run->replica, run->pixels, 3, (struct cnn_micro_key){0, 0}));
        EXPECT_OK(cnn_replica_loss(run->replica, &(struct cnn_targets){.labels = run->labels}, 3, 1));
        check_logits(name, run->replica, ref_network_logits(run->reference), 3, model->n_classes);
        EXPECT_OK(cnn_replica_metrics(run->replica, &metrics));
        assert_true(fabs(metrics.loss - loss) < TOLERANCE * loss);
        run_destroy(run);
        cnn_model_destroy(model);
    }
}

// The loss along a direction, for the slope there.
static double loss_at(struct run *run, double *const *directions, double distance) {
    struct cnn_metrics metrics;
    for (int p = 0; p < run->model->n_params; p++) {
        const size_t n = cnn_param_count(&run->model->params[p]);
        float *moved = malloc(n * sizeof *moved);
        assert_non_null(moved);
        for (size_t i = 0; i < n; i++)
            moved[i] = (float)((double)run->params[p][i] + distance * directions[p][i]);
        EXPECT_OK(cnn_replica_set(run->replica, cnn_replica_parameters(run->replica), p, moved));
        free(moved);
    }
    EXPECT_OK(cnn_replica_metrics(run->replica, &metrics)); // forgets earlier losses
    EXPECT_OK(cnn_replica_forward(run->replica, run->pixels, run->micro, (struct cnn_micro_key){1, 0}));
    EXPECT_OK(cnn_replica_loss(run->replica, &(struct cnn_targets){.labels = run->labels}, run->micro, 1));
    EXPECT_OK(cnn_replica_metrics(run->replica, &metrics));
    return metrics.loss / run->micro;
}

// A random direction that leans along the gradient, so that its slope stands clear of rounding.
static double lean(struct run *run, double **directions, uint64_t key) {
    double slope = 0, length = 0;
    for (int p = 0; p < run->model->n_params; p++) {
        const struct cnn_param *param = &run->model->params[p];
        float *gradient = param_of(run->replica, cnn_replica_gradients(run->replica), run->model, p);
        struct cnn_draws draws = cnn_draws_of(8, CNN_PURPOSE_TEST, key, (uint64_t)p);
        for (size_t i = 0; i < cnn_param_count(param) && !cnn_param_is_statistic(param); i++) {
            directions[p][i] = (double)gradient[i] * cnn_draw_between(&draws, -0.5, 1.5);
            slope += (double)gradient[i] * directions[p][i];
            length += directions[p][i] * directions[p][i];
        }
        free(gradient);
    }
    for (int p = 0; p < run->model->n_params; p++)
        for (size_t i = 0; i < cnn_param_count(&run->model->params[p]); i++)
            directions[p][i] /= sqrt(length);
    return slope / sqrt(length);
}

static void gradients_are_slopes_of_the_loss(void **state) {
    struct cnn_model *model = zoo("resnet20", 9, 3, 10);
    struct run *run = run_create(model, *state, 4, NULL);
    double **directions = calloc((size_t)model->n_params, sizeof *directions);
    assert_non_null(directions);
    for (int p = 0; p < model->n_params; p++)
        directions[p] = calloc(cnn_param_count(&model->params[p]), sizeof **directions);
    for (uint64_t key = 0; key < 4; key++) {
        const double distance = 1e-3;
        run_give_params(run, run->replica);
        run_step(run, 0);
        const double slope = lean(run, directions, key);
        const double measured =
            (loss_at(run, directions, distance) - loss_at(run, directions, -distance)) / (2 * distance);
        if (!(fabs(measured - slope) <= 0.01 * fabs(slope)))
            fail_msg("direction %d: the gradient says %.6g, the loss changes by %.6g", (int)key, slope,
                     measured);
    }
    for (int p = 0; p < model->n_params; p++)
        free(directions[p]);
    free(directions);
    run_destroy(run);
    cnn_model_destroy(model);
}

static float *arena_copy(const struct run *run) {
    const size_t n = cnn_replica_count(run->replica);
    float *copy = malloc(n * sizeof *copy);
    assert_non_null(copy);
    EXPECT_OK(
        cnn_backend_download(run->backend, copy, cnn_replica_gradients(run->replica), n * sizeof *copy));
    EXPECT_OK(cnn_backend_synchronize(run->backend));
    return copy;
}

static void micro_batches_sum(void **state) {
    struct cnn_model *model = zoo("resnet20", 9, 3, 10);
    struct run *run = run_create(model, *state, 2, NULL);
    const size_t n = cnn_replica_count(run->replica);
    const size_t bytes = (size_t)(2 * 9 * 9 * 3);
    run_step(run, 0);
    float *first = arena_copy(run);
    for (size_t i = 0; i < bytes; i++)
        run->pixels[i] = (uint8_t)(255 - run->pixels[i]);
    run_step(run, 0);
    float *second = arena_copy(run);
    for (size_t i = 0; i < bytes; i++)
        run->pixels[i] = (uint8_t)(255 - run->pixels[i]);
    run_step(run, 0);
    for (size_t i = 0; i < bytes; i++)
        run->pixels[i] = (uint8_t)(255 - run->pixels[i]);
    run_step(run, 1);
    float *sum = arena_copy(run);
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(sum[i] - (first[i] + second[i])) <= 1e-6f * (fabsf(first[i]) + fabsf(second[i]))))
            fail_msg("gradient %zu: %g and %g sum to %g", i, (double)first[i], (double)second[i],
                     (double)sum[i]);
    free(first);
    free(second);
    free(sum);
    run_destroy(run);
    cnn_model_destroy(model);
}

// A backend whose batch norm says it cannot be recomputed: then every value is kept.
static const struct cnn_kernel_ops *real_norm;

static enum cnn_status keeping_plan_create(struct cnn_plan **out, struct cnn_backend *backend,
                                           const struct cnn_kernel_desc *desc) {
    CNN_TRY(real_norm->plan_create(out, backend, desc));
    (*out)->recomputable = false;
    return CNN_OK;
}

static void recomputing_changes_no_bit(void **state) {
    struct cnn_backend *backend = *state;
    const struct cnn_backend_ops *real = backend->ops;
    struct cnn_backend_ops keeping = *real;
    struct cnn_kernel_ops norm_ops = *real->kernels[CNN_KERNEL_NORM];
    real_norm = real->kernels[CNN_KERNEL_NORM];
    norm_ops.plan_create = keeping_plan_create;
    keeping.kernels[CNN_KERNEL_NORM] = &norm_ops;
    for (size_t i = 0; i <= n_nets; i++) {
        struct cnn_model *model = i < n_nets ? nets[i].build() : zoo("resnet20", 9, 3, 10);
        struct run *run = run_create(model, backend, 3, NULL);
        backend->ops = &keeping;
        struct run *kept = run_create(model, backend, 3, NULL);
        backend->ops = real;
        run_step(run, 0);
        run_step(kept, 0);
        float *a = arena_copy(run), *b = arena_copy(kept);
        assert_memory_equal(a, b, cnn_replica_count(run->replica) * sizeof *a);
        if (i == n_nets)
            assert_true(cnn_replica_memory(run->replica).activations_unshared >
                        cnn_replica_memory(kept->replica).activations_unshared); // or nothing was recomputed
        free(a);
        free(b);
        run_destroy(run);
        run_destroy(kept);
        cnn_model_destroy(model);
    }
}

static void two_threads_give_what_one_gives(void **state) {
    (void)state;
    struct cnn_model *model = zoo("resnet20", 9, 3, 10);
    for (int threads = 1; threads <= 2; threads++) {
        struct cnn_backend *backend = new_backend(threads);
        struct run *run = run_create(model, backend, 5, NULL);
        check_step("resnet20", run);
        run_destroy(run);
        cnn_backend_destroy(backend);
    }
    cnn_model_destroy(model);
}

struct prefix {
    const struct run *run;
    size_t last;
    float *seen; // the first `last` gradients as they were when they were said to be final
};

static void on_ready(void *context, size_t n_ready) {
    struct prefix *prefix = context;
    assert_true(n_ready >= prefix->last && n_ready <= cnn_replica_count(prefix->run->replica));
    const float *gradients = cnn_replica_gradients(prefix->run->replica);
    if (n_ready > prefix->last)
        EXPECT_OK(cnn_backend_download(prefix->run->backend, prefix->seen + prefix->last,
                                       gradients + prefix->last,
                                       (n_ready - prefix->last) * sizeof *gradients));
    EXPECT_OK(cnn_backend_synchronize(prefix->run->backend));
    prefix->last = n_ready;
}

static void gradients_said_to_be_ready_are_final(void **state) {
    struct cnn_model *model = zoo("resnet20", 9, 3, 10);
    struct run *run = run_create(model, *state, 2, NULL);
    const size_t n = cnn_replica_count(run->replica);
    for (int micro = 0; micro < 2; micro++) {
        struct prefix prefix = {.run = run, .seen = calloc(n, sizeof(float))};
        assert_non_null(prefix.seen);
        EXPECT_OK(cnn_replica_forward(run->replica, run->pixels, 2, (struct cnn_micro_key){1, 0}));
        EXPECT_OK(cnn_replica_loss(run->replica, &(struct cnn_targets){.labels = run->labels}, 2, 0.5f));
        EXPECT_OK(cnn_replica_backward(run->replica, micro, on_ready, &prefix));
        assert_int_equal(prefix.last, micro == 1 ? n : 0); // of the step, not of the micro-batch
        float *last = arena_copy(run);
        assert_memory_equal(prefix.seen, last, prefix.last * sizeof *last);
        free(last);
        free(prefix.seen);
    }
    run_destroy(run);
    cnn_model_destroy(model);
}

// Forward and backward of pictures of their own, as micro-batch `micro` of a step.
static void run_own_micro(const struct run *run, int shown, int micro) {
    uint8_t pixels[2 * 9 * 9 * 3];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(run->pixels[i] + 37 * shown);
    EXPECT_OK(cnn_replica_forward(run->replica, pixels, 2, (struct cnn_micro_key){1, 0}));
    EXPECT_OK(cnn_replica_loss(run->replica, &(struct cnn_targets){.labels = run->labels}, 2, 0.5f));
    EXPECT_OK(cnn_replica_backward(run->replica, micro, NULL, NULL));
}

// ((0 + 1) + (2 + 3)) + ((4 + 5) + 6), bit for bit, from gradients that were made one at a time.
static void micro_batches_are_summed_in_pairs(void **state) {
    enum { MICROS = 7 };
    struct cnn_model *model = zoo("resnet20", 9, 3, 10);
    struct run *one = run_create(model, *state, 2, NULL), *all = NULL;
    struct cnn_replica_options options = options_for(model, *state, 2);
    options.micros = MICROS;
    all = run_create(model, *state, 2, &options);
    const size_t n = cnn_replica_count(one->replica);
    float *g[MICROS], *sums = NULL;
    for (int micro = 0; micro < MICROS; micro++) {
        run_own_micro(one, micro, 0);
        g[micro] = arena_copy(one);
        run_own_micro(all, micro, micro);
    }
    sums = arena_copy(all);
    for (size_t i = 0; i < n; i++) {
        const float left = (g[0][i] + g[1][i]) + (g[2][i] + g[3][i]), right = (g[4][i] + g[5][i]) + g[6][i];
        const float sum = left + right;
        assert_memory_equal(&sums[i], &sum, sizeof sum);
    }
    free(sums);
    for (int micro = 0; micro < MICROS; micro++)
        free(g[micro]);
    run_destroy(one);
    run_destroy(all);
    cnn_model_destroy(model);
}

// Every learnable element lies in one segment of its kind; what lies between is padding.
static void segments_cover_the_arena(void **state) {
    struct cnn_model *model = zoo("resnet20", 9, 3, 10);
    struct run *run = run_create(model, *state, 2, NULL);
    size_t n, at = 0, sizes[4] = {0}, wanted[4] = {0};
    const struct cnn_segment *segments = cnn_replica_segments(run->replica, &n);
    for (size_t i = 0; i < n; i++) {
        assert_true(segments[i].first == at);
        at += segments[i].n;
        sizes[segments[i].kind] += segments[i].n;
        assert_true(segments[i].kind != CNN_SEGMENT_STATISTIC || segments[i].statistic_momentum == 0.1f);
    }
    assert_int_equal(at, cnn_replica_count(run->replica));
    for (int p = 0; p < model->n_params; p++)
        wanted[cnn_param_is_statistic(&model->params[p])   ? CNN_SEGMENT_STATISTIC
               : model->params[p].role == CNN_PARAM_WEIGHT ? CNN_SEGMENT_DECAY
               : model->params[p].role == CNN_PARAM_BIAS   ? CNN_SEGMENT_PLAIN_BIAS
                                                           : CNN_SEGMENT_PLAIN_NORM] +=
            cnn_param_count(&model->params[p]);
    for (int kind = 0; kind < 4; kind++)
        assert_true(sizes[kind] >= wanted[kind] &&
                    sizes[kind] < wanted[kind] + 16 * (size_t)model->n_params + wanted[kind] / 4);
    run_destroy(run);
    cnn_model_destroy(model);
}

static void forms_name_every_step(void **state) {
    struct cnn_model *model = zoo("resnet20", 9, 3, 10);
    struct run *run = run_create(model, *state, 2, NULL);
    char *text = NULL, *at;
    int convs = 0;
    assert_int_equal(cnn_replica_forms_text(run->replica, &text), CNN_OK);
    at = text;
    for (int i = 0; i < cnn_replica_n_forms(run->replica); i++) {
        const struct cnn_replica_form form = cnn_replica_form(run->replica, i);
        char layer[CNN_NAME_BYTES], kernel[32];
        int used = 0;
        assert_int_equal(sscanf(at, "%95s %31s %n", layer, kernel, &used), 2);
        assert_string_equal(layer, form.layer);
        assert_string_equal(kernel, form.kernel);
        assert_true(strlen(form.implementation) > 0);
        assert_memory_equal(at + used, form.implementation, strlen(form.implementation));
        at = strchr(at, '\n') + 1;
        convs += strcmp(kernel, "conv") == 0;
    }
    assert_int_equal(*at, '\0');
    for (int i = 0; i < model->n_nodes; i++)
        convs -= model->nodes[i].op == CNN_OP_CONV;
    assert_int_equal(convs, 0);
    free(text);
    run_destroy(run);
    cnn_model_destroy(model);
}

static struct cnn_replica *borrower_of(const struct run *run, int micro) {
    struct cnn_replica_options options = options_for(run->model, run->backend, micro);
    struct cnn_replica *replica = NULL;
    options.training = false;
    options.of = run->replica;
    EXPECT_OK(cnn_replica_create(&replica, &options));
    return replica;
}

static void move_params(struct run *run) {
    size_t n;
    const size_t count = cnn_replica_count(run->replica);
    const struct cnn_segment *segments = cnn_replica_segments(run->replica, &n);
    float *velocity = NULL;
    EXPECT_OK(cnn_backend_alloc(run->backend, (void **)&velocity, count * sizeof *velocity));
    const struct cnn_sgd sgd = {.parameters = cnn_replica_parameters(run->replica),
                                .gradients = cnn_replica_gradients(run->replica),
                                .velocity = velocity,
                                .segments = segments,
                                .n_segments = n,
                                .control = cnn_replica_control(run->replica),
                                .momentum = 0.9f,
                                .decay = {1e-3f, 0, 0},
                                .micros = 1};
    cnn_replica_set_update(run->replica,
                           (struct cnn_update_values){.rate = 0.05f, .loss_scale = 1, .first = true});
    run_step(run, 0);
    EXPECT_OK(cnn_backend_sgd(run->backend, &sgd));
    cnn_backend_free(run->backend, velocity);
    for (int p = 0; p < run->model->n_params; p++) {
        free(run->params[p]);
        run->params[p] = param_of(run->replica, sgd.parameters, run->model, p);
    }
}

static void evaluate(struct cnn_replica *replica, const struct run *run, int n, float *logits) {
    EXPECT_OK(cnn_replica_forward(replica, run->pixels, n, (struct cnn_micro_key){0, 0}));
    EXPECT_OK(cnn_replica_logits(replica, logits, n));
}

// A borrower has the lender's parameters as they are after a step, in memory of its own or borrowed.
static void evaluation_shares_parameters(void **state) {
    for (size_t i = 0; i <= n_nets; i++) {
        struct cnn_model *model = i < n_nets ? nets[i].build() : zoo("resnet20", 9, 3, 10);
        struct run *run = run_create(model, *state, 3, NULL);
        struct cnn_replica *borrower = borrower_of(run, 3), *larger = borrower_of(run, 40), *alone = NULL;
        struct cnn_replica_options options = options_for(model, *state, 3);
        float shared[3 * 10], own[3 * 10], of_many[3 * 10];
        const size_t bytes = (size_t)(3 * model->n_classes) * sizeof(float);
        assert_ptr_equal(cnn_replica_parameters(borrower), cnn_replica_parameters(run->replica));
        assert_int_equal(cnn_replica_memory(borrower).parameters, 0);
        move_params(run);
        EXPECT_OK(cnn_replica_refresh(borrower));
        EXPECT_OK(cnn_replica_refresh(larger));
        options.training = false;
        EXPECT_OK(cnn_replica_create(&alone, &options));
        run_give_params(run, alone);
        evaluate(borrower, run, 3, shared);
        evaluate(alone, run, 3, own);
        assert_memory_equal(shared, own, bytes);
        evaluate(larger, run, 3, of_many);
        for (int k = 0; k < 3 * model->n_classes; k++)
            assert_true(fabsf(of_many[k] - own[k]) <= 1e-4f * (1 + fabsf(own[k])));
        run_step(run, 0); // the lender is as good as before
        cnn_replica_destroy(larger);
        cnn_replica_destroy(borrower);
        cnn_replica_destroy(alone);
        run_destroy(run);
        cnn_model_destroy(model);
    }
}

static void a_part_of_a_batch_counts_as_such(void **state) {
    struct cnn_model *model = zoo("resnet20", 9, 3, 10);
    struct run *run = run_create(model, *state, 5, NULL);
    struct cnn_replica *replica = borrower_of(run, 5);
    float whole[5 * 10], part[5 * 10];
    struct cnn_metrics metrics;
    run_give_params(run, replica);
    evaluate(replica, run, 5, whole);
    for (int n = 1; n < 5; n++) {
        evaluate(replica, run, n, part);
        assert_memory_equal(part, whole, (size_t)n * 10 * sizeof *part);
        EXPECT_OK(cnn_replica_loss(replica, &(struct cnn_targets){.labels = run->labels}, n, 1));
        EXPECT_OK(cnn_replica_metrics(replica, &metrics));
        assert_int_equal(metrics.n, n);
        assert_true(metrics.top1 <= metrics.top5 && metrics.top5 <= (uint64_t)n);
        EXPECT_OK(cnn_replica_metrics(replica, &metrics));
        assert_true(metrics.n == 0 && metrics.loss == 0); // reading resets
    }
    cnn_replica_destroy(replica);
    run_destroy(run);
    cnn_model_destroy(model);
}

static void init_gives_every_parameter_its_values(void **state) {
    struct cnn_model *model = zoo("resnet20", 9, 3, 10);
    struct run *run = run_create(model, *state, 2, NULL);
    EXPECT_OK(cnn_replica_init(run->replica, 23));
    for (int p = 0; p < model->n_params; p++) {
        const size_t n = cnn_param_count(&model->params[p]);
        float *want = malloc(n * sizeof *want),
              *got = param_of(run->replica, cnn_replica_parameters(run->replica), model, p);
        assert_non_null(want);
        cnn_param_init(model, p, 23, want);
        assert_memory_equal(got, want, n * sizeof *got);
        free(want);
        free(got);
    }
    run_destroy(run);
    cnn_model_destroy(model);
}

static struct cnn_model *with_dropout(void) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    int node = cnn_build_relu(b, NULL, conv3(b, "conv0", 0, 10));
    node = cnn_build_relu(b, NULL, conv3(b, "conv1", cnn_build_dropout(b, "drop0", node, 0.3), 16));
    node = cnn_build_dropout(b, "drop1", cnn_build_adaptive_avg_pool(b, "pool", node, 1, 1), 0.5);
    return finish(b, cnn_build_linear(b, "fc", node, (struct cnn_linear){.out_features = 5, .bias = true}));
}

// Dropout belongs to the sample: cut into other micro-batches, the same samples keep the same units.
static void dropout_does_not_depend_on_the_cut(void **state) {
    struct cnn_model *model = with_dropout();
    struct run *whole = run_create(model, *state, 4, NULL), *half = run_create(model, *state, 2, NULL);
    const size_t picture = 9 * 9 * 3;
    float all[4 * 5], part[2 * 5], again[4 * 5];
    EXPECT_OK(cnn_replica_forward(whole->replica, whole->pixels, 4, (struct cnn_micro_key){7, 100}));
    EXPECT_OK(cnn_replica_logits(whole->replica, all, 4));
    for (size_t i = 0; i < 2; i++) {
        EXPECT_OK(cnn_replica_forward(half->replica, whole->pixels + i * 2 * picture, 2,
                                      (struct cnn_micro_key){7, 100 + i * 2}));
        EXPECT_OK(cnn_replica_logits(half->replica, part, 2));
        for (size_t k = 0; k < 10; k++)
            assert_true(fabsf(part[k] - all[i * 10 + k]) < 1e-5f);
    }
    EXPECT_OK(cnn_replica_forward(whole->replica, whole->pixels, 4, (struct cnn_micro_key){8, 100}));
    EXPECT_OK(cnn_replica_logits(whole->replica, again, 4));
    assert_memory_not_equal(again, all, sizeof all); // another step, other units
    run_destroy(whole);
    run_destroy(half);
    cnn_model_destroy(model);
}

// With dropout, the loss is still smooth in the parameters while the key stands.
static void dropout_is_the_same_in_backward(void **state) {
    struct cnn_model *model = with_dropout();
    struct run *run = run_create(model, *state, 4, NULL);
    double **directions = calloc((size_t)model->n_params, sizeof *directions);
    assert_non_null(directions);
    for (int p = 0; p < model->n_params; p++)
        directions[p] = calloc(cnn_param_count(&model->params[p]), sizeof **directions);
    run_step(run, 0);
    const double slope = lean(run, directions, 1), distance = 1e-3;
    const double measured =
        (loss_at(run, directions, distance) - loss_at(run, directions, -distance)) / (2 * distance);
    assert_true(fabs(measured - slope) < 0.01 * fabs(slope));
    for (int p = 0; p < model->n_params; p++)
        free(directions[p]);
    free(directions);
    run_destroy(run);
    cnn_model_destroy(model);
}

// Said when the replica is made, with the layer's name.
static void expect_refusal(struct cnn_backend *backend, struct cnn_model *model, const char *layer) {
    const struct cnn_replica_options options = options_for(model, backend, 2);
    struct cnn_replica *replica = NULL;
    assert_int_equal(cnn_replica_create(&replica, &options), CNN_ERR_UNSUPPORTED);
    assert_null(replica);
    assert_non_null(strstr(cnn_error_message(), layer));
    cnn_model_destroy(model);
}

static void what_it_cannot_run_is_named(void **state) {
    struct cnn_builder *b = start(9, 9, 3, 5);
    int node = cnn_build_linear(b, "fc", 0, (struct cnn_linear){.out_features = 10});
    node = norm(b, "narrow", node); // no whole blocks
    expect_refusal(*state,
                   finish(b, cnn_build_linear(b, "end", node, (struct cnn_linear){.out_features = 5})),
                   "narrow");
    b = start(9, 9, 3, 5);
    node = cnn_build_conv(b, "last", 0, (struct cnn_conv){.out_channels = 5, .kernel = {9, 9}});
    expect_refusal(*state, finish(b, node), "last");
}

static int give_backend(void **state) {
    *state = new_backend(2);
    return 0;
}

static int take_backend(void **state) {
    cnn_backend_destroy(*state);
    return 0;
}

// However large the micro-batch; every parameter counts, and where it lies.
static void layouts_are_told_apart(void **state) {
    struct cnn_model *models[2] = {zoo("resnet20", 32, 3, 10), zoo("resnet20", 32, 3, 11)};
    uint32_t layouts[3];
    for (int i = 0; i < 3; i++) {
        struct cnn_replica_options options = options_for(models[i == 2], *state, i == 1 ? 5 : 2);
        struct cnn_replica *replica = NULL;
        EXPECT_OK(cnn_replica_create(&replica, &options));
        EXPECT_OK(cnn_replica_layout(replica, &layouts[i]));
        cnn_replica_destroy(replica);
    }
    assert_int_equal(layouts[0], layouts[1]);
    assert_int_not_equal(layouts[0], layouts[2]);
    cnn_model_destroy(models[0]);
    cnn_model_destroy(models[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hand_made_networks_train_as_the_reference),
        cmocka_unit_test(resnet20_trains_as_the_reference),
        cmocka_unit_test(evaluation_uses_running_statistics),
        cmocka_unit_test(gradients_are_slopes_of_the_loss),
        cmocka_unit_test(micro_batches_sum),
        cmocka_unit_test(micro_batches_are_summed_in_pairs),
        cmocka_unit_test(recomputing_changes_no_bit),
        cmocka_unit_test(gradients_said_to_be_ready_are_final),
        cmocka_unit_test(segments_cover_the_arena),
        cmocka_unit_test(forms_name_every_step),
        cmocka_unit_test(evaluation_shares_parameters),
        cmocka_unit_test(a_part_of_a_batch_counts_as_such),
        cmocka_unit_test(init_gives_every_parameter_its_values),
        cmocka_unit_test(layouts_are_told_apart),
        cmocka_unit_test(dropout_does_not_depend_on_the_cut),
        cmocka_unit_test(dropout_is_the_same_in_backward),
        cmocka_unit_test(what_it_cannot_run_is_named),
        cmocka_unit_test(two_threads_give_what_one_gives),
    };
    return cmocka_run_group_tests(tests, give_backend, take_backend);
}
