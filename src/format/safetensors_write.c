#include "format/safetensors_header.h"

#include "base/checksum.h"
#include "base/file.h"
#include "base/memory.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are written in their memory order");

// A tensor and the place of its bytes in the data section.
struct placed {
    const struct cnn_tensor *tensor;
    size_t begin, end, given; // given: its position in the caller's list
};

static enum cnn_status check_tensor(size_t *out_bytes, const struct cnn_tensor *tensor) {
    size_t length = strnlen(tensor->name, sizeof tensor->name);
    if (length == 0 || length == sizeof tensor->name)
        return cnn_fail(CNN_ERR_INPUT, "a tensor name has %zu bytes; allowed: 1 to %zu", length,
                        sizeof tensor->name - 1);
    if (strcmp(tensor->name, CNN_SAFETENSORS_METADATA) == 0)
        return cnn_fail(CNN_ERR_INPUT, "a tensor must not be named %s", tensor->name);
    if (!cnn_dtype_name(tensor->dtype) || tensor->n_dims < 0 || tensor->n_dims > 8)
        return cnn_fail(CNN_ERR_INPUT, "tensor %s: unknown dtype, or more than 8 dimensions", tensor->name);
    if (!cnn_tensor_bytes(out_bytes, tensor))
        return cnn_fail(CNN_ERR_INPUT, "tensor %s: invalid shape", tensor->name);
    if (*out_bytes > 0 && !tensor->data)
        return cnn_fail(CNN_ERR_INPUT, "tensor %s: no data", tensor->name);
    return CNN_OK;
}

static int wider_first(const void *a, const void *b) {
    const struct placed *x = a, *y = b;
    size_t x_bytes = cnn_dtype_bytes(x->tensor->dtype), y_bytes = cnn_dtype_bytes(y->tensor->dtype);
    if (x_bytes != y_bytes)
        return x_bytes > y_bytes ? -1 : 1;
    return x->given < y->given ? -1 : x->given > y->given;
}

// The format allows no holes between tensors; with the wider dtypes first each is aligned to its elements all
// the same.
static enum cnn_status place(struct placed *placed, const struct cnn_tensor *tensors, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t bytes;
        CNN_TRY(check_tensor(&bytes, &tensors[i]));
        placed[i] = (struct placed){.tensor = &tensors[i], .end = bytes, .given = i};
    }
    qsort(placed, n, sizeof *placed, wider_first);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t bytes = placed[i].end;
        placed[i].begin = at;
        if (__builtin_add_overflow(at, bytes, &at))
            return cnn_fail(CNN_ERR_INPUT, "the total size of the tensors is too large");
        placed[i].end = at;
    }
    return CNN_OK;
}

static enum cnn_status add_unique(json_t *object, const char *key, json_t *value) {
    if (!value)
        return cnn_fail(CNN_ERR_INPUT, "the metadata value of %s is not valid UTF-8", key);
    if (json_object_get(object, key)) {
        json_decref(value);
        return cnn_fail(CNN_ERR_INPUT, "duplicate name %s", key);
    }
    if (json_object_set_new(object, key, value) != 0)
        return cnn_fail(CNN_ERR_INPUT, "the name %s is not valid UTF-8", key);
    return CNN_OK;
}

static enum cnn_status add_metadata(json_t *root, const struct cnn_metadata *metadata, size_t n,
                                    uint32_t data_crc) {
    char digits[CNN_SAFETENSORS_CRC_DIGITS + 1];
    json_t *object = json_object();
    CNN_TRY(add_unique(root, CNN_SAFETENSORS_METADATA, object));
    for (size_t i = 0; i < n; i++) {
        if (strncmp(metadata[i].key, CNN_SAFETENSORS_CRC_PREFIX, strlen(CNN_SAFETENSORS_CRC_PREFIX)) == 0)
            return cnn_fail(CNN_ERR_INPUT, "the metadata key %s is reserved for checksums", metadata[i].key);
        CNN_TRY(add_unique(object, metadata[i].key, json_string(metadata[i].value)));
    }
    snprintf(digits, sizeof digits, "%08" PRIx32, data_crc);
    CNN_TRY(add_unique(object, CNN_SAFETENSORS_CRC_DATA, json_string(digits)));
    return add_unique(object, CNN_SAFETENSORS_CRC_HEADER, json_string(CNN_SAFETENSORS_CRC_ZERO));
}

static enum cnn_status add_tensor(json_t *root, const struct placed *placed) {
    const struct cnn_tensor *tensor = placed->tensor;
    json_t *shape = json_array();
    for (int i = 0; i < tensor->n_dims; i++)
        if (json_array_append_new(shape, json_integer(tensor->dims[i])) != 0) {
            json_decref(shape);
            return cnn_fail(CNN_ERR_MEMORY, "out of memory: cannot describe tensor %s", tensor->name);
        }
    return add_unique(root, tensor->name,
                      json_pack("{s:s,s:o,s:[I,I]}", "dtype", cnn_dtype_name(tensor->dtype), "shape", shape,
                                "data_offsets", (json_int_t)placed->begin, (json_int_t)placed->end));
}

// The finished header: length, JSON, and spaces up to the next multiple of 64 bytes, where the data begin.
static enum cnn_status dump_header(char **out, size_t *out_bytes, const json_t *root) {
    size_t json_bytes = json_dumpb(root, NULL, 0, JSON_COMPACT);
    size_t bytes = cnn_align_up(CNN_SAFETENSORS_LENGTH_BYTES + json_bytes, CNN_ALIGN);
    size_t length = bytes - CNN_SAFETENSORS_LENGTH_BYTES;
    char *header = NULL;
    if (json_bytes == 0 || length > CNN_SAFETENSORS_MAX_HEADER)
        return cnn_fail(CNN_ERR_INPUT,
                        "names and metadata take %zu bytes; a safetensors file allows at "
                        "most %zu",
                        json_bytes, CNN_SAFETENSORS_MAX_HEADER);
    CNN_TRY(cnn_malloc(&header, bytes, 1));
    char *json = header + CNN_SAFETENSORS_LENGTH_BYTES;
    uint64_t little_endian = length;
    memcpy(header, &little_endian, sizeof little_endian);
    memset(json, ' ', length);
    json_dumpb(root, json, json_bytes, JSON_COMPACT);

    char digits[CNN_SAFETENSORS_CRC_DIGITS + 1], *place_of_digits = cnn_safetensors_find_crc(json, length);
    snprintf(digits, sizeof digits, "%08" PRIx32, cnn_safetensors_header_crc(json, length, place_of_digits));
    memcpy(place_of_digits, digits, CNN_SAFETENSORS_CRC_DIGITS);
    *out = header;
    *out_bytes = bytes;
    return CNN_OK;
}

static enum cnn_status make_header(char **out, size_t *out_bytes, const struct placed *placed, size_t n,
                                   const struct cnn_metadata *metadata, size_t n_metadata) {
    uint32_t crc = 0;
    for (size_t i = 0; i < n; i++)
        crc = cnn_crc32c(crc, placed[i].tensor->data, placed[i].end - placed[i].begin);
    json_t *root = json_object();
    if (!root)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: cannot make a safetensors header");
    enum cnn_status status = add_metadata(root, metadata, n_metadata, crc);
    for (size_t i = 0; i < n && status == CNN_OK; i++)
        status = add_tensor(root, &placed[i]);
    if (status == CNN_OK)
        status = dump_header(out, out_bytes, root);
    json_decref(root);
    return status;
}

static enum cnn_status write_file(const char *path, const char *header, size_t header_bytes,
                                  const struct placed *placed, size_t n) {
    struct cnn_file_writer writer;
    CNN_TRY(cnn_file_writer_open(&writer, path));
    enum cnn_status status = cnn_file_writer_write(&writer, header, header_bytes);
    for (size_t i = 0; i < n && status == CNN_OK; i++)
        status = cnn_file_writer_write(&writer, placed[i].tensor->data, placed[i].end - placed[i].begin);
    if (status == CNN_OK)
        status = cnn_file_writer_commit(&writer);
    cnn_file_writer_discard(&writer);
    return status;
}

enum cnn_status cnn_safetensors_write(const char *path, const struct cnn_tensor *tensors, size_t n_tensors,
                                      const struct cnn_metadata *metadata, size_t n_metadata) {
    struct placed *placed = NULL;
    char *header = NULL;
    size_t header_bytes = 0;
    CNN_TRY(cnn_malloc(&placed, n_tensors, sizeof *placed));
    enum cnn_status status = place(placed, tensors, n_tensors);
    if (status == CNN_OK)
        status = make_header(&header, &header_bytes, placed, n_tensors, metadata, n_metadata);
    if (status != CNN_OK)
        cnn_fail_in(status, "cannot write %s", path);
    else
        status = write_file(path, header, header_bytes, placed, n_tensors);
    free(header);
    free(placed);
    return status;
}
