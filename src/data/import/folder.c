// `dataset import folder`: files in class folders, or in class folders in the folders of splits.
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/import/paths.h"
#include "data/import/records.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_DEPTH 18 // below SRC

#define AT_CIRCLE 1 // a record's `at`: a link to a folder that it lies in
#define CIRCLE "a link to a folder that contains it"

struct folder {
    const struct cnn_records *records; // first: see cnn_records_fill
    const char *path;
};

// What is listed.
struct top {
    const char *path;
    bool warns; // this process does, of those that share the import
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

// What cannot be looked at becomes a record: reading it will say why, in the report.
static enum cnn_status add_unreadable(struct cnn_records *records, const struct top *top, const char *path,
                                      uint64_t at, const char *reason) {
    if (top->warns && (at == CNN_RECORD_IS_UNREADABLE || depth(path) == 0)) // a class, or more, is missing
        cnn_log_warn("%s/%s: %s", top->path, path, reason);
    return cnn_records_add(records, path, 0, at, -1);
}

static enum cnn_status add_entry(struct cnn_records *records, struct pending *pending, const struct top *top,
                                 const char *folder, const char *name) {
    char path[4096], full[8192];
    struct stat info;
    CNN_TRY(cnn_path_format(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", name));
    CNN_TRY(cnn_path_format(full, sizeof full, "%s/%s", top->path, path));
    if (stat(full, &info) != 0)
        return add_unreadable(records, top, path, 0, strerror(errno));
    if (S_ISREG(info.st_mode))
        return cnn_records_add(records, path, (uint64_t)info.st_size, 0, -1);
    if (!S_ISDIR(info.st_mode)) {
        records->ignored.files[CNN_IGNORED_SPECIAL]++;
        return CNN_OK;
    }
    if (cnn_folder_is_circular(top->path, path))
        return add_unreadable(records, top, path, AT_CIRCLE, CIRCLE);
    if (depth(path) >= MAX_DEPTH)
        return cnn_fail(CNN_ERR_INPUT, "%s: folders more than %d deep", full, MAX_DEPTH);
    return push(pending, path);
}

static enum cnn_status read_folder(struct cnn_records *records, struct pending *pending,
                                   const struct top *top, const char *folder) {
    char full[8192];
    bool empty = true;
    CNN_TRY(cnn_path_format(full, sizeof full, "%s/%s", top->path, folder));
    DIR *entries = opendir(full);
    if (!entries && !*folder)
        return cnn_fail(CNN_ERR_INPUT, "cannot open %s: %s", top->path, strerror(errno));
    if (!entries)
        return add_unreadable(records, top, folder, CNN_RECORD_IS_UNREADABLE, strerror(errno));
    enum cnn_status status = CNN_OK;
    struct dirent *entry;
    while (status == CNN_OK && (errno = 0, entry = readdir(entries))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        bool hidden = cnn_path_is_hidden(entry->d_name);
        records->ignored.files[CNN_IGNORED_HIDDEN] += hidden;
        empty = empty && hidden;
        if (!hidden)
            status = add_entry(records, pending, top, folder, entry->d_name);
    }
    if (status == CNN_OK && errno != 0)
        status = cnn_fail(CNN_ERR_IO, "cannot read %s: %s", full, strerror(errno));
    closedir(entries);
    if (empty && status == CNN_OK && *folder)
        status = cnn_records_add(records, folder, 0, CNN_RECORD_IS_FOLDER, -1);
    return status;
}

static enum cnn_status list_files(struct cnn_records *records, const struct top *top) {
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
    if (folder->records->files[i].at == AT_CIRCLE)
        return cnn_fail(CNN_ERR_INPUT, CIRCLE);
    CNN_TRY(cnn_path_format(path, sizeof path, "%s/%s", folder->path, cnn_records_path(folder->records, i)));
    return cnn_bytes_add_file(to, path, folder->records->files[i].bytes);
}

static enum cnn_status list_classes(struct cnn_records *records, const char *folder,
                                    const struct cnn_import_options *options) {
    const struct top top = {folder, options->rank == 0};
    const struct cnn_records_origin origin = {.path = folder, .out = options->out, .warns = top.warns};
    char note[CNN_IGNORED_NOTE_BYTES];
    if (!cnn_folder_exists(folder))
        return cnn_fail(CNN_ERR_INPUT, "%s is not a folder", folder);
    CNN_TRY(list_files(records, &top));
    CNN_TRY(cnn_records_by_folder(records, &origin));
    if (records->classes.n == 0)
        return cnn_fail(CNN_ERR_INPUT, "%s has no class folders: expected %s/CLASS/IMAGE.jpg%s", folder,
                        folder, cnn_ignored_note(note, &records->ignored));
    if (records->n == 0)
        return cnn_fail(CNN_ERR_INPUT, "%s: the class folders are empty%s", folder,
                        cnn_ignored_note(note, &records->ignored));
    CNN_TRY(cnn_records_order_classes(records, options->classes, false, folder));
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
