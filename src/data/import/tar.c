// `dataset import tar`: class folders, tars of classes, or a flat list of pictures in an archive.
#include "base/file.h"
#include "base/memory.h"
#include "data/import/archive.h"
#include "data/import/labels.h"
#include "data/import/records.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tar {
    struct cnn_records *records; // first: see cnn_records_fill
    const char *path;
    bool plain;                  // every member can be read where it lies
    int fd;                      // where plain
    struct cnn_archive *archive; // otherwise; read from its beginning to its end
};

// What follows `under` in the path; NULL: it is not below it.
static const char *below(const char *path, const char *under) {
    while (under && *under) {
        while (*path == '/' || strncmp(path, "./", 2) == 0)
            path += *path == '/' ? 1 : 2;
        under += strspn(under, "/");
        size_t length = strcspn(under, "/");
        if (strncmp(path, under, length) != 0 || (length > 0 && path[length] != '/'))
            return NULL;
        path += length;
        under += length;
    }
    return path;
}

static enum cnn_status add_member(struct tar *tar, const struct cnn_archive_member *member,
                                  const char *under) {
    const char *path = below(member->path, under);
    if (!path)
        return CNN_OK;
    path += strspn(path, "/");
    if (member->at == CNN_ARCHIVE_NOWHERE)
        tar->plain = false;
    return cnn_records_add(tar->records, path, member->bytes, tar->plain ? member->at : member->number, -1);
}

// In a tar that is not plain all the way through, places are numbers of members.
static enum cnn_status list_members(struct tar *tar, const char *under, bool plain) {
    struct cnn_archive *archive;
    struct cnn_archive_member member;
    bool end = false;
    tar->plain = plain;
    CNN_TRY(cnn_archive_open(&archive, tar->path));
    enum cnn_status status = CNN_OK;
    while (status == CNN_OK && (status = cnn_archive_next(archive, &member, &end)) == CNN_OK && !end) {
        bool was_plain = tar->plain;
        status = add_member(tar, &member, under);
        if (plain && was_plain && !tar->plain)
            break;
    }
    cnn_archive_close(archive);
    if (status != CNN_OK || tar->plain == plain)
        return status;
    cnn_records_finish(tar->records);
    return list_members(tar, under, false);
}

static enum cnn_status read_plain(void *context, uint64_t i, struct cnn_bytes *to) {
    const struct tar *tar = context;
    const struct cnn_import_file *file = &tar->records->files[i];
    if (file->bytes > CNN_IMPORT_MAX_FILE_BYTES)
        return cnn_fail(CNN_ERR_INPUT, "larger than 256 MiB");
    CNN_TRY(cnn_bytes_reserve(to, (size_t)file->bytes));
    enum cnn_status status =
        cnn_file_pread(tar->fd, tar->path, to->data + to->n, (size_t)file->bytes, file->at);
    to->n += (size_t)file->bytes;
    return status == CNN_ERR_INPUT ? CNN_ERR_IO : status; // it was long enough before
}

static enum cnn_status read_next(void *context, uint64_t i, struct cnn_bytes *to) {
    struct tar *tar = context;
    struct cnn_archive_member member = {0};
    bool end = false;
    do {
        enum cnn_status status = cnn_archive_next(tar->archive, &member, &end);
        if (status != CNN_OK || end)
            return cnn_fail(CNN_ERR_IO, "%s has changed while it was read", tar->path);
    } while (member.number < tar->records->files[i].at);
    return cnn_archive_read(tar->archive, to);
}

static enum cnn_status classify(struct tar *tar, const struct cnn_archive_options *archive,
                                const struct cnn_import_options *options) {
    struct cnn_records *records = tar->records;
    char note[CNN_IGNORED_NOTE_BYTES];
    if (records->n == 0)
        return cnn_fail(CNN_ERR_INPUT, "%s holds no files%s%s%s", tar->path, archive->under ? " below " : "",
                        archive->under ? archive->under : "", cnn_ignored_note(note, &records->ignored));
    if (archive->labels)
        CNN_TRY(cnn_records_by_list(records, archive->labels, archive->numbers, tar->path));
    else
        CNN_TRY(cnn_records_by_folder(records, &(struct cnn_records_origin){.path = tar->path,
                                                                            .out = options->out,
                                                                            .is_archive = true,
                                                                            .under = archive->under,
                                                                            .warns = options->rank == 0}));
    if (records->n == 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s has no class folders: expected CLASS/PICTURE.jpg inside, or --labels FILE for a "
                        "flat archive%s",
                        tar->path, cnn_ignored_note(note, &records->ignored));
    return cnn_records_order_classes(records, options->classes, archive->labels != NULL, tar->path);
}

static enum cnn_status import_listed(struct cnn_import_result *out, struct tar *tar,
                                     const struct cnn_archive_options *archive,
                                     const struct cnn_import_options *options) {
    const struct cnn_records *records = tar->records;
    struct cnn_import_source source = {
        .read = tar->plain ? read_plain : read_next, .sequential = !tar->plain, .context = tar};
    char identity[128];
    if (tar->plain) {
        tar->fd = open(tar->path, O_RDONLY | O_CLOEXEC);
        if (tar->fd < 0)
            return cnn_fail(CNN_ERR_INPUT, "cannot open %s: %m", tar->path);
    } else {
        CNN_TRY(cnn_archive_open(&tar->archive, tar->path));
    }
    snprintf(identity, sizeof identity, "tar files=%" PRIu64 " bytes=%" PRIu64 " crc32c=%08" PRIx32,
             records->n, records->bytes, cnn_records_crc32c(records, archive->labels != NULL));
    source.identity = identity;
    cnn_records_fill(&source, records);
    return cnn_import_run(out, &source, options);
}

enum cnn_status cnn_import_archive(struct cnn_import_result *out, const char *file,
                                   const struct cnn_archive_options *archive,
                                   const struct cnn_import_options *options) {
    struct cnn_records records = {0};
    struct tar tar = {.records = &records, .path = file, .fd = -1};
    enum cnn_status status = CNN_OK;
    if (archive->numbers && !archive->labels)
        return cnn_fail(CNN_ERR_INPUT, "--numbers says what the numbers of --labels mean: give both");
    status = list_members(&tar, archive->under, true);
    if (status == CNN_OK)
        status = classify(&tar, archive, options);
    if (status == CNN_OK)
        status = import_listed(out, &tar, archive, options);
    cnn_archive_close(tar.archive);
    if (tar.fd >= 0)
        close(tar.fd);
    cnn_records_finish(&records);
    return status;
}
