// Records that cannot be read: replaced or left out, counted, named once, and too many of them end the run.
#include "loader_fixture.h"

#include "base/log.h"
#include "data/sampler.h"

#include <fcntl.h>

enum { BAD = 100 }; // in the second shard

// Flips one bit in the middle of record i's pixels, wherever they lie in its shard.
static void damage(const struct fixture *fixture, uint64_t i) {
    int shard = 0;
    while (first_of_shard(shard + 1) <= i)
        shard++;
    char path[512], *file = NULL;
    size_t bytes = 0;
    shard_path(path, fixture, shard);
    assert_ok(cnn_file_read(&file, &bytes, path, 1 << 20));
    uint8_t pixels[PIXELS];
    pixels_of(pixels, i);
    char *at = memmem(file, bytes, pixels, PIXELS);
    assert_non_null(at);
    at[PIXELS / 2] ^= 0x10;
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, file, bytes, 0), (ssize_t)bytes);
    close(fd);
    free(file);
}

struct lines {
    int n;
    char last[4096];
};
static void count_line(void *context, enum cnn_log_level level, const char *line) {
    struct lines *lines = context;
    lines->n++;
    snprintf(lines->last, sizeof lines->last, "%s", line);
}

static int make_damaged(void **state) {
    static struct fixture fixture;
    make_dataset(&fixture);
    damage(&fixture, BAD);
    *state = &fixture;
    return 0;
}
static int remove_damaged(void **state) {
    remove_folder(*state);
    return 0;
}

// Position of the bad record in an epoch of training(), or the number of positions.
static uint64_t position_of_bad(const struct cnn_sampler *sampler, uint64_t epoch) {
    uint64_t p = 0, n = cnn_sampler_steps(sampler) * (uint64_t)sampler->global;
    while (p < n && cnn_sampler_record(sampler, epoch, p) != BAD)
        p++;
    return p;
}

static uint64_t epoch_with_bad(const struct cnn_sampler *sampler) {
    for (uint64_t epoch = 0; epoch < 10; epoch++)
        if (position_of_bad(sampler, epoch) < 192)
            return epoch;
    fail_msg("the bad record is in no epoch");
    return 0;
}

static void another_record_takes_its_place(void **state) {
    const struct fixture *fixture = *state;
    struct cnn_augment_list list = as_stored();
    for (int size = 1; size <= 4; size *= 2)
        for (int threads = 1; threads <= 3; threads += 2) {
            int seen[N_RECORDS] = {0};
            uint64_t bad_records = 0, epoch = 0, instead = 0;
            for (int rank = 0; rank < size; rank++) {
                struct cnn_loader_options options = training(fixture, &list, rank, size, threads);
                options.max_bad = 1;
                epoch = epoch_with_bad(&options.sampler);
                instead = cnn_sampler_substitute(&options.sampler, epoch, BAD, 0);
                uint64_t place = position_of_bad(&options.sampler, epoch);
                struct cnn_loader *loader = loader_of(&options, epoch, 0);
                for (int b = 0; b < 8 * 4 / size; b++) {
                    struct cnn_batch *batch = next_of(loader);
                    for (int i = 0; i < batch->n; i++) {
                        uint64_t p = batch->position + (uint64_t)i, record = batch->ids[i] - FIRST_ID;
                        uint8_t expected[PIXELS];
                        pixels_of(expected, record);
                        assert_int_equal(record, p == place ? instead
                                                            : cnn_sampler_record(&options.sampler, epoch, p));
                        assert_memory_equal(batch->pixels + i * PIXELS, expected, PIXELS);
                        assert_int_equal(batch->labels[i], label_of(record));
                        seen[record]++;
                    }
                    if (b == 8 * 4 / size - 1) // before the next epoch's are counted too
                        bad_records += cnn_loader_stats(loader).bad_records > 0;
                    cnn_loader_release(loader, batch);
                }
                cnn_loader_destroy(loader);
            }
            assert_int_equal(seen[BAD], 0);
            assert_in_range(seen[instead], 1, 2);
            assert_true(bad_records >= 1);
        }
}

// The error comes with the batch that holds the record, not before, for any number of threads, and it stays.
static void one_too_many_ends_the_run(void **state) {
    const struct fixture *fixture = *state;
    struct cnn_augment_list list = as_stored();
    for (int threads = 1; threads <= 3; threads++) {
        struct cnn_loader_options options = training(fixture, &list, 0, 1, threads);
        uint64_t epoch = epoch_with_bad(&options.sampler);
        uint64_t good = position_of_bad(&options.sampler, epoch) / 6;
        struct cnn_loader *loader = loader_of(&options, epoch, 0);
        for (uint64_t b = 0; b < good; b++)
            cnn_loader_release(loader, next_of(loader));
        struct cnn_batch *batch = NULL;
        for (int again = 0; again < 2; again++) {
            assert_int_equal(cnn_loader_next(loader, &batch, NULL), CNN_ERR_FAILED);
            assert_null(batch);
            assert_non_null(strstr(cnn_error_message(), "tiny-00001-of-00003.h5"));
            assert_non_null(strstr(cnn_error_message(), "id 5100"));
            assert_non_null(strstr(cnn_error_message(), "checksum"));
            assert_non_null(strstr(cnn_error_message(), "data.max_bad 0"));
        }
        assert_ok(cnn_loader_start(loader, epoch, 0)); // begins again
        if (good > 0)
            assert_int_equal(next_of(loader)->position, 0);
        cnn_loader_destroy(loader);
    }
}

static void the_limit_is_for_an_epoch_not_for_the_run(void **state) {
    const struct fixture *fixture = *state;
    struct cnn_augment_list list = as_stored();
    struct cnn_loader_options options = training(fixture, &list, 0, 1, 2);
    options.max_bad = 1;
    struct lines lines = {0};
    assert_ok(cnn_log_add_sink(count_line, &lines, CNN_LOG_WARN));
    struct cnn_loader *loader = loader_of(&options, 0, 0);
    for (int b = 0; b < 6 * 32; b++)
        cnn_loader_release(loader, next_of(loader));
    assert_true(cnn_loader_stats(loader).bad_records >= 4); // in most of the epochs
    cnn_loader_destroy(loader);
    cnn_log_remove_sink(count_line, &lines);
    assert_int_equal(lines.n, 1); // but it is named once
    assert_non_null(strstr(lines.last, "tiny-00001-of-00003.h5"));
    assert_non_null(strstr(lines.last, "id 5100"));
}

static void an_evaluation_leaves_it_out(void **state) {
    const struct fixture *fixture = *state;
    static const int micros[] = {1, 7, 64, 300};
    struct cnn_augment_list list = as_stored();
    for (int size = 1; size <= 3; size++)
        for (int m = 0; m < 4; m++) {
            int seen[N_RECORDS] = {0};
            uint64_t bad_records = 0;
            for (int rank = 0; rank < size; rank++) {
                struct cnn_loader_options options = evaluation(fixture, &list, micros[m], rank, size, 2);
                options.max_bad = 1;
                struct cnn_loader *loader = loader_of(&options, 0, 0);
                struct cnn_batch *batch;
                while ((batch = next_of(loader))) {
                    assert_true(batch->n > 0);
                    for (int i = 0; i < batch->n; i++) {
                        uint64_t record = batch->ids[i] - FIRST_ID;
                        uint8_t expected[PIXELS];
                        pixels_of(expected, record);
                        assert_memory_equal(batch->pixels + i * PIXELS, expected, PIXELS);
                        assert_int_equal(batch->labels[i], label_of(record));
                        seen[record]++;
                    }
                    cnn_loader_release(loader, batch);
                }
                bad_records += cnn_loader_stats(loader).bad_records;
                cnn_loader_destroy(loader);
            }
            for (int i = 0; i < N_RECORDS; i++)
                assert_int_equal(seen[i], i != BAD);
            assert_int_equal(bad_records, 1);
        }
}

static void an_evaluation_without_allowance_fails(void **state) {
    const struct fixture *fixture = *state;
    struct cnn_augment_list list = as_stored();
    struct cnn_loader_options options = evaluation(fixture, &list, 50, 0, 1, 3);
    struct cnn_loader *loader = loader_of(&options, 0, 0);
    struct cnn_batch *batch = NULL;
    cnn_loader_release(loader, next_of(loader));
    cnn_loader_release(loader, next_of(loader));
    assert_int_equal(cnn_loader_next(loader, &batch, NULL), CNN_ERR_FAILED);
    assert_non_null(strstr(cnn_error_message(), "id 5100"));
    cnn_loader_destroy(loader);
}

// Two in one batch: whichever thread meets its record first, the message is about the first in order.
static void the_first_of_several_is_named(void **state) {
    struct fixture fixture = {0};
    make_dataset(&fixture);
    damage(&fixture, 97);
    damage(&fixture, 100);
    struct cnn_augment_list list = as_stored();
    struct cnn_loader_options options = training(&fixture, &list, 0, 1, 3);
    options.sampler.shuffle = CNN_SHUFFLE_NONE; // record i is at position i
    options.sampler.micro = 12;                 // 96..107
    struct cnn_loader *loader = NULL;
    assert_ok(cnn_loader_create(&loader, &options));
    for (int again = 0; again < 20; again++) {
        struct cnn_batch *batch = NULL;
        assert_ok(cnn_loader_start(loader, 0, 4));
        assert_int_equal(cnn_loader_next(loader, &batch, NULL), CNN_ERR_FAILED);
        assert_non_null(strstr(cnn_error_message(), "id 5097"));
        assert_non_null(strstr(cnn_error_message(), "bad record 2 of epoch 0"));
    }
    cnn_loader_destroy(loader);
    remove_folder(&fixture);
}

// What was left out of a batch says nothing of the next one made in the same memory.
static void later_batches_are_whole_again(void **state) {
    struct fixture fixture = {0};
    make_dataset(&fixture);
    damage(&fixture, 97);  // row 7 of batch 9
    damage(&fixture, 124); // row 4 of batch 12, in the same one of three slots
    struct cnn_augment_list list = as_stored();
    struct cnn_loader_options options = evaluation(&fixture, &list, 10, 0, 1, 2);
    options.max_bad = 2;
    struct cnn_loader *loader = loader_of(&options, 0, 0);
    int seen[N_RECORDS] = {0};
    struct cnn_batch *batch;
    while ((batch = next_of(loader))) {
        for (int i = 0; i < batch->n; i++)
            seen[batch->ids[i] - FIRST_ID]++;
        cnn_loader_release(loader, batch);
    }
    for (int i = 0; i < N_RECORDS; i++)
        assert_int_equal(seen[i], i != 97 && i != 124);
    cnn_loader_destroy(loader);
    remove_folder(&fixture);
}

// Every record of the set is damaged: no search without end, and the limit does not hide it.
static void when_nothing_can_be_read_the_run_ends(void **state) {
    struct fixture fixture = {0};
    make_dataset(&fixture);
    for (uint64_t i = 0; i < N_RECORDS; i++)
        damage(&fixture, i);
    struct cnn_augment_list list = as_stored();
    struct cnn_loader_options options = training(&fixture, &list, 0, 1, 3);
    options.max_bad = 1000000;
    struct cnn_loader *loader = loader_of(&options, 0, 0);
    struct cnn_batch *batch = NULL;
    assert_int_equal(cnn_loader_next(loader, &batch, NULL), CNN_ERR_FAILED);
    assert_non_null(strstr(cnn_error_message(), "cannot be read"));
    assert_non_null(strstr(cnn_error_message(), "checksum"));
    cnn_loader_destroy(loader);
    remove_folder(&fixture);
}

// ---- pictures whose bytes are as written, but do not decode ----

enum { N_PICTURES = 12, GARBLED = 7 };

static void make_jpegs(struct fixture *fixture) {
    create_folder(fixture);
    char path[512];
    snprintf(path, sizeof path, "%s/jpegs-00000-of-00001.h5", fixture->folder);
    struct cnn_shard_header header = {
        .encoding = CNN_ENCODING_JPEG, .n_classes = 2, .n_shards = 1, .records_total = N_PICTURES};
    struct cnn_shard_writer *writer = NULL;
    assert_ok(cnn_shard_writer_create(&writer, path, &header, NULL));
    for (uint64_t i = 0; i < N_PICTURES; i++) {
        uint8_t pixels[40 * 30 * 3], *jpeg = NULL;
        size_t bytes = 0;
        memset(pixels, (int)i * 20, sizeof pixels);
        assert_ok(cnn_image_encode_jpeg(&jpeg, &bytes, pixels, 40, 30, 3, 95));
        if (i == GARBLED)
            memset(jpeg, 0x55, bytes);
        assert_ok(cnn_shard_writer_append(writer, jpeg, bytes, (int)(i % 2), i));
        free(jpeg);
    }
    assert_ok(cnn_shard_writer_commit(writer));
    cnn_shard_writer_destroy(writer);
    assert_ok(cnn_dataset_open(&fixture->dataset, fixture->folder));
}

static void pictures_that_do_not_decode_are_bad_records(void **state) {
    struct fixture fixture = {0};
    make_jpegs(&fixture);
    struct cnn_augment_list list = {.n = 2,
                                    .ops = {{.kind = CNN_AUGMENT_RESIZE, .args = {{16, 16}}},
                                            {.kind = CNN_AUGMENT_CENTER_CROP, .args = {{16, 16}}}}};
    struct cnn_loader_options options = evaluation(&fixture, &list, 4, 0, 1, 2);
    options.sampler.n_records = N_PICTURES;
    options.channels = 3;
    options.max_bad = 1;
    struct lines lines = {0};
    assert_ok(cnn_log_add_sink(count_line, &lines, CNN_LOG_WARN));
    struct cnn_loader *loader = loader_of(&options, 0, 0);
    struct cnn_batch *batch;
    int n = 0;
    while ((batch = next_of(loader))) {
        for (int i = 0; i < batch->n; i++, n++) {
            assert_int_not_equal(batch->ids[i], GARBLED);
            assert_in_range(batch->pixels[i * 16 * 16 * 3] + 2, batch->ids[i] * 20, batch->ids[i] * 20 + 4);
        }
        cnn_loader_release(loader, batch);
    }
    assert_int_equal(n, N_PICTURES - 1);
    cnn_loader_destroy(loader);
    cnn_log_remove_sink(count_line, &lines);
    assert_int_equal(lines.n, 1);
    assert_non_null(strstr(lines.last, "jpegs-00000-of-00001.h5"));
    assert_non_null(strstr(lines.last, "id 7"));
    remove_folder(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_record_takes_its_place),
        cmocka_unit_test(one_too_many_ends_the_run),
        cmocka_unit_test(the_limit_is_for_an_epoch_not_for_the_run),
        cmocka_unit_test(an_evaluation_leaves_it_out),
        cmocka_unit_test(an_evaluation_without_allowance_fails),
        cmocka_unit_test(the_first_of_several_is_named),
        cmocka_unit_test(later_batches_are_whole_again),
        cmocka_unit_test(when_nothing_can_be_read_the_run_ends),
        cmocka_unit_test(pictures_that_do_not_decode_are_bad_records),
    };
    return cmocka_run_group_tests(tests, make_damaged, remove_damaged);
}
