// `dataset import tar`: class folders, tars of classes, or a flat list of pictures in an archive.
#include "base/file.h"
#include "base/memory.h"
#include "data/import/archive.h"
#include "data/import/labels.h"
#include "data/import/members.h"
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
    bool plain; // every file can be read where it lies
    int fd;     // where plain
    // Otherwise the archive is read from its beginning to its end. Several records may be of one member,
    // which is kept for them.
    struct cnn_archive *archive;
    uint64_t next; // number of the member that comes next
    struct cnn_bytes kept;
    uint64_t kept_number;
    enum cnn_status kept_status;
    char kept_reason[256];
};

// ---- listing ----

static enum cnn_status read_members(struct cnn_members *members, const char *path) {
    struct cnn_archive *archive;
    struct cnn_archive_member member;
    bool end = false;
    CNN_TRY(cnn_archive_open(&archive, path));
    enum cnn_status status = CNN_OK;
    while (status == CNN_OK && (status = cnn_archive_next(archive, &member, &end)) == CNN_OK && !end)
        status = cnn_members_add(members, &member);
    cnn_archive_close(archive);
    return status;
}

static enum cnn_status list_files(struct tar *tar, const struct cnn_archive_options *archive, bool warns) {
    const struct cnn_members_options options = {
        .under = archive->under, .folders = !archive->labels, .warns = warns, .what = tar->path};
    struct cnn_members members = {0};
    enum cnn_status status = read_members(&members, tar->path);
    if (status == CNN_OK)
        status = cnn_members_make_records(tar->records, &members, &options);
    tar->plain = !members.scattered;
    cnn_members_finish(&members);
    return status;
}

// ---- reading ----

static enum cnn_status check_link(const struct cnn_import_file *file) {
    if (file->at == CNN_MEMBER_LOST)
        return cnn_fail(CNN_ERR_INPUT, "a link to something that is not in the archive");
    if (file->at == CNN_MEMBER_CIRCLE)
        return cnn_fail(CNN_ERR_INPUT, "a link to a folder that contains it");
    return CNN_OK;
}

static enum cnn_status read_plain(void *context, uint64_t i, struct cnn_bytes *to) {
    const struct tar *tar = context;
    const struct cnn_import_file *file = &tar->records->files[i];
    CNN_TRY(check_link(file));
    if (file->bytes > CNN_IMPORT_MAX_FILE_BYTES)
        return cnn_fail(CNN_ERR_INPUT, "larger than 256 MiB");
    CNN_TRY(cnn_bytes_reserve(to, (size_t)file->bytes));
    enum cnn_status status =
        cnn_file_pread(tar->fd, tar->path, to->data + to->n, (size_t)file->bytes, file->at);
    to->n += (size_t)file->bytes;
    return status == CNN_ERR_INPUT ? CNN_ERR_IO : status; // it was long enough before
}

static enum cnn_status go_to(struct tar *tar, uint64_t number) {
    struct cnn_archive_member member = {0};
    bool end = false;
    while (tar->next <= number) {
        enum cnn_status status = cnn_archive_next(tar->archive, &member, &end);
        if (status != CNN_OK || end)
            return cnn_fail(CNN_ERR_IO, "%s changed while it was being read", tar->path);
        tar->next = member.number + 1;
    }
    return CNN_OK;
}

static enum cnn_status keep(struct tar *tar, uint64_t number) {
    tar->kept.n = 0;
    tar->kept_number = number;
    tar->kept_status = cnn_archive_read(tar->archive, &tar->kept);
    snprintf(tar->kept_reason, sizeof tar->kept_reason, "%s",
             tar->kept_status != CNN_OK ? cnn_error_message() : "");
    return tar->kept_status == CNN_ERR_INPUT ? CNN_OK : tar->kept_status;
}

static enum cnn_status read_next(void *context, uint64_t i, struct cnn_bytes *to) {
    struct tar *tar = context;
    const struct cnn_import_file *file = &tar->records->files[i];
    bool shared = i + 1 < tar->records->n && file[1].at == file->at;
    CNN_TRY(check_link(file));
    if (tar->next <= file->at) {
        CNN_TRY(go_to(tar, file->at));
        if (!shared)
            return cnn_archive_read(tar->archive, to);
        CNN_TRY(keep(tar, file->at));
    }
    if (tar->kept_number != file->at)
        return cnn_fail(CNN_ERR_IO, "%s changed while it was being read", tar->path);
    if (tar->kept_status != CNN_OK)
        return cnn_fail(tar->kept_status, "%s", tar->kept_reason);
    return cnn_bytes_add(to, tar->kept.data, tar->kept.n);
}

// ---- importing ----

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
                        "%s has no class folders: expected CLASS/IMAGE.jpg inside, or --labels FILE for a "
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
        return cnn_fail(CNN_ERR_INPUT, "--numbers requires --labels");
    status = list_files(&tar, archive, options->rank == 0);
    if (status == CNN_OK)
        status = classify(&tar, archive, options);
    if (status == CNN_OK)
        status = import_listed(out, &tar, archive, options);
    cnn_archive_close(tar.archive);
    free(tar.kept.data);
    if (tar.fd >= 0)
        close(tar.fd);
    cnn_records_finish(&records);
    return status;
}
