#include "data/import/plan.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "data/shard_format.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARD_BYTES ((uint64_t)256 << 20)
#define SMALL_SHARD_RECORDS                                                                                  \
    2500               // small datasets are cut, too, so that processes and machines can share them,
#define SMALL_SHARDS 8 // into no more than this
#define FIRST_LINE "cnn_dist import 1"
#define MAX_PLAN_BYTES ((size_t)1 << 30)

// ---- names ----

static enum cnn_status name_part(struct cnn_import_part *part, const struct cnn_import_options *options) {
    char path[4096];
    const char *name = options->name;
    CNN_TRY(cnn_path_format(path, sizeof path, "%s/%s", options->out, part->folder));
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = '\0';
    if (!name) {
        const char *slash = strrchr(path, '/');
        name = slash ? slash + 1 : path;
    }
    if (!*name || name[0] == '.' || strchr(name, '/') || strlen(name) >= 200 || strpbrk(name, "\t\n"))
        return cnn_fail(CNN_ERR_INPUT, "'%.200s' is not a valid shard name; give one with --name", name);
    return cnn_path_format(part->name, sizeof part->name, "%s", name);
}

enum cnn_status cnn_import_part_folder(char out[4096], const struct cnn_import_plan *plan, int p) {
    const char *folder = plan->parts[p].folder;
    return cnn_path_format(out, 4096, "%s%s%s", plan->out, *folder ? "/" : "", folder);
}

enum cnn_status cnn_import_shard_path(char out[4096], const struct cnn_import_plan *plan, int s) {
    int p = cnn_import_plan_part(plan, s);
    const struct cnn_import_part *part = &plan->parts[p];
    char folder[4096];
    CNN_TRY(cnn_import_part_folder(folder, plan, p));
    return cnn_path_format(out, 4096, "%s/%s-%05d-of-%05d.h5", folder, part->name, s - part->first_shard,
                           part->n_shards);
}

enum cnn_status cnn_import_work_path(char out[4096], const char *folder, int s, const char *kind) {
    return cnn_path_format(out, 4096, "%s/" CNN_IMPORT_WORK "/%05d.%s", folder, s, kind);
}

// ---- cutting ----

static enum cnn_status cut(struct cnn_import_part *part, uint64_t bytes,
                           const struct cnn_import_options *options) {
    uint64_t n, asked = options->shard_records;
    if (asked > 0) {
        n = (part->records - 1) / asked + 1;
    } else {
        uint64_t target = options->shard_bytes > 0 ? options->shard_bytes : SHARD_BYTES;
        uint64_t by_count = options->shard_bytes > 0 ? 1 : part->records / SMALL_SHARD_RECORDS;
        uint64_t by_bytes = bytes / target + (bytes % target > 0);
        n = by_count < SMALL_SHARDS ? by_count : SMALL_SHARDS;
        n = by_bytes > n ? by_bytes : n;
        n = n < 1 ? 1 : n > part->records ? part->records : n;
    }
    if (n > CNN_SHARD_MAX_SHARDS)
        return cnn_fail(CNN_ERR_INPUT, "%" PRIu64 " shards are too many (at most %d); use larger shards", n,
                        CNN_SHARD_MAX_SHARDS);
    part->shard_records = asked;
    part->n_shards = (int)n;
    return CNN_OK;
}

// First record of a part's shard k, also for k = n_shards.
static uint64_t first_of(const struct cnn_import_part *part, int k) {
    uint64_t total = part->records, n = (uint64_t)part->n_shards, i = (uint64_t)k;
    if (part->shard_records > 0) // the last shard may be shorter
        return i == n ? total : i * part->shard_records;
    return total / n * i + total % n * i / n;
}

int cnn_import_plan_shard(const struct cnn_import_plan *plan, int p, uint64_t position) {
    const struct cnn_import_part *part = &plan->parts[p];
    int low = 0, high = part->n_shards; // first_of(low) <= position < first_of(high)
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (first_of(part, middle) <= position)
            low = middle;
        else
            high = middle;
    }
    return part->first_shard + low;
}

int cnn_import_plan_part(const struct cnn_import_plan *plan, int s) {
    int p = plan->n_parts - 1;
    while (p > 0 && plan->parts[p].first_shard > s)
        p--;
    return p;
}

uint64_t cnn_import_plan_records(const struct cnn_import_plan *plan, int s) {
    const struct cnn_import_part *part = &plan->parts[cnn_import_plan_part(plan, s)];
    int k = s - part->first_shard;
    return first_of(part, k + 1) - first_of(part, k);
}

// ---- making ----

static enum cnn_status add_text(struct cnn_bytes *out, const char *text) {
    return cnn_bytes_add(out, text, strlen(text));
}

static enum cnn_status CNN_PRINTF(2, 3) add_format(struct cnn_bytes *out, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return add_text(out, text);
}

// What the source is, and every option that changes what is stored of it.
static enum cnn_status describe(struct cnn_bytes *out, const struct cnn_import_source *source,
                                const struct cnn_import_options *options) {
    CNN_TRY(add_text(out, source->identity));
    if (options->check != CNN_CHECK_HEADER)
        CNN_TRY(add_text(out, options->check == CNN_CHECK_DECODE ? " check=decode" : " check=none"));
    if (options->max_side > 0)
        CNN_TRY(add_format(out, " max_side=%d", options->max_side));
    if (options->quality > 0)
        CNN_TRY(add_format(out, " quality=%d", options->quality));
    if (options->raw_h > 0)
        CNN_TRY(
            add_format(out, " raw=%dx%d%s", options->raw_h, options->raw_w, options->gray ? " gray" : ""));
    if (options->subset > 0)
        CNN_TRY(add_format(out, " subset=%" PRIu64, options->subset));
    if (options->split)
        CNN_TRY(add_format(out, " split=%s", options->split));
    if (options->split || options->subset > 0)
        CNN_TRY(add_format(out, " seed=%" PRIu64, options->seed));
    return cnn_bytes_add(out, "", 1);
}

static enum cnn_status copy_classes(struct cnn_import_plan *plan, const struct cnn_import_source *source) {
    plan->n_classes = source->n_classes;
    if (source->n_classes < 1 || source->n_classes > CNN_SHARD_MAX_CLASSES)
        return cnn_fail(CNN_ERR_INPUT, "%d classes; allowed: 1 to %d", source->n_classes,
                        CNN_SHARD_MAX_CLASSES);
    if (!source->classes)
        return CNN_OK;
    CNN_TRY(cnn_calloc(&plan->classes, (size_t)source->n_classes, sizeof *plan->classes));
    for (int i = 0; i < source->n_classes; i++) {
        const char *name = source->classes[i];
        if (strpbrk(name, "\t\r\n") || strlen(name) >= CNN_SHARD_MAX_NAME)
            return cnn_fail(
                CNN_ERR_INPUT,
                "'%.60s' is not a valid class name: it must not contain tabs or line ends and must be "
                "shorter than %d bytes",
                name, CNN_SHARD_MAX_NAME);
        CNN_TRY(cnn_utf8_escape(&plan->classes[i], name));
    }
    return CNN_OK;
}

static uint64_t bytes_of(const struct cnn_import_plan *plan, const struct cnn_import_source *source,
                         uint64_t records) {
    if (plan->pixels)
        return records * (uint64_t)plan->h * (uint64_t)plan->w * (uint64_t)plan->c;
    return (uint64_t)((double)source->bytes / (double)source->n * (double)records);
}

enum cnn_status cnn_import_plan_make(struct cnn_import_plan *out, const struct cnn_import_source *source,
                                     const struct cnn_selection *selection,
                                     const struct cnn_import_options *options) {
    *out = (struct cnn_import_plan){.out = options->out, .n_parts = selection->n_parts};
    out->pixels = source->pixels || options->raw_h > 0;
    if (out->pixels) {
        out->h = source->pixels ? source->h : options->raw_h;
        out->w = source->pixels ? source->w : options->raw_w;
        out->c = source->pixels ? source->c : options->gray ? 1 : 3;
    }
    CNN_TRY(copy_classes(out, source));
    struct cnn_bytes text = {0};
    enum cnn_status status = describe(&text, source, options);
    out->source = (char *)text.data;
    CNN_TRY(status);
    for (int p = 0; p < out->n_parts; p++) {
        struct cnn_import_part *part = &out->parts[p];
        memcpy(part->folder, selection->names[p], sizeof part->folder);
        part->records = selection->counts[p];
        part->first_shard = out->n_shards;
        CNN_TRY(name_part(part, options));
        CNN_TRY(cut(part, bytes_of(out, source, part->records), options));
        out->n_shards += part->n_shards;
    }
    return CNN_OK;
}

void cnn_import_plan_finish(struct cnn_import_plan *plan) {
    for (int i = 0; plan->classes && i < plan->n_classes; i++)
        free(plan->classes[i]);
    free(plan->classes);
    free(plan->source);
    *plan = (struct cnn_import_plan){0};
}

// ---- the text ----

enum cnn_status cnn_import_plan_text(struct cnn_bytes *out, const struct cnn_import_plan *plan) {
    CNN_TRY(add_format(out, FIRST_LINE "\npixels\t%d\t%d\t%d\t%d\nsource\t", plan->pixels, plan->h, plan->w,
                       plan->c));
    CNN_TRY(add_text(out, plan->source));
    CNN_TRY(add_format(out, "\nclasses\t%d\t%d\n", plan->n_classes, plan->classes != NULL));
    for (int p = 0; p < plan->n_parts; p++) {
        const struct cnn_import_part *part = &plan->parts[p];
        CNN_TRY(add_format(out, "part\t%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t%d\n", part->folder, part->name,
                           part->records, part->shard_records, part->n_shards));
    }
    for (int i = 0; plan->classes && i < plan->n_classes; i++) {
        CNN_TRY(add_text(out, "class\t"));
        CNN_TRY(add_text(out, plan->classes[i]));
        CNN_TRY(add_text(out, "\n"));
    }
    return cnn_bytes_add(out, "", 1);
}

static bool read_part(struct cnn_import_plan *plan, const char *line) {
    struct cnn_import_part *part = &plan->parts[plan->n_parts];
    const char *name = strchr(line, '\t'), *rest = name ? strchr(name + 1, '\t') : NULL;
    if (plan->n_parts == CNN_IMPORT_MAX_PARTS || !rest || (size_t)(name - line) >= sizeof part->folder ||
        (size_t)(rest - name) > sizeof part->name ||
        sscanf(rest, "\t%" SCNu64 "\t%" SCNu64 "\t%d", &part->records, &part->shard_records,
               &part->n_shards) != 3)
        return false;
    memcpy(part->folder, line, (size_t)(name - line));
    memcpy(part->name, name + 1, (size_t)(rest - name - 1));
    part->first_shard = plan->n_shards;
    plan->n_shards += part->n_shards;
    plan->n_parts++;
    return part->n_shards > 0 && part->n_shards <= CNN_SHARD_MAX_SHARDS;
}

static bool read_line(struct cnn_import_plan *plan, char *line, int *n_named) {
    int pixels, named;
    if (strncmp(line, "pixels\t", 7) == 0 &&
        sscanf(line + 7, "%d\t%d\t%d\t%d", &pixels, &plan->h, &plan->w, &plan->c) == 4) {
        plan->pixels = pixels;
        return true;
    }
    if (strncmp(line, "source\t", 7) == 0 && !plan->source)
        return cnn_strdup(&plan->source, line + 7) == CNN_OK;
    if (strncmp(line, "part\t", 5) == 0)
        return read_part(plan, line + 5);
    if (strncmp(line, "classes\t", 8) == 0 && sscanf(line + 8, "%d\t%d", &plan->n_classes, &named) == 2)
        return plan->n_classes > 0 && plan->n_classes <= CNN_SHARD_MAX_CLASSES && !plan->classes &&
               (!named ||
                cnn_calloc(&plan->classes, (size_t)plan->n_classes, sizeof *plan->classes) == CNN_OK);
    if (strncmp(line, "class\t", 6) == 0 && plan->classes && *n_named < plan->n_classes)
        return cnn_strdup(&plan->classes[(*n_named)++], line + 6) == CNN_OK;
    return false;
}

static enum cnn_status parse(struct cnn_import_plan *out, char *text, const char *path) {
    char *rest = NULL;
    int n_named = 0;
    char *line = strtok_r(text, "\n", &rest);
    bool fine = line && strcmp(line, FIRST_LINE) == 0;
    while (fine && (line = strtok_r(NULL, "\n", &rest)))
        fine = read_line(out, line, &n_named);
    if (!fine || !out->source || out->n_parts == 0 || (out->classes && n_named != out->n_classes))
        return cnn_fail(CNN_ERR_INPUT, "%s is damaged or was written by another version; remove its folder",
                        path);
    return CNN_OK;
}

enum cnn_status cnn_import_plan_read(struct cnn_import_plan *out, const char *folder) {
    char path[4096], *text;
    size_t bytes;
    *out = (struct cnn_import_plan){.out = folder};
    CNN_TRY(cnn_path_format(path, sizeof path, "%s/" CNN_IMPORT_WORK "/plan", folder));
    CNN_TRY(cnn_file_read(&text, &bytes, path, MAX_PLAN_BYTES));
    enum cnn_status status = parse(out, text, path);
    free(text);
    return status;
}
