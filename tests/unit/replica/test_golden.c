// ResNet-50 and VGG-16 against torchvision in double precision. tests/golden/make_replica.py makes the
// numbers, says why there are two cases of each, and describes the files.
#include "replica/replica.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the four above first
#include <cmocka.h>

#define TOLERANCE 1e-4
// What turning one relu of a deep layer does to the gradients before it, where PyTorch happened to turn none.
#define ONE_RELU 2e-3
#define LINE_BYTES 65536

struct fixture {
    FILE *golden;
    bool conditioned;
    int batch, size, classes;
    double loss, float32_most, float32_median; // the latter two: PyTorch's gradients in single precision
    struct cnn_model *model;
    struct cnn_backend *backend;
    struct cnn_replica *training, *evaluation;
    uint8_t *pixels;
};

// The formulas of make_replica.py.
static double noise(uint32_t i, uint32_t key) {
    uint32_t x = i * 2654435761u + key * 40503u + 12345u;
    x ^= x >> 16;
    x *= 0x45d9f3bu;
    x ^= x >> 16;
    return x / 4294967296.0 - 0.5;
}

// variants: one character a row, or NULL.
static void weight_values(const struct cnn_param *p, uint32_t key, const char *variants, float *out) {
    const uint32_t n_rows = (uint32_t)p->dims[0], fan_in = (uint32_t)cnn_param_count(p) / n_rows;
    const double scale = sqrt(12 * 2 / (double)fan_in);
    for (uint32_t row = 0, i = 0; row < n_rows; row++) {
        const uint32_t row_key = key + (variants ? 10000u * (uint32_t)(variants[row] - '0') : 0);
        for (const uint32_t end = i + fan_in; i < end; i++)
            out[i] = (float)(noise(i, row_key) * scale);
    }
}

static double vector_value(const struct cnn_param *p, uint32_t i, uint32_t key, bool conditioned) {
    const double u = noise(i, key);
    switch (p->role) {
    case CNN_PARAM_RUNNING_VAR:
        return 1 + 0.4 * u;
    case CNN_PARAM_RUNNING_MEAN:
        return 0.1 * u;
    case CNN_PARAM_NORM_SCALE:
        return (1 + 0.2 * u) * (conditioned && strstr(p->name, "bn3") ? 0.2 : 1);
    default:
        return 0.2 * u;
    }
}

static uint8_t *pixels_of(int batch, int size) {
    uint8_t *pixels = malloc((size_t)(batch * size * size) * 3);
    assert_non_null(pixels);
    uint32_t i = 0;
    for (int n = 0; n < batch; n++)
        for (int y = 0; y < size; y++)
            for (int x = 0; x < size; x++)
                for (int c = 0; c < 3; c++, i++) {
                    const int square = ((n * (size / 8) + y / 8) * (size / 8) + x / 8) * 3 + c;
                    const double u = 0.25 * noise(i, 99) + 0.75 * noise((uint32_t)square, 98);
                    pixels[i] = (uint8_t)((u + 0.5) * 256);
                }
    return pixels;
}

static void open_golden(struct fixture *f, const char *arch, const char *which) {
    char path[4096], name[64];
    snprintf(path, sizeof path, "%s/tests/golden/replica_%s_%s.txt", CNN_SOURCE_DIR, arch, which);
    f->golden = fopen(path, "r");
    assert_non_null(f->golden);
    assert_int_equal(fscanf(f->golden, "%63s batch %d size %d classes %d loss %lf ", name, &f->batch,
                            &f->size, &f->classes, &f->loss),
                     5);
    assert_string_equal(name, arch);
    assert_int_equal(fscanf(f->golden, "float32 %lf %lf ", &f->float32_most, &f->float32_median), 2);
    f->conditioned = strcmp(which, "conditioned") == 0;
}

static void build(struct fixture *f, const char *arch) {
    const struct cnn_model_options model = {
        .input = {f->size, f->size, 3}, .n_classes = f->classes, .dropout = 0};
    const struct cnn_backend_options backend = {.threads = 2};
    assert_int_equal(cnn_model_create(&f->model, arch, &model), CNN_OK);
    assert_int_equal(cnn_backend_create(&f->backend, CNN_BACKEND_CPU, &backend), CNN_OK);
    struct cnn_replica_options options = {.model = f->model,
                                          .backend = f->backend,
                                          .micro_batch = f->batch,
                                          .training = true,
                                          .label_smoothing = 0.1,
                                          .mean = {0.485, 0.456, 0.406},
                                          .std = {0.229, 0.224, 0.225}};
    assert_int_equal(cnn_replica_create(&f->training, &options), CNN_OK);
    options.training = false;
    options.of = f->training;
    assert_int_equal(cnn_replica_create(&f->evaluation, &options), CNN_OK);
}

// The golden file's next line: the variants of the rows of weight p. `line` holds LINE_BYTES.
static const char *read_variants(struct fixture *f, const struct cnn_param *p, char *line) {
    assert_non_null(fgets(line, LINE_BYTES, f->golden));
    char *variants = strchr(line, ' ');
    assert_non_null(variants);
    *variants++ = '\0';
    assert_string_equal(line, p->name);
    assert_int_equal(strcspn(variants, "\n"), p->dims[0]);
    return variants;
}

static void fill(struct fixture *f) {
    char *line = malloc(LINE_BYTES);
    assert_non_null(line);
    for (int p = 0; p < f->model->n_params; p++) {
        const struct cnn_param *param = &f->model->params[p];
        const size_t n = cnn_param_count(param);
        float *values = malloc(n * sizeof *values);
        assert_non_null(values);
        if (param->role == CNN_PARAM_WEIGHT)
            weight_values(param, (uint32_t)p, f->conditioned ? read_variants(f, param, line) : NULL, values);
        for (size_t i = 0; param->role != CNN_PARAM_WEIGHT && i < n; i++)
            values[i] = (float)vector_value(param, (uint32_t)i, (uint32_t)p, f->conditioned);
        assert_int_equal(cnn_replica_set(f->training, cnn_replica_parameters(f->training), p, values),
                         CNN_OK);
        free(values);
    }
    free(line);
}

static void teardown(struct fixture *f) {
    free(f->pixels);
    cnn_replica_destroy(f->evaluation);
    cnn_replica_destroy(f->training);
    cnn_backend_destroy(f->backend);
    cnn_model_destroy(f->model);
    fclose(f->golden);
}

// Each logit against the golden one, relative to the largest.
static void check_logits(struct fixture *f, struct cnn_replica *replica, const char *what) {
    const int n = f->batch * f->classes;
    double golden, most = 0, worst = 0;
    float *ours = malloc((size_t)n * sizeof *ours);
    assert_non_null(ours);
    assert_int_equal(cnn_replica_logits(replica, ours, f->batch), CNN_OK);
    for (int i = 0; i < n; i++) {
        assert_int_equal(fscanf(f->golden, "%lf", &golden), 1);
        most = fmax(most, fabs(golden));
        worst = fmax(worst, isnan(ours[i]) ? INFINITY : fabs((double)ours[i] - golden));
    }
    free(ours);
    print_message("  logits in %s: apart by up to %.2g of the largest\n", what, worst / most);
    assert_true(worst < TOLERANCE * most);
}

// A gradient or statistic by its length and by its product with a vector of noise, relative to its length.
static double difference(struct fixture *f, int p) {
    const struct cnn_param *param = &f->model->params[p];
    const size_t n = cnn_param_count(param);
    char name[CNN_NAME_BYTES];
    double length, product, squares = 0, dot = 0;
    assert_int_equal(fscanf(f->golden, "%95s %lf %lf", name, &length, &product), 3);
    assert_string_equal(name, param->name);
    float *ours = malloc(n * sizeof *ours);
    assert_non_null(ours);
    assert_int_equal(cnn_replica_get(f->training, cnn_replica_gradients(f->training), p, ours), CNN_OK);
    for (size_t i = 0; i < n; i++) {
        squares += (double)ours[i] * (double)ours[i];
        dot += (double)ours[i] * noise((uint32_t)i, (uint32_t)p + 1000);
    }
    free(ours);
    if (isnan(squares))
        return INFINITY;
    return fmax(fabs(sqrt(squares) - length), fabs(dot - product)) / length;
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void check_gradients(struct fixture *f) {
    double *apart = calloc((size_t)f->model->n_params, sizeof *apart), statistic = 0;
    assert_non_null(apart);
    int n = 0;
    const char *worst = "";
    double most = 0;
    for (int p = 0; p < f->model->n_params; p++) {
        const double d = difference(f, p);
        if (cnn_param_is_statistic(&f->model->params[p])) {
            statistic = fmax(statistic, d);
            continue;
        }
        worst = d > most ? f->model->params[p].name : worst;
        most = fmax(most, d);
        apart[n++] = d;
    }
    qsort(apart, (size_t)n, sizeof *apart, by_size);
    const double median = (apart[n / 2] + apart[(n - 1) / 2]) / 2;
    free(apart);
    print_message("  gradients: apart by up to %.2g (%s), median %.2g; PyTorch's in float32 by %.2g, median "
                  "%.2g\n  statistics: apart by up to %.2g\n",
                  most, worst, median, f->float32_most, f->float32_median, statistic);
    assert_true(statistic < TOLERANCE);
    assert_true(most < (f->conditioned ? TOLERANCE : 2 * fmax(f->float32_most, ONE_RELU)));
    assert_true(median < (f->conditioned ? TOLERANCE : 2 * fmax(f->float32_median, ONE_RELU)));
}

static void train_one_batch(struct fixture *f) {
    int32_t *labels = malloc((size_t)f->batch * sizeof *labels);
    assert_non_null(labels);
    for (int i = 0; i < f->batch; i++)
        labels[i] = 3 * i + 1;
    const struct cnn_micro_key key = {0, 0};
    assert_int_equal(cnn_replica_forward(f->training, f->pixels, f->batch, key), CNN_OK);
    check_logits(f, f->training, "training");
    assert_int_equal(cnn_replica_loss(f->training, &(struct cnn_targets){.labels = labels}, f->batch,
                                      1.0f / (float)f->batch),
                     CNN_OK);
    assert_int_equal(cnn_replica_backward(f->training, 0, NULL, NULL), CNN_OK);
    struct cnn_metrics metrics;
    assert_int_equal(cnn_replica_metrics(f->training, &metrics), CNN_OK);
    print_message("  loss: %.9g, golden %.9g\n", metrics.loss / f->batch, f->loss);
    assert_true(fabs(metrics.loss / f->batch - f->loss) < TOLERANCE * f->loss);
    free(labels);
}

static void check(const char *arch, const char *which) {
    struct fixture f = {0};
    const struct cnn_micro_key key = {0, 0};
    open_golden(&f, arch, which);
    build(&f, arch);
    fill(&f);
    f.pixels = pixels_of(f.batch, f.size);
    train_one_batch(&f);
    assert_int_equal(cnn_replica_refresh(f.evaluation), CNN_OK);
    assert_int_equal(cnn_replica_forward(f.evaluation, f.pixels, f.batch, key), CNN_OK);
    check_logits(&f, f.evaluation, "evaluation");
    check_gradients(&f);
    teardown(&f);
}

static void resnet50_where_rounding_decides_nothing(void **state) {
    (void)state;
    check("resnet50", "conditioned");
}

static void vgg16_where_rounding_decides_nothing(void **state) {
    (void)state;
    check("vgg16", "conditioned");
}

static void resnet50_at_its_usual_size(void **state) {
    (void)state;
    check("resnet50", "natural");
}

static void vgg16_at_its_usual_size(void **state) {
    (void)state;
    check("vgg16", "natural");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resnet50_where_rounding_decides_nothing),
        cmocka_unit_test(vgg16_where_rounding_decides_nothing),
        cmocka_unit_test(resnet50_at_its_usual_size),
        cmocka_unit_test(vgg16_at_its_usual_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
