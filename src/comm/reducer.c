#include "comm/reducer.h"

#include "base/checksum.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "comm/table.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct cnn_reducer {
    struct cnn_comm *comm;
    struct cnn_exchange *exchange; // NULL with one rank
    float *gradients;
    size_t n, bucket, n_buckets; // floats, floats, buckets
    struct cnn_wire wire;        // its exact spans are owned
    double timeout_s;
    pthread_t thread;
    bool has_thread; // otherwise finish does the exchange
    atomic_bool cancelled;

    pthread_mutex_t lock; // guards what follows
    pthread_cond_t work, done;
    size_t n_ready, n_done; // floats, buckets
    bool working, stop, failed;
    struct cnn_error error;
    double busy_s, wait_s;
};

// ---- the exchange of one bucket

static struct cnn_span bucket_span(const struct cnn_reducer *reducer, size_t bucket) {
    size_t first = bucket * reducer->bucket, left = reducer->n - first;
    return (struct cnn_span){first, left < reducer->bucket ? left : reducer->bucket};
}

static enum cnn_status sum_bucket(struct cnn_reducer *reducer, size_t bucket) {
    struct cnn_patience patience = cnn_patience_of(reducer->timeout_s, &reducer->cancelled);
    enum cnn_status status =
        cnn_exchange_sum(reducer->exchange, reducer->gradients, bucket_span(reducer, bucket), &patience);
    if (status == CNN_OK)
        return CNN_OK;
    atomic_store(&reducer->comm->broken, true);
    return cnn_fail_in(status, "gradient exchange, bucket %zu of %zu", bucket + 1, reducer->n_buckets);
}

// Called and returns with the lock held; the exchange itself runs without it.
static void do_next_bucket(struct cnn_reducer *reducer) {
    reducer->working = true;
    pthread_mutex_unlock(&reducer->lock);
    double start = cnn_clock_s();
    enum cnn_status status = sum_bucket(reducer, reducer->n_done); // n_done changes only here and in begin
    double took = cnn_clock_s() - start;
    pthread_mutex_lock(&reducer->lock);
    reducer->working = false;
    reducer->busy_s += took;
    if (status == CNN_OK) {
        reducer->n_done++;
        return;
    }
    cnn_error_take(&reducer->error, status);
    reducer->failed = true;
}

static bool has_work(const struct cnn_reducer *reducer) {
    if (reducer->failed || reducer->n_done == reducer->n_buckets)
        return false;
    const struct cnn_span next = bucket_span(reducer, reducer->n_done);
    return reducer->n_ready >= next.first + next.n;
}

static void *run(void *context) {
    struct cnn_reducer *reducer = context;
    pthread_mutex_lock(&reducer->lock);
    while (!reducer->stop) {
        if (!has_work(reducer)) {
            pthread_cond_wait(&reducer->work, &reducer->lock);
            continue;
        }
        do_next_bucket(reducer);
        if (reducer->n_done == reducer->n_buckets || reducer->failed)
            pthread_cond_broadcast(&reducer->done);
    }
    pthread_mutex_unlock(&reducer->lock);
    return NULL;
}

// ---- making one

// Signals are for the main thread.
static enum cnn_status start_thread(struct cnn_reducer *reducer) {
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

// Buckets small enough that what is left after backward's last layers is little, large enough that their
// starts do not count: a bucket on one host costs some wake-ups, between hosts some round trips.
static size_t choose_bucket(size_t n, int hosts) {
    size_t least = (size_t)(hosts == 1 ? 64 : 256) << 10, most = (size_t)(hosts == 1 ? 1 : 4) << 20;
    size_t sixteenth = n / 16;
    return sixteenth < least ? least : sixteenth > most ? most : sixteenth;
}

static enum cnn_status check_extent(struct cnn_reducer *reducer) {
    const int64_t n = (int64_t)reducer->n, bucket = (int64_t)reducer->bucket;
    int64_t extent[4] = {n, -n, bucket, -bucket};
    CNN_TRY(cnn_comm_allreduce(reducer->comm, extent, 4, CNN_COMM_I64, CNN_REDUCE_MIN));
    if (extent[0] == -extent[1] && extent[2] == -extent[3])
        return CNN_OK;
    return cnn_fail(CNN_ERR_COMM,
                    "gradient exchange: ranks have from %lld to %lld gradients in buckets of %lld to %lld: "
                    "all ranks must run the same model with the same options",
                    (long long)extent[0], -(long long)extent[1], (long long)extent[2], -(long long)extent[3]);
}

static enum cnn_status check_wire(struct cnn_reducer *reducer) {
    const struct cnn_wire *wire = &reducer->wire;
    const int64_t exact = cnn_crc32c(0, wire->exact, wire->n_exact * sizeof *wire->exact);
    int64_t is[4] = {wire->precision, -(int64_t)wire->precision, exact, -exact};
    CNN_TRY(cnn_comm_allreduce(reducer->comm, is, 4, CNN_COMM_I64, CNN_REDUCE_MIN));
    if (is[0] == -is[1] && is[2] == -is[3])
        return CNN_OK;
    return cnn_fail(CNN_ERR_COMM,
                    "gradient exchange: ranks differ in %s: all ranks must run the same model with the "
                    "same options",
                    is[0] == -is[1] ? "what they send exactly" : "comm.precision");
}

// For tests, and to tell what overlap gains: CNN_COMM_OVERLAP=0.
static bool overlap_is_wanted(void) {
    const char *text = getenv("CNN_COMM_OVERLAP");
    return !text || strcmp(text, "0") != 0;
}

// Collective, with the same result on all ranks.
static enum cnn_status connect(struct cnn_reducer *reducer) {
    struct cnn_comm *comm = reducer->comm;
    CNN_TRY(check_extent(reducer));
    CNN_TRY(check_wire(reducer));
    CNN_TRY(comm->ops->exchange_create(&reducer->exchange, comm, &reducer->wire));
    if (comm->rank == 0)
        cnn_log(CNN_LOG_DEBUG, "gradients: %zu buckets of %zu %s by %s", reducer->n_buckets, reducer->bucket,
                cnn_wire_rounds(&reducer->wire) ? cnn_precision_name(reducer->wire.precision) : "floats",
                reducer->exchange->name);
    if (!reducer->exchange->any_thread && comm->rank == 0)
        cnn_log_warn(
            "%s allows one thread at a time: gradients are exchanged after backward instead of during it",
            comm->library);
    enum cnn_status status = CNN_OK;
    if (reducer->exchange->any_thread && overlap_is_wanted())
        status = start_thread(reducer);
    return cnn_comm_agree(comm, status);
}

static enum cnn_status set_up(struct cnn_reducer *reducer, const struct cnn_reducer_options *options) {
    struct cnn_span *exact;
    CNN_TRY(cnn_calloc(&exact, options->n_exact, sizeof *exact));
    for (size_t i = 0; i < options->n_exact; i++)
        exact[i] = options->exact[i];
    reducer->wire = (struct cnn_wire){options->precision, exact, options->n_exact};
    reducer->gradients = options->gradients;
    reducer->n = options->n;
    reducer->timeout_s = options->timeout_s;
    reducer->bucket = options->bucket_bytes ? options->bucket_bytes / sizeof(float)
                                            : choose_bucket(options->n, reducer->comm->hosts);
    if (reducer->bucket == 0)
        reducer->bucket = 1;
    reducer->n_buckets = reducer->n_done = reducer->n / reducer->bucket + (reducer->n % reducer->bucket != 0);
    return CNN_OK;
}

enum cnn_status cnn_reducer_create(struct cnn_reducer **out, struct cnn_comm *comm,
                                   const struct cnn_reducer_options *options) {
    struct cnn_reducer *reducer;
    CNN_TRY(cnn_calloc(&reducer, 1, sizeof *reducer));
    reducer->comm = comm;
    pthread_mutex_init(&reducer->lock, NULL);
    pthread_cond_init(&reducer->work, NULL);
    pthread_cond_init(&reducer->done, NULL);
    enum cnn_status status = cnn_comm_agree(comm, set_up(reducer, options));
    if (status == CNN_OK && comm->size > 1)
        status = connect(reducer);
    if (status != CNN_OK) {
        cnn_reducer_destroy(reducer);
        return status;
    }
    *out = reducer;
    return CNN_OK;
}

static void stop_thread(struct cnn_reducer *reducer) {
    pthread_mutex_lock(&reducer->lock);
    reducer->stop = true;
    if (reducer->working)
        atomic_store(&reducer->cancelled, true);
    if (reducer->working || (reducer->n_done > 0 && reducer->n_done < reducer->n_buckets))
        atomic_store(&reducer->comm->broken, true); // a step given up half-way
    pthread_cond_signal(&reducer->work);
    pthread_mutex_unlock(&reducer->lock);
    pthread_join(reducer->thread, NULL);
}

void cnn_reducer_destroy(struct cnn_reducer *reducer) {
    if (!reducer)
        return;
    if (reducer->has_thread)
        stop_thread(reducer);
    cnn_exchange_destroy(reducer->exchange);
    free((void *)reducer->wire.exact);
    pthread_cond_destroy(&reducer->done);
    pthread_cond_destroy(&reducer->work);
    pthread_mutex_destroy(&reducer->lock);
    free(reducer);
}

// ---- a step

void cnn_reducer_begin(struct cnn_reducer *reducer) {
    if (!reducer->exchange)
        return;
    pthread_mutex_lock(&reducer->lock);
    assert(reducer->failed || reducer->n_done == reducer->n_buckets); // the step before was finished
    reducer->n_ready = reducer->n_done = 0;
    reducer->busy_s = reducer->wait_s = 0;
    pthread_mutex_unlock(&reducer->lock);
}

void cnn_reducer_ready(struct cnn_reducer *reducer, size_t n_ready) {
    assert(n_ready <= reducer->n);
    if (!reducer->exchange)
        return;
    pthread_mutex_lock(&reducer->lock);
    if (n_ready > reducer->n_ready)
        reducer->n_ready = n_ready;
    if (reducer->has_thread && !reducer->working && has_work(reducer))
        pthread_cond_signal(&reducer->work);
    pthread_mutex_unlock(&reducer->lock);
}

enum cnn_status cnn_reducer_finish(struct cnn_reducer *reducer) {
    if (!reducer->exchange)
        return CNN_OK;
    double start = cnn_clock_s();
    pthread_mutex_lock(&reducer->lock);
    assert(reducer->n_ready == reducer->n);
    while (!reducer->failed && reducer->n_done < reducer->n_buckets) {
        if (reducer->has_thread)
            pthread_cond_wait(&reducer->done, &reducer->lock);
        else
            do_next_bucket(reducer);
    }
    reducer->wait_s = cnn_clock_s() - start;
    enum cnn_status status = reducer->failed ? cnn_error_give(&reducer->error) : CNN_OK;
    pthread_mutex_unlock(&reducer->lock);
    return status;
}

bool cnn_reducer_can_record(const struct cnn_reducer *reducer) { return !reducer->exchange; }

struct cnn_reducer_stats cnn_reducer_stats(const struct cnn_reducer *reducer) {
    return (struct cnn_reducer_stats){
        .wait_s = reducer->wait_s,
        .busy_s = reducer->busy_s,
        .n_buckets = reducer->n_buckets,
        .bytes = cnn_wire_bytes(&reducer->wire, (struct cnn_span){0, reducer->n}),
    };
}
