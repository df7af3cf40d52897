#include "data/import/import.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/shard_format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHARD_BYTES ((uint64_t)256 << 20)
#define SMALL_SHARD_RECORDS                                                                                  \
    2500               // small datasets are cut, too, so that several processes and machines can share them,
#define SMALL_SHARDS 8 // into no more than this
#define QUARANTINE "quarantine.tsv"
#define QUARANTINE_HEADER "path\treason\n"

struct import {
    const struct cnn_import_plan *plan;
    const struct cnn_import_options *options;
    struct cnn_shard_header header;
    uint64_t shard_records; // 0: spread evenly
    char name[256];
    struct cnn_import_result result;
};

// Lines of the report of one shard.
struct text {
    char *data;
    size_t bytes;
};

// ---- names ----

static enum cnn_status dataset_name(char *out, size_t out_bytes, const struct cnn_import_options *options) {
    char path[4096];
    const char *name = options->name;
    if (!options->out || !*options->out)
        return cnn_fail(CNN_ERR_INPUT, "an import needs a folder to write to");
    CNN_TRY(cnn_path_format(path, sizeof path, "%s", options->out));
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = '\0';
    if (!name) {
        const char *slash = strrchr(path, '/');
        name = slash ? slash + 1 : path;
    }
    if (!*name || name[0] == '.' || strchr(name, '/') || strlen(name) >= 200)
        return cnn_fail(CNN_ERR_INPUT, "'%.200s' cannot be the name of shards: give one with --name", name);
    return cnn_path_format(out, out_bytes, "%s", name);
}

static enum cnn_status shard_path(char out[4096], const struct import *import, int shard) {
    return cnn_path_format(out, 4096, "%s/%s-%05d-of-%05d.h5", import->options->out, import->name, shard,
                           import->header.n_shards);
}

static enum cnn_status part_path(char out[4096], const struct cnn_import_options *options, int shard) {
    return cnn_path_format(out, 4096, "%s/quarantine-%05d.tsv", options->out, shard);
}

// True for the shards, and reports, an import of this name and number of shards leaves in its folder.
static bool is_expected(const struct import *import, const char *name) {
    char expected[512];
    int shard, n = 0;
    if (strcmp(name, QUARANTINE) == 0 ||
        (sscanf(name, "quarantine-%5d.tsv%n", &shard, &n) == 1 && name[n] == '\0' && n > 0))
        return true;
    size_t prefix = strlen(import->name);
    if (strncmp(name, import->name, prefix) != 0 || sscanf(name + prefix, "-%5d-of-", &shard) != 1)
        return false;
    snprintf(expected, sizeof expected, "%s-%05d-of-%05d.h5", import->name, shard, import->header.n_shards);
    return strcmp(name, expected) == 0;
}

static enum cnn_status prepare_folder(const struct import *import) {
    char **names;
    size_t n;
    const char *out = import->options->out;
    enum cnn_status status = CNN_OK;
    CNN_TRY(cnn_folder_create(out));
    CNN_TRY(cnn_folder_list(&names, &n, out, "", ""));
    for (size_t i = 0; i < n && status == CNN_OK; i++)
        if (!is_expected(import, names[i]))
            status = cnn_fail(CNN_ERR_INPUT,
                              "%s holds something else already: %s; choose another --out or remove it", out,
                              names[i]);
    cnn_names_free(names, n);
    return status;
}

// ---- cutting ----

static enum cnn_status cut(struct import *import) {
    uint64_t total = import->header.records_total, n, asked = import->options->shard_records;
    if (total == 0)
        return cnn_fail(CNN_ERR_INPUT, "there are no records to import");
    if (asked > 0) {
        n = (total - 1) / asked + 1;
    } else {
        uint64_t by_bytes = (import->plan->bytes + SHARD_BYTES - 1) / SHARD_BYTES,
                 by_count = total / SMALL_SHARD_RECORDS;
        n = by_count < SMALL_SHARDS ? by_count : SMALL_SHARDS;
        n = by_bytes > n ? by_bytes : n;
        n = n < 1 ? 1 : n > total ? total : n;
    }
    if (n > CNN_SHARD_MAX_SHARDS)
        return cnn_fail(CNN_ERR_INPUT,
                        "%" PRIu64 " shards are too many: at most %d; ask for more records in each", n,
                        CNN_SHARD_MAX_SHARDS);
    import->shard_records = asked;
    import->header.n_shards = (int)n;
    return CNN_OK;
}

// First record of shard s, also for s = n_shards.
static uint64_t first_of(const struct import *import, int s) {
    uint64_t total = import->header.records_total, n = (uint64_t)import->header.n_shards, k = (uint64_t)s;
    if (import->shard_records > 0) // the last shard may be shorter
        return k == n ? total : k * import->shard_records;
    return total / n * k + total % n * k / n;
}

// ---- writing ----

static enum cnn_status text_add(struct text *text, const char *path, const char *reason) {
    size_t bytes = strlen(path) + strlen(reason) + 2;
    char *larger = realloc(text->data, text->bytes + bytes + 1);
    if (!larger)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: the quarantine report");
    text->data = larger;
    char *line = larger + text->bytes;
    memcpy(line, path, strlen(path));
    memcpy(line + strlen(path) + 1, reason, strlen(reason));
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)line[i] < ' ')
            line[i] = '?'; // names may hold newlines, which would end the line
    line[strlen(path)] = '\t';
    line[bytes - 1] = '\n';
    line[bytes] = '\0';
    text->bytes += bytes;
    return CNN_OK;
}

static enum cnn_status write_part(const struct import *import, int shard, const struct text *rejected) {
    char path[4096];
    CNN_TRY(part_path(path, import->options, shard));
    if (rejected->bytes > 0)
        return cnn_file_replace(path, rejected->data, rejected->bytes);
    if (unlink(path) != 0 && errno != ENOENT)
        return cnn_fail(CNN_ERR_IO, "cannot remove %s: %s", path, strerror(errno));
    return CNN_OK;
}

// Appends records begin..end-1; *size is the common picture size, 0 x 0 where they differ.
static enum cnn_status append_records(struct import *import, struct cnn_shard_writer *writer, uint64_t begin,
                                      uint64_t end, struct text *rejected, uint64_t *out_written,
                                      int size[2]) {
    uint64_t written = 0;
    for (uint64_t i = begin; i < end; i++) {
        struct cnn_import_record record = {0};
        CNN_TRY(import->plan->get(import->plan->context, i, &record));
        if (record.rejected && import->options->strict)
            return cnn_fail(CNN_ERR_INPUT, "%s: %s", record.path, record.rejected);
        if (record.rejected) {
            CNN_TRY(text_add(rejected, record.path, record.rejected));
            continue;
        }
        if (written == 0) {
            size[0] = record.h;
            size[1] = record.w;
        } else if (size[0] != record.h || size[1] != record.w) {
            size[0] = size[1] = 0;
        }
        CNN_TRY(cnn_shard_writer_append(writer, record.data, record.bytes, record.label, record.id));
        written++;
    }
    *out_written = written;
    return CNN_OK;
}

static uint64_t count_lines(const struct text *text) {
    uint64_t n = 0;
    for (size_t i = 0; i < text->bytes; i++)
        n += text->data[i] == '\n';
    return n;
}

static enum cnn_status write_shard(struct import *import, const char *path, int s) {
    struct cnn_shard_header header = import->header;
    struct cnn_shard_writer *writer;
    struct text rejected = {0};
    uint64_t written = 0;
    int size[2] = {0, 0};
    header.shard = s;
    CNN_TRY(cnn_shard_writer_create(&writer, path, &header, import->plan->class_names));
    enum cnn_status status = append_records(import, writer, first_of(import, s), first_of(import, s + 1),
                                            &rejected, &written, size);
    if (status == CNN_OK && header.encoding != CNN_ENCODING_RAW)
        status = cnn_shard_writer_set_size(writer, size[0], size[1]);
    if (status == CNN_OK)
        status = write_part(import, s, &rejected);
    if (status == CNN_OK)
        status = cnn_shard_writer_commit(writer);
    if (status == CNN_OK) {
        import->result.records += written;
        import->result.quarantined += count_lines(&rejected);
        cnn_log_info("wrote %s: %" PRIu64 " records", path, written);
    }
    cnn_shard_writer_destroy(writer);
    free(rejected.data);
    return status;
}

// Is the shard at `path` what this import would write there?
static enum cnn_status check_kept(struct import *import, const char *path, int s) {
    struct cnn_shard *shard;
    enum cnn_status status = cnn_shard_open(&shard, path);
    if (status != CNN_OK)
        return cnn_fail_in(status, "%s holds a file that cannot be kept; remove it", import->options->out);
    const struct cnn_shard_header *found = cnn_shard_header(shard), *wanted = &import->header;
    bool same = found->encoding == wanted->encoding && found->n_classes == wanted->n_classes &&
                found->n_shards == wanted->n_shards && found->shard == s && found->source &&
                strcmp(found->source, wanted->source) == 0;
    for (int label = 0; same && label < wanted->n_classes; label++) {
        const char *name = cnn_shard_class_name(shard, label);
        same =
            import->plan->class_names ? name && strcmp(name, import->plan->class_names[label]) == 0 : !name;
    }
    if (same) {
        uint64_t n = cnn_shard_count(shard);
        import->result.records += n;
        import->result.quarantined += first_of(import, s + 1) - first_of(import, s) - n;
        cnn_log_info("kept %s: it is there already", path);
    } else {
        status = cnn_fail(CNN_ERR_INPUT,
                          "%s holds another dataset already (%s: %s); choose another --out or remove it",
                          import->options->out, path, found->source ? found->source : "of unknown source");
    }
    cnn_shard_close(shard);
    return status;
}

enum cnn_status cnn_import_run(struct cnn_import_result *out, const struct cnn_import_plan *plan,
                               const struct cnn_import_options *options) {
    struct import import = {.plan = plan, .options = options, .header = plan->header};
    int size = options->size > 0 ? options->size : 1;
    CNN_TRY(dataset_name(import.name, sizeof import.name, options));
    CNN_TRY(cut(&import));
    CNN_TRY(prepare_folder(&import));
    import.result.n_classes = import.header.n_classes;
    import.result.n_shards = import.header.n_shards;
    for (int s = options->rank; s < import.header.n_shards; s += size) {
        char path[4096];
        CNN_TRY(shard_path(path, &import, s));
        CNN_TRY(cnn_file_exists(path) ? check_kept(&import, path, s) : write_shard(&import, path, s));
    }
    if (size == 1)
        return cnn_import_finish(out, options);
    *out = import.result;
    return CNN_OK;
}

// ---- finishing ----

struct whole {
    uint64_t records;
    int n, n_shards, n_classes, h, w;
    bool any;
};

// Adds one shard to the picture of the whole.
static enum cnn_status survey(struct whole *whole, const char *path) {
    struct cnn_shard *shard;
    CNN_TRY(cnn_shard_open(&shard, path));
    const struct cnn_shard_header *header = cnn_shard_header(shard);
    uint64_t count = cnn_shard_count(shard);
    whole->n_classes = header->n_classes;
    whole->n_shards = header->n_shards;
    if (count > 0 && !whole->any) {
        whole->h = header->h;
        whole->w = header->w;
        whole->any = true;
    } else if (count > 0 && (whole->h != header->h || whole->w != header->w)) {
        whole->h = whole->w = 0;
    }
    whole->records += count;
    whole->n++;
    cnn_shard_close(shard);
    return CNN_OK;
}

static enum cnn_status amend(const struct whole *whole, const char *path) {
    struct cnn_shard *shard;
    CNN_TRY(cnn_shard_open(&shard, path));
    const struct cnn_shard_header *header = cnn_shard_header(shard);
    bool same = header->records_total == whole->records && header->h == whole->h && header->w == whole->w;
    cnn_shard_close(shard);
    return same ? CNN_OK : cnn_shard_amend(path, whole->records, whole->h, whole->w);
}

// Parts become one report, in the order of the shards. A report that is there was made from these very parts
// before.
static enum cnn_status merge_parts(const struct cnn_import_options *options, char *const *parts, size_t n) {
    char path[4096], report[4096], *data;
    size_t bytes;
    struct cnn_file_writer writer = {0};
    CNN_TRY(cnn_path_format(report, sizeof report, "%s/" QUARANTINE, options->out));
    if (!cnn_file_exists(report)) {
        CNN_TRY(cnn_file_writer_open(&writer, report));
        enum cnn_status status = cnn_file_writer_write(&writer, QUARANTINE_HEADER, strlen(QUARANTINE_HEADER));
        for (size_t i = 0; i < n && status == CNN_OK; i++) {
            status = cnn_path_format(path, sizeof path, "%s/%s", options->out, parts[i]);
            if (status == CNN_OK)
                status = cnn_file_read(&data, &bytes, path, SIZE_MAX);
            if (status != CNN_OK)
                break;
            status = cnn_file_writer_write(&writer, data, bytes);
            free(data);
        }
        if (status == CNN_OK)
            status = cnn_file_writer_commit(&writer);
        cnn_file_writer_discard(&writer);
        CNN_TRY(status);
    }
    for (size_t i = 0; i < n; i++) {
        CNN_TRY(cnn_path_format(path, sizeof path, "%s/%s", options->out, parts[i]));
        if (unlink(path) != 0)
            return cnn_fail(CNN_ERR_IO, "cannot remove %s: %s", path, strerror(errno));
    }
    return CNN_OK;
}

static enum cnn_status finish_quarantine(struct cnn_import_result *result,
                                         const struct cnn_import_options *options) {
    char **parts, report[4096];
    size_t n;
    struct text text;
    CNN_TRY(cnn_folder_list(&parts, &n, options->out, "quarantine-", ".tsv"));
    enum cnn_status status = n > 0 ? merge_parts(options, parts, n) : CNN_OK;
    cnn_names_free(parts, n);
    CNN_TRY(status);
    CNN_TRY(cnn_path_format(report, sizeof report, "%s/" QUARANTINE, options->out));
    if (!cnn_file_exists(report))
        return CNN_OK;
    CNN_TRY(cnn_file_read(&text.data, &text.bytes, report, SIZE_MAX));
    uint64_t lines = count_lines(&text);
    result->quarantined = lines > 0 ? lines - 1 : 0;
    free(text.data);
    return CNN_OK;
}

static enum cnn_status finish_shards(struct whole *whole, const struct cnn_import_options *options,
                                     char *const *names, size_t n) {
    char path[4096];
    for (size_t i = 0; i < n; i++) {
        CNN_TRY(cnn_path_format(path, sizeof path, "%s/%s", options->out, names[i]));
        CNN_TRY(survey(whole, path));
    }
    if (whole->n == 0 || whole->n != whole->n_shards)
        return cnn_fail(CNN_ERR_INPUT, "%s: %d of %d shards are written: run the import again", options->out,
                        whole->n, whole->n_shards);
    if (whole->records == 0)
        return cnn_fail(CNN_ERR_INPUT, "%s: not one of the pictures can be used; " QUARANTINE " says why",
                        options->out);
    for (size_t i = 0; i < n; i++) {
        CNN_TRY(cnn_path_format(path, sizeof path, "%s/%s", options->out, names[i]));
        CNN_TRY(amend(whole, path));
    }
    return CNN_OK;
}

enum cnn_status cnn_import_finish(struct cnn_import_result *out, const struct cnn_import_options *options) {
    char name[256], prefix[300], **names;
    size_t n;
    struct whole whole = {0};
    struct cnn_import_result result = {0};
    CNN_TRY(dataset_name(name, sizeof name, options));
    CNN_TRY(cnn_path_format(prefix, sizeof prefix, "%s-", name));
    CNN_TRY(finish_quarantine(&result, options));
    CNN_TRY(cnn_folder_list(&names, &n, options->out, prefix, ".h5"));
    enum cnn_status status = finish_shards(&whole, options, names, n);
    cnn_names_free(names, n);
    CNN_TRY(status);
    result.records = whole.records;
    result.n_classes = whole.n_classes;
    result.n_shards = whole.n;
    *out = result;
    return CNN_OK;
}
