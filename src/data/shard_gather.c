#include "data/shard_gather.h"

#include "base/checksum.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)1 << 20)
#define START_BYTES                                                                                          \
    ((uint64_t)8 << 20) // the disk begins after so many, so that the fsync at the end is short

static enum cnn_status fail_write(const char *path) {
    return cnn_fail(CNN_ERR_IO, "cannot write %s: %s%s", path, strerror(errno),
                    errno == ENOSPC || errno == EDQUOT ? "; free some space or choose another folder" : "");
}

enum cnn_status cnn_shard_pwrite(int fd, const char *path, const void *data, size_t bytes, uint64_t at) {
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pwrite(fd, (const char *)data + done, bytes - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail_write(path);
        done += (size_t)n;
    }
    return CNN_OK;
}

enum cnn_status cnn_shard_gather_init(struct cnn_shard_gather *out, int fd, const char *path) {
    *out = (struct cnn_shard_gather){.fd = fd, .path = path};
    return cnn_malloc(&out->buffer, BUFFER_BYTES, 1);
}

void cnn_shard_gather_finish(struct cnn_shard_gather *gather) {
    cnn_shard_index_finish(&gather->index);
    free(gather->buffer);
    *gather = (struct cnn_shard_gather){.fd = -1};
}

static enum cnn_status grow_list(void *list, uint64_t n, size_t element_bytes) {
    void *larger = realloc(*(void **)list, (size_t)n * element_bytes);
    if (!larger)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: the index of %" PRIu64 " records", n);
    *(void **)list = larger;
    return CNN_OK;
}

static enum cnn_status make_room(struct cnn_shard_gather *gather) {
    struct cnn_shard_index *index = &gather->index;
    if (index->n < gather->capacity)
        return CNN_OK;
    uint64_t capacity = gather->capacity ? gather->capacity * 2 : 1024;
    CNN_TRY(grow_list(&index->offsets, capacity + 1, sizeof *index->offsets));
    CNN_TRY(grow_list(&index->labels, capacity, sizeof *index->labels));
    CNN_TRY(grow_list(&index->crc32c, capacity, sizeof *index->crc32c));
    CNN_TRY(grow_list(&index->ids, capacity, sizeof *index->ids));
    index->offsets[index->n] = gather->written + gather->buffered;
    gather->capacity = capacity;
    return CNN_OK;
}

// Only a hint: where the system does not take it, the fsync does all the work.
static void start_writing(struct cnn_shard_gather *gather) {
    if (gather->written - gather->started < START_BYTES)
        return;
    sync_file_range(gather->fd, (off_t)(CNN_SHARD_IMAGES_AT + gather->started),
                    (off_t)(gather->written - gather->started), SYNC_FILE_RANGE_WRITE);
    gather->started = gather->written;
}

static enum cnn_status write_on(struct cnn_shard_gather *gather, const void *data, size_t bytes) {
    CNN_TRY(cnn_shard_pwrite(gather->fd, gather->path, data, bytes, CNN_SHARD_IMAGES_AT + gather->written));
    gather->written += bytes;
    start_writing(gather);
    return CNN_OK;
}

static enum cnn_status flush(struct cnn_shard_gather *gather) {
    CNN_TRY(write_on(gather, gather->buffer, gather->buffered));
    gather->buffered = 0;
    return CNN_OK;
}

static enum cnn_status add_bytes(struct cnn_shard_gather *gather, const void *data, size_t bytes) {
    if (bytes > BUFFER_BYTES - gather->buffered)
        CNN_TRY(flush(gather));
    if (bytes > BUFFER_BYTES)
        return write_on(gather, data, bytes);
    memcpy(gather->buffer + gather->buffered, data, bytes);
    gather->buffered += bytes;
    return CNN_OK;
}

enum cnn_status cnn_shard_gather_append(struct cnn_shard_gather *gather, const void *data, size_t bytes,
                                        int label, uint64_t id, uint32_t crc32c) {
    struct cnn_shard_index *index = &gather->index;
    CNN_TRY(make_room(gather));
    CNN_TRY(add_bytes(gather, data, bytes));
    index->labels[index->n] = label;
    index->crc32c[index->n] = crc32c;
    index->ids[index->n] = id;
    index->n++;
    index->offsets[index->n] = gather->written + gather->buffered;
    return CNN_OK;
}

enum cnn_status cnn_shard_gather_end(struct cnn_shard_gather *gather) {
    CNN_TRY(make_room(gather)); // an empty shard, too, has its one offset
    return gather->written + gather->buffered < CNN_SHARD_SMALL_BYTES ? CNN_OK : flush(gather);
}

enum cnn_status cnn_shard_index_set_names(struct cnn_shard_index *index, const char *const *class_names,
                                          int n_classes) {
    size_t longest = 0, n = (size_t)n_classes;
    if (!class_names)
        return CNN_OK;
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(class_names[i]);
        if (length > CNN_SHARD_MAX_NAME - 1)
            return cnn_fail(CNN_ERR_INPUT, "the class name '%.40s...' is longer than %d bytes",
                            class_names[i], CNN_SHARD_MAX_NAME - 1);
        longest = length > longest ? length : longest;
    }
    index->name_bytes = longest + 1;
    CNN_TRY(cnn_calloc(&index->names, n, longest + 1));
    for (size_t i = 0; i < n; i++)
        memcpy(index->names + i * (longest + 1), class_names[i], strlen(class_names[i]));
    return CNN_OK;
}
