// `dataset import idx`: the MNIST format, gz or not. A big-endian header (00 00, type 08 = uint8, number of
// dimensions, each dimension in 4 bytes), then the bytes. http://yann.lecun.com/exdb/mnist
#include "base/checksum.h"
#include "base/memory.h"
#include "data/import/source.h"
#include "data/shard_format.h"
#include "image/image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define MAX_RECORDS (UINT32_C(1) << 27) // the labels are held in memory
#define BLOCK 65536

struct idx {
    const char *path;
    gzFile file;
    uint32_t n, h, w;
    size_t header_bytes;
};
struct idx_source {
    struct idx images;
    uint8_t *labels;
    size_t picture_bytes;
};

static enum cnn_status fail_gz(const struct idx *idx, const char *doing) {
    int code;
    const char *reason = gzerror(idx->file, &code);
    if (code == Z_ERRNO)
        return cnn_fail(CNN_ERR_IO, "%s: cannot %s: %s", idx->path, doing, strerror(errno));
    return cnn_fail(CNN_ERR_INPUT, "%s: cannot %s: %s", idx->path, doing,
                    code == Z_OK ? "cut short" : reason);
}

static enum cnn_status read_exactly(const struct idx *idx, void *data, size_t bytes, const char *what) {
    for (size_t done = 0; done < bytes;) {
        unsigned block = bytes - done < BLOCK ? (unsigned)(bytes - done) : BLOCK;
        int got = gzread(idx->file, (char *)data + done, block);
        if (got <= 0)
            return fail_gz(idx, what);
        done += (size_t)got;
    }
    return CNN_OK;
}

// The end of the data must be the end of the file; reading it makes zlib check the sums of a gz file.
static enum cnn_status check_end(const struct idx *idx) {
    char extra;
    int got = gzread(idx->file, &extra, 1), code;
    gzerror(idx->file, &code);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END))
        return fail_gz(idx, "read the end");
    if (got > 0)
        return cnn_fail(CNN_ERR_INPUT, "%s: goes on after the %" PRIu32 " records its header says", idx->path,
                        idx->n);
    return CNN_OK;
}

static uint32_t big_endian(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static enum cnn_status check_dimensions(const struct idx *idx, int dimensions) {
    if (idx->n == 0 || idx->n > MAX_RECORDS)
        return cnn_fail(CNN_ERR_INPUT, "%s: the header says %" PRIu32 " records, allowed are 1 to %" PRIu32,
                        idx->path, idx->n, MAX_RECORDS);
    if (dimensions == 3 && (idx->h == 0 || idx->w == 0 || idx->h > CNN_SHARD_MAX_SIDE ||
                            idx->w > CNN_SHARD_MAX_SIDE || (uint64_t)idx->h * idx->w > CNN_MAX_PIXELS))
        return cnn_fail(CNN_ERR_INPUT, "%s: the header says pictures of %" PRIu32 " x %" PRIu32 " pixels",
                        idx->path, idx->h, idx->w);
    return CNN_OK;
}

// Opens, or begins again, and reads the header. dimensions: 3 for images, 1 for labels.
static enum cnn_status open_idx(struct idx *idx, const char *path, int dimensions) {
    uint8_t header[16];
    idx->path = path;
    idx->file = gzopen(path, "rb");
    if (!idx->file)
        return cnn_fail(CNN_ERR_INPUT, "cannot open %s: %s", path, strerror(errno));
    gzbuffer(idx->file, 1 << 17);
    idx->header_bytes = 4 + 4 * (size_t)dimensions;
    CNN_TRY(read_exactly(idx, header, idx->header_bytes, "read the header"));
    if (header[0] != 0 || header[1] != 0 || header[2] != 8 || header[3] != dimensions)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s: not idx %s: it begins %02x %02x %02x %02x, expected 00 00 08 %02x", path,
                        dimensions == 3 ? "images" : "labels", header[0], header[1], header[2], header[3],
                        (unsigned)dimensions);
    idx->n = big_endian(header + 4);
    idx->h = dimensions == 3 ? big_endian(header + 8) : 1;
    idx->w = dimensions == 3 ? big_endian(header + 12) : 1;
    return check_dimensions(idx, dimensions);
}

static void close_idx(struct idx *idx) {
    if (idx->file)
        gzclose(idx->file);
    idx->file = NULL;
}

// Memory for the labels grows with the bytes that are really there, not with what the header says.
static enum cnn_status read_growing(uint8_t **out, const struct idx *idx) {
    uint8_t *data = NULL;
    size_t capacity = 0;
    for (size_t done = 0; done < idx->n;) {
        if (done == capacity) {
            capacity = capacity ? capacity * 2 : BLOCK;
            uint8_t *larger = realloc(data, capacity);
            if (!larger) {
                free(data);
                return cnn_fail(CNN_ERR_MEMORY, "%s: out of memory for %" PRIu32 " labels", idx->path,
                                idx->n);
            }
            data = larger;
        }
        size_t rest = idx->n - done, room = capacity - done, part = rest < room ? rest : room;
        enum cnn_status status = read_exactly(idx, data + done, part, "read the labels");
        if (status != CNN_OK) {
            free(data);
            return status;
        }
        done += part;
    }
    *out = data;
    return CNN_OK;
}

static enum cnn_status read_labels(struct idx_source *source, const char *path, int *n_classes, bool named,
                                   uint32_t *out_crc) {
    struct idx idx = {0};
    enum cnn_status status = open_idx(&idx, path, 1);
    if (status == CNN_OK && idx.n != source->images.n)
        status =
            cnn_fail(CNN_ERR_INPUT,
                     "%s has %" PRIu32 " labels, %s has %" PRIu32 " pictures: they do not belong together",
                     path, idx.n, source->images.path, source->images.n);
    if (status == CNN_OK)
        status = read_growing(&source->labels, &idx);
    if (status == CNN_OK)
        status = check_end(&idx);
    for (uint32_t i = 0; status == CNN_OK && i < idx.n; i++) {
        if (named && source->labels[i] >= *n_classes)
            status =
                cnn_fail(CNN_ERR_INPUT, "%s: record %" PRIu32 ": label %d, but only %d class names are given",
                         path, i, source->labels[i], *n_classes);
        else if (source->labels[i] >= *n_classes)
            *n_classes = source->labels[i] + 1;
    }
    if (status == CNN_OK)
        *out_crc = cnn_crc32c(0, source->labels, idx.n);
    close_idx(&idx);
    return status;
}

static enum cnn_status survey_images(struct idx_source *source, uint32_t *out_crc) {
    struct idx *images = &source->images;
    uint8_t *pixels;
    uint32_t crc = 0;
    CNN_TRY(cnn_malloc(&pixels, source->picture_bytes, 1));
    enum cnn_status status = CNN_OK;
    for (uint32_t i = 0; i < images->n && status == CNN_OK; i++) {
        status = read_exactly(images, pixels, source->picture_bytes, "read the pictures");
        crc = status == CNN_OK ? cnn_crc32c(crc, pixels, source->picture_bytes) : 0;
    }
    free(pixels);
    CNN_TRY(status);
    CNN_TRY(check_end(images));
    *out_crc = crc;
    return CNN_OK;
}

// The file was read through before: what is wrong now is not the record.
static enum cnn_status read_picture(void *context, uint64_t i, struct cnn_bytes *to) {
    struct idx_source *source = context;
    z_off_t at = (z_off_t)(source->images.header_bytes + i * source->picture_bytes);
    CNN_TRY(cnn_bytes_reserve(to, source->picture_bytes));
    enum cnn_status status = CNN_OK;
    if (gzseek(source->images.file, at, SEEK_SET) != at)
        status = fail_gz(&source->images, "skip pictures");
    if (status == CNN_OK)
        status = read_exactly(&source->images, to->data + to->n, source->picture_bytes, "read the pictures");
    to->n += source->picture_bytes;
    return status == CNN_ERR_INPUT ? CNN_ERR_IO : status;
}

static int label_of(const void *context, uint64_t i) {
    return ((const struct idx_source *)context)->labels[i];
}

static enum cnn_status import_opened(struct cnn_import_result *out, struct idx_source *source,
                                     const char *labels, const char *const *class_names, int n_class_names,
                                     const struct cnn_import_options *options) {
    char text[160];
    uint32_t images_crc, labels_crc;
    int n_classes = class_names ? n_class_names : 0;
    struct idx *images = &source->images;
    source->picture_bytes = (size_t)images->h * images->w;
    CNN_TRY(read_labels(source, labels, &n_classes, class_names != NULL, &labels_crc));
    CNN_TRY(survey_images(source, &images_crc));
    snprintf(text, sizeof text, "idx records=%" PRIu32 " images=%08" PRIx32 " labels=%08" PRIx32, images->n,
             images_crc, labels_crc);
    const struct cnn_import_source imported = {
        .identity = text,
        .n = images->n,
        .bytes = (uint64_t)images->n * source->picture_bytes,
        .classes = class_names,
        .n_classes = n_classes,
        .pixels = true,
        .h = (int)images->h,
        .w = (int)images->w,
        .c = 1,
        .label = label_of,
        .read = read_picture,
        .sequential = true,
        .context = source,
    };
    return cnn_import_run(out, &imported, options);
}

enum cnn_status cnn_import_idx(struct cnn_import_result *out, const char *images, const char *labels,
                               const char *const *class_names, int n_class_names,
                               const struct cnn_import_options *options) {
    struct idx_source source = {0};
    enum cnn_status status = open_idx(&source.images, images, 3);
    if (status == CNN_OK)
        status = import_opened(out, &source, labels, class_names, n_class_names, options);
    close_idx(&source.images);
    free(source.labels);
    return status;
}
