// Files: whole reads, exact positional reads, and writes that appear complete or not at all.
#ifndef CNN_BASE_FILE_H
#define CNN_BASE_FILE_H
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Reads a whole file of at most `limit_bytes`. *out is malloc'ed with a NUL after the last byte; the caller
// frees.
enum cnn_status cnn_file_read(char **out, size_t *out_bytes, const char *path,
                              size_t limit_bytes) CNN_MUST_CHECK;

// Reads exactly `bytes` at `offset`, or fails naming `path` (short file: CNN_ERR_INPUT).
enum cnn_status cnn_file_pread(int fd, const char *path, void *data, size_t bytes,
                               uint64_t offset) CNN_MUST_CHECK;

// A file written beside its final place and renamed into it: open, write..., commit (flush, fsync, rename,
// fsync of the folder). In a folder that this process owned and lost (base/owner.h) commit fails with
// CNN_ERR_FAILED. discard removes the temporary file and is a no-op after commit; both accept a zeroed
// struct.
struct cnn_file_writer {
    int fd;
    bool open;
    char path[4096], temporary[4096];
};
enum cnn_status cnn_file_writer_open(struct cnn_file_writer *out, const char *path) CNN_MUST_CHECK;
enum cnn_status cnn_file_writer_write(struct cnn_file_writer *writer, const void *data,
                                      size_t bytes) CNN_MUST_CHECK;
enum cnn_status cnn_file_writer_commit(struct cnn_file_writer *writer) CNN_MUST_CHECK;
void cnn_file_writer_discard(struct cnn_file_writer *writer);

// The three calls above in one.
enum cnn_status cnn_file_replace(const char *path, const void *data, size_t bytes) CNN_MUST_CHECK;

// Appends to a file that was opened with O_APPEND and has one writer: all bytes or none. Returns 0 or errno,
// and sets no message: it serves logs.
int cnn_file_append(int fd, const void *data, size_t bytes);

// mkdir -p. Existing folders are fine; a file in the way, or no permission, is CNN_ERR_INPUT.
enum cnn_status cnn_folder_create(const char *path) CNN_MUST_CHECK;
bool cnn_file_exists(const char *path);
bool cnn_folder_exists(const char *path);
// The folder itself, or else the nearest one above it that exists. A file in the way is CNN_ERR_INPUT, named.
enum cnn_status cnn_folder_nearest(char out[4096], const char *path) CNN_MUST_CHECK;

// TOP/PATH is a symbolic link to one of the folders that lead there, from the root on.
bool cnn_folder_is_circular(const char *top, const char *path);

// Names in `path` that begin with `prefix` and end with `suffix`, sorted by strcmp, dot-files left out.
// *out and its strings are freed by cnn_names_free.
enum cnn_status cnn_folder_list(char ***out, size_t *out_n, const char *path, const char *prefix,
                                const char *suffix) CNN_MUST_CHECK;
void cnn_names_free(char **names, size_t n);

// snprintf that fails with CNN_ERR_INPUT where the result does not fit ("path too long: ...").
enum cnn_status cnn_path_format(char *out, size_t out_bytes, const char *format, ...)
    CNN_PRINTF(3, 4) CNN_MUST_CHECK;

#endif
