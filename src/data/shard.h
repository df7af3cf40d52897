// One shard: a plain HDF5 file of encoded records, read by pread at byte positions resolved once
// (docs/formats.md).
#ifndef CNN_DATA_SHARD_H
#define CNN_DATA_SHARD_H
#include "image/image.h"
#include <cnn_dist/status.h>
#include <stddef.h>
#include <stdint.h>

// What every shard of a dataset says of the whole.
struct cnn_shard_header {
    enum cnn_encoding encoding;
    int h, w, c; // of every record; h = w = 0 where pictures differ in size; c = 0 where unknown (jpeg/png)
    int n_classes;
    int shard, n_shards;
    uint64_t records_total;
    const char
        *source; // what the records were made from, for people and for telling imports apart; NULL: not said
};

struct cnn_shard;
// Opens and checks everything but the pictures themselves: version, sizes against the file's, offsets,
// labels, checksum of the index. What is wrong with the file is CNN_ERR_INPUT naming it. Memory is bounded by
// the file's own size. Uses HDF5, so only one thread at a time may open, write or close shards; reading is
// free of it.
enum cnn_status cnn_shard_open(struct cnn_shard **out, const char *path) CNN_MUST_CHECK;
void cnn_shard_close(struct cnn_shard *shard);
// Strings inside are valid until the shard is closed.
const struct cnn_shard_header *cnn_shard_header(const struct cnn_shard *shard);
uint64_t cnn_shard_count(const struct cnn_shard *shard);
// A hash of the index: offsets, labels, ids, class names, and the checksums of the records, which stand for
// their bytes.
uint64_t cnn_shard_fingerprint(const struct cnn_shard *shard);
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
// Tells the system that records i .. i+n-1 will be read soon; thread-safe.
void cnn_shard_expect(const struct cnn_shard *shard, uint64_t i, uint64_t n);

// Writing: records are appended and the file appears, complete, at commit. destroy before commit leaves
// nothing behind. Records go straight to their place in a dot-file beside `path`; memory holds 24 bytes a
// record. The same calls make the same bytes. class_names: header->n_classes strings, or NULL.
struct cnn_shard_writer;
enum cnn_status cnn_shard_writer_create(struct cnn_shard_writer **out, const char *path,
                                        const struct cnn_shard_header *header,
                                        const char *const *class_names) CNN_MUST_CHECK;
enum cnn_status cnn_shard_writer_append(struct cnn_shard_writer *writer, const void *data, size_t bytes,
                                        int label, uint64_t id) CNN_MUST_CHECK;
// The size of every record (0 x 0: they differ), where it was not known at create. Encoded records only.
enum cnn_status cnn_shard_writer_set_size(struct cnn_shard_writer *writer, int h, int w) CNN_MUST_CHECK;
enum cnn_status cnn_shard_writer_commit(struct cnn_shard_writer *writer) CNN_MUST_CHECK;
void cnn_shard_writer_destroy(struct cnn_shard_writer *writer);

#endif
