#include "data/import/import.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "data/import/work.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_PLAN_BYTES ((size_t)1 << 30)

static enum cnn_status work_file(char out[4096], const char *folder, const char *name) {
    return cnn_path_format(out, 4096, "%s/" CNN_IMPORT_WORK "%s%s", folder, *name ? "/" : "", name);
}

enum cnn_status cnn_import_own(struct cnn_owner **out, const char *folder, int rank) {
    char work[4096], name[32] = "owner";
    CNN_TRY(work_file(work, folder, ""));
    if (rank > 0)
        snprintf(name, sizeof name, "owner-%d", rank);
    struct cnn_owner_options options = {.folder = work,
                                        .name = name,
                                        .what = "import folder",
                                        .advice = "wait for that import to end, or stop it"};
    CNN_TRY(cnn_owner_take(out, &options));
    if (cnn_owner_taken_from(*out))
        cnn_log_warn("took over import folder %s from %s", work, cnn_owner_taken_from(*out));
    return CNN_OK;
}

// Shards without a plan would be taken for those of the next import, so the plan goes after them.
void cnn_import_clear_work(const char *folder) {
    char path[4096], file[8192];
    if (work_file(path, folder, "") != CNN_OK)
        return;
    DIR *entries = opendir(path);
    if (!entries)
        return;
    for (struct dirent *entry; (entry = readdir(entries));)
        if (strcmp(entry->d_name, "plan") != 0 && strcmp(entry->d_name, "done") != 0 &&
            strcmp(entry->d_name, "owner") != 0 &&
            cnn_path_format(file, sizeof file, "%s/%s", path, entry->d_name) == CNN_OK)
            unlink(file); // not "." and "..", which are folders
    closedir(entries);
    if (work_file(file, folder, "plan") == CNN_OK)
        unlink(file);
    if (work_file(file, folder, "done") == CNN_OK)
        unlink(file);
    if (work_file(file, folder, "owner") == CNN_OK)
        unlink(file);
    rmdir(path);
}

bool cnn_import_is_begun(const struct cnn_import_options *options) {
    char path[4096];
    return options->out && work_file(path, options->out, "plan") == CNN_OK && cnn_file_exists(path);
}

void cnn_import_abandon(const struct cnn_import_options *options) {
    struct cnn_owner *owner = NULL;
    struct cnn_error why;
    char work[4096];
    if (work_file(work, options->out, "") != CNN_OK || !cnn_folder_exists(work))
        return;
    cnn_error_take(&why, CNN_ERR_INPUT);
    if (cnn_import_own(&owner, options->out, 0) == CNN_OK)
        cnn_import_clear_work(options->out);
    cnn_owner_release(owner);
    (void)cnn_error_give(&why);
}

// ---- a half-made one ----

// "source" and so on of the first line in which two plans differ.
static size_t first_difference(const char *a, const char *b) {
    size_t line = 0;
    for (size_t i = 0; a[i] == b[i] && a[i]; i++)
        if (a[i] == '\n')
            line = i + 1;
    return line;
}

static enum cnn_status compare_begun(const struct cnn_import_plan *plan, const char *path,
                                     const char *wanted) {
    char *found;
    size_t bytes;
    CNN_TRY(cnn_file_read(&found, &bytes, path, MAX_PLAN_BYTES));
    enum cnn_status status = CNN_OK;
    if (strcmp(found, wanted) != 0) {
        size_t at = first_difference(found, wanted);
        int there = (int)strcspn(found + at, "\n"), here = (int)strcspn(wanted + at, "\n");
        status = cnn_fail(
            CNN_ERR_INPUT,
            "%s contains another unfinished import ('%.*s', now '%.*s'); finish it with its own command, or "
            "remove the folder",
            plan->out, there < 200 ? there : 200, found + at, here < 200 ? here : 200, wanted + at);
    }
    free(found);
    return status;
}

// ---- a finished one ----

static bool is_part_folder(const struct cnn_import_plan *plan, const char *name) {
    for (int p = 0; p < plan->n_parts; p++)
        if (strcmp(plan->parts[p].folder, name) == 0)
            return true;
    return false;
}

// One of the shards of part p, by its name.
static bool is_shard_of(const struct cnn_import_part *part, const char *name) {
    char expected[512];
    int shard;
    size_t prefix = strlen(part->name);
    if (strncmp(name, part->name, prefix) != 0 || sscanf(name + prefix, "-%5d-of-", &shard) != 1)
        return false;
    snprintf(expected, sizeof expected, "%s-%05d-of-%05d.h5", part->name, shard, part->n_shards);
    return strcmp(name, expected) == 0;
}

static enum cnn_status check_names(const struct cnn_import_plan *plan, const char *folder, int p,
                                   size_t *out_shards) {
    char **names;
    size_t n;
    enum cnn_status status = CNN_OK;
    CNN_TRY(cnn_folder_list(&names, &n, folder, "", ""));
    *out_shards = 0;
    for (size_t i = 0; i < n && status == CNN_OK; i++) {
        bool shard = p >= 0 && is_shard_of(&plan->parts[p], names[i]);
        *out_shards += shard;
        if (!shard && strcmp(names[i], CNN_IMPORT_QUARANTINE) != 0 &&
            (p >= 0 || !is_part_folder(plan, names[i])))
            status = cnn_fail(CNN_ERR_INPUT,
                              "%s already contains something else: %s; choose another --out or remove it",
                              folder, names[i]);
    }
    cnn_names_free(names, n);
    return status;
}

static bool same_classes(const struct cnn_import_plan *plan, const struct cnn_shard *shard) {
    for (int label = 0; label < plan->n_classes; label++) {
        const char *name = cnn_shard_class_name(shard, label);
        if (plan->classes ? !name || strcmp(name, plan->classes[label]) != 0 : name != NULL)
            return false;
    }
    return true;
}

// Is the shard what this import would write there?
static enum cnn_status check_shard(const struct cnn_import_plan *plan, int s, uint64_t *out_records) {
    char path[4096];
    struct cnn_shard *shard;
    CNN_TRY(cnn_import_shard_path(path, plan, s));
    enum cnn_status status = cnn_shard_open(&shard, path);
    if (status != CNN_OK)
        return cnn_fail_in(status, "%s contains a file that cannot be used; remove it", plan->out);
    const struct cnn_shard_header *found = cnn_shard_header(shard);
    if (found->n_classes != plan->n_classes || !same_classes(plan, shard))
        status = cnn_fail(CNN_ERR_INPUT,
                          "%s belongs to another dataset: its classes or their order differ; choose another "
                          "--out or remove it",
                          path);
    else if (!found->source || strcmp(found->source, plan->source) != 0)
        status = cnn_fail(CNN_ERR_INPUT,
                          "%s belongs to another dataset (%s; now %s); choose another --out or remove it",
                          path, found->source ? found->source : "unknown source", plan->source);
    *out_records += cnn_shard_count(shard);
    cnn_shard_close(shard);
    return status;
}

enum cnn_status cnn_import_count(struct cnn_import_result *out, const struct cnn_import_plan *plan) {
    struct cnn_import_result result = {.ignored = out->ignored,
                                       .begun = out->begun,
                                       .n_classes = plan->n_classes,
                                       .n_shards = plan->n_shards};
    char path[4096];
    for (int s = 0; s < plan->n_shards; s++)
        CNN_TRY(check_shard(plan, s, &result.records));
    CNN_TRY(cnn_path_format(path, sizeof path, "%s/" CNN_IMPORT_QUARANTINE, plan->out));
    CNN_TRY(cnn_import_count_quarantined(&result, path));
    *out = result;
    return CNN_OK;
}

// Nothing of an import is in OUT/.import: either OUT is empty, or all is there.
static enum cnn_status look_at_finished(enum cnn_import_state *out, const struct cnn_import_plan *plan) {
    size_t found = 0, all = 0;
    uint64_t records = 0;
    char folder[4096];
    bool parts = plan->parts[0].folder[0] != '\0';
    if (parts)
        CNN_TRY(check_names(plan, plan->out, -1, &found));
    for (int p = 0; p < plan->n_parts; p++) {
        CNN_TRY(cnn_import_part_folder(folder, plan, p));
        if (!cnn_folder_exists(folder))
            continue;
        CNN_TRY(check_names(plan, folder, p, &found));
        all += found;
    }
    *out = all == 0 ? CNN_IMPORT_NEW : CNN_IMPORT_THERE;
    if (all == 0)
        return CNN_OK;
    CNN_TRY(check_shard(plan, 0, &records)); // says what is wrong where it is another dataset's
    if (all != (size_t)plan->n_shards)
        return cnn_fail(CNN_ERR_INPUT, "%s contains %zu of %d shards, and the rest cannot be made; remove it",
                        plan->out, all, plan->n_shards);
    return CNN_OK;
}

static enum cnn_status begin(enum cnn_import_state *out, struct cnn_owner **owner,
                             const struct cnn_import_plan *plan, int rank, const char *path,
                             const char *text) {
    char work[4096];
    CNN_TRY(work_file(work, plan->out, ""));
    CNN_TRY(cnn_folder_create(work));
    CNN_TRY(cnn_import_own(owner, plan->out, rank));
    if (cnn_file_exists(path)) { // of another process that began at the same time
        *out = CNN_IMPORT_BEGUN;
        return compare_begun(plan, path, text);
    }
    return cnn_file_replace(path, text, strlen(text));
}

static enum cnn_status prepare(enum cnn_import_state *out, struct cnn_owner **owner,
                               const struct cnn_import_plan *plan, int rank, const char *text) {
    char path[4096];
    CNN_TRY(work_file(path, plan->out, "plan"));
    *out = CNN_IMPORT_BEGUN;
    if (cnn_file_exists(path)) {
        CNN_TRY(compare_begun(plan, path, text));
        return cnn_import_own(owner, plan->out, rank);
    }
    *out = CNN_IMPORT_NEW;
    if (cnn_folder_exists(plan->out))
        CNN_TRY(look_at_finished(out, plan));
    if (*out == CNN_IMPORT_NEW)
        return begin(out, owner, plan, rank, path, text);
    cnn_import_clear_work(plan->out); // it may have been cut off while it cleared up
    return CNN_OK;
}

enum cnn_status cnn_import_prepare(enum cnn_import_state *out, bool *made_out, struct cnn_owner **owner,
                                   const struct cnn_import_plan *plan, int rank) {
    struct cnn_bytes text = {0};
    *owner = NULL;
    *made_out = !cnn_folder_exists(plan->out);
    enum cnn_status status = cnn_import_plan_text(&text, plan);
    if (status == CNN_OK)
        status = prepare(out, owner, plan, rank, (const char *)text.data);
    free(text.data);
    return status;
}
