// Pictures and folders for the tests of importing.
#ifndef TEST_IMPORT_FIXTURE_H
#define TEST_IMPORT_FIXTURE_H
#include "data/dataset.h"
#include "data/import.h"
#include "scratch_folder.h"

// Imports sync what they write: in memory that costs nothing.
static inline void use_memory(void) {
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
}

static inline uint8_t *make_jpeg(size_t *out_bytes, int side, int value) {
    uint8_t *pixels = malloc((size_t)side * (size_t)side * 3), *jpeg;
    memset(pixels, value, (size_t)side * (size_t)side * 3);
    assert_ok(cnn_image_encode_jpeg(&jpeg, out_bytes, pixels, side, side, 3, 80));
    free(pixels);
    return jpeg;
}

static inline void put_jpeg(const char *path, int side, int value) {
    size_t bytes;
    uint8_t *jpeg = make_jpeg(&bytes, side, value);
    write_file(path, jpeg, bytes);
    free(jpeg);
}

static inline void put_png(const char *path, int side) {
    uint8_t pixels[16 * 16 * 3] = {0}, *png;
    size_t bytes;
    assert_ok(cnn_image_encode_png(&png, &bytes, pixels, side, side, 3));
    write_file(path, png, bytes);
    free(png);
}

// n pictures in `classes` class folders, of different sizes and colours; they are named so that the order of
// names is the order of their numbers.
static inline void put_classes(const char *folder, int n, int classes) {
    char path[1100];
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/class %d/%04d.jpg", folder, i % classes, i);
        put_jpeg(path, 8 + i % 5, i * 7 % 256);
    }
}

// The records of class `label`.
static inline uint64_t count_label(const struct cnn_dataset *dataset, int label) {
    uint64_t n = 0;
    for (uint64_t i = 0; i < cnn_dataset_count(dataset); i++)
        n += cnn_dataset_record(dataset, i).label == label;
    return n;
}

// Decodes record i; returns its first byte of red.
static inline int red_of(const struct cnn_dataset *dataset, uint64_t i, struct cnn_image_info *info) {
    struct cnn_record record = cnn_dataset_record(dataset, i);
    uint8_t *data = malloc(record.bytes), *pixels;
    assert_ok(cnn_dataset_read(dataset, i, data));
    assert_ok(cnn_dataset_decode(dataset, &pixels, info, data, record.bytes, 3));
    int red = pixels[0];
    free(pixels);
    free(data);
    return red;
}

#endif
