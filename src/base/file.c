#include "base/file.h"

#include "base/memory.h"
#include "base/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_CALL_BYTES ((size_t)1 << 30) // Linux moves no more than 2 GiB in one call

// What the user can put right by giving another path is INPUT; the rest is the system's.
static enum cnn_status fail_errno(const char *doing, const char *path, int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
    case EEXIST:
    case ENAMETOOLONG:
        return cnn_fail(CNN_ERR_INPUT, "cannot %s %s: %s", doing, path, strerror(error));
    case ENOSPC:
    case EDQUOT:
        return cnn_fail(CNN_ERR_IO, "cannot %s %s: %s; free some space or choose another folder", doing, path,
                        strerror(error));
    default:
        return cnn_fail(CNN_ERR_IO, "cannot %s %s: %s", doing, path, strerror(error));
    }
}

// One read() into data[*filled..], restarted after signals. *filled grows; *end tells that the file is over.
static enum cnn_status read_some(int fd, const char *path, char *data, size_t room, size_t *filled,
                                 bool *end) {
    ssize_t got;
    do
        got = read(fd, data + *filled, room < MAX_CALL_BYTES ? room : MAX_CALL_BYTES);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return fail_errno("read", path, errno);
    *filled += (size_t)got;
    *end = got == 0;
    return CNN_OK;
}

static enum cnn_status grow(char **data, size_t *capacity, const char *path, size_t wanted) {
    char *larger = realloc(*data, wanted);
    if (!larger)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: cannot read %s (%zu bytes)", path, wanted);
    *data = larger;
    *capacity = wanted;
    return CNN_OK;
}

// Does not trust the size the system reports: pipes and /proc say 0, and files grow.
static enum cnn_status read_all(int fd, const char *path, size_t expected, size_t limit, char **data,
                                size_t *bytes) {
    size_t capacity = 0;
    bool end = false;
    CNN_TRY(grow(data, &capacity, path, (expected < limit ? expected : limit) + 2));
    while (!end) {
        if (*bytes + 1 == capacity)
            CNN_TRY(grow(data, &capacity, path, capacity * 2));
        CNN_TRY(read_some(fd, path, *data, capacity - 1 - *bytes, bytes, &end));
        if (*bytes > limit)
            return cnn_fail(CNN_ERR_INPUT, "%s is too large: at most %zu bytes are allowed", path, limit);
    }
    (*data)[*bytes] = '\0';
    return CNN_OK;
}

enum cnn_status cnn_file_read(char **out, size_t *out_bytes, const char *path, size_t limit_bytes) {
    if (limit_bytes > SIZE_MAX / 4)
        limit_bytes = SIZE_MAX / 4;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno("open", path, errno);
    struct stat info;
    size_t expected = 4096;
    if (fstat(fd, &info) == 0 && info.st_size > 0)
        expected = (size_t)info.st_size;

    char *data = NULL;
    size_t bytes = 0;
    enum cnn_status status = read_all(fd, path, expected, limit_bytes, &data, &bytes);
    close(fd);
    if (status != CNN_OK) {
        free(data);
        return status;
    }
    *out = data;
    *out_bytes = bytes;
    return CNN_OK;
}

enum cnn_status cnn_file_pread(int fd, const char *path, void *data, size_t bytes, uint64_t offset) {
    char *at = data;
    if (offset > INT64_MAX || bytes > INT64_MAX - offset)
        return cnn_fail(CNN_ERR_INPUT, "%s: file offset %llu is out of range", path,
                        (unsigned long long)offset);
    for (size_t done = 0; done < bytes;) {
        size_t rest = bytes - done;
        ssize_t got =
            pread(fd, at + done, rest < MAX_CALL_BYTES ? rest : MAX_CALL_BYTES, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno("read", path, errno);
        if (got == 0)
            return cnn_fail(CNN_ERR_INPUT, "%s is truncated: expected %zu bytes at offset %llu, found %zu",
                            path, bytes, (unsigned long long)offset, done);
        done += (size_t)got;
    }
    return CNN_OK;
}

// The folder that holds `path`, and the name inside it.
static enum cnn_status split(const char *path, char *folder, size_t folder_bytes, const char **name) {
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    if (**name == '\0')
        return cnn_fail(CNN_ERR_INPUT, "'%s' is not a file name", path);
    if (!slash)
        return cnn_path_format(folder, folder_bytes, ".");
    return cnn_path_format(folder, folder_bytes, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

// A name of its own for every writer, a dot-file so that no listing takes it for the real thing.
static int open_temporary(char *out, size_t out_bytes, const char *folder, const char *name) {
    static atomic_uint counter;
    for (int attempt = 0; attempt < 1000; attempt++) {
        unsigned number = atomic_fetch_add(&counter, 1);
        if (cnn_path_format(out, out_bytes, "%s/.%.200s.tmp-%ld-%u", folder, name, (long)getpid(), number) !=
            CNN_OK) {
            errno = ENAMETOOLONG;
            return -1;
        }
        int fd = open(out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

enum cnn_status cnn_file_writer_open(struct cnn_file_writer *out, const char *path) {
    struct cnn_file_writer writer = {.fd = -1};
    char folder[sizeof writer.path];
    const char *name;
    struct stat info;
    CNN_TRY(cnn_path_format(writer.path, sizeof writer.path, "%s", path));
    CNN_TRY(split(path, folder, sizeof folder, &name));
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return cnn_fail(CNN_ERR_INPUT, "cannot write %s: it is not a regular file", path);
    writer.fd = open_temporary(writer.temporary, sizeof writer.temporary, folder, name);
    if (writer.fd < 0)
        return fail_errno("write", path, errno);
    writer.open = true;
    *out = writer;
    return CNN_OK;
}

enum cnn_status cnn_file_writer_write(struct cnn_file_writer *writer, const void *data, size_t bytes) {
    const char *at = data;
    while (bytes > 0) {
        ssize_t written = write(writer->fd, at, bytes < MAX_CALL_BYTES ? bytes : MAX_CALL_BYTES);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail_errno("write", writer->path, errno);
        at += written;
        bytes -= (size_t)written;
    }
    return CNN_OK;
}

// Makes a rename last through a power cut. Some file systems cannot sync folders; that is not an error.
static enum cnn_status sync_folder_of(const char *path) {
    char folder[4096];
    const char *name;
    CNN_TRY(split(path, folder, sizeof folder, &name));
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? CNN_OK : fail_errno("open", folder, errno);
    int error = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    if (error != 0 && error != EINVAL && error != ENOTSUP && error != EROFS)
        return fail_errno("save", folder, error);
    return CNN_OK;
}

enum cnn_status cnn_file_writer_commit(struct cnn_file_writer *writer) {
    if (!writer->open)
        return cnn_fail(CNN_ERR_FAILED, "a file that is not open was committed");
    int error = fsync(writer->fd) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : errno;
    if (close(writer->fd) != 0 && error == 0)
        error = errno; // network file systems report a full disk here
    writer->fd = -1;
    enum cnn_status status =
        error == 0 ? cnn_owner_check_path(writer->path) : fail_errno("save", writer->path, error);
    if (status == CNN_OK && rename(writer->temporary, writer->path) != 0)
        status = fail_errno("save", writer->path, errno);
    if (status != CNN_OK) {
        cnn_file_writer_discard(writer);
        return status;
    }
    writer->open = false;
    return sync_folder_of(writer->path);
}

void cnn_file_writer_discard(struct cnn_file_writer *writer) {
    if (!writer->open)
        return;
    if (writer->fd >= 0)
        close(writer->fd);
    unlink(writer->temporary);
    writer->fd = -1;
    writer->open = false;
}

enum cnn_status cnn_file_replace(const char *path, const void *data, size_t bytes) {
    struct cnn_file_writer writer;
    CNN_TRY(cnn_file_writer_open(&writer, path));
    enum cnn_status status = cnn_file_writer_write(&writer, data, bytes);
    if (status == CNN_OK)
        status = cnn_file_writer_commit(&writer);
    cnn_file_writer_discard(&writer);
    return status;
}

int cnn_file_append(int fd, const void *data, size_t bytes) {
    ssize_t written;
    do
        written = write(fd, data, bytes);
    while (written < 0 && errno == EINTR);
    if (written == (ssize_t)bytes)
        return 0;
    int error = written < 0 ? errno : ENOSPC;
    struct stat info;
    // Half a line would make the next one unreadable.
    if (written > 0 && fstat(fd, &info) == 0 && ftruncate(fd, info.st_size - written) != 0)
        return errno;
    return error;
}

static enum cnn_status make_folder(const char *path) {
    if (mkdir(path, 0777) == 0)
        return CNN_OK;
    int error = errno; // of mkdir: on a read-only file system it may say EROFS for a folder that is there
    struct stat info;
    if (stat(path, &info) == 0) {
        if (S_ISDIR(info.st_mode))
            return CNN_OK;
        return cnn_fail(CNN_ERR_INPUT, "cannot create the folder %s: a file of that name exists", path);
    }
    return fail_errno("create the folder", path, error);
}

enum cnn_status cnn_folder_create(const char *path) {
    char partial[4096];
    CNN_TRY(cnn_path_format(partial, sizeof partial, "%s", path));
    if (partial[0] == '\0')
        return cnn_fail(CNN_ERR_INPUT, "cannot create a folder without a name");
    for (char *at = partial + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        CNN_TRY(make_folder(partial));
        *at = '/';
    }
    return make_folder(partial);
}

bool cnn_file_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

bool cnn_folder_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

enum cnn_status cnn_path_format(char *out, size_t out_bytes, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(out, out_bytes, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= out_bytes)
        return cnn_fail(CNN_ERR_INPUT, "path too long: %.80s... has more than %zu bytes", out, out_bytes - 1);
    return CNN_OK;
}
