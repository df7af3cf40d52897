#include "data/shard.h"

#include "base/checksum.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "data/shard_format.h"
#include "data/shard_hdf5.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct cnn_shard {
    struct cnn_shard_header header;
    struct cnn_shard_index index;
    char *path, *source;
    int fd;
    uint64_t file_bytes, images_at, images_bytes;
    uint32_t index_crc32c; // as the file says
    bool has_index_crc32c;
    uint64_t fingerprint;
};

uint32_t cnn_shard_index_crc32c(const struct cnn_shard_index *index, int n_classes) {
    size_t n = (size_t)index->n;
    uint32_t crc = cnn_crc32c(0, index->offsets, (n + 1) * sizeof *index->offsets);
    crc = cnn_crc32c(crc, index->labels, n * sizeof *index->labels);
    crc = cnn_crc32c(crc, index->crc32c, n * sizeof *index->crc32c);
    crc = cnn_crc32c(crc, index->ids, n * sizeof *index->ids);
    for (int i = 0; index->names && i < n_classes; i++) {
        const char *name = index->names + (size_t)i * index->name_bytes;
        crc = cnn_crc32c(crc, name, strlen(name) + 1);
    }
    return crc;
}

void cnn_shard_index_finish(struct cnn_shard_index *index) {
    free(index->offsets);
    free(index->labels);
    free(index->crc32c);
    free(index->ids);
    free(index->names);
    *index = (struct cnn_shard_index){0};
}

static enum cnn_status read_encoding(struct cnn_shard *shard, const struct cnn_hdf5 *file) {
    char *text;
    size_t n, stride;
    CNN_TRY(cnn_hdf5_strings(file, "encoding", &text, &n, &stride));
    if (n != 1) {
        free(text);
        return cnn_fail(CNN_ERR_INPUT, "%s: attribute 'encoding' is missing or is not one string",
                        shard->path);
    }
    const enum cnn_encoding all[] = {CNN_ENCODING_JPEG, CNN_ENCODING_PNG, CNN_ENCODING_RAW};
    enum cnn_status status = CNN_ERR_INPUT;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(text, cnn_encoding_name(all[i])) == 0) {
            shard->header.encoding = all[i];
            status = CNN_OK;
        }
    }
    if (status != CNN_OK)
        cnn_fail(status, "%s: unknown encoding '%.20s'; allowed: jpeg, png and raw", shard->path, text);
    free(text);
    return status;
}

static enum cnn_status read_size(struct cnn_shard *shard, const struct cnn_hdf5 *file) {
    struct cnn_shard_header *header = &shard->header;
    bool raw = header->encoding == CNN_ENCODING_RAW;
    int64_t h, w, c = 0;
    CNN_TRY(cnn_hdf5_integer(file, "height", raw, CNN_SHARD_MAX_SIDE, &h));
    CNN_TRY(cnn_hdf5_integer(file, "width", raw, CNN_SHARD_MAX_SIDE, &w));
    if (raw)
        CNN_TRY(cnn_hdf5_integer(file, "channels", 1, 3, &c));
    if ((h == 0) != (w == 0) || c == 2 || h * w > (int64_t)CNN_MAX_PIXELS)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s: images of %" PRId64 " x %" PRId64 " x %" PRId64 " are out of range", shard->path,
                        h, w, c);
    header->h = (int)h;
    header->w = (int)w;
    header->c = (int)c;
    return CNN_OK;
}

static enum cnn_status read_header(struct cnn_shard *shard, const struct cnn_hdf5 *file) {
    struct cnn_shard_header *header = &shard->header;
    int64_t version, n_classes, number, shards, total, crc;
    CNN_TRY(cnn_hdf5_integer(file, "format_version", 1, INT32_MAX, &version));
    if (version > CNN_SHARD_VERSION)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s: format version %" PRId64 ", but this program reads versions up to %d; use a "
                        "newer cnn_dist",
                        shard->path, version, CNN_SHARD_VERSION);
    CNN_TRY(read_encoding(shard, file));
    CNN_TRY(read_size(shard, file));
    CNN_TRY(cnn_hdf5_integer(file, "num_classes", 1, CNN_SHARD_MAX_CLASSES, &n_classes));
    CNN_TRY(cnn_hdf5_integer(file, "shards", 1, CNN_SHARD_MAX_SHARDS, &shards));
    CNN_TRY(cnn_hdf5_integer(file, "shard", 0, shards - 1, &number));
    CNN_TRY(cnn_hdf5_integer(file, "records_total", 0, INT64_MAX - 1, &total));
    header->n_classes = (int)n_classes;
    header->shard = (int)number;
    header->n_shards = (int)shards;
    header->records_total = (uint64_t)total;
    shard->has_index_crc32c = cnn_hdf5_has_attribute(file, "index_crc32c");
    if (shard->has_index_crc32c) {
        CNN_TRY(cnn_hdf5_integer(file, "index_crc32c", 0, UINT32_MAX, &crc));
        shard->index_crc32c = (uint32_t)crc;
    }
    size_t n, stride;
    CNN_TRY(cnn_hdf5_strings(file, "source", &shard->source, &n, &stride));
    header->source = shard->source;
    CNN_TRY(cnn_hdf5_strings(file, "class_names", &shard->index.names, &n, &shard->index.name_bytes));
    if (n != 0 && n != (size_t)n_classes)
        return cnn_fail(CNN_ERR_INPUT, "%s: %zu class names for %" PRId64 " classes", shard->path, n,
                        n_classes);
    return CNN_OK;
}

static enum cnn_status read_index(struct cnn_shard *shard, const struct cnn_hdf5 *file) {
    struct cnn_shard_index *index = &shard->index;
    uint64_t at;
    CNN_TRY(cnn_hdf5_find(file, "images", CNN_HDF5_U8, &shard->images_bytes, &shard->images_at));
    CNN_TRY(cnn_hdf5_find(file, "labels", CNN_HDF5_I32, &index->n, &at));
    CNN_TRY(cnn_hdf5_list(file, "offsets", CNN_HDF5_U64, index->n + 1, &index->offsets));
    CNN_TRY(cnn_hdf5_list(file, "labels", CNN_HDF5_I32, index->n, &index->labels));
    CNN_TRY(cnn_hdf5_list(file, "crc32c", CNN_HDF5_U32, index->n, &index->crc32c));
    return cnn_hdf5_list(file, "ids", CNN_HDF5_U64, index->n, &index->ids);
}

static enum cnn_status check_index(const struct cnn_shard *shard) {
    const struct cnn_shard_index *index = &shard->index;
    const struct cnn_shard_header *header = &shard->header;
    uint64_t raw_bytes = (uint64_t)header->h * (uint64_t)header->w * (uint64_t)header->c;
    if (shard->has_index_crc32c && (uint32_t)(shard->fingerprint >> 32) != shard->index_crc32c)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s: wrong checksum of the index: the file is damaged; import the dataset again",
                        shard->path);
    if (index->n > header->records_total)
        return cnn_fail(CNN_ERR_INPUT, "%s: contains %" PRIu64 " records of a dataset of %" PRIu64,
                        shard->path, index->n, header->records_total);
    if (index->offsets[0] != 0 || index->offsets[index->n] != shard->images_bytes)
        return cnn_fail(CNN_ERR_INPUT, "%s: offsets do not span the %" PRIu64 " bytes of images", shard->path,
                        shard->images_bytes);
    for (uint64_t i = 0; i < index->n; i++) {
        if (index->offsets[i] >= index->offsets[i + 1] || index->offsets[i + 1] > shard->images_bytes)
            return cnn_fail(CNN_ERR_INPUT, "%s: record %" PRIu64 ": bad offsets: %" PRIu64 " to %" PRIu64,
                            shard->path, i, index->offsets[i], index->offsets[i + 1]);
        if (index->labels[i] < 0 || index->labels[i] >= header->n_classes)
            return cnn_fail(CNN_ERR_INPUT, "%s: record %" PRIu64 ": label %d is out of range for %d classes",
                            shard->path, i, index->labels[i], header->n_classes);
        if (header->encoding == CNN_ENCODING_RAW && index->offsets[i + 1] - index->offsets[i] != raw_bytes)
            return cnn_fail(CNN_ERR_INPUT,
                            "%s: record %" PRIu64 ": %" PRIu64
                            " bytes, but a raw image of %d x %d x %d has %" PRIu64,
                            shard->path, i, index->offsets[i + 1] - index->offsets[i], header->h, header->w,
                            header->c, raw_bytes);
    }
    return CNN_OK;
}

// Datasets made by earlier versions may hold class names that are not UTF-8; from here on all are.
static enum cnn_status escape_names(struct cnn_shard *shard) {
    struct cnn_shard_index *index = &shard->index;
    size_t n = (size_t)shard->header.n_classes, room = 4 * index->name_bytes;
    char *names = NULL;
    bool valid = true;
    for (size_t i = 0; index->names && i < n; i++)
        valid = valid && cnn_utf8_is_valid(index->names + i * index->name_bytes);
    if (valid)
        return CNN_OK;
    CNN_TRY(cnn_calloc(&names, n, room));
    for (size_t i = 0; i < n; i++) {
        char *name = NULL;
        enum cnn_status status = cnn_utf8_escape(&name, index->names + i * index->name_bytes);
        if (status != CNN_OK) {
            free(names);
            return status;
        }
        memcpy(names + i * room, name, strlen(name));
        free(name);
    }
    free(index->names);
    index->names = names;
    index->name_bytes = room;
    return CNN_OK;
}

// Two checksums, of the whole index and of what makes up the content.
static uint64_t take_fingerprint(const struct cnn_shard *shard) {
    const struct cnn_shard_index *index = &shard->index;
    size_t n = (size_t)index->n;
    uint32_t content = cnn_crc32c(0, index->crc32c, n * sizeof *index->crc32c);
    content = cnn_crc32c(content, index->labels, n * sizeof *index->labels);
    return (uint64_t)cnn_shard_index_crc32c(index, shard->header.n_classes) << 32 | content;
}

static enum cnn_status check_signature(struct cnn_shard *shard) {
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    unsigned char found[8];
    struct stat info;
    shard->fd = open(shard->path, O_RDONLY | O_CLOEXEC);
    if (shard->fd < 0 || fstat(shard->fd, &info) != 0)
        return cnn_fail(errno == ENOENT || errno == EACCES ? CNN_ERR_INPUT : CNN_ERR_IO, "cannot open %s: %s",
                        shard->path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return cnn_fail(CNN_ERR_INPUT, "%s is not a file", shard->path);
    shard->file_bytes = (uint64_t)info.st_size;
    if (shard->file_bytes < sizeof found)
        return cnn_fail(CNN_ERR_INPUT, "%s is not a shard: it has %" PRIu64 " bytes", shard->path,
                        shard->file_bytes);
    CNN_TRY(cnn_file_pread(shard->fd, shard->path, found, sizeof found, 0));
    if (memcmp(found, signature, sizeof found) != 0)
        return cnn_fail(CNN_ERR_INPUT, "%s is not a shard: it is not an HDF5 file", shard->path);
    return CNN_OK;
}

static enum cnn_status read_file(struct cnn_shard *shard) {
    struct cnn_hdf5 file;
    CNN_TRY(cnn_hdf5_open(&file, shard->path, shard->file_bytes));
    enum cnn_status status = read_header(shard, &file);
    if (status == CNN_OK)
        status = read_index(shard, &file);
    cnn_hdf5_close(&file);
    return status;
}

enum cnn_status cnn_shard_open(struct cnn_shard **out, const char *path) {
    struct cnn_shard *shard;
    CNN_TRY(cnn_calloc(&shard, 1, sizeof *shard));
    shard->fd = -1;
    enum cnn_status status = cnn_strdup(&shard->path, path);
    if (status == CNN_OK)
        status = check_signature(shard);
    if (status == CNN_OK)
        status = read_file(shard);
    if (status == CNN_OK) {
        shard->fingerprint = take_fingerprint(shard);
        status = check_index(shard);
    }
    if (status == CNN_OK)
        status = escape_names(shard);
    if (status != CNN_OK) {
        cnn_shard_close(shard);
        return status;
    }
    *out = shard;
    return CNN_OK;
}

void cnn_shard_close(struct cnn_shard *shard) {
    if (!shard)
        return;
    if (shard->fd >= 0)
        close(shard->fd);
    cnn_shard_index_finish(&shard->index);
    free(shard->source);
    free(shard->path);
    free(shard);
}

const struct cnn_shard_header *cnn_shard_header(const struct cnn_shard *shard) { return &shard->header; }

uint64_t cnn_shard_fingerprint(const struct cnn_shard *shard) { return shard->fingerprint; }

uint64_t cnn_shard_count(const struct cnn_shard *shard) { return shard->index.n; }

const char *cnn_shard_class_name(const struct cnn_shard *shard, int label) {
    if (!shard->index.names || label < 0 || label >= shard->header.n_classes)
        return NULL;
    return shard->index.names + (size_t)label * shard->index.name_bytes;
}

struct cnn_record cnn_shard_record(const struct cnn_shard *shard, uint64_t i) {
    const struct cnn_shard_index *index = &shard->index;
    return (struct cnn_record){
        .id = index->ids[i],
        .label = index->labels[i],
        .crc32c = index->crc32c[i],
        .bytes = (size_t)(index->offsets[i + 1] - index->offsets[i]),
    };
}

enum cnn_status cnn_shard_read(const struct cnn_shard *shard, uint64_t i, void *data) {
    struct cnn_record record = cnn_shard_record(shard, i);
    CNN_TRY(cnn_file_pread(shard->fd, shard->path, data, record.bytes,
                           shard->images_at + shard->index.offsets[i]));
    if (cnn_crc32c(0, data, record.bytes) != record.crc32c)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s: record %" PRIu64 " (id %" PRIu64 "): wrong checksum: the file is damaged",
                        shard->path, i, record.id);
    return CNN_OK;
}

// Linux reads no more for one such call than it would read ahead by itself.
#define EXPECT_BYTES (128u << 10)

void cnn_shard_expect(const struct cnn_shard *shard, uint64_t i, uint64_t n) {
    uint64_t at = shard->images_at + shard->index.offsets[i];
    uint64_t end = shard->images_at + shard->index.offsets[i + n];
    for (; at < end; at += EXPECT_BYTES) {
        uint64_t bytes = end - at < EXPECT_BYTES ? end - at : EXPECT_BYTES;
        posix_fadvise(shard->fd, (off_t)at, (off_t)bytes, POSIX_FADV_WILLNEED);
    }
}
