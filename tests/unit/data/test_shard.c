#include "base/random.h"
#include "data/shard.h"
#include "scratch_folder.h"

#include <fcntl.h>
#include <hdf5.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

// HDF5 1.10 forgets a block of its own when it refuses a damaged file.
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libhdf5"; }

#define N 7

static const char *const names[3] = {"cat", "dog", "a longer name"};

// Record i: a few bytes that depend on i.
static size_t make_record(uint8_t data[64], uint64_t i) {
    struct cnn_draws draws = cnn_draws_of(3, CNN_PURPOSE_TEST, 0, i);
    size_t bytes = 5 + (size_t)(i * 11 % 50);
    for (size_t k = 0; k < bytes; k++)
        data[k] = (uint8_t)cnn_draw_u32(&draws);
    return bytes;
}

static struct cnn_shard_header header_of(uint64_t n) {
    return (struct cnn_shard_header){.encoding = CNN_ENCODING_JPEG,
                                     .n_classes = 3,
                                     .shard = 1,
                                     .n_shards = 4,
                                     .records_total = n + 30,
                                     .source = "a test"};
}

static void append_all(struct cnn_shard_writer *writer, uint64_t n) {
    uint8_t data[64];
    for (uint64_t i = 0; i < n; i++) {
        size_t bytes = make_record(data, i);
        assert_ok(cnn_shard_writer_append(writer, data, bytes, (int)(i % 3), 1000 + i));
    }
}

static void write_shard(const char *path, uint64_t n) {
    struct cnn_shard_header header = header_of(n);
    struct cnn_shard_writer *writer;
    assert_ok(cnn_shard_writer_create(&writer, path, &header, names));
    append_all(writer, n);
    assert_ok(cnn_shard_writer_commit(writer));
    cnn_shard_writer_destroy(writer);
}

// True when shard and records are those write_shard wrote; false when a record fails its checksum.
static bool is_as_written(const struct cnn_shard *shard, uint64_t n) {
    const struct cnn_shard_header *header = cnn_shard_header(shard);
    assert_int_equal(header->encoding, CNN_ENCODING_JPEG);
    assert_int_equal(header->n_classes, 3);
    assert_int_equal(header->shard, 1);
    assert_int_equal(header->n_shards, 4);
    assert_int_equal(header->records_total, n + 30);
    assert_int_equal(header->h, 0);
    assert_int_equal(header->w, 0);
    assert_string_equal(header->source, "a test");
    for (int label = 0; label < 3; label++)
        assert_string_equal(cnn_shard_class_name(shard, label), names[label]);
    assert_null(cnn_shard_class_name(shard, 3));
    assert_null(cnn_shard_class_name(shard, -1));
    assert_int_equal(cnn_shard_count(shard), n);
    for (uint64_t i = 0; i < n; i++) {
        uint8_t wanted[64], found[64];
        struct cnn_record record = cnn_shard_record(shard, i);
        assert_int_equal(record.bytes, make_record(wanted, i));
        assert_int_equal(record.label, i % 3);
        assert_int_equal(record.id, 1000 + i);
        if (cnn_shard_read(shard, i, found) != CNN_OK)
            return false;
        assert_memory_equal(found, wanted, record.bytes);
    }
    return true;
}

static void test_round_trip(void **state) {
    const uint64_t sizes[] = {0, 1, N, 5000};
    for (size_t k = 0; k < 4; k++) {
        struct cnn_shard *shard;
        const char *path = in(*state, "s.h5");
        write_shard(path, sizes[k]);
        assert_ok(cnn_shard_open(&shard, path));
        assert_true(is_as_written(shard, sizes[k]));
        cnn_shard_close(shard);
    }
    assert_int_equal(count_entries(*state), 1);
}

static void test_raw_and_large_records(void **state) {
    struct cnn_shard_header header = {.encoding = CNN_ENCODING_RAW,
                                      .h = 1000,
                                      .w = 700,
                                      .c = 3,
                                      .n_classes = 1,
                                      .n_shards = 1,
                                      .records_total = 3};
    struct cnn_shard_writer *writer;
    struct cnn_shard *shard;
    const char *path = in(*state, "raw.h5");
    size_t bytes = 1000 * 700 * 3; // more than the writer's buffer
    uint8_t *data = malloc(bytes), *found = malloc(bytes);
    assert_ok(cnn_shard_writer_create(&writer, path, &header, NULL));
    for (int i = 0; i < 3; i++) {
        memset(data, i + 1, bytes);
        data[bytes - 1] = 99;
        assert_ok(cnn_shard_writer_append(writer, data, bytes, 0, (uint64_t)i));
    }
    assert_fails(cnn_shard_writer_append(writer, data, bytes - 1, 0, 3), CNN_ERR_INPUT, "record 3");
    assert_fails(cnn_shard_writer_append(writer, data, bytes, 1, 4), CNN_ERR_INPUT, "label 1");
    assert_fails(cnn_shard_writer_append(writer, data, bytes, -1, 4), CNN_ERR_INPUT, "label -1");
    assert_ok(cnn_shard_writer_commit(writer));
    cnn_shard_writer_destroy(writer);
    assert_ok(cnn_shard_open(&shard, path));
    assert_int_equal(cnn_shard_count(shard), 3);
    assert_int_equal(cnn_shard_header(shard)->h, 1000);
    assert_int_equal(cnn_shard_header(shard)->w, 700);
    assert_int_equal(cnn_shard_header(shard)->c, 3);
    assert_null(cnn_shard_header(shard)->source);
    assert_null(cnn_shard_class_name(shard, 0));
    for (int i = 0; i < 3; i++) {
        assert_ok(cnn_shard_read(shard, (uint64_t)i, found));
        assert_int_equal(found[0], i + 1);
        assert_int_equal(found[bytes / 2], i + 1);
        assert_int_equal(found[bytes - 1], 99);
    }
    cnn_shard_close(shard);
    free(data);
    free(found);
}

// More than HDF5 keeps inside an object header: the names must come back all the same.
static void test_many_classes(void **state) {
    enum { CLASSES = 21841 };
    const char **many = malloc(CLASSES * sizeof *many);
    struct cnn_shard_header header = {
        .encoding = CNN_ENCODING_PNG, .n_classes = CLASSES, .n_shards = 1, .records_total = 1};
    struct cnn_shard_writer *writer;
    struct cnn_shard *shard;
    const char *path = in(*state, "many.h5");
    char text[200];
    for (int i = 0; i < CLASSES; i++) {
        snprintf(text, sizeof text, "class number %d %0*d", i, i % 100 + 1, 0);
        many[i] = strdup(text);
    }
    assert_ok(cnn_shard_writer_create(&writer, path, &header, many));
    assert_ok(cnn_shard_writer_append(writer, "x", 1, CLASSES - 1, 0));
    assert_ok(cnn_shard_writer_commit(writer));
    cnn_shard_writer_destroy(writer);
    assert_ok(cnn_shard_open(&shard, path));
    for (int i = 0; i < CLASSES; i++)
        assert_string_equal(cnn_shard_class_name(shard, i), many[i]);
    cnn_shard_close(shard);
    for (int i = 0; i < CLASSES; i++)
        free((void *)many[i]);
    free(many);
}

// Datasets of earlier versions may hold class names that are not UTF-8.
static void test_names_are_utf8(void **state) {
    static const char *const old[] = {"caf\xe9", "caf\xe8",
                                      "K\xc3\xa4"
                                      "fer"};
    struct cnn_shard_header header = header_of(0);
    struct cnn_shard_writer *writer;
    struct cnn_shard *shard;
    assert_ok(cnn_shard_writer_create(&writer, in(*state, "old.h5"), &header, old));
    assert_ok(cnn_shard_writer_commit(writer));
    cnn_shard_writer_destroy(writer);
    assert_ok(cnn_shard_open(&shard, in(*state, "old.h5")));
    assert_string_equal(cnn_shard_class_name(shard, 0), "caf\\xe9");
    assert_string_equal(cnn_shard_class_name(shard, 1), "caf\\xe8");
    assert_string_equal(cnn_shard_class_name(shard, 2), old[2]);
    cnn_shard_close(shard);
}

static void test_same_records_same_bytes(void **state) {
    write_shard(in(*state, "a.h5"), 100);
    usleep(1100000); // HDF5 keeps times in seconds
    write_shard(in(*state, "b.h5"), 100);
    assert_same_files(in(*state, "a.h5"), in(*state, "b.h5"));
}

static void test_unfinished_leaves_nothing(void **state) {
    struct cnn_shard_header header = header_of(10);
    struct cnn_shard_writer *writer;
    assert_ok(cnn_shard_writer_create(&writer, in(*state, "s.h5"), &header, names));
    append_all(writer, 10);
    assert_false(cnn_file_exists(in(*state, "s.h5")));
    cnn_shard_writer_destroy(writer);
    assert_int_equal(count_entries(*state), 0);
    cnn_shard_writer_destroy(NULL);
    cnn_shard_close(NULL);
}

static void put_byte(const char *path, size_t at, char byte) {
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

// Whatever byte is damaged: it is found, or it was one that holds nothing.
static void test_every_flip(void **state) {
    const char *path = in(*state, "s.h5");
    size_t bytes, found = 0;
    write_shard(path, N);
    char *data = read_file(path, &bytes);
    for (size_t k = 0; k < 2 * bytes; k++) {
        size_t at = k / 2;
        struct cnn_shard *shard;
        put_byte(path, at, (char)(data[at] ^ (k % 2 ? 0xff : 1 << at % 8)));
        enum cnn_status status = cnn_shard_open(&shard, path);
        if (status == CNN_OK) {
            found += !is_as_written(shard, N);
            cnn_shard_close(shard);
        } else {
            assert_int_equal(status, CNN_ERR_INPUT);
            assert_non_null(strstr(cnn_error_message(), path));
            found++;
        }
        put_byte(path, at, data[at]);
    }
    free(data);
    assert_true(found > bytes); // most of the file matters
}

static void test_every_truncation(void **state) {
    const char *path = in(*state, "s.h5");
    struct cnn_shard *shard;
    struct stat info;
    write_shard(path, N);
    assert_int_equal(stat(path, &info), 0);
    for (off_t length = info.st_size - 1; length >= 0; length--) {
        assert_int_equal(truncate(path, length), 0);
        assert_fails(cnn_shard_open(&shard, path), CNN_ERR_INPUT, path);
    }
}

static void test_not_a_shard(void **state) {
    struct cnn_shard *shard;
    assert_fails(cnn_shard_open(&shard, in(*state, "none.h5")), CNN_ERR_INPUT, "none.h5");
    assert_fails(cnn_shard_open(&shard, *state), CNN_ERR_INPUT, "not a file");
    write_file(in(*state, "text.h5"), "hello, this is text", 19);
    assert_fails(cnn_shard_open(&shard, in(*state, "text.h5")), CNN_ERR_INPUT, "HDF5");
    hid_t file = H5Fcreate(in(*state, "other.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    assert_fails(cnn_shard_open(&shard, in(*state, "other.h5")), CNN_ERR_INPUT, "format_version");
}

// ---- files made by another program ----

static hid_t edit(const char *path) {
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

static void set_integer(const char *path, const char *name, int64_t value) {
    hid_t file = edit(path), attribute = H5Aopen(file, name, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, H5T_NATIVE_INT64, &value) >= 0);
    H5Aclose(attribute);
    H5Fclose(file);
}

static void set_element(const char *path, const char *name, hsize_t i, int64_t value) {
    hid_t file = edit(path), dataset = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(dataset);
    hsize_t one = 1;
    hid_t memory = H5Screate_simple(1, &one, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, &i, NULL, &one, NULL);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_INT64, memory, space, H5P_DEFAULT, &value) >= 0);
    H5Sclose(memory);
    H5Sclose(space);
    H5Dclose(dataset);
    H5Fclose(file);
}

static void remove_attribute(const char *path, const char *name) {
    hid_t file = edit(path);
    assert_true(H5Adelete(file, name) >= 0);
    H5Fclose(file);
}

static void test_wrong_header(void **state) {
    static const struct {
        const char *name;
        int64_t value;
        const char *words;
    } cases[] = {
        {"format_version", 2, "newer"},    {"format_version", 0, "format_version"},
        {"num_classes", 0, "num_classes"}, {"num_classes", 2, "class names"},
        {"shard", 4, "'shard'"},           {"shard", -1, "'shard'"},
        {"shards", 0, "'shards'"},         {"height", -1, "height"},
        {"height", 70000, "height"},       {"height", 10, "out of range"},
        {"records_total", 6, "records"},   {"index_crc32c", 1, "checksum"},
    };
    struct cnn_shard *shard;
    const char *path = in(*state, "s.h5");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_shard(path, N);
        set_integer(path, cases[i].name, cases[i].value);
        assert_fails(cnn_shard_open(&shard, path), CNN_ERR_INPUT, cases[i].words);
    }
    static const char *const needed[] = {"format_version", "encoding", "height", "width",
                                         "num_classes",    "shard",    "shards", "records_total"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        write_shard(path, N);
        remove_attribute(path, needed[i]);
        assert_fails(cnn_shard_open(&shard, path), CNN_ERR_INPUT, needed[i]);
    }
}

static void test_wrong_index(void **state) {
    static const struct {
        const char *name;
        hsize_t at;
        int64_t value;
        const char *words;
    } cases[] = {
        {"labels", 5, 3, "record 5: label 3"}, {"labels", 2, -1, "record 2: label -1"},
        {"offsets", 0, 1, "offsets"},          {"offsets", 3, 0, "record 2"},
        {"offsets", 3, 1 << 30, "record 2"},   {"offsets", N, 1 << 20, "offsets"},
        {"offsets", 4, INT64_MAX, "record 3"},
    };
    struct cnn_shard *shard;
    const char *path = in(*state, "s.h5");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_shard(path, N);
        set_element(path, cases[i].name, cases[i].at, cases[i].value);
        assert_fails(cnn_shard_open(&shard, path), CNN_ERR_INPUT, "checksum");
        remove_attribute(path, "index_crc32c"); // not every program writes one
        assert_fails(cnn_shard_open(&shard, path), CNN_ERR_INPUT, cases[i].words);
    }
    static const char *const needed[] = {"images", "offsets", "labels", "crc32c", "ids"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        write_shard(path, N);
        hid_t file = edit(path);
        assert_true(H5Ldelete(file, needed[i], H5P_DEFAULT) >= 0);
        H5Fclose(file);
        assert_fails(cnn_shard_open(&shard, path), CNN_ERR_INPUT, path);
    }
}

// Sizes that are only claimed must not be allocated: the test would be killed, or fail with another status.
static void test_claimed_sizes(void **state) {
    static const char *const lists[] = {"images", "offsets", "labels", "crc32c", "ids"};
    const hid_t types[] = {H5T_STD_U8LE, H5T_STD_U64LE, H5T_STD_I32LE, H5T_STD_U32LE, H5T_STD_U64LE};
    struct cnn_shard *shard;
    const char *path = in(*state, "s.h5");
    for (int i = 0; i < 5; i++) {
        hsize_t huge = (hsize_t)1 << 45;
        write_shard(path, N);
        hid_t file = edit(path), space = H5Screate_simple(1, &huge, NULL);
        H5Ldelete(file, lists[i], H5P_DEFAULT);
        hid_t dataset = H5Dcreate2(file, lists[i], types[i], space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        assert_true(dataset >= 0);
        H5Dclose(dataset);
        H5Sclose(space);
        H5Fclose(file);
        assert_fails(cnn_shard_open(&shard, path), CNN_ERR_INPUT, path);
    }
}

static void put_list(hid_t file, const char *name, hid_t type, hsize_t n, const int64_t *values) {
    hid_t space = H5Screate_simple(1, &n, NULL),
          dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
}

static void put_text(hid_t file, const char *name, hsize_t n, const char *const *text) {
    hid_t type = H5Tcopy(H5T_C_S1), space = n > 1 ? H5Screate_simple(1, &n, NULL) : H5Screate(H5S_SCALAR);
    H5Tset_size(type, H5T_VARIABLE);
    hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, type, text) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
}

// As h5py writes it by default: wide integers, strings of variable length, the oldest format, no checksum of
// the index.
static void test_written_by_others(void **state) {
    static const char *const integers[] = {"format_version", "height", "width",  "channels",
                                           "num_classes",    "shard",  "shards", "records_total"};
    const int64_t values[] = {1, 2, 3, 1, 2, 0, 1, 2};
    const int64_t images[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, offsets[] = {0, 6, 12},
                  labels[] = {1, 0}, ids[] = {7, 8};
    const int64_t crcs[] = {0, 0};
    const char *path = in(*state, "h5py.h5"), *raw = "raw", *classes[] = {"no", "yes"};
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), space = H5Screate(H5S_SCALAR);
    for (int i = 0; i < 8; i++) {
        hid_t attribute = H5Acreate2(file, integers[i], H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
        H5Awrite(attribute, H5T_NATIVE_INT64, &values[i]);
        H5Aclose(attribute);
    }
    H5Sclose(space);
    put_text(file, "encoding", 1, &raw);
    put_text(file, "class_names", 2, classes);
    put_list(file, "images", H5T_STD_U8LE, 12, images);
    put_list(file, "offsets", H5T_STD_I64LE, 3, offsets);
    put_list(file, "labels", H5T_STD_I32LE, 2, labels);
    put_list(file, "crc32c", H5T_STD_U32LE, 2, crcs);
    put_list(file, "ids", H5T_STD_U64LE, 2, ids);
    H5Fclose(file);

    struct cnn_shard *shard;
    uint8_t data[6];
    assert_ok(cnn_shard_open(&shard, path));
    assert_int_equal(cnn_shard_count(shard), 2);
    assert_string_equal(cnn_shard_class_name(shard, 1), "yes");
    assert_int_equal(cnn_shard_header(shard)->w, 3);
    assert_int_equal(cnn_shard_record(shard, 1).id, 8);
    assert_int_equal(cnn_shard_record(shard, 0).label, 1);
    assert_fails(cnn_shard_read(shard, 1, data), CNN_ERR_INPUT, "record 1 (id 8)"); // its crc32c is made up
    assert_int_equal(data[0], 6);
    cnn_shard_close(shard);
}

// ---- full disks ----

static void try_to_write(const char *folder, bool *out_failed) {
    struct cnn_shard_header header = header_of(3000);
    struct cnn_shard_writer *writer = NULL;
    enum cnn_status status = cnn_shard_writer_create(&writer, in(folder, "s.h5"), &header, names);
    uint8_t data[64];
    for (uint64_t i = 0; i < 3000 && status == CNN_OK; i++)
        status = cnn_shard_writer_append(writer, data, make_record(data, i), (int)(i % 3), 1000 + i);
    if (status == CNN_OK)
        status = cnn_shard_writer_commit(writer);
    cnn_shard_writer_destroy(writer);
    *out_failed = status != CNN_OK;
    if (status != CNN_OK) {
        assert_int_equal(status, CNN_ERR_IO);
        assert_int_equal(count_entries(folder), 0);
        return;
    }
    struct cnn_shard *shard;
    assert_ok(cnn_shard_open(&shard, in(folder, "s.h5")));
    assert_true(is_as_written(shard, 3000));
    cnn_shard_close(shard);
    unlink(in(folder, "s.h5"));
}

static void test_size_limit(void **state) {
    struct rlimit before, limit;
    int failures = 0, successes = 0;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (rlim_t bytes = 0; bytes < 320000; bytes = bytes < 12000 ? bytes + 1000 : bytes + 9999) {
        bool failed;
        limit = before;
        limit.rlim_cur = bytes;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        try_to_write(*state, &failed);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        failures += failed;
        successes += !failed;
    }
    assert_true(failures > 20);
    assert_true(successes > 2);
}

static void test_full_disk(void **state) {
    int failures = 0;
    for (int kib = 4; kib <= 1024; kib += kib < 64 ? 4 : 64) {
        char options[64];
        bool failed;
        snprintf(options, sizeof options, "size=%dk", kib);
        if (mount("tmpfs", *state, "tmpfs", 0, options) != 0) {
            print_message("no right to mount a small disk: skipped\n");
            skip();
        }
        try_to_write(*state, &failed);
        umount(*state);
        failures += failed;
    }
    assert_true(failures > 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_create, scratch_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),
        TEST(test_raw_and_large_records),
        TEST(test_many_classes),
        TEST(test_names_are_utf8),
        TEST(test_same_records_same_bytes),
        TEST(test_unfinished_leaves_nothing),
        TEST(test_every_flip),
        TEST(test_every_truncation),
        TEST(test_not_a_shard),
        TEST(test_wrong_header),
        TEST(test_wrong_index),
        TEST(test_claimed_sizes),
        TEST(test_written_by_others),
        TEST(test_size_limit),
        TEST(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
