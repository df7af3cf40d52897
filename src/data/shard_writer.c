// The writing half of shard.h: HDF5's structures are put around records that lie in the file already.
#include "data/shard_gather.h"

#include "base/checksum.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_ROOM 65536 // more than HDF5's own structures take beside lists and names

enum cnn_status cnn_shard_check_header(const struct cnn_shard_header *header) {
    bool raw = header->encoding == CNN_ENCODING_RAW;
    if (header->n_classes < 1 || header->n_classes > CNN_SHARD_MAX_CLASSES)
        return cnn_fail(CNN_ERR_INPUT, "%d classes; allowed: 1 to %d", header->n_classes,
                        CNN_SHARD_MAX_CLASSES);
    if (header->n_shards < 1 || header->n_shards > CNN_SHARD_MAX_SHARDS || header->shard < 0 ||
        header->shard >= header->n_shards)
        return cnn_fail(CNN_ERR_INPUT, "shard %d of %d: a dataset has 1 to %d shards", header->shard,
                        header->n_shards, CNN_SHARD_MAX_SHARDS);
    if (header->h < raw || header->w < raw || header->h > CNN_SHARD_MAX_SIDE ||
        header->w > CNN_SHARD_MAX_SIDE || (raw && header->c != 1 && header->c != 3) ||
        (uint64_t)header->h * (uint64_t)header->w > CNN_MAX_PIXELS)
        return cnn_fail(CNN_ERR_INPUT, "images of %d x %d x %d cannot be stored", header->h, header->w,
                        header->c);
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

static bool write_header(hid_t file, const struct cnn_shard_header *header,
                         const struct cnn_shard_index *index) {
    const char *encoding = cnn_encoding_name(header->encoding);
    uint32_t crc = cnn_shard_index_crc32c(index, header->n_classes);
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
    if (fine && index->names)
        fine =
            write_strings(file, "class_names", (hsize_t)header->n_classes, index->names, index->name_bytes);
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

// The records first: the space that HDF5 gives them must be where they lie already.
static bool write_lists(hid_t file, const struct cnn_shard_index *index, const void *small,
                        haddr_t *out_images) {
    haddr_t at;
    return write_list(file, "images", H5T_STD_U8LE, H5T_NATIVE_UINT8, index->offsets[index->n], small,
                      out_images) &&
           write_list(file, "offsets", H5T_STD_U64LE, H5T_NATIVE_UINT64, index->n + 1, index->offsets, &at) &&
           write_list(file, "labels", H5T_STD_I32LE, H5T_NATIVE_INT32, index->n, index->labels, &at) &&
           write_list(file, "crc32c", H5T_STD_U32LE, H5T_NATIVE_UINT32, index->n, index->crc32c, &at) &&
           write_list(file, "ids", H5T_STD_U64LE, H5T_NATIVE_UINT64, index->n, index->ids, &at);
}

// The format whose structures carry checksums, so that damage shows; no times, so that the same records give
// the same bytes. `align`: what is not small begins at a multiple of CNN_SHARD_IMAGES_AT.
static hid_t file_access(bool align) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access >= 0 && H5Pset_file_locking(access, false, true) >= 0 &&
        H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18) >= 0 &&
        (!align || H5Pset_alignment(access, CNN_SHARD_SMALL_BYTES, CNN_SHARD_IMAGES_AT) >= 0))
        return access;
    if (access >= 0)
        H5Pclose(access);
    return -1;
}

// An HDF5 file with nothing in it, as HDF5 makes it of file_access(): a superblock of version 2 and a root
// group that keeps no times, each with its checksum.
static const uint8_t empty_file[CNN_SHARD_IMAGES_AT] = {0x89,
                                                        'H',
                                                        'D',
                                                        'F',
                                                        '\r',
                                                        '\n',
                                                        0x1a,
                                                        '\n',
                                                        2,
                                                        8,
                                                        8,
                                                        0, // addresses and lengths of 8 bytes
                                                        0,
                                                        0,
                                                        0,
                                                        0,
                                                        0,
                                                        0,
                                                        0,
                                                        0,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        179,
                                                        0,
                                                        0,
                                                        0,
                                                        0,
                                                        0,
                                                        0,
                                                        0, // its end
                                                        48,
                                                        0,
                                                        0,
                                                        0,
                                                        0,
                                                        0,
                                                        0,
                                                        0,
                                                        0x87,
                                                        0x67,
                                                        0x2a,
                                                        0x28, // the root
                                                        'O',
                                                        'H',
                                                        'D',
                                                        'R',
                                                        2,
                                                        0,
                                                        120,
                                                        2,
                                                        18,
                                                        0,
                                                        0,
                                                        0,
                                                        0,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        0xff,
                                                        10,
                                                        2,
                                                        0,
                                                        1,
                                                        0,
                                                        0,
                                                        0,
                                                        88, // no links yet; room for more
                                                        [175] = 0xc5,
                                                        0xb9,
                                                        0xc8,
                                                        0xac};

// HDF5 1.10 crashes when the disk is full while it closes a file, so every block is there before HDF5 writes.
static enum cnn_status take_blocks(int fd, const char *path, uint64_t bytes) {
    int error = posix_fallocate(fd, 0, (off_t)bytes);
    if (error == 0 || error == EOPNOTSUPP || error == EINVAL)
        return CNN_OK;
    return cnn_fail(CNN_ERR_IO, "cannot write %s: %s%s", path, strerror(error),
                    error == ENOSPC || error == EDQUOT ? "; free some space or choose another folder" : "");
}

// What an earlier try left around the records is gone after this.
static enum cnn_status clear_around(int fd, const char *path, uint64_t images_bytes, uint64_t end) {
    CNN_TRY(cnn_shard_pwrite(fd, path, empty_file, sizeof empty_file, 0));
    if (ftruncate(fd, (off_t)(CNN_SHARD_IMAGES_AT + images_bytes)) != 0)
        return cnn_fail(CNN_ERR_IO, "cannot write %s: %s", path, strerror(errno));
    return take_blocks(fd, path, end);
}

static enum cnn_status write_structures(const char *file, const char *path,
                                        const struct cnn_shard_header *header,
                                        const struct cnn_shard_index *index, const void *small) {
    hid_t access = file_access(!small), id = -1;
    haddr_t images = 0;
    if (access >= 0) {
        id = H5Fopen(file, H5F_ACC_RDWR, access);
        H5Pclose(access);
    }
    if (id < 0)
        return cnn_fail(CNN_ERR_IO, "cannot write %s: HDF5 cannot open it", path);
    bool fine = write_lists(id, index, small, &images) && write_header(id, header, index);
    if (H5Fclose(id) < 0 || !fine)
        return cnn_fail(CNN_ERR_IO, "cannot write %s: HDF5 fails", path);
    if (!small && images != CNN_SHARD_IMAGES_AT)
        return cnn_fail(CNN_ERR_FAILED, "cannot write %s: HDF5 puts the records at byte %" PRIuHADDR, path,
                        images);
    return CNN_OK;
}

enum cnn_status cnn_shard_lay_out(int fd, const char *file, const char *path,
                                  const struct cnn_shard_header *header, const struct cnn_shard_index *index,
                                  const void *small) {
    uint64_t images_bytes = index->offsets[index->n];
    uint64_t names = index->names ? 2 * (uint64_t)header->n_classes * index->name_bytes : 0;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    CNN_TRY(cnn_shard_check_header(header));
    CNN_TRY(clear_around(fd, path, small ? 0 : images_bytes,
                         CNN_SHARD_IMAGES_AT + images_bytes + 24 * (index->n + 1) + names + HEADER_ROOM));
    return write_structures(file, path, header, index, small);
}

// ---- a shard by itself ----

struct cnn_shard_writer {
    struct cnn_shard_header header;
    char *source;
    struct cnn_file_writer file;
    struct cnn_shard_gather gather;
};

static enum cnn_status open_writer(struct cnn_shard_writer *writer, const char *path,
                                   const char *const *class_names) {
    if (writer->header.source)
        CNN_TRY(cnn_strdup(&writer->source, writer->header.source));
    writer->header.source = writer->source;
    CNN_TRY(cnn_file_writer_open(&writer->file, path));
    CNN_TRY(cnn_shard_gather_init(&writer->gather, writer->file.fd, writer->file.path));
    return cnn_shard_index_set_names(&writer->gather.index, class_names, writer->header.n_classes);
}

enum cnn_status cnn_shard_writer_create(struct cnn_shard_writer **out, const char *path,
                                        const struct cnn_shard_header *header,
                                        const char *const *class_names) {
    struct cnn_shard_writer *writer;
    CNN_TRY(cnn_shard_check_header(header));
    CNN_TRY(cnn_calloc(&writer, 1, sizeof *writer));
    writer->header = *header;
    enum cnn_status status = open_writer(writer, path, class_names);
    if (status != CNN_OK) {
        cnn_shard_writer_destroy(writer);
        return status;
    }
    *out = writer;
    return CNN_OK;
}

enum cnn_status cnn_shard_writer_append(struct cnn_shard_writer *writer, const void *data, size_t bytes,
                                        int label, uint64_t id) {
    const struct cnn_shard_header *header = &writer->header;
    size_t raw_bytes = (size_t)header->h * (size_t)header->w * (size_t)header->c;
    if (label < 0 || label >= header->n_classes)
        return cnn_fail(CNN_ERR_INPUT, "record %" PRIu64 ": label %d is out of range for %d classes", id,
                        label, header->n_classes);
    if (bytes == 0 || (header->encoding == CNN_ENCODING_RAW && bytes != raw_bytes))
        return cnn_fail(CNN_ERR_INPUT,
                        "record %" PRIu64 ": an image of %zu bytes does not match this "
                        "dataset",
                        id, bytes);
    return cnn_shard_gather_append(&writer->gather, data, bytes, label, id, cnn_crc32c(0, data, bytes));
}

enum cnn_status cnn_shard_writer_set_size(struct cnn_shard_writer *writer, int h, int w) {
    struct cnn_shard_header header = writer->header;
    header.h = h;
    header.w = w;
    CNN_TRY(cnn_shard_check_header(&header));
    writer->header = header;
    return CNN_OK;
}

enum cnn_status cnn_shard_writer_commit(struct cnn_shard_writer *writer) {
    struct cnn_shard_gather *gather = &writer->gather;
    if (!writer->file.open)
        return cnn_fail(CNN_ERR_FAILED, "%s was committed before", writer->file.path);
    enum cnn_status status = cnn_shard_gather_end(gather);
    if (status == CNN_OK)
        status = cnn_shard_lay_out(gather->fd, writer->file.temporary, writer->file.path, &writer->header,
                                   &gather->index, gather->written == 0 ? gather->buffer : NULL);
    if (status == CNN_OK)
        status = cnn_file_writer_commit(&writer->file);
    cnn_file_writer_discard(&writer->file);
    return status;
}

void cnn_shard_writer_destroy(struct cnn_shard_writer *writer) {
    if (!writer)
        return;
    cnn_file_writer_discard(&writer->file);
    cnn_shard_gather_finish(&writer->gather);
    free(writer->source);
    free(writer);
}
