// How folders may lie in a source, and what else may be in them.
#include "import_fixture.h"

#include <sys/stat.h>

static enum cnn_status import(const char *folder, struct cnn_import_result *result) {
    struct cnn_import_options options = {.out = in(folder, "out"), .name = "d"};
    return cnn_import_folder(result, in(folder, "src"), &options);
}

// A picture for each name of the list, which ends with NULL; a name that ends with "/" is an empty folder.
static void put_files(const char *folder, const char *const *names) {
    for (; *names; names++) {
        const char *path = in(in(folder, "src"), *names);
        if (path[strlen(path) - 1] == '/')
            assert_ok(cnn_folder_create(path));
        else
            put_jpeg(path, 8, 100);
    }
}

static void remove_all(const char *folder) {
    char path[1100];
    snprintf(path, sizeof path, "%s", folder);
    nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

// "cat dog (4)" of a dataset.
static const char *describe(const char *path) {
    static char text[512];
    struct cnn_dataset *dataset;
    text[0] = '\0';
    assert_ok(cnn_dataset_open(&dataset, path));
    for (int label = 0; label < cnn_dataset_header(dataset)->n_classes; label++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s ",
                 cnn_dataset_class_name(dataset, label));
    snprintf(text + strlen(text), sizeof text - strlen(text), "(%d)", (int)cnn_dataset_count(dataset));
    cnn_dataset_close(dataset);
    return text;
}

#define FILES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_layouts(void **state) {
    const struct {
        const char *const *names;
        const char *out, *wanted; // dataset, classes and records
    } layouts[] = {
        {FILES("cat/1.jpg", "dog/2.jpg"), "out", "cat dog (2)"},
        {FILES("cat/1.jpg", "cat/2.jpg"), "out", "cat (2)"}, // one class
        {FILES("pics/cat/1.jpg", "pics/dog/2.jpg", "README"), "out", "cat dog (2)"},
        {FILES("a/b/cat/1.jpg", "a/b/dog/2.jpg", "a/labels.csv"), "out", "cat dog (2)"},
        {FILES("pics/cat/1.jpg", "pics/dog/2.jpg", "other/"), "out", "cat dog (2)"},
        {FILES("pics/cat/old/1.jpg", "pics/dog/2.jpg"), "out", "cat dog (2)"},
        {FILES("a/b/1.jpg"), "out", "b (1)"},
        {FILES("data/train/cat/1.jpg", "data/val/cat/2.jpg", "data/val/dog/3.jpg"), "out/val", "cat dog (2)"},
        {FILES("train/cat/1.jpg", "test/2.jpg"), "out/train", "cat (1)"},
        {FILES("test/train/cat/1.jpg", "test/val/dog/2.jpg"), "out/val", "cat dog (1)"},
        {FILES("train/cat/1.jpg", "val/cat/2.jpg", "logs/"), "out/val", "cat (1)"},
        {FILES("train/x/y/cat/1.jpg", "val/x/y/dog/2.jpg", "val/x/README"), "out/val", "cat dog (1)"},
        {FILES("train/x/cat/1.jpg", "val/x/2.jpg"), "out/train", "x (1)"}, // x is a class: it has a picture
        {FILES("train/1.jpg", "bus/2.jpg"), "out", "bus train (2)"},       // a class that is called train
        {FILES("cat/train/1.jpg", "dog/train/2.jpg"), "out", "cat dog (2)"},
        {FILES("cat/1.jpg", "@eaDir/cat/2.jpg", "__MACOSX/cat/3.jpg", ".ipynb_checkpoints/4.jpg",
               "cat/Thumbs.db", "cat/.DS_Store", "dog/5.jpg", "dog/desktop.ini", "lost+found/"),
         "out", "cat dog (2)"},
    };
    struct cnn_import_result result;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        put_files(*state, layouts[i].names);
        assert_ok(import(*state, &result));
        assert_string_equal(describe(in(*state, layouts[i].out)), layouts[i].wanted);
        assert_int_equal(result.quarantined, 0);
        remove_all(in(*state, "src"));
        remove_all(in(*state, "out"));
    }
    assert_int_equal(result.ignored.files[CNN_IGNORED_HIDDEN], 7);
}

static void test_unclear_layouts(void **state) {
    const struct {
        const char *const *names;
        const char *says[3];
    } layouts[] = {
        {FILES("train/cat/1.jpg", "val/cat/2.jpg", "annotations/a.xml"),
         {"src holds folders of splits (train, val) beside other folders (annotations)", "src/train --out ",
          "src/val --out "}},
        {FILES("w/train/cat/1.jpg", "w/test/cat/2.jpg", "w/extra/3.jpg"),
         {"src/w holds folders of splits (test, train)", "src/w/train --out ", "out/test --classes-of "}},
        {FILES("train/cat/1.jpg", "bus/2.jpg"), {"splits (train) beside other folders (bus)"}},
        {FILES("train/1.jpg", "test/2.jpg"),
         {"src has no class folders: its splits (test, train) contain files", "import list FILE"}},
        {FILES("cat/train/1.jpg", "cat/val/2.jpg", "dog/train/3.jpg"),
         {"the folders cat, dog contain splits (", "found CLASS/SPLIT/IMAGE.jpg"}},
        {FILES("train/train/1.jpg", "train/val/2.jpg", "test/val/3.jpg"),
         {"the folders test, train contain splits (train, val)"}},
        {FILES("cat/1.jpg", "cat/2.jpg", "cat/old/3.jpg"),
         {"the only folder, cat, contains both images (2) and folders (with 1 files)", "src/cat --out "}},
    };
    struct cnn_import_result result;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        put_files(*state, layouts[i].names);
        for (int k = 0; k < 3 && layouts[i].says[k]; k++)
            assert_fails(import(*state, &result), CNN_ERR_INPUT, layouts[i].says[k]);
        assert_false(cnn_folder_exists(in(*state, "out")));
        remove_all(in(*state, "src"));
    }
}

// The line of quarantine.tsv that begins with `path`, or "".
static const char *reason_of(const char *folder, const char *path) {
    static char text[512];
    size_t bytes;
    char *report = read_file(in(folder, "out/quarantine.tsv"), &bytes), *rest;
    text[0] = '\0';
    for (char *line = strtok_r(report, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (strncmp(line, path, strlen(path)) == 0 && line[strlen(path)] == '\t')
            snprintf(text, sizeof text, "%s", line + strlen(path) + 1);
    free(report);
    return text;
}

// Links that lead nowhere or in a circle are one quarantined file each.
static void test_links(void **state) {
    struct cnn_import_result result;
    put_files(*state, FILES("cat/1.jpg", "cat/sub/2.jpg", "dog/3.jpg"));
    assert_int_equal(symlink("nowhere", in(*state, "src/cat/4.jpg")), 0);
    assert_int_equal(symlink("5.jpg", in(*state, "src/cat/5.jpg")), 0); // itself
    assert_int_equal(symlink("..", in(*state, "src/cat/up")), 0);
    assert_int_equal(symlink("../sub", in(*state, "src/cat/sub/again")), 0);
    assert_int_equal(symlink("../../..", in(*state, "src/dog/above")), 0);     // a folder that SRC lies in
    assert_int_equal(symlink("../dog/3.jpg", in(*state, "src/cat/6.jpg")), 0); // a good one
    assert_int_equal(symlink("cat", in(*state, "src/kitten")), 0);             // and one to a folder
    assert_int_equal(mkfifo(in(*state, "src/dog/fifo"), 0600), 0);
    assert_ok(import(*state, &result));
    assert_string_equal(describe(in(*state, "out")), "cat dog kitten (7)");
    assert_int_equal(result.quarantined, 9); // four in cat, and again in kitten, and one in dog
    assert_int_equal(result.ignored.files[CNN_IGNORED_SPECIAL], 1);
    assert_string_equal(reason_of(*state, "cat/4.jpg"), "cannot open it: No such file or directory");
    assert_string_equal(reason_of(*state, "cat/5.jpg"), "cannot open it: Too many levels of symbolic links");
    assert_string_equal(reason_of(*state, "cat/up"), "a link to a folder that contains it");
    assert_string_equal(reason_of(*state, "dog/above"), "a link to a folder that contains it");
    assert_string_equal(reason_of(*state, "kitten/sub/again"), "a link to a folder that contains it");
}

// Files and folders that this user may not read are quarantined, and the rest is imported.
static void test_no_permission(void **state) {
    struct cnn_import_result result;
    uid_t user = geteuid();
    put_files(*state, FILES("cat/1.jpg", "cat/2.jpg", "dog/3.jpg", "fox/old/4.jpg", "fox/5.jpg"));
    assert_int_equal(chmod(in(*state, "src/cat/2.jpg"), 0), 0);
    assert_int_equal(chmod(in(*state, "src/dog"), 0), 0);
    assert_int_equal(chmod(in(*state, "src/fox/old"), 0), 0);
    assert_int_equal(chmod(*state, 0777), 0);
    if (user == 0) // who may read everything
        assert_int_equal(seteuid(65534), 0);
    enum cnn_status status = import(*state, &result);
    assert_int_equal(seteuid(user), 0);
    chmod(in(*state, "src/dog"), 0700);
    chmod(in(*state, "src/fox/old"), 0700);
    assert_ok(status);
    assert_string_equal(describe(in(*state, "out")), "cat dog fox (2)"); // dog: a class without pictures
    assert_int_equal(result.quarantined, 3);
    assert_string_equal(reason_of(*state, "cat/2.jpg"), "cannot open it: Permission denied");
    assert_string_equal(reason_of(*state, "dog"), "cannot open it: Permission denied");
    assert_string_equal(reason_of(*state, "fox/old"), "cannot open it: Permission denied");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_create, scratch_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_layouts),
        TEST(test_unclear_layouts),
        TEST(test_links),
        TEST(test_no_permission),
    };
    use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
