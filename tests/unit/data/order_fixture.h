// A dataset in shards of very different sizes, with a common class, a rare one and one without records.
#ifndef TEST_ORDER_FIXTURE_H
#define TEST_ORDER_FIXTURE_H
#include "scratch_folder.h"

#include "base/random.h"
#include "data/dataset.h"

enum { UNEVEN_SIDE = 8, UNEVEN_PIXELS = UNEVEN_SIDE * UNEVEN_SIDE, UNEVEN_SHARDS = 11, UNEVEN_RECORDS = 192 };

static const int uneven_sizes[UNEVEN_SHARDS] = {30, 1, 17, 25, 3, 40, 8, 22, 5, 11, 30};

// 0: 6 of 10, 1: 3 of 10, 3: 1 of 10; none of 2.
static inline int uneven_label(uint64_t i) {
    uint64_t ten = i * 7 % 10;
    return ten < 6 ? 0 : ten < 9 ? 1 : 3;
}

static inline void uneven_pixels(uint8_t pixels[UNEVEN_PIXELS], uint64_t i) {
    struct cnn_draws draws = cnn_draws_of(3, CNN_PURPOSE_TEST, 1, i);
    for (int k = 0; k < UNEVEN_PIXELS; k++)
        pixels[k] = (uint8_t)cnn_draw_u32(&draws);
}

// Ids are record numbers. *out is closed by the caller.
static inline void make_uneven(struct cnn_dataset **out, const char *folder) {
    uint64_t i = 0;
    assert_ok(cnn_folder_create(folder));
    for (int s = 0; s < UNEVEN_SHARDS; s++) {
        struct cnn_shard_writer *writer = NULL;
        struct cnn_shard_header header = {.encoding = CNN_ENCODING_RAW,
                                          .h = UNEVEN_SIDE,
                                          .w = UNEVEN_SIDE,
                                          .c = 1,
                                          .n_classes = 4,
                                          .shard = s,
                                          .n_shards = UNEVEN_SHARDS,
                                          .records_total = UNEVEN_RECORDS};
        char path[1024];
        snprintf(path, sizeof path, "%.900s/uneven-%05d-of-%05d.h5", folder, s, UNEVEN_SHARDS);
        assert_ok(cnn_shard_writer_create(&writer, path, &header, NULL));
        for (int k = 0; k < uneven_sizes[s]; k++, i++) {
            uint8_t pixels[UNEVEN_PIXELS];
            uneven_pixels(pixels, i);
            assert_ok(cnn_shard_writer_append(writer, pixels, sizeof pixels, uneven_label(i), i));
        }
        assert_ok(cnn_shard_writer_commit(writer));
        cnn_shard_writer_destroy(writer);
    }
    assert_int_equal(i, UNEVEN_RECORDS);
    assert_ok(cnn_dataset_open(out, folder));
}

#endif
