// The writing half of shard.h: pictures are spooled as they come, and laid out as HDF5 once their number is
// known.
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

#define COPY_BYTES ((size_t)1 << 20)
#define HEADER_ROOM 65536 // more than HDF5's own structures take beside arrays and names

struct cnn_shard_writer {
    struct cnn_shard_header header;
    struct cnn_shard_index index;
    uint64_t capacity;
    char *path, *source;
    int spool; // an unnamed file: gone with the process, whatever happens to it
    uint8_t *buffer;
    size_t buffered;
    uint64_t spooled; // bytes in the file, without the buffered ones
};

static enum cnn_status fail_write(const char *path) {
    return cnn_fail(CNN_ERR_IO, "cannot write %s: %s%s", path, strerror(errno),
                    errno == ENOSPC || errno == EDQUOT ? "; free some space or choose another folder" : "");
}

static enum cnn_status pwrite_all(int fd, const char *path, const void *data, size_t bytes, uint64_t at) {
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pwrite(fd, (const char *)data + done, bytes - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail_write(path);
        done += (size_t)n;
    }
    return CNN_OK;
}

// ---- gathering ----

static enum cnn_status open_spool(struct cnn_shard_writer *writer) {
    char name[4096];
    const char *slash = strrchr(writer->path, '/');
    int folder = slash ? (int)(slash - writer->path + 1) : 0;
    CNN_TRY(cnn_path_format(name, sizeof name, "%.*s.spool-XXXXXX", folder, writer->path)); // a dot-file
    writer->spool = mkostemp(name, O_CLOEXEC);
    if (writer->spool < 0)
        return cnn_fail(errno == ENOSPC || errno == EIO ? CNN_ERR_IO : CNN_ERR_INPUT,
                        "cannot write beside %s: %s", writer->path, strerror(errno));
    unlink(name);
    return CNN_OK;
}

static enum cnn_status copy_names(struct cnn_shard_writer *writer, const char *const *class_names) {
    size_t longest = 0, n = (size_t)writer->header.n_classes;
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(class_names[i]);
        if (length > CNN_SHARD_MAX_NAME - 1)
            return cnn_fail(CNN_ERR_INPUT, "the class name '%.40s...' is longer than %d bytes",
                            class_names[i], CNN_SHARD_MAX_NAME - 1);
        longest = length > longest ? length : longest;
    }
    writer->index.name_bytes = longest + 1;
    CNN_TRY(cnn_calloc(&writer->index.names, n, longest + 1));
    for (size_t i = 0; i < n; i++)
        memcpy(writer->index.names + i * (longest + 1), class_names[i], strlen(class_names[i]));
    return CNN_OK;
}

static enum cnn_status check_header(const struct cnn_shard_header *header) {
    bool raw = header->encoding == CNN_ENCODING_RAW;
    if (header->n_classes < 1 || header->n_classes > CNN_SHARD_MAX_CLASSES)
        return cnn_fail(CNN_ERR_INPUT, "%d classes: a dataset has 1 to %d", header->n_classes,
                        CNN_SHARD_MAX_CLASSES);
    if (header->n_shards < 1 || header->n_shards > CNN_SHARD_MAX_SHARDS || header->shard < 0 ||
        header->shard >= header->n_shards)
        return cnn_fail(CNN_ERR_INPUT, "shard %d of %d: a dataset has 1 to %d shards", header->shard,
                        header->n_shards, CNN_SHARD_MAX_SHARDS);
    if (header->h < raw || header->w < raw || header->h > CNN_SHARD_MAX_SIDE ||
        header->w > CNN_SHARD_MAX_SIDE || (raw && header->c != 1 && header->c != 3) ||
        (uint64_t)header->h * (uint64_t)header->w > CNN_MAX_PIXELS)
        return cnn_fail(CNN_ERR_INPUT, "pictures of %d x %d x %d cannot be stored", header->h, header->w,
                        header->c);
    return CNN_OK;
}

enum cnn_status cnn_shard_writer_create(struct cnn_shard_writer **out, const char *path,
                                        const struct cnn_shard_header *header,
                                        const char *const *class_names) {
    struct cnn_shard_writer *writer;
    CNN_TRY(check_header(header));
    CNN_TRY(cnn_calloc(&writer, 1, sizeof *writer));
    writer->spool = -1;
    writer->header = *header;
    enum cnn_status status = cnn_strdup(&writer->path, path);
    if (status == CNN_OK && header->source)
        status = cnn_strdup(&writer->source, header->source);
    writer->header.source = writer->source;
    if (status == CNN_OK)
        status = cnn_malloc(&writer->buffer, COPY_BYTES, 1);
    if (status == CNN_OK && class_names)
        status = copy_names(writer, class_names);
    if (status == CNN_OK)
        status = open_spool(writer);
    if (status != CNN_OK) {
        cnn_shard_writer_destroy(writer);
        return status;
    }
    *out = writer;
    return CNN_OK;
}

static enum cnn_status grow_list(void *list, uint64_t n, size_t element_bytes) {
    void *larger = realloc(*(void **)list, (size_t)n * element_bytes);
    if (!larger)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: the index of %" PRIu64 " records", n);
    *(void **)list = larger;
    return CNN_OK;
}

static enum cnn_status make_room(struct cnn_shard_writer *writer) {
    struct cnn_shard_index *index = &writer->index;
    if (index->n < writer->capacity)
        return CNN_OK;
    uint64_t capacity = writer->capacity ? writer->capacity * 2 : 1024;
    CNN_TRY(grow_list(&index->offsets, capacity + 1, sizeof *index->offsets));
    CNN_TRY(grow_list(&index->labels, capacity, sizeof *index->labels));
    CNN_TRY(grow_list(&index->crc32c, capacity, sizeof *index->crc32c));
    CNN_TRY(grow_list(&index->ids, capacity, sizeof *index->ids));
    index->offsets[index->n] = writer->spooled + writer->buffered;
    writer->capacity = capacity;
    return CNN_OK;
}

static enum cnn_status flush_spool(struct cnn_shard_writer *writer) {
    CNN_TRY(pwrite_all(writer->spool, writer->path, writer->buffer, writer->buffered, writer->spooled));
    writer->spooled += writer->buffered;
    writer->buffered = 0;
    return CNN_OK;
}

static enum cnn_status spool(struct cnn_shard_writer *writer, const void *data, size_t bytes) {
    if (bytes > COPY_BYTES - writer->buffered)
        CNN_TRY(flush_spool(writer));
    if (bytes > COPY_BYTES) {
        CNN_TRY(pwrite_all(writer->spool, writer->path, data, bytes, writer->spooled));
        writer->spooled += bytes;
        return CNN_OK;
    }
    memcpy(writer->buffer + writer->buffered, data, bytes);
    writer->buffered += bytes;
    return CNN_OK;
}

enum cnn_status cnn_shard_writer_append(struct cnn_shard_writer *writer, const void *data, size_t bytes,
                                        int label, uint64_t id) {
    struct cnn_shard_index *index = &writer->index;
    const struct cnn_shard_header *header = &writer->header;
    size_t raw_bytes = (size_t)header->h * (size_t)header->w * (size_t)header->c;
    if (label < 0 || label >= header->n_classes)
        return cnn_fail(CNN_ERR_INPUT, "record %" PRIu64 ": label %d is not one of the %d classes", id, label,
                        header->n_classes);
    if (bytes == 0 || (header->encoding == CNN_ENCODING_RAW && bytes != raw_bytes))
        return cnn_fail(CNN_ERR_INPUT, "record %" PRIu64 ": a picture of %zu bytes does not fit this dataset",
                        id, bytes);
    CNN_TRY(make_room(writer));
    CNN_TRY(spool(writer, data, bytes));
    index->labels[index->n] = label;
    index->crc32c[index->n] = cnn_crc32c(0, data, bytes);
    index->ids[index->n] = id;
    index->n++;
    index->offsets[index->n] = writer->spooled + writer->buffered;
    return CNN_OK;
}

// ---- laying out ----

static bool write_attribute(hid_t file, const char *name, hid_t stored, hid_t memory, hsize_t n,
                            const void *data) {
    hid_t space = n == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &n, NULL);
    hid_t attribute = H5Acreate2(file, name, stored, space, H5P_DEFAULT, H5P_DEFAULT);
    bool fine = attribute >= 0 && H5Awrite(attribute, memory, data) >= 0;
    if (attribute >= 0)
        H5Aclose(attribute);
    if (space >= 0)
        H5Sclose(space);
    return fine;
}

static bool write_int(hid_t file, const char *name, int value) {
    return write_attribute(file, name, H5T_STD_I32LE, H5T_NATIVE_INT, 0, &value);
}

// n = 0: one string. `text` holds n strings of `bytes` each, padded with NULs. Fixed length, so that HDF5
// guards them.
static bool write_strings(hid_t file, const char *name, hsize_t n, const char *text, size_t bytes) {
    hid_t type = H5Tcopy(H5T_C_S1);
    bool fine = type >= 0 && H5Tset_size(type, bytes) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0 &&
                write_attribute(file, name, type, type, n, text);
    if (type >= 0)
        H5Tclose(type);
    return fine;
}

static bool write_header(const struct cnn_shard_writer *writer, hid_t file) {
    const struct cnn_shard_header *header = &writer->header;
    const char *encoding = cnn_encoding_name(header->encoding);
    uint32_t crc = cnn_shard_index_crc32c(&writer->index, header->n_classes);
    bool fine =
        write_int(file, "format_version", CNN_SHARD_VERSION) &&
        write_strings(file, "encoding", 0, encoding, strlen(encoding) + 1) &&
        write_int(file, "height", header->h) && write_int(file, "width", header->w) &&
        write_int(file, "num_classes", header->n_classes) && write_int(file, "shard", header->shard) &&
        write_int(file, "shards", header->n_shards) &&
        write_attribute(file, "records_total", H5T_STD_U64LE, H5T_NATIVE_UINT64, 0, &header->records_total) &&
        write_attribute(file, "index_crc32c", H5T_STD_U32LE, H5T_NATIVE_UINT32, 0, &crc);
    if (fine && header->encoding == CNN_ENCODING_RAW)
        fine = write_int(file, "channels", header->c);
    if (fine && header->source)
        fine = write_strings(file, "source", 0, header->source, strlen(header->source) + 1);
    if (fine && writer->index.names)
        fine = write_strings(file, "class_names", (hsize_t)header->n_classes, writer->index.names,
                             writer->index.name_bytes);
    return fine;
}

// Makes a contiguous dataset and says where its bytes lie; writes them where `data` is given.
static bool write_list(hid_t file, const char *name, hid_t stored, hid_t memory, hsize_t n, const void *data,
                       haddr_t *out_at) {
    hid_t space = H5Screate_simple(1, &n, NULL), list = H5Pcreate(H5P_DATASET_CREATE), dataset = -1;
    bool fine = space >= 0 && list >= 0 && H5Pset_obj_track_times(list, false) >= 0 &&
                H5Pset_alloc_time(list, H5D_ALLOC_TIME_EARLY) >= 0 &&
                H5Pset_fill_time(list, H5D_FILL_TIME_NEVER) >= 0;
    if (fine)
        dataset = H5Dcreate2(file, name, stored, space, H5P_DEFAULT, list, H5P_DEFAULT);
    fine = dataset >= 0;
    if (fine && n > 0) {
        *out_at = H5Dget_offset(dataset);
        fine = *out_at != HADDR_UNDEF &&
               (!data || H5Dwrite(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    }
    if (dataset >= 0)
        H5Dclose(dataset);
    if (list >= 0)
        H5Pclose(list);
    if (space >= 0)
        H5Sclose(space);
    return fine;
}

static bool write_index(const struct cnn_shard_writer *writer, hid_t file, haddr_t *out_images) {
    const struct cnn_shard_index *index = &writer->index;
    haddr_t at;
    return write_list(file, "offsets", H5T_STD_U64LE, H5T_NATIVE_UINT64, index->n + 1, index->offsets, &at) &&
           write_list(file, "labels", H5T_STD_I32LE, H5T_NATIVE_INT32, index->n, index->labels, &at) &&
           write_list(file, "crc32c", H5T_STD_U32LE, H5T_NATIVE_UINT32, index->n, index->crc32c, &at) &&
           write_list(file, "ids", H5T_STD_U64LE, H5T_NATIVE_UINT64, index->n, index->ids, &at) &&
           write_list(file, "images", H5T_STD_U8LE, H5T_NATIVE_UINT8, writer->spooled, NULL, out_images);
}

// No times and the format whose structures carry checksums: the same records give the same bytes, and damage
// shows.
static hid_t create_hdf5(const char *path) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), creation = H5Pcreate(H5P_FILE_CREATE), file = -1;
    if (access >= 0 && creation >= 0 && H5Pset_file_locking(access, false, true) >= 0 &&
        H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18) >= 0 &&
        H5Pset_obj_track_times(creation, false) >= 0)
        file = H5Fcreate(path, H5F_ACC_TRUNC, creation, access);
    if (access >= 0)
        H5Pclose(access);
    if (creation >= 0)
        H5Pclose(creation);
    return file;
}

// Takes the blocks of `bytes` bytes without making the file longer. Where the file system cannot, having seen
// them must do.
static enum cnn_status take_blocks(int fd, const char *path, uint64_t bytes) {
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes) == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
        return CNN_OK;
    return fail_write(path);
}

static enum cnn_status see_blocks(int fd, const char *path, uint64_t bytes) {
    int error = posix_fallocate(fd, 0, (off_t)bytes);
    if (error == 0 || error == EOPNOTSUPP || error == EINVAL)
        return CNN_OK;
    errno = error;
    return fail_write(path);
}

static enum cnn_status give_back_blocks(int fd, const char *path) {
    struct stat info;
    if (fstat(fd, &info) != 0 || ftruncate(fd, info.st_size) != 0)
        return fail_write(path);
    return CNN_OK;
}

// HDF5 1.10 crashes when the disk is full while it closes a file, so every block is there before HDF5 writes:
// seen first, and taken after H5Fcreate, which gives all back. Should they be gone by then, the spool's make
// room for HDF5's last words.
static enum cnn_status lay_out(struct cnn_shard_writer *writer, struct cnn_file_writer *file_writer,
                               haddr_t *out_images) {
    const struct cnn_shard_index *index = &writer->index;
    uint64_t names = index->names ? 2 * (uint64_t)writer->header.n_classes * index->name_bytes : 0;
    uint64_t bytes = writer->spooled + 24 * (index->n + 1) + names + HEADER_ROOM;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    CNN_TRY(see_blocks(file_writer->fd, writer->path, bytes));
    hid_t file = create_hdf5(file_writer->temporary);
    if (file < 0)
        return cnn_fail(CNN_ERR_IO, "cannot write %s: HDF5 cannot create it", writer->path);
    enum cnn_status status = take_blocks(file_writer->fd, writer->path, bytes);
    if (status != CNN_OK) {
        close(writer->spool);
        writer->spool = -1;
    } else if (!write_header(writer, file) || !write_index(writer, file, out_images)) {
        status = cnn_fail(CNN_ERR_IO, "cannot write %s: HDF5 fails", writer->path);
    }
    if (H5Fclose(file) < 0 && status == CNN_OK)
        status = cnn_fail(CNN_ERR_IO, "cannot write %s: HDF5 cannot close it", writer->path);
    return status == CNN_OK ? give_back_blocks(file_writer->fd, writer->path) : status;
}

static enum cnn_status copy_spool(struct cnn_shard_writer *writer, int fd, uint64_t at) {
    for (uint64_t done = 0; done < writer->spooled;) {
        uint64_t rest = writer->spooled - done;
        size_t bytes = rest < COPY_BYTES ? (size_t)rest : COPY_BYTES;
        CNN_TRY(cnn_file_pread(writer->spool, writer->path, writer->buffer, bytes, done));
        CNN_TRY(pwrite_all(fd, writer->path, writer->buffer, bytes, at + done));
        done += bytes;
    }
    return CNN_OK;
}

enum cnn_status cnn_shard_writer_set_size(struct cnn_shard_writer *writer, int h, int w) {
    struct cnn_shard_header header = writer->header;
    header.h = h;
    header.w = w;
    CNN_TRY(check_header(&header));
    writer->header = header;
    return CNN_OK;
}

enum cnn_status cnn_shard_writer_commit(struct cnn_shard_writer *writer) {
    struct cnn_file_writer file_writer = {0};
    haddr_t images = 0;
    if (writer->spool < 0)
        return cnn_fail(CNN_ERR_FAILED, "%s was committed before", writer->path);
    CNN_TRY(make_room(writer)); // an empty shard, too, has its one offset
    CNN_TRY(flush_spool(writer));
    CNN_TRY(cnn_file_writer_open(&file_writer, writer->path));
    enum cnn_status status = lay_out(writer, &file_writer, &images);
    if (status == CNN_OK)
        status = copy_spool(writer, file_writer.fd, images);
    if (status == CNN_OK)
        status = cnn_file_writer_commit(&file_writer);
    cnn_file_writer_discard(&file_writer);
    if (writer->spool >= 0)
        close(writer->spool);
    writer->spool = -1;
    return status;
}

void cnn_shard_writer_destroy(struct cnn_shard_writer *writer) {
    if (!writer)
        return;
    if (writer->spool >= 0)
        close(writer->spool);
    cnn_shard_index_finish(&writer->index);
    free(writer->buffer);
    free(writer->source);
    free(writer->path);
    free(writer);
}

// ---- amending ----

static bool rewrite_attribute(hid_t file, const char *name, hid_t memory, const void *value) {
    hid_t attribute = H5Aopen(file, name, H5P_DEFAULT);
    bool fine = attribute >= 0 && H5Awrite(attribute, memory, value) >= 0;
    if (attribute >= 0)
        H5Aclose(attribute);
    return fine;
}

enum cnn_status cnn_shard_amend(const char *path, uint64_t records_total, int h, int w) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), file = -1;
    if (access >= 0 && H5Pset_file_locking(access, false, true) >= 0 &&
        H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18) >= 0)
        file = H5Fopen(path, H5F_ACC_RDWR, access);
    if (access >= 0)
        H5Pclose(access);
    if (file < 0)
        return cnn_fail(CNN_ERR_IO, "cannot rewrite the header of %s", path);
    bool fine = rewrite_attribute(file, "records_total", H5T_NATIVE_UINT64, &records_total) &&
                rewrite_attribute(file, "height", H5T_NATIVE_INT, &h) &&
                rewrite_attribute(file, "width", H5T_NATIVE_INT, &w);
    if (H5Fclose(file) < 0 || !fine)
        return cnn_fail(CNN_ERR_IO, "cannot rewrite the header of %s", path);
    return CNN_OK;
}
