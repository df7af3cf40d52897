// The first half of an import: this process's share of the shards, one by one, and for a process alone the
// second half as well.
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/import/import.h"
#include "data/import/numbering.h"
#include "data/import/pool.h"
#include "data/import/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct run {
    struct cnn_owner *owner; // of OUT/.import
    const struct cnn_import_source *source;
    const struct cnn_import_options *options;
    struct cnn_selection selection;
    struct cnn_import_plan plan;
    bool *skipped;                                    // shards: somebody else's, or made already
    struct cnn_work_shard open[CNN_IMPORT_MAX_PARTS]; // the shard of each part that is being made
    int open_number[CNN_IMPORT_MAX_PARTS];
    struct cnn_import_progress progress;
    struct cnn_import_result result;
};

// ---- which shards ----

// Facts of a shard that an earlier run has made.
static enum cnn_status count_made(struct run *run, int s) {
    struct cnn_work_index index;
    enum cnn_status status = cnn_work_read(&index, run->plan.out, s);
    if (status == CNN_OK) {
        run->result.records += index.facts.n;
        run->result.quarantined += index.facts.n_rejected;
    }
    cnn_work_index_finish(&index);
    return status;
}

static enum cnn_status choose_shards(struct run *run) {
    const struct cnn_import_options *options = run->options;
    int size = options->size > 0 ? options->size : 1;
    CNN_TRY(cnn_calloc(&run->skipped, (size_t)run->plan.n_shards, sizeof *run->skipped));
    for (int s = 0; s < run->plan.n_shards; s++) {
        char path[4096];
        CNN_TRY(cnn_import_work_path(path, options->out, s, "index"));
        bool mine = s % size == options->rank, made = cnn_file_exists(path);
        run->skipped[s] = !mine || made;
        if (mine && made)
            CNN_TRY(count_made(run, s));
        if (mine && !made)
            run->progress.total += cnn_import_plan_records(&run->plan, s);
    }
    return CNN_OK;
}

// ---- making them ----

static enum cnn_status complete(struct run *run, int p) {
    struct cnn_work_shard *shard = &run->open[p];
    if (run->open_number[p] < 0)
        return CNN_OK;
    enum cnn_status status = cnn_work_complete(shard);
    run->result.records += shard->facts.n;
    run->result.quarantined += shard->facts.n_rejected;
    cnn_work_close(shard);
    run->open_number[p] = -1;
    return status;
}

static enum cnn_status shard_for(struct run *run, int s, struct cnn_work_shard **out) {
    int p = cnn_import_plan_part(&run->plan, s);
    *out = &run->open[p];
    if (run->open_number[p] == s)
        return CNN_OK;
    CNN_TRY(complete(run, p));
    CNN_TRY(cnn_work_begin(&run->open[p], run->options->out, s));
    run->open_number[p] = s;
    return CNN_OK;
}

static enum cnn_status store(struct run *run, const struct cnn_pool_record *record) {
    const struct cnn_import_source *source = run->source;
    struct cnn_work_shard *shard;
    CNN_TRY(shard_for(run, record->shard, &shard));
    run->progress.done++;
    if (record->data) {
        run->progress.bytes += record->bytes;
        return cnn_work_add(shard, record->data, record->bytes, cnn_import_label(source, record->i),
                            source->first_id + record->i, record->crc32c, &record->info);
    }
    char number[32];
    const char *path = source->path ? source->path(source->context, record->i) : number;
    snprintf(number, sizeof number, "record %llu", (unsigned long long)record->i);
    if (run->options->strict)
        return cnn_fail(CNN_ERR_INPUT, "%s: %s (--strict)", path, record->reason);
    run->progress.quarantined++;
    return cnn_work_reject(shard, path, record->reason);
}

static enum cnn_status make_shards(struct run *run) {
    struct cnn_pool *pool;
    bool end = false;
    CNN_TRY(cnn_pool_create(&pool, run->source, &run->selection, &run->plan, run->skipped, run->options));
    enum cnn_status status = CNN_OK;
    while (status == CNN_OK && !end) {
        struct cnn_pool_record record;
        status = cnn_pool_next(pool, &record, &end);
        if (status == CNN_OK && !end)
            status = store(run, &record);
        if (status == CNN_OK && run->options->progress)
            run->options->progress(run->options->context, &run->progress);
    }
    cnn_pool_destroy(pool);
    for (int p = 0; p < run->plan.n_parts && status == CNN_OK; p++)
        status = complete(run, p);
    return status;
}

// ---- all of it ----

static enum cnn_status make_or_go_on(struct run *run) {
    run->result.n_classes = run->plan.n_classes;
    run->result.n_shards = run->plan.n_shards;
    CNN_TRY(choose_shards(run));
    run->result.begun = true;
    if (run->progress.total > 0)
        CNN_TRY(make_shards(run));
    if (run->options->size > 1)
        return CNN_OK;
    CNN_TRY(cnn_import_put_in_place(&run->plan));
    return cnn_error_after_changes(cnn_import_count(&run->result, &run->plan));
}

static enum cnn_status import_planned(struct run *run) {
    enum cnn_import_state state;
    bool made_out;
    CNN_TRY(cnn_import_prepare(&state, &made_out, &run->owner, &run->plan, run->options->rank));
    if (state == CNN_IMPORT_THERE) {
        run->result.was_there = true;
        CNN_TRY(cnn_import_count(&run->result, &run->plan));
        run->result.was_there = true;
        return CNN_OK;
    }
    enum cnn_status status = make_or_go_on(run);
    if (status != CNN_OK && !cnn_owner_holds(run->owner))
        return status;          // what is in the folder is another import's
    if (run->options->size > 1) // the caller decides, who knows of the others
        return status;
    if (state == CNN_IMPORT_BEGUN) // by an earlier one, whose half may be larger now
        return run->result.begun ? cnn_error_after_changes(status) : status;
    if (status == CNN_ERR_INPUT || status == CNN_ERR_UNSUPPORTED) { // then nothing shall be changed
        cnn_import_clear_work(run->options->out);
        cnn_owner_release(run->owner);
        run->owner = NULL;
        if (made_out)
            rmdir(run->options->out);
    }
    return status;
}

static enum cnn_status check_options(const struct cnn_import_options *options) {
    if (!options->out || !*options->out)
        return cnn_fail(CNN_ERR_INPUT, "missing output folder");
    if (options->shard_records > 0 && options->shard_bytes > 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "--shard-records and --shard-mib exclude each other; give one of them");
    if (options->raw_h > 0 && (options->max_side > 0 || options->quality > 0))
        return cnn_fail(CNN_ERR_INPUT, "--max-side and --quality cannot be used with --raw");
    if (options->classes && options->classes_of)
        return cnn_fail(CNN_ERR_INPUT, "--classes and --classes-of exclude each other; give one of them");
    if (options->gray && options->raw_h == 0)
        return cnn_fail(CNN_ERR_INPUT, "--gray requires --raw");
    return CNN_OK;
}

enum cnn_status cnn_import_run(struct cnn_import_result *out, const struct cnn_import_source *source,
                               const struct cnn_import_options *options) {
    struct cnn_import_source numbered = *source;
    struct cnn_numbering numbering = {0};
    struct run run = {.source = &numbered, .options = options};
    for (int p = 0; p < CNN_IMPORT_MAX_PARTS; p++)
        run.open_number[p] = -1;
    enum cnn_status status = check_options(options);
    if (status == CNN_OK && options->classes_of)
        status = cnn_numbering_take(&numbering, &numbered, options->classes_of, options->rank == 0);
    if (status == CNN_OK)
        status = cnn_selection_make(&run.selection, &numbered, options);
    if (status == CNN_OK)
        status = cnn_import_plan_make(&run.plan, &numbered, &run.selection, options);
    if (status == CNN_OK)
        status = import_planned(&run);
    // Whatever failed in a folder that another import took over failed because of that.
    enum cnn_status lost = status == CNN_OK ? CNN_OK : cnn_owner_check(run.owner);
    status = lost == CNN_OK ? status : lost;
    cnn_owner_release(run.owner);
    for (int p = 0; p < CNN_IMPORT_MAX_PARTS; p++)
        cnn_work_close(&run.open[p]);
    free(run.skipped);
    cnn_import_plan_finish(&run.plan);
    cnn_selection_finish(&run.selection);
    cnn_numbering_finish(&numbering);
    run.result.ignored = source->ignored;
    if (status == CNN_OK)
        *out = run.result;
    else
        out->begun = run.result.begun;
    return status;
}
