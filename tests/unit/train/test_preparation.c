// How pictures are prepared outside training: the list, the size, and that pictures of the stored size stay
// as they are.
#include "train_fixture.h"

#include "data/dataset.h"
#include "train/preparation.h"

// A dataset of two raw pictures of h x w x c.
static struct cnn_dataset *dataset_of(const char *folder, int h, int w, int c) {
    struct cnn_shard_header header = {.encoding = CNN_ENCODING_RAW,
                                      .h = h,
                                      .w = w,
                                      .c = c,
                                      .n_classes = 2,
                                      .n_shards = 1,
                                      .records_total = 2};
    struct cnn_shard_writer *writer = NULL;
    struct cnn_dataset *dataset = NULL;
    char path[600];
    const size_t bytes = (size_t)(h * w * c);
    uint8_t *pixels = calloc(bytes, 1);
    snprintf(path, sizeof path, "%s/%d-%d-%d", folder, h, w, c);
    assert_int_equal(cnn_folder_create(path), CNN_OK);
    strcat(path, "/d-00000-of-00001.h5");
    assert_int_equal(cnn_shard_writer_create(&writer, path, &header, NULL), CNN_OK);
    for (uint64_t i = 0; i < 2; i++)
        assert_int_equal(cnn_shard_writer_append(writer, pixels, bytes, (int)i, i), CNN_OK);
    assert_int_equal(cnn_shard_writer_commit(writer), CNN_OK);
    cnn_shard_writer_destroy(writer);
    free(pixels);
    *strrchr(path, '/') = '\0';
    assert_int_equal(cnn_dataset_open(&dataset, path), CNN_OK);
    return dataset;
}

static struct cnn_config *config_of(const char *eval) {
    char text[512];
    struct cnn_config *config = calloc(1, sizeof *config);
    snprintf(text, sizeof text, "augment: {eval: %s}\n", eval);
    if (cnn_config_parse(config, "test", text, strlen(text), NULL, 0) != CNN_OK)
        fail_msg("%s", cnn_error_message());
    return config;
}

static struct cnn_preparation prepare(const char *eval, const struct cnn_run_facts *facts,
                                      const struct cnn_dataset *dataset) {
    struct cnn_config *config = config_of(eval);
    struct cnn_preparation preparation;
    if (cnn_preparation_make(&preparation, config, facts, dataset) != CNN_OK)
        fail_msg("%s", cnn_error_message());
    free(config);
    return preparation;
}

static void check(const struct cnn_preparation *preparation, int n, int h, int w) {
    assert_int_equal(preparation->list.n, n);
    assert_int_equal(preparation->height, h);
    assert_int_equal(preparation->width, w);
}

// Lists that rely on the stored size get `fit` to it first, with and without a dataset; others stay.
static void the_list_is_the_same_for_evaluation_and_prediction(void **state) {
    static const struct {
        const char *eval;
        int n, h, w;
    } lists[] = {
        {"[]", 1, 16, 48},
        {"[flip_horizontal: 1]", 2, 16, 48},
        {"[pad: 2]", 2, 20, 52},
        {"[resize: 8]", 2, 8, 24},
        {"[resize: 20, center_crop: [12, 14]]", 2, 12, 14},
        {"[center_crop: 10]", 1, 10, 10},
    };
    const struct cnn_run_facts facts = {
        .height = 12, .width = 12, .channels = 3, .picture_height = 16, .picture_width = 48};
    struct cnn_dataset *same = dataset_of(*state, 16, 48, 3), *larger = dataset_of(*state, 64, 64, 1);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const struct cnn_preparation alone = prepare(lists[i].eval, &facts, NULL);
        check(&alone, lists[i].n, lists[i].h, lists[i].w);
        assert_int_equal(alone.channels, 3);
        for (int k = 0; k < 2; k++) {
            const struct cnn_preparation other = prepare(lists[i].eval, &facts, k == 0 ? same : larger);
            assert_memory_equal(&other, &alone, sizeof alone);
        }
    }
    cnn_dataset_close(same);
    cnn_dataset_close(larger);
}

static void the_size_is_that_of_what_is_evaluated(void **state) {
    struct cnn_dataset *train = dataset_of(*state, 32, 32, 3), *val = dataset_of(*state, 24, 40, 3);
    struct cnn_run_facts facts = {.height = 16, .width = 16, .channels = 3};
    cnn_preparation_note_size(&facts, train, val);
    assert_true(facts.picture_height == 24 && facts.picture_width == 40);
    cnn_preparation_note_size(&facts, train, NULL);
    assert_true(facts.picture_height == 32 && facts.picture_width == 32);
    cnn_dataset_close(train);
    cnn_dataset_close(val);
}

// Checkpoints of older versions: the dataset's size, or else that of training.
static void checkpoints_without_a_size_are_read(void **state) {
    const struct cnn_run_facts facts = {.height = 16, .width = 18, .channels = 1};
    struct cnn_dataset *dataset = dataset_of(*state, 32, 30, 1);
    struct cnn_preparation preparation = prepare("[]", &facts, dataset);
    check(&preparation, 1, 32, 30);
    preparation = prepare("[]", &facts, NULL);
    check(&preparation, 1, 16, 18);

    struct cnn_config *config = config_of("[]");
    snprintf(config->data.val, sizeof config->data.val, "%s", cnn_dataset_path(dataset));
    assert_int_equal(cnn_preparation_make(&preparation, config, &facts, NULL), CNN_OK);
    check(&preparation, 1, 32, 30);
    free(config);
    cnn_dataset_close(dataset);
}

// A size in damaged metadata is not believed.
static void sizes_are_bounded(void **state) {
    const struct cnn_run_facts facts = {
        .height = 8, .width = 8, .channels = 3, .picture_height = INT64_MAX / 3, .picture_width = 7};
    const struct cnn_preparation preparation = prepare("[]", &facts, NULL);
    check(&preparation, 1, 8, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_list_is_the_same_for_evaluation_and_prediction, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(the_size_is_that_of_what_is_evaluated, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(checkpoints_without_a_size_are_read, make_folder, remove_folder),
        cmocka_unit_test(sizes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
