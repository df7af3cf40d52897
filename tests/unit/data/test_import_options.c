// What options do to records.
#include "import_fixture.h"

#include <zlib.h>

static enum cnn_status import(const char *folder, const char *source, struct cnn_import_options *options,
                              const char *out, struct cnn_import_result *result) {
    options->out = in(folder, out);
    options->threads = 2;
    return cnn_import_folder(result, in(folder, source), options);
}

static struct cnn_dataset *open_dataset(const char *folder, const char *name) {
    struct cnn_dataset *dataset;
    assert_ok(cnn_dataset_open(&dataset, in(folder, name)));
    return dataset;
}

// ---- which records ----

static void mark(bool seen[], const struct cnn_dataset *dataset) {
    for (uint64_t i = 0; i < cnn_dataset_count(dataset); i++) {
        uint64_t id = cnn_dataset_record(dataset, i).id;
        assert_false(seen[id]);
        seen[id] = true;
    }
}

// 103 pictures of classes of 35, 34 and 34: every class is cut alike, no record is lost or in two parts.
static void test_split(void **state) {
    static const char *const parts[3] = {"a/train", "a/val", "a/test"};
    static const double shares[3] = {0.7, 0.2, 0.1};
    struct cnn_import_options options = {.split = "train=0.7,val=0.2,test=0.1", .seed = 1};
    struct cnn_import_result result;
    bool seen[103] = {false};
    put_classes(in(*state, "src"), 103, 3);
    assert_ok(import(*state, "src", &options, "a", &result));
    assert_int_equal(result.records, 103);
    assert_int_equal(result.n_shards, 3);
    for (int p = 0; p < 3; p++) {
        struct cnn_dataset *dataset = open_dataset(*state, parts[p]);
        mark(seen, dataset);
        assert_in_range(cnn_dataset_count(dataset), 103 * shares[p] - 1, 103 * shares[p] + 1);
        for (int label = 0; label < 3; label++)
            assert_in_range(count_label(dataset, label), 34 * shares[p] - 1, 35 * shares[p] + 1);
        cnn_dataset_close(dataset);
    }
    for (int i = 0; i < 103; i++)
        assert_true(seen[i]);
    // The same seed, the same parts; another, others.
    assert_ok(import(*state, "src", &options, "b", &result));
    assert_same_folders(in(*state, "a/val"), in(*state, "b/val"));
    options.seed = 2;
    assert_ok(import(*state, "src", &options, "c", &result));
    struct cnn_dataset *x = open_dataset(*state, "a/val"), *y = open_dataset(*state, "c/val");
    uint64_t same = 0;
    for (uint64_t i = 0; i < cnn_dataset_count(x) && i < cnn_dataset_count(y); i++)
        same += cnn_dataset_record(x, i).id == cnn_dataset_record(y, i).id;
    assert_true(same < cnn_dataset_count(x) / 2);
    cnn_dataset_close(x);
    cnn_dataset_close(y);
}

static void test_wrong_split(void **state) {
    static const struct {
        const char *split, *says;
    } wrong[] = {{"train=0.8", "add up to 0.8"},         {"train", "expected NAME=SHARE"},
                 {"=1", "expected NAME=SHARE"},          {"a=0.5,a=0.5", "duplicate name a"},
                 {"a=0.5,../b=0.5", "expected NAME="},   {"a=1.5,b=-0.5", "share of a is 1.5"},
                 {"a=0.5,b=0.5,", "expected NAME="},     {"a=x", "expected NAME="},
                 {"a=0.999,b=0.001", "b would be empty"}};
    struct cnn_import_result result;
    put_classes(in(*state, "src"), 12, 2);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct cnn_import_options options = {.split = wrong[i].split};
        assert_fails(import(*state, "src", &options, "out", &result), CNN_ERR_INPUT, wrong[i].says);
    }
    assert_false(cnn_folder_exists(in(*state, "out")));
}

static void test_subset(void **state) {
    struct cnn_import_options options = {.subset = 30, .seed = 1};
    struct cnn_import_result result;
    put_classes(in(*state, "src"), 103, 3);
    assert_ok(import(*state, "src", &options, "a", &result));
    assert_int_equal(result.records, 30);
    struct cnn_dataset *dataset = open_dataset(*state, "a");
    for (int label = 0; label < 3; label++)
        assert_int_equal(count_label(dataset, label), 10);
    for (uint64_t i = 1; i < 30; i++) // in the order of the source
        assert_true(cnn_dataset_record(dataset, i).id > cnn_dataset_record(dataset, i - 1).id);
    cnn_dataset_close(dataset);
    options.subset = 1000; // more than there are
    assert_ok(import(*state, "src", &options, "b", &result));
    assert_int_equal(result.records, 103);
    options = (struct cnn_import_options){.subset = 40, .split = "x=0.5,y=0.5", .seed = 3};
    assert_ok(import(*state, "src", &options, "c", &result));
    assert_int_equal(result.records, 40);
    dataset = open_dataset(*state, "c/y");
    assert_int_equal(cnn_dataset_count(dataset), 20);
    cnn_dataset_close(dataset);
}

static void test_nested_splits(void **state) {
    struct cnn_import_options options = {0};
    struct cnn_import_result result;
    put_classes(in(*state, "src/train"), 20, 3);
    put_classes(in(*state, "src/val"), 6, 2);
    put_jpeg(in(*state, "src/val/extra/1.jpg"), 8, 0); // the classes are those of both together
    write_file(in(*state, "src/train/labels.csv"), "beside", 6);
    assert_ok(import(*state, "src", &options, "out", &result));
    assert_int_equal(result.records, 27);
    assert_int_equal(result.n_classes, 4);
    struct cnn_dataset *dataset = open_dataset(*state, "out/val");
    assert_int_equal(cnn_dataset_count(dataset), 7);
    assert_string_equal(cnn_dataset_class_name(dataset, 3), "extra");
    assert_int_equal(count_label(dataset, 2), 0);
    assert_int_equal(count_label(dataset, 3), 1);
    assert_true(cnn_file_exists(in(*state, "out/train/train-00000-of-00001.h5")));
    cnn_dataset_close(dataset);
    options.split = "a=0.5,b=0.5";
    assert_fails(import(*state, "src", &options, "no", &result), CNN_ERR_INPUT, "already split");
}

static void test_shard_sizes(void **state) {
    struct cnn_import_options options = {.shard_records = 50};
    struct cnn_import_result result;
    put_classes(in(*state, "src"), 103, 3);
    assert_ok(import(*state, "src", &options, "a", &result));
    assert_int_equal(result.n_shards, 3);
    options = (struct cnn_import_options){.shard_bytes = 10000}; // about 640 bytes a picture
    assert_ok(import(*state, "src", &options, "b", &result));
    assert_in_range(result.n_shards, 6, 8);
    options.shard_records = 1;
    assert_fails(import(*state, "src", &options, "c", &result), CNN_ERR_INPUT, "give one");
}

// ---- classes ----

static void test_class_order(void **state) {
    struct cnn_import_options options = {.classes = in(*state, "order.tsv")};
    struct cnn_import_result result;
    static const char order[] = "class 2\tthe third\nclass 0\r\n\nnever seen\nclass 1\tthe second\n";
    put_classes(in(*state, "src"), 9, 3);
    write_file(in(*state, "order.tsv"), order, strlen(order));
    assert_ok(import(*state, "src", &options, "a", &result));
    assert_int_equal(result.n_classes, 4);
    struct cnn_dataset *dataset = open_dataset(*state, "a");
    assert_string_equal(cnn_dataset_class_name(dataset, 0), "the third");
    assert_string_equal(cnn_dataset_class_name(dataset, 1), "class 0");
    assert_string_equal(cnn_dataset_class_name(dataset, 3), "the second");
    assert_int_equal(cnn_dataset_record(dataset, 0).label, 0); // sorted by label: class 2 comes first
    assert_int_equal(count_label(dataset, 2), 0);
    assert_int_equal(count_label(dataset, 3), 3);
    cnn_dataset_close(dataset);
    write_file(in(*state, "order.tsv"), "class 1\nclass 0\n", 16);
    assert_fails(import(*state, "src", &options, "b", &result), CNN_ERR_INPUT, "class 2");
    write_file(in(*state, "order.tsv"), "class 1\nclass 1\n", 16);
    assert_fails(import(*state, "src", &options, "b", &result), CNN_ERR_INPUT, "order.tsv:2");
}

// ---- what is stored ----

static uint8_t *gradient(int h, int w) {
    uint8_t *pixels = malloc((size_t)h * (size_t)w * 3);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++)
                pixels[3 * (y * w + x) + c] = (uint8_t)(c == 0 ? 255 * y / h : c == 1 ? 255 * x / w : 128);
    return pixels;
}

static void put_gradient(const char *path, int h, int w, bool png) {
    uint8_t *pixels = gradient(h, w), *data;
    size_t bytes;
    assert_ok(png ? cnn_image_encode_png(&data, &bytes, pixels, h, w, 3)
                  : cnn_image_encode_jpeg(&data, &bytes, pixels, h, w, 3, 95));
    write_file(path, data, bytes);
    free(data);
    free(pixels);
}

static void put_sizes(const char *folder) {
    put_gradient(in(folder, "c/1.jpg"), 100, 60, false);
    put_gradient(in(folder, "c/2.png"), 30, 120, true);
    put_gradient(in(folder, "c/3.jpg"), 20, 30, false);
}

static bool is_kept(const char *folder, const struct cnn_dataset *dataset, uint64_t i, const char *name) {
    size_t bytes;
    char *wanted = read_file(in(folder, name), &bytes), found[65536];
    bool same = cnn_dataset_record(dataset, i).bytes == bytes;
    if (same) {
        assert_ok(cnn_dataset_read(dataset, i, found));
        same = memcmp(wanted, found, bytes) == 0;
    }
    free(wanted);
    return same;
}

// The gradient is still one after shrinking: the middle of the picture has middle values.
static void check_gradient(const struct cnn_dataset *dataset, uint64_t i, int h, int w) {
    struct cnn_record record = cnn_dataset_record(dataset, i);
    struct cnn_image_info info;
    uint8_t *data = malloc(record.bytes), *pixels;
    assert_ok(cnn_dataset_read(dataset, i, data));
    assert_ok(cnn_dataset_decode(dataset, &pixels, &info, data, record.bytes, 3));
    assert_int_equal(info.h, h);
    assert_int_equal(info.w, w);
    const uint8_t *middle = pixels + 3 * (h / 2 * w + w / 2), *last = pixels + 3 * (h * w - 1);
    for (int c = 0; c < 2; c++) {
        assert_in_range(middle[c], 115, 140);
        assert_in_range(last[c], 225, 255);
    }
    free(pixels);
    free(data);
}

static void test_max_side(void **state) {
    struct cnn_import_options options = {.max_side = 50};
    struct cnn_import_result result;
    put_sizes(in(*state, "src"));
    assert_ok(import(*state, "src", &options, "a", &result));
    struct cnn_dataset *dataset = open_dataset(*state, "a");
    check_gradient(dataset, 0, 50, 30);
    check_gradient(dataset, 1, 13, 50);
    check_gradient(dataset, 2, 20, 30);
    assert_true(is_kept(*state, dataset, 2, "src/c/3.jpg")); // small enough as it is
    assert_int_equal(cnn_dataset_header(dataset)->encoding, CNN_ENCODING_JPEG);
    cnn_dataset_close(dataset);
    options.quality = 30;
    assert_ok(import(*state, "src", &options, "b", &result));
    struct cnn_dataset *worse = open_dataset(*state, "b");
    assert_false(is_kept(*state, worse, 2, "src/c/3.jpg"));
    dataset = open_dataset(*state, "a");
    for (uint64_t i = 0; i < 3; i++)
        assert_true(cnn_dataset_record(worse, i).bytes < cnn_dataset_record(dataset, i).bytes);
    cnn_dataset_close(dataset);
    cnn_dataset_close(worse);
}

static void test_raw(void **state) {
    struct cnn_import_options options = {.raw_h = 10, .raw_w = 10};
    struct cnn_import_result result;
    uint8_t pixels[300];
    put_sizes(in(*state, "src"));
    assert_ok(import(*state, "src", &options, "a", &result));
    struct cnn_dataset *dataset = open_dataset(*state, "a");
    const struct cnn_shard_header *header = cnn_dataset_header(dataset);
    assert_int_equal(header->encoding, CNN_ENCODING_RAW);
    assert_int_equal(header->h, 10);
    assert_int_equal(header->w, 10);
    assert_int_equal(header->c, 3);
    // The middle 30 x 30 of 30 x 120: red goes all the way down, green only from 3/8 to 5/8.
    assert_ok(cnn_dataset_read(dataset, 1, pixels));
    assert_in_range(pixels[0], 5, 20);
    assert_in_range(pixels[297], 225, 250);
    assert_in_range(pixels[1], 94, 108);
    assert_in_range(pixels[28], 145, 160);
    cnn_dataset_close(dataset);
    options.gray = true;
    assert_ok(import(*state, "src", &options, "b", &result));
    dataset = open_dataset(*state, "b");
    assert_int_equal(cnn_dataset_header(dataset)->c, 1);
    assert_int_equal(cnn_dataset_record(dataset, 0).bytes, 100);
    cnn_dataset_close(dataset);
    options.max_side = 20;
    assert_fails(import(*state, "src", &options, "c", &result), CNN_ERR_INPUT, "--max-side");
}

// A PNG of h x w that says after its pixels that its upper side is to the right: upright it is w x h.
static void put_turned(const char *path, int h, int w) {
    static const uint8_t content[] =
        "eXIfMM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0"; // and a zero byte
    size_t bytes, n = sizeof content;
    put_gradient(path, h, w, true);
    char *png = read_file(path, &bytes);
    uint32_t crc = (uint32_t)crc32(0, content, (unsigned)n);
    uint8_t chunk[4 + sizeof content + 4] = {0, 0, 0, (uint8_t)(n - 4)};
    memcpy(chunk + 4, content, n);
    for (int i = 0; i < 4; i++)
        chunk[4 + n + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    png = realloc(png, bytes + sizeof chunk);
    char *end = png + bytes - 12;
    memmove(end + sizeof chunk, end, 12);
    memcpy(end, chunk, sizeof chunk);
    write_file(path, png, bytes + sizeof chunk);
    free(png);
}

// What is stored of a turned PNG: its size upright, and pixels that were turned before they were encoded
// again.
static void test_turned_png(void **state) {
    struct cnn_import_options options = {0};
    struct cnn_import_result result;
    struct cnn_image_info info;
    uint8_t pixels[8 * 8 * 3];
    put_turned(in(*state, "src/c/1.png"), 40, 20);
    assert_ok(import(*state, "src", &options, "kept", &result));
    struct cnn_dataset *dataset = open_dataset(*state, "kept");
    assert_int_equal(cnn_dataset_header(dataset)->h, 20);
    assert_int_equal(cnn_dataset_header(dataset)->w, 40);
    assert_in_range(red_of(dataset, 0, &info), 240, 255); // the lower left corner, as stored
    cnn_dataset_close(dataset);
    options.max_side = 30;
    assert_ok(import(*state, "src", &options, "small", &result));
    dataset = open_dataset(*state, "small");
    assert_int_equal(cnn_dataset_header(dataset)->h, 15);
    assert_int_equal(cnn_dataset_header(dataset)->w, 30);
    assert_in_range(red_of(dataset, 0, &info), 230, 255);
    cnn_dataset_close(dataset);
    options = (struct cnn_import_options){.raw_h = 8, .raw_w = 8};
    assert_ok(import(*state, "src", &options, "raw", &result));
    dataset = open_dataset(*state, "raw");
    assert_ok(cnn_dataset_read(dataset, 0, pixels));
    assert_in_range(pixels[0] - pixels[3 * 7], 64, 255);      // red falls to the right
    assert_in_range(pixels[3 * 56 + 1] - pixels[1], 64, 255); // green rises downwards
    cnn_dataset_close(dataset);
}

// What ends after its pixels is kept; what ends before is not.
static void test_cut_png(void **state) {
    struct cnn_import_options options = {0};
    struct cnn_import_result result;
    size_t bytes;
    put_gradient(in(*state, "src/c/00.png"), 20, 20, true);
    char *png = read_file(in(*state, "src/c/00.png"), &bytes), name[32];
    for (size_t cut = 1; cut <= 30; cut++) {
        snprintf(name, sizeof name, "src/c/%02zu.png", cut);
        write_file(in(*state, name), png, bytes - cut);
    }
    assert_ok(import(*state, "src", &options, "out", &result));
    assert_in_range(result.records, 1 + 20,
                    1 + 21); // the last chunk, a checksum, that of the pixels, their end
    assert_int_equal(result.records + result.quarantined, 31);
    assert_int_equal(result.n_reasons, 1);
    assert_string_equal(result.reasons[0].text, "PNG: the file is truncated");
    assert_int_equal(result.reasons[0].pictures, result.quarantined);
    struct cnn_dataset *dataset = open_dataset(*state, "out");
    for (uint64_t i = 0; i < result.records; i++)
        check_gradient(dataset, i, 20, 20);
    cnn_dataset_close(dataset);
    char *report = read_file(in(*state, "out/quarantine.tsv"), &bytes);
    assert_non_null(strstr(report, "c/22.png\tPNG: the file is truncated\n"));
    free(report);
    free(png);
}

// A picture whose end is there and whose middle is not: only decoding finds it.
static void test_checks(void **state) {
    struct cnn_import_options options = {.check = CNN_CHECK_DECODE};
    struct cnn_import_result result;
    size_t bytes;
    put_gradient(in(*state, "src/c/1.jpg"), 200, 200, false);
    put_gradient(in(*state, "src/c/2.jpg"), 200, 200, false);
    put_gradient(in(*state, "src/c/3.jpg"), 200, 200, false);
    char *data = read_file(in(*state, "src/c/2.jpg"), &bytes);
    memset(data + bytes / 2, 0xa5, bytes / 4);
    write_file(in(*state, "src/c/2.jpg"), data, bytes);
    write_file(in(*state, "src/c/3.jpg"), data, bytes / 4); // and one that is cut short
    free(data);
    assert_ok(import(*state, "src", &options, "decode", &result));
    assert_int_equal(result.quarantined, 2);
    options.check = CNN_CHECK_HEADER;
    assert_ok(import(*state, "src", &options, "header", &result));
    assert_int_equal(result.quarantined, 1);
    options.check = CNN_CHECK_NONE;
    assert_ok(import(*state, "src", &options, "none", &result));
    assert_int_equal(result.quarantined, 0);
    struct cnn_dataset *dataset = open_dataset(*state, "none");
    assert_int_equal(cnn_dataset_header(dataset)->h, 0); // nobody has looked
    cnn_dataset_close(dataset);
}

// What a header claims is refused before memory is taken for it; other kinds of files are named.
static void test_refused_pictures(void **state) {
    static const struct {
        const char *name, *bytes;
        size_t n;
        const char *says;
    } files[] = {{"c/a.gif", "GIF89a\1\0\1\0", 10, "GIF is not supported"},
                 {"c/b.webp", "RIFF\0\0\0\0WEBPVP8 ", 16, "WebP is not supported"},
                 {"c/c.heic",
                  "\0\0\0\x18"
                  "ftypheic",
                  12, "HEIC is not supported"},
                 {"c/d.jpg", "\xff\xd8\xff\xc9\0\x0b\x08\0\1\0\1\1\1\x11\0", 15, "arithmetic coding"},
                 {"c/e.jpg", "\xff\xd8\xff\xc1\0\x0b\x0c\0\1\0\1\1\1\x11\0", 15, "12 bits per sample"},
                 {"c/f.jpg", "\xff\xd8\xff\xd9", 4, "truncated"},
                 {"c/g.jpg", "", 0, "empty"},
                 {"c/h.txt", "text", 4, "not a JPEG or PNG image"}};
    struct cnn_import_options options = {0};
    struct cnn_import_result result;
    size_t bytes, n = sizeof files / sizeof *files;
    for (size_t i = 0; i < n; i++)
        write_file(in(in(*state, "src"), files[i].name), files[i].bytes, files[i].n);
    put_gradient(in(*state, "src/c/huge.png"), 10, 10, true);
    char *png = read_file(in(*state, "src/c/huge.png"), &bytes);
    memcpy(png + 16, "\0\1\x86\xa0\0\1\x86\xa0", 8); // 100,000 x 100,000
    write_file(in(*state, "src/c/huge.png"), png, bytes);
    free(png);
    put_jpeg(in(*state, "src/c/z.jpg"), 8, 1);
    assert_ok(import(*state, "src", &options, "out", &result));
    assert_int_equal(result.records, 1);
    assert_int_equal(result.quarantined, n + 1);
    assert_int_equal(result.n_reasons, CNN_IMPORT_MAX_REASONS);
    for (int i = 0; i < result.n_reasons; i++)
        assert_int_equal(result.reasons[i].pictures, 1);
    assert_non_null(strstr(result.reasons[0].text, files[0].says));
    char *report = read_file(in(*state, "out/quarantine.tsv"), &bytes), *rest,
         *line = strtok_r(report, "\n", &rest);
    for (size_t i = 0; i < n; i++) {
        line = strtok_r(NULL, "\n", &rest);
        if (!line || strncmp(line, files[i].name, strlen(files[i].name)) != 0 || !strstr(line, files[i].says))
            fail_msg("'%s' does not say '%s' of %s", line, files[i].says, files[i].name);
    }
    line = strtok_r(NULL, "\n", &rest);
    assert_non_null(strstr(line, "100000 x 100000 pixels exceed the limit"));
    free(report);
}

// ---- other kinds ----

static void test_cifar100(void **state) {
    struct cnn_import_options options = {.out = in(*state, "fine"), .threads = 2};
    struct cnn_import_result result;
    uint8_t data[5 * 3074];
    const char *file = in(*state, "train.bin");
    for (int i = 0; i < 5; i++) {
        memset(data + i * 3074, 50 * i, 3074);
        data[i * 3074] = (uint8_t)(4 * i);
        data[i * 3074 + 1] = (uint8_t)(20 * i + 1);
    }
    write_file(file, data, sizeof data);
    assert_ok(cnn_import_cifar(&result, CNN_CIFAR100_FINE, &file, 1, NULL, 0, &options));
    struct cnn_dataset *dataset = open_dataset(*state, "fine");
    assert_int_equal(cnn_dataset_header(dataset)->n_classes, 100);
    assert_int_equal(cnn_dataset_record(dataset, 3).label, 61);
    uint8_t pixels[3072];
    assert_ok(cnn_dataset_read(dataset, 3, pixels));
    assert_int_equal(pixels[0], 150);
    assert_int_equal(pixels[3071], 150);
    cnn_dataset_close(dataset);
    options.out = in(*state, "coarse");
    assert_ok(cnn_import_cifar(&result, CNN_CIFAR100_COARSE, &file, 1, NULL, 0, &options));
    dataset = open_dataset(*state, "coarse");
    assert_int_equal(cnn_dataset_header(dataset)->n_classes, 20);
    assert_int_equal(cnn_dataset_record(dataset, 3).label, 12);
    cnn_dataset_close(dataset);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_create, scratch_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_split),       TEST(test_wrong_split), TEST(test_subset),   TEST(test_nested_splits),
        TEST(test_shard_sizes), TEST(test_class_order), TEST(test_max_side), TEST(test_raw),
        TEST(test_turned_png),  TEST(test_cut_png),     TEST(test_checks),   TEST(test_refused_pictures),
        TEST(test_cifar100),
    };
    use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
