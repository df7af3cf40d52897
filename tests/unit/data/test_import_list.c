// `import list`: what a table of pictures may look like.
#include "import_fixture.h"

static enum cnn_status import_bytes(const char *folder, const char *text, size_t bytes,
                                    struct cnn_import_result *result) {
    struct cnn_import_options options = {.out = in(folder, "out"), .threads = 2};
    write_file(in(folder, "list.csv"), text, bytes);
    return cnn_import_list(result, in(folder, "list.csv"), NULL, &options);
}

static enum cnn_status import_list(const char *folder, const char *text, struct cnn_import_result *result) {
    return import_bytes(folder, text, strlen(text), result);
}

// The classes of the records in their order, "cat dog cat"; then the dataset is removed.
static const char *classes_of(const char *folder) {
    static char text[512];
    struct cnn_dataset *dataset;
    text[0] = '\0';
    assert_ok(cnn_dataset_open(&dataset, in(folder, "out")));
    for (uint64_t i = 0; i < cnn_dataset_count(dataset); i++) {
        const char *name = cnn_dataset_class_name(dataset, cnn_dataset_record(dataset, i).label);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i > 0 ? " " : "", name);
    }
    snprintf(text + strlen(text), sizeof text - strlen(text), " (%d)",
             cnn_dataset_header(dataset)->n_classes);
    cnn_dataset_close(dataset);
    assert_int_equal(unlink(in(folder, "out/out-00000-of-00001.h5")), 0);
    return text;
}

static void put_pictures(const char *folder, int n) {
    char name[32];
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%03d.jpg", i);
        put_jpeg(in(folder, name), 8, 10 * i);
    }
}

static void test_list(void **state) {
    struct cnn_import_result result;
    struct cnn_dataset *dataset;
    put_jpeg(in(*state, "p/1.jpg"), 8, 10);
    put_jpeg(in(*state, "p/a, b.jpg"), 8, 20);
    put_jpeg(in(*state, "p/3.jpg"), 8, 30);
    assert_ok(import_list(*state, "path,label\np/1.jpg,10\n\"p/a, b.jpg\", 9\r\n\np/3.jpg,10", &result));
    assert_int_equal(result.records, 3);
    assert_ok(cnn_dataset_open(&dataset, in(*state, "out")));
    assert_string_equal(cnn_dataset_class_name(dataset, 0), "9"); // numbers in their own order
    assert_int_equal(cnn_dataset_record(dataset, 0).label, 1);
    assert_int_equal(cnn_dataset_record(dataset, 1).label, 0);
    assert_int_equal(cnn_dataset_record(dataset, 2).id, 2);
    cnn_dataset_close(dataset);
}

static void test_wrong_list(void **state) {
    static const struct {
        const char *text, *says;
    } wrong[] = {{"", "lists no images"},
                 {"\n \r\n\t\r", "lists no images"},
                 {"path,label\n", "lists no images: line 1, the only one, names no file"},
                 {"path,label\np/none.jpg,a\n", "list.csv:2: no file "},
                 {"p/1.jpg,a\np/1.jpg\n", "list.csv:2: found 1 field,"},
                 {"p/1.jpg,a\np/1.jpg,\n", "list.csv:2: found 2 fields, one of them empty"},
                 {"p/1.jpg,a\n\np/none.jpg,a\n", "list.csv:3: no file "},
                 {"p/1.jpg,a,b\n", "list.csv:1: found 3 fields"},
                 {"p,a\n", "is not a file"},
                 {"p/1.jpg,\"a\n", "list.csv:1: a quotation mark"},
                 {"p/1.jpg,a\r\rp/1.jpg,\"b", "list.csv:3: a quotation mark"},
                 {"p/1.jpg;\"a\" b\n", "list.csv:1: found ' b' after a closing quotation mark"},
                 {"p/1.jpg,\"two\nlines\"\np/none.jpg,a\n", "list.csv:3: no file "}};
    struct cnn_import_result result;
    put_jpeg(in(*state, "p/1.jpg"), 8, 10);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_fails(import_list(*state, wrong[i].text, &result), CNN_ERR_INPUT, wrong[i].says);
    assert_false(cnn_folder_exists(in(*state, "out")));
}

// ---- headings ----

static void test_headings(void **state) {
    static const char *const headings[] = {
        "id,breed",       "image_id,label", "img,class",   "filename,species",
        "Bild,Klasse",    "\"id\",\"x\"",   "image/id,id", "picture name,what it shows",
        "folder,of what", "k\xc3\xa9p,a",   "0,1",         "path,label"};
    struct cnn_import_result result;
    put_pictures(*state, 4);
    assert_ok(cnn_folder_create(in(*state, "folder"))); // beside the list: names no picture either
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++) {
        char text[200];
        snprintf(text, sizeof text, "%s\n000.jpg,dog\n001.jpg,cat\n002.jpg,cat\n003.jpg,dog\n", headings[i]);
        assert_ok(import_list(*state, text, &result));
        assert_string_equal(classes_of(*state), "dog cat cat dog (2)");
    }
}

// A first line whose picture is missing is not a heading.
static void test_missing_first_picture(void **state) {
    struct cnn_import_result result;
    put_pictures(*state, 3);
    put_jpeg(in(*state, "b"), 8, 0);
    put_jpeg(in(*state, "c"), 8, 0);
    assert_fails(import_list(*state, "none.png,dog\n000.jpg,cat\n001.jpg,cat\n", &result), CNN_ERR_INPUT,
                 "list.csv:1: no file ");
    assert_fails(import_list(*state, "a,dog\nb,cat\nc,dog\n", &result), CNN_ERR_INPUT,
                 "list.csv:1: no file ");
    assert_fails(import_list(*state, "id,breed\nb,cat\na,dog\n", &result), CNN_ERR_INPUT,
                 "list.csv:3: no file ");
}

// ---- separators, quotation marks, line ends ----

static void test_separators_and_line_ends(void **state) {
    static const char *const ends[] = {"\n", "\r\n", "\r"};
    struct cnn_import_result result;
    put_pictures(*state, 3);
    for (int k = 0; k < 3 * 3 * 2 * 2 * 2; k++) {
        char text[400], separator = ",;\t"[k % 3];
        const char *end = ends[k / 3 % 3], *quote = k / 9 % 2 ? "\"" : "",
                   *mark = k / 18 % 2 ? "\xef\xbb\xbf" : "";
        const char *blank = k / 36 ? end : "";
        snprintf(text, sizeof text, "%s%s%sname%s%ckind%s%s000.jpg%s%c%sa%s%s \t%s%s001.jpg%s%cb%s002.jpg%ca",
                 mark, blank, quote, quote, separator, end, quote, quote, separator, quote, quote, end, end,
                 quote, quote, separator, end, separator);
        assert_ok(import_list(*state, text, &result));
        assert_string_equal(classes_of(*state), "a b a (2)");
    }
}

static void test_quoted_fields(void **state) {
    struct cnn_import_result result;
    put_jpeg(in(*state, "a,b;c\td.jpg"), 8, 1);
    put_jpeg(in(*state, "say \"hi\".jpg"), 8, 2);
    put_jpeg(in(*state, "two\nlines.jpg"), 8, 3);
    put_jpeg(in(*state, "5\" disk.jpg"), 8, 4);
    for (int k = 0; k < 3; k++) {
        char text[400], s = ",;\t"[k];
        snprintf(text, sizeof text,
                 "\"a,b;c\td.jpg\"%c\"x, y; z\"\n\"say \"\"hi\"\".jpg\"%c\"\"\"q\"\"\"\n"
                 "\"two\nlines.jpg\"%c\"x, y; z\"\n5\" disk.jpg%cinch\"\n",
                 s, s, s, s);
        assert_ok(import_list(*state, text, &result));
        assert_string_equal(classes_of(*state), "x, y; z \"q\" x, y; z inch\" (3)");
    }
    assert_fails(import_list(*state, "5\" disk.jpg,\"two\nlines\"\n", &result), CNN_ERR_INPUT,
                 "must not contain tabs or line ends");
}

// The separator is the one that cuts most lines in two.
static void test_separator_in_names(void **state) {
    struct cnn_import_result result;
    put_jpeg(in(*state, "a,b.jpg"), 8, 1);
    put_jpeg(in(*state, "c.jpg"), 8, 2);
    put_jpeg(in(*state, "d e.jpg"), 8, 3);
    assert_ok(import_list(*state, "a,b.jpg;cat\nc.jpg;dog\n", &result));
    assert_string_equal(classes_of(*state), "cat dog (2)");
    assert_ok(import_list(*state, "c.jpg\tcat, big\na,b.jpg\tdog\n", &result));
    assert_string_equal(classes_of(*state), "cat, big dog (2)");
    assert_ok(import_list(*state, "c.jpg cat\nd e.jpg dog\n", &result));
    assert_string_equal(classes_of(*state), "cat dog (2)");
    assert_ok(import_list(*state, "\"c.jpg\" \"big cat\"\n\"d e.jpg\" dog", &result));
    assert_string_equal(classes_of(*state), "big cat dog (2)");
}

static void test_encodings(void **state) {
    static const char le[] = "\xff\xfe"
                             "0\0,\0a\0\n\0",
                      be[] = "\xfe\xff\0"
                             "0\0,\0a\0\n",
                      none[] = "0\0,\0a\0\n";
    struct cnn_import_result result;
    assert_fails(import_bytes(*state, le, sizeof le - 1, &result), CNN_ERR_INPUT,
                 "UTF-16 text; save it as UTF-8");
    assert_fails(import_bytes(*state, be, sizeof be - 1, &result), CNN_ERR_INPUT,
                 "UTF-16 text; save it as UTF-8");
    assert_fails(import_bytes(*state, none, sizeof none, &result), CNN_ERR_INPUT, "zero byte");
}

// ---- pictures that are listed twice ----

static void test_listed_twice(void **state) {
    char text[1200];
    struct cnn_import_result result;
    put_pictures(*state, 3);
    assert_fails(import_list(*state, "000.jpg,cat\n001.jpg,dog\n\n000.jpg,dog\n", &result), CNN_ERR_INPUT,
                 "list.csv:4: 000.jpg has class 'dog', but on line 1 class 'cat'");
    assert_fails(import_list(*state, "name,kind\n./000.jpg,cat\nx/../000.jpg,dog\n", &result), CNN_ERR_INPUT,
                 "list.csv:3: x/../000.jpg has class 'dog', but on line 2 class 'cat'");
    snprintf(text, sizeof text, "000.jpg,cat\n%s,dog\n", in(*state, "000.jpg"));
    assert_fails(import_list(*state, text, &result), CNN_ERR_INPUT, "but on line 1 class 'cat'");
    assert_false(cnn_folder_exists(in(*state, "out")));
    assert_ok(
        import_list(*state, "000.jpg,cat\n001.jpg,dog\n000.jpg,cat\n.//000.jpg,cat\n002.jpg,cat\n", &result));
    assert_int_equal(result.records, 3);
    assert_int_equal(result.ignored.files[CNN_IGNORED_REPEATED], 2);
    assert_string_equal(classes_of(*state), "cat dog cat (2)");
}

// ---- the order of numbers ----

static void test_order_of_numbers(void **state) {
    static const struct {
        const char *labels[3], *order; // of records 0, 1, 2; classes by label
    } lists[] = {{{"10", "2", "1"}, "1 2 10"},
                 {{"007", "10", "9"}, "007 9 10"},
                 {{"2", "-10", "-9"}, "-10 -9 2"},
                 {{"123456789012345678901234567890", "20000000000", "3"},
                  "3 20000000000 123456789012345678901234567890"},
                 {{"10", "2", "2b"}, "10 2 2b"}}; // not all of them numbers: by name
    struct cnn_import_result result;
    put_pictures(*state, 3);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char text[300], found[300] = "";
        struct cnn_dataset *dataset;
        snprintf(text, sizeof text, "id,label\n000.jpg,%s\n001.jpg,%s\n002.jpg,%s\n", lists[i].labels[0],
                 lists[i].labels[1], lists[i].labels[2]);
        assert_ok(import_list(*state, text, &result));
        assert_ok(cnn_dataset_open(&dataset, in(*state, "out")));
        for (int label = 0; label < 3; label++)
            snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s", label > 0 ? " " : "",
                     cnn_dataset_class_name(dataset, label));
        cnn_dataset_close(dataset);
        assert_string_equal(found, lists[i].order);
        classes_of(*state);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_create, scratch_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_list),
        TEST(test_wrong_list),
        TEST(test_headings),
        TEST(test_missing_first_picture),
        TEST(test_separators_and_line_ends),
        TEST(test_quoted_fields),
        TEST(test_separator_in_names),
        TEST(test_encodings),
        TEST(test_listed_twice),
        TEST(test_order_of_numbers),
    };
    use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
