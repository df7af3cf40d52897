#include "format/safetensors_header.h"

#include "base/checksum.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct cnn_safetensors {
    json_t *root, *metadata;           // metadata: borrowed from root, or NULL
    struct cnn_tensor *tensors;        // in the order of their bytes
    size_t *begins;                    // tensors[i] begins at data + begins[i]
    const struct cnn_tensor **by_name; // sorted
    size_t n;
    unsigned char *data, *moved; // moved: copies of the tensors that would not be aligned in data
    size_t data_bytes;
};

// Where the bytes come from: an open file, or memory. Whole reads rather than a mapping: a disk that fails
// under a mapping kills the process.
struct source {
    const char *name;
    int fd;
    const unsigned char *memory; // NULL: fd
    size_t bytes;
};

static enum cnn_status source_read(const struct source *source, void *out, size_t bytes, size_t offset) {
    if (!source->memory)
        return cnn_file_pread(source->fd, source->name, out, bytes, offset);
    if (bytes > 0)
        memcpy(out, source->memory + offset, bytes);
    return CNN_OK;
}

static enum cnn_status read_header(char **out, size_t *out_bytes, const struct source *source) {
    uint64_t length = 0;
    if (source->bytes < CNN_SAFETENSORS_LENGTH_BYTES)
        return cnn_fail(CNN_ERR_INPUT, "it has only %zu bytes", source->bytes);
    CNN_TRY(source_read(source, &length, sizeof length, 0));
    if (length > CNN_SAFETENSORS_MAX_HEADER || length > source->bytes - CNN_SAFETENSORS_LENGTH_BYTES)
        return cnn_fail(CNN_ERR_INPUT,
                        "the header length is %" PRIu64
                        ", but the file has %zu bytes; it is truncated or has "
                        "another format",
                        length, source->bytes);
    CNN_TRY(cnn_malloc(out, length, 1));
    *out_bytes = length;
    return source_read(source, *out, length, CNN_SAFETENSORS_LENGTH_BYTES);
}

static enum cnn_status parse_shape(struct cnn_tensor *out, const json_t *shape) {
    size_t n = json_array_size(shape);
    if (!json_is_array(shape) || n > sizeof out->dims / sizeof out->dims[0])
        return cnn_fail(CNN_ERR_INPUT, "tensor %s: the shape must be a list of at most %zu numbers",
                        out->name, sizeof out->dims / sizeof out->dims[0]);
    out->n_dims = (int)n;
    for (size_t i = 0; i < n; i++) {
        const json_t *dim = json_array_get(shape, i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return cnn_fail(CNN_ERR_INPUT, "tensor %s: dimensions must be whole numbers of at least 0",
                            out->name);
        out->dims[i] = json_integer_value(dim);
    }
    return CNN_OK;
}

// Offsets of the data section, checked against each other, the shape and the size of the section.
static enum cnn_status parse_offsets(size_t *out_begin, const json_t *offsets,
                                     const struct cnn_tensor *tensor, size_t data_bytes) {
    const json_t *from = json_array_get(offsets, 0), *to = json_array_get(offsets, 1);
    size_t bytes;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2 || !json_is_integer(from) ||
        !json_is_integer(to))
        return cnn_fail(CNN_ERR_INPUT, "tensor %s: data_offsets must be two whole numbers", tensor->name);
    json_int_t begin = json_integer_value(from), end = json_integer_value(to);
    if (begin < 0 || end < begin || (uint64_t)end > data_bytes)
        return cnn_fail(
            CNN_ERR_INPUT,
            "tensor %s: bytes %lld to %lld are outside the data of %zu bytes; the file is truncated",
            tensor->name, (long long)begin, (long long)end, data_bytes);
    if (!cnn_tensor_bytes(&bytes, tensor) || bytes != (size_t)(end - begin))
        return cnn_fail(CNN_ERR_INPUT, "tensor %s: the shape does not match the size of %lld bytes",
                        tensor->name, (long long)(end - begin));
    *out_begin = (size_t)begin;
    return CNN_OK;
}

static enum cnn_status parse_tensor(struct cnn_tensor *out, size_t *out_begin, const char *name,
                                    const json_t *entry, size_t data_bytes) {
    size_t length = strlen(name);
    if (length == 0 || length >= sizeof out->name)
        return cnn_fail(CNN_ERR_INPUT, "the tensor name '%.40s' has %zu bytes; allowed: 1 to %zu", name,
                        length, sizeof out->name - 1);
    memcpy(out->name, name, length + 1);
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    if (!dtype || json_object_size(entry) != 3)
        return cnn_fail(CNN_ERR_INPUT, "tensor %s: expected dtype, shape and data_offsets", name);
    if (!cnn_dtype_of_name(&out->dtype, dtype))
        return cnn_fail(CNN_ERR_INPUT,
                        "tensor %s: unknown dtype %.20s; allowed: F32, F16, BF16, I64, I32 "
                        "and U8",
                        name, dtype);
    CNN_TRY(parse_shape(out, json_object_get(entry, "shape")));
    return parse_offsets(out_begin, json_object_get(entry, "data_offsets"), out, data_bytes);
}

static enum cnn_status parse_metadata(struct cnn_safetensors *file) {
    const char *key;
    json_t *value;
    file->metadata = json_object_get(file->root, CNN_SAFETENSORS_METADATA);
    if (!file->metadata)
        return CNN_OK;
    if (!json_is_object(file->metadata))
        return cnn_fail(CNN_ERR_INPUT, "%s is not a JSON object", CNN_SAFETENSORS_METADATA);
    json_object_foreach(file->metadata, key, value) {
        if (!json_is_string(value))
            return cnn_fail(CNN_ERR_INPUT, "the metadata value of '%.80s' is not a string", key);
    }
    return CNN_OK;
}

struct found {
    struct cnn_tensor tensor;
    size_t begin, bytes;
};

static int by_place(const void *a, const void *b) {
    const struct found *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes; // empty ones first
}

// Sorts and moves into *file what was found; the tensors must cover the data section exactly.
static enum cnn_status accept_tensors(struct cnn_safetensors *file, struct found *found) {
    size_t at = 0;
    qsort(found, file->n, sizeof *found, by_place);
    for (size_t i = 0; i < file->n; i++) {
        if (found[i].begin != at)
            return cnn_fail(CNN_ERR_INPUT, "tensor %s begins at byte %zu, but byte %zu was expected: %s",
                            found[i].tensor.name, found[i].begin, at,
                            found[i].begin < at ? "it overlaps another tensor" : "there is a gap");
        at += found[i].bytes;
        file->tensors[i] = found[i].tensor;
        file->begins[i] = found[i].begin;
    }
    if (at != file->data_bytes)
        return cnn_fail(CNN_ERR_INPUT, "%zu bytes follow the last tensor", file->data_bytes - at);
    return CNN_OK;
}

static enum cnn_status parse_tensors(struct cnn_safetensors *file) {
    size_t capacity = json_object_size(file->root);
    struct found *found = NULL;
    enum cnn_status status = CNN_OK;
    const char *name;
    json_t *entry;
    CNN_TRY(cnn_calloc(&file->tensors, capacity, sizeof *file->tensors));
    CNN_TRY(cnn_calloc(&file->begins, capacity, sizeof *file->begins));
    CNN_TRY(cnn_calloc(&found, capacity, sizeof *found));
    json_object_foreach(file->root, name, entry) {
        if (strcmp(name, CNN_SAFETENSORS_METADATA) == 0)
            continue;
        struct found *next = &found[file->n];
        status = parse_tensor(&next->tensor, &next->begin, name, entry, file->data_bytes);
        if (status != CNN_OK)
            break;
        cnn_tensor_bytes(&next->bytes, &next->tensor);
        file->n++;
    }
    if (status == CNN_OK)
        status = accept_tensors(file, found);
    free(found);
    return status;
}

// Capitals are no digits here, so that a flipped bit does not leave the value as it was.
static bool parse_digits(uint32_t *out, const char *text) {
    uint32_t value = 0;
    size_t n = strspn(text, "0123456789abcdef");
    if (n != CNN_SAFETENSORS_CRC_DIGITS || text[n] != '\0')
        return false;
    for (size_t i = 0; i < n; i++)
        value = value << 4 | (uint32_t)(text[i] <= '9' ? text[i] - '0' : text[i] - 'a' + 10);
    *out = value;
    return true;
}

static bool has_checksums(const struct cnn_safetensors *file) {
    const char *key;
    json_t *value;
    json_object_foreach(file->metadata, key, value) {
        if (strncmp(key, CNN_SAFETENSORS_CRC_PREFIX, strlen(CNN_SAFETENSORS_CRC_PREFIX)) == 0)
            return true;
    }
    return false;
}

static enum cnn_status check_crc(const struct cnn_safetensors *file, const char *key, const char *part,
                                 uint32_t found) {
    const char *text = cnn_safetensors_metadata(file, key);
    uint32_t expected;
    if (!text || !parse_digits(&expected, text))
        return cnn_fail(CNN_ERR_INPUT, "the checksum %s is missing or malformed; the file is damaged", key);
    if (found != expected)
        return cnn_fail(CNN_ERR_INPUT,
                        "the checksum of the %s is %08" PRIx32 ", but %08" PRIx32
                        " was expected; the file is damaged",
                        part, found, expected);
    return CNN_OK;
}

// One key alone, or a third one, is a damaged key.
static enum cnn_status check_header_crc(const struct cnn_safetensors *file, char *header, size_t bytes) {
    if (!has_checksums(file))
        return CNN_OK;
    const char *digits = cnn_safetensors_find_crc(header, bytes);
    if (!digits)
        return cnn_fail(CNN_ERR_INPUT, "the checksum of the header is missing or malformed; the file is "
                                       "damaged");
    return check_crc(file, CNN_SAFETENSORS_CRC_HEADER, "header",
                     cnn_safetensors_header_crc(header, bytes, digits));
}

static enum cnn_status parse_header(struct cnn_safetensors *file, const struct source *source) {
    char *header = NULL;
    size_t bytes = 0;
    json_error_t error;
    enum cnn_status status = read_header(&header, &bytes, source);
    if (status != CNN_OK)
        goto free_header;
    file->data_bytes = source->bytes - CNN_SAFETENSORS_LENGTH_BYTES - bytes;
    if (bytes > 0 && header[0] == '{')
        file->root = json_loadb(header, bytes, JSON_REJECT_DUPLICATES, &error);
    else
        snprintf(error.text, sizeof error.text, "the header does not begin with '{'");
    if (!file->root) {
        status = cnn_fail(CNN_ERR_INPUT, "the header is not JSON: %s", error.text);
        goto free_header;
    }
    status = parse_metadata(file);
    if (status == CNN_OK)
        status = check_header_crc(file, header, bytes);
    if (status == CNN_OK)
        status = parse_tensors(file);
free_header:
    free(header);
    return status;
}

static bool is_aligned(const struct cnn_safetensors *file, size_t i) {
    return file->begins[i] % cnn_dtype_bytes(file->tensors[i].dtype) == 0;
}

static size_t bytes_of(const struct cnn_tensor *tensor) {
    size_t bytes = 0;
    cnn_tensor_bytes(&bytes, tensor);
    return bytes;
}

// Gives every tensor its pointer. Other programs may pack a wide dtype behind an odd number of bytes: such a
// tensor gets an aligned copy.
static enum cnn_status point_tensors(struct cnn_safetensors *file) {
    size_t moved_bytes = 0;
    for (size_t i = 0; i < file->n; i++)
        if (!is_aligned(file, i))
            moved_bytes += cnn_align_up(bytes_of(&file->tensors[i]), CNN_ALIGN);
    CNN_TRY(cnn_malloc(&file->moved, moved_bytes, 1));
    unsigned char *next = file->moved;
    for (size_t i = 0; i < file->n; i++) {
        struct cnn_tensor *tensor = &file->tensors[i];
        tensor->data = file->data + file->begins[i];
        if (is_aligned(file, i))
            continue;
        memcpy(next, tensor->data, bytes_of(tensor));
        tensor->data = next;
        next += cnn_align_up(bytes_of(tensor), CNN_ALIGN);
    }
    return CNN_OK;
}

static enum cnn_status read_data(struct cnn_safetensors *file, const struct source *source) {
    CNN_TRY(cnn_malloc(&file->data, file->data_bytes, 1));
    CNN_TRY(source_read(source, file->data, file->data_bytes, source->bytes - file->data_bytes));
    if (has_checksums(file))
        CNN_TRY(
            check_crc(file, CNN_SAFETENSORS_CRC_DATA, "data", cnn_crc32c(0, file->data, file->data_bytes)));
    return point_tensors(file);
}

static int by_name(const void *a, const void *b) {
    return strcmp((*(const struct cnn_tensor *const *)a)->name, (*(const struct cnn_tensor *const *)b)->name);
}

static enum cnn_status index_names(struct cnn_safetensors *file) {
    CNN_TRY(cnn_malloc(&file->by_name, file->n, sizeof *file->by_name));
    for (size_t i = 0; i < file->n; i++)
        file->by_name[i] = &file->tensors[i];
    qsort(file->by_name, file->n, sizeof *file->by_name, by_name);
    return CNN_OK;
}

static enum cnn_status load(struct cnn_safetensors **out, const struct source *source) {
    struct cnn_safetensors *file = NULL;
    CNN_TRY(cnn_calloc(&file, 1, sizeof *file));
    enum cnn_status status = parse_header(file, source);
    if (status == CNN_OK)
        status = read_data(file, source);
    if (status == CNN_OK)
        status = index_names(file);
    if (status != CNN_OK) {
        cnn_safetensors_close(file);
        return cnn_fail_in(status, "%s is not a valid safetensors file", source->name);
    }
    *out = file;
    return CNN_OK;
}

enum cnn_status cnn_safetensors_parse(struct cnn_safetensors **out, const char *name, const void *bytes,
                                      size_t n) {
    return load(out, &(struct source){
                         .name = name, .fd = -1, .memory = bytes ? bytes : (const void *)"", .bytes = n});
}

enum cnn_status cnn_safetensors_open(struct cnn_safetensors **out, const char *path) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return cnn_fail(error == EIO || error == EMFILE || error == ENFILE ? CNN_ERR_IO : CNN_ERR_INPUT,
                        "cannot open %s: %s", path, strerror(error));
    }
    enum cnn_status status;
    if (S_ISREG(info.st_mode))
        status = load(out, &(struct source){.name = path, .fd = fd, .bytes = (size_t)info.st_size});
    else
        status = cnn_fail(CNN_ERR_INPUT, "%s is not a file", path);
    close(fd);
    return status;
}

void cnn_safetensors_close(struct cnn_safetensors *file) {
    if (!file)
        return;
    json_decref(file->root);
    free(file->tensors);
    free(file->begins);
    free(file->by_name);
    free(file->data);
    free(file->moved);
    free(file);
}

size_t cnn_safetensors_count(const struct cnn_safetensors *file) { return file->n; }

const struct cnn_tensor *cnn_safetensors_at(const struct cnn_safetensors *file, size_t i) {
    return i < file->n ? &file->tensors[i] : NULL;
}

static int compare_name(const void *name, const void *entry) {
    return strcmp(name, (*(const struct cnn_tensor *const *)entry)->name);
}

const struct cnn_tensor *cnn_safetensors_find(const struct cnn_safetensors *file, const char *name) {
    const struct cnn_tensor **found =
        bsearch(name, file->by_name, file->n, sizeof *file->by_name, compare_name);
    return found ? *found : NULL;
}

const char *cnn_safetensors_metadata(const struct cnn_safetensors *file, const char *key) {
    return json_string_value(json_object_get(file->metadata, key));
}
