// What is made from the table: docs/config.md as committed, the JSON schema; and the configs we ship.
#include "given.h"

#include "base/file.h"
#include "config/options.h"

#include <jansson.h>

#define REFERENCE CNN_SOURCE_DIR "/docs/config.md"

static void reference_page_is_current(void **state) {
    char *made = NULL, *committed = NULL;
    size_t bytes = 0;
    assert_int_equal(cnn_config_schema_markdown(&made), CNN_OK);
    if (getenv("CNN_WRITE_DOCS"))
        assert_int_equal(cnn_file_replace(REFERENCE, made, strlen(made)), CNN_OK);
    if (cnn_file_read(&committed, &bytes, REFERENCE, 1 << 20) != CNN_OK)
        fail_msg("%s", cnn_error_message());
    if (strcmp(made, committed) != 0)
        fail_msg("docs/config.md is not what the table says; run this test once with CNN_WRITE_DOCS=1 and "
                 "commit it");
    free(made);
    free(committed);
}

static json_t *schema(void) {
    char *text = NULL;
    json_error_t error;
    assert_int_equal(cnn_config_schema_json(&text), CNN_OK);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(json);
    free(text);
    return json;
}

static json_t *find(json_t *list, const char *key, const char *value) {
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        if (strcmp(json_string_value(json_object_get(item, key)), value) == 0)
            return item;
    }
    fail_msg("no %s in the schema", value);
    return NULL;
}

static void schema_lists_every_option(void **state) {
    json_t *json = schema(), *options = json_object_get(json, "options");
    assert_int_equal(json_array_size(options), CNN_N_OPTIONS);
    for (size_t i = 0; i < CNN_N_OPTIONS; i++) {
        json_t *option = find(options, "path", cnn_option_table[i].path);
        assert_true(json_is_string(json_object_get(option, "type")));
        assert_non_null(json_object_get(option, "default"));
        assert_true(json_is_string(json_object_get(option, "allowed")));
        assert_string_equal(json_string_value(json_object_get(option, "doc")), cnn_option_table[i].doc);
    }
    json_t *smoothing = find(options, "path", "train.label_smoothing"),
           *range = json_object_get(smoothing, "range");
    assert_int_equal(json_integer_value(json_object_get(range, "most")), 1);
    assert_true(json_is_true(json_object_get(range, "most_excluded")));
    assert_true(json_is_false(json_object_get(range, "least_excluded")));
    json_t *momentum = find(options, "path", "train.optimizer.momentum");
    assert_true(json_real_value(json_object_get(momentum, "default")) == 0.9);
    assert_true(
        json_is_true(json_object_get(find(options, "path", "train.optimizer.decay_norm"), "default")));
    assert_int_equal(json_array_size(json_object_get(find(options, "path", "train.precision"), "choices")),
                     5);
    assert_string_equal(json_string_value(json_object_get(find(options, "path", "comm.timeout_s"), "unit")),
                        "s");
    json_decref(json);
}

static void schema_lists_every_augmentation(void **state) {
    json_t *json = schema(), *list = json_object_get(json, "augmentations");
    assert_int_equal(json_array_size(list), CNN_N_AUGMENTS);
    json_t *crop = find(list, "name", "random_resized_crop"), *args = json_object_get(crop, "arguments");
    assert_true(json_is_true(json_object_get(crop, "random")));
    assert_true(json_is_true(json_object_get(find(args, "name", "size"), "required")));
    json_t *scale = json_object_get(find(args, "name", "scale"), "default");
    assert_true(json_real_value(json_array_get(scale, 0)) == 0.08);
    assert_int_equal(json_integer_value(json_array_get(scale, 1)), 1);
    json_decref(json);
}

static void read_shipped(struct cnn_config *config, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/configs/%s", CNN_SOURCE_DIR, name);
    if (cnn_config_read(config, path, NULL, 0) != CNN_OK)
        fail_msg("%s", cnn_error_message());
}

static void every_shipped_config_reads(void **state) {
    char **names = NULL;
    size_t n = 0;
    struct cnn_config config;
    assert_int_equal(cnn_folder_list(&names, &n, CNN_SOURCE_DIR "/configs", "", ".yaml"), CNN_OK);
    assert_true(n >= 5);
    for (size_t i = 0; i < n; i++) {
        read_shipped(&config, names[i]);
        assert_true(config.data.train[0] && config.data.val[0]);
        assert_true(strncmp(config.data.train, "datasets/", 9) == 0);
    }
    cnn_names_free(names, n);
}

static void shipped_recipes_say_what_they_promise(void **state) {
    struct cnn_config c;
    read_shipped(&c, "resnet.yaml");
    assert_string_equal(c.model.arch, "resnet50");
    assert_true(c.train.epochs == 90 && c.train.schedule.rate == 0.1 && c.train.schedule.per_batch == 256);
    assert_true(c.train.schedule.warmup.count == 5 && c.train.schedule.every.count == 30 &&
                c.train.optimizer.weight_decay == 1e-4);
    read_shipped(&c, "vgg.yaml");
    assert_string_equal(c.model.arch, "vgg16_bn");
    assert_true(c.train.schedule.rate == 0.01);
    read_shipped(&c, "fashion_mnist.yaml");
    assert_string_equal(c.data.train, "datasets/fashion-mnist/train");
    assert_true(c.augment.train.ops[0].args[0][0] == 28);
    read_shipped(&c, "quickstart.yaml");
    assert_string_equal(c.run.name, "quickstart");
    assert_string_equal(c.data.val, "datasets/quickstart/val");
    read_shipped(&c, "cifar10.yaml");
    assert_string_equal(c.model.arch, "resnet20");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_page_is_current),
        cmocka_unit_test(schema_lists_every_option),
        cmocka_unit_test(schema_lists_every_augmentation),
        cmocka_unit_test(every_shipped_config_reads),
        cmocka_unit_test(shipped_recipes_say_what_they_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
