// The records of one shard as they come: their bytes go straight to where they will lie in the shard, their
// index waits in memory. Private to data/.
#ifndef CNN_DATA_SHARD_GATHER_H
#define CNN_DATA_SHARD_GATHER_H
#include "data/shard.h"
#include "data/shard_format.h"

struct cnn_shard_gather {
    int fd;           // borrowed
    const char *path; // for messages; borrowed
    struct cnn_shard_index index;
    uint64_t capacity;
    uint8_t *buffer; // the last bytes, not in the file yet
    size_t buffered;
    uint64_t written; // bytes of records in the file, from CNN_SHARD_IMAGES_AT on
    uint64_t started; // of them, how many the system was asked to begin to write
};

// Finish frees, also after an init that failed.
enum cnn_status cnn_shard_gather_init(struct cnn_shard_gather *out, int fd, const char *path) CNN_MUST_CHECK;
// `crc32c` is of `data`.
enum cnn_status cnn_shard_gather_append(struct cnn_shard_gather *gather, const void *data, size_t bytes,
                                        int label, uint64_t id, uint32_t crc32c) CNN_MUST_CHECK;
// After the last record: the index is complete, and the bytes are in the file, or, where they are fewer than
// CNN_SHARD_SMALL_BYTES, all in `buffer`.
enum cnn_status cnn_shard_gather_end(struct cnn_shard_gather *gather) CNN_MUST_CHECK;
void cnn_shard_gather_finish(struct cnn_shard_gather *gather);

// Makes the file at `fd`, which is `file`, a shard: HDF5's structures around the records that lie at
// CNN_SHARD_IMAGES_AT, or that are given as `small`. May be done again after it was cut off. Not synced.
enum cnn_status cnn_shard_lay_out(int fd, const char *file, const char *path,
                                  const struct cnn_shard_header *header, const struct cnn_shard_index *index,
                                  const void *small) CNN_MUST_CHECK;
// Class names as the index holds them; none where class_names is NULL.
enum cnn_status cnn_shard_index_set_names(struct cnn_shard_index *index, const char *const *class_names,
                                          int n_classes) CNN_MUST_CHECK;
// The size, classes and numbers of a header within their limits.
enum cnn_status cnn_shard_check_header(const struct cnn_shard_header *header) CNN_MUST_CHECK;
// All of it, or CNN_ERR_IO naming `path`.
enum cnn_status cnn_shard_pwrite(int fd, const char *path, const void *data, size_t bytes,
                                 uint64_t at) CNN_MUST_CHECK;

#endif
