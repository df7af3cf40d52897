// A small dataset whose pixels name their record, and whole epochs read from it.
#ifndef TEST_LOADER_FIXTURE_H
#define TEST_LOADER_FIXTURE_H
#include "base/checksum.h"
#include "base/file.h"
#include "data/loader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIDE = 8, PIXELS = SIDE * SIDE, N_RECORDS = 203, N_SHARDS = 3, FIRST_ID = 5000 };

struct fixture {
    char folder[256];
    struct cnn_dataset *dataset;
};

static inline void assert_ok(enum cnn_status status) {
    if (status != CNN_OK)
        fail_msg("status %d: %s", (int)status, cnn_error_message());
}

static inline int label_of(uint64_t i) { return (int)(i * 7 % 10); }

static inline void pixels_of(uint8_t pixels[PIXELS], uint64_t i) {
    struct cnn_draws draws = cnn_draws_of(1, CNN_PURPOSE_TEST, 0, i);
    for (int k = 0; k < PIXELS; k++)
        pixels[k] = (uint8_t)cnn_draw_u32(&draws);
}

static inline void shard_path(char out[512], const struct fixture *fixture, int shard) {
    snprintf(out, 512, "%s/tiny-%05d-of-%05d.h5", fixture->folder, shard, N_SHARDS);
}

// Records lie in shards of 68, 68 and 67.
static inline uint64_t first_of_shard(int shard) {
    return (uint64_t)(shard * 68 < N_RECORDS ? shard * 68 : N_RECORDS);
}

static inline void write_shard(const struct fixture *fixture, int shard) {
    char path[512];
    shard_path(path, fixture, shard);
    struct cnn_shard_header header = {.encoding = CNN_ENCODING_RAW,
                                      .h = SIDE,
                                      .w = SIDE,
                                      .c = 1,
                                      .n_classes = 10,
                                      .shard = shard,
                                      .n_shards = N_SHARDS,
                                      .records_total = N_RECORDS};
    struct cnn_shard_writer *writer = NULL;
    assert_ok(cnn_shard_writer_create(&writer, path, &header, NULL));
    for (uint64_t i = first_of_shard(shard); i < first_of_shard(shard + 1); i++) {
        uint8_t pixels[PIXELS];
        pixels_of(pixels, i);
        assert_ok(cnn_shard_writer_append(writer, pixels, sizeof pixels, label_of(i), FIRST_ID + i));
    }
    assert_ok(cnn_shard_writer_commit(writer));
    cnn_shard_writer_destroy(writer);
}

static inline void create_folder(struct fixture *fixture) {
    const char *base = getenv("TMPDIR");
    snprintf(fixture->folder, sizeof fixture->folder, "%.200s/cnn-loader-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(fixture->folder));
}

static inline void remove_folder(struct fixture *fixture) {
    cnn_dataset_close(fixture->dataset);
    fixture->dataset = NULL;
    char **names = NULL;
    size_t n = 0;
    assert_ok(cnn_folder_list(&names, &n, fixture->folder, "", ""));
    for (size_t i = 0; i < n; i++) {
        char path[4096];
        assert_ok(cnn_path_format(path, sizeof path, "%s/%s", fixture->folder, names[i]));
        unlink(path);
    }
    cnn_names_free(names, n);
    rmdir(fixture->folder);
}

static inline void make_dataset(struct fixture *fixture) {
    create_folder(fixture);
    for (int shard = 0; shard < N_SHARDS; shard++)
        write_shard(fixture, shard);
    assert_ok(cnn_dataset_open(&fixture->dataset, fixture->folder));
}

static inline struct cnn_augment_list crop_and_flip(void) {
    return (struct cnn_augment_list){
        .n = 2,
        .ops = {{.kind = CNN_AUGMENT_RANDOM_CROP, .args = {{SIDE, SIDE}, {2, 2}}},
                {.kind = CNN_AUGMENT_FLIP_HORIZONTAL, .args = {{0.5, 0.5}}}}};
}

static inline struct cnn_augment_list as_stored(void) {
    return (struct cnn_augment_list){.n = 1,
                                     .ops = {{.kind = CNN_AUGMENT_CENTER_CROP, .args = {{SIDE, SIDE}}}}};
}

static inline struct cnn_loader_options training(const struct fixture *fixture,
                                                 const struct cnn_augment_list *list, int rank, int size,
                                                 int threads) {
    return (struct cnn_loader_options){
        .dataset = fixture->dataset,
        .augment = list,
        .channels = 1,
        .threads = threads,
        .ahead = 3,
        .sampler = {
            .n_records = N_RECORDS, .seed = 11, .global = 24, .micro = 6, .rank = rank, .size = size}};
}

static inline struct cnn_loader_options evaluation(const struct fixture *fixture,
                                                   const struct cnn_augment_list *list, int micro, int rank,
                                                   int size, int threads) {
    return (struct cnn_loader_options){
        .dataset = fixture->dataset,
        .augment = list,
        .channels = 1,
        .threads = threads,
        .ahead = 2,
        .evaluation = true,
        .sampler = {.n_records = N_RECORDS, .micro = micro, .rank = rank, .size = size}};
}

static inline struct cnn_loader *loader_of(const struct cnn_loader_options *options, uint64_t epoch,
                                           uint64_t step) {
    struct cnn_loader *loader = NULL;
    assert_ok(cnn_loader_create(&loader, options));
    assert_ok(cnn_loader_start(loader, epoch, step));
    return loader;
}

static inline struct cnn_batch *next_of(struct cnn_loader *loader) {
    struct cnn_batch *batch = NULL;
    assert_ok(cnn_loader_next(loader, &batch, NULL));
    return batch;
}

// What a row of a batch was: its record's id, and a checksum over pixels and label.
struct row {
    uint64_t id;
    uint32_t crc;
};

static inline struct row row_of(const struct cnn_batch *batch, int i) {
    size_t bytes = (size_t)batch->h * (size_t)batch->w * (size_t)batch->c;
    uint32_t crc = cnn_crc32c(0, batch->pixels + (size_t)i * bytes, bytes);
    return (struct row){batch->ids[i], cnn_crc32c(crc, &batch->labels[i], sizeof batch->labels[i])};
}

#endif
