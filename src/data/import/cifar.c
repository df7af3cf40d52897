// `dataset import cifar10` and `cifar100`: the binary versions. A record is one label byte, or a coarse and a
// fine one, and 32 x 32 pixels, red, then green, then blue. Krizhevsky, "Learning multiple layers of features
// from tiny images", 2009.
#include "base/checksum.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/import/select.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIDE 32
#define PLANE (SIDE * SIDE)
#define MAX_FILE_BYTES ((size_t)1 << 30)
#define MAX_FILES 16

static const char *const names_10[10] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                         "dog",      "frog",       "horse", "ship", "truck"};

struct format {
    const char *name;
    int n_labels, label_at; // bytes before the pixels; which of them counts
    int n_classes;
    const char *const *classes;
};

static const struct format formats[] = {
    [CNN_CIFAR10] = {"cifar10", 1, 0, 10, names_10},
    [CNN_CIFAR100_FINE] = {"cifar100 labels=fine", 2, 1, 100, NULL},
    [CNN_CIFAR100_COARSE] = {"cifar100 labels=coarse", 2, 0, 20, NULL},
};

struct cifar {
    const struct format *format;
    size_t record_bytes;
    int n_classes, n_files;
    const char *files[MAX_FILES];
    int fds[MAX_FILES], part[MAX_FILES];
    const char *parts[MAX_FILES];
    int n_parts;                   // 0: one dataset
    uint64_t first[MAX_FILES + 1]; // record of each file, and the end
    struct cnn_bytes labels;
    uint32_t crc;
};

static enum cnn_status add_labels(struct cifar *cifar, int file, const char *data, size_t bytes) {
    size_t n = bytes / cifar->record_bytes;
    CNN_TRY(cnn_bytes_reserve(&cifar->labels, n));
    for (size_t i = 0; i < n; i++) {
        uint8_t label = (uint8_t)data[i * cifar->record_bytes + (size_t)cifar->format->label_at];
        if (label >= cifar->n_classes)
            return cnn_fail(CNN_ERR_INPUT, "%s: record %zu: label %d is out of range for %d classes",
                            cifar->files[file], i, label, cifar->n_classes);
        cifar->labels.data[cifar->labels.n++] = label;
    }
    cifar->first[file + 1] = cifar->first[file] + n;
    return CNN_OK;
}

// Reads a file through, so that nothing is written from a bad one.
static enum cnn_status survey(struct cifar *cifar, int file) {
    char *data;
    size_t bytes;
    const char *path = cifar->files[file];
    CNN_TRY(cnn_file_read(&data, &bytes, path, MAX_FILE_BYTES));
    enum cnn_status status = CNN_OK;
    if (bytes == 0 || bytes % cifar->record_bytes != 0)
        status = cnn_fail(
            CNN_ERR_INPUT,
            "%s: %zu bytes are not a multiple of the CIFAR record size of %zu bytes; is it the binary "
            "version, and complete?",
            path, bytes, cifar->record_bytes);
    if (status == CNN_OK)
        status = add_labels(cifar, file, data, bytes);
    cifar->crc = cnn_crc32c(cifar->crc, data, bytes);
    free(data);
    CNN_TRY(status);
    cifar->fds[file] = open(path, O_RDONLY | O_CLOEXEC);
    return cifar->fds[file] >= 0 ? CNN_OK : cnn_fail(CNN_ERR_INPUT, "cannot open %s: %m", path);
}

static enum cnn_status read_picture(void *context, uint64_t i, struct cnn_bytes *to) {
    const struct cifar *cifar = context;
    uint8_t record[2 + 3 * PLANE];
    const uint8_t *planes = record + cifar->format->n_labels;
    int file = 0;
    while (i >= cifar->first[file + 1])
        file++;
    CNN_TRY(cnn_bytes_reserve(to, 3 * PLANE));
    enum cnn_status status = cnn_file_pread(cifar->fds[file], cifar->files[file], record, cifar->record_bytes,
                                            (i - cifar->first[file]) * cifar->record_bytes);
    if (status != CNN_OK)
        return status == CNN_ERR_INPUT ? CNN_ERR_IO : status; // it was whole before
    uint8_t *pixels = to->data + to->n;
    for (int pixel = 0; pixel < PLANE; pixel++)
        for (int c = 0; c < 3; c++)
            pixels[3 * pixel + c] = planes[c * PLANE + pixel];
    to->n += 3 * PLANE;
    return CNN_OK;
}

static int label_of(const void *context, uint64_t i) {
    return ((const struct cifar *)context)->labels.data[i];
}

static int part_of(const void *context, uint64_t i) {
    const struct cifar *cifar = context;
    int file = 0;
    while (i >= cifar->first[file + 1])
        file++;
    return cifar->part[file];
}

static enum cnn_status add_part(struct cifar *cifar, const struct cnn_cifar_part *part) {
    if (part->n_files < 1 || part->n_files > MAX_FILES - cifar->n_files)
        return cnn_fail(CNN_ERR_INPUT, "%d CIFAR files; allowed: 1 to %d", part->n_files, MAX_FILES);
    for (int k = 0; k < part->n_files; k++) {
        cifar->part[cifar->n_files] = cifar->n_parts;
        cifar->fds[cifar->n_files] = -1;
        cifar->files[cifar->n_files++] = part->files[k];
    }
    if (part->name)
        cifar->parts[cifar->n_parts++] = part->name;
    return CNN_OK;
}

// "cifar10 records=60000 crc32c=...", or "cifar10 train=50000 test=10000 crc32c=..."
static void identify(char *out, size_t room, const struct cifar *cifar) {
    int used = snprintf(out, room, "%s", cifar->format->name);
    for (int p = 0; p < cifar->n_parts; p++) {
        uint64_t n = 0;
        for (int file = 0; file < cifar->n_files; file++)
            n += cifar->part[file] == p ? cifar->first[file + 1] - cifar->first[file] : 0;
        used += snprintf(out + used, room - (size_t)used, " %s=%" PRIu64, cifar->parts[p], n);
    }
    if (cifar->n_parts == 0)
        used += snprintf(out + used, room - (size_t)used, " records=%" PRIu64, cifar->first[cifar->n_files]);
    snprintf(out + used, room - (size_t)used, " crc32c=%08" PRIx32, cifar->crc);
}

static enum cnn_status import_files(struct cnn_import_result *out, struct cifar *cifar,
                                    const char *const *class_names,
                                    const struct cnn_import_options *options) {
    char text[128 + MAX_FILES * (CNN_IMPORT_MAX_PART_NAME + 24)];
    for (int file = 0; file < cifar->n_files; file++)
        CNN_TRY(survey(cifar, file));
    uint64_t n = cifar->first[cifar->n_files];
    identify(text, sizeof text, cifar);
    const struct cnn_import_source source = {
        .identity = text,
        .n = n,
        .bytes = n * 3 * PLANE,
        .classes = class_names,
        .n_classes = cifar->n_classes,
        .parts = cifar->n_parts > 0 ? cifar->parts : NULL,
        .n_parts = cifar->n_parts,
        .pixels = true,
        .h = SIDE,
        .w = SIDE,
        .c = 3,
        .label = label_of,
        .part = part_of,
        .read = read_picture,
        .context = cifar,
    };
    return cnn_import_run(out, &source, options);
}

enum cnn_status cnn_import_cifar_parts(struct cnn_import_result *out, enum cnn_cifar kind,
                                       const struct cnn_cifar_part *parts, int n_parts,
                                       const char *const *class_names, int n_class_names,
                                       const struct cnn_import_options *options) {
    struct cifar cifar = {.format = &formats[kind],
                          .record_bytes = (size_t)formats[kind].n_labels + 3 * PLANE,
                          .n_classes = class_names ? n_class_names : formats[kind].n_classes};
    enum cnn_status status = CNN_OK;
    for (int p = 0; p < n_parts && status == CNN_OK; p++)
        status = add_part(&cifar, &parts[p]);
    if (status == CNN_OK)
        status = import_files(out, &cifar, class_names ? class_names : formats[kind].classes, options);
    for (int file = 0; file < cifar.n_files; file++)
        if (cifar.fds[file] >= 0)
            close(cifar.fds[file]);
    free(cifar.labels.data);
    return status;
}

enum cnn_status cnn_import_cifar(struct cnn_import_result *out, enum cnn_cifar kind, const char *const *files,
                                 int n_files, const char *const *class_names, int n_class_names,
                                 const struct cnn_import_options *options) {
    const struct cnn_cifar_part part = {NULL, files, n_files};
    return cnn_import_cifar_parts(out, kind, &part, 1, class_names, n_class_names, options);
}
