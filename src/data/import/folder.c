// `dataset import folder`: class folders of JPEG or PNG files, their bytes kept as they are.
#include "base/checksum.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/import/import.h"
#include "data/import/listing.h"
#include "data/shard_format.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE_BYTES ((size_t)1 << 30)
#define SAMPLES 256
#define STRAY_PER_CENT 2 // more than this of the other kind is a mixture

struct folder {
    const char *path;
    struct cnn_listing listing;
    enum cnn_encoding encoding;
    char *data;        // of the record handed out last
    char reason[1024]; // likewise
};

static int kind_of(const unsigned char *magic, size_t bytes) {
    if (bytes >= 3 && memcmp(magic, "\xff\xd8\xff", 3) == 0)
        return CNN_ENCODING_JPEG;
    if (bytes >= 8 && memcmp(magic, "\x89PNG\r\n\x1a\n", 8) == 0)
        return CNN_ENCODING_PNG;
    return -1;
}

static enum cnn_status full_path(char out[8192], const struct folder *folder, size_t i) {
    return cnn_path_format(out, 8192, "%s/%s", folder->path, cnn_listing_path(&folder->listing, i));
}

static enum cnn_status look_at(const struct folder *folder, size_t i, int *out_kind) {
    char path[8192];
    unsigned char magic[8];
    CNN_TRY(full_path(path, folder, i));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cnn_fail(CNN_ERR_INPUT, "cannot read %s: %m", path);
    ssize_t bytes = read(fd, magic, sizeof magic);
    close(fd);
    *out_kind = bytes < 0 ? -1 : kind_of(magic, (size_t)bytes);
    return CNN_OK;
}

// Looks at evenly spaced files, the same ones in every process, to tell what the folder holds.
static enum cnn_status choose_encoding(struct folder *folder) {
    size_t n = folder->listing.n, samples = n < SAMPLES ? n : SAMPLES, count[2] = {0, 0}, example[2] = {0, 0};
    for (size_t k = 0; k < samples; k++) {
        size_t i = n / samples * k + n % samples * k / samples;
        int kind = -1;
        CNN_TRY(look_at(folder, i, &kind));
        if (kind < 0)
            continue;
        count[kind]++;
        example[kind] = i;
    }
    int jpeg = CNN_ENCODING_JPEG, png = CNN_ENCODING_PNG, most = count[jpeg] >= count[png] ? jpeg : png,
        least = most == jpeg ? png : jpeg;
    if (count[most] == 0)
        return cnn_fail(CNN_ERR_INPUT, "%s: no JPEG or PNG pictures, for example %s", folder->path,
                        cnn_listing_path(&folder->listing, 0));
    if (count[least] * 100 > (count[most] + count[least]) * STRAY_PER_CENT)
        return cnn_fail(
            CNN_ERR_INPUT,
            "%s mixes JPEG and PNG: %s is %s, %s is %s; convert one kind, or import them apart", folder->path,
            cnn_listing_path(&folder->listing, example[most]), cnn_encoding_name((enum cnn_encoding)most),
            cnn_listing_path(&folder->listing, example[least]), cnn_encoding_name((enum cnn_encoding)least));
    folder->encoding = (enum cnn_encoding)most;
    return CNN_OK;
}

// CNN_ERR_INPUT: this picture cannot be used.
static enum cnn_status check_picture(const struct folder *folder, const char *data, size_t bytes,
                                     struct cnn_image_info *out_info) {
    uint8_t *pixels;
    int kind = kind_of((const unsigned char *)data, bytes);
    if (bytes == 0)
        return cnn_fail(CNN_ERR_INPUT, "the file is empty");
    if (kind >= 0 && kind != (int)folder->encoding)
        return cnn_fail(CNN_ERR_INPUT, "is %s among %s pictures", cnn_encoding_name((enum cnn_encoding)kind),
                        cnn_encoding_name(folder->encoding));
    CNN_TRY(cnn_image_decode(&pixels, out_info, data, bytes, 3));
    free(pixels);
    return CNN_OK;
}

static enum cnn_status get(void *context, uint64_t i, struct cnn_import_record *out) {
    struct folder *folder = context;
    const char *relative = cnn_listing_path(&folder->listing, (size_t)i);
    char path[8192];
    struct cnn_image_info info = {0};
    size_t bytes = 0;
    free(folder->data);
    folder->data = NULL;
    out->id = i;
    out->label = folder->listing.files[i].label;
    out->path = relative;
    CNN_TRY(full_path(path, folder, (size_t)i));
    if (folder->listing.files[i].bytes > MAX_FILE_BYTES) {
        out->rejected = "the file is larger than 1 GiB";
        return CNN_OK;
    }
    CNN_TRY(cnn_file_read(&folder->data, &bytes, path, MAX_FILE_BYTES));
    enum cnn_status status = check_picture(folder, folder->data, bytes, &info);
    if (status == CNN_ERR_INPUT || status == CNN_ERR_UNSUPPORTED) {
        snprintf(folder->reason, sizeof folder->reason, "%s", cnn_error_message());
        out->rejected = folder->reason;
        return CNN_OK;
    }
    out->data = folder->data;
    out->bytes = bytes;
    out->h = info.h;
    out->w = info.w;
    return status;
}

// What tells this import from another into the same folder: the names and sizes of its files.
static uint32_t fingerprint(const struct cnn_listing *listing) {
    uint32_t crc = 0;
    for (size_t i = 0; i < listing->n; i++) {
        const char *path = cnn_listing_path(listing, i);
        crc = cnn_crc32c(crc, path, strlen(path) + 1);
        crc = cnn_crc32c(crc, &listing->files[i].bytes, sizeof listing->files[i].bytes);
    }
    return crc;
}

static enum cnn_status import_listed(struct cnn_import_result *out, struct folder *folder,
                                     const struct cnn_import_options *options) {
    char source[256];
    const struct cnn_listing *listing = &folder->listing;
    if (listing->n_classes > CNN_SHARD_MAX_CLASSES)
        return cnn_fail(CNN_ERR_INPUT, "%s: %zu class folders are too many", folder->path,
                        listing->n_classes);
    CNN_TRY(choose_encoding(folder));
    snprintf(source, sizeof source, "folder files=%zu bytes=%" PRIu64 " crc32c=%08" PRIx32, listing->n,
             listing->bytes, fingerprint(listing));
    struct cnn_import_plan plan = {
        .header = {.encoding = folder->encoding,
                   .n_classes = (int)listing->n_classes,
                   .records_total = listing->n,
                   .source = source},
        .class_names = (const char *const *)listing->classes,
        .bytes = listing->bytes,
        .get = get,
        .context = folder,
    };
    return cnn_import_run(out, &plan, options);
}

enum cnn_status cnn_import_folder(struct cnn_import_result *out, const char *folder,
                                  const struct cnn_import_options *options) {
    struct folder source = {.path = folder};
    enum cnn_status status = cnn_listing_read(&source.listing, folder);
    if (status == CNN_OK)
        status = import_listed(out, &source, options);
    cnn_listing_finish(&source.listing);
    free(source.data);
    return status;
}
