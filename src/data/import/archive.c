#include "data/import/archive.h"

#include "base/memory.h"
#include "data/import/paths.h"
#include "data/import/zip_names.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
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
    uint64_t entries; // so far
};

struct cnn_archive {
    const char *path; // borrowed
    locale_t locale;  // in which libarchive gives the bytes of names as they are: "C"
    int fd;
    struct layer outer, inner;
    char *prefix; // of the inner one's members
    struct cnn_zip_names zip;
    struct cnn_bytes names; // of `member`
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
                    inside ? archive->prefix : "", inside ? "" : ", compressed tar or zip file",
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
    archive->locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    archive->fd = open(path, O_RDONLY | O_CLOEXEC);
    enum cnn_status status = CNN_OK;
    if (!archive->locale)
        status = cnn_fail(CNN_ERR_MEMORY, "out of memory: a locale");
    else if (archive->fd < 0 || fstat(archive->fd, &info) != 0)
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
    if (archive->locale)
        freelocale(archive->locale);
    free(archive->prefix);
    cnn_zip_names_finish(&archive->zip);
    free(archive->names.data);
    free(archive);
}

// ---- members ----

static bool is_inner_tar(struct archive_entry *entry, const char *name) {
    size_t n = strlen(name);
    return archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry) &&
           !cnn_path_is_hidden(name) && n > 4 && name[n - 5] != '/' && strcasecmp(name + n - 4, ".tar") == 0;
}

// What the directory of a zip calls the entry that libarchive gave as number `i`; NULL: they do not agree.
static const char *zip_name(const struct cnn_zip_names *names, uint64_t i, struct archive_entry *entry) {
    bool sized = archive_entry_filetype(entry) == AE_IFREG && archive_entry_size_is_set(entry);
    if (i >= names->n || (sized && (uint64_t)archive_entry_size(entry) != names->items[i].bytes))
        return NULL;
    return cnn_zip_names_text(names, (size_t)i);
}

static enum cnn_status read_zip_names(struct cnn_archive *archive) {
    bool zip = (archive_format(archive->outer.handle) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_ZIP;
    if (archive->outer.entries != 1 || !zip)
        return CNN_OK;
    return cnn_zip_names_read(&archive->zip, archive->fd, archive->path, archive->outer.end);
}

// The next entry of a layer and its name; *out NULL: there is none.
static enum cnn_status next_entry(struct cnn_archive *archive, struct layer *layer,
                                  struct archive_entry **out, const char **out_name) {
    int result = archive_read_next_header(layer->handle, out);
    if (result == ARCHIVE_EOF) {
        *out = NULL;
        return CNN_OK;
    }
    if (result < ARCHIVE_WARN)
        return fail(archive, layer);
    layer->entries++;
    if (layer == &archive->outer)
        CNN_TRY(read_zip_names(archive));
    *out_name = archive_entry_pathname(*out);
    if (layer == &archive->outer && archive->zip.n > 0)
        *out_name = zip_name(&archive->zip, layer->entries - 1, *out);
    if (*out_name)
        return CNN_OK;
    return cnn_fail(CNN_ERR_INPUT,
                    "%s: cannot read the name of member %" PRIu64 "; is the end of the archive missing?",
                    archive->path, layer->entries);
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

static enum cnn_status open_inner(struct cnn_archive *archive, struct archive_entry *entry,
                                  const char *name) {
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

// Some programs write the bytes of a hard link again: then it is a file.
static enum cnn_archive_kind kind_of(struct archive_entry *entry, const char *name) {
    size_t n = strlen(name);
    bool has_bytes = archive_entry_size_is_set(entry) && archive_entry_size(entry) > 0;
    if (archive_entry_hardlink(entry))
        return has_bytes ? CNN_ARCHIVE_FILE : CNN_ARCHIVE_HARD_LINK;
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
        return n > 0 && name[n - 1] == '/' ? CNN_ARCHIVE_FOLDER : CNN_ARCHIVE_FILE;
    case AE_IFDIR:
        return CNN_ARCHIVE_FOLDER;
    case AE_IFLNK:
        return CNN_ARCHIVE_SYMBOLIC_LINK;
    default:
        return CNN_ARCHIVE_SPECIAL;
    }
}

// `name`, in the folder that a tar inside stands for.
static enum cnn_status add_name(struct cnn_archive *archive, const struct layer *layer, const char *name) {
    if (layer == &archive->inner) {
        CNN_TRY(cnn_bytes_add(&archive->names, archive->prefix, strlen(archive->prefix)));
        CNN_TRY(cnn_bytes_add(&archive->names, "/", 1));
    }
    return cnn_bytes_add(&archive->names, name, strlen(name) + 1);
}

static enum cnn_status set_file(struct cnn_archive *archive, struct layer *layer, struct archive_entry *entry,
                                const char *name) {
    uint64_t at = place_of(layer, entry);
    int64_t bytes = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : -1;
    CNN_TRY(check_place(archive, layer, name, at, bytes));
    archive->member.bytes = (uint64_t)bytes;
    archive->member.at = at;
    return CNN_OK;
}

static enum cnn_status set_member(struct cnn_archive *archive, struct layer *layer,
                                  struct archive_entry *entry, const char *name) {
    enum cnn_archive_kind kind = kind_of(entry, name);
    const char *symbolic = archive_entry_symlink(entry);
    archive->member = (struct cnn_archive_member){.kind = kind, .number = archive->members++};
    if (kind == CNN_ARCHIVE_FILE)
        CNN_TRY(set_file(archive, layer, entry, name));
    archive->names.n = 0;
    CNN_TRY(add_name(archive, layer, name));
    size_t target = archive->names.n;
    if (kind == CNN_ARCHIVE_HARD_LINK)
        CNN_TRY(add_name(archive, layer, archive_entry_hardlink(entry)));
    else if (kind == CNN_ARCHIVE_SYMBOLIC_LINK)
        CNN_TRY(
            cnn_bytes_add(&archive->names, symbolic ? symbolic : "", symbolic ? strlen(symbolic) + 1 : 1));
    archive->member.path = (const char *)archive->names.data;
    archive->member.target = (const char *)archive->names.data + target;
    return CNN_OK;
}

static enum cnn_status next_member(struct cnn_archive *archive, struct cnn_archive_member *out,
                                   bool *out_end) {
    struct archive_entry *entry;
    const char *name = NULL;
    *out_end = false;
    for (;;) {
        struct layer *layer = archive->inner.handle ? &archive->inner : &archive->outer;
        CNN_TRY(next_entry(archive, layer, &entry, &name));
        if (entry && (layer == &archive->inner || !is_inner_tar(entry, name))) {
            CNN_TRY(set_member(archive, layer, entry, name));
            *out = archive->member;
            return CNN_OK;
        }
        if (entry) {
            CNN_TRY(open_inner(archive, entry, name));
        } else if (layer == &archive->inner) {
            close_layer(layer);
        } else {
            *out_end = true;
            return CNN_OK;
        }
    }
}

enum cnn_status cnn_archive_next(struct cnn_archive *archive, struct cnn_archive_member *out, bool *out_end) {
    locale_t before = uselocale(archive->locale); // of this thread alone
    enum cnn_status status = next_member(archive, out, out_end);
    uselocale(before);
    return status;
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
            return cnn_fail(CNN_ERR_INPUT, "%s: %s: shorter than in its header", archive->path,
                            archive->member.path);
        done += (size_t)got;
        to->n += (size_t)got;
    }
    return CNN_OK;
}
