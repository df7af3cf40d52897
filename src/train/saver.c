#include "train/saver.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define FIRST_RETRY_S 2.0
#define MOST_RETRY_S 60.0

enum phase { IDLE, WRITING, ENDED, LEAVING };

struct cnn_saver {
    char folder[4096];
    char *config, *class_names, *version;
    int keep;
    void (*on_progress)(void *context);
    void *context;
    struct cnn_snapshot *snapshot;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum phase phase;
    struct cnn_run_record record; // the thread's while WRITING
    struct cnn_save_result result;
    bool best;                       // the save that is WRITING or `failed` is of the best one so far
    bool failed;                     // the last save; its snapshot is still there
    double retry_at_s, retry_wait_s; // on cnn_clock_s
    struct cnn_best on_disk, newest; // best checkpoints: on disk; and with the one that is being saved
};

static void advance(struct cnn_saver *saver) {
    if (saver->on_progress)
        saver->on_progress(saver->context);
}

static enum cnn_status write_all(struct cnn_saver *saver, struct cnn_save_result *result) {
    const struct cnn_run_state *state = &saver->record.state;
    struct cnn_checkpoint_texts texts = {saver->config, saver->class_names, saver->version};
    char path[4096 + CNN_STORE_NAME_BYTES];
    struct stat info;
    CNN_TRY(cnn_store_path(path, sizeof path, saver->folder, state->step));
    CNN_TRY(cnn_checkpoint_write(path, saver->snapshot, &saver->record, &texts));
    advance(saver);
    CNN_TRY(cnn_store_point(saver->folder, "latest", state->step));
    advance(saver);
    if (result->best)
        CNN_TRY(cnn_store_point(saver->folder, "best", state->step));
    advance(saver);
    int64_t best_step = result->best ? state->step : saver->on_disk.step;
    if (cnn_store_prune(saver->folder, saver->keep, best_step) != CNN_OK)
        cnn_log_warn("old checkpoints stay: %s", cnn_error_message());
    result->bytes = stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
    return CNN_OK;
}

static void save(struct cnn_saver *saver) {
    const struct cnn_run_state *state = &saver->record.state;
    struct cnn_save_result *result = &saver->result;
    double start_s = cnn_clock_s();
    *result = (struct cnn_save_result){
        .step = state->step,
        .epoch = state->epoch + (state->position > 0),
        .best = saver->best,
    };
    cnn_store_name(result->file, state->step);
    enum cnn_status status = write_all(saver, result);
    if (status != CNN_OK)
        cnn_error_take(&result->error, status);
    result->seconds = cnn_clock_s() - start_s;
}

// What follows from how it ended. Under the lock.
static void settle(struct cnn_saver *saver) {
    struct cnn_save_result *result = &saver->result;
    saver->failed = result->error.status != CNN_OK && result->error.status != CNN_ERR_FAILED;
    if (saver->failed) {
        double wait_s = saver->retry_wait_s;
        result->retry_s = wait_s;
        saver->retry_at_s = cnn_clock_s() + wait_s;
        saver->retry_wait_s = wait_s * 2 < MOST_RETRY_S ? wait_s * 2 : MOST_RETRY_S;
    } else if (result->error.status == CNN_OK && saver->best) {
        saver->on_disk = saver->newest;
    }
    saver->phase = ENDED;
    pthread_cond_broadcast(&saver->changed);
}

// Until there is something to do, or a failed save is to be tried again.
static void wait_for_work(struct cnn_saver *saver) {
    if (saver->phase != IDLE || !saver->failed) {
        pthread_cond_wait(&saver->changed, &saver->lock);
        return;
    }
    double wait_s = saver->retry_at_s - cnn_clock_s();
    if (wait_s <= 0) {
        saver->phase = WRITING;
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    double end_s = (double)until.tv_sec + 1e-9 * (double)until.tv_nsec + wait_s;
    until.tv_sec = (time_t)end_s;
    until.tv_nsec = (long)((end_s - (double)until.tv_sec) * 1e9);
    pthread_cond_timedwait(&saver->changed, &saver->lock, &until);
}

static void *run(void *context) {
    struct cnn_saver *saver = context;
    pthread_mutex_lock(&saver->lock);
    while (saver->phase != LEAVING) {
        if (saver->phase != WRITING) {
            wait_for_work(saver);
            continue;
        }
        pthread_mutex_unlock(&saver->lock);
        save(saver);
        pthread_mutex_lock(&saver->lock);
        settle(saver);
    }
    pthread_mutex_unlock(&saver->lock);
    return NULL;
}

static void wait_while_writing(struct cnn_saver *saver) {
    while (saver->phase == WRITING)
        pthread_cond_wait(&saver->changed, &saver->lock);
}

enum cnn_status cnn_saver_create(struct cnn_saver **out, const struct cnn_saver_options *options) {
    struct cnn_saver *saver = NULL;
    CNN_TRY(cnn_calloc(&saver, 1, sizeof *saver));
    pthread_mutex_init(&saver->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&saver->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    saver->keep = options->keep;
    saver->on_progress = options->on_progress;
    saver->context = options->context;
    saver->on_disk = saver->newest = options->best;
    enum cnn_status status = cnn_path_format(saver->folder, sizeof saver->folder, "%s", options->folder);
    if (status == CNN_OK)
        status = cnn_strdup(&saver->config, options->texts.config);
    if (status == CNN_OK)
        status = cnn_strdup(&saver->class_names, options->texts.class_names);
    if (status == CNN_OK)
        status = cnn_strdup(&saver->version, options->texts.version);
    if (status == CNN_OK)
        status = cnn_snapshot_create(&saver->snapshot, options->model, true);
    if (status == CNN_OK && pthread_create(&saver->thread, NULL, run, saver) != 0)
        status = cnn_fail(CNN_ERR_FAILED, "cannot start the checkpoint thread");
    saver->has_thread = status == CNN_OK;
    if (status != CNN_OK) {
        cnn_saver_destroy(saver);
        return status;
    }
    *out = saver;
    return CNN_OK;
}

void cnn_saver_destroy(struct cnn_saver *saver) {
    if (!saver)
        return;
    if (saver->has_thread) {
        pthread_mutex_lock(&saver->lock);
        wait_while_writing(saver);
        saver->phase = LEAVING;
        pthread_cond_broadcast(&saver->changed);
        pthread_mutex_unlock(&saver->lock);
        pthread_join(saver->thread, NULL);
    }
    cnn_snapshot_destroy(saver->snapshot);
    free(saver->config);
    free(saver->class_names);
    free(saver->version);
    pthread_cond_destroy(&saver->changed);
    pthread_mutex_destroy(&saver->lock);
    free(saver);
}

struct cnn_snapshot *cnn_saver_snapshot(struct cnn_saver *saver) {
    pthread_mutex_lock(&saver->lock);
    wait_while_writing(saver);
    if (saver->failed && saver->best)
        saver->newest = saver->on_disk;
    saver->failed = false;
    pthread_mutex_unlock(&saver->lock);
    return saver->snapshot;
}

void cnn_saver_start(struct cnn_saver *saver, const struct cnn_run_record *record, bool best) {
    pthread_mutex_lock(&saver->lock);
    wait_while_writing(saver);
    saver->record = *record;
    saver->best = best;
    if (best)
        saver->newest = (struct cnn_best){record->state.step, record->state.evaluated_top1};
    saver->failed = false;
    saver->retry_wait_s = FIRST_RETRY_S;
    saver->phase = WRITING;
    pthread_cond_broadcast(&saver->changed);
    pthread_mutex_unlock(&saver->lock);
}

bool cnn_saver_has_failed(struct cnn_saver *saver, bool only_best) {
    pthread_mutex_lock(&saver->lock);
    bool failed = saver->failed && (saver->best || !only_best);
    pthread_mutex_unlock(&saver->lock);
    return failed;
}

bool cnn_saver_retry(struct cnn_saver *saver) {
    pthread_mutex_lock(&saver->lock);
    bool again = saver->failed && saver->phase == IDLE;
    if (again)
        saver->phase = WRITING;
    again = again || saver->phase != IDLE; // the thread was faster
    pthread_cond_broadcast(&saver->changed);
    pthread_mutex_unlock(&saver->lock);
    return again;
}

struct cnn_best cnn_saver_best(struct cnn_saver *saver) {
    pthread_mutex_lock(&saver->lock);
    struct cnn_best best = saver->on_disk;
    pthread_mutex_unlock(&saver->lock);
    return best;
}

bool cnn_saver_is_better(struct cnn_saver *saver, double top1) {
    pthread_mutex_lock(&saver->lock);
    bool better = saver->newest.step < 0 || top1 > saver->newest.top1;
    pthread_mutex_unlock(&saver->lock);
    return better;
}

bool cnn_saver_collect(struct cnn_saver *saver, bool wait, struct cnn_save_result *out) {
    pthread_mutex_lock(&saver->lock);
    if (wait)
        wait_while_writing(saver);
    bool ended = saver->phase == ENDED;
    if (ended) {
        *out = saver->result;
        saver->phase = IDLE;
    }
    pthread_mutex_unlock(&saver->lock);
    return ended;
}
