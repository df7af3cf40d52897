// The caller's side of the loader: start, next, release.
#include "data/loader.h"
#include "base/clock.h"
#include "data/loader_state.h"

#include <inttypes.h>
#include <string.h>

void cnn_loader_output(const struct cnn_loader *loader, int *out_h, int *out_w, int *out_c) {
    cnn_policy_output(loader->policy, out_h, out_w);
    *out_c = loader->options.channels;
}

// Empties a slot; its batch may be written once `turn` is set.
static void reset_slot(struct cnn_loader_slot *slot) {
    if (slot->n_bad)
        memset(slot->dropped, 0, (size_t)slot->batch.capacity * sizeof *slot->dropped);
    slot->n_bad = 0;
    slot->fatal.status = CNN_OK;
    atomic_store_explicit(&slot->done, 0, memory_order_relaxed);
}

static void reset_slots(struct cnn_loader *loader) {
    for (uint64_t i = 0; i < loader->n_slots; i++) {
        struct cnn_loader_slot *slot = &loader->slots[i];
        slot->next_turn = i;
        if (slot->held) {
            atomic_store(&slot->turn, CNN_LOADER_NO_TURN);
            continue;
        }
        reset_slot(slot);
        atomic_store(&slot->turn, i);
    }
}

static enum cnn_status check_start(const struct cnn_loader *loader, uint64_t step) {
    uint64_t most = loader->steps;
    if (loader->options.evaluation)
        most = cnn_sampler_pass_batches(&loader->options.sampler);
    if (step > most)
        return cnn_fail(CNN_ERR_INPUT,
                        "cannot start at step %" PRIu64 ": an epoch has only %" PRIu64 " (another dataset or "
                        "batch size than before?)",
                        step, most);
    return CNN_OK;
}

enum cnn_status cnn_loader_start(struct cnn_loader *loader, uint64_t epoch, uint64_t step) {
    CNN_TRY(check_start(loader, step));
    pthread_mutex_lock(&loader->lock);
    atomic_store(&loader->halt, true);
    pthread_cond_broadcast(&loader->to_workers);
    while (loader->n_parked < loader->n_workers)
        pthread_cond_wait(&loader->to_caller, &loader->lock);

    loader->first_epoch = epoch;
    loader->first_step = step;
    loader->n_batches = UINT64_MAX;
    if (loader->options.evaluation)
        loader->n_batches = cnn_sampler_pass_batches(&loader->options.sampler) - step;
    loader->next = 0;
    loader->bad_epoch = epoch;
    loader->epoch_bad = 0;
    loader->error.status = CNN_OK;
    reset_slots(loader);
    atomic_store(&loader->ticket, 0);
    atomic_store(&loader->halt, false);
    loader->n_parked = 0;
    loader->run++;
    pthread_cond_broadcast(&loader->to_workers);
    pthread_mutex_unlock(&loader->lock);
    return CNN_OK;
}

static bool is_ready(const struct cnn_loader *loader, uint64_t batch) {
    struct cnn_loader_slot *slot = &loader->slots[batch % loader->n_slots];
    return atomic_load_explicit(&slot->done, memory_order_acquire) == loader->n_parts &&
           atomic_load_explicit(&slot->turn, memory_order_relaxed) == batch;
}

// For the statistics: how many batches lie ready, in order.
static void sample_queue(struct cnn_loader *loader) {
    uint64_t n = 0;
    while (n < loader->n_slots && is_ready(loader, loader->next + n))
        n++;
    loader->queue_sum += n;
    loader->queue_samples++;
}

static void await_batch(struct cnn_loader *loader, uint64_t batch, double *waited_s) {
    if (is_ready(loader, batch))
        return;
    double begun = cnn_clock_s();
    pthread_mutex_lock(&loader->lock);
    while (!is_ready(loader, batch))
        pthread_cond_wait(&loader->to_caller, &loader->lock);
    pthread_mutex_unlock(&loader->lock);
    if (waited_s)
        *waited_s += cnn_clock_s() - begun;
}

// Fails when the batch's bad records bring those of its epoch past max_bad. Batches are counted in order, so
// this happens at the same batch whatever the threads do.
static enum cnn_status count_bad(struct cnn_loader *loader, const struct cnn_loader_slot *slot,
                                 uint64_t epoch) {
    if (epoch != loader->bad_epoch)
        loader->epoch_bad = 0;
    loader->bad_epoch = epoch;
    loader->epoch_bad += (uint64_t)slot->n_bad;
    int64_t max_bad = loader->options.max_bad;
    if (slot->n_bad == 0 || loader->epoch_bad <= (uint64_t)max_bad)
        return CNN_OK;
    return cnn_fail(CNN_ERR_FAILED,
                    "%s (bad record %" PRIu64 " of epoch %" PRIu64 ", more than data.max_bad %" PRId64
                    " allows: see `cnn_dist dataset verify %s`, or raise data.max_bad)",
                    slot->bad.message, loader->epoch_bad, epoch, max_bad,
                    cnn_dataset_path(loader->options.dataset));
}

// Closes the gaps that left-out records leave, keeping the order.
static void close_gaps(const struct cnn_loader *loader, struct cnn_loader_slot *slot) {
    struct cnn_batch *batch = &slot->batch;
    int kept = 0;
    for (int row = 0; row < batch->n; row++) {
        if (slot->dropped[row])
            continue;
        if (kept != row) {
            size_t bytes = loader->row_bytes;
            memcpy(batch->pixels + (size_t)kept * bytes, batch->pixels + (size_t)row * bytes, bytes);
            batch->labels[kept] = batch->labels[row];
            batch->ids[kept] = batch->ids[row];
        }
        kept++;
    }
    batch->n = kept;
}

static void clear_rows(const struct cnn_loader *loader, struct cnn_batch *batch) {
    size_t first = (size_t)batch->n, rows = (size_t)(batch->capacity - batch->n);
    memset(batch->pixels + first * loader->row_bytes, 0, rows * loader->row_bytes);
    memset(batch->labels + first, 0, rows * sizeof *batch->labels);
    memset(batch->ids + first, 0, rows * sizeof *batch->ids);
}

static enum cnn_status deliver(struct cnn_loader *loader, struct cnn_loader_slot *slot) {
    struct cnn_loader_place place = cnn_loader_place(loader, loader->next);
    if (slot->fatal.status != CNN_OK)
        return cnn_error_give(&slot->fatal);
    CNN_TRY(count_bad(loader, slot, place.epoch));
    struct cnn_batch *batch = &slot->batch;
    batch->n = place.n;
    batch->epoch = place.epoch;
    batch->step = place.step;
    batch->position = place.position;
    batch->n_bad = slot->n_bad;
    if (slot->n_bad && loader->options.evaluation)
        close_gaps(loader, slot);
    if (batch->n < batch->capacity)
        clear_rows(loader, batch);
    slot->held = true;
    slot->next_turn = loader->next + loader->n_slots;
    loader->next++;
    return CNN_OK;
}

static enum cnn_status next(struct cnn_loader *loader, struct cnn_batch **out, double *waited_s) {
    struct cnn_loader_slot *slot = &loader->slots[loader->next % loader->n_slots];
    sample_queue(loader);
    await_batch(loader, loader->next, waited_s);
    enum cnn_status status = deliver(loader, slot);
    if (status != CNN_OK)
        cnn_error_take(&loader->error, status);
    *out = &slot->batch;
    return status;
}

static enum cnn_status check_next(const struct cnn_loader *loader) {
    if (loader->run == 0) // only this thread changes it
        return cnn_fail(CNN_ERR_FAILED, "a batch was asked of a loader that has not been started");
    if (loader->error.status != CNN_OK)
        return cnn_error_give(&loader->error);
    if (loader->slots[loader->next % loader->n_slots].held)
        return cnn_fail(CNN_ERR_FAILED,
                        "no room for the next batch: one of the %" PRIu64 " must be released first",
                        loader->n_slots);
    return CNN_OK;
}

enum cnn_status cnn_loader_next(struct cnn_loader *loader, struct cnn_batch **out, double *waited_s) {
    *out = NULL;
    do {
        CNN_TRY(check_next(loader));
        if (loader->next == loader->n_batches)
            return CNN_OK;
        struct cnn_batch *batch = NULL;
        CNN_TRY(next(loader, &batch, waited_s));
        if (batch->n > 0)
            *out = batch;
        else
            cnn_loader_release(loader, batch); // every record of an evaluation batch was left out
    } while (!*out);
    return CNN_OK;
}

void cnn_loader_release(struct cnn_loader *loader, struct cnn_batch *batch) {
    for (uint64_t i = 0; batch && i < loader->n_slots; i++) {
        struct cnn_loader_slot *slot = &loader->slots[i];
        if (&slot->batch != batch || !slot->held)
            continue;
        pthread_mutex_lock(&loader->lock);
        slot->held = false;
        reset_slot(slot);
        atomic_store_explicit(&slot->turn, slot->next_turn, memory_order_release);
        pthread_cond_broadcast(&loader->to_workers);
        pthread_mutex_unlock(&loader->lock);
    }
}

struct cnn_loader_stats cnn_loader_stats(const struct cnn_loader *loader) {
    struct cnn_loader_stats stats = {0};
    uint64_t read_ns = 0, decode_ns = 0, augment_ns = 0;
    for (int i = 0; i < loader->n_workers; i++) {
        const struct cnn_loader_worker *worker = &loader->workers[i];
        stats.records += atomic_load_explicit(&worker->records, memory_order_relaxed);
        stats.bytes_read += atomic_load_explicit(&worker->bytes_read, memory_order_relaxed);
        read_ns += atomic_load_explicit(&worker->read_ns, memory_order_relaxed);
        decode_ns += atomic_load_explicit(&worker->decode_ns, memory_order_relaxed);
        augment_ns += atomic_load_explicit(&worker->augment_ns, memory_order_relaxed);
    }
    stats.bad_records = atomic_load_explicit(&loader->n_bad, memory_order_relaxed);
    stats.read_s = (double)read_ns * 1e-9;
    stats.decode_s = (double)decode_ns * 1e-9;
    stats.augment_s = (double)augment_ns * 1e-9;
    if (loader->queue_samples)
        stats.queue_mean = (double)loader->queue_sum / (double)loader->queue_samples;
    return stats;
}
