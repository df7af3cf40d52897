// A reducer with a thread of its own: it exchanges bucket after bucket in the host's memory, as soon as
// backward has passed them. Gradients of a device come there by staging.h.
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "comm/kinds.h"
#include "comm/staging.h"

#include "base/memory.h"
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct threaded {
    struct cnn_reducer base; // first
    struct cnn_exchange *exchange;
    struct cnn_staging *staging; // NULL: gradients are host memory
    float *arena;                // what is exchanged
    size_t n_marked;             // buckets of a device whose mark was set
    pthread_t thread;
    bool has_thread; // otherwise finish does the exchange
    atomic_bool cancelled;

    pthread_mutex_t lock; // guards what follows, and busy_s
    pthread_cond_t work, done;
    size_t n_ready, n_done; // floats, buckets
    bool working, stop, failed;
    struct cnn_error error;
    double computed_s; // when the bucket that was exchanged last was there
};

static struct threaded *threaded_of(struct cnn_reducer *reducer) { return (struct threaded *)reducer; }

// ---- the exchange of one bucket

static enum cnn_status exchange(struct threaded *reducer, struct cnn_span span) {
    if (reducer->staging)
        CNN_TRY(cnn_staging_fetch(reducer->staging, span));
    const struct cnn_patience patience =
        cnn_patience_begin(reducer->base.comm, reducer->base.timeout_s, &reducer->cancelled);
    const enum cnn_status status = cnn_exchange_sum(reducer->exchange, reducer->arena, span, &patience);
    cnn_patience_end(&patience);
    CNN_TRY(status);
    return reducer->staging ? cnn_staging_give_back(reducer->staging, span) : CNN_OK;
}

// *took_s: without waiting for the device.
static enum cnn_status sum_bucket(struct threaded *reducer, size_t bucket, double *computed_s) {
    enum cnn_status status = reducer->staging ? cnn_staging_await(reducer->staging, bucket) : CNN_OK;
    *computed_s = cnn_clock_s();
    if (status == CNN_OK)
        status = exchange(reducer, cnn_reducer_bucket(&reducer->base, bucket));
    if (status == CNN_OK)
        return CNN_OK;
    return cnn_fail_in(status, "gradient exchange, bucket %zu of %zu", bucket + 1, reducer->base.n_buckets);
}

// With the lock held.
static void fail(struct threaded *reducer, enum cnn_status status) {
    cnn_error_take(&reducer->error, status);
    reducer->failed = true;
    atomic_store(&reducer->base.comm->broken, true);
}

// Called and returns with the lock held; the exchange itself runs without it.
static void do_next_bucket(struct threaded *reducer) {
    double computed_s;
    reducer->working = true;
    pthread_mutex_unlock(&reducer->lock);
    enum cnn_status status =
        sum_bucket(reducer, reducer->n_done, &computed_s); // n_done changes only here and in begin
    double now = cnn_clock_s();
    pthread_mutex_lock(&reducer->lock);
    reducer->working = false;
    reducer->computed_s = computed_s;
    reducer->base.busy_s += now - computed_s;
    if (status == CNN_OK)
        reducer->n_done++;
    else
        fail(reducer, status);
}

static size_t end_of(const struct threaded *reducer, size_t bucket) {
    const struct cnn_span span = cnn_reducer_bucket(&reducer->base, bucket);
    return span.first + span.n;
}

static bool has_work(const struct threaded *reducer) {
    return !reducer->failed && reducer->n_done < reducer->base.n_buckets &&
           reducer->n_ready >= end_of(reducer, reducer->n_done);
}

static void enter_device(struct threaded *reducer) {
    struct cnn_exchange_device *device = reducer->base.device;
    const enum cnn_status status = device ? device->ops->enter(device) : CNN_OK;
    pthread_mutex_lock(&reducer->lock);
    if (status != CNN_OK)
        fail(reducer, status);
}

static void *run(void *context) {
    struct threaded *reducer = context;
    enter_device(reducer);
    while (!reducer->stop) {
        if (!has_work(reducer)) {
            pthread_cond_wait(&reducer->work, &reducer->lock);
            continue;
        }
        do_next_bucket(reducer);
        if (reducer->n_done == reducer->base.n_buckets || reducer->failed)
            pthread_cond_broadcast(&reducer->done);
    }
    pthread_mutex_unlock(&reducer->lock);
    return NULL;
}

// ---- a step

static void begin(struct cnn_reducer *base) {
    struct threaded *reducer = threaded_of(base);
    pthread_mutex_lock(&reducer->lock);
    assert(reducer->failed || reducer->n_done == base->n_buckets); // the step before was finished
    reducer->n_ready = reducer->n_done = reducer->n_marked = 0;
    base->busy_s = base->wait_s = 0;
    pthread_mutex_unlock(&reducer->lock);
}

// The ops that compute the buckets up to here are queued.
static enum cnn_status mark(struct threaded *reducer, size_t n_ready) {
    while (reducer->n_marked < reducer->base.n_buckets && end_of(reducer, reducer->n_marked) <= n_ready)
        CNN_TRY(cnn_staging_mark(reducer->staging, reducer->n_marked++));
    return CNN_OK;
}

static void ready(struct cnn_reducer *base, size_t n_ready) {
    struct threaded *reducer = threaded_of(base);
    const enum cnn_status status = reducer->staging ? mark(reducer, n_ready) : CNN_OK;
    pthread_mutex_lock(&reducer->lock);
    if (status != CNN_OK && !reducer->failed)
        fail(reducer, status);
    if (n_ready > reducer->n_ready)
        reducer->n_ready = n_ready;
    if (reducer->has_thread && !reducer->working && has_work(reducer))
        pthread_cond_signal(&reducer->work);
    pthread_mutex_unlock(&reducer->lock);
}

static enum cnn_status finish(struct cnn_reducer *base) {
    struct threaded *reducer = threaded_of(base);
    double start = cnn_clock_s();
    pthread_mutex_lock(&reducer->lock);
    assert(reducer->failed || reducer->n_ready == base->n);
    while (!reducer->failed && reducer->n_done < base->n_buckets) {
        if (reducer->has_thread)
            pthread_cond_wait(&reducer->done, &reducer->lock);
        else
            do_next_bucket(reducer);
    }
    // until the last gradients were there, it was not the exchange that was waited for
    if (reducer->staging && reducer->computed_s > start)
        start = reducer->computed_s;
    base->wait_s = cnn_clock_s() - start;
    enum cnn_status status = reducer->failed ? cnn_error_give(&reducer->error) : CNN_OK;
    pthread_mutex_unlock(&reducer->lock);
    return status == CNN_OK && reducer->staging && base->n_buckets ? cnn_staging_join(reducer->staging)
                                                                   : status;
}

static enum cnn_status settle(struct cnn_reducer *base) { return CNN_OK; }

// ---- making one

// Signals are for the main thread.
static enum cnn_status start_thread(struct threaded *reducer) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&reducer->thread, NULL, run, reducer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return cnn_fail(CNN_ERR_MEMORY, "gradient exchange: cannot start a thread: %s", strerror(error));
    pthread_setname_np(reducer->thread, "cnn-reducer");
    reducer->has_thread = true;
    return CNN_OK;
}

static void stop_thread(struct threaded *reducer) {
    pthread_mutex_lock(&reducer->lock);
    reducer->stop = true;
    if (reducer->working)
        atomic_store(&reducer->cancelled, true);
    if (reducer->working || (reducer->n_done > 0 && reducer->n_done < reducer->base.n_buckets))
        atomic_store(&reducer->base.comm->broken, true); // a step given up half-way
    pthread_cond_signal(&reducer->work);
    pthread_mutex_unlock(&reducer->lock);
    pthread_join(reducer->thread, NULL);
}

static void destroy(struct cnn_reducer *base) {
    struct threaded *reducer = threaded_of(base);
    if (reducer->has_thread)
        stop_thread(reducer);
    cnn_staging_destroy(reducer->staging);
    cnn_exchange_destroy(reducer->exchange);
    pthread_cond_destroy(&reducer->done);
    pthread_cond_destroy(&reducer->work);
    pthread_mutex_destroy(&reducer->lock);
    free(reducer);
}

static const struct cnn_reducer_ops threaded_ops = {
    .begin = begin,
    .ready = ready,
    .finish = finish,
    .settle = settle,
    .destroy = destroy,
};

// For tests, and to tell what overlap gains: CNN_COMM_OVERLAP=0.
static bool overlap_is_wanted(void) {
    const char *text = getenv("CNN_COMM_OVERLAP");
    return !text || strcmp(text, "0") != 0;
}

static enum cnn_status build(struct threaded *reducer) {
    struct cnn_reducer *base = &reducer->base;
    reducer->arena = base->gradients;
    if (base->device) {
        CNN_TRY(
            cnn_staging_create(&reducer->staging, base->device, base->gradients, base->n, base->n_buckets));
        reducer->arena = cnn_staging_arena(reducer->staging);
    }
    if (!reducer->exchange->any_thread && base->comm->rank == 0)
        cnn_log_warn(
            "%s does not support several threads: gradients are exchanged after the backward pass, not "
            "during it",
            base->comm->library);
    return reducer->exchange->any_thread && overlap_is_wanted() ? start_thread(reducer) : CNN_OK;
}

enum cnn_status cnn_threaded_create(struct cnn_reducer **out, const struct cnn_reducer *shape,
                                    struct cnn_exchange *exchanges) {
    struct threaded *reducer;
    CNN_TRY(cnn_comm_agree(shape->comm, cnn_calloc(&reducer, 1, sizeof *reducer)));
    reducer->base = *shape;
    reducer->base.ops = &threaded_ops;
    reducer->exchange = exchanges;
    reducer->base.way = exchanges->name;
    reducer->n_done = shape->n_buckets;
    pthread_mutex_init(&reducer->lock, NULL);
    pthread_cond_init(&reducer->work, NULL);
    pthread_cond_init(&reducer->done, NULL);
    const enum cnn_status status = cnn_comm_agree(shape->comm, build(reducer));
    if (status != CNN_OK) {
        reducer->exchange = NULL; // the caller's still
        destroy(&reducer->base);
        return status;
    }
    *out = &reducer->base;
    return CNN_OK;
}
