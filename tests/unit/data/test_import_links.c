// What is in an archive once it is unpacked: links, members of the same path, folders; and the names of its
// members.
#include "archive_fixture.h"

#include "base/log.h"
#include <locale.h>
#include <zlib.h>

static void keep_lines(void *context, enum cnn_log_level level, const char *line) {
    char *lines = context;
    size_t n = strlen(lines);
    snprintf(lines + n, 1024 - n, "%s\n", line);
}

// "cat 10, dog 20, ": the class and the brightness of each record in turn, rounded to tens.
static void describe(char out[512], const char *folder) {
    struct cnn_dataset *dataset;
    struct cnn_image_info info;
    out[0] = '\0';
    assert_ok(cnn_dataset_open(&dataset, folder));
    for (uint64_t i = 0; i < cnn_dataset_count(dataset); i++) {
        const char *name = cnn_dataset_class_name(dataset, cnn_dataset_record(dataset, i).label);
        sprintf(out + strlen(out), "%s %d, ", name, (red_of(dataset, i, &info) + 5) / 10 * 10);
    }
    cnn_dataset_close(dataset);
}

// One member of an archive: a picture of `value`, or where `to` is given a link; a folder where the name ends
// in /.
struct member {
    const char *name, *to;
    int value;
    bool hard;
};

static void put(const char *path, const struct member *members, bool zip, int filter) {
    struct made made;
    begin(&made, path, zip, filter);
    for (; members->name; members++)
        if (members->to && members->hard)
            add_hard(&made, members->name, members->to);
        else if (members->to)
            add_symbolic(&made, members->name, members->to);
        else if (members->name[strlen(members->name) - 1] == '/')
            add_node(&made, members->name, AE_IFDIR);
        else
            add_jpeg(&made, members->name, 8, members->value);
    end(&made);
}

struct unpacked {
    struct member members[12];
    const char *records;
    uint64_t quarantined, replaced;
};

// As a tar, which is read where its members lie, and compressed, which is read from front to back.
static void check(const char *folder, const struct unpacked *wanted, bool zip) {
    static const int filters[] = {0, ARCHIVE_FILTER_GZIP};
    static int n;
    for (int k = 0; k < 2; k++) {
        struct cnn_import_result result;
        char found[512], out[32];
        snprintf(out, sizeof out, "out%d", n++);
        put(in(folder, "a"), wanted->members, zip, zip ? 0 : filters[k]);
        assert_ok(import(folder, "a", out, NULL, &result));
        describe(found, in(folder, out));
        assert_string_equal(found, wanted->records);
        assert_int_equal(result.quarantined, wanted->quarantined);
        assert_int_equal(result.ignored.files[CNN_IGNORED_REPLACED], wanted->replaced);
    }
}

static void test_hard_links(void **state) {
    static const struct unpacked cases[] = {
        {{{"a/1.jpg", .value = 10}, {"b/2.jpg", .value = 20}, {"b/h.jpg", .to = "a/1.jpg", .hard = true}},
         "a 10, b 10, b 20, ",
         0,
         0},
        {{{"a/1.jpg", .value = 10},
          {"b/h.jpg", .to = "./a/1.jpg", .hard = true},
          {"c/h.jpg", .to = "b/h.jpg", .hard = true},
          {"c/3.jpg", .value = 30}},
         "a 10, b 10, c 10, c 30, ",
         0,
         0},
        {{{"b/h.jpg", .to = "a/1.jpg", .hard = true}, {"a/1.jpg", .value = 10}},
         "b 10, a 10, ",
         0,
         0}, // to a later one
        {{{"a/1.jpg", .value = 10}, {"b/h.jpg", .to = "a/2.jpg", .hard = true}, {"b/2.jpg", .value = 20}},
         "a 10, b 20, ",
         1,
         0},
        {{{"a/1.jpg", .value = 10}, // the link keeps what its target was
          {"b/h.jpg", .to = "a/1.jpg", .hard = true},
          {"a/1.jpg", .value = 90},
          {"b/i.jpg", .to = "a/1.jpg", .hard = true}},
         "b 10, a 90, b 90, ",
         0,
         1},
        {{{"a/1.jpg", .value = 10}, {"b/h.jpg", .to = "b/h.jpg", .hard = true}, {"b/2.jpg", .value = 20}},
         "a 10, b 20, ",
         1,
         0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(*state, &cases[i], false);
}

static void test_symbolic_links(void **state) {
    static const struct unpacked cases[] = {
        {{{"a/1.jpg", .value = 10},
          {"b/2.jpg", .value = 20},
          {"b/s.jpg", .to = "../a/1.jpg"},
          {"b/t.jpg", .to = "2.jpg"}},
         "a 10, b 10, b 20, b 20, ",
         0,
         0},
        {{{"b/s.jpg", .to = "../a/../c/t.jpg"},
          {"c/t.jpg", .to = "../a/1.jpg"},
          {"a/1.jpg", .value = 10}}, // later ones
         "b 10, c 10, a 10, ",
         0,
         0},
        {{{"a/1.jpg", .value = 10}, {"b/s.jpg", .to = "../l/1.jpg"}, {"l", .to = "a"}},
         "a 10, b 10, l 10, ",
         0,
         0},
        {{{"a/1.jpg", .value = 10},
          {"b/s.jpg", .to = "none.jpg"},
          {"b/t.jpg", .to = "/etc/passwd"},
          {"b/u.jpg", .to = "../../a/1.jpg"},
          {"b/v.jpg", .to = "w.jpg"},
          {"b/w.jpg", .to = "v.jpg"},
          {"b/2.jpg", .value = 20}},
         "a 10, b 20, ",
         5,
         0},
        {{{".store/9.jpg", .value = 90},
          {"a/1.jpg", .value = 10},
          {"a/s.jpg", .to = "../.store/9.jpg"}}, // as git-annex has it
         "a 90, a 10, ",
         0,
         0},
        {{{"a/1.jpg", .value = 10},
          {"b/h.jpg", .to = "a/1.jpg", .hard = true},
          {"b/s.jpg", .to = "h.jpg"}}, // and of both kinds
         "a 10, b 10, b 10, ",
         0,
         0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(*state, &cases[i], false);
        if (i < 5)
            check(*state, &cases[i], true);
    }
}

static void test_links_to_folders(void **state) {
    static const struct unpacked cases[] = {
        {{{"a/1.jpg", .value = 10}, {"a/sub/2.jpg", .value = 20}, {"b", .to = "./a/"}},
         "a 10, b 10, a 20, b 20, ",
         0,
         0},
        {{{"a/1.jpg", .value = 10}, {"b/0.jpg", .value = 0}, {"b/x", .to = "../a"}},
         "a 10, b 10, b 0, ",
         0,
         0},
        {{{"a/1.jpg", .value = 10},
          {"b/2.jpg", .value = 20},
          {"a/l", .to = "../b"},
          {"c", .to = "a"}}, // a link in a followed folder
         "a 10, c 10, b 20, a 20, c 20, ",
         0,
         0},
        {{{"a/1.jpg", .value = 10}, {"a/up", .to = ".."}, {"a/me", .to = "."}, {"b/2.jpg", .value = 20}},
         "a 10, b 20, ",
         2,
         0},
        {{{"a/l", .to = "../b"}, {"b/l", .to = "../a"}, {"a/1.jpg", .value = 10}, {"b/2.jpg", .value = 20}},
         "a 10, b 10, b 20, a 20, ",
         2,
         0}, // each in the other
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(*state, &cases[i], false);
}

// Folders that hold links to the next folder, two each, would make 2^30 files of one.
static void test_links_do_not_multiply(void **state) {
    struct cnn_import_result result;
    struct made made;
    char name[32], to[32];
    begin(&made, in(*state, "bomb.tar"), false, 0);
    add_jpeg(&made, "f0/1.jpg", 8, 1);
    for (int i = 1; i <= 30; i++)
        for (int k = 0; k < 2; k++) {
            snprintf(name, sizeof name, "f%d/l%d", i, k);
            snprintf(to, sizeof to, "../f%d", i - 1);
            add_symbolic(&made, name, to);
        }
    end(&made);
    assert_fails(import(*state, "bomb.tar", "out", NULL, &result), CNN_ERR_INPUT,
                 "links to folders lead to more than");
    assert_false(cnn_folder_exists(in(*state, "out")));
}

static void test_the_later_counts(void **state) {
    static const struct unpacked cases[] = {
        {{{"a/1.jpg", .value = 10}, {"a/2.jpg", .value = 20}, {"./a/1.jpg", .value = 90}},
         "a 20, a 90, ",
         0,
         1},
        {{{"a/1.jpg", .value = 10}, {"a/2.jpg", .value = 20}, {"a/1.jpg", .to = "2.jpg"}},
         "a 20, a 20, ",
         0,
         1},
        {{{"a/1.jpg", .to = "2.jpg"}, {"a/2.jpg", .value = 20}, {"a/1.jpg", .value = 10}},
         "a 20, a 10, ",
         0,
         1},
        {{{"/a/1.jpg", .value = 10}, {"b/../a/1.jpg", .value = 20}, {"../a/1.jpg", .value = 30}},
         "a 30, ",
         0,
         2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(*state, &cases[i], false);
        check(*state, &cases[i], true);
    }
}

static void test_what_is_left_out(void **state) {
    struct cnn_import_result result;
    struct made made;
    char lines[1024] = "", text[320];
    begin(&made, in(*state, "a.tar"), false, 0);
    add_jpeg(&made, "a/1.jpg", 8, 10);
    add_jpeg(&made, "a/1.jpg", 8, 20);
    add_jpeg(&made, "hidden/.1.jpg", 8, 10);
    add_jpeg(&made, "__MACOSX/a/._1.jpg", 8, 10);
    add_jpeg(&made, "beside.jpg", 8, 10);
    add_node(&made, "a/pipe", AE_IFIFO);
    add_node(&made, "empty/", AE_IFDIR);
    add_node(&made, "deep/er/", AE_IFDIR);
    add_symbolic(&made, "lost", "../elsewhere");
    add_symbolic(&made, "all lost/1.jpg", "0.jpg");
    end(&made);
    assert_ok(cnn_log_add_sink(keep_lines, lines, CNN_LOG_WARN));
    assert_ok(import(*state, "a.tar", "out", NULL, &result));
    cnn_log_remove_sink(keep_lines, lines);
    assert_int_equal(result.records, 1);
    assert_int_equal(result.quarantined, 1);
    assert_int_equal(result.n_classes, 5);
    cnn_ignored_format(text, sizeof text, &result.ignored);
    assert_string_equal(
        text, "ignored 6 files: 2 outside the class folders, 2 hidden, 1 not a regular file, 1 replaced by "
              "a later member of the same name");
    assert_non_null(strstr(lines, "1 broken or circular link: lost\n"));
    assert_non_null(strstr(lines, "no usable images of 4 of the 5 classes: all lost, deep, empty, hidden\n"));
}

// What a tar inside has lies in the folder of its name, and so do its links.
static void test_links_of_tars_inside(void **state) {
    static const struct member inner[] = {{"1.jpg", .value = 10},
                                          {"h.jpg", .to = "1.jpg", .hard = true},
                                          {"s.jpg", .to = "../n2/1.jpg"},
                                          {.name = NULL}};
    static const struct member other[] = {{"1.jpg", .value = 20}, {.name = NULL}};
    for (int gz = 0; gz < 2; gz++) {
        struct cnn_import_result result;
        struct made made;
        char found[512];
        put(in(*state, "n1"), inner, false, 0);
        put(in(*state, "n2"), other, false, 0);
        begin(&made, in(*state, "train.tar"), false, gz ? ARCHIVE_FILTER_GZIP : 0);
        add_file(&made, "n1.tar", in(*state, "n1"));
        add_file(&made, "n2.tar", in(*state, "n2"));
        end(&made);
        assert_ok(import(*state, "train.tar", gz ? "gz" : "plain", NULL, &result));
        describe(found, in(*state, gz ? "gz" : "plain"));
        assert_string_equal(found, "n1 10, n1 10, n1 20, n2 20, ");
    }
}

// A subset may take the link and not its target.
static void test_some_of_the_links(void **state) {
    static const struct member members[] = {
        {"a/1.jpg", .value = 10}, {"a/2.jpg", .to = "1.jpg"},      {"a/3.jpg", .to = "1.jpg"},
        {"a/4.jpg", .value = 40}, {"a/5.jpg", .to = "4.jpg"},      {"a/6.jpg", .to = "1.jpg"},
        {"a/7.jpg", .value = 70}, {"a/8.jpg", .to = "../a/7.jpg"}, {.name = NULL}};
    put(in(*state, "a.tar"), members, false, 0);
    put(in(*state, "a.tar.gz"), members, false, ARCHIVE_FILTER_GZIP);
    for (uint64_t seed = 1; seed < 9; seed++) {
        struct cnn_import_options options = {.name = "d", .subset = 4, .seed = seed, .threads = 2};
        struct cnn_import_result result;
        char plain[32], gz[32];
        snprintf(plain, sizeof plain, "plain%d", (int)seed);
        snprintf(gz, sizeof gz, "gz%d", (int)seed);
        options.out = in(*state, plain);
        assert_ok(
            cnn_import_archive(&result, in(*state, "a.tar"), &(struct cnn_archive_options){0}, &options));
        options.out = in(*state, gz);
        assert_ok(
            cnn_import_archive(&result, in(*state, "a.tar.gz"), &(struct cnn_archive_options){0}, &options));
        assert_same_folders(in(*state, plain), in(*state, gz));
    }
}

// ---- names ----

// Two forms of the same letters, which stay as they are.
#define COMPOSED "K\xc3\xa4"
#define DECOMPOSED "Ka\xcc\x88"

static void check_classes(const char *folder, const char *file, const char *out, const char *wanted) {
    struct cnn_import_result result;
    struct cnn_dataset *dataset;
    char found[512] = "";
    assert_ok(import(folder, file, out, NULL, &result));
    assert_ok(cnn_dataset_open(&dataset, in(folder, out)));
    for (int label = 0; label < cnn_dataset_header(dataset)->n_classes; label++)
        sprintf(found + strlen(found), "%s|", cnn_dataset_class_name(dataset, label));
    cnn_dataset_close(dataset);
    assert_string_equal(found, wanted);
}

// In a locale of UTF-8 libarchive writes these names in UTF-8 as pax has it, and would compose them when it
// reads.
static void test_names_in_tars(void **state) {
    struct made made;
    if (!setlocale(LC_ALL, "C.UTF-8"))
        skip();
    begin(&made, in(*state, "a.tar"), false, 0);
    add_jpeg(&made, COMPOSED "/1.jpg", 8, 10);
    add_jpeg(&made, DECOMPOSED "/1.jpg", 8, 10);
    add_jpeg(&made, "b/" DECOMPOSED ".jpg", 8, 10);
    add_symbolic(&made, "c/1.jpg", "../" DECOMPOSED "/1.jpg");
    end(&made);
    check_classes(*state, "a.tar", "utf8", DECOMPOSED "|" COMPOSED "|b|c|");
    setlocale(LC_ALL, "C");
    check_classes(*state, "a.tar", "c", DECOMPOSED "|" COMPOSED "|b|c|");
    assert_same_folders(in(*state, "c"), in(*state, "utf8"));
}

// A zip of stored pictures, whose headers say what libarchive's never do.
struct zip {
    uint8_t data[16384], directory[4096];
    size_t n, n_directory;
    int entries;
};

static void put_number(uint8_t *at, size_t n, uint32_t value) {
    for (size_t i = 0; i < n; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static void zip_add(struct zip *zip, const char *name, int flags, int host, const char *unicode) {
    uint8_t extra[64] = {0x75, 0x70}, head[46] = {'P', 'K', 1, 2, 20};
    size_t bytes, n_name = strlen(name), n_extra = 0;
    uint8_t *jpeg = make_jpeg(&bytes, 8, 10);
    if (unicode) {
        n_extra = 9 + strlen(unicode);
        put_number(extra + 2, 2, (uint32_t)n_extra - 4);
        extra[4] = 1;
        put_number(extra + 5, 4, (uint32_t)crc32(0, (const Bytef *)name, (unsigned)n_name));
        memcpy(extra + 9, unicode, strlen(unicode));
    }
    head[5] = (uint8_t)host;
    put_number(head + 8, 2, (uint32_t)flags);
    put_number(head + 16, 4, (uint32_t)crc32(0, jpeg, (unsigned)bytes));
    put_number(head + 20, 4, (uint32_t)bytes);
    put_number(head + 24, 4, (uint32_t)bytes);
    put_number(head + 28, 2, (uint32_t)n_name);
    put_number(head + 30, 2, (uint32_t)n_extra);
    put_number(head + 42, 4, (uint32_t)zip->n);
    uint8_t *at = zip->data + zip->n;
    memcpy(at, "PK\3\4\24", 6); // and a zero byte
    memcpy(at + 6, head + 8, 24);
    memcpy(at + 30, name, n_name);
    memcpy(at + 30 + n_name, extra, n_extra);
    memcpy(at + 30 + n_name + n_extra, jpeg, bytes);
    zip->n += 30 + n_name + n_extra + bytes;
    at = zip->directory + zip->n_directory;
    memcpy(at, head, 46);
    memcpy(at + 46, name, n_name);
    memcpy(at + 46 + n_name, extra, n_extra);
    zip->n_directory += 46 + n_name + n_extra;
    zip->entries++;
    free(jpeg);
}

static void zip_write(struct zip *zip, const char *path) {
    uint8_t tail[22] = {'P', 'K', 5, 6};
    put_number(tail + 8, 2, (uint32_t)zip->entries);
    put_number(tail + 10, 2, (uint32_t)zip->entries);
    put_number(tail + 12, 4, (uint32_t)zip->n_directory);
    put_number(tail + 16, 4, (uint32_t)zip->n);
    memcpy(zip->data + zip->n, zip->directory, zip->n_directory);
    memcpy(zip->data + zip->n + zip->n_directory, tail, sizeof tail);
    write_file(path, zip->data, zip->n + zip->n_directory + sizeof tail);
}

static void test_names_in_zips(void **state) {
    enum { UTF8 = 0x0800 };
    static const struct {
        const char *name;
        int flags, host;
        const char *unicode, *wanted;
    } names[] = {{"ascii/1.jpg", 0, 3, NULL, "ascii|"},
                 {COMPOSED "/1.jpg", UTF8, 3, NULL, COMPOSED "|"},
                 {DECOMPOSED "/1.jpg", UTF8, 0, NULL, DECOMPOSED "|"},
                 {"K\x84/1.jpg", 0, 0, NULL, COMPOSED "|"}, // CP437
                 {"\xb0\xe4/1.jpg", 0, 3, NULL, "\xe2\x96\x91\xce\xa3|"},
                 {COMPOSED "/1.jpg", 0, 3, NULL, COMPOSED "|"}, // as macOS and old programs write UTF-8
                 {"K?/1.jpg", 0, 0, COMPOSED "/1.jpg", COMPOSED "|"},
                 {"win\\1.jpg", 0, 0, NULL, "win|"},
                 {"K\x84\\1.jpg", 0, 0, NULL, COMPOSED "|"},
                 {"a/b\\1.jpg", 0, 3, NULL, "a|"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct zip zip = {.n = 0};
        char out[32];
        snprintf(out, sizeof out, "out%zu", i);
        zip_add(&zip, names[i].name, names[i].flags, names[i].host, names[i].unicode);
        zip_write(&zip, in(*state, "a.zip"));
        check_classes(*state, "a.zip", out, names[i].wanted);
    }
    struct zip all = {.n = 0};
    struct cnn_import_result result;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        zip_add(&all, names[i].name, names[i].flags, names[i].host, names[i].unicode);
    zip_write(&all, in(*state, "a.zip"));
    check_classes(*state, "a.zip", "all", DECOMPOSED "|" COMPOSED "|a|ascii|win|\xe2\x96\x91\xce\xa3|");
    write_file(in(*state, "cut.zip"), all.data, all.n + 30); // the directory is missing
    assert_fails(import(*state, "cut.zip", "cut", NULL, &result), CNN_ERR_INPUT,
                 "cannot read the name of member 2");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_create, scratch_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_hard_links),           TEST(test_symbolic_links),
        TEST(test_links_to_folders),     TEST(test_links_do_not_multiply),
        TEST(test_the_later_counts),     TEST(test_what_is_left_out),
        TEST(test_links_of_tars_inside), TEST(test_some_of_the_links),
        TEST(test_names_in_tars),        TEST(test_names_in_zips),
    };
    use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
