// One shard: a plain HDF5 file of encoded records, read by pread at byte positions resolved once (docs/formats.md).
#ifndef CNN_DATA_SHARD_H
#define CNN_DATA_SHARD_H
#include "image/image.h"
#include <cnn_dist/status.h>
#include <stdint.h>

// What every shard of a dataset says of the whole.
struct cnn_shard_header {
    enum cnn_encoding encoding;
    int h, w, c;        // of every record; h = w = 0 where pictures differ in size; c = 0 where unknown (jpeg/png)
    int n_classes;
    int shard, n_shards;
    uint64_t records_total;
};

struct cnn_shard;
enum cnn_status cnn_shard_open(struct cnn_shard **out, const char *path) CNN_MUST_CHECK;
void cnn_shard_close(struct cnn_shard *shard);
const struct cnn_shard_header *cnn_shard_header(const struct cnn_shard *shard);
uint64_t cnn_shard_count(const struct cnn_shard *shard);
const char *cnn_shard_class_name(const struct cnn_shard *shard, int label); // NULL where the shard names none

struct cnn_record {
    uint64_t id; // position in the source
    int label;
    uint32_t crc32c;
    size_t bytes;
};
// Looks a record up (no I/O); i < cnn_shard_count.
struct cnn_record cnn_shard_record(const struct cnn_shard *shard, uint64_t i);
// Reads its bytes into `data` (record.bytes of room) and checks the checksum. Thread-safe, lock-free.
enum cnn_status cnn_shard_read(const struct cnn_shard *shard, uint64_t i, void *data) CNN_MUST_CHECK;

// Writing: records are appended and the file appears, complete, at commit. destroy before commit leaves nothing behind.
struct cnn_shard_writer;
enum cnn_status cnn_shard_writer_create(struct cnn_shard_writer **out, const char *path, const struct cnn_shard_header *header,
                                        const char *const *class_names) CNN_MUST_CHECK;
enum cnn_status cnn_shard_writer_append(struct cnn_shard_writer *writer, const void *data, size_t bytes, int label, uint64_t id) CNN_MUST_CHECK;
enum cnn_status cnn_shard_writer_commit(struct cnn_shard_writer *writer) CNN_MUST_CHECK;
void cnn_shard_writer_destroy(struct cnn_shard_writer *writer);

#endif
