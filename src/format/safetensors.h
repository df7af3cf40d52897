// safetensors: an 8-byte little-endian header length, a JSON header, then the tensors' bytes.
// Written atomically; checksummed in __metadata__ under "crc32c.data" (CRC-32C over all bytes after the
// header) and "crc32c.header" (over the header without its length, with this key's own eight digits as
// zeros).
#ifndef CNN_FORMAT_SAFETENSORS_H
#define CNN_FORMAT_SAFETENSORS_H
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cnn_dtype { CNN_DTYPE_F32, CNN_DTYPE_F16, CNN_DTYPE_BF16, CNN_DTYPE_I64, CNN_DTYPE_I32, CNN_DTYPE_U8 };
size_t cnn_dtype_bytes(enum cnn_dtype dtype);

struct cnn_tensor {
    char name[160];
    enum cnn_dtype dtype;
    int n_dims;
    int64_t dims[8];
    const void *data; // writing: borrowed; reading: points into the file's memory
};
struct cnn_metadata {
    const char *key, *value; // UTF-8
};

// Writes `path` atomically. Tensors are stored widest dtype first, else in the given order. Names and
// metadata must be UTF-8 and differ from each other; metadata keys "crc32c.*" are this function's. Not
// collective.
enum cnn_status cnn_safetensors_write(const char *path, const struct cnn_tensor *tensors, size_t n_tensors,
                                      const struct cnn_metadata *metadata, size_t n_metadata) CNN_MUST_CHECK;

struct cnn_safetensors;
// Opens and checks a file: header size, JSON, dtypes, shapes against offsets, no overlap, no gap past the
// end, and the checksums where __metadata__ has them (files of other programs have none). CNN_ERR_INPUT names
// the file and the fault.
enum cnn_status cnn_safetensors_open(struct cnn_safetensors **out, const char *path) CNN_MUST_CHECK;
// The same of `n` bytes in memory, which are copied; `name` stands in messages.
enum cnn_status cnn_safetensors_parse(struct cnn_safetensors **out, const char *name, const void *bytes,
                                      size_t n) CNN_MUST_CHECK;
void cnn_safetensors_close(struct cnn_safetensors *file);
size_t cnn_safetensors_count(const struct cnn_safetensors *file);
// In the order of their bytes in the file; NULL for i >= count. Data are aligned to the dtype.
const struct cnn_tensor *cnn_safetensors_at(const struct cnn_safetensors *file, size_t i);
const struct cnn_tensor *cnn_safetensors_find(const struct cnn_safetensors *file,
                                              const char *name);                           // NULL: absent
const char *cnn_safetensors_metadata(const struct cnn_safetensors *file, const char *key); // NULL: absent

#endif
