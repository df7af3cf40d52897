// What reading and writing safetensors share: the names of the dtypes and the header's checksum.
#ifndef CNN_FORMAT_SAFETENSORS_HEADER_H
#define CNN_FORMAT_SAFETENSORS_HEADER_H
#include "format/safetensors.h"

#define CNN_SAFETENSORS_LENGTH_BYTES 8
#define CNN_SAFETENSORS_MAX_HEADER ((size_t)100 * 1000 * 1000) // the reference implementation's limit
#define CNN_SAFETENSORS_METADATA "__metadata__"

// Both keys stand in __metadata__ or neither; each value is eight lower-case hex digits.
#define CNN_SAFETENSORS_CRC_PREFIX "crc32c."
#define CNN_SAFETENSORS_CRC_DATA "crc32c.data"
#define CNN_SAFETENSORS_CRC_HEADER "crc32c.header"
#define CNN_SAFETENSORS_CRC_ZERO "00000000"
#define CNN_SAFETENSORS_CRC_DIGITS 8

const char *cnn_dtype_name(enum cnn_dtype dtype); // "F32"; NULL for a value outside the enum
bool cnn_dtype_of_name(enum cnn_dtype *out, const char *name);

// n_dims, dims and dtype of `tensor` as bytes; false when a dimension is negative or the product does not
// fit.
bool cnn_tensor_bytes(size_t *out, const struct cnn_tensor *tensor);

// Where the digits of the header's own checksum stand in its text, or NULL. The quotes around the key cannot
// occur inside a JSON string, so the first place found is the key.
char *cnn_safetensors_find_crc(char *header, size_t bytes);
// CRC-32C of a header taken with those digits as zeros. `digits` points into `header`.
uint32_t cnn_safetensors_header_crc(const char *header, size_t bytes, const char *digits);

#endif
