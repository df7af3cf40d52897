#include "data/shard.h"

#include "base/checksum.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/shard_format.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
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
    uint32_t index_crc32c;
    bool has_index_crc32c;
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

// The innermost thing HDF5 complained about; without it every damage would read the same.
static herr_t keep_first(unsigned depth, const H5E_error2_t *error, void *context) {
    const char **first = context;
    if (depth == 0 && error->desc)
        *first = error->desc;
    return 0;
}

static enum cnn_status fail_hdf5(const struct cnn_shard *shard, const char *what) {
    const char *reason = "no reason given";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &reason);
    return cnn_fail(CNN_ERR_INPUT, "%s: %s (HDF5: %s); make the dataset again", shard->path, what, reason);
}

// ---- attributes ----

static bool holds_one(hid_t attribute) {
    hid_t space = H5Aget_space(attribute);
    bool one = space >= 0 && H5Sget_simple_extent_npoints(space) == 1;
    if (space >= 0)
        H5Sclose(space);
    return one;
}

static H5T_class_t class_of(hid_t attribute) {
    hid_t type = H5Aget_type(attribute);
    H5T_class_t class = type < 0 ? H5T_NO_CLASS : H5Tget_class(type);
    if (type >= 0)
        H5Tclose(type);
    return class;
}

static enum cnn_status read_integer(const struct cnn_shard *shard, hid_t file, const char *name, int64_t least, int64_t most,
                                    int64_t *out) {
    hid_t attribute = H5Aopen(file, name, H5P_DEFAULT);
    if (attribute < 0)
        return cnn_fail(CNN_ERR_INPUT, "%s: no attribute '%s'; this is not a shard of a dataset", shard->path, name);
    bool fine = class_of(attribute) == H5T_INTEGER && holds_one(attribute) && H5Aread(attribute, H5T_NATIVE_INT64, out) >= 0;
    H5Aclose(attribute);
    if (!fine)
        return cnn_fail(CNN_ERR_INPUT, "%s: attribute '%s' is not one integer", shard->path, name);
    if (*out < least || *out > most)
        return cnn_fail(CNN_ERR_INPUT, "%s: attribute '%s' is %" PRId64 ", allowed are %" PRId64 " to %" PRId64, shard->path,
                        name, *out, least, most);
    return CNN_OK;
}

static enum cnn_status read_fixed_strings(const struct cnn_shard *shard, hid_t attribute, size_t n, size_t element, char **out,
                                          size_t *out_stride) {
    size_t bytes;
    hid_t type = -1;
    char *packed = NULL, *spaced = NULL;
    enum cnn_status status = CNN_ERR_INPUT;
    if (element == 0 || element > CNN_SHARD_MAX_NAME || n > shard->file_bytes / element)
        return cnn_fail(CNN_ERR_INPUT, "%s: names longer than the file", shard->path);
    CNN_TRY(cnn_multiply(&bytes, n, element + 1));
    CNN_TRY(cnn_calloc(&packed, n, element));
    status = cnn_calloc(&spaced, n, element + 1);
    if (status != CNN_OK)
        goto free_packed;
    type = H5Tcopy(H5T_C_S1);
    hid_t stored = H5Aget_type(attribute);
    if (type < 0 || stored < 0 || H5Tset_size(type, element) < 0 || H5Tset_strpad(type, H5Tget_strpad(stored)) < 0 ||
        H5Tset_cset(type, H5Tget_cset(stored)) < 0 || H5Aread(attribute, type, packed) < 0)
        status = fail_hdf5(shard, "strings cannot be read");
    for (size_t i = 0; i < n && status == CNN_OK; i++)
        memcpy(spaced + i * (element + 1), packed + i * element, element);
    if (stored >= 0)
        H5Tclose(stored);
    if (type >= 0)
        H5Tclose(type);
    if (status == CNN_OK) {
        *out = spaced;
        *out_stride = element + 1;
        spaced = NULL;
    }
    free(spaced);
free_packed:
    free(packed);
    return status;
}

// h5py writes Python strings with variable length.
static enum cnn_status read_variable_strings(const struct cnn_shard *shard, hid_t attribute, size_t n, char **out,
                                             size_t *out_stride) {
    char **strings = NULL, *spaced = NULL;
    size_t longest = 0;
    if (n > shard->file_bytes / 16)
        return cnn_fail(CNN_ERR_INPUT, "%s: more names than the file can hold", shard->path);
    CNN_TRY(cnn_calloc(&strings, n, sizeof *strings));
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    enum cnn_status status = CNN_OK;
    if (type < 0 || space < 0 || H5Aread(attribute, type, strings) < 0)
        status = fail_hdf5(shard, "strings cannot be read");
    for (size_t i = 0; i < n && status == CNN_OK; i++) {
        size_t length = strings[i] ? strnlen(strings[i], CNN_SHARD_MAX_NAME + 1) : 0;
        longest = length > longest ? length : longest;
    }
    if (status == CNN_OK && longest > CNN_SHARD_MAX_NAME)
        status = cnn_fail(CNN_ERR_INPUT, "%s: a name is longer than %d bytes", shard->path, CNN_SHARD_MAX_NAME);
    if (status == CNN_OK)
        status = cnn_calloc(&spaced, n, longest + 1);
    for (size_t i = 0; i < n && status == CNN_OK; i++)
        if (strings[i])
            memcpy(spaced + i * (longest + 1), strings[i], strlen(strings[i]));
    if (type >= 0 && space >= 0)
        H5Dvlen_reclaim(type, space, H5P_DEFAULT, strings);
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    free(strings);
    if (status != CNN_OK)
        return status;
    *out = spaced;
    *out_stride = longest + 1;
    return CNN_OK;
}

// *out: n strings, *out_stride bytes apart; *out = NULL, n = 0 where there is no such attribute.
static enum cnn_status read_strings(const struct cnn_shard *shard, hid_t file, const char *name, char **out, size_t *out_n,
                                    size_t *out_stride) {
    *out = NULL;
    *out_n = *out_stride = 0;
    if (H5Aexists(file, name) <= 0)
        return CNN_OK;
    hid_t attribute = H5Aopen(file, name, H5P_DEFAULT);
    if (attribute < 0)
        return fail_hdf5(shard, "damaged attribute");
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    enum cnn_status status;
    hssize_t n = space >= 0 ? H5Sget_simple_extent_npoints(space) : -1;
    if (type < 0 || n < 1 || H5Tget_class(type) != H5T_STRING)
        status = cnn_fail(CNN_ERR_INPUT, "%s: attribute '%s' does not hold strings", shard->path, name);
    else if (H5Tis_variable_str(type) > 0)
        status = read_variable_strings(shard, attribute, (size_t)n, out, out_stride);
    else
        status = read_fixed_strings(shard, attribute, (size_t)n, H5Tget_size(type), out, out_stride);
    if (status == CNN_OK)
        *out_n = (size_t)n;
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    H5Aclose(attribute);
    return status;
}

static enum cnn_status read_encoding(struct cnn_shard *shard, hid_t file) {
    char *text;
    size_t n, stride;
    CNN_TRY(read_strings(shard, file, "encoding", &text, &n, &stride));
    if (n != 1) {
        free(text);
        return cnn_fail(CNN_ERR_INPUT, "%s: no attribute 'encoding' with one string", shard->path);
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
        cnn_fail(status, "%s: encoding is '%.20s', allowed are jpeg, png and raw", shard->path, text);
    free(text);
    return status;
}

static enum cnn_status read_size(struct cnn_shard *shard, hid_t file) {
    struct cnn_shard_header *header = &shard->header;
    bool raw = header->encoding == CNN_ENCODING_RAW;
    int64_t h, w, c = 0;
    CNN_TRY(read_integer(shard, file, "height", raw, CNN_SHARD_MAX_SIDE, &h));
    CNN_TRY(read_integer(shard, file, "width", raw, CNN_SHARD_MAX_SIDE, &w));
    if (raw)
        CNN_TRY(read_integer(shard, file, "channels", 1, 3, &c));
    if ((h == 0) != (w == 0) || c == 2 || h * w > (int64_t)CNN_MAX_PIXELS)
        return cnn_fail(CNN_ERR_INPUT, "%s: pictures of %" PRId64 " x %" PRId64 " x %" PRId64 " are not possible", shard->path, h,
                        w, c);
    header->h = (int)h;
    header->w = (int)w;
    header->c = (int)c;
    return CNN_OK;
}

static enum cnn_status read_header(struct cnn_shard *shard, hid_t file) {
    struct cnn_shard_header *header = &shard->header;
    int64_t version, n_classes, number, shards, total, crc;
    CNN_TRY(read_integer(shard, file, "format_version", 1, INT32_MAX, &version));
    if (version > CNN_SHARD_VERSION)
        return cnn_fail(CNN_ERR_INPUT, "%s: format version %" PRId64 ", this program reads up to %d: use a newer cnn_dist",
                        shard->path, version, CNN_SHARD_VERSION);
    CNN_TRY(read_encoding(shard, file));
    CNN_TRY(read_size(shard, file));
    CNN_TRY(read_integer(shard, file, "num_classes", 1, CNN_SHARD_MAX_CLASSES, &n_classes));
    CNN_TRY(read_integer(shard, file, "shards", 1, CNN_SHARD_MAX_SHARDS, &shards));
    CNN_TRY(read_integer(shard, file, "shard", 0, shards - 1, &number));
    CNN_TRY(read_integer(shard, file, "records_total", 0, INT64_MAX - 1, &total));
    header->n_classes = (int)n_classes;
    header->shard = (int)number;
    header->n_shards = (int)shards;
    header->records_total = (uint64_t)total;
    shard->has_index_crc32c = H5Aexists(file, "index_crc32c") > 0;
    if (shard->has_index_crc32c) {
        CNN_TRY(read_integer(shard, file, "index_crc32c", 0, UINT32_MAX, &crc));
        shard->index_crc32c = (uint32_t)crc;
    }
    size_t n, stride;
    CNN_TRY(read_strings(shard, file, "source", &shard->source, &n, &stride));
    header->source = shard->source;
    CNN_TRY(read_strings(shard, file, "class_names", &shard->index.names, &n, &shard->index.name_bytes));
    if (n != 0 && n != (size_t)n_classes)
        return cnn_fail(CNN_ERR_INPUT, "%s: %zu class names for %" PRId64 " classes", shard->path, n, n_classes);
    return CNN_OK;
}

// ---- datasets ----

// A one-dimensional, contiguous, unfiltered dataset of integers `element_bytes` wide: where it lies and how long it is.
static enum cnn_status measure(const struct cnn_shard *shard, hid_t dataset, const char *name, size_t element_bytes,
                               uint64_t *out_n, uint64_t *out_at) {
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset), list = H5Dget_create_plist(dataset);
    hsize_t n = 0;
    bool fine = type >= 0 && space >= 0 && list >= 0 && H5Tget_class(type) == H5T_INTEGER &&
                H5Tget_size(type) == element_bytes && H5Sget_simple_extent_ndims(space) == 1 &&
                H5Sget_simple_extent_dims(space, &n, NULL) == 1 && H5Pget_external_count(list) == 0 &&
                (H5Pget_layout(list) == H5D_CONTIGUOUS);
    haddr_t at = n > 0 && fine ? H5Dget_offset(dataset) : 0;
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    if (list >= 0)
        H5Pclose(list);
    if (!fine)
        return cnn_fail(CNN_ERR_INPUT, "%s: '%s' is not a contiguous list of %zu-byte integers", shard->path, name, element_bytes);
    if (at == HADDR_UNDEF || at > shard->file_bytes || n > (shard->file_bytes - at) / element_bytes)
        return cnn_fail(CNN_ERR_INPUT, "%s: '%s' lies outside the file, which is cut short or damaged", shard->path, name);
    *out_n = n;
    *out_at = at;
    return CNN_OK;
}

// Reads all n elements into *out (allocated). The size is known to fit the file before memory is taken.
static enum cnn_status read_list(const struct cnn_shard *shard, hid_t file, const char *name, hid_t type, uint64_t n, void *out) {
    uint64_t found, at;
    void *data = NULL;
    hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    if (dataset < 0)
        return fail_hdf5(shard, "an array of the shard is missing or damaged");
    enum cnn_status status = measure(shard, dataset, name, H5Tget_size(type), &found, &at);
    if (status == CNN_OK && found != n)
        status = cnn_fail(CNN_ERR_INPUT, "%s: '%s' has %" PRIu64 " entries, expected %" PRIu64, shard->path, name, found, n);
    if (status == CNN_OK)
        status = cnn_malloc(&data, (size_t)n, H5Tget_size(type));
    if (status == CNN_OK && n > 0 && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        status = fail_hdf5(shard, "an array of the shard cannot be read");
    H5Dclose(dataset);
    if (status != CNN_OK) {
        free(data);
        return status;
    }
    *(void **)out = data;
    return CNN_OK;
}

static enum cnn_status find_list(const struct cnn_shard *shard, hid_t file, const char *name, size_t element_bytes, uint64_t *out_n,
                                 uint64_t *out_at) {
    hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    if (dataset < 0)
        return cnn_fail(CNN_ERR_INPUT, "%s: no '%s'; this is not a shard of a dataset, or it is damaged", shard->path, name);
    enum cnn_status status = measure(shard, dataset, name, element_bytes, out_n, out_at);
    H5Dclose(dataset);
    return status;
}

static enum cnn_status read_index(struct cnn_shard *shard, hid_t file) {
    struct cnn_shard_index *index = &shard->index;
    uint64_t at;
    CNN_TRY(find_list(shard, file, "images", 1, &shard->images_bytes, &shard->images_at));
    CNN_TRY(find_list(shard, file, "labels", sizeof *index->labels, &index->n, &at));
    CNN_TRY(read_list(shard, file, "offsets", H5T_NATIVE_UINT64, index->n + 1, &index->offsets));
    CNN_TRY(read_list(shard, file, "labels", H5T_NATIVE_INT32, index->n, &index->labels));
    CNN_TRY(read_list(shard, file, "crc32c", H5T_NATIVE_UINT32, index->n, &index->crc32c));
    return read_list(shard, file, "ids", H5T_NATIVE_UINT64, index->n, &index->ids);
}

static enum cnn_status check_index(const struct cnn_shard *shard) {
    const struct cnn_shard_index *index = &shard->index;
    const struct cnn_shard_header *header = &shard->header;
    uint64_t raw_bytes = (uint64_t)header->h * (uint64_t)header->w * (uint64_t)header->c;
    if (shard->has_index_crc32c && cnn_shard_index_crc32c(index, header->n_classes) != shard->index_crc32c)
        return cnn_fail(CNN_ERR_INPUT, "%s: the index fails its checksum: the file is damaged; make the dataset again", shard->path);
    if (index->n > header->records_total)
        return cnn_fail(CNN_ERR_INPUT, "%s: holds %" PRIu64 " records of a dataset of %" PRIu64, shard->path, index->n,
                        header->records_total);
    if (index->offsets[0] != 0 || index->offsets[index->n] != shard->images_bytes)
        return cnn_fail(CNN_ERR_INPUT, "%s: offsets do not span the %" PRIu64 " bytes of images", shard->path, shard->images_bytes);
    for (uint64_t i = 0; i < index->n; i++) {
        if (index->offsets[i] >= index->offsets[i + 1] || index->offsets[i + 1] > shard->images_bytes)
            return cnn_fail(CNN_ERR_INPUT, "%s: record %" PRIu64 ": bad offsets: %" PRIu64 " to %" PRIu64, shard->path, i,
                            index->offsets[i], index->offsets[i + 1]);
        if (index->labels[i] < 0 || index->labels[i] >= header->n_classes)
            return cnn_fail(CNN_ERR_INPUT, "%s: record %" PRIu64 ": label %d is not one of the %d classes", shard->path, i,
                            index->labels[i], header->n_classes);
        if (header->encoding == CNN_ENCODING_RAW && index->offsets[i + 1] - index->offsets[i] != raw_bytes)
            return cnn_fail(CNN_ERR_INPUT, "%s: record %" PRIu64 ": %" PRIu64 " bytes, a raw picture of %d x %d x %d has %" PRIu64,
                            shard->path, i, index->offsets[i + 1] - index->offsets[i], header->h, header->w, header->c, raw_bytes);
    }
    return CNN_OK;
}

// ---- opening ----

static enum cnn_status check_signature(struct cnn_shard *shard) {
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    unsigned char found[8];
    struct stat info;
    shard->fd = open(shard->path, O_RDONLY | O_CLOEXEC);
    if (shard->fd < 0 || fstat(shard->fd, &info) != 0)
        return cnn_fail(errno == ENOENT || errno == EACCES ? CNN_ERR_INPUT : CNN_ERR_IO, "cannot open %s: %s", shard->path,
                        strerror(errno));
    if (!S_ISREG(info.st_mode))
        return cnn_fail(CNN_ERR_INPUT, "%s is not a file", shard->path);
    shard->file_bytes = (uint64_t)info.st_size;
    if (shard->file_bytes < sizeof found)
        return cnn_fail(CNN_ERR_INPUT, "%s is not a shard: it has %" PRIu64 " bytes", shard->path, shard->file_bytes);
    CNN_TRY(cnn_file_pread(shard->fd, shard->path, found, sizeof found, 0));
    if (memcmp(found, signature, sizeof found) != 0)
        return cnn_fail(CNN_ERR_INPUT, "%s is not a shard: it does not begin as an HDF5 file", shard->path);
    return CNN_OK;
}

static enum cnn_status read_file(struct cnn_shard *shard) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); // HDF5 prints its errors unless told not to
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access < 0 || H5Pset_file_locking(access, false, true) < 0) // read-only and network file systems have no locks
        return cnn_fail(CNN_ERR_MEMORY, "HDF5 does not start");
    hid_t file = H5Fopen(shard->path, H5F_ACC_RDONLY, access);
    enum cnn_status status = file < 0 ? fail_hdf5(shard, "cut short or damaged") : CNN_OK; // before a call forgets why
    H5Pclose(access);
    if (status != CNN_OK)
        return status;
    status = read_header(shard, file);
    if (status == CNN_OK)
        status = read_index(shard, file);
    H5Fclose(file);
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
    if (status == CNN_OK)
        status = check_index(shard);
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

const struct cnn_shard_header *cnn_shard_header(const struct cnn_shard *shard) {
    return &shard->header;
}

uint64_t cnn_shard_count(const struct cnn_shard *shard) {
    return shard->index.n;
}

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
    CNN_TRY(cnn_file_pread(shard->fd, shard->path, data, record.bytes, shard->images_at + shard->index.offsets[i]));
    if (cnn_crc32c(0, data, record.bytes) != record.crc32c)
        return cnn_fail(CNN_ERR_INPUT, "%s: record %" PRIu64 " (id %" PRIu64 ") fails its checksum: the file is damaged", shard->path,
                        i, record.id);
    return CNN_OK;
}
