#include "base/log.h"
#include "base/random.h"
#include "import_fixture.h"

#include <sys/stat.h>
#include <zlib.h>

// ---- idx ----

enum { N_IDX = 10, SIDE = 3, PICTURE = SIDE * SIDE };

struct idx_files {
    uint8_t images[16 + N_IDX * PICTURE], labels[8 + N_IDX];
};

static void put_big_endian(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static struct idx_files make_idx(void) {
    struct idx_files files = {{0, 0, 8, 3}, {0, 0, 8, 1}};
    put_big_endian(files.images + 4, N_IDX);
    put_big_endian(files.images + 8, SIDE);
    put_big_endian(files.images + 12, SIDE);
    put_big_endian(files.labels + 4, N_IDX);
    for (int i = 0; i < N_IDX * PICTURE; i++)
        files.images[16 + i] = (uint8_t)(i * 37 + 5);
    for (int i = 0; i < N_IDX; i++)
        files.labels[8 + i] = (uint8_t)(i * 3 % 5);
    return files;
}

static enum cnn_status import_idx(const char *folder, const void *images, size_t images_bytes,
                                  const void *labels, size_t labels_bytes, const char *const *names,
                                  int n_names, struct cnn_import_result *result) {
    struct cnn_import_options options = {.out = in(folder, "out"), .shard_records = 4, .size = 1};
    write_file(in(folder, "images"), images, images_bytes);
    write_file(in(folder, "labels"), labels, labels_bytes);
    return cnn_import_idx(result, in(folder, "images"), in(folder, "labels"), names, n_names, &options);
}

static void check_idx(const char *out) {
    struct idx_files files = make_idx();
    struct cnn_dataset *dataset;
    uint8_t pixels[PICTURE];
    assert_ok(cnn_dataset_open(&dataset, out));
    const struct cnn_shard_header *header = cnn_dataset_header(dataset);
    assert_int_equal(header->encoding, CNN_ENCODING_RAW);
    assert_int_equal(header->h, SIDE);
    assert_int_equal(header->w, SIDE);
    assert_int_equal(header->c, 1);
    assert_int_equal(header->n_classes, 5);
    assert_int_equal(header->n_shards, 3);
    assert_int_equal(cnn_dataset_count(dataset), N_IDX);
    for (uint64_t i = 0; i < N_IDX; i++) {
        assert_int_equal(cnn_dataset_record(dataset, i).id, i);
        assert_int_equal(cnn_dataset_record(dataset, i).label, files.labels[8 + i]);
        assert_ok(cnn_dataset_read(dataset, i, pixels));
        assert_memory_equal(pixels, files.images + 16 + i * PICTURE, PICTURE);
    }
    cnn_dataset_close(dataset);
}

static void test_idx(void **state) {
    static const char *const names[5] = {"p", "q", "r", "s", "t"};
    struct idx_files files = make_idx();
    struct cnn_import_result result;
    struct cnn_dataset *dataset;
    assert_ok(import_idx(*state, files.images, sizeof files.images, files.labels, sizeof files.labels, NULL,
                         0, &result));
    assert_int_equal(result.records, N_IDX);
    assert_int_equal(result.n_classes, 5);
    assert_int_equal(result.n_shards, 3);
    check_idx(in(*state, "out"));
    // The same again is at home; other names for the classes are another dataset.
    assert_ok(import_idx(*state, files.images, sizeof files.images, files.labels, sizeof files.labels, NULL,
                         0, &result));
    assert_int_equal(result.records, N_IDX);
    assert_fails(import_idx(*state, files.images, sizeof files.images, files.labels, sizeof files.labels,
                            names, 5, &result),
                 CNN_ERR_INPUT, "another dataset");
    assert_ok(rename(in(*state, "out"), in(*state, "first")) == 0 ? CNN_OK : CNN_ERR_IO);
    assert_ok(import_idx(*state, files.images, sizeof files.images, files.labels, sizeof files.labels, names,
                         5, &result));
    assert_ok(cnn_dataset_open(&dataset, in(*state, "out")));
    assert_string_equal(cnn_dataset_class_name(dataset, 4), "t");
    cnn_dataset_close(dataset);
}

static size_t gzip(uint8_t *out, size_t room, const void *data, size_t bytes) {
    z_stream stream = {
        .next_in = (Bytef *)data, .avail_in = (uInt)bytes, .next_out = out, .avail_out = (uInt)room};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return room - stream.avail_out;
}

static void empty_folder(const char *folder) {
    char **names;
    size_t n;
    assert_ok(cnn_folder_list(&names, &n, folder, "", ""));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(unlink(in(folder, names[i])), 0);
    cnn_names_free(names, n);
}

static void test_idx_gz(void **state) {
    struct idx_files files = make_idx();
    struct cnn_import_result result;
    uint8_t images[1000], labels[1000];
    size_t images_bytes = gzip(images, sizeof images, files.images, sizeof files.images);
    size_t labels_bytes = gzip(labels, sizeof labels, files.labels, sizeof files.labels);
    assert_ok(import_idx(*state, images, images_bytes, labels, labels_bytes, NULL, 0, &result));
    check_idx(in(*state, "out"));
    empty_folder(in(*state, "out"));
    for (size_t cut = 0; cut < images_bytes; cut++) // 0 bytes, and every other length
        assert_status(import_idx(*state, images, cut, labels, labels_bytes, NULL, 0, &result), CNN_ERR_INPUT);
    for (size_t at = 0; at < images_bytes; at++) {
        images[at] ^= 0x10;
        enum cnn_status status =
            import_idx(*state, images, images_bytes, labels, labels_bytes, NULL, 0, &result);
        images[at] ^= 0x10;
        if (status == CNN_OK) { // flags and time of the gz header, and bits that pad the data, say nothing
            assert_in_range(at, 4, images_bytes - 9);
            check_idx(in(*state, "out"));
            empty_folder(in(*state, "out"));
        }
    }
    assert_int_equal(count_entries(in(*state, "out")), 0); // nothing was written from a bad file
}

static void test_idx_wrong(void **state) {
    static const char *const names[4] = {"p", "q", "r", "s"};
    const struct idx_files good = make_idx();
    struct idx_files files = good;
    struct cnn_import_result result;
    size_t all = sizeof files.images, labels = sizeof files.labels;
    for (size_t cut = 0; cut < all; cut++)
        assert_status(import_idx(*state, files.images, cut, files.labels, labels, NULL, 0, &result),
                      CNN_ERR_INPUT);
    for (size_t cut = 0; cut < labels; cut++)
        assert_status(import_idx(*state, files.images, all, files.labels, cut, NULL, 0, &result),
                      CNN_ERR_INPUT);
    uint8_t longer[sizeof files.images + 1] = {0};
    memcpy(longer, files.images, all);
    assert_fails(import_idx(*state, longer, all + 1, files.labels, labels, NULL, 0, &result), CNN_ERR_INPUT,
                 "contains data after");
    assert_fails(import_idx(*state, files.labels, labels, files.images, all, NULL, 0, &result), CNN_ERR_INPUT,
                 "not an idx file of images");
    assert_fails(import_idx(*state, files.images, all, files.images, all, NULL, 0, &result), CNN_ERR_INPUT,
                 "not an idx file of labels");
    assert_fails(import_idx(*state, files.images, all, files.labels, labels, names, 4, &result),
                 CNN_ERR_INPUT, "record 3: label 4");
    put_big_endian(files.labels + 4, N_IDX - 1);
    assert_fails(import_idx(*state, files.images, all, files.labels, labels, NULL, 0, &result), CNN_ERR_INPUT,
                 "belong together");
    static const uint32_t hostile[][3] = {{0, 3, 3},         {0xffffffff, 3, 3},  {10, 0, 3},
                                          {10, 3, 0},        {10, 0xffffffff, 1}, {10, 65535, 65535},
                                          {0x7ffffff, 3, 3}, {10, 60000, 2000}};
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        files = good;
        for (int k = 0; k < 3; k++)
            put_big_endian(files.images + 4 + 4 * k, hostile[i][k]);
        put_big_endian(files.labels + 4, hostile[i][0]);
        assert_status(import_idx(*state, files.images, all, files.labels, labels, NULL, 0, &result),
                      CNN_ERR_INPUT);
    }
    assert_false(cnn_folder_exists(in(*state, "out")));
    assert_status(cnn_import_idx(&result, in(*state, "none"), in(*state, "none"), NULL, 0,
                                 &(struct cnn_import_options){.out = in(*state, "out")}),
                  CNN_ERR_INPUT);
}

static void test_fashion_mnist(void **state) {
    const char *base = getenv("CNN_TEST_DATA");
    const char *data = in(base ? base : CNN_SOURCE_DIR "/../shared/data", "fashion-mnist");
    struct cnn_import_options options = {.out = in(*state, "fm")};
    struct cnn_import_result result;
    struct cnn_dataset *dataset;
    uint8_t pixels[784];
    uint64_t of_class[10] = {0};
    double mean[3], std[3];
    if (!cnn_file_exists(in(data, "t10k-images-idx3-ubyte.gz"))) {
        print_message("%s is not there: skipped\n", data);
        skip();
    }
    assert_ok(cnn_import_idx(&result, in(data, "t10k-images-idx3-ubyte.gz"),
                             in(data, "t10k-labels-idx1-ubyte.gz"), NULL, 0, &options));
    assert_int_equal(result.records, 10000);
    assert_int_equal(result.n_classes, 10);
    assert_ok(cnn_dataset_open(&dataset, in(*state, "fm")));
    for (uint64_t i = 0; i < 10000; i++)
        of_class[cnn_dataset_record(dataset, i).label]++;
    for (int label = 0; label < 10; label++)
        assert_int_equal(of_class[label], 1000);
    assert_int_equal(cnn_dataset_record(dataset, 0).label, 9); // an ankle boot, as everybody knows
    assert_ok(cnn_dataset_read(dataset, 0, pixels));
    assert_int_equal(pixels[0], 0);
    assert_ok(cnn_dataset_stats(dataset, 1, 10000, 2, mean, std));
    assert_true(mean[0] > 0.286 && mean[0] < 0.288);
    assert_true(std[0] > 0.352 && std[0] < 0.353);
    cnn_dataset_close(dataset);
}

// ---- CIFAR-10 ----

enum { CIFAR_RECORD = 3073 };

static void write_cifar(const char *path, int n, int first) {
    uint8_t *data = malloc((size_t)n * CIFAR_RECORD);
    for (int i = 0; i < n; i++) {
        uint8_t *record = data + (size_t)i * CIFAR_RECORD;
        record[0] = (uint8_t)((first + i) % 10);
        for (int c = 0; c < 3; c++)
            for (int pixel = 0; pixel < 1024; pixel++)
                record[1 + c * 1024 + pixel] = (uint8_t)(c * 80 + pixel % 79 + first + i);
    }
    write_file(path, data, (size_t)n * CIFAR_RECORD);
    free(data);
}

static void test_cifar10(void **state) {
    char paths[2][1100];
    const char *files[2] = {paths[0], paths[1]};
    struct cnn_import_options options = {.out = in(*state, "c10"), .shard_records = 6, .size = 1};
    struct cnn_import_result result;
    struct cnn_dataset *dataset;
    uint8_t pixels[3072];
    snprintf(paths[0], sizeof paths[0], "%s", in(*state, "data_batch_1.bin"));
    snprintf(paths[1], sizeof paths[1], "%s", in(*state, "data_batch_2.bin"));
    write_cifar(paths[0], 7, 0);
    write_cifar(paths[1], 8, 7);
    assert_ok(cnn_import_cifar(&result, CNN_CIFAR10, files, 2, NULL, 0, &options));
    assert_int_equal(result.records, 15);
    assert_int_equal(result.n_shards, 3);
    assert_ok(cnn_dataset_open(&dataset, options.out));
    assert_string_equal(cnn_dataset_class_name(dataset, 0), "airplane");
    assert_string_equal(cnn_dataset_class_name(dataset, 9), "truck");
    for (uint64_t i = 0; i < 15; i++) {
        assert_int_equal(cnn_dataset_record(dataset, i).label, i % 10);
        assert_ok(cnn_dataset_read(dataset, i, pixels));
        for (int k = 0; k < 3072; k++)
            assert_int_equal(pixels[k], (uint8_t)(k % 3 * 80 + k / 3 % 79 + (int)i));
    }
    cnn_dataset_close(dataset);
}

static void test_cifar10_wrong(void **state) {
    const char *path = in(*state, "b.bin"), *missing = in(*state, "none.bin");
    struct cnn_import_options options = {.out = in(*state, "out"), .size = 1};
    struct cnn_import_result result;
    size_t bytes;
    assert_status(cnn_import_cifar(&result, CNN_CIFAR10, &missing, 1, NULL, 0, &options), CNN_ERR_INPUT);
    write_cifar(path, 3, 0);
    char *data = read_file(path, &bytes);
    write_file(path, data, bytes - 1);
    assert_fails(cnn_import_cifar(&result, CNN_CIFAR10, &path, 1, NULL, 0, &options), CNN_ERR_INPUT,
                 "not a multiple");
    write_file(path, data, 0);
    assert_status(cnn_import_cifar(&result, CNN_CIFAR10, &path, 1, NULL, 0, &options), CNN_ERR_INPUT);
    data[2 * CIFAR_RECORD] = 10;
    write_file(path, data, bytes);
    assert_fails(cnn_import_cifar(&result, CNN_CIFAR10, &path, 1, NULL, 0, &options), CNN_ERR_INPUT,
                 "record 2: label 10");
    free(data);
    assert_false(cnn_folder_exists(options.out));
}

// ---- folders ----

static const struct {
    const char *path;
    int label;
} listed[] = {
    {"B cat/1.jpg", 0},          {"B cat/10.jpg", 0}, {"B cat/2.JPEG", 0},
    {"B cat/sub/deep/0.jpg", 0}, {"a dog/x.jpg", 1},  {"zebra/pic", 2},
};

static void make_folder(const char *folder, int side) {
    for (int i = 0; i < 6; i++)
        put_jpeg(in(folder, listed[i].path), side, 40 * i);
    write_file(in(folder, "notes.txt"), "beside the classes", 18);
    write_file(in(folder, "zebra/.hidden.jpg"), "x", 1);
}

static enum cnn_status import_folder(const char *folder, const char *out, struct cnn_import_result *result) {
    struct cnn_import_options options = {.out = out, .size = 1, .shard_records = 4};
    return cnn_import_folder(result, folder, &options);
}

static void test_folder(void **state) {
    struct cnn_import_result result;
    struct cnn_dataset *dataset;
    make_folder(in(*state, "src"), 12);
    assert_ok(import_folder(in(*state, "src"), in(*state, "out/"),
                            &result)); // named after the folder, slash or not
    assert_int_equal(result.records, 6);
    assert_int_equal(result.quarantined, 0);
    assert_int_equal(result.ignored.files[CNN_IGNORED_OUTSIDE], 1);
    assert_int_equal(result.n_classes, 3);
    assert_int_equal(result.n_shards, 2);
    assert_int_equal(count_entries(in(*state, "out")), 2);
    assert_true(cnn_file_exists(in(*state, "out/out-00001-of-00002.h5")));
    assert_ok(cnn_dataset_open(&dataset, in(*state, "out")));
    assert_int_equal(cnn_dataset_header(dataset)->h, 12);
    assert_int_equal(cnn_dataset_header(dataset)->w, 12);
    assert_string_equal(cnn_dataset_class_name(dataset, 0), "B cat");
    assert_string_equal(cnn_dataset_class_name(dataset, 2), "zebra");
    for (uint64_t i = 0; i < 6; i++) {
        size_t bytes;
        char *wanted = read_file(in(in(*state, "src"), listed[i].path), &bytes), *found = malloc(bytes);
        struct cnn_record record = cnn_dataset_record(dataset, i);
        assert_int_equal(record.label, listed[i].label);
        assert_int_equal(record.id, i);
        assert_int_equal(record.bytes, bytes);
        assert_ok(cnn_dataset_read(dataset, i, found));
        assert_memory_equal(found, wanted, bytes);
        free(found);
        free(wanted);
    }
    cnn_dataset_close(dataset);
    assert_ok(import_folder(in(*state, "src"), in(*state, "out"), &result)); // again: all is there
    assert_int_equal(result.records, 6);
    put_jpeg(in(*state, "src/zebra/new.jpg"), 12, 0);
    assert_fails(import_folder(in(*state, "src"), in(*state, "out"), &result), CNN_ERR_INPUT,
                 "another dataset");
}

static void keep_line(void *context, enum cnn_log_level level, const char *line) {
    snprintf(context, 256, "%s", line);
}

// A class of which nothing can be used is warned of by name, as one whose folder is empty.
static void test_folder_class_lost(void **state) {
    struct cnn_import_result result;
    char line[256] = "";
    make_folder(in(*state, "src"), 12);
    write_file(in(*state, "src/bad/0.jpg"), "no picture", 10);
    mkdir(in(*state, "src/empty"), 0777);
    assert_ok(cnn_log_add_sink(keep_line, line, CNN_LOG_WARN));
    assert_ok(import_folder(in(*state, "src"), in(*state, "out"), &result));
    cnn_log_remove_sink(keep_line, line);
    assert_int_equal(result.records, 6);
    assert_int_equal(result.n_classes, 5);
    assert_non_null(strstr(line, "no usable images of 2 of the 5 classes: bad, empty"));
}

// Class folders with names in Latin-1: two classes that differ in such a byte stay two, under names in UTF-8.
static void test_folder_latin1(void **state) {
    struct cnn_import_result result;
    struct cnn_import_options options = {.out = in(*state, "ordered"), .size = 1};
    struct cnn_dataset *dataset;
    char line[256] = "";
    put_jpeg(in(*state, "src/caf\xe9/0.jpg"), 8, 0);
    put_jpeg(in(*state, "src/caf\xe8/0.jpg"), 8, 50);
    put_jpeg(in(*state, "src/K\xc3\xa4"
                        "fer/0.jpg"),
             8, 90);
    assert_ok(cnn_log_add_sink(keep_line, line, CNN_LOG_WARN));
    assert_ok(import_folder(in(*state, "src"), in(*state, "out"), &result));
    cnn_log_remove_sink(keep_line, line);
    assert_non_null(strstr(line, "is not UTF-8"));
    assert_ok(import_folder(in(*state, "src"), in(*state, "out"), &result));
    assert_true(result.was_there);
    assert_ok(cnn_dataset_open(&dataset, in(*state, "out")));
    assert_string_equal(cnn_dataset_class_name(dataset, 0), "K\xc3\xa4"
                                                            "fer");
    assert_string_equal(cnn_dataset_class_name(dataset, 1), "caf\\xe8");
    assert_string_equal(cnn_dataset_class_name(dataset, 2), "caf\\xe9");
    cnn_dataset_close(dataset);

    // A list of classes may have them in either form.
    write_file(in(*state, "order"),
               "caf\xe9\ncaf\\xe8\nK\xc3\xa4"
               "fer\n",
               20);
    options.classes = in(*state, "order");
    assert_ok(cnn_import_folder(&result, in(*state, "src"), &options));
    assert_ok(cnn_dataset_open(&dataset, in(*state, "ordered")));
    assert_string_equal(cnn_dataset_class_name(dataset, 0), "caf\\xe9");
    assert_string_equal(cnn_dataset_class_name(dataset, 1), "caf\\xe8");
    cnn_dataset_close(dataset);
}

// Sizes differ only between the shards: the headers must agree on "different".
static void test_folder_sizes(void **state) {
    struct cnn_import_result result;
    struct cnn_dataset *dataset;
    make_folder(in(*state, "src"), 12);
    put_jpeg(in(*state, "src/a dog/x.jpg"), 13, 0);
    put_jpeg(in(*state, "src/zebra/pic"), 13, 0);
    assert_ok(import_folder(in(*state, "src"), in(*state, "out"), &result));
    assert_ok(cnn_dataset_open(&dataset, in(*state, "out")));
    assert_int_equal(cnn_dataset_header(dataset)->h, 0);
    assert_int_equal(cnn_dataset_header(dataset)->w, 0);
    cnn_dataset_close(dataset);
}

// 300 pictures and one file that is none; three cannot be used. A PNG among JPEGs can.
static void make_spoiled_folder(const char *folder) {
    char path[1100];
    size_t bytes;
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "%s/class %d/%03d.jpg", folder, i / 100, i);
        put_jpeg(path, 8, i % 256);
    }
    uint8_t *jpeg = make_jpeg(&bytes, 8, 9);
    write_file(in(folder, "class 0/050.jpg"), jpeg, bytes / 2);
    write_file(in(folder, "class 1/new\nline.jpg"), "not a picture", 13);
    write_file(in(folder, "class 2/empty.jpg"), "", 0);
    put_png(in(folder, "class 2/stray.jpg"), 8);
    free(jpeg);
}

static void test_quarantine(void **state) {
    struct cnn_import_result result;
    struct cnn_dataset *dataset;
    size_t bytes;
    make_spoiled_folder(in(*state, "src"));
    struct cnn_import_options options = {.out = in(*state, "strict"), .size = 1, .strict = true};
    assert_fails(cnn_import_folder(&result, in(*state, "src"), &options), CNN_ERR_INPUT, "class 0/050.jpg");
    assert_false(cnn_folder_exists(options.out));
    options = (struct cnn_import_options){.out = in(*state, "out"), .size = 1, .shard_records = 70};
    for (int time = 0; time < 2; time++) { // the second time it is all there
        assert_ok(cnn_import_folder(&result, in(*state, "src"), &options));
        assert_int_equal(result.records, 300);
        assert_int_equal(result.quarantined, 3);
        assert_int_equal(result.n_shards, 5);
        assert_int_equal(count_entries(options.out), 6);
    }
    char *report = read_file(in(options.out, "quarantine.tsv"), &bytes), *line, *rest;
    assert_string_equal(strtok_r(report, "\n", &rest), "path\treason");
    static const char *const starts[3] = {"class 0/050.jpg\tJPEG: the file is truncated",
                                          "class 1/new?line.jpg\tnot a JPEG or PNG image",
                                          "class 2/empty.jpg\tthe file is empty"};
    for (int i = 0; i < 3; i++) {
        line = strtok_r(NULL, "\n", &rest);
        assert_non_null(line);
        if (strncmp(line, starts[i], strlen(starts[i])) != 0)
            fail_msg("'%s' does not begin '%s'", line, starts[i]);
    }
    assert_null(strtok_r(NULL, "\n", &rest));
    free(report);
    assert_ok(cnn_dataset_open(&dataset, options.out));
    assert_int_equal(cnn_dataset_count(dataset), 300);
    assert_int_equal(cnn_dataset_record(dataset, 49).id, 49);
    assert_int_equal(cnn_dataset_record(dataset, 50).id, 51); // the gap says what is missing
    assert_int_equal(cnn_dataset_header(dataset)->h, 8);
    cnn_dataset_close(dataset);
}

static void test_any_number_of_processes(void **state) {
    struct cnn_import_result result;
    char out[1100];
    make_spoiled_folder(in(*state, "src"));
    for (int size = 1; size <= 7; size++) {
        struct cnn_import_options options = {.out = out, .name = "d", .size = size, .shard_records = 70};
        uint64_t records = 0, quarantined = 0;
        snprintf(out, sizeof out, "%s/of%d", (char *)*state, size);
        for (int k = 0; k < size; k++) {
            options.rank = (k + 2) % size;
            assert_ok(cnn_import_folder(&result, in(*state, "src"), &options));
            records += result.records;
            quarantined += result.quarantined;
        }
        assert_int_equal(records, 300);
        assert_int_equal(quarantined, 3);
        assert_ok(cnn_import_finish(&result, &options));
        assert_int_equal(result.records, 300);
        assert_int_equal(result.quarantined, 3);
        assert_ok(cnn_import_finish(&result, &options)); // harmless
        assert_int_equal(result.quarantined, 3);
        assert_same_folders(in(*state, "of1"), out);
    }
}

// One of two processes dies: the dataset does not open, finish refuses, and the same command goes on.
static void test_resumed(void **state) {
    struct cnn_import_result result;
    struct cnn_dataset *dataset;
    make_spoiled_folder(in(*state, "src"));
    struct cnn_import_options options = {
        .out = in(*state, "whole"), .name = "d", .size = 1, .shard_records = 70};
    assert_ok(cnn_import_folder(&result, in(*state, "src"), &options));
    options.out = in(*state, "out");
    options.size = 2;
    options.rank = 1;
    assert_ok(cnn_import_folder(&result, in(*state, "src"), &options));
    assert_fails(cnn_dataset_open(&dataset, options.out), CNN_ERR_INPUT, "contains no shards");
    assert_fails(cnn_import_finish(&result, &options), CNN_ERR_INPUT, "run the import again");
    options.size = 1;
    options.rank = 0;
    assert_ok(cnn_import_folder(&result, in(*state, "src"), &options));
    assert_same_folders(in(*state, "whole"), options.out);
}

static void test_folder_wrong(void **state) {
    struct cnn_import_result result;
    const char *src = in(*state, "src"), *out = in(*state, "out");
    assert_fails(import_folder(src, out, &result), CNN_ERR_INPUT, "not a folder");
    write_file(in(src, "picture.jpg"), "x", 1);
    assert_fails(import_folder(src, out, &result), CNN_ERR_INPUT, "no class folders");
    assert_ok(cnn_folder_create(in(src, "empty")));
    assert_fails(import_folder(src, out, &result), CNN_ERR_INPUT, "are empty");
    write_file(in(src, "empty/text"), "no picture", 10);
    assert_fails(import_folder(src, out, &result), CNN_ERR_INPUT,
                 "example empty/text: not a JPEG or PNG image");
    write_file(in(src, "empty/text"), "\xff\xd8\xff\xe0 but then nothing", 20);
    assert_false(cnn_folder_exists(out));
    assert_fails(import_folder(src, out, &result), CNN_ERR_INPUT, "none of the 1 images");
}

// JPEG and PNG may mix; the header says what most are.
static void test_mixed_kinds(void **state) {
    struct cnn_import_result result;
    struct cnn_dataset *dataset;
    make_folder(in(*state, "src"), 8);
    put_png(in(*state, "src/a dog/y.png"), 8);
    assert_ok(import_folder(in(*state, "src"), in(*state, "out"), &result));
    assert_int_equal(result.records, 7);
    assert_ok(cnn_dataset_open(&dataset, in(*state, "out")));
    assert_int_equal(cnn_dataset_header(dataset)->encoding, CNN_ENCODING_JPEG);
    cnn_dataset_close(dataset);
    for (int i = 0; i < 3; i++)
        put_png(in(in(*state, "png/only"), &"a\0b\0c"[2 * i]), 8);
    put_jpeg(in(*state, "png/only/d"), 8, 1);
    assert_ok(import_folder(in(*state, "png"), in(*state, "other"), &result));
    assert_ok(cnn_dataset_open(&dataset, in(*state, "other")));
    assert_int_equal(cnn_dataset_header(dataset)->encoding, CNN_ENCODING_PNG);
    cnn_dataset_close(dataset);
}

static void test_out_is_taken(void **state) {
    struct cnn_import_result result;
    make_folder(in(*state, "src"), 8);
    write_file(in(*state, "out/thesis.tex"), "x", 1);
    assert_fails(import_folder(in(*state, "src"), in(*state, "out"), &result), CNN_ERR_INPUT, "thesis.tex");
    assert_int_equal(count_entries(in(*state, "out")), 1);
    assert_fails(import_folder(in(*state, "src"), in(*state, "out/thesis.tex"), &result), CNN_ERR_INPUT,
                 "thesis.tex");
    write_file(in(*state, "half/half-00000-of-00002.h5"), "damaged", 7);
    assert_fails(import_folder(in(*state, "src"), in(*state, "half"), &result), CNN_ERR_INPUT, "remove it");
    assert_status(import_folder(in(*state, "src"), "", &result), CNN_ERR_INPUT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_create, scratch_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_idx),           TEST(test_idx_gz),       TEST(test_idx_wrong),
        TEST(test_fashion_mnist), TEST(test_cifar10),      TEST(test_cifar10_wrong),
        TEST(test_folder),        TEST(test_folder_sizes), TEST(test_folder_class_lost),
        TEST(test_folder_latin1), TEST(test_quarantine),   TEST(test_any_number_of_processes),
        TEST(test_resumed),       TEST(test_folder_wrong), TEST(test_mixed_kinds),
        TEST(test_out_is_taken),
    };
    use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
