// `--classes-of`: an import takes over the numbering of another dataset. Sources of several parts.
#include "import_fixture.h"

static struct cnn_dataset *open_dataset(const char *folder, const char *name) {
    struct cnn_dataset *dataset;
    assert_ok(cnn_dataset_open(&dataset, in(folder, name)));
    return dataset;
}

// "a:0 b:2 c:1": the classes of FOLDER/NAME and their records.
static const char *describe(const char *folder, const char *name) {
    static char text[512];
    struct cnn_dataset *dataset = open_dataset(folder, name);
    text[0] = '\0';
    for (int label = 0; label < cnn_dataset_header(dataset)->n_classes; label++) {
        const char *class_name = cnn_dataset_class_name(dataset, label);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s:%d", label > 0 ? " " : "",
                 class_name ? class_name : "-", (int)count_label(dataset, label));
    }
    cnn_dataset_close(dataset);
    return text;
}

static void put_folder(const char *folder, const char *name, const char *classes) {
    char path[64];
    for (int i = 0; classes[i]; i++) {
        snprintf(path, sizeof path, "%s/%c/%d.jpg", name, classes[i], i);
        put_jpeg(in(folder, path), 8, classes[i]);
    }
}

static enum cnn_status import_folder(const char *folder, const char *source, const char *out,
                                     const char *classes_of, struct cnn_import_result *result) {
    struct cnn_import_options options = {.out = in(folder, out),
                                         .classes_of = classes_of ? in(folder, classes_of) : NULL};
    return cnn_import_folder(result, in(folder, source), &options);
}

static void make_training_set(const char *folder) {
    struct cnn_import_options options = {.out = in(folder, "train"), .classes = in(folder, "order")};
    struct cnn_import_result result;
    put_folder(folder, "t", "abcabc");
    write_file(in(folder, "order"), "c\na\nb\n", 6);
    assert_ok(cnn_import_folder(&result, in(folder, "t"), &options));
    assert_string_equal(describe(folder, "train"), "c:2 a:2 b:2");
}

static void test_folder(void **state) {
    struct cnn_import_result result;
    struct cnn_image_info info;
    make_training_set(*state);
    put_folder(*state, "v", "bcbb");
    assert_ok(import_folder(*state, "v", "val", "train", &result));
    assert_string_equal(describe(*state, "val"), "c:1 a:0 b:3");
    struct cnn_dataset *dataset = open_dataset(*state, "val");
    for (uint64_t i = 0; i < 4; i++) // the pictures are those of their classes
        assert_in_range(red_of(dataset, i, &info),
                        cnn_dataset_record(dataset, i).label == 2 ? 'b' - 1 : 'c' - 1,
                        cnn_dataset_record(dataset, i).label == 2 ? 'b' + 1 : 'c' + 1);
    cnn_dataset_close(dataset);
    assert_ok(import_folder(*state, "v", "val", "train", &result));
    assert_true(result.was_there);
    assert_fails(import_folder(*state, "v", "val", NULL, &result), CNN_ERR_INPUT,
                 "its classes or their order differ");
}

static void test_unknown_classes(void **state) {
    struct cnn_import_result result;
    make_training_set(*state);
    put_folder(*state, "v", "bcde");
    struct cnn_import_options options = {
        .out = in(*state, "val"), .classes_of = in(*state, "train"), .classes = in(*state, "order")};
    assert_fails(cnn_import_folder(&result, in(*state, "t"), &options), CNN_ERR_INPUT, "give one");
    assert_fails(import_folder(*state, "v", "val", "train", &result), CNN_ERR_INPUT, "2 classes ");
    assert_fails(import_folder(*state, "v", "val", "train", &result), CNN_ERR_INPUT, "train lacks: d, e (");
    assert_fails(import_folder(*state, "v", "val", "train", &result), CNN_ERR_INPUT, "has: c, a, b)");
    assert_fails(import_folder(*state, "v", "val", "t", &result), CNN_ERR_INPUT,
                 "--classes-of: no dataset at ");
    assert_fails(import_folder(*state, "v", "val", ".", &result), CNN_ERR_INPUT, "a folder of 1: give ");
    assert_false(cnn_folder_exists(in(*state, "val")));
    put_folder(*state, "w", "bc"); // and an empty folder of another class
    assert_ok(cnn_folder_create(in(*state, "w/z")));
    assert_ok(import_folder(*state, "w", "val", "train", &result));
    assert_string_equal(describe(*state, "val"), "c:1 a:0 b:1");
}

static void test_list(void **state) {
    struct cnn_import_options options = {.out = in(*state, "val"), .classes_of = in(*state, "train")};
    struct cnn_import_result result;
    make_training_set(*state);
    write_file(in(*state, "l.csv"), "t/a/0.jpg,b\nt/b/1.jpg,c\n", 24);
    assert_ok(cnn_import_list(&result, in(*state, "l.csv"), NULL, &options));
    assert_string_equal(describe(*state, "val"), "c:1 a:0 b:1");
}

// A half of an import with other classes is not continued; the same one is, by any number of processes.
static void test_continued(void **state) {
    struct cnn_import_result result;
    struct cnn_import_options options = {
        .out = in(*state, "half"), .classes_of = in(*state, "train"), .size = 2, .shard_records = 1};
    make_training_set(*state);
    put_folder(*state, "v", "bcbb");
    assert_ok(cnn_import_folder(&result, in(*state, "v"), &options));
    options.classes_of = NULL;
    assert_fails(cnn_import_folder(&result, in(*state, "v"), &options), CNN_ERR_INPUT,
                 "another unfinished import");
    options.classes_of = in(*state, "train");
    options.size = 1;
    assert_ok(cnn_import_folder(&result, in(*state, "v"), &options));
    assert_string_equal(describe(*state, "half"), "c:1 a:0 b:3");
}

static void test_splits(void **state) {
    struct cnn_import_options options = {
        .out = in(*state, "s"), .classes_of = in(*state, "train"), .split = "x=0.5,y=0.5", .seed = 1};
    struct cnn_import_result result;
    make_training_set(*state);
    put_folder(*state, "v", "bcbcbcbc");
    assert_ok(cnn_import_folder(&result, in(*state, "v"), &options));
    assert_string_equal(describe(*state, "s/x"), "c:2 a:0 b:2");
    assert_string_equal(describe(*state, "s/y"), "c:2 a:0 b:2");
}

// ---- idx and CIFAR ----

// n pictures of 2 x w, with labels first, first + 1, ... modulo 3; pixels are the label's.
static void put_idx(const char *folder, const char *name, int n, int w, int first) {
    uint8_t images[16 + 200] = {0, 0, 8, 3, 0, 0, 0, (uint8_t)n, 0, 0, 0, 2, 0, 0, 0, (uint8_t)w},
                        labels[8 + 30] = {0, 0, 8, 1, 0, 0, 0, (uint8_t)n};
    char path[64];
    for (int i = 0; i < n; i++) {
        labels[8 + i] = (uint8_t)((first + i) % 3);
        memset(images + 16 + i * 2 * w, 10 * labels[8 + i] + n, 2 * (size_t)w);
    }
    snprintf(path, sizeof path, "%s-images", name);
    write_file(in(folder, path), images, 16 + 2 * (size_t)(n * w));
    snprintf(path, sizeof path, "%s-labels", name);
    write_file(in(folder, path), labels, 8 + (size_t)n);
}

static void check_idx_part(const char *folder, const char *name, int n, int first, const int numbers[3]) {
    struct cnn_dataset *dataset = open_dataset(folder, name);
    uint8_t pixels[4];
    assert_int_equal(cnn_dataset_count(dataset), n);
    for (int i = 0; i < n; i++) {
        assert_int_equal(cnn_dataset_record(dataset, (uint64_t)i).label, numbers[(first + i) % 3]);
        assert_ok(cnn_dataset_read(dataset, (uint64_t)i, pixels));
        assert_int_equal(pixels[0], 10 * ((first + i) % 3) + n);
    }
    cnn_dataset_close(dataset);
}

static void test_idx_parts(void **state) {
    const struct cnn_idx_part parts[2] = {{"train", in(*state, "a-images"), in(*state, "a-labels")},
                                          {"test", in(*state, "b-images"), in(*state, "b-labels")}};
    static const char *const names[3] = {"b", "c", "a"};
    static const int same[3] = {0, 1, 2}, of_training_set[3] = {2, 0, 1};
    struct cnn_import_options options = {.out = in(*state, "out"), .threads = 2, .shard_records = 4};
    struct cnn_import_result result;
    make_training_set(*state);
    put_idx(*state, "a", 9, 2, 0);
    put_idx(*state, "b", 5, 2, 1);
    assert_ok(cnn_import_idx_parts(&result, parts, 2, NULL, 0, &options));
    assert_int_equal(result.records, 14);
    check_idx_part(*state, "out/train", 9, 0, same);
    check_idx_part(*state, "out/test", 5, 1, same);
    options.out = in(*state, "numbered");
    options.classes_of = in(*state, "train");
    assert_ok(cnn_import_idx_parts(&result, parts, 2, names, 3, &options));
    assert_string_equal(describe(*state, "numbered/test"), "c:2 a:2 b:1");
    check_idx_part(*state, "numbered/train", 9, 0, of_training_set);
    check_idx_part(*state, "numbered/test", 5, 1, of_training_set);
    options.out = in(*state, "no");
    options.classes_of = NULL;
    options.split = "x=0.5,y=0.5";
    assert_fails(cnn_import_idx_parts(&result, parts, 2, NULL, 0, &options), CNN_ERR_INPUT, "already split");
    put_idx(*state, "b", 5, 3, 1);
    options.split = NULL;
    assert_fails(cnn_import_idx_parts(&result, parts, 2, NULL, 0, &options), CNN_ERR_INPUT,
                 "different sizes");
    assert_false(cnn_folder_exists(options.out));
}

static void put_cifar(const char *path, int n, int first) {
    uint8_t data[4 * 3073];
    for (int i = 0; i < n; i++) {
        memset(data + i * 3073, first + i, 3073);
    }
    write_file(path, data, (size_t)n * 3073);
}

static void test_cifar_parts(void **state) {
    char paths[3][1100];
    const char *files[3] = {paths[0], paths[1], paths[2]};
    const struct cnn_cifar_part parts[2] = {{"train", files, 2}, {"test", files + 2, 1}};
    struct cnn_import_options options = {.out = in(*state, "out"), .threads = 2};
    struct cnn_import_result result;
    uint8_t pixels[3072];
    for (int k = 0; k < 3; k++) {
        snprintf(paths[k], sizeof paths[k], "%s/%d.bin", (char *)*state, k);
        put_cifar(paths[k], 4 - k, 2 * k);
    }
    assert_ok(cnn_import_cifar_parts(&result, CNN_CIFAR10, parts, 2, NULL, 0, &options));
    assert_int_equal(result.records, 9);
    struct cnn_dataset *train = open_dataset(*state, "out/train"), *test = open_dataset(*state, "out/test");
    assert_int_equal(cnn_dataset_count(train), 7);
    assert_int_equal(cnn_dataset_count(test), 2);
    assert_int_equal(cnn_dataset_record(train, 6).label, 4);
    for (uint64_t i = 0; i < 2; i++) {
        assert_int_equal(cnn_dataset_record(test, i).label, 4 + i);
        assert_ok(cnn_dataset_read(test, i, pixels));
        assert_int_equal(pixels[100], 4 + i);
    }
    cnn_dataset_close(train);
    cnn_dataset_close(test);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_create, scratch_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_folder), TEST(test_unknown_classes), TEST(test_list),        TEST(test_continued),
        TEST(test_splits), TEST(test_idx_parts),       TEST(test_cifar_parts),
    };
    use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
