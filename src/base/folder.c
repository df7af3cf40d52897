// Folders: the second half of file.h.
#include "base/file.h"

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum cnn_status cnn_folder_nearest(char out[4096], const char *path) {
    char at[4096];
    CNN_TRY(cnn_path_format(at, sizeof at, "%s", *path ? path : "."));
    while (!cnn_folder_exists(at)) {
        if (cnn_file_exists(at))
            return cnn_fail(CNN_ERR_INPUT, "%s is a file", at);
        char *slash = strrchr(at, '/');
        if (!slash)
            strcpy(at, ".");
        else if (slash == at)
            strcpy(at, "/");
        else
            *slash = '\0';
    }
    strcpy(out, at);
    return CNN_OK;
}

static bool is_at(const char *path, const struct stat *folder) {
    struct stat found;
    return stat(path, &found) == 0 && found.st_dev == folder->st_dev && found.st_ino == folder->st_ino;
}

static bool is_above(const char *top, const struct stat *folder) {
    char full[PATH_MAX];
    if (!realpath(top, full))
        return false;
    for (char *slash; (slash = strrchr(full, '/'));) {
        slash[slash == full] = '\0'; // the root stays
        if (is_at(full, folder))
            return true;
        if (slash == full)
            return false;
    }
    return false;
}

bool cnn_folder_is_circular(const char *top, const char *path) {
    char full[8192];
    struct stat link, folder;
    if (cnn_path_format(full, sizeof full, "%s/%s", top, path) != CNN_OK || lstat(full, &link) != 0 ||
        !S_ISLNK(link.st_mode) || stat(full, &folder) != 0 || !S_ISDIR(folder.st_mode))
        return false;
    for (size_t length = strlen(path); length > 0;) {
        while (length > 0 && path[length - 1] != '/')
            length--;
        length -= length > 0;
        if (cnn_path_format(full, sizeof full, "%s/%.*s", top, (int)length, path) == CNN_OK &&
            is_at(full, &folder))
            return true;
    }
    return is_above(top, &folder);
}

struct names {
    char **items;
    size_t n, capacity;
};

static enum cnn_status names_add(struct names *names, const char *name) {
    if (names->n == names->capacity) {
        size_t capacity = names->capacity ? names->capacity * 2 : 64;
        char **larger = realloc(names->items, capacity * sizeof *larger);
        if (!larger)
            return cnn_fail(CNN_ERR_MEMORY, "out of memory: cannot list %zu names", capacity);
        names->items = larger;
        names->capacity = capacity;
    }
    CNN_TRY(cnn_strdup(&names->items[names->n], name));
    names->n++;
    return CNN_OK;
}

static bool matches(const char *name, const char *prefix, const char *suffix) {
    size_t n = strlen(name), prefix_n = strlen(prefix), suffix_n = strlen(suffix);
    return name[0] != '.' && n >= prefix_n + suffix_n && strncmp(name, prefix, prefix_n) == 0 &&
           strcmp(name + n - suffix_n, suffix) == 0;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

enum cnn_status cnn_folder_list(char ***out, size_t *out_n, const char *path, const char *prefix,
                                const char *suffix) {
    struct names names = {0};
    enum cnn_status status = CNN_OK;
    DIR *folder = opendir(path);
    if (!folder)
        return cnn_fail(errno == ENOMEM || errno == EMFILE || errno == EIO ? CNN_ERR_IO : CNN_ERR_INPUT,
                        "cannot list the folder %s: %s", path, strerror(errno));
    struct dirent *entry;
    while (status == CNN_OK && (errno = 0, entry = readdir(folder)))
        if (matches(entry->d_name, prefix, suffix))
            status = names_add(&names, entry->d_name);
    if (status == CNN_OK && errno != 0)
        status = cnn_fail(CNN_ERR_IO, "cannot list the folder %s: %s", path, strerror(errno));
    closedir(folder);
    if (status != CNN_OK) {
        cnn_names_free(names.items, names.n);
        return status;
    }
    if (names.n > 0)
        qsort(names.items, names.n, sizeof *names.items, by_name);
    *out = names.items;
    *out_n = names.n;
    return CNN_OK;
}

void cnn_names_free(char **names, size_t n) {
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}
