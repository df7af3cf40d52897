// The table and the JSON say what the graph says.
#include "golden.h"

#include <jansson.h>

#include "model/builder.h"
#include "model/summary.h"

static int count_lines(const char *text) {
    int n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

// The line of `text` that begins with `start` and a space.
static char *line_of(const char *text, const char *start) {
    size_t length = strlen(start);
    for (const char *at = text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        if (strncmp(at, start, length) == 0 && at[length] == ' ')
            return strndup(at, strcspn(at, "\n"));
    fail_msg("no line begins with '%s' in:\n%s", start, text);
    return NULL;
}

static void table_has_a_line_a_node(void **state) {
    (void)state;
    struct cnn_model *model = model_of("resnet18", options_of(224, 224, 3, 1000));
    char *text = NULL;
    assert_int_equal(cnn_model_summary(&text, model, 32), CNN_OK);
    assert_int_equal(count_lines(text), 3 + model->n_nodes + 1 + 3);
    assert_non_null(strstr(text, "11689512"));
    assert_non_null(strstr(text, "3.63 GFLOPs"));
    assert_non_null(strstr(text, "micro-batch of 32"));
    char name[64], op[64], shape[64];
    double parameters, mflops;
    char *line = line_of(text, "layer2.0.downsample.0");
    assert_int_equal(sscanf(line, "%63s %63s %63s %lf %lf", name, op, shape, &parameters, &mflops), 5);
    assert_string_equal(op, "conv");
    assert_string_equal(shape, "28x28x128");
    assert_true(parameters == 64 * 128);
    assert_float_equal(mflops, 2.0 * 28 * 28 * 64 * 128 / 1e6, 0.006);
    free(line);
    line = line_of(text, "bn1");
    assert_int_equal(sscanf(line, "%63s %63s %63s %lf %lf", name, op, shape, &parameters, &mflops), 5);
    assert_true(parameters == 128 && mflops == 0); // statistics are not parameters
    free(line);
    free(text);
    cnn_model_destroy(model);
}

static void activation_memory_counts_what_backward_reads(void **state) {
    (void)state;
    struct cnn_model_options options = options_of(4, 4, 2, 3);
    struct cnn_builder *builder = NULL;
    assert_int_equal(cnn_builder_create(&builder, "test", &options), CNN_OK);
    int conv = cnn_build_conv(builder, "conv", 0, (struct cnn_conv){.out_channels = 5, .kernel = {1, 1}});
    int norm = cnn_build_batch_norm(builder, "bn", conv, CNN_TORCH_NORM);
    int relu = cnn_build_relu(builder, "relu", norm);
    int side = cnn_build_conv(builder, "side", relu, (struct cnn_conv){.out_channels = 5, .kernel = {1, 1}});
    int sum = cnn_build_add(builder, "add", side, relu);
    int last = cnn_build_relu(builder, "last", sum);
    int pool = cnn_build_max_pool(builder, "pool", last, (struct cnn_pool){.kernel = {2, 2}});
    int fc = cnn_build_linear(builder, "fc", pool, (struct cnn_linear){.out_features = 3, .bias = true});
    struct cnn_model *model = NULL;
    assert_int_equal(cnn_builder_finish(&model, builder, fc), CNN_OK);
    // Input and conv's output (read by weights and norm), relu (once, though read twice), not bn, side or
    // add; the pool for the linear layer and its choices; the logits.
    size_t kept = 4 * (4 * 4 * 2 + 4 * 4 * 5 + 2 * 4 * 4 * 5 + 2 * 2 * 5 + 3) + 2 * 2 * 5;
    assert_int_equal(cnn_model_activation_bytes(model, 1), kept);
    assert_int_equal(cnn_model_activation_bytes(model, 7), 7 * kept);
    cnn_model_destroy(model);
}

static json_int_t integer_at(json_t *object, const char *key) {
    json_t *value = json_object_get(object, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void json_says_the_same(void **state) {
    (void)state;
    struct cnn_model *model = model_of("resnet50", options_of(97, 65, 3, 10));
    char *text = NULL;
    assert_int_equal(cnn_model_summary_json(&text, model, 4), CNN_OK);
    json_error_t error;
    json_t *root = json_loads(text, 0, &error);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "arch")), "resnet50");
    assert_int_equal(integer_at(root, "classes"), 10);
    assert_int_equal(integer_at(root, "parameters"), cnn_model_count(model));
    assert_int_equal(integer_at(root, "parameter_bytes"), 4 * cnn_model_count(model));
    assert_int_equal(integer_at(root, "statistics"), 53120);
    assert_int_equal(integer_at(root, "micro_batch"), 4);
    assert_int_equal(integer_at(root, "activation_bytes"), cnn_model_activation_bytes(model, 4));
    assert_true(json_number_value(json_object_get(root, "flops")) == cnn_model_flops(model));
    json_t *layers = json_object_get(root, "layers");
    assert_int_equal(json_array_size(layers), model->n_nodes);
    json_int_t parameters = 0;
    double flops = 0;
    for (size_t i = 0; i < json_array_size(layers); i++) {
        parameters += integer_at(json_array_get(layers, i), "parameters");
        flops += json_number_value(json_object_get(json_array_get(layers, i), "flops"));
    }
    assert_int_equal(parameters, cnn_model_count(model));
    assert_true(flops == cnn_model_flops(model));
    json_t *add = json_array_get(layers, (size_t)node_named(model, "layer2.0.add"));
    assert_string_equal(json_string_value(json_object_get(add, "op")), "add");
    json_t *inputs = json_object_get(add, "inputs"), *output = json_object_get(add, "output");
    assert_int_equal(json_array_size(inputs), 2);
    assert_string_equal(json_string_value(json_array_get(inputs, 1)), "layer2.0.downsample.1");
    assert_int_equal(json_integer_value(json_array_get(output, 0)), 13);
    assert_int_equal(json_integer_value(json_array_get(output, 1)), 9);
    assert_int_equal(json_integer_value(json_array_get(output, 2)), 512);
    json_decref(root);
    free(text);
    cnn_model_destroy(model);
}

static void an_empty_micro_batch_is_refused(void **state) {
    (void)state;
    struct cnn_model *model = model_of("resnet20", options_of(32, 32, 3, 10));
    char *text = NULL;
    assert_int_equal(cnn_model_summary(&text, model, 0), CNN_ERR_INPUT);
    assert_int_equal(cnn_model_summary_json(&text, model, -1), CNN_ERR_INPUT);
    assert_null(text);
    cnn_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_has_a_line_a_node),
        cmocka_unit_test(activation_memory_counts_what_backward_reads),
        cmocka_unit_test(json_says_the_same),
        cmocka_unit_test(an_empty_micro_batch_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
