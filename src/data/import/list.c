// `dataset import list`: a CSV or TSV of path and class.
#include "base/file.h"
#include "data/import/listing.h"
#include "data/import/paths.h"
#include "data/import/records.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct list {
    const struct cnn_records *records; // first: see cnn_records_fill
    char root[4096], real[4096];       // what paths are relative to; the same without links
};

static enum cnn_status join(char out[8192], const char *root, const char *path) {
    if (path[0] == '/')
        return cnn_path_format(out, 8192, "%s", path);
    return cnn_path_format(out, 8192, "%s/%s", root, path);
}

// One picture, one key, however its path is written.
static enum cnn_status key_of(char out[8192], const void *context, const char *path) {
    char full[8192];
    CNN_TRY(join(full, ((const struct list *)context)->real, path));
    return cnn_path_normalize(out, full);
}

// The size of a row's file; a row that names none is an error.
static enum cnn_status look_at(uint64_t *out_bytes, const struct list *list,
                               const struct cnn_listing *listing, uint64_t k) {
    const struct cnn_listing_row *row = &listing->rows[k];
    const char *file = listing->table.path;
    char path[8192];
    struct stat info;
    CNN_TRY(join(path, list->root, row->name));
    bool found = stat(path, &info) == 0;
    if (!found && listing->n == 1 && !cnn_path_is_picture(row->name))
        return cnn_fail(CNN_ERR_INPUT,
                        "%s lists no images: line %" PRIu64 ", the only one, names no file (%s: %s)", file,
                        row->line, path, strerror(errno));
    if (!found)
        return cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": no file %s: %s", file, row->line, path,
                        strerror(errno));
    if (!S_ISREG(info.st_mode))
        return cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": %s is not a file", file, row->line, path);
    *out_bytes = (uint64_t)info.st_size;
    return CNN_OK;
}

static enum cnn_status add_rows(struct cnn_records *records, const struct list *list,
                                struct cnn_listing *listing) {
    uint64_t bytes;
    int label;
    if (look_at(&bytes, list, listing, 0) != CNN_OK && cnn_listing_begins_with_heading(listing))
        cnn_listing_drop_heading(listing);
    for (uint64_t k = 0; k < listing->n; k++) {
        const struct cnn_listing_row *row = &listing->rows[k];
        CNN_TRY(look_at(&bytes, list, listing, k));
        CNN_TRY(cnn_records_add_class(&label, records, row->class_name, strlen(row->class_name)));
        CNN_TRY(cnn_records_add(records, row->name, bytes, 0, label));
    }
    records->ignored.files[CNN_IGNORED_REPEATED] = listing->repeated;
    return CNN_OK;
}

static enum cnn_status read_rows(struct cnn_records *records, const struct list *list, const char *file) {
    struct cnn_listing listing;
    struct cnn_names keys = {0};
    enum cnn_status status = cnn_listing_read(&listing, file, false);
    if (status == CNN_OK)
        status = cnn_listing_merge(&listing, &keys, key_of, list);
    if (status == CNN_OK)
        status = add_rows(records, list, &listing);
    cnn_names_finish(&keys);
    cnn_listing_close(&listing);
    return status;
}

static enum cnn_status read_file(void *context, uint64_t i, struct cnn_bytes *to) {
    const struct list *list = context;
    char path[8192];
    CNN_TRY(join(path, list->root, cnn_records_path(list->records, i)));
    return cnn_bytes_add_file(to, path, list->records->files[i].bytes);
}

static enum cnn_status find_root(struct list *list, const char *file, const char *root) {
    const char *slash = strrchr(file, '/');
    int length = !slash ? 0 : slash == file ? 1 : (int)(slash - file);
    if (root && !cnn_folder_exists(root))
        return cnn_fail(CNN_ERR_INPUT, "%s is not a folder", root);
    if (root || !slash)
        CNN_TRY(cnn_path_format(list->root, sizeof list->root, "%s", root ? root : "."));
    else
        CNN_TRY(cnn_path_format(list->root, sizeof list->root, "%.*s", length, file));
    if (!realpath(list->root, list->real))
        return cnn_fail(CNN_ERR_INPUT, "cannot access %s: %s", list->root, strerror(errno));
    return CNN_OK;
}

static enum cnn_status import_list(struct cnn_import_result *out, struct cnn_records *records,
                                   const char *file, const char *root,
                                   const struct cnn_import_options *options) {
    struct list list = {.records = records};
    struct cnn_import_source source = {.read = read_file, .context = &list};
    char identity[128];
    CNN_TRY(find_root(&list, file, root));
    CNN_TRY(read_rows(records, &list, file));
    CNN_TRY(cnn_records_order_classes(records, options->classes, true, file));
    snprintf(identity, sizeof identity, "list files=%" PRIu64 " bytes=%" PRIu64 " crc32c=%08" PRIx32,
             records->n, records->bytes, cnn_records_crc32c(records, true));
    source.identity = identity;
    cnn_records_fill(&source, records);
    return cnn_import_run(out, &source, options);
}

enum cnn_status cnn_import_list(struct cnn_import_result *out, const char *file, const char *root,
                                const struct cnn_import_options *options) {
    struct cnn_records records = {0};
    enum cnn_status status = import_list(out, &records, file, root, options);
    cnn_records_finish(&records);
    return status;
}
