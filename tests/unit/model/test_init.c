// First values: the distributions of torchvision, fixed by the seed and the parameter alone.
#include "golden.h"

#include <math.h>

#include "base/random.h"
#include "model/builder.h"

static float *values_of(const struct cnn_model *model, int param, uint64_t seed) {
    float *values = malloc(cnn_param_count(&model->params[param]) * sizeof *values);
    assert_non_null(values);
    cnn_param_init(model, param, seed, values);
    return values;
}

struct moments {
    double mean, deviation, kurtosis, lo, hi,
        neighbours; // neighbours: correlation of values that follow each other
};

static struct moments moments_of(const float *values, size_t n) {
    struct moments m = {.lo = INFINITY, .hi = -INFINITY};
    for (size_t i = 0; i < n; i++) {
        m.mean += values[i] / (double)n;
        m.lo = fmin(m.lo, values[i]);
        m.hi = fmax(m.hi, values[i]);
    }
    double second = 0, fourth = 0, lagged = 0;
    for (size_t i = 0; i < n; i++) {
        double d = values[i] - m.mean;
        second += d * d / (double)n;
        fourth += d * d * d * d / (double)n;
        if (i > 0)
            lagged += d * (values[i - 1] - m.mean) / (double)n;
    }
    m.deviation = sqrt(second);
    m.kurtosis = fourth / (second * second);
    m.neighbours = lagged / second;
    return m;
}

static void moments_are_torchvisions(void **state) {
    (void)state;
    FILE *file = golden_open("model_init.txt");
    char arch[64], name[128];
    double mean, deviation;
    int n_lines = 0;
    struct cnn_model *model = NULL;
    for (; fscanf(file, "%63s %127s %lf %lf", arch, name, &mean, &deviation) == 4; n_lines++) {
        if (!model || strcmp(model->arch, arch) != 0) {
            cnn_model_destroy(model);
            model = model_of(arch, options_of(224, 224, 3, 1000));
        }
        int param = param_named(model, name);
        double n = (double)cnn_param_count(&model->params[param]);
        float *values = values_of(model, param, 7);
        struct moments got = moments_of(values, (size_t)n);
        // Both are samples: five standard errors of each.
        if (!(fabs(got.mean - mean) <= 10 * deviation / sqrt(n) + 1e-9) ||
            !(fabs(got.deviation - deviation) <= 7 * deviation / sqrt(n) + 1e-9))
            fail_msg("%s %s: mean %g deviation %g, torchvision %g and %g", arch, name, got.mean,
                     got.deviation, mean, deviation);
        free(values);
    }
    cnn_model_destroy(model);
    fclose(file);
    assert_int_equal(n_lines, 29);
}

static void distributions_have_their_shape(void **state) {
    (void)state;
    struct cnn_model *model = model_of("resnet18", options_of(224, 224, 3, 1000));
    int conv = param_named(model, "layer4.1.conv2.weight"), fc = param_named(model, "fc.weight");
    size_t n = cnn_param_count(&model->params[conv]);
    float *values = values_of(model, conv, 1);
    struct moments m = moments_of(values, n);
    free(values);
    double expected = sqrt(2.0 / (512 * 3 * 3));
    assert_float_equal(m.deviation / expected, 1, 0.005);
    assert_float_equal(m.kurtosis, 3, 0.03);
    assert_float_equal(m.neighbours, 0, 0.005);
    assert_true(m.hi > 4.5 * expected && m.hi < 7 * expected && m.lo < -4.5 * expected);

    n = cnn_param_count(&model->params[fc]);
    values = values_of(model, fc, 1);
    m = moments_of(values, n);
    free(values);
    double reach = 1 / sqrt(512);
    assert_float_equal(m.kurtosis, 1.8, 0.02);
    assert_float_equal(m.neighbours, 0, 0.01);
    assert_true(m.lo >= -reach * 1.000001 && m.lo < -0.999 * reach && m.hi <= reach * 1.000001 &&
                m.hi > 0.999 * reach);
    cnn_model_destroy(model);
}

// Value by value: Box-Muller in double precision of the documented Philox draws.
static void normals_are_exact(void **state) {
    (void)state;
    struct cnn_model *model = model_of("resnet18", options_of(224, 224, 3, 1000));
    int param = param_named(model, "layer3.0.conv1.weight");
    const struct cnn_init *init = &model->params[param].init;
    float *values = values_of(model, param, 42);
    size_t n = cnn_param_count(&model->params[param]);
    for (size_t i = 0; i + 3 < n; i += 4) {
        struct cnn_draws draws = cnn_draws_of(42, CNN_PURPOSE_INIT, (uint64_t)param, i / 4);
        for (size_t k = 0; k < 4; k += 2) {
            double radius = sqrt(-2 * log(((cnn_draw_u32(&draws) >> 1) + 0.5) * 0x1p-31));
            double angle = cnn_draw_u32(&draws) * (2 * 3.14159265358979323846 * 0x1p-32);
            double worst = fmax(fabs(values[i + k] - init->b * radius * cos(angle)),
                                fabs(values[i + k + 1] - init->b * radius * sin(angle)));
            // The uniform draw is rounded to 24 bits, which moves small radii a little.
            if (!(worst < (3e-6 + 0x1p-24 / radius) * init->b))
                fail_msg("element %zu is off by %g deviations", i + k, worst / init->b);
        }
    }
    free(values);
    cnn_model_destroy(model);
}

static void seed_decides(void **state) {
    (void)state;
    struct cnn_model *model = model_of("resnet20", options_of(28, 28, 1, 10));
    int a = param_named(model, "layer1.0.conv1.weight"), b = param_named(model, "layer1.0.conv2.weight");
    size_t bytes = cnn_param_count(&model->params[a]) * sizeof(float);
    float *first = values_of(model, a, 5), *again = values_of(model, a, 5),
          *other_seed = values_of(model, a, 6);
    float *high_seed = values_of(model, a, 5 + (1ull << 40)), *other_layer = values_of(model, b, 5);
    assert_memory_equal(first, again, bytes);
    assert_memory_not_equal(first, other_seed, bytes);
    assert_memory_not_equal(first, high_seed, bytes);
    assert_memory_not_equal(first, other_layer, bytes);
    free(first);
    free(again);
    free(other_seed);
    free(high_seed);
    free(other_layer);
    cnn_model_destroy(model);
}

// What a parameter gets depends on its index, not on the sizes or draws of those before it.
static void layers_are_independent(void **state) {
    (void)state;
    struct cnn_model *grey = model_of("resnet20", options_of(28, 28, 1, 10));
    struct cnn_model *colour = model_of("resnet20", options_of(32, 32, 3, 100));
    int param = param_named(grey, "layer2.0.conv1.weight");
    size_t bytes = cnn_param_count(&grey->params[param]) * sizeof(float);
    float *a = values_of(grey, param, 3), *b = values_of(colour, param, 3);
    assert_memory_equal(a, b, bytes);
    free(a);
    free(b);
    cnn_model_destroy(grey);
    cnn_model_destroy(colour);
}

// Sizes that are no multiple of what one block of the generator yields: written whole, and nothing beyond.
static void odd_sizes_are_filled_exactly(void **state) {
    (void)state;
    for (int n = 1; n <= 9; n++) {
        struct cnn_model_options options = options_of(1, 1, n, 1);
        struct cnn_builder *builder = NULL;
        assert_int_equal(cnn_builder_create(&builder, "test", &options), CNN_OK);
        int linear = cnn_build_linear(builder, "fc", 0, (struct cnn_linear){.out_features = 1});
        cnn_build_init(builder, linear, CNN_PARAM_WEIGHT,
                       (struct cnn_init){.kind = CNN_INIT_NORMAL, .a = 100, .b = 1});
        struct cnn_model *model = NULL;
        assert_int_equal(cnn_builder_finish(&model, builder, linear), CNN_OK);
        float values[10] = {0};
        cnn_param_init(model, 0, 1, values);
        for (int i = 0; i < n; i++)
            assert_true(values[i] > 90 && values[i] < 110);
        for (int i = n; i < 10; i++)
            assert_true(values[i] == 0);
        cnn_model_destroy(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_torchvisions), cmocka_unit_test(distributions_have_their_shape),
        cmocka_unit_test(normals_are_exact),        cmocka_unit_test(seed_decides),
        cmocka_unit_test(layers_are_independent),   cmocka_unit_test(odd_sizes_are_filled_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
