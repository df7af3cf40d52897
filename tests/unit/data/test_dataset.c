#include "base/random.h"
#include "data/dataset.h"
#include "data/verify.h"
#include "scratch_folder.h"

#include <math.h>

enum { H = 5, W = 4, BYTES = H * W * 3, N = 50, N_SHARDS = 4, THREADS = 3 };

static const char *const names[10] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};

static void make_pixels(uint8_t pixels[BYTES], uint64_t i) {
    struct cnn_draws draws = cnn_draws_of(4, CNN_PURPOSE_TEST, 0, i);
    for (int k = 0; k < BYTES; k++)
        pixels[k] = (uint8_t)(cnn_draw_u32(&draws) % (60 + 60 * (k % 3)));
}

// Shards of 20, 0, 29 and 1 records.
static uint64_t first_of(int shard) {
    static const uint64_t first[N_SHARDS + 1] = {0, 20, 20, 49, N};
    return first[shard];
}

static struct cnn_shard_header header_of(int shard) {
    return (struct cnn_shard_header){.encoding = CNN_ENCODING_RAW,
                                     .h = H,
                                     .w = W,
                                     .c = 3,
                                     .n_classes = 10,
                                     .shard = shard,
                                     .n_shards = N_SHARDS,
                                     .records_total = N,
                                     .source = "test"};
}

static const char *shard_name(int shard) {
    static char name[64];
    snprintf(name, sizeof name, "tiny-%05d-of-%05d.h5", shard, N_SHARDS);
    return name;
}

static void write_shard_as(const char *path, const struct cnn_shard_header *header,
                           const char *const *class_names) {
    struct cnn_shard_writer *writer;
    uint8_t pixels[BYTES];
    assert_ok(cnn_shard_writer_create(&writer, path, header, class_names));
    for (uint64_t i = first_of(header->shard); i < first_of(header->shard + 1); i++) {
        make_pixels(pixels, i);
        assert_ok(cnn_shard_writer_append(writer, pixels, BYTES, (int)(i % 10), 100 + i));
    }
    assert_ok(cnn_shard_writer_commit(writer));
    cnn_shard_writer_destroy(writer);
}

static void write_dataset(const char *folder) {
    for (int shard = 0; shard < N_SHARDS; shard++) {
        struct cnn_shard_header header = header_of(shard);
        write_shard_as(in(folder, shard_name(shard)), &header, names);
    }
}

static void test_all_records_in_order(void **state) {
    struct cnn_dataset *dataset;
    uint8_t wanted[BYTES], found[BYTES];
    write_dataset(*state);
    assert_ok(cnn_dataset_open(&dataset, *state));
    assert_string_equal(cnn_dataset_path(dataset), *state);
    assert_int_equal(cnn_dataset_count(dataset), N);
    assert_int_equal(cnn_dataset_channels(dataset), 3);
    assert_int_equal(cnn_dataset_header(dataset)->n_classes, 10);
    assert_string_equal(cnn_dataset_class_name(dataset, 9), "j");
    for (uint64_t i = 0; i < N; i++) {
        struct cnn_record record = cnn_dataset_record(dataset, i);
        assert_int_equal(record.id, 100 + i);
        assert_int_equal(record.label, i % 10);
        assert_int_equal(record.bytes, BYTES);
        assert_ok(cnn_dataset_read(dataset, i, found));
        make_pixels(wanted, i);
        assert_memory_equal(found, wanted, BYTES);
    }
    assert_string_equal(cnn_dataset_file(dataset, 19), in(*state, shard_name(0)));
    assert_string_equal(cnn_dataset_file(dataset, 20), in(*state, shard_name(2))); // shard 1 is empty
    assert_string_equal(cnn_dataset_file(dataset, 49), in(*state, shard_name(3)));
    cnn_dataset_close(dataset);
    cnn_dataset_close(NULL);
}

static void test_no_dataset(void **state) {
    struct cnn_dataset *dataset;
    assert_fails(cnn_dataset_open(&dataset, in(*state, "nowhere")), CNN_ERR_INPUT, "cnn_dist dataset");
    assert_fails(cnn_dataset_open(&dataset, *state), CNN_ERR_INPUT, "no shards");
    write_file(in(*state, "readme.h5"), "x", 1);
    assert_fails(cnn_dataset_open(&dataset, *state), CNN_ERR_INPUT, "not a shard name");
}

static void test_missing_shards(void **state) {
    struct cnn_dataset *dataset;
    for (int shard = 0; shard < N_SHARDS; shard++) {
        write_dataset(*state);
        assert_int_equal(unlink(in(*state, shard_name(shard))), 0);
        assert_fails(cnn_dataset_open(&dataset, *state), CNN_ERR_INPUT, shard_name(shard));
    }
}

static void test_mixed_folders(void **state) {
    struct cnn_dataset *dataset;
    write_dataset(*state);
    assert_int_equal(rename(in(*state, shard_name(2)), in(*state, "other-00002-of-00004.h5")), 0);
    assert_fails(cnn_dataset_open(&dataset, *state), CNN_ERR_INPUT, "more than one dataset");
    assert_int_equal(rename(in(*state, "other-00002-of-00004.h5"), in(*state, "tiny-00002-of-00007.h5")), 0);
    assert_fails(cnn_dataset_open(&dataset, *state), CNN_ERR_INPUT, "more than one dataset");
    assert_int_equal(rename(in(*state, "tiny-00002-of-00007.h5"), in(*state, "x")), 0);
    assert_int_equal(rename(in(*state, shard_name(1)), in(*state, "tiny-00002-of-00004.h5")), 0);
    assert_int_equal(rename(in(*state, "x"), in(*state, shard_name(1))), 0);
    assert_fails(cnn_dataset_open(&dataset, *state), CNN_ERR_INPUT, "renamed");
}

static void test_disagreeing_headers(void **state) {
    static const char *const others[10] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "J"};
    struct cnn_dataset *dataset;
    struct cnn_shard_header header;
    write_dataset(*state);
    header = header_of(1);
    header.n_classes = 9;
    write_shard_as(in(*state, shard_name(1)), &header, names);
    assert_fails(cnn_dataset_open(&dataset, *state), CNN_ERR_INPUT, "num_classes");
    header = header_of(1);
    header.records_total = N + 1;
    write_shard_as(in(*state, shard_name(1)), &header, names);
    assert_fails(cnn_dataset_open(&dataset, *state), CNN_ERR_INPUT, "records_total");
    header = header_of(1);
    header.w++;
    write_shard_as(in(*state, shard_name(1)), &header, names);
    assert_fails(cnn_dataset_open(&dataset, *state), CNN_ERR_INPUT, "image size");
    header = header_of(1);
    header.source = "another";
    write_shard_as(in(*state, shard_name(1)), &header, names);
    assert_fails(cnn_dataset_open(&dataset, *state), CNN_ERR_INPUT, "source");
    header = header_of(1);
    write_shard_as(in(*state, shard_name(1)), &header, others);
    assert_fails(cnn_dataset_open(&dataset, *state), CNN_ERR_INPUT, "class_names");
    for (int shard = 0; shard < N_SHARDS; shard++) {
        header = header_of(shard);
        header.records_total = N + 5;
        write_shard_as(in(*state, shard_name(shard)), &header, names);
    }
    assert_fails(cnn_dataset_open(&dataset, *state), CNN_ERR_INPUT, "50 records");
}

static void test_empty_dataset(void **state) {
    struct cnn_shard_header header = {.encoding = CNN_ENCODING_JPEG, .n_classes = 2, .n_shards = 1};
    struct cnn_shard_writer *writer;
    struct cnn_dataset *dataset;
    assert_ok(cnn_shard_writer_create(&writer, in(*state, "e-00000-of-00001.h5"), &header, NULL));
    assert_ok(cnn_shard_writer_commit(writer));
    cnn_shard_writer_destroy(writer);
    assert_fails(cnn_dataset_open(&dataset, *state), CNN_ERR_INPUT, "empty");
}

static void test_stats(void **state) {
    struct cnn_dataset *dataset;
    double mean[3], std[3], sum[3] = {0}, squares[3] = {0};
    uint8_t pixels[BYTES];
    write_dataset(*state);
    assert_ok(cnn_dataset_open(&dataset, *state));
    for (uint64_t i = 0; i < N; i++) {
        make_pixels(pixels, i);
        for (int k = 0; k < BYTES; k++) {
            sum[k % 3] += pixels[k] / 255.0;
            squares[k % 3] += pixels[k] / 255.0 * pixels[k] / 255.0;
        }
    }
    assert_ok(cnn_dataset_stats(dataset, 3, N, 1, mean, std));
    for (int c = 0; c < 3; c++) {
        double average = sum[c] / (N * H * W);
        assert_true(fabs(mean[c] - average) < 1e-9);
        assert_true(fabs(std[c] - sqrt(squares[c] / (N * H * W) - average * average)) < 1e-9);
    }
    double few_mean[3], few_std[3], again[3];
    assert_ok(cnn_dataset_stats(dataset, 3, 10, 1, few_mean, few_std));
    assert_ok(cnn_dataset_stats(dataset, 3, 10, 3, again, few_std));
    assert_memory_equal(again, few_mean, sizeof again);
    assert_true(fabs(few_mean[0] - mean[0]) > 1e-6 && fabs(few_mean[0] - mean[0]) < 0.05);
    assert_ok(cnn_dataset_stats(dataset, 1, 1u << 30, 2, mean, std)); // luma
    double luma = (0.299 * sum[0] + 0.587 * sum[1] + 0.114 * sum[2]) / (N * H * W);
    assert_true(fabs(mean[0] - luma) < 1e-3);
    assert_status(cnn_dataset_stats(dataset, 2, N, 1, mean, std), CNN_ERR_INPUT);
    cnn_dataset_close(dataset);
}

static void test_stats_of_gray_and_flat(void **state) {
    struct cnn_shard_header header = {.encoding = CNN_ENCODING_RAW,
                                      .h = 2,
                                      .w = 2,
                                      .c = 1,
                                      .n_classes = 1,
                                      .n_shards = 1,
                                      .records_total = 1};
    struct cnn_shard_writer *writer;
    struct cnn_dataset *dataset;
    double mean[3], std[3];
    assert_ok(cnn_shard_writer_create(&writer, in(*state, "g-00000-of-00001.h5"), &header, NULL));
    assert_ok(cnn_shard_writer_append(writer, "\x33\x33\x33\x33", 4, 0, 0));
    assert_ok(cnn_shard_writer_commit(writer));
    cnn_shard_writer_destroy(writer);
    assert_ok(cnn_dataset_open(&dataset, *state));
    assert_int_equal(cnn_dataset_channels(dataset), 1);
    assert_null(cnn_dataset_class_name(dataset, 0));
    assert_ok(cnn_dataset_stats(dataset, 3, 10, 3, mean, std)); // gray is replicated
    for (int c = 0; c < 3; c++) {
        assert_true(fabs(mean[c] - 0.2) < 1e-12);
        assert_true(std[c] > 0); // something divides by it
    }
    cnn_dataset_close(dataset);
}

// ---- classes and identity ----

// Another numbering: c, d, ..., j, a; no record of b.
static void test_renumbered(void **state) {
    struct cnn_dataset *dataset;
    int label[10] = {8, -1, 0, 1, 2, 3, 4, 5, 6, 7};
    const struct cnn_class_map map = {.n = 10, .label = label};
    write_dataset(*state);
    assert_ok(cnn_dataset_open(&dataset, *state));
    const uint64_t fingerprint = cnn_dataset_fingerprint(dataset);
    assert_ok(cnn_dataset_renumber(dataset, &map, 12));
    assert_int_equal(cnn_dataset_header(dataset)->n_classes, 12);
    for (uint64_t i = 0; i < N; i++)
        assert_int_equal(cnn_dataset_record(dataset, i).label, label[i % 10]);
    assert_string_equal(cnn_dataset_class_name(dataset, 0), "c");
    assert_string_equal(cnn_dataset_class_name(dataset, 8), "a");
    assert_null(cnn_dataset_class_name(dataset, 9));
    assert_null(cnn_dataset_class_name(dataset, 12));
    assert_int_equal(cnn_dataset_fingerprint(dataset), fingerprint);
    cnn_dataset_close(dataset);
}

static uint64_t fingerprint_of(const char *folder) {
    struct cnn_dataset *dataset;
    assert_ok(cnn_dataset_open(&dataset, folder));
    uint64_t fingerprint = cnn_dataset_fingerprint(dataset);
    cnn_dataset_close(dataset);
    return fingerprint;
}

// Writes shard 3, which has one record, anew.
static uint64_t fingerprint_with(const char *folder, const uint8_t pixels[BYTES], int label, uint64_t id) {
    struct cnn_shard_header header = header_of(3);
    struct cnn_shard_writer *writer;
    assert_ok(cnn_shard_writer_create(&writer, in(folder, shard_name(3)), &header, names));
    assert_ok(cnn_shard_writer_append(writer, pixels, BYTES, label, id));
    assert_ok(cnn_shard_writer_commit(writer));
    cnn_shard_writer_destroy(writer);
    return fingerprint_of(folder);
}

static void test_fingerprint(void **state) {
    uint8_t pixels[BYTES];
    write_dataset(*state);
    const uint64_t first = fingerprint_of(*state);
    make_pixels(pixels, 49);
    assert_int_equal(fingerprint_with(*state, pixels, 9, 149), first); // the same records, written again
    assert_int_not_equal(fingerprint_with(*state, pixels, 8, 149), first);
    assert_int_not_equal(fingerprint_with(*state, pixels, 9, 150), first);
    pixels[BYTES / 2] ^= 1;
    assert_int_not_equal(fingerprint_with(*state, pixels, 9, 149), first);
    write_dataset(*state);
    assert_int_equal(fingerprint_of(*state), first);
    static const char *const others[10] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "k"};
    for (int shard = 0; shard < N_SHARDS; shard++) {
        struct cnn_shard_header header = header_of(shard);
        write_shard_as(in(*state, shard_name(shard)), &header, others);
    }
    assert_int_not_equal(fingerprint_of(*state), first);
}

// ---- verify ----

struct seen {
    int n;
    uint64_t last;
    char reason[1024];
};

static void note(void *context, const struct cnn_dataset *dataset, uint64_t i, const char *reason) {
    struct seen *seen = context;
    (void)dataset;
    seen->n++;
    seen->last = i;
    snprintf(seen->reason, sizeof seen->reason, "%s", reason);
}

static void flip_byte_of_record(const char *path, const uint8_t *wanted, size_t wanted_bytes) {
    size_t bytes;
    char *data = read_file(path, &bytes);
    char *at = memmem(data, bytes, wanted, wanted_bytes);
    assert_non_null(at);
    at[wanted_bytes / 2] ^= 1;
    write_file(path, data, bytes);
    free(data);
}

static void test_verify_raw(void **state) {
    struct cnn_dataset *dataset;
    struct cnn_verify_result result;
    struct seen seen = {0};
    uint8_t pixels[BYTES];
    write_dataset(*state);
    assert_ok(cnn_dataset_open(&dataset, *state));
    assert_ok(cnn_dataset_verify(&result, dataset, 0, 1, THREADS, note, &seen));
    assert_int_equal(result.records, N);
    assert_int_equal(result.bytes, N * BYTES);
    assert_int_equal(result.bad, 0);
    cnn_dataset_close(dataset);

    make_pixels(pixels, 31);
    flip_byte_of_record(in(*state, shard_name(2)), pixels, BYTES);
    assert_ok(cnn_dataset_open(&dataset, *state));
    for (int size = 1; size < 60;
         size += 3) { // any number of processes finds it once, and looks at each record once
        uint64_t records = 0, bad = 0;
        seen = (struct seen){0};
        for (int rank = 0; rank < size; rank++) {
            assert_ok(cnn_dataset_verify(&result, dataset, rank, size, THREADS, note, &seen));
            records += result.records;
            bad += result.bad;
        }
        assert_int_equal(records, N);
        assert_int_equal(bad, 1);
        assert_int_equal(seen.n, 1);
        assert_int_equal(seen.last, 31);
        assert_non_null(strstr(seen.reason, "checksum"));
    }
    cnn_dataset_close(dataset);
}

// Checksums fit, and yet: not a picture, the wrong size. A PNG among JPEGs is fine.
static void test_verify_pictures(void **state) {
    struct cnn_shard_header header = {
        .encoding = CNN_ENCODING_JPEG, .h = H, .w = W, .n_classes = 1, .n_shards = 1, .records_total = 4};
    struct cnn_shard_writer *writer;
    struct cnn_dataset *dataset;
    struct cnn_verify_result result;
    struct seen seen = {0};
    uint8_t pixels[BYTES], *jpeg, *other, *png;
    size_t jpeg_bytes, other_bytes, png_bytes;
    make_pixels(pixels, 0);
    assert_ok(cnn_image_encode_jpeg(&jpeg, &jpeg_bytes, pixels, H, W, 3, 90));
    assert_ok(cnn_image_encode_jpeg(&other, &other_bytes, pixels, W, H, 3, 90));
    assert_ok(cnn_image_encode_png(&png, &png_bytes, pixels, H, W, 3));
    assert_ok(cnn_shard_writer_create(&writer, in(*state, "p-00000-of-00001.h5"), &header, NULL));
    assert_ok(cnn_shard_writer_append(writer, jpeg, jpeg_bytes, 0, 0));
    assert_ok(cnn_shard_writer_append(writer, other, other_bytes, 0, 1));
    assert_ok(cnn_shard_writer_append(writer, png, png_bytes, 0, 2));
    assert_ok(cnn_shard_writer_append(writer, "no picture", 10, 0, 3));
    assert_ok(cnn_shard_writer_commit(writer));
    cnn_shard_writer_destroy(writer);
    assert_ok(cnn_dataset_open(&dataset, *state));
    assert_int_equal(cnn_dataset_channels(dataset), 3);
    assert_ok(cnn_dataset_verify(&result, dataset, 0, 4, THREADS, note, &seen));
    assert_int_equal(seen.n, 0);
    assert_ok(cnn_dataset_verify(&result, dataset, 1, 4, THREADS, note, &seen));
    assert_non_null(strstr(seen.reason, "4 x 5"));
    assert_ok(cnn_dataset_verify(&result, dataset, 2, 4, THREADS, note, &seen));
    assert_int_equal(seen.n, 1);
    assert_ok(cnn_dataset_verify(&result, dataset, 3, 4, THREADS, note, &seen));
    assert_int_equal(seen.n, 2);
    double mean[3], std[3];
    assert_ok(cnn_dataset_stats(dataset, 3, 4, 1, mean, std)); // over those that decode
    cnn_dataset_close(dataset);
    free(jpeg);
    free(other);
    free(png);
}

static void count_file(void *context, const char *reason) {
    struct seen *seen = context;
    seen->n++;
    snprintf(seen->reason, sizeof seen->reason, "%s", reason);
}

static void test_verify_files(void **state) {
    struct seen seen = {0};
    size_t bytes;
    int bad;
    write_dataset(*state);
    assert_ok(cnn_dataset_verify_files(&bad, *state, count_file, &seen));
    assert_int_equal(bad, 0);
    char *data = read_file(in(*state, shard_name(2)), &bytes);
    write_file(in(*state, shard_name(2)), data, bytes / 2);
    write_file(in(*state, shard_name(0)), data, 0);
    free(data);
    assert_ok(cnn_dataset_verify_files(&bad, *state, count_file, &seen));
    assert_int_equal(bad, 2);
    assert_int_equal(seen.n, 2);
    assert_non_null(strstr(seen.reason, shard_name(2)));
    assert_status(cnn_dataset_verify_files(&bad, in(*state, "none"), count_file, &seen), CNN_ERR_INPUT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_create, scratch_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_all_records_in_order),
        TEST(test_no_dataset),
        TEST(test_missing_shards),
        TEST(test_mixed_folders),
        TEST(test_disagreeing_headers),
        TEST(test_empty_dataset),
        TEST(test_stats),
        TEST(test_stats_of_gray_and_flat),
        TEST(test_renumbered),
        TEST(test_fingerprint),
        TEST(test_verify_raw),
        TEST(test_verify_pictures),
        TEST(test_verify_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
