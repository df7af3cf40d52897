#include "format/safetensors_header.h"

#include "base/checksum.h"

#include <string.h>

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {
    [CNN_DTYPE_F32] = {"F32", 4}, [CNN_DTYPE_F16] = {"F16", 2}, [CNN_DTYPE_BF16] = {"BF16", 2},
    [CNN_DTYPE_I64] = {"I64", 8}, [CNN_DTYPE_I32] = {"I32", 4}, [CNN_DTYPE_U8] = {"U8", 1},
};
#define N_DTYPES (sizeof dtypes / sizeof dtypes[0])

size_t cnn_dtype_bytes(enum cnn_dtype dtype) { return (size_t)dtype < N_DTYPES ? dtypes[dtype].bytes : 0; }

const char *cnn_dtype_name(enum cnn_dtype dtype) {
    return (size_t)dtype < N_DTYPES ? dtypes[dtype].name : NULL;
}

bool cnn_dtype_of_name(enum cnn_dtype *out, const char *name) {
    for (size_t i = 0; i < N_DTYPES; i++)
        if (strcmp(dtypes[i].name, name) == 0) {
            *out = (enum cnn_dtype)i;
            return true;
        }
    return false;
}

bool cnn_tensor_bytes(size_t *out, const struct cnn_tensor *tensor) {
    size_t bytes = cnn_dtype_bytes(tensor->dtype);
    for (int i = 0; i < tensor->n_dims; i++)
        if (tensor->dims[i] < 0 || __builtin_mul_overflow(bytes, tensor->dims[i], &bytes))
            return false;
    *out = bytes;
    return true;
}

char *cnn_safetensors_find_crc(char *header, size_t bytes) {
    static const char before[] = "\"" CNN_SAFETENSORS_CRC_HEADER "\":\"";
    size_t before_n = sizeof before - 1;
    char *at = memmem(header, bytes, before, before_n);
    if (!at || (size_t)(header + bytes - at) < before_n + CNN_SAFETENSORS_CRC_DIGITS + 1)
        return NULL;
    return at[before_n + CNN_SAFETENSORS_CRC_DIGITS] == '"' ? at + before_n : NULL;
}

uint32_t cnn_safetensors_header_crc(const char *header, size_t bytes, const char *digits) {
    size_t before = (size_t)(digits - header);
    const char *after = digits + CNN_SAFETENSORS_CRC_DIGITS;
    uint32_t crc = cnn_crc32c(0, header, before);
    crc = cnn_crc32c(crc, CNN_SAFETENSORS_CRC_ZERO, CNN_SAFETENSORS_CRC_DIGITS);
    return cnn_crc32c(crc, after, bytes - before - CNN_SAFETENSORS_CRC_DIGITS);
}
