#include "archive_fixture.h"

// ---- class folders ----

enum { N = 20 };

// 20 pictures of 3 classes, in an order that is not the classes', with what does not belong among them.
static void put_archive(const char *path, bool zip, int filter, const char *top) {
    struct made made;
    char name[200];
    begin(&made, path, zip, filter);
    snprintf(name, sizeof name, "%sREADME", top);
    add(&made, name, "read me", 7);
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "%s%s/%02d.jpg", top, &"wolf\0lynx\0a fox"[5 * (i % 3)], i);
        add_jpeg(&made, name, 8, 10 * i);
    }
    snprintf(name, sizeof name, "%swolf/._00.jpg", top);
    add(&made, name, "what a Mac leaves", 17);
    end(&made);
}

static void check_archive(const char *out) {
    struct cnn_dataset *dataset;
    struct cnn_image_info info;
    assert_ok(cnn_dataset_open(&dataset, out));
    assert_int_equal(cnn_dataset_count(dataset), N);
    assert_int_equal(cnn_dataset_header(dataset)->n_shards, 3);
    assert_int_equal(cnn_dataset_header(dataset)->n_classes, 3);
    assert_string_equal(cnn_dataset_class_name(dataset, 0), "a fox");
    assert_string_equal(cnn_dataset_class_name(dataset, 2), "wolf");
    for (uint64_t i = 0; i < N; i++) {
        assert_int_equal(cnn_dataset_record(dataset, i).id, i);
        assert_int_equal(cnn_dataset_record(dataset, i).label, 2 - (int)i % 3);
        assert_in_range(red_of(dataset, i, &info), 10 * i < 3 ? 0 : 10 * i - 3, 10 * i + 3);
    }
    cnn_dataset_close(dataset);
}

static void test_kinds(void **state) {
    static const struct {
        const char *name, *top;
        bool zip;
        int filter;
    } kinds[] = {{"a.tar", "", false, 0},
                 {"a.tar.gz", "pictures/", false, ARCHIVE_FILTER_GZIP},
                 {"a.tar.xz", "./", false, ARCHIVE_FILTER_XZ},
                 {"a.tar.bz2", "", false, ARCHIVE_FILTER_BZIP2},
                 {"a.zip", "some/", true, 0}};
    struct cnn_import_result result;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        char out[32];
        snprintf(out, sizeof out, "out%zu", k);
        put_archive(in(*state, kinds[k].name), kinds[k].zip, kinds[k].filter, kinds[k].top);
        assert_ok(import(*state, kinds[k].name, out, NULL, &result));
        assert_int_equal(result.records, N);
        assert_int_equal(result.quarantined, 0);
        check_archive(in(*state, out));
        assert_ok(import(*state, kinds[k].name, out, NULL, &result));
        assert_true(result.was_there);
    }
}

static void test_any_number_of_processes(void **state) {
    struct cnn_import_result result;
    put_archive(in(*state, "a.tar"), false, 0, "");
    put_archive(in(*state, "a.tar.gz"), false, ARCHIVE_FILTER_GZIP, "");
    for (int size = 1; size <= 3; size++)
        for (int gz = 0; gz < 2; gz++) {
            char out[32];
            snprintf(out, sizeof out, "of%d-%d", size, gz);
            struct cnn_import_options options = {
                .out = in(*state, out), .name = "d", .size = size, .shard_records = 7, .threads = 1 + gz};
            for (options.rank = size - 1; options.rank >= 0; options.rank--)
                assert_ok(cnn_import_archive(&result, in(*state, gz ? "a.tar.gz" : "a.tar"),
                                             &(struct cnn_archive_options){0}, &options));
            if (size > 1)
                assert_ok(cnn_import_finish(&result, &options));
            assert_same_folders(in(*state, "of1-0"), in(*state, out)); // gz or not: the same members
        }
}

// Names that would lead elsewhere name classes and nothing else.
static void test_names_are_no_paths(void **state) {
    struct cnn_import_result result;
    struct cnn_dataset *dataset;
    struct made made;
    begin(&made, in(*state, "evil.tar"), false, 0);
    add_jpeg(&made, "../../escaped/1.jpg", 8, 1);
    add_jpeg(&made, "/absolute/2.jpg", 8, 2);
    add_jpeg(&made, "good/../../3.jpg", 8, 3);
    end(&made);
    assert_ok(import(*state, "evil.tar", "out", NULL, &result));
    assert_ok(cnn_dataset_open(&dataset, in(*state, "out")));
    assert_int_equal(cnn_dataset_header(dataset)->n_classes, 2);
    assert_string_equal(cnn_dataset_class_name(dataset, 0), "absolute");
    assert_string_equal(cnn_dataset_class_name(dataset, 1), "escaped");
    assert_int_equal(result.ignored.files[CNN_IGNORED_OUTSIDE],
                     1); // good/../../3.jpg lies in no class folder
    cnn_dataset_close(dataset);
    assert_int_equal(count_entries(*state), 2);
    assert_int_equal(count_entries(in(*state, "out")), 1);
}

static void test_under_and_splits(void **state) {
    struct cnn_archive_options under = {.under = "/top/train/"};
    struct cnn_import_result result;
    struct cnn_dataset *dataset;
    struct made made;
    begin(&made, in(*state, "s.tar"), false, 0);
    add(&made, "top/LICENSE", "as you like", 11);
    add_jpeg(&made, "top/train/a/1.jpg", 8, 1);
    add_jpeg(&made, "top/train/b/2.jpg", 8, 2);
    add_jpeg(&made, "top/val/b/3.jpg", 8, 3);
    end(&made);
    assert_ok(import(*state, "s.tar", "out", NULL, &result));
    assert_int_equal(result.records, 3);
    assert_ok(cnn_dataset_open(&dataset, in(*state, "out/val")));
    assert_int_equal(cnn_dataset_count(dataset), 1);
    assert_int_equal(cnn_dataset_record(dataset, 0).label, 1); // the classes of all splits are the same
    cnn_dataset_close(dataset);
    assert_ok(import(*state, "s.tar", "part", &under, &result));
    assert_ok(cnn_dataset_open(&dataset, in(*state, "part")));
    assert_int_equal(cnn_dataset_count(dataset), 2);
    cnn_dataset_close(dataset);
    under.under = "top/tra";
    assert_fails(import(*state, "s.tar", "none", &under, &result), CNN_ERR_INPUT, "no files below top/tra");
}

// ---- as ILSVRC2012 has it ----

// A tar of tars, the classes' in an order that is not that of their names.
static void put_ilsvrc(const char *folder, int filter) {
    static const char *const wnids[3] = {"n02119789", "n01440764", "n07747607"};
    struct made made, outer;
    char name[64];
    begin(&outer, in(folder, "train.tar"), false, filter);
    for (int c = 0; c < 3; c++) {
        begin(&made, in(folder, "inner.tar"), false, 0);
        for (int i = 0; i < 4; i++) {
            snprintf(name, sizeof name, "%s_%d.JPEG", wnids[c], 10 - i);
            add_jpeg(&made, name, 8 + i, 80 * c + 5 * i);
        }
        end(&made);
        snprintf(name, sizeof name, "%s.tar", wnids[c]);
        add_file(&outer, name, in(folder, "inner.tar"));
    }
    end(&outer);
}

static void test_tar_of_tars(void **state) {
    static const int labels[3] = {1, 0, 2};
    struct cnn_import_result result;
    struct cnn_dataset *dataset;
    struct cnn_image_info info;
    for (int gz = 0; gz < 2; gz++) {
        const char *out = gz ? "gz" : "plain";
        put_ilsvrc(*state, gz ? ARCHIVE_FILTER_GZIP : 0);
        assert_ok(import(*state, "train.tar", out, NULL, &result));
        assert_int_equal(result.records, 12);
        assert_ok(cnn_dataset_open(&dataset, in(*state, out)));
        assert_int_equal(cnn_dataset_header(dataset)->n_classes, 3);
        assert_string_equal(cnn_dataset_class_name(dataset, 0), "n01440764");
        assert_string_equal(cnn_dataset_class_name(dataset, 2), "n07747607");
        for (uint64_t i = 0; i < 12; i++) {
            int wanted = 80 * ((int)i / 4) + 5 * ((int)i % 4), red = red_of(dataset, i, &info);
            assert_int_equal(cnn_dataset_record(dataset, i).label, labels[i / 4]);
            assert_true(red >= wanted - 3 && red <= wanted + 3);
            assert_int_equal(info.h, 8 + (int)i % 4);
        }
        cnn_dataset_close(dataset);
    }
    assert_same_folders(in(*state, "plain"), in(*state, "gz"));
}

// Ten pictures in no order of names; number k is of class k % 3, whose number in the devkit is (k + 1) % 3
// + 1.
static void put_val(const char *folder) {
    struct made made;
    char name[64], text[600] = "", truth[100] = "";
    begin(&made, in(folder, "val.tar"), false, 0);
    for (int i = 0; i < 10; i++) {
        int k = i * 7 % 10;
        snprintf(name, sizeof name, "ILSVRC2012_val_%08d.JPEG", k + 1);
        add_jpeg(&made, name, 8, 20 * k);
    }
    end(&made);
    for (int k = 0; k < 10; k++) {
        sprintf(text + strlen(text), "ILSVRC2012_val_%08d%s,n0%d 1 2 3 4\n", k + 1, k % 2 ? ".JPEG" : "",
                k % 3);
        sprintf(truth + strlen(truth), "%d\r\n", (k + 1) % 3 + 1);
    }
    char with_heading[700];
    snprintf(with_heading, sizeof with_heading, "ImageId,PredictionString\n%s", text);
    write_file(in(folder, "solution.csv"), with_heading, strlen(with_heading));
    write_file(in(folder, "truth.txt"), truth, strlen(truth));
    write_file(in(folder, "synsets.txt"), "n02\nn00\nn01\n", 12);
}

static void check_val(const char *out, const char *const names[3]) {
    struct cnn_dataset *dataset;
    struct cnn_image_info info;
    assert_ok(cnn_dataset_open(&dataset, out));
    assert_int_equal(cnn_dataset_count(dataset), 10);
    for (int label = 0; label < 3; label++)
        assert_string_equal(cnn_dataset_class_name(dataset, label), names[label]);
    for (uint64_t i = 0; i < 10; i++) {
        int k = (red_of(dataset, i, &info) + 10) / 20;
        assert_int_equal(k, (int)i * 7 % 10);
        char name[16];
        snprintf(name, sizeof name, "n0%d", k % 3);
        if (names[0][0] == 'n')
            assert_string_equal(cnn_dataset_class_name(dataset, cnn_dataset_record(dataset, i).label), name);
        else
            assert_int_equal(cnn_dataset_record(dataset, i).label, (k + 1) % 3);
    }
    cnn_dataset_close(dataset);
}

static void test_flat_tar(void **state) {
    static const char *const wnids[3] = {"n00", "n01", "n02"}, *const numbers[3] = {"1", "2", "3"};
    struct cnn_archive_options list = {.labels = in(*state, "solution.csv")},
                               truth = {.labels = in(*state, "truth.txt"),
                                        .numbers = in(*state, "synsets.txt")};
    struct cnn_import_result result;
    put_val(*state);
    assert_ok(import(*state, "val.tar", "list", &list, &result));
    check_val(in(*state, "list"), wnids);
    assert_ok(import(*state, "val.tar", "truth", &truth, &result));
    check_val(in(*state, "truth"), wnids);
    truth.numbers = NULL;
    assert_ok(import(*state, "val.tar", "numbers", &truth, &result));
    check_val(in(*state, "numbers"), numbers);
    assert_fails(import(*state, "val.tar", "none", NULL, &result), CNN_ERR_INPUT, "--labels FILE");
}

static void test_wrong_labels(void **state) {
    struct cnn_archive_options archive = {.labels = in(*state, "l.txt")};
    struct cnn_import_result result;
    static const struct {
        const char *text, *says;
    } wrong[] = {{"", "l.txt is empty"},
                 {"1\n2\n3\n", "val.tar holds 10 images, "},
                 {"a.jpg,x\na.jpg,y\n", "l.txt:2: a.jpg has class 'y', but on line 1 class 'x'"},
                 {"a.jpg,x\nb.jpg\n", "l.txt:2: found 1 field,"},
                 {"a.jpg,x\n", "has no class for ILSVRC2012_val_"},
                 {"a.jpg,\"x\n", "l.txt:1: a quotation mark"}};
    put_val(*state);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_file(in(*state, "l.txt"), wrong[i].text, strlen(wrong[i].text));
        assert_fails(import(*state, "val.tar", "out", &archive, &result), CNN_ERR_INPUT, wrong[i].says);
    }
    write_file(in(*state, "l.txt"), "1\n2\n3\n4\n1\n1\n1\n1\n1\n1\n", 20);
    archive.numbers = in(*state, "synsets.txt");
    assert_fails(import(*state, "val.tar", "out", &archive, &result), CNN_ERR_INPUT, "'4' is not the number");
    assert_false(cnn_folder_exists(in(*state, "out")));
}

// ---- damage ----

static void test_damaged(void **state) {
    struct cnn_import_result result;
    size_t bytes;
    assert_fails(import(*state, "none.tar", "out", NULL, &result), CNN_ERR_INPUT, "none.tar");
    write_file(in(*state, "text.tar"), "this is no archive at all, though long enough to be", 50);
    assert_fails(import(*state, "text.tar", "out", NULL, &result), CNN_ERR_INPUT, "cannot be read as a tar");
    put_archive(in(*state, "a.tar"), false, 0, "");
    char *data = read_file(in(*state, "a.tar"), &bytes);
    write_file(in(*state, "cut.tar"), data, 9 * 1024 + 700); // within a picture
    assert_fails(import(*state, "cut.tar", "out", NULL, &result), CNN_ERR_INPUT, "cut");
    free(data);
    put_archive(in(*state, "a.tar.xz"), false, ARCHIVE_FILTER_XZ, "");
    data = read_file(in(*state, "a.tar.xz"), &bytes);
    write_file(in(*state, "cut.tar.xz"), data, bytes / 2);
    assert_fails(import(*state, "cut.tar.xz", "out", NULL, &result), CNN_ERR_INPUT, "cut.tar.xz");
    free(data);
    assert_false(cnn_folder_exists(in(*state, "out")));
}

// The real ones, where they are.
static void test_imagenette(void **state) {
    const char *base = getenv("CNN_TEST_DATA");
    const char *file = in(base ? base : CNN_SOURCE_DIR "/../shared/data", "imagenette224.tar");
    struct cnn_import_options options = {.out = in(*state, "net"), .threads = 2, .check = CNN_CHECK_DECODE};
    struct cnn_import_result result;
    struct cnn_dataset *dataset;
    if (!cnn_file_exists(file)) {
        print_message("%s is not there: skipped\n", file);
        skip();
    }
    assert_ok(cnn_import_archive(&result, file, &(struct cnn_archive_options){0}, &options));
    assert_int_equal(result.records, 3000);
    assert_int_equal(result.quarantined, 0);
    assert_ok(cnn_dataset_open(&dataset, in(*state, "net/train")));
    assert_int_equal(cnn_dataset_count(dataset), 2000);
    assert_int_equal(cnn_dataset_header(dataset)->h, 224);
    assert_string_equal(cnn_dataset_class_name(dataset, 0), "n01440764");
    for (int label = 0; label < 10; label++)
        assert_int_equal(count_label(dataset, label), 200);
    cnn_dataset_close(dataset);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_create, scratch_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_kinds),
        TEST(test_any_number_of_processes),
        TEST(test_names_are_no_paths),
        TEST(test_under_and_splits),
        TEST(test_tar_of_tars),
        TEST(test_flat_tar),
        TEST(test_wrong_labels),
        TEST(test_damaged),
        TEST(test_imagenette),
    };
    use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
