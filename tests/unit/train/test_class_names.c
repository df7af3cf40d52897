// The classes of a network: from a dataset, through a checkpoint, to another dataset.
#include "data/shard.h"
#include "train/class_names.h"
#include "train/inputs.h"
#include "train_fixture.h"

// A dataset of gray pixels, one record for each label.
static char *write_dataset(const char *folder, const char *name, const char *const *names, int n_classes,
                           const int *labels, int n) {
    char *path = in_folder(folder, name), shard[600];
    struct cnn_shard_writer *writer;
    const struct cnn_shard_header header = {.encoding = CNN_ENCODING_RAW,
                                            .h = 2,
                                            .w = 2,
                                            .c = 1,
                                            .n_classes = n_classes,
                                            .n_shards = 1,
                                            .records_total = (uint64_t)n};
    assert_int_equal(cnn_folder_create(path), CNN_OK);
    snprintf(shard, sizeof shard, "%s/d-00000-of-00001.h5", path);
    assert_int_equal(cnn_shard_writer_create(&writer, shard, &header, names), CNN_OK);
    for (int i = 0; i < n; i++)
        assert_int_equal(cnn_shard_writer_append(writer, "abcd", 4, labels[i], (uint64_t)i), CNN_OK);
    assert_int_equal(cnn_shard_writer_commit(writer), CNN_OK);
    cnn_shard_writer_destroy(writer);
    return path;
}
#define DATASET(folder, name, names, n_classes, ...)                                                         \
    write_dataset(folder, name, names, n_classes, (const int[]){__VA_ARGS__},                                \
                  sizeof(const int[]){__VA_ARGS__} / sizeof(int))

static const char *const abc[] = {"a", "b", "c"}, *const bc[] = {"b", "c"}, *const bcd[] = {"b", "c", "d"},
                         *const cab[] = {"c", "a", "b"};

static struct cnn_dataset *open_dataset(const char *path) {
    struct cnn_dataset *dataset;
    assert_int_equal(cnn_dataset_open(&dataset, path), CNN_OK);
    return dataset;
}

static void assert_labels(const struct cnn_dataset *dataset, const int *wanted) {
    for (uint64_t i = 0; i < cnn_dataset_count(dataset); i++)
        assert_int_equal(cnn_dataset_record(dataset, i).label, wanted[i]);
}

static void assert_json(const struct cnn_class_names *names, const char *wanted) {
    char *text;
    assert_int_equal(cnn_class_names_json(&text, names), CNN_OK);
    assert_string_equal(text, wanted);
    free(text);
}

static void names_travel_in_a_checkpoint(void **state) {
    static const char *const odd[] = {"K\xe4"
                                      "fer",
                                      "\"q\"",
                                      "K\xc3\xa4"
                                      "fer"};
    struct cnn_class_names names, back;
    char *text;
    struct cnn_dataset *dataset = open_dataset(DATASET(*state, "odd", odd, 3, 0, 1, 2));
    assert_int_equal(cnn_class_names_of_dataset(&names, dataset, 5), CNN_OK);
    assert_json(&names, "[\"K\\\\xe4fer\",\"\\\"q\\\"\",\"K\xc3\xa4"
                        "fer\",null,null]");
    assert_int_equal(cnn_class_names_json(&text, &names), CNN_OK);
    assert_int_equal(cnn_class_names_parse(&back, text, 5), CNN_OK);
    assert_json(&back, text);
    free(text);
    cnn_class_names_finish(&back);
    // The same dataset still fits.
    assert_int_equal(cnn_class_names_match(&names, dataset, &text), CNN_OK);
    assert_null(text);
    assert_labels(dataset, (const int[]){0, 1, 2});
    cnn_class_names_finish(&names);
    cnn_dataset_close(dataset);

    dataset = open_dataset(DATASET(*state, "unnamed", NULL, 2, 0, 1));
    assert_int_equal(cnn_class_names_of_dataset(&names, dataset, 2), CNN_OK);
    assert_json(&names, "[]");
    cnn_class_names_finish(&names);
    cnn_dataset_close(dataset);
}

static void names_that_are_none_are_refused(void **state) {
    static const char *const bad[] = {"",        "{}",           "3",           "null", "[\"a\"]",
                                      "[1,2,3]", "[\"a\",\"b\"", "[\"a\",[],1]"};
    struct cnn_class_names names;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(cnn_class_names_parse(&names, bad[i], 3), CNN_ERR_INPUT);
        assert_says("class_names");
    }
}

static void a_dataset_is_renumbered_and_it_is_said(void **state) {
    struct cnn_class_names names;
    char *note;
    assert_int_equal(cnn_class_names_parse(&names, "[\"a\",\"b\",\"c\"]", 3), CNN_OK);
    struct cnn_dataset *dataset = open_dataset(DATASET(*state, "bc", bc, 2, 0, 1, 1));
    assert_int_equal(cnn_class_names_match(&names, dataset, &note), CNN_OK);
    assert_labels(dataset, (const int[]){1, 2, 2});
    assert_int_equal(cnn_dataset_header(dataset)->n_classes, 3);
    assert_non_null(strstr(note, "renumbered (b from 0 to 1, c from 1 to 2)"));
    assert_non_null(strstr(note, "no images of a (1 of the network's 3 classes)"));
    free(note);
    cnn_dataset_close(dataset);

    dataset = open_dataset(DATASET(*state, "bcd", bcd, 3, 0, 1, 2));
    assert_int_equal(cnn_class_names_match(&names, dataset, &note), CNN_ERR_INPUT);
    assert_says("1 class the network lacks: d (the network has: a, b, c)");
    assert_labels(dataset, (const int[]){0, 1, 2}); // as it was
    cnn_dataset_close(dataset);

    dataset = open_dataset(DATASET(*state, "unnamed", NULL, 3, 0, 1, 2));
    assert_int_equal(cnn_class_names_match(&names, dataset, &note), CNN_OK);
    assert_string_equal(note, "it has no class names: classes were matched by number");
    free(note);
    cnn_dataset_close(dataset);
    cnn_class_names_finish(&names);
}

// ---- a run ----

struct given {
    const char *train, *val, *checkpoint; // checkpoint: class names, NULL for a new run
    int checkpoint_classes, classes;
};

static enum cnn_status match_run(struct cnn_inputs *inputs, struct given given) {
    static struct cnn_config config;
    cnn_config_defaults(&config);
    snprintf(config.data.train, sizeof config.data.train, "%s", given.train);
    snprintf(config.data.val, sizeof config.data.val, "%s", given.val ? given.val : "");
    config.model.classes = given.classes;
    assert_int_equal(cnn_inputs_open(inputs, &config), CNN_OK);
    if (given.checkpoint)
        assert_int_equal(cnn_class_names_parse(&inputs->names, given.checkpoint, given.checkpoint_classes),
                         CNN_OK);
    enum cnn_status status = cnn_inputs_match(inputs, &config, given.checkpoint != NULL);
    if (status != CNN_OK)
        cnn_inputs_close(inputs);
    return status;
}

static void assert_run(struct given given, const char *json, const int *train, const int *val) {
    struct cnn_inputs inputs;
    if (match_run(&inputs, given) != CNN_OK)
        fail_msg("%s", cnn_error_message());
    assert_string_equal(inputs.class_names, json);
    assert_labels(inputs.train, train);
    if (val)
        assert_labels(inputs.val, val);
    cnn_inputs_close(&inputs);
}

static void assert_refused(struct given given, const char *words) {
    struct cnn_inputs inputs;
    assert_int_equal(match_run(&inputs, given), CNN_ERR_INPUT);
    assert_says(words);
}

#define ABC "[\"a\",\"b\",\"c\"]"

static void a_new_run_has_the_classes_of_its_training_set(void **state) {
    const char *train = DATASET(*state, "abc", abc, 3, 0, 1, 2),
               *val = DATASET(*state, "cab", cab, 3, 0, 1, 2);
    assert_run((struct given){.train = train, .val = val}, ABC, (const int[]){0, 1, 2},
               (const int[]){2, 0, 1});
    assert_run((struct given){.train = train, .val = val, .classes = 4}, "[\"a\",\"b\",\"c\",null]",
               (const int[]){0, 1, 2}, (const int[]){2, 0, 1});
    assert_refused((struct given){.train = train, .val = DATASET(*state, "bcd", bcd, 3, 0, 1, 2)},
                   "lacks: d");
    assert_refused((struct given){.train = train, .classes = 2}, "model.classes");
}

static void a_resumed_run_keeps_the_classes_of_its_checkpoint(void **state) {
    const char *train = DATASET(*state, "cab", cab, 3, 0, 1, 2),
               *other = DATASET(*state, "bcd", bcd, 3, 0, 1, 2), *fewer = DATASET(*state, "bc", bc, 2, 0, 1);
    assert_run((struct given){train, fewer, ABC, 3, 0}, ABC, (const int[]){2, 0, 1}, (const int[]){1, 2});
    assert_run((struct given){train, fewer, ABC, 3, 3}, ABC, (const int[]){2, 0, 1}, (const int[]){1, 2});
    assert_refused((struct given){other, NULL, ABC, 3, 0}, "cannot resume: data.train");
    assert_refused((struct given){other, NULL, ABC, 3, 0}, "lacks: d");
    assert_refused((struct given){fewer, NULL, ABC, 3, 0}, "lacks 1 of the checkpoint's classes: a");
    assert_refused((struct given){train, NULL, ABC, 3, 4},
                   "model.classes was 3 in the checkpoint and is 4 now");
    // Without names in the checkpoint, the dataset's.
    assert_run((struct given){train, fewer, "[]", 3, 0}, "[\"c\",\"a\",\"b\"]", (const int[]){0, 1, 2},
               (const int[]){2, 0});
    assert_run((struct given){train, fewer, "[]", 5, 5}, "[\"c\",\"a\",\"b\",null,null]",
               (const int[]){0, 1, 2}, (const int[]){2, 0});
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(names_travel_in_a_checkpoint),
        TEST(names_that_are_none_are_refused),
        TEST(a_dataset_is_renumbered_and_it_is_said),
        TEST(a_new_run_has_the_classes_of_its_training_set),
        TEST(a_resumed_run_keeps_the_classes_of_its_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
