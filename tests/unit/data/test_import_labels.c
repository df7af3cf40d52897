// `import tar --labels`: what a list of an archive's pictures may look like.
#include "import_fixture.h"

#include <archive.h>
#include <archive_entry.h>

// An archive with these members; of picture k the red is 40 * k.
static void put_archive(const char *path, const char *const *names) {
    struct archive *archive = archive_write_new();
    assert_int_equal(archive_write_set_format_pax_restricted(archive), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(archive, path), ARCHIVE_OK);
    for (int k = 0; names[k]; k++) {
        struct archive_entry *entry = archive_entry_new();
        size_t bytes;
        uint8_t *jpeg = make_jpeg(&bytes, 8, 40 * k);
        archive_entry_set_pathname(entry, names[k]);
        archive_entry_set_size(entry, (int64_t)bytes);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
        assert_int_equal(archive_write_data(archive, jpeg, bytes), bytes);
        archive_entry_free(entry);
        free(jpeg);
    }
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    archive_write_free(archive);
}

static enum cnn_status import(const char *folder, const char *text, const char *numbers,
                              struct cnn_import_result *result) {
    const struct cnn_archive_options archive = {.labels = in(folder, "l.csv"),
                                                .numbers = numbers ? in(folder, "numbers.txt") : NULL};
    struct cnn_import_options options = {.out = in(folder, "out"), .name = "d", .threads = 2};
    write_file(in(folder, "l.csv"), text, strlen(text));
    if (numbers)
        write_file(in(folder, "numbers.txt"), numbers, strlen(numbers));
    return cnn_import_archive(result, in(folder, "a.tar"), &archive, &options);
}

// The classes of the records in their order, and how many there are; then the dataset is removed.
static void check(const char *folder, const char *text, const char *numbers, const char *wanted) {
    struct cnn_import_result result;
    struct cnn_dataset *dataset;
    char found[300] = "";
    assert_ok(import(folder, text, numbers, &result));
    assert_ok(cnn_dataset_open(&dataset, in(folder, "out")));
    for (uint64_t i = 0; i < cnn_dataset_count(dataset); i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s ",
                 cnn_dataset_class_name(dataset, cnn_dataset_record(dataset, i).label));
    snprintf(found + strlen(found), sizeof found - strlen(found), "(%d)",
             cnn_dataset_header(dataset)->n_classes);
    cnn_dataset_close(dataset);
    assert_string_equal(found, wanted);
    assert_int_equal(unlink(in(folder, "out/d-00000-of-00001.h5")), 0);
}

static const char *const flat[] = {"train/000.jpg", "train/001.jpg", "train/002.jpg", "train/notes", NULL};

static void test_headings(void **state) {
    put_archive(in(*state, "a.tar"), flat);
    check(*state, "id,breed\n000,cat\n001,dog\n002,cat\n", NULL, "cat dog cat (2)");
    check(*state, "\nimg;class\r\n000.jpg;cat\r\n002.jpg;cat\r\n001.jpg;dog", NULL, "cat dog cat (2)");
    check(*state, "\"file\"\t\"label\"\r\"train/000.jpg\"\t\"10\"\r./train/001.jpg\t9\r/train/002\t10", NULL,
          "10 9 10 (2)");
    check(*state, "label\ncat\ndog\ncat\n", NULL, "cat dog cat (2)");
    check(*state, "id,number\n000,2\n001,1\n002,2\n", "name\na\nb\n", "b a b (2)");
    // A first line that names a picture that does not exist is not a heading: its class is kept.
    check(*state, "999.jpg,bird\n000,cat\n001,dog\n002,cat\n", NULL, "cat dog cat (3)");
}

// One line of --numbers may be called by two numbers.
static void test_same_number(void **state) {
    put_archive(in(*state, "a.tar"), flat);
    check(*state, "000,1\n001,01\n002,2\n", "a\nb\nc\n", "a a b (2)");
}

static void test_listed_twice(void **state) {
    struct cnn_import_result result;
    put_archive(in(*state, "a.tar"), flat);
    assert_fails(import(*state, "id,x\n000,cat\n001,dog\n002,cat\n./000,dog\n", NULL, &result), CNN_ERR_INPUT,
                 "l.csv:5: ./000 has class 'dog', but on line 2 class 'cat'");
    assert_fails(import(*state, "000,cat\n001,dog\n002,cat\n001.jpg,cat\n", NULL, &result), CNN_ERR_INPUT,
                 "l.csv:4: 001.jpg has class 'cat', but on line 2 class 'dog'");
    assert_ok(import(*state, "000,cat\n001,dog\n002,cat\n000,cat\n", NULL, &result));
    assert_int_equal(result.records, 3);
    assert_int_equal(result.ignored.files[CNN_IGNORED_REPEATED], 1);
    assert_int_equal(result.ignored.files[CNN_IGNORED_UNLISTED], 1); // notes
}

// A name in the list that two pictures have: with their folders they are told apart.
static void test_same_name_in_two_folders(void **state) {
    static const char *const names[] = {"a/1.jpg", "b/1.jpg", "b/2.png", NULL};
    struct cnn_import_result result;
    put_archive(in(*state, "a.tar"), names);
    assert_fails(import(*state, "1,cat\n2,dog\n", NULL, &result), CNN_ERR_INPUT,
                 "l.csv:1: '1' matches two images");
    check(*state, "a/1,cat\nb/1.jpg,dog\n2,dog\n", NULL, "cat dog dog (2)");
    check(*state, "1.jpg,cat\na/1.jpg,dog\n2,dog\n", NULL, "dog cat dog (2)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_create, scratch_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_headings),
        TEST(test_same_number),
        TEST(test_listed_twice),
        TEST(test_same_name_in_two_folders),
    };
    use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
