// `dataset import folder`: files in class folders, or in class folders in the folders of splits.
#include "base/file.h"
#include "base/memory.h"
#include "data/import/records.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_DEPTH 18 // below SRC; deeper means links in a circle

struct folder {
    const struct cnn_records *records; // first: see cnn_records_fill
    const char *path;
};

// Folders, relative to the top, still to be read.
struct pending {
    char **items;
    size_t n, room;
};

static enum cnn_status push(struct pending *pending, const char *path) {
    CNN_TRY(cnn_make_room(&pending->items, &pending->room, pending->n, sizeof *pending->items));
    CNN_TRY(cnn_strdup(&pending->items[pending->n], path));
    pending->n++;
    return CNN_OK;
}

static int depth(const char *path) {
    int n = 0;
    for (; *path; path++)
        n += *path == '/';
    return n;
}

static enum cnn_status add_entry(struct cnn_records *records, struct pending *pending, const char *top,
                                 const char *folder, const char *name) {
    char path[4096], full[8192];
    struct stat info;
    CNN_TRY(cnn_path_format(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", name));
    CNN_TRY(cnn_path_format(full, sizeof full, "%s/%s", top, path));
    if (stat(full, &info) != 0)
        return cnn_fail(CNN_ERR_INPUT, "cannot look at %s: %s", full, strerror(errno));
    if (S_ISREG(info.st_mode))
        return cnn_records_add(records, path, (uint64_t)info.st_size, 0, -1);
    if (!S_ISDIR(info.st_mode))
        return CNN_OK;
    if (depth(path) >= MAX_DEPTH)
        return cnn_fail(CNN_ERR_INPUT, "%s: folders more than %d deep; do links lead in a circle?", full,
                        MAX_DEPTH);
    return push(pending, path);
}

static enum cnn_status read_folder(struct cnn_records *records, struct pending *pending, const char *top,
                                   const char *folder) {
    char full[8192], **names;
    size_t n;
    CNN_TRY(cnn_path_format(full, sizeof full, "%s/%s", top, folder));
    CNN_TRY(cnn_folder_list(&names, &n, full, "", ""));
    enum cnn_status status = CNN_OK;
    for (size_t i = 0; i < n && status == CNN_OK; i++)
        status = add_entry(records, pending, top, folder, names[i]);
    if (n == 0 && status == CNN_OK && *folder && depth(folder) <= 1)
        status = cnn_records_add(records, folder, 0, CNN_RECORD_IS_FOLDER, -1);
    cnn_names_free(names, n);
    return status;
}

static enum cnn_status list_files(struct cnn_records *records, const char *top) {
    struct pending pending = {0};
    enum cnn_status status = push(&pending, "");
    while (pending.n > 0 && status == CNN_OK) {
        char *folder = pending.items[--pending.n];
        status = read_folder(records, &pending, top, folder);
        free(folder);
    }
    cnn_names_free(pending.items, pending.n);
    return status;
}

static enum cnn_status read_file(void *context, uint64_t i, struct cnn_bytes *to) {
    const struct folder *folder = context;
    char path[8192];
    CNN_TRY(cnn_path_format(path, sizeof path, "%s/%s", folder->path, cnn_records_path(folder->records, i)));
    return cnn_bytes_add_file(to, path, folder->records->files[i].bytes);
}

static enum cnn_status list_classes(struct cnn_records *records, const char *top,
                                    const struct cnn_import_options *options) {
    char note[CNN_IGNORED_NOTE_BYTES];
    if (!cnn_folder_exists(top))
        return cnn_fail(CNN_ERR_INPUT, "%s is not a folder", top);
    CNN_TRY(list_files(records, top));
    CNN_TRY(cnn_records_by_folder(records, false));
    if (records->classes.n == 0)
        return cnn_fail(CNN_ERR_INPUT, "%s has no class folders: expected %s/CLASS/PICTURE.jpg%s", top, top,
                        cnn_ignored_note(note, &records->ignored));
    if (records->n == 0)
        return cnn_fail(CNN_ERR_INPUT, "%s: the class folders are empty%s", top,
                        cnn_ignored_note(note, &records->ignored));
    CNN_TRY(cnn_records_order_classes(records, options->classes, false, top));
    cnn_records_sort(records);
    return CNN_OK;
}

enum cnn_status cnn_import_folder(struct cnn_import_result *out, const char *folder,
                                  const struct cnn_import_options *options) {
    struct cnn_records records = {0};
    struct folder context = {&records, folder};
    struct cnn_import_source source = {.read = read_file, .context = &context};
    char identity[128];
    enum cnn_status status = list_classes(&records, folder, options);
    if (status == CNN_OK) {
        snprintf(identity, sizeof identity, "folder files=%" PRIu64 " bytes=%" PRIu64 " crc32c=%08" PRIx32,
                 records.n, records.bytes, cnn_records_crc32c(&records, false));
        source.identity = identity;
        cnn_records_fill(&source, &records);
        status = cnn_import_run(out, &source, options);
    }
    cnn_records_finish(&records);
    return status;
}
