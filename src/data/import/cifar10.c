// `dataset import cifar10`: the binary version. A record is a label byte and 32 x 32 pixels, red, then green,
// then blue. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
#include "base/checksum.h"
#include "base/file.h"
#include "data/import/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE 32
#define PLANE (SIDE * SIDE)
#define RECORD_BYTES (1 + 3 * PLANE)
#define MAX_FILE_BYTES ((size_t)1 << 30)

static const char *const official_names[10] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                               "dog",      "frog",       "horse", "ship", "truck"};

struct cifar10 {
    const char *const *files;
    int n_files, n_classes;
    int loaded;     // which file `data` holds
    uint64_t first; // its first record
    char *data;
    size_t bytes;
    uint8_t pixels[3 * PLANE];
};

static enum cnn_status load(struct cifar10 *source, int file) {
    free(source->data);
    source->data = NULL;
    source->bytes = 0;
    source->loaded = file;
    CNN_TRY(cnn_file_read(&source->data, &source->bytes, source->files[file], MAX_FILE_BYTES));
    if (source->bytes == 0 || source->bytes % RECORD_BYTES != 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s: %zu bytes are no whole number of CIFAR-10 records of %d bytes; is it the binary "
                        "version, and whole?",
                        source->files[file], source->bytes, RECORD_BYTES);
    return CNN_OK;
}

static enum cnn_status check_labels(const struct cifar10 *source, int file) {
    for (size_t i = 0; i < source->bytes / RECORD_BYTES; i++) {
        int label = (uint8_t)source->data[i * RECORD_BYTES];
        if (label >= source->n_classes)
            return cnn_fail(CNN_ERR_INPUT, "%s: record %zu: label %d is not one of the %d classes",
                            source->files[file], i, label, source->n_classes);
    }
    return CNN_OK;
}

static enum cnn_status get(void *context, uint64_t i, struct cnn_import_record *out) {
    struct cifar10 *source = context;
    while (i - source->first >= source->bytes / RECORD_BYTES) {
        source->first += source->bytes / RECORD_BYTES;
        CNN_TRY(load(source, source->loaded + 1));
    }
    const uint8_t *record = (const uint8_t *)source->data + (i - source->first) * RECORD_BYTES;
    for (int pixel = 0; pixel < PLANE; pixel++)
        for (int c = 0; c < 3; c++)
            source->pixels[3 * pixel + c] = record[1 + c * PLANE + pixel];
    out->data = source->pixels;
    out->bytes = sizeof source->pixels;
    out->label = record[0];
    out->id = i;
    out->h = out->w = SIDE;
    return CNN_OK;
}

// Reads every file through, so that nothing is written from a bad one.
static enum cnn_status survey(struct cifar10 *source, uint64_t *out_records, uint32_t *out_crc) {
    uint64_t records = 0;
    uint32_t crc = 0;
    for (int file = 0; file < source->n_files; file++) {
        CNN_TRY(load(source, file));
        CNN_TRY(check_labels(source, file));
        crc = cnn_crc32c(crc, source->data, source->bytes);
        records += source->bytes / RECORD_BYTES;
    }
    *out_records = records;
    *out_crc = crc;
    return load(source, 0);
}

enum cnn_status cnn_import_cifar10(struct cnn_import_result *out, const char *const *files, int n_files,
                                   const char *const *class_names, int n_class_names,
                                   const struct cnn_import_options *options) {
    struct cifar10 source = {
        .files = files, .n_files = n_files, .n_classes = class_names ? n_class_names : 10};
    struct cnn_import_plan plan = {
        .header = {.encoding = CNN_ENCODING_RAW, .h = SIDE, .w = SIDE, .c = 3, .n_classes = source.n_classes},
        .class_names = class_names ? class_names : official_names,
        .get = get,
        .context = &source,
    };
    char text[128];
    uint32_t crc;
    if (n_files < 1)
        return cnn_fail(CNN_ERR_INPUT, "no CIFAR-10 files are given");
    enum cnn_status status = survey(&source, &plan.header.records_total, &crc);
    if (status == CNN_OK) {
        snprintf(text, sizeof text, "cifar10 records=%" PRIu64 " crc32c=%08" PRIx32,
                 plan.header.records_total, crc);
        plan.header.source = text;
        plan.bytes = plan.header.records_total * sizeof source.pixels;
        status = cnn_import_run(out, &plan, options);
    }
    free(source.data);
    return status;
}
