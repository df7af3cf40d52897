#include "data/import/records.h"

#include "base/checksum.h"
#include "base/log.h"
#include "base/memory.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 1024

enum cnn_status cnn_records_add(struct cnn_records *records, const char *path, uint64_t bytes, uint64_t at,
                                int label) {
    if (records->n == records->room) {
        uint64_t room = records->room ? 2 * records->room : FIRST_ROOM;
        struct cnn_import_file *larger = realloc(records->files, (size_t)room * sizeof *larger);
        if (!larger)
            return cnn_fail(CNN_ERR_MEMORY, "out of memory: a list of %" PRIu64 " files", room);
        records->files = larger;
        records->room = room;
    }
    records->files[records->n] =
        (struct cnn_import_file){.path = records->paths.n, .bytes = bytes, .at = at, .label = label};
    CNN_TRY(cnn_bytes_add(&records->paths, path, strlen(path) + 1));
    records->bytes += bytes;
    records->n++;
    return CNN_OK;
}

enum cnn_status cnn_records_add_class(int *out, struct cnn_records *records, const char *name,
                                      size_t length) {
    int before = records->classes.n;
    CNN_TRY(cnn_names_add_utf8(out, &records->classes, name, length));
    const char *kept = records->classes.items[*out];
    if (records->classes.n > before && strlen(kept) != length)
        cnn_log_warn("the class name %s is not UTF-8: its other bytes are kept as \\xHH", kept);
    return CNN_OK;
}

void cnn_records_finish(struct cnn_records *records) {
    for (int i = 0; records->shown && i < records->classes.n; i++)
        free(records->shown[i]);
    free(records->shown);
    cnn_names_finish(&records->classes);
    cnn_names_finish(&records->parts);
    free(records->files);
    free(records->paths.data);
    *records = (struct cnn_records){0};
}

static int by_place(const void *a, const void *b, void *context) {
    const struct cnn_import_file *x = a, *y = b;
    const char *paths = context;
    if (x->part != y->part)
        return x->part < y->part ? -1 : 1;
    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    return strcmp(paths + x->path, paths + y->path);
}

void cnn_records_sort(struct cnn_records *records) {
    qsort_r(records->files, (size_t)records->n, sizeof *records->files, by_place, records->paths.data);
}

uint32_t cnn_records_crc32c(const struct cnn_records *records, bool labels) {
    uint32_t crc = 0;
    for (uint64_t i = 0; i < records->n; i++) {
        const struct cnn_import_file *file = &records->files[i];
        const char *path = cnn_records_path(records, i);
        crc = cnn_crc32c(crc, path, strlen(path) + 1);
        crc = cnn_crc32c(crc, &file->bytes, sizeof file->bytes);
        if (labels)
            crc = cnn_crc32c(crc, &file->label, sizeof file->label);
    }
    return crc;
}

// ---- as a source ----

static const struct cnn_records *records_of(const void *context) {
    return *(const struct cnn_records *const *)context;
}

static int label_of(const void *context, uint64_t i) { return records_of(context)->files[i].label; }

static int part_of(const void *context, uint64_t i) { return records_of(context)->files[i].part; }

static uint64_t size_of(const void *context, uint64_t i) { return records_of(context)->files[i].bytes; }

static const char *path_of(const void *context, uint64_t i) {
    return cnn_records_path(records_of(context), i);
}

void cnn_records_fill(struct cnn_import_source *out, const struct cnn_records *records) {
    out->n = records->n;
    out->bytes = records->bytes;
    out->classes = (const char *const *)records->shown;
    out->n_classes = records->classes.n;
    out->ignored = records->ignored;
    out->parts = records->parts.n > 0 ? (const char *const *)records->parts.items : NULL;
    out->n_parts = records->parts.n;
    out->label = label_of;
    out->part = part_of;
    out->size = size_of;
    out->path = path_of;
}
