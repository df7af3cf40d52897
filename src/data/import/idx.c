// `dataset import idx`: the MNIST format, gz or not. A big-endian header (00 00, type 08 = uint8, number of
// dimensions, each dimension in 4 bytes), then the bytes. http://yann.lecun.com/exdb/mnist
#include "base/checksum.h"
#include "base/memory.h"
#include "data/import/select.h"
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
// The images and labels of one part of the source.
struct pair {
    struct idx images;
    uint8_t *labels;
    uint64_t first; // its first record, of all parts'
};
struct idx_source {
    struct pair pairs[CNN_IMPORT_MAX_PARTS];
    const char *names[CNN_IMPORT_MAX_PARTS];
    int n_pairs;
    size_t picture_bytes;
    int n_classes;
    bool named; // n_classes is given, not found
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
        return cnn_fail(CNN_ERR_INPUT, "%s: contains data after the %" PRIu32 " records given in its header",
                        idx->path, idx->n);
    return CNN_OK;
}

static uint32_t big_endian(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static enum cnn_status check_dimensions(const struct idx *idx, int dimensions) {
    if (idx->n == 0 || idx->n > MAX_RECORDS)
        return cnn_fail(CNN_ERR_INPUT, "%s: the header says %" PRIu32 " records; allowed: 1 to %" PRIu32,
                        idx->path, idx->n, MAX_RECORDS);
    if (dimensions == 3 && (idx->h == 0 || idx->w == 0 || idx->h > CNN_SHARD_MAX_SIDE ||
                            idx->w > CNN_SHARD_MAX_SIDE || (uint64_t)idx->h * idx->w > CNN_MAX_PIXELS))
        return cnn_fail(CNN_ERR_INPUT, "%s: the header says images of %" PRIu32 " x %" PRIu32 " pixels",
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
                        "%s: not an idx file of %s: it begins with %02x %02x %02x %02x, expected 00 00 08 "
                        "%02x",
                        path, dimensions == 3 ? "images" : "labels", header[0], header[1], header[2],
                        header[3], (unsigned)dimensions);
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

// Labels that are above all class names are an error, or, where classes have no names, more classes.
static enum cnn_status count_classes(struct idx_source *source, const struct idx *idx,
                                     const uint8_t *labels) {
    for (uint32_t i = 0; i < idx->n; i++) {
        if (labels[i] < source->n_classes)
            continue;
        if (source->named)
            return cnn_fail(CNN_ERR_INPUT,
                            "%s: record %" PRIu32 ": label %d, but there are only %d class names", idx->path,
                            i, labels[i], source->n_classes);
        source->n_classes = labels[i] + 1;
    }
    return CNN_OK;
}

static enum cnn_status read_labels(struct idx_source *source, struct pair *pair, const char *path,
                                   uint32_t *out_crc) {
    struct idx idx = {0};
    enum cnn_status status = open_idx(&idx, path, 1);
    if (status == CNN_OK && idx.n != pair->images.n)
        status =
            cnn_fail(CNN_ERR_INPUT,
                     "%s has %" PRIu32 " labels, but %s has %" PRIu32 " images; they do not belong together",
                     path, idx.n, pair->images.path, pair->images.n);
    if (status == CNN_OK)
        status = read_growing(&pair->labels, &idx);
    if (status == CNN_OK)
        status = check_end(&idx);
    if (status == CNN_OK)
        status = count_classes(source, &idx, pair->labels);
    if (status == CNN_OK)
        *out_crc = cnn_crc32c(0, pair->labels, idx.n);
    close_idx(&idx);
    return status;
}

static enum cnn_status survey_images(const struct idx *images, size_t picture_bytes, uint32_t *out_crc) {
    uint8_t *pixels;
    uint32_t crc = 0;
    CNN_TRY(cnn_malloc(&pixels, picture_bytes, 1));
    enum cnn_status status = CNN_OK;
    for (uint32_t i = 0; i < images->n && status == CNN_OK; i++) {
        status = read_exactly(images, pixels, picture_bytes, "read the images");
        crc = status == CNN_OK ? cnn_crc32c(crc, pixels, picture_bytes) : 0;
    }
    free(pixels);
    CNN_TRY(status);
    CNN_TRY(check_end(images));
    *out_crc = crc;
    return CNN_OK;
}

static const struct pair *pair_of(const struct idx_source *source, uint64_t i) {
    int k = source->n_pairs - 1;
    while (i < source->pairs[k].first)
        k--;
    return &source->pairs[k];
}

// The file was read through before: what is wrong now is not the record.
static enum cnn_status read_picture(void *context, uint64_t i, struct cnn_bytes *to) {
    struct idx_source *source = context;
    const struct pair *pair = pair_of(source, i);
    const struct idx *images = &pair->images;
    z_off_t at = (z_off_t)(images->header_bytes + (i - pair->first) * source->picture_bytes);
    CNN_TRY(cnn_bytes_reserve(to, source->picture_bytes));
    enum cnn_status status = CNN_OK;
    if (gzseek(images->file, at, SEEK_SET) != at)
        status = fail_gz(images, "skip images");
    if (status == CNN_OK)
        status = read_exactly(images, to->data + to->n, source->picture_bytes, "read the images");
    to->n += source->picture_bytes;
    return status == CNN_ERR_INPUT ? CNN_ERR_IO : status;
}

static int label_of(const void *context, uint64_t i) {
    const struct pair *pair = pair_of(context, i);
    return pair->labels[i - pair->first];
}

static int part_of(const void *context, uint64_t i) {
    const struct idx_source *source = context;
    return (int)(pair_of(source, i) - source->pairs);
}

// Reads a part through, so that nothing is written from a bad file, and adds what it is to `identity`.
static enum cnn_status survey(struct idx_source *source, const struct cnn_idx_part *part, char *identity,
                              size_t room) {
    struct pair *pair = &source->pairs[source->n_pairs], *before = pair - (source->n_pairs > 0);
    struct idx *images = &pair->images;
    uint32_t images_crc, labels_crc;
    size_t used = strlen(identity);
    source->names[source->n_pairs++] = part->name;
    CNN_TRY(open_idx(images, part->images, 3));
    if (images->h != before->images.h || images->w != before->images.w)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s and %s contain images of different sizes; import them one at a time (--part)",
                        before->images.path, images->path);
    pair->first = before->first + (before < pair ? before->images.n : 0);
    source->picture_bytes = (size_t)images->h * images->w;
    CNN_TRY(read_labels(source, pair, part->labels, &labels_crc));
    CNN_TRY(survey_images(images, source->picture_bytes, &images_crc));
    snprintf(identity + used, room - used, "%s%s records=%" PRIu32 " images=%08" PRIx32 " labels=%08" PRIx32,
             part->name ? " " : "", part->name ? part->name : "", images->n, images_crc, labels_crc);
    return CNN_OK;
}

static enum cnn_status import_parts(struct cnn_import_result *out, struct idx_source *source,
                                    const struct cnn_idx_part *parts, int n_parts,
                                    const char *const *class_names,
                                    const struct cnn_import_options *options) {
    char identity[CNN_IMPORT_MAX_PARTS * 160] = "idx";
    for (int k = 0; k < n_parts; k++)
        CNN_TRY(survey(source, &parts[k], identity, sizeof identity));
    const struct pair *last = &source->pairs[n_parts - 1];
    uint64_t n = last->first + last->images.n;
    const struct cnn_import_source imported = {
        .identity = identity,
        .n = n,
        .bytes = n * source->picture_bytes,
        .classes = class_names,
        .n_classes = source->n_classes,
        .parts = parts[0].name ? source->names : NULL,
        .n_parts = parts[0].name ? n_parts : 0,
        .pixels = true,
        .h = (int)last->images.h,
        .w = (int)last->images.w,
        .c = 1,
        .label = label_of,
        .part = part_of,
        .read = read_picture,
        .sequential = true,
        .context = source,
    };
    return cnn_import_run(out, &imported, options);
}

enum cnn_status cnn_import_idx_parts(struct cnn_import_result *out, const struct cnn_idx_part *parts,
                                     int n_parts, const char *const *class_names, int n_class_names,
                                     const struct cnn_import_options *options) {
    struct idx_source *source;
    if (n_parts < 1 || n_parts > CNN_IMPORT_MAX_PARTS)
        return cnn_fail(CNN_ERR_INPUT, "%d parts: 1 to %d can be imported", n_parts, CNN_IMPORT_MAX_PARTS);
    CNN_TRY(cnn_calloc(&source, 1, sizeof *source));
    source->named = class_names != NULL;
    source->n_classes = class_names ? n_class_names : 0;
    enum cnn_status status = import_parts(out, source, parts, n_parts, class_names, options);
    for (int k = 0; k < source->n_pairs; k++) {
        close_idx(&source->pairs[k].images);
        free(source->pairs[k].labels);
    }
    free(source);
    return status;
}

enum cnn_status cnn_import_idx(struct cnn_import_result *out, const char *images, const char *labels,
                               const char *const *class_names, int n_class_names,
                               const struct cnn_import_options *options) {
    const struct cnn_idx_part part = {NULL, images, labels};
    return cnn_import_idx_parts(out, &part, 1, class_names, n_class_names, options);
}
