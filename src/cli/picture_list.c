#include "cli/picture_list.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/import/paths.h"
#include "image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DEPTH 64 // of folders below the one that is named

void cnn_picture_list_finish(struct cnn_picture_list *list) {
    cnn_names_free(list->paths, list->n);
    *list = (struct cnn_picture_list){0};
}

// Takes `path` over.
static enum cnn_status push(struct cnn_picture_list *list, char *path) {
    const enum cnn_status status = cnn_make_room(&list->paths, &list->room, list->n, sizeof *list->paths);
    if (status != CNN_OK) {
        free(path);
        return status;
    }
    list->paths[list->n++] = path;
    return CNN_OK;
}

static bool is_picture(const char *path) {
    unsigned char head[8];
    if (cnn_path_is_picture(path))
        return true;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const ssize_t got = read(fd, head, sizeof head);
    close(fd);
    return got > 0 && cnn_image_has_signature(head, (size_t)got);
}

static int depth(const char *path) {
    int n = 0;
    for (; *path; path++)
        n += *path == '/';
    return n;
}

// A walk through a folder and all below it; paths on the stack are relative to it.
struct walk {
    const char *top;
    struct cnn_picture_list *list, stack;
};

static enum cnn_status full_path(char out[8192], const struct walk *walk, const char *path) {
    const size_t n = strlen(walk->top);
    return cnn_path_format(out, 8192, "%s%s%s", walk->top, n > 0 && walk->top[n - 1] == '/' ? "" : "/", path);
}

static enum cnn_status push_copy(struct cnn_picture_list *list, const char *path) {
    char *copy = NULL;
    CNN_TRY(cnn_strdup(&copy, path));
    return push(list, copy);
}

// Puts what is in a folder on the stack, the first name on top. One that cannot be read takes the place of a
// picture: reading it will fail and say why.
static enum cnn_status open_folder(struct walk *walk, const char *path) {
    char full[8192], **names = NULL;
    size_t n = 0;
    CNN_TRY(full_path(full, walk, path));
    if (depth(path) > MAX_DEPTH)
        return cnn_fail(CNN_ERR_INPUT, "%s: folders more than %d deep", full, MAX_DEPTH);
    if (*path && access(full, R_OK | X_OK) != 0)
        return push_copy(walk->list, full);
    CNN_TRY(cnn_folder_list(&names, &n, full, "", ""));
    enum cnn_status status = CNN_OK;
    for (size_t i = n; i > 0 && status == CNN_OK; i--) {
        if (cnn_path_is_hidden(names[i - 1]))
            continue;
        status = cnn_path_format(full, sizeof full, "%s%s%s", path, *path ? "/" : "", names[i - 1]);
        if (status == CNN_OK)
            status = push_copy(&walk->stack, full);
    }
    cnn_names_free(names, n);
    return status;
}

// A dangling link with a picture's name is a file that cannot be read.
static enum cnn_status visit(struct walk *walk, const char *path) {
    char full[8192];
    struct stat info;
    CNN_TRY(full_path(full, walk, path));
    const bool is_there = stat(full, &info) == 0;
    if (is_there && S_ISDIR(info.st_mode)) {
        if (!cnn_folder_is_circular(walk->top, path))
            return open_folder(walk, path);
        cnn_log_warn("%s: skipped a link to a folder that contains it", full);
        return CNN_OK;
    }
    if (is_there ? S_ISREG(info.st_mode) && is_picture(full) : cnn_path_is_picture(full))
        return push_copy(walk->list, full);
    return CNN_OK;
}

static enum cnn_status add_folder(struct cnn_picture_list *list, const char *path) {
    struct walk walk = {.top = path, .list = list};
    const size_t before = list->n;
    enum cnn_status status = open_folder(&walk, "");
    while (status == CNN_OK && walk.stack.n > 0) {
        char *next = walk.stack.paths[--walk.stack.n];
        status = visit(&walk, next);
        free(next);
    }
    cnn_picture_list_finish(&walk.stack);
    if (status == CNN_OK && list->n == before)
        return cnn_fail(CNN_ERR_INPUT, "%s: no images in this folder or below it; expected JPEG or PNG files",
                        path);
    return status;
}

enum cnn_status cnn_picture_list_add(struct cnn_picture_list *list, const char *path) {
    return cnn_folder_exists(path) ? add_folder(list, path) : push_copy(list, path);
}

static enum cnn_status add_lines(struct cnn_picture_list *list, FILE *from, const char *name) {
    char *line = NULL;
    size_t room = 0, before = list->n;
    enum cnn_status status = CNN_OK;
    ssize_t length;
    while (status == CNN_OK && (length = getline(&line, &room, from)) >= 0) {
        while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
            line[--length] = '\0';
        if (length > 0)
            status = cnn_picture_list_add(list, line);
    }
    if (status == CNN_OK && ferror(from))
        status = cnn_fail(CNN_ERR_IO, "cannot read %s: %s", name, strerror(errno));
    free(line);
    if (status == CNN_OK && list->n == before)
        return cnn_fail(CNN_ERR_INPUT, "%s: the list is empty; expected one path per line", name);
    return status;
}

enum cnn_status cnn_picture_list_add_lines(struct cnn_picture_list *list, const char *file) {
    if (strcmp(file, "-") == 0)
        return add_lines(list, stdin, "standard input");
    if (cnn_folder_exists(file))
        return cnn_fail(CNN_ERR_INPUT, "--list: %s is a folder; expected a text file with one path per line",
                        file);
    FILE *from = fopen(file, "r");
    if (!from)
        return cnn_fail(CNN_ERR_INPUT, "--list: cannot read %s: %s", file, strerror(errno));
    const enum cnn_status status = add_lines(list, from, file);
    fclose(from);
    return status;
}
