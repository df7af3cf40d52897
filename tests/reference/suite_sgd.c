// The optimizer's pass over the arenas.
#include "suite.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

struct arenas {
    size_t n;
    double *w, *v, *g;                        // what the reference has
    float *parameters, *velocity, *gradients; // device
    struct cnn_control *control;              // device
};

static float *device_copy(struct cnn_backend *backend, const double *values, size_t n) {
    const struct cnn_tensor row = {1, 1, 1, (int)n, (int)n, CNN_TYPE_F32};
    float *packed = rig_pack(&row, values), *device = rig_upload(backend, packed, n);
    free(packed);
    return device;
}

static void arenas_init(struct arenas *a, struct cnn_backend *backend, size_t n) {
    a->n = n;
    a->w = rig_drawn(n, RIG_NORMAL, 1);
    a->g = rig_drawn(n, RIG_NORMAL, 2);
    a->v = rig_new(n);
    a->parameters = device_copy(backend, a->w, n);
    a->gradients = device_copy(backend, a->g, n);
    a->velocity = device_copy(backend, a->v, n);
    assert_int_equal(cnn_backend_alloc(backend, (void **)&a->control, sizeof *a->control), CNN_OK);
}

static void arenas_finish(struct arenas *a, struct cnn_backend *backend) {
    free(a->w);
    free(a->g);
    free(a->v);
    cnn_backend_free(backend, a->parameters);
    cnn_backend_free(backend, a->gradients);
    cnn_backend_free(backend, a->velocity);
    cnn_backend_free(backend, a->control);
}

static void reference_step(struct arenas *a, const struct cnn_sgd *sgd, const struct cnn_control *control) {
    for (size_t s = 0; s < sgd->n_segments; s++) {
        const struct cnn_segment *segment = &sgd->segments[s];
        for (size_t i = segment->first; i < segment->first + segment->n; i++) {
            const double m = (double)segment->statistic_momentum;
            if (segment->kind == CNN_SEGMENT_STATISTIC) {
                a->w[i] = (1 - m) * a->w[i] + m * a->g[i] / sgd->micros;
                continue;
            }
            const struct ref_sgd ref = {(double)control->rate,  (double)sgd->momentum,
                                        (double)sgd->dampening, (double)sgd->decay[segment->kind],
                                        sgd->nesterov,          control->first_update};
            ref_sgd_step(&a->w[i], &a->v[i], a->g[i] / (double)control->loss_scale, &ref);
        }
    }
}

static enum cnn_status update(struct arenas *a, struct cnn_backend *backend, const struct cnn_sgd *sgd,
                              const struct cnn_control *control) {
    CNN_TRY(cnn_backend_upload(backend, a->control, control, sizeof *control));
    CNN_TRY(cnn_backend_synchronize(backend));
    return cnn_backend_sgd(backend, sgd);
}

static void expect_arenas(const struct arenas *a, struct cnn_backend *backend, const char *label) {
    float *w = rig_download(backend, a->parameters, a->n), *v = rig_download(backend, a->velocity, a->n);
    rig_near(label, "parameter", w, a->w, a->n, 0);
    rig_near(label, "velocity", v, a->v, a->n, 0);
    free(w);
    free(v);
}

// Elements between segments are nobody's and stay.
static const struct cnn_segment segments[] = {
    {0, 70000, CNN_SEGMENT_DECAY, 0},        {70016, 24, CNN_SEGMENT_PLAIN_NORM, 0},
    {70064, 5, CNN_SEGMENT_STATISTIC, 0.1f}, {70080, 1, CNN_SEGMENT_STATISTIC, 0.25f},
    {70096, 10, CNN_SEGMENT_PLAIN_BIAS, 0},
};

void suite_sgd(void **state) {
    struct cnn_backend *backend = *state;
    for (unsigned kind = 0; kind < 4; kind++) {
        struct arenas a;
        char label[64];
        arenas_init(&a, backend, 70112);
        struct cnn_sgd sgd = {.parameters = a.parameters,
                              .gradients = a.gradients,
                              .velocity = a.velocity,
                              .segments = segments,
                              .n_segments = LENGTH(segments),
                              .control = a.control,
                              .momentum = 0.9f,
                              .dampening = kind & 2 ? 0.25f : 0,
                              .decay = {0.01f, 0.002f, 0.0005f},
                              .micros = 3,
                              .nesterov = kind & 1};
        snprintf(label, sizeof label, "sgd%s%s", kind & 1 ? " nesterov" : "", kind & 2 ? " dampened" : "");
        for (int step = 0; step < 3; step++) {
            const struct cnn_control control = {.rate = 0.1f, .loss_scale = 2, .first_update = step == 0};
            reference_step(&a, &sgd, &control);
            assert_int_equal(update(&a, backend, &sgd, &control), CNN_OK);
            expect_arenas(&a, backend, label);
        }
        arenas_finish(&a, backend);
    }
}

static double next_number(FILE *file) {
    double value = 0;
    assert_int_equal(fscanf(file, "%lf", &value), 1);
    return value;
}

static void numbers(FILE *file, double *out, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = next_number(file);
}

// One case of tests/golden/sgd.txt: settings, first weights, then each step's gradients and the weights after
// it.
static void replay(struct cnn_backend *backend, FILE *file, const char *name) {
    const struct cnn_segment all = {.kind = CNN_SEGMENT_DECAY, .n = 6};
    struct arenas a;
    struct cnn_sgd sgd = {.segments = &all, .n_segments = 1, .micros = 1};
    struct cnn_control control = {.loss_scale = 1};
    control.rate = (float)next_number(file);
    sgd.momentum = (float)next_number(file);
    sgd.dampening = (float)next_number(file);
    sgd.decay[0] = (float)next_number(file);
    sgd.nesterov = next_number(file) != 0;
    const int steps = (int)next_number(file);
    arenas_init(&a, backend, all.n);
    numbers(file, a.w, all.n);
    cnn_backend_free(backend, a.parameters);
    sgd.parameters = a.parameters = device_copy(backend, a.w, all.n);
    sgd.velocity = a.velocity;
    sgd.control = a.control;
    for (int step = 0; step < steps; step++) {
        numbers(file, a.g, all.n);
        numbers(file, a.w, all.n);
        cnn_backend_free(backend, a.gradients);
        sgd.gradients = a.gradients = device_copy(backend, a.g, all.n);
        control.first_update = step == 0;
        assert_int_equal(update(&a, backend, &sgd, &control), CNN_OK);
        float *w = rig_download(backend, a.parameters, all.n);
        rig_near(name, "parameter", w, a.w, all.n, 0);
        free(w);
    }
    arenas_finish(&a, backend);
}

void suite_sgd_golden(void **state) {
    FILE *file = fopen(CNN_SOURCE_DIR "/tests/golden/sgd.txt", "r");
    char name[64];
    int cases = 0;
    if (!file)
        fail_msg("tests/golden/sgd.txt is missing");
    while (fscanf(file, " case %63s", name) == 1) {
        replay(*state, file, name);
        cases++;
    }
    fclose(file);
    assert_true(cases >= 4);
}
