#include "data/import/listing.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_DEPTH 16 // below a class folder; deeper means links in a circle

// Folders, relative to the top, still to be read.
struct pending {
    char **items;
    size_t n, capacity;
};

static enum cnn_status grow(void *list, size_t *capacity, size_t wanted, size_t element_bytes) {
    size_t larger = *capacity ? *capacity : 64, bytes;
    while (larger < wanted)
        larger *= 2;
    if (larger == *capacity)
        return CNN_OK;
    CNN_TRY(cnn_multiply(&bytes, larger, element_bytes));
    void *moved = realloc(*(void **)list, bytes);
    if (!moved)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: a list of %zu entries", larger);
    *(void **)list = moved;
    *capacity = larger;
    return CNN_OK;
}

static enum cnn_status add_file(struct cnn_listing *listing, const char *path, int label, uint64_t bytes) {
    size_t length = strlen(path) + 1;
    CNN_TRY(grow(&listing->files, &listing->capacity, listing->n + 1, sizeof *listing->files));
    CNN_TRY(grow(&listing->paths, &listing->paths_capacity, listing->paths_bytes + length, 1));
    memcpy(listing->paths + listing->paths_bytes, path, length);
    listing->files[listing->n++] =
        (struct cnn_listing_file){.path = listing->paths_bytes, .bytes = bytes, .label = label};
    listing->paths_bytes += length;
    listing->bytes += bytes;
    return CNN_OK;
}

static enum cnn_status push(struct pending *pending, const char *path) {
    CNN_TRY(grow(&pending->items, &pending->capacity, pending->n + 1, sizeof *pending->items));
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

static enum cnn_status add_entry(struct cnn_listing *listing, struct pending *pending, const char *top,
                                 const char *folder, const char *name, int label) {
    char path[4096], full[8192];
    struct stat info;
    CNN_TRY(cnn_path_format(path, sizeof path, "%s/%s", folder, name));
    CNN_TRY(cnn_path_format(full, sizeof full, "%s/%s", top, path));
    if (stat(full, &info) != 0)
        return cnn_fail(CNN_ERR_INPUT, "cannot look at %s: %s", full, strerror(errno));
    if (S_ISREG(info.st_mode))
        return add_file(listing, path, label, (uint64_t)info.st_size);
    if (!S_ISDIR(info.st_mode))
        return CNN_OK;
    if (depth(path) > MAX_DEPTH)
        return cnn_fail(CNN_ERR_INPUT, "%s: folders more than %d deep; do links lead in a circle?", full,
                        MAX_DEPTH);
    return push(pending, path);
}

static enum cnn_status read_folder(struct cnn_listing *listing, struct pending *pending, const char *top,
                                   const char *folder, int label) {
    char full[8192], **names;
    size_t n;
    CNN_TRY(cnn_path_format(full, sizeof full, "%s/%s", top, folder));
    CNN_TRY(cnn_folder_list(&names, &n, full, "", ""));
    enum cnn_status status = CNN_OK;
    for (size_t i = 0; i < n && status == CNN_OK; i++)
        status = add_entry(listing, pending, top, folder, names[i], label);
    cnn_names_free(names, n);
    return status;
}

static enum cnn_status read_class(struct cnn_listing *listing, const char *top, int label) {
    struct pending pending = {0};
    enum cnn_status status = push(&pending, listing->classes[label]);
    while (pending.n > 0 && status == CNN_OK) {
        char *folder = pending.items[--pending.n];
        status = read_folder(listing, &pending, top, folder, label);
        free(folder);
    }
    cnn_names_free(pending.items, pending.n);
    return status;
}

// Keeps the folders among the entries of `top` as classes.
static enum cnn_status read_classes(struct cnn_listing *listing, const char *top) {
    char path[8192];
    size_t kept = 0;
    if (!cnn_folder_exists(top))
        return cnn_fail(CNN_ERR_INPUT, "%s is not a folder", top);
    CNN_TRY(cnn_folder_list(&listing->classes, &listing->n_classes, top, "", ""));
    size_t n = listing->n_classes;
    for (size_t i = 0; i < n; i++) {
        CNN_TRY(cnn_path_format(path, sizeof path, "%s/%s", top, listing->classes[i]));
        char *name = listing->classes[i];
        if (!cnn_folder_exists(path))
            continue;
        listing->classes[i] = listing->classes[kept];
        listing->classes[kept++] = name;
    }
    for (size_t i = kept; i < n; i++)
        free(listing->classes[i]);
    listing->n_classes = kept;
    if (kept == 0)
        return cnn_fail(CNN_ERR_INPUT, "%s has no class folders: expected %s/CLASS/PICTURE.jpg", top, top);
    if (n > kept)
        cnn_log_warn("%s: %zu files beside the class folders are left out", top, n - kept);
    return CNN_OK;
}

static int by_label_and_path(const void *a, const void *b, void *context) {
    const struct cnn_listing_file *x = a, *y = b;
    const char *paths = context;
    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    return strcmp(paths + x->path, paths + y->path);
}

enum cnn_status cnn_listing_read(struct cnn_listing *out, const char *folder) {
    *out = (struct cnn_listing){0};
    CNN_TRY(read_classes(out, folder));
    for (size_t label = 0; label < out->n_classes; label++) {
        size_t before = out->n;
        CNN_TRY(read_class(out, folder, (int)label));
        if (out->n == before)
            cnn_log_warn("%s/%s: a class without pictures", folder, out->classes[label]);
    }
    if (out->n == 0)
        return cnn_fail(CNN_ERR_INPUT, "%s: the class folders are empty", folder);
    qsort_r(out->files, out->n, sizeof *out->files, by_label_and_path, out->paths);
    return CNN_OK;
}

void cnn_listing_finish(struct cnn_listing *listing) {
    cnn_names_free(listing->classes, listing->n_classes);
    free(listing->files);
    free(listing->paths);
    *listing = (struct cnn_listing){0};
}
