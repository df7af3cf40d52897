// The loader's threads: park until a run starts, then draw tickets and fill units of batches.
#include "data/loader_state.h"

struct cnn_loader_place cnn_loader_place(const struct cnn_loader *loader, uint64_t batch) {
    const struct cnn_sampler *sampler = &loader->options.sampler;
    struct cnn_loader_place place = {.epoch = loader->first_epoch};
    if (loader->options.evaluation) {
        place.step = loader->first_step + batch;
        place.position = cnn_sampler_pass_position(sampler, place.step);
        place.n = cnn_sampler_pass_records(sampler, place.step);
        return place;
    }
    uint64_t micros = (uint64_t)loader->micros;
    uint64_t step = loader->first_step + batch / micros;
    place.epoch += step / loader->steps;
    place.step = step % loader->steps;
    place.position = cnn_sampler_position(sampler, place.step, (int)(batch % micros));
    place.n = sampler->micro;
    return place;
}

static bool halted(struct cnn_loader *loader) {
    return atomic_load_explicit(&loader->halt, memory_order_relaxed);
}

// Waits for the next start; false when the loader is being destroyed.
static bool await_run(struct cnn_loader_worker *worker) {
    struct cnn_loader *loader = worker->loader;
    pthread_mutex_lock(&loader->lock);
    loader->n_parked++;
    pthread_cond_signal(&loader->to_caller);
    while (!loader->quit && loader->run == worker->run)
        pthread_cond_wait(&loader->to_workers, &loader->lock);
    worker->run = loader->run;
    bool go = !loader->quit;
    pthread_mutex_unlock(&loader->lock);
    return go;
}

static bool has_turn(struct cnn_loader_slot *slot, uint64_t batch) {
    return atomic_load_explicit(&slot->turn, memory_order_acquire) == batch;
}

// Waits until batch `batch` may be written; false when this run has ended.
static bool await_room(struct cnn_loader *loader, struct cnn_loader_slot *slot, uint64_t batch) {
    if (has_turn(slot, batch))
        return true;
    pthread_mutex_lock(&loader->lock);
    while (!halted(loader) && !has_turn(slot, batch))
        pthread_cond_wait(&loader->to_workers, &loader->lock);
    pthread_mutex_unlock(&loader->lock);
    return !halted(loader);
}

static void mix(const struct cnn_loader_worker *worker, struct cnn_batch *b,
                const struct cnn_loader_place *place) {
    const struct cnn_loader_options *options = &worker->loader->options;
    const struct cnn_mix_batch batch = {b->pixels, place->n,  b->h,        b->w,
                                        b->c,      b->labels, b->partners, b->weights};
    cnn_mix_pictures(&options->mix, &batch, options->sampler.seed, place->epoch, place->position,
                     worker->spare);
}

static void finish_unit(struct cnn_loader_worker *worker, struct cnn_loader_slot *slot,
                        const struct cnn_loader_place *place) {
    struct cnn_loader *loader = worker->loader;
    int done = atomic_fetch_add_explicit(&slot->done, 1, memory_order_acq_rel) + 1;
    if (done < loader->n_units)
        return;
    if (loader->mixes) {
        mix(worker, &slot->batch, place);
        atomic_fetch_add_explicit(&slot->done, 1, memory_order_acq_rel);
    }
    pthread_mutex_lock(&loader->lock);
    pthread_cond_signal(&loader->to_caller);
    pthread_mutex_unlock(&loader->lock);
}

// False past the end of this run.
static bool find_unit(const struct cnn_loader *loader, uint64_t ticket, struct cnn_loader_unit *out) {
    uint64_t units = (uint64_t)loader->n_units;
    out->batch = ticket / units;
    if (out->batch >= loader->n_batches)
        return false;
    out->place = cnn_loader_place(loader, out->batch);
    int64_t first = (int64_t)(ticket % units) * loader->unit_records, end = first + loader->unit_records;
    out->first = (int)first;
    out->end = end < out->place.n ? (int)end : out->place.n;
    return true;
}

// One unit of work; false when there is no more in this run.
static bool work_unit(struct cnn_loader_worker *worker) {
    struct cnn_loader *loader = worker->loader;
    struct cnn_loader_unit unit, later;
    uint64_t ticket = atomic_fetch_add_explicit(&loader->ticket, 1, memory_order_relaxed);
    if (!find_unit(loader, ticket, &unit))
        return false;
    struct cnn_loader_slot *slot = &loader->slots[unit.batch % loader->n_slots];
    if (!await_room(loader, slot, unit.batch))
        return false;

    bool goes_on = find_unit(loader, ticket + (uint64_t)loader->options.threads, &later);
    cnn_loader_expect(worker, &unit, goes_on ? &later : NULL);
    for (int row = unit.first; row < unit.end; row++) {
        if (halted(loader))
            return false;
        cnn_loader_fill_row(worker, slot, &unit.place, row);
    }
    finish_unit(worker, slot, &unit.place);
    return true;
}

void *cnn_loader_work(void *argument) {
    struct cnn_loader_worker *worker = argument;
    while (await_run(worker))
        while (!halted(worker->loader) && work_unit(worker))
            continue;
    return NULL;
}
