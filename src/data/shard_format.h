// What reader and writer of a shard must agree on (docs/formats.md). Private to data/.
#ifndef CNN_DATA_SHARD_FORMAT_H
#define CNN_DATA_SHARD_FORMAT_H
#include <stddef.h>
#include <stdint.h>

#define CNN_SHARD_VERSION 1
#define CNN_SHARD_MAX_CLASSES (1 << 24)
#define CNN_SHARD_MAX_SHARDS 99999
#define CNN_SHARD_MAX_SIDE 65535
#define CNN_SHARD_MAX_NAME 1024 // bytes of a class name

// The writer puts the records here, before it knows their number, and HDF5's lists behind them. Fewer bytes
// of records than CNN_SHARD_SMALL_BYTES are handed to HDF5 to put where it likes.
#define CNN_SHARD_IMAGES_AT 4096
#define CNN_SHARD_SMALL_BYTES 4096

// The arrays beside `images`, in memory; `offsets` has n + 1 elements.
struct cnn_shard_index {
    uint64_t n;
    uint64_t *offsets;
    int32_t *labels;
    uint32_t *crc32c;
    uint64_t *ids;
    char *names; // n_classes strings, each in `name_bytes` bytes with at least one NUL; NULL: unnamed
    size_t name_bytes;
};

// CRC-32C over offsets, labels, crc32c, ids and the class names (each with one NUL): HDF5 itself guards only
// its headers.
uint32_t cnn_shard_index_crc32c(const struct cnn_shard_index *index, int n_classes);
void cnn_shard_index_finish(struct cnn_shard_index *index);

#endif
