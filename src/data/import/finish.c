// The second half of an import: every record lies on the disk; now the shards get their headers, which say
// what only the whole knows, and their names.
#include "data/import/import.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/import/work.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUARANTINE_HEADER "path\treason\n"
#define MAX_NAMED 10 // classes without pictures

// What a dataset turned out to be.
struct whole {
    uint64_t records, n_jpeg, rejected;
    int h, w;
    bool *has; // by class: there is a record of it
};

static void add_labels(struct whole *whole, const struct cnn_shard_index *index, int n_classes) {
    for (uint64_t i = 0; i < index->n; i++)
        if (index->labels[i] >= 0 && index->labels[i] < n_classes)
            whole->has[index->labels[i]] = true;
}

static void add_facts(struct whole *whole, const struct cnn_work_facts *facts) {
    if (facts->n == 0)
        return;
    if (whole->records == 0) {
        whole->h = facts->h;
        whole->w = facts->w;
    } else if (whole->h != facts->h || whole->w != facts->w) {
        whole->h = whole->w = 0;
    }
    whole->records += facts->n;
    whole->n_jpeg += facts->n_jpeg;
}

static enum cnn_status fail_empty(const struct cnn_import_plan *plan, const char *report, uint64_t rejected) {
    char path[256] = "", reason[256] = "";
    sscanf(report, "%255[^\t]\t%255[^\n]", path, reason);
    return cnn_fail(CNN_ERR_INPUT, "none of the %" PRIu64 " images for %s can be used, for example %s: %s",
                    rejected, plan->out, path, reason);
}

static enum cnn_status survey_part(struct whole *whole, const struct cnn_import_plan *plan, int p) {
    const struct cnn_import_part *part = &plan->parts[p];
    char *report = NULL;
    enum cnn_status status = cnn_calloc(&whole->has, (size_t)plan->n_classes + 1, sizeof *whole->has);
    for (int k = 0; k < part->n_shards && status == CNN_OK; k++) {
        struct cnn_work_index index;
        status = cnn_work_read(&index, plan->out, part->first_shard + k);
        if (status == CNN_OK) {
            add_facts(whole, &index.facts);
            add_labels(whole, &index.index, plan->n_classes);
            whole->rejected += index.facts.n_rejected;
        }
        if (status == CNN_OK && !report && index.facts.n_rejected > 0) {
            report = index.report;
            index.report = NULL;
        }
        cnn_work_index_finish(&index);
    }
    if (status == CNN_OK && whole->records == 0)
        status = fail_empty(plan, report ? report : "", whole->rejected);
    free(report);
    return status;
}

static struct cnn_shard_header header_of(const struct cnn_import_plan *plan, int p,
                                         const struct whole *whole) {
    struct cnn_shard_header header = {.n_classes = plan->n_classes,
                                      .n_shards = plan->parts[p].n_shards,
                                      .records_total = whole->records,
                                      .source = plan->source};
    if (plan->pixels) {
        header.encoding = CNN_ENCODING_RAW;
        header.h = plan->h;
        header.w = plan->w;
        header.c = plan->c;
    } else {
        header.encoding = 2 * whole->n_jpeg >= whole->records ? CNN_ENCODING_JPEG : CNN_ENCODING_PNG;
        header.h = whole->h;
        header.w = whole->w;
    }
    return header;
}

// `from` lies in OUT/.import, which must still be this process's.
static enum cnn_status move(const char *from, const char *to) {
    CNN_TRY(cnn_owner_check_path(from));
    if (rename(from, to) != 0)
        return cnn_fail(CNN_ERR_IO, "cannot rename %s to %s: %s", from, to, strerror(errno));
    return CNN_OK;
}

// Makes renames last through a power cut, where the file system can.
static void sync_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

// HDF5's structures come and go around the records; the records themselves must be there.
static enum cnn_status check_length(int fd, const char *images, uint64_t least) {
    struct stat info;
    if (fstat(fd, &info) == 0 && (uint64_t)info.st_size >= least)
        return CNN_OK;
    return cnn_fail(CNN_ERR_INPUT, "%s is truncated; remove it and its .index, and run the import again",
                    images);
}

static enum cnn_status lay_out(const struct cnn_import_plan *plan, int s,
                               const struct cnn_shard_header *header, const char *images,
                               struct cnn_work_index *index) {
    int fd = open(images, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return cnn_fail(CNN_ERR_IO, "cannot open %s: %s", images, strerror(errno));
    uint64_t bytes = index->index.offsets[index->index.n];
    bool small = bytes == index->facts.small_bytes;
    enum cnn_status status = small ? CNN_OK : check_length(fd, images, CNN_SHARD_IMAGES_AT + bytes);
    if (status == CNN_OK)
        status =
            cnn_shard_index_set_names(&index->index, (const char *const *)plan->classes, plan->n_classes);
    if (status == CNN_OK)
        status = cnn_shard_lay_out(fd, images, images, header, &index->index, small ? index->small : NULL);
    if (status == CNN_OK && fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
        status = cnn_fail(CNN_ERR_IO, "cannot save %s: %s", images, strerror(errno));
    close(fd);
    return status;
}

static enum cnn_status put_shard(const struct cnn_import_plan *plan, int s, struct cnn_shard_header header) {
    char path[4096], images[4096];
    struct cnn_work_index index;
    CNN_TRY(cnn_import_shard_path(path, plan, s));
    if (cnn_file_exists(path))
        return CNN_OK;
    CNN_TRY(cnn_import_work_path(images, plan->out, s, "images"));
    header.shard = s - plan->parts[cnn_import_plan_part(plan, s)].first_shard;
    enum cnn_status status = cnn_work_read(&index, plan->out, s);
    if (status == CNN_OK)
        status = lay_out(plan, s, &header, images, &index);
    if (status == CNN_OK)
        status = move(images, path);
    cnn_work_index_finish(&index);
    return status;
}

static enum cnn_status put_part(const struct cnn_import_plan *plan, int p, const struct whole *whole) {
    const struct cnn_import_part *part = &plan->parts[p];
    char folder[4096];
    CNN_TRY(cnn_import_part_folder(folder, plan, p));
    CNN_TRY(cnn_folder_create(folder));
    for (int k = 0; k < part->n_shards; k++)
        CNN_TRY(put_shard(plan, part->first_shard + k, header_of(plan, p, whole)));
    sync_folder(folder);
    return CNN_OK;
}

static enum cnn_status write_reports(struct cnn_file_writer *writer, const struct cnn_import_plan *plan) {
    CNN_TRY(cnn_file_writer_write(writer, QUARANTINE_HEADER, strlen(QUARANTINE_HEADER)));
    for (int s = 0; s < plan->n_shards; s++) {
        struct cnn_work_index index;
        enum cnn_status status = cnn_work_read(&index, plan->out, s);
        if (status == CNN_OK)
            status = cnn_file_writer_write(writer, index.report, (size_t)index.facts.report_bytes);
        cnn_work_index_finish(&index);
        CNN_TRY(status);
    }
    return cnn_file_writer_commit(writer);
}

static enum cnn_status put_report(const struct cnn_import_plan *plan) {
    char begun[4096], path[4096];
    struct cnn_file_writer writer = {0};
    CNN_TRY(cnn_path_format(begun, sizeof begun, "%s/" CNN_IMPORT_WORK "/report", plan->out));
    CNN_TRY(cnn_path_format(path, sizeof path, "%s/" CNN_IMPORT_QUARANTINE, plan->out));
    CNN_TRY(cnn_file_writer_open(&writer, begun));
    enum cnn_status status = write_reports(&writer, plan);
    cnn_file_writer_discard(&writer);
    return status == CNN_OK ? move(begun, path) : status;
}

static enum cnn_status check_complete(const struct cnn_import_plan *plan) {
    char path[4096];
    int missing = 0;
    for (int s = 0; s < plan->n_shards; s++) {
        CNN_TRY(cnn_import_work_path(path, plan->out, s, "index"));
        missing += !cnn_file_exists(path);
    }
    if (missing > 0)
        return cnn_fail(CNN_ERR_INPUT, "%s: %d of %d shards are missing; run the import again", plan->out,
                        missing, plan->n_shards);
    return CNN_OK;
}

// A class of the source may be empty, have lost all its pictures to the quarantine, or have none in this
// part.
static enum cnn_status warn_empty(const struct cnn_import_plan *plan, int p, const struct whole *whole) {
    char folder[4096], names[1024] = "", number[16];
    size_t length = 0;
    int empty = 0;
    for (int label = 0; label < plan->n_classes; label++) {
        if (whole->has[label])
            continue;
        const char *name = plan->classes ? plan->classes[label] : number;
        snprintf(number, sizeof number, "%d", label);
        if (empty++ < MAX_NAMED && length < sizeof names)
            length +=
                (size_t)snprintf(names + length, sizeof names - length, "%s%s", length ? ", " : "", name);
    }
    if (empty == 0)
        return CNN_OK;
    CNN_TRY(cnn_import_part_folder(folder, plan, p));
    cnn_log_warn("%s: no usable images of %d of the %d classes: %s%s", folder, empty, plan->n_classes, names,
                 empty > MAX_NAMED ? ", ..." : "");
    return CNN_OK;
}

static enum cnn_status put_datasets(const struct cnn_import_plan *plan, struct whole *wholes) {
    uint64_t rejected = 0;
    for (int p = 0; p < plan->n_parts; p++) {
        CNN_TRY(survey_part(&wholes[p], plan, p));
        rejected += wholes[p].rejected;
    }
    for (int p = 0; p < plan->n_parts; p++)
        CNN_TRY(cnn_error_after_changes(put_part(plan, p, &wholes[p])));
    for (int p = 0; p < plan->n_parts; p++)
        CNN_TRY(warn_empty(plan, p, &wholes[p]));
    return rejected > 0 ? cnn_error_after_changes(put_report(plan)) : CNN_OK;
}

enum cnn_status cnn_import_put_in_place(const struct cnn_import_plan *plan) {
    struct whole wholes[CNN_IMPORT_MAX_PARTS] = {0};
    char begun[4096], done[4096];
    CNN_TRY(check_complete(plan));
    enum cnn_status status = put_datasets(plan, wholes);
    for (int p = 0; p < plan->n_parts; p++)
        free(wholes[p].has);
    CNN_TRY(status);
    CNN_TRY(cnn_path_format(begun, sizeof begun, "%s/" CNN_IMPORT_WORK "/plan", plan->out));
    CNN_TRY(cnn_path_format(done, sizeof done, "%s/" CNN_IMPORT_WORK "/done", plan->out));
    CNN_TRY(move(begun, done));
    cnn_import_clear_work(plan->out);
    sync_folder(plan->out);
    return CNN_OK;
}

enum cnn_status cnn_import_finish(struct cnn_import_result *out, const struct cnn_import_options *options) {
    struct cnn_import_plan plan = {0};
    struct cnn_owner *owner = NULL;
    if (!cnn_import_is_begun(options)) // somebody has done it already; `out` is what the import itself said
        return CNN_OK;
    CNN_TRY(cnn_import_own(&owner, options->out, 0));
    enum cnn_status status = cnn_import_plan_read(&plan, options->out);
    if (status == CNN_OK)
        status = cnn_import_put_in_place(&plan);
    cnn_owner_release(owner);
    if (status == CNN_OK)
        status = cnn_error_after_changes(cnn_import_count(out, &plan));
    cnn_import_plan_finish(&plan);
    return status;
}
