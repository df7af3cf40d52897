#include "data/picture_loader.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE_BYTES ((size_t)1 << 30)

// Batch b is made in slot b % n_slots, once batch b - n_slots is over.
struct slot {
    struct cnn_picture_batch batch;
    uint8_t *pixels;
    char **reasons;
    int done; // files, failed ones included
};

struct worker {
    struct cnn_picture_loader *loader;
    pthread_t thread;
    struct cnn_image_scratch scratch;
};

struct cnn_picture_loader {
    struct cnn_picture_loader_options options;
    size_t row_bytes;
    struct slot *slots;
    size_t n_slots;
    struct worker *workers;
    int n_workers; // those that were started
    bool held;     // the caller has batch `over`

    pthread_mutex_t lock;
    pthread_cond_t to_caller, to_workers;
    // Under the lock.
    size_t next;            // file to take
    size_t over;            // batches that are over
    struct cnn_error error; // ends the loader
    bool quit;
};

static int batch_rows(const struct cnn_picture_loader *loader, size_t batch) {
    const size_t rows = (size_t)loader->options.batch, left = loader->options.n - batch * rows;
    return (int)(left < rows ? left : rows);
}

// Waits for room; false at the end.
static bool take_file(struct cnn_picture_loader *loader, size_t *out) {
    const size_t rows = (size_t)loader->options.batch;
    pthread_mutex_lock(&loader->lock);
    while (!loader->quit && loader->next < loader->options.n &&
           loader->next / rows >= loader->over + loader->n_slots)
        pthread_cond_wait(&loader->to_workers, &loader->lock);
    const bool found = !loader->quit && loader->next < loader->options.n;
    if (found)
        *out = loader->next++;
    pthread_mutex_unlock(&loader->lock);
    return found;
}

static enum cnn_status load(struct worker *worker, uint8_t *row, const char *path) {
    const struct cnn_picture_loader_options *options = &worker->loader->options;
    char *data = NULL;
    size_t bytes;
    CNN_TRY(cnn_file_read(&data, &bytes, path, MAX_FILE_BYTES));
    const enum cnn_status status =
        cnn_policy_apply(options->policy, row, options->channels, data, bytes, NULL,
                         cnn_draws_of(0, CNN_PURPOSE_AUGMENT, 0, 0), &worker->scratch);
    free(data);
    return status == CNN_OK ? CNN_OK : cnn_fail_in(status, "%s", path);
}

// The reason a file cannot be used becomes the row's; *out is CNN_ERR_MEMORY where there is no memory.
static char *reason_of(enum cnn_status *status) {
    char *reason = NULL;
    if (*status == CNN_OK || *status == CNN_ERR_MEMORY)
        return NULL;
    *status = cnn_strdup(&reason, cnn_error_message());
    return reason;
}

static void finish_file(struct cnn_picture_loader *loader, size_t i, char *reason, enum cnn_status status) {
    const size_t rows = (size_t)loader->options.batch;
    struct slot *slot = &loader->slots[i / rows % loader->n_slots];
    pthread_mutex_lock(&loader->lock);
    slot->reasons[i % rows] = reason;
    slot->batch.n_bad += reason != NULL;
    slot->done++;
    if (status != CNN_OK && loader->error.status == CNN_OK)
        cnn_error_take(&loader->error, status);
    if (status != CNN_OK || slot->done == batch_rows(loader, i / rows))
        pthread_cond_signal(&loader->to_caller);
    pthread_mutex_unlock(&loader->lock);
}

static void *work(void *argument) {
    struct worker *worker = argument;
    struct cnn_picture_loader *loader = worker->loader;
    const size_t rows = (size_t)loader->options.batch;
    for (size_t i; take_file(loader, &i);) {
        const struct slot *slot = &loader->slots[i / rows % loader->n_slots];
        uint8_t *row = slot->pixels + i % rows * loader->row_bytes;
        enum cnn_status status = load(worker, row, loader->options.paths[i]);
        if (status != CNN_OK)
            memset(row, 0, loader->row_bytes);
        char *reason = reason_of(&status);
        finish_file(loader, i, reason, status);
    }
    return NULL;
}

// ---- the caller's side ----

static void end_batch(struct cnn_picture_loader *loader) {
    struct slot *slot = &loader->slots[loader->over % loader->n_slots];
    for (int i = 0; i < loader->options.batch; i++) {
        free(slot->reasons[i]);
        slot->reasons[i] = NULL;
    }
    pthread_mutex_lock(&loader->lock);
    slot->done = 0;
    slot->batch.n_bad = 0;
    loader->over++;
    pthread_cond_broadcast(&loader->to_workers);
    pthread_mutex_unlock(&loader->lock);
    loader->held = false;
}

enum cnn_status cnn_picture_loader_next(struct cnn_picture_loader *loader,
                                        const struct cnn_picture_batch **out) {
    *out = NULL;
    if (loader->held)
        end_batch(loader);
    const size_t first = loader->over * (size_t)loader->options.batch;
    if (first >= loader->options.n)
        return CNN_OK;
    struct slot *slot = &loader->slots[loader->over % loader->n_slots];
    const int n = batch_rows(loader, loader->over);
    pthread_mutex_lock(&loader->lock);
    while (slot->done < n && loader->error.status == CNN_OK)
        pthread_cond_wait(&loader->to_caller, &loader->lock);
    pthread_mutex_unlock(&loader->lock);
    if (loader->error.status != CNN_OK)
        return cnn_error_give(&loader->error);
    slot->batch.first = first;
    slot->batch.n = n;
    loader->held = true;
    *out = &slot->batch;
    return CNN_OK;
}

static enum cnn_status create_slots(struct cnn_picture_loader *loader) {
    const struct cnn_picture_loader_options *options = &loader->options;
    int h, w;
    cnn_policy_output(options->policy, &h, &w);
    CNN_TRY(cnn_multiply(&loader->row_bytes, (size_t)h * (size_t)options->channels, (size_t)w));
    CNN_TRY(cnn_calloc(&loader->slots, (size_t)options->ahead + 1, sizeof *loader->slots));
    loader->n_slots = (size_t)options->ahead + 1;
    for (size_t i = 0; i < loader->n_slots; i++) {
        struct slot *slot = &loader->slots[i];
        CNN_TRY(cnn_calloc(&slot->pixels, (size_t)options->batch, loader->row_bytes));
        CNN_TRY(cnn_calloc(&slot->reasons, (size_t)options->batch, sizeof *slot->reasons));
        slot->batch.pixels = slot->pixels;
        slot->batch.reasons = slot->reasons;
    }
    return CNN_OK;
}

static enum cnn_status start_threads(struct cnn_picture_loader *loader) {
    const size_t wanted = (size_t)loader->options.threads, files = loader->options.n;
    const int threads = (int)(wanted < files ? wanted : files);
    sigset_t all, before;
    CNN_TRY(cnn_calloc(&loader->workers, (size_t)threads, sizeof *loader->workers));
    sigfillset(&all); // signals are for the caller's thread
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = 0;
    while (loader->n_workers < threads && error == 0) {
        struct worker *worker = &loader->workers[loader->n_workers];
        worker->loader = loader;
        error = pthread_create(&worker->thread, NULL, work, worker);
        loader->n_workers += error == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return cnn_fail(CNN_ERR_MEMORY, "cannot start thread %d of %d: %s", loader->n_workers + 1, threads,
                        strerror(error));
    return CNN_OK;
}

enum cnn_status cnn_picture_loader_create(struct cnn_picture_loader **out,
                                          const struct cnn_picture_loader_options *options) {
    struct cnn_picture_loader *loader = NULL;
    CNN_TRY(cnn_calloc(&loader, 1, sizeof *loader));
    loader->options = *options;
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->to_caller, NULL);
    pthread_cond_init(&loader->to_workers, NULL);
    enum cnn_status status = create_slots(loader);
    if (status == CNN_OK)
        status = start_threads(loader);
    if (status != CNN_OK) {
        cnn_picture_loader_destroy(loader);
        return status;
    }
    *out = loader;
    return CNN_OK;
}

void cnn_picture_loader_destroy(struct cnn_picture_loader *loader) {
    if (!loader)
        return;
    pthread_mutex_lock(&loader->lock);
    loader->quit = true;
    pthread_cond_broadcast(&loader->to_workers);
    pthread_mutex_unlock(&loader->lock);
    for (int i = 0; i < loader->n_workers; i++) {
        pthread_join(loader->workers[i].thread, NULL);
        cnn_image_scratch_finish(&loader->workers[i].scratch);
    }
    for (size_t i = 0; i < loader->n_slots; i++) {
        for (int row = 0; loader->slots[i].reasons && row < loader->options.batch; row++)
            free(loader->slots[i].reasons[row]);
        free(loader->slots[i].reasons);
        free(loader->slots[i].pixels);
    }
    free(loader->slots);
    free(loader->workers);
    pthread_cond_destroy(&loader->to_workers);
    pthread_cond_destroy(&loader->to_caller);
    pthread_mutex_destroy(&loader->lock);
    free(loader);
}
