#include "data/sweep.h"

#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 16 // numbers that a thread takes at a time

struct sweep {
    uint64_t end;
    _Atomic uint64_t next;
    cnn_sweep_visit visit;
    void *context;
    pthread_mutex_t lock;
    struct cnn_error error; // the first, under the lock
};

struct thread {
    struct sweep *sweep;
    int number;
    pthread_t id;
};

static void fail(struct sweep *sweep, enum cnn_status status) {
    pthread_mutex_lock(&sweep->lock);
    if (sweep->error.status == CNN_OK)
        cnn_error_take(&sweep->error, status);
    pthread_mutex_unlock(&sweep->lock);
    atomic_store(&sweep->next, sweep->end); // nobody takes more
}

static void *work(void *argument) {
    const struct thread *thread = argument;
    struct sweep *sweep = thread->sweep;
    for (;;) {
        uint64_t i = atomic_fetch_add(&sweep->next, CHUNK);
        uint64_t end = i < sweep->end && sweep->end - i > CHUNK ? i + CHUNK : sweep->end;
        if (i >= sweep->end)
            return NULL;
        for (; i < end; i++) {
            enum cnn_status status = sweep->visit(sweep->context, thread->number, i);
            if (status == CNN_OK)
                continue;
            fail(sweep, status);
            return NULL;
        }
    }
}

enum cnn_status cnn_sweep(uint64_t begin, uint64_t end, int threads, cnn_sweep_visit visit, void *context) {
    struct sweep sweep = {.end = end, .visit = visit, .context = context};
    struct thread *all = NULL;
    int started = 1;
    if (begin >= end)
        return CNN_OK;
    CNN_TRY(cnn_calloc(&all, (size_t)threads, sizeof *all));
    atomic_init(&sweep.next, begin);
    pthread_mutex_init(&sweep.lock, NULL);
    for (int t = 0; t < threads; t++)
        all[t] = (struct thread){.sweep = &sweep, .number = t};
    for (; started < threads; started++)
        if (pthread_create(&all[started].id, NULL, work, &all[started]) != 0)
            break; // fewer do as well
    work(&all[0]);
    for (int t = 1; t < started; t++)
        pthread_join(all[t].id, NULL);
    pthread_mutex_destroy(&sweep.lock);
    free(all);
    return sweep.error.status == CNN_OK ? CNN_OK : cnn_error_give(&sweep.error);
}
