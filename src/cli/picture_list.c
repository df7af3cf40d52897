#include "cli/picture_list.h"

#include "base/file.h"
#include "base/memory.h"
#include "image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DEPTH 64 // of folders below the one that is named; deeper means links in a circle

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

static bool is_picture_name(const char *path) {
    static const char *const endings[] = {".jpg", ".jpeg", ".jpe",  ".jfif", ".png",  ".gif", ".bmp",
                                          ".tif", ".tiff", ".webp", ".heic", ".heif", ".avif"};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return false;
}

static bool is_picture(const char *path) {
    unsigned char head[8];
    if (is_picture_name(path))
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

// Puts what is in a folder on the stack, the first name on top.
static enum cnn_status open_folder(struct cnn_picture_list *stack, const char *path, int max_depth) {
    char full[4096], **names = NULL;
    size_t n = 0;
    const bool ends = path[0] && path[strlen(path) - 1] == '/';
    if (depth(path) > max_depth)
        return cnn_fail(CNN_ERR_INPUT, "%s: folders more than %d deep; do links lead in a circle?", path,
                        MAX_DEPTH);
    CNN_TRY(cnn_folder_list(&names, &n, path, "", ""));
    enum cnn_status status = CNN_OK;
    for (size_t i = n; i > 0 && status == CNN_OK; i--) {
        char *copy = NULL;
        if (strcmp(names[i - 1], "__MACOSX") == 0)
            continue;
        status = cnn_path_format(full, sizeof full, "%s%s%s", path, ends ? "" : "/", names[i - 1]);
        if (status == CNN_OK)
            status = cnn_strdup(&copy, full);
        if (status == CNN_OK)
            status = push(stack, copy);
    }
    cnn_names_free(names, n);
    return status;
}

// Takes `path` over. A dangling link with a picture's name is a file that cannot be read.
static enum cnn_status visit(struct cnn_picture_list *list, struct cnn_picture_list *stack, char *path,
                             int max_depth) {
    struct stat info;
    const bool is_there = stat(path, &info) == 0;
    if (is_there && S_ISDIR(info.st_mode)) {
        const enum cnn_status status = open_folder(stack, path, max_depth);
        free(path);
        return status;
    }
    if (is_there ? S_ISREG(info.st_mode) && is_picture(path) : is_picture_name(path))
        return push(list, path);
    free(path);
    return CNN_OK;
}

static enum cnn_status add_folder(struct cnn_picture_list *list, const char *path) {
    struct cnn_picture_list stack = {0};
    const size_t before = list->n;
    const int max_depth = depth(path) + MAX_DEPTH;
    enum cnn_status status = open_folder(&stack, path, max_depth);
    while (status == CNN_OK && stack.n > 0)
        status = visit(list, &stack, stack.paths[--stack.n], max_depth);
    cnn_picture_list_finish(&stack);
    if (status == CNN_OK && list->n == before)
        return cnn_fail(CNN_ERR_INPUT, "%s: no images in this folder or below it; expected JPEG or PNG files",
                        path);
    return status;
}

enum cnn_status cnn_picture_list_add(struct cnn_picture_list *list, const char *path) {
    char *copy = NULL;
    if (cnn_folder_exists(path))
        return add_folder(list, path);
    CNN_TRY(cnn_strdup(&copy, path));
    return push(list, copy);
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
