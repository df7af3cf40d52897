#include "data/import/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum cnn_status cnn_bytes_reserve(struct cnn_bytes *bytes, size_t more) {
    if (more <= bytes->room - bytes->n)
        return CNN_OK;
    if (more > SIZE_MAX / 4 - bytes->n)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: %zu bytes", more);
    size_t room = bytes->n + more > 2 * bytes->room ? bytes->n + more : 2 * bytes->room;
    uint8_t *larger = realloc(bytes->data, room);
    if (!larger)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: %zu bytes", room);
    bytes->data = larger;
    bytes->room = room;
    return CNN_OK;
}

enum cnn_status cnn_bytes_add(struct cnn_bytes *bytes, const void *data, size_t n) {
    CNN_TRY(cnn_bytes_reserve(bytes, n));
    if (n > 0)
        memcpy(bytes->data + bytes->n, data, n);
    bytes->n += n;
    return CNN_OK;
}

// Does not trust the size that was seen before: files change.
static enum cnn_status read_all(struct cnn_bytes *bytes, int fd, const char *path, size_t expected) {
    size_t begin = bytes->n;
    for (size_t more = expected + 1;; more = 65536) {
        CNN_TRY(cnn_bytes_reserve(bytes, more));
        ssize_t got = read(fd, bytes->data + bytes->n, bytes->room - bytes->n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EISDIR)
            return cnn_fail(CNN_ERR_INPUT, "it is a folder");
        if (got < 0)
            return cnn_fail(CNN_ERR_IO, "cannot read %s: %s", path, strerror(errno));
        bytes->n += (size_t)got;
        if (got == 0)
            return CNN_OK;
        if (bytes->n - begin > CNN_IMPORT_MAX_FILE_BYTES)
            return cnn_fail(CNN_ERR_INPUT, "larger than 256 MiB");
    }
}

// This file cannot be opened; other errors (EIO, EMFILE, ESTALE ...) would befall any file.
static bool is_about_the_file(int error) {
    return error == ENOENT || error == EACCES || error == EPERM || error == ELOOP || error == ENOTDIR ||
           error == ENAMETOOLONG || error == ENXIO;
}

enum cnn_status cnn_bytes_add_file(struct cnn_bytes *bytes, const char *path, uint64_t expected) {
    if (expected > CNN_IMPORT_MAX_FILE_BYTES)
        return cnn_fail(CNN_ERR_INPUT, "larger than 256 MiB");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return is_about_the_file(errno) ? cnn_fail(CNN_ERR_INPUT, "cannot open it: %s", strerror(errno))
                                        : cnn_fail(CNN_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    enum cnn_status status = read_all(bytes, fd, path, (size_t)expected);
    close(fd);
    return status;
}
