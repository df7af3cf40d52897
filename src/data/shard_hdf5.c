#include "data/shard_hdf5.h"

#include "base/memory.h"
#include "data/shard_format.h"

#include <hdf5.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// The innermost thing HDF5 complained about; without it every damage would read the same.
static herr_t keep_first(unsigned depth, const H5E_error2_t *error, void *context) {
    const char **first = context;
    if (depth == 0 && error->desc)
        *first = error->desc;
    return 0;
}

static enum cnn_status fail_hdf5(const struct cnn_hdf5 *file, const char *what) {
    const char *reason = "no reason given";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &reason);
    return cnn_fail(CNN_ERR_INPUT, "%s: %s (HDF5: %s); import the dataset again", file->path, what, reason);
}

void cnn_hdf5_library(struct cnn_libraries *list) {
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    cnn_libraries_add(list, "HDF5", cnn_version_of(H5_VERS_MAJOR, H5_VERS_MINOR, H5_VERS_RELEASE).text,
                      cnn_version_of((int)major, (int)minor, (int)release).text);
}

enum cnn_status cnn_hdf5_open(struct cnn_hdf5 *out, const char *path, uint64_t bytes) {
    struct cnn_hdf5 file = {.path = path, .bytes = bytes};
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); // HDF5 prints its errors unless told not to
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access < 0 ||
        H5Pset_file_locking(access, false, true) < 0) // read-only and network file systems have no locks
        return cnn_fail(CNN_ERR_MEMORY, "cannot initialize HDF5");
    file.id = H5Fopen(path, H5F_ACC_RDONLY, access);
    enum cnn_status status =
        file.id < 0 ? fail_hdf5(&file, "truncated or damaged") : CNN_OK; // before a call forgets why
    H5Pclose(access);
    if (status == CNN_OK)
        *out = file;
    return status;
}

void cnn_hdf5_close(struct cnn_hdf5 *file) { H5Fclose(file->id); }

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

enum cnn_status cnn_hdf5_integer(const struct cnn_hdf5 *file, const char *name, int64_t least, int64_t most,
                                 int64_t *out) {
    hid_t attribute = H5Aopen(file->id, name, H5P_DEFAULT);
    if (attribute < 0)
        return cnn_fail(CNN_ERR_INPUT, "%s: no attribute '%s'; this is not a shard of a dataset", file->path,
                        name);
    bool fine = class_of(attribute) == H5T_INTEGER && holds_one(attribute) &&
                H5Aread(attribute, H5T_NATIVE_INT64, out) >= 0;
    H5Aclose(attribute);
    if (!fine)
        return cnn_fail(CNN_ERR_INPUT, "%s: attribute '%s' is not an integer", file->path, name);
    if (*out < least || *out > most)
        return cnn_fail(CNN_ERR_INPUT, "%s: attribute '%s' is %" PRId64 "; allowed: %" PRId64 " to %" PRId64,
                        file->path, name, *out, least, most);
    return CNN_OK;
}

static enum cnn_status read_fixed_strings(const struct cnn_hdf5 *file, hid_t attribute, size_t n,
                                          size_t element, char **out, size_t *out_stride) {
    size_t bytes;
    hid_t type = -1;
    char *packed = NULL, *spaced = NULL;
    enum cnn_status status = CNN_ERR_INPUT;
    if (element == 0 || element > CNN_SHARD_MAX_NAME || n > file->bytes / element)
        return cnn_fail(CNN_ERR_INPUT, "%s: strings are longer than the file", file->path);
    CNN_TRY(cnn_multiply(&bytes, n, element + 1));
    CNN_TRY(cnn_calloc(&packed, n, element));
    status = cnn_calloc(&spaced, n, element + 1);
    if (status != CNN_OK)
        goto free_packed;
    type = H5Tcopy(H5T_C_S1);
    hid_t stored = H5Aget_type(attribute);
    if (type < 0 || stored < 0 || H5Tset_size(type, element) < 0 ||
        H5Tset_strpad(type, H5Tget_strpad(stored)) < 0 || H5Tset_cset(type, H5Tget_cset(stored)) < 0 ||
        H5Aread(attribute, type, packed) < 0)
        status = fail_hdf5(file, "strings cannot be read");
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
static enum cnn_status read_variable_strings(const struct cnn_hdf5 *file, hid_t attribute, size_t n,
                                             char **out, size_t *out_stride) {
    char **strings = NULL, *spaced = NULL;
    size_t longest = 0;
    if (n > file->bytes / 16)
        return cnn_fail(CNN_ERR_INPUT, "%s: more strings than the file can contain", file->path);
    CNN_TRY(cnn_calloc(&strings, n, sizeof *strings));
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    enum cnn_status status = CNN_OK;
    if (type < 0 || space < 0 || H5Aread(attribute, type, strings) < 0)
        status = fail_hdf5(file, "strings cannot be read");
    for (size_t i = 0; i < n && status == CNN_OK; i++) {
        size_t length = strings[i] ? strnlen(strings[i], CNN_SHARD_MAX_NAME + 1) : 0;
        longest = length > longest ? length : longest;
    }
    if (status == CNN_OK && longest > CNN_SHARD_MAX_NAME)
        status =
            cnn_fail(CNN_ERR_INPUT, "%s: a name is longer than %d bytes", file->path, CNN_SHARD_MAX_NAME);
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

enum cnn_status cnn_hdf5_strings(const struct cnn_hdf5 *file, const char *name, char **out, size_t *out_n,
                                 size_t *out_stride) {
    *out = NULL;
    *out_n = *out_stride = 0;
    if (H5Aexists(file->id, name) <= 0)
        return CNN_OK;
    hid_t attribute = H5Aopen(file->id, name, H5P_DEFAULT);
    if (attribute < 0)
        return fail_hdf5(file, "damaged attribute");
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    enum cnn_status status;
    hssize_t n = space >= 0 ? H5Sget_simple_extent_npoints(space) : -1;
    if (type < 0 || n < 1 || H5Tget_class(type) != H5T_STRING)
        status = cnn_fail(CNN_ERR_INPUT, "%s: attribute '%s' does not contain strings", file->path, name);
    else if (H5Tis_variable_str(type) > 0)
        status = read_variable_strings(file, attribute, (size_t)n, out, out_stride);
    else
        status = read_fixed_strings(file, attribute, (size_t)n, H5Tget_size(type), out, out_stride);
    if (status == CNN_OK)
        *out_n = (size_t)n;
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    H5Aclose(attribute);
    return status;
}

bool cnn_hdf5_has_attribute(const struct cnn_hdf5 *file, const char *name) {
    return H5Aexists(file->id, name) > 0;
}

// ---- lists ----

static hid_t memory_type(enum cnn_hdf5_type kind) {
    switch (kind) {
    case CNN_HDF5_U8:
        return H5T_NATIVE_UINT8;
    case CNN_HDF5_I32:
        return H5T_NATIVE_INT32;
    case CNN_HDF5_U32:
        return H5T_NATIVE_UINT32;
    default:
        return H5T_NATIVE_UINT64;
    }
}

// A one-dimensional, contiguous, unfiltered dataset of integers `element_bytes` wide: where it lies and how
// long it is.
static enum cnn_status measure(const struct cnn_hdf5 *file, hid_t dataset, const char *name,
                               size_t element_bytes, uint64_t *out_n, uint64_t *out_at) {
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
        return cnn_fail(CNN_ERR_INPUT, "%s: '%s' is not a contiguous list of %zu-byte integers", file->path,
                        name, element_bytes);
    if (at == HADDR_UNDEF || at > file->bytes || n > (file->bytes - at) / element_bytes)
        return cnn_fail(CNN_ERR_INPUT, "%s: '%s' lies outside the file, which is truncated or damaged",
                        file->path, name);
    *out_n = n;
    *out_at = at;
    return CNN_OK;
}

// The size is known to fit the file before memory is taken.
enum cnn_status cnn_hdf5_list(const struct cnn_hdf5 *file, const char *name, enum cnn_hdf5_type kind,
                              uint64_t n, void *out_pointer) {
    uint64_t found, at;
    void *data = NULL;
    hid_t type = memory_type(kind), dataset = H5Dopen2(file->id, name, H5P_DEFAULT);
    if (dataset < 0)
        return fail_hdf5(file, "an array of the shard is missing or damaged");
    enum cnn_status status = measure(file, dataset, name, H5Tget_size(type), &found, &at);
    if (status == CNN_OK && found != n)
        status = cnn_fail(CNN_ERR_INPUT, "%s: '%s' has %" PRIu64 " entries, expected %" PRIu64, file->path,
                          name, found, n);
    if (status == CNN_OK)
        status = cnn_malloc(&data, (size_t)n, H5Tget_size(type));
    if (status == CNN_OK && n > 0 && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        status = fail_hdf5(file, "an array of the shard cannot be read");
    H5Dclose(dataset);
    if (status != CNN_OK) {
        free(data);
        return status;
    }
    *(void **)out_pointer = data;
    return CNN_OK;
}

enum cnn_status cnn_hdf5_find(const struct cnn_hdf5 *file, const char *name, enum cnn_hdf5_type kind,
                              uint64_t *out_n, uint64_t *out_at) {
    hid_t dataset = H5Dopen2(file->id, name, H5P_DEFAULT);
    if (dataset < 0)
        return cnn_fail(CNN_ERR_INPUT, "%s: no '%s'; this is not a shard of a dataset, or it is damaged",
                        file->path, name);
    enum cnn_status status = measure(file, dataset, name, H5Tget_size(memory_type(kind)), out_n, out_at);
    H5Dclose(dataset);
    return status;
}
