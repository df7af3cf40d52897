#include "data/import/archive.h"

#include "base/memory.h"
#include "data/import/paths.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES 65536

// One archive being read: the file itself, or a tar that is a member of it.
struct layer {
    struct archive *handle;  // NULL: not open
    struct archive *from;    // the archive its bytes come out of; NULL: they lie in the file, in begin..end
    uint64_t begin, end, at; // at: next byte to read
    bool plain;              // an uncompressed tar in the file as it is: members can be read where they lie
    uint8_t *block;
    const char *name; // for messages
};

struct cnn_archive {
    const char *path; // borrowed
    int fd;
    struct layer outer, inner;
    char *prefix; // of the inner one's members
    struct cnn_bytes name;
    struct cnn_archive_member member;
    uint64_t members;
};

// ---- how libarchive gets at the bytes ----

struct source {
    struct cnn_archive *archive;
    struct layer *layer;
};

static la_ssize_t read_block(struct archive *handle, void *context, const void **out) {
    struct source *source = context;
    struct layer *layer = source->layer;
    *out = layer->block;
    if (layer->from)
        return archive_read_data(layer->from, layer->block, BLOCK_BYTES);
    uint64_t rest = layer->end - layer->at;
    ssize_t got;
    do
        got = pread(source->archive->fd, layer->block, rest < BLOCK_BYTES ? (size_t)rest : BLOCK_BYTES,
                    (off_t)layer->at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        archive_set_error(handle, errno, "cannot read: %s", strerror(errno));
    else
        layer->at += (uint64_t)got;
    return got;
}

static la_int64_t skip_bytes(struct archive *handle, void *context, la_int64_t wanted) {
    struct layer *layer = ((struct source *)context)->layer;
    if (layer->from || wanted < 0)
        return 0;
    uint64_t rest = layer->end - layer->at, skipped = (uint64_t)wanted < rest ? (uint64_t)wanted : rest;
    layer->at += skipped;
    return (la_int64_t)skipped;
}

static la_int64_t seek_bytes(struct archive *handle, void *context, la_int64_t offset, int whence) {
    struct layer *layer = ((struct source *)context)->layer;
    int64_t length = (int64_t)(layer->end - layer->begin), from = 0;
    if (whence == SEEK_CUR)
        from = (int64_t)(layer->at - layer->begin);
    else if (whence == SEEK_END)
        from = length;
    if (offset < -from || offset > length - from)
        return ARCHIVE_FATAL;
    layer->at = layer->begin + (uint64_t)(from + offset);
    return from + offset;
}

static int close_source(struct archive *handle, void *context) {
    free(context);
    return ARCHIVE_OK;
}

static void close_layer(struct layer *layer) {
    if (layer->handle)
        archive_read_free(layer->handle);
    free(layer->block);
    *layer = (struct layer){0};
}

static void choose_formats(struct archive *handle, bool zip) {
    archive_read_support_format_tar(handle);
    if (zip)
        archive_read_support_format_zip(handle);
    archive_read_support_filter_gzip(handle);
    archive_read_support_filter_bzip2(handle);
    archive_read_support_filter_xz(handle);
    archive_read_support_filter_lzma(handle);
    archive_read_support_filter_zstd(handle);
}

static enum cnn_status fail(const struct cnn_archive *archive, const struct layer *layer) {
    const char *reason = archive_error_string(layer->handle);
    bool inside = layer == &archive->inner;
    return cnn_fail(CNN_ERR_INPUT, "%s%s%s: cannot be read as a tar%s: %s", archive->path, inside ? ": " : "",
                    inside ? archive->prefix : "", inside ? "" : ", compressed tar or zip",
                    reason ? reason : "damaged");
}

// `layer` says where its bytes come from.
static enum cnn_status open_layer(struct cnn_archive *archive, struct layer *layer) {
    struct source *source;
    layer->at = layer->begin;
    CNN_TRY(cnn_malloc(&layer->block, BLOCK_BYTES, 1));
    layer->handle = archive_read_new();
    if (!layer->handle)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: an archive");
    choose_formats(layer->handle, !layer->from);
    CNN_TRY(cnn_calloc(&source, 1, sizeof *source));
    *source = (struct source){archive, layer};
    archive_read_set_callback_data(layer->handle, source);
    archive_read_set_read_callback(layer->handle, read_block);
    if (!layer->from) {
        archive_read_set_skip_callback(layer->handle, skip_bytes);
        archive_read_set_seek_callback(layer->handle, seek_bytes);
    }
    archive_read_set_close_callback(layer->handle, close_source);
    return archive_read_open1(layer->handle) < ARCHIVE_WARN ? fail(archive, layer) : CNN_OK;
}

enum cnn_status cnn_archive_open(struct cnn_archive **out, const char *path) {
    struct cnn_archive *archive;
    struct stat info;
    CNN_TRY(cnn_calloc(&archive, 1, sizeof *archive));
    archive->path = path;
    archive->fd = open(path, O_RDONLY | O_CLOEXEC);
    enum cnn_status status = CNN_OK;
    if (archive->fd < 0 || fstat(archive->fd, &info) != 0)
        status = cnn_fail(CNN_ERR_INPUT, "cannot open %s: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        status = cnn_fail(CNN_ERR_INPUT, "%s is not a file", path);
    if (status == CNN_OK) {
        archive->outer.end = (uint64_t)info.st_size;
        status = open_layer(archive, &archive->outer);
    }
    if (status != CNN_OK) {
        cnn_archive_close(archive);
        return status;
    }
    *out = archive;
    return CNN_OK;
}

void cnn_archive_close(struct cnn_archive *archive) {
    if (!archive)
        return;
    close_layer(&archive->inner);
    close_layer(&archive->outer);
    if (archive->fd >= 0)
        close(archive->fd);
    free(archive->prefix);
    free(archive->name.data);
    free(archive);
}

// ---- members ----

static bool ends_with_tar(const char *path) {
    size_t n = strlen(path);
    return n > 4 && path[n - 5] != '/' && strcasecmp(path + n - 4, ".tar") == 0;
}

// Names that cannot be written in this program's character set are still names.
static const char *name_of(struct archive_entry *entry) {
    const char *name = archive_entry_pathname(entry);
    if (!name)
        name = archive_entry_pathname_utf8(entry);
    return name ? name : "(a name that cannot be shown)";
}

// The next regular file of a layer; *out NULL: there is none.
static enum cnn_status next_entry(struct cnn_archive *archive, struct layer *layer,
                                  struct archive_entry **out) {
    for (;;) {
        int result = archive_read_next_header(layer->handle, out);
        if (result == ARCHIVE_EOF) {
            *out = NULL;
            return CNN_OK;
        }
        if (result < ARCHIVE_WARN)
            return fail(archive, layer);
        if (archive_entry_filetype(*out) == AE_IFREG && !archive_entry_hardlink(*out) &&
            !cnn_path_is_hidden(name_of(*out)))
            return CNN_OK;
    }
}

// Where the data of the entry that was just read begin in the file.
static uint64_t place_of(struct layer *layer, struct archive_entry *entry) {
    bool tar = (archive_format(layer->handle) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
    layer->plain = !layer->from && tar && archive_filter_code(layer->handle, 0) == ARCHIVE_FILTER_NONE;
    if (!layer->plain || archive_entry_sparse_count(entry) > 0)
        return CNN_ARCHIVE_NOWHERE;
    return layer->begin + (uint64_t)archive_filter_bytes(layer->handle, 0);
}

static enum cnn_status check_place(const struct cnn_archive *archive, const struct layer *layer,
                                   const char *name, uint64_t at, int64_t bytes) {
    if (bytes < 0)
        return cnn_fail(CNN_ERR_INPUT, "%s: %s: no size", archive->path, name);
    if (at != CNN_ARCHIVE_NOWHERE && (at > layer->end || (uint64_t)bytes > layer->end - at))
        return cnn_fail(CNN_ERR_INPUT, "%s is cut short: %s goes beyond its end", archive->path, name);
    return CNN_OK;
}

static enum cnn_status open_inner(struct cnn_archive *archive, struct archive_entry *entry) {
    const char *name = name_of(entry);
    uint64_t at = place_of(&archive->outer, entry);
    int64_t bytes = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : -1;
    CNN_TRY(check_place(archive, &archive->outer, name, at, bytes));
    free(archive->prefix);
    archive->prefix = strndup(name, strlen(name) - 4);
    if (!archive->prefix)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: a name");
    if (at == CNN_ARCHIVE_NOWHERE) {
        archive->inner.from = archive->outer.handle;
    } else {
        archive->inner.begin = at;
        archive->inner.end = at + (uint64_t)bytes;
    }
    return open_layer(archive, &archive->inner);
}

static enum cnn_status set_member(struct cnn_archive *archive, struct layer *layer,
                                  struct archive_entry *entry) {
    const char *name = name_of(entry);
    uint64_t at = place_of(layer, entry);
    int64_t bytes = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : -1;
    CNN_TRY(check_place(archive, layer, name, at, bytes));
    archive->name.n = 0;
    if (layer == &archive->inner) {
        CNN_TRY(cnn_bytes_add(&archive->name, archive->prefix, strlen(archive->prefix)));
        CNN_TRY(cnn_bytes_add(&archive->name, "/", 1));
    }
    CNN_TRY(cnn_bytes_add(&archive->name, name, strlen(name) + 1));
    archive->member = (struct cnn_archive_member){.path = (const char *)archive->name.data,
                                                  .bytes = (uint64_t)bytes,
                                                  .at = at,
                                                  .number = archive->members++};
    return CNN_OK;
}

enum cnn_status cnn_archive_next(struct cnn_archive *archive, struct cnn_archive_member *out, bool *out_end) {
    struct archive_entry *entry;
    *out_end = false;
    for (;;) {
        struct layer *layer = archive->inner.handle ? &archive->inner : &archive->outer;
        CNN_TRY(next_entry(archive, layer, &entry));
        if (entry && (layer == &archive->inner || !ends_with_tar(name_of(entry)))) {
            CNN_TRY(set_member(archive, layer, entry));
            *out = archive->member;
            return CNN_OK;
        }
        if (entry) {
            CNN_TRY(open_inner(archive, entry));
        } else if (layer == &archive->inner) {
            close_layer(layer);
        } else {
            *out_end = true;
            return CNN_OK;
        }
    }
}

enum cnn_status cnn_archive_read(struct cnn_archive *archive, struct cnn_bytes *to) {
    struct layer *layer = archive->inner.handle ? &archive->inner : &archive->outer;
    uint64_t wanted = archive->member.bytes;
    if (wanted > CNN_IMPORT_MAX_FILE_BYTES)
        return cnn_fail(CNN_ERR_INPUT, "larger than 256 MiB");
    CNN_TRY(cnn_bytes_reserve(to, (size_t)wanted));
    for (size_t done = 0; done < wanted;) {
        la_ssize_t got = archive_read_data(layer->handle, to->data + to->n, (size_t)wanted - done);
        if (got < 0) {
            const char *reason = archive_error_string(layer->handle);
            return cnn_fail(got == ARCHIVE_FATAL ? CNN_ERR_IO : CNN_ERR_INPUT, "%s: %s: %s", archive->path,
                            archive->member.path, reason ? reason : "damaged");
        }
        if (got == 0)
            return cnn_fail(CNN_ERR_INPUT, "%s: %s: shorter than its header says", archive->path,
                            archive->member.path);
        done += (size_t)got;
        to->n += (size_t)got;
    }
    return CNN_OK;
}
