// Making and ending a loader: checks, memory of the batches, threads.
#include "base/memory.h"
#include "data/loader_state.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_UNIT_RECORDS 16
#define UNITS_PER_THREAD 4 // so that threads end a batch at about the same time

static enum cnn_status check_options(const struct cnn_loader_options *options) {
    const struct cnn_sampler *sampler = &options->sampler;
    if (options->channels != 1 && options->channels != 3)
        return cnn_fail(CNN_ERR_INPUT, "invalid number of channels %d; allowed: 1 and 3", options->channels);
    if (options->threads < 1 || options->ahead < 1 || options->max_bad < 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "data.threads %d and data.ahead %d must be at least 1, data.max_bad %" PRId64
                        " at least 0",
                        options->threads, options->ahead, options->max_bad);
    uint64_t count = cnn_dataset_count(options->dataset);
    if (sampler->n_records > count)
        return cnn_fail(CNN_ERR_INPUT, "%s: %" PRIu64 " records were requested, but it has %" PRIu64,
                        cnn_dataset_path(options->dataset), sampler->n_records, count);
    enum cnn_status status =
        options->evaluation ? cnn_sampler_check_pass(sampler) : cnn_sampler_check(sampler);
    return status == CNN_OK ? CNN_OK : cnn_fail_in(status, "%s", cnn_dataset_path(options->dataset));
}

static enum cnn_status create_policy(struct cnn_loader *loader) {
    const struct cnn_shard_header *header = cnn_dataset_header(loader->options.dataset);
    loader->stored = (struct cnn_image_info){header->encoding, header->h, header->w, header->c};
    bool fixed = header->h > 0 && header->w > 0;
    enum cnn_status status =
        cnn_policy_create(&loader->policy, loader->options.augment, fixed, header->h, header->w);
    if (status != CNN_OK)
        return cnn_fail_in(status, "%s", cnn_dataset_path(loader->options.dataset));
    loader->options.augment = NULL; // was borrowed until here
    return CNN_OK;
}

// Small enough that all threads work on one batch, large enough that tickets cost nothing.
static void cut_into_units(struct cnn_loader *loader) {
    int64_t batch = loader->options.sampler.micro;
    int64_t records = batch / ((int64_t)loader->options.threads * UNITS_PER_THREAD);
    records = records < 1 ? 1 : records > MOST_UNIT_RECORDS ? MOST_UNIT_RECORDS : records;
    loader->unit_records = (int)records;
    loader->n_units = (int)((batch + records - 1) / records);
    loader->mixes = !loader->options.evaluation && cnn_mix_wanted(&loader->options.mix);
    loader->n_parts = loader->n_units + loader->mixes;
}

static void *take_memory(const struct cnn_loader_options *options, size_t bytes) {
    if (options->alloc)
        return options->alloc(options->memory_context, bytes);
    void *memory = NULL;
    return cnn_malloc(&memory, bytes, 1) == CNN_OK ? memory : NULL;
}

static void give_memory(const struct cnn_loader_options *options, void *memory) {
    if (!memory)
        return;
    if (options->alloc)
        options->free(options->memory_context, memory);
    else
        free(memory);
}

// Bytes of a batch's pixels, rounded up to where its labels begin, and of both.
static enum cnn_status slot_bytes(const struct cnn_loader *loader, size_t *out_labels, size_t *out_all) {
    size_t micro = (size_t)loader->options.sampler.micro, pixels = 0, labels = 0;
    CNN_TRY(cnn_multiply(&pixels, micro, loader->row_bytes));
    CNN_TRY(cnn_multiply(&labels, micro, sizeof(int32_t)));
    if (pixels > SIZE_MAX - CNN_ALIGN || cnn_align_up(pixels, CNN_ALIGN) > SIZE_MAX - labels)
        return cnn_fail(CNN_ERR_INPUT, "a batch of %zu images of %zu bytes is too large", micro,
                        loader->row_bytes);
    *out_labels = cnn_align_up(pixels, CNN_ALIGN);
    *out_all = *out_labels + labels;
    return CNN_OK;
}

static enum cnn_status create_slot(struct cnn_loader *loader, struct cnn_loader_slot *slot) {
    struct cnn_batch *batch = &slot->batch;
    batch->capacity = loader->options.sampler.micro;
    cnn_loader_output(loader, &batch->h, &batch->w, &batch->c);
    size_t labels = 0, bytes = 0;
    CNN_TRY(slot_bytes(loader, &labels, &bytes));
    CNN_TRY(cnn_calloc(&slot->dropped, (size_t)batch->capacity, sizeof *slot->dropped));
    CNN_TRY(cnn_calloc(&batch->ids, (size_t)batch->capacity, sizeof *batch->ids));
    if (loader->mixes) {
        CNN_TRY(cnn_calloc(&batch->partners, (size_t)batch->capacity, sizeof *batch->partners));
        CNN_TRY(cnn_calloc(&batch->weights, (size_t)batch->capacity, sizeof *batch->weights));
    }
    slot->memory = take_memory(&loader->options, bytes);
    if (!slot->memory)
        return cnn_fail(CNN_ERR_MEMORY,
                        "out of memory for %" PRIu64
                        " batches of %d images of %d x %d x %d: use a smaller data.ahead or "
                        "train.batch.micro",
                        loader->n_slots, batch->capacity, batch->h, batch->w, batch->c);
    batch->pixels = slot->memory;
    batch->labels = (int32_t *)(void *)((uint8_t *)slot->memory + labels);
    return CNN_OK;
}

static enum cnn_status create_slots(struct cnn_loader *loader) {
    int h, w, c;
    cnn_loader_output(loader, &h, &w, &c);
    CNN_TRY(cnn_multiply(&loader->row_bytes, (size_t)h * (size_t)c, (size_t)w));
    CNN_TRY(cnn_calloc(&loader->slots, (size_t)loader->options.ahead + 1, sizeof *loader->slots));
    loader->n_slots = (uint64_t)loader->options.ahead + 1;
    for (uint64_t i = 0; i < loader->n_slots; i++)
        CNN_TRY(create_slot(loader, &loader->slots[i]));
    return CNN_OK;
}

static enum cnn_status start_thread(struct cnn_loader *loader, int i) {
    struct cnn_loader_worker *worker = &loader->workers[i];
    worker->loader = loader;
    if (loader->order)
        CNN_TRY(cnn_order_reader_create(&worker->order, loader->order));
    const enum cnn_status status = loader->mixes ? cnn_malloc(&worker->spare, loader->row_bytes, 1) : CNN_OK;
    if (status != CNN_OK) {
        cnn_order_reader_destroy(worker->order);
        return status;
    }
    int error = pthread_create(&worker->thread, NULL, cnn_loader_work, worker);
    if (error) {
        cnn_order_reader_destroy(worker->order);
        free(worker->spare);
    }
    if (error)
        return cnn_fail(CNN_ERR_MEMORY, "cannot start loader thread %d of %d: %s; use fewer data.threads",
                        i + 1, loader->options.threads, strerror(error));
    char name[16]; // what Linux keeps
    snprintf(name, sizeof name, "cnn-%s-%d", loader->options.evaluation ? "eval" : "load", i % 1000);
    pthread_setname_np(worker->thread, name);
    loader->n_workers++;
    return CNN_OK;
}

static enum cnn_status start_threads(struct cnn_loader *loader) {
    CNN_TRY(cnn_calloc(&loader->workers, (size_t)loader->options.threads, sizeof *loader->workers));
    // Signals are for the thread that runs the steps; these inherit the mask.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    enum cnn_status status = CNN_OK;
    for (int i = 0; i < loader->options.threads && status == CNN_OK; i++)
        status = start_thread(loader, i);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

static enum cnn_status fill(struct cnn_loader *loader) {
    const struct cnn_loader_options *options = &loader->options;
    if (!options->evaluation) {
        loader->steps = cnn_sampler_steps(&options->sampler);
        loader->micros = cnn_sampler_micros(&options->sampler);
        CNN_TRY(cnn_order_create(&loader->order, &options->sampler, options->dataset));
    }
    CNN_TRY(create_policy(loader));
    cut_into_units(loader);
    CNN_TRY(create_slots(loader));
    return start_threads(loader);
}

enum cnn_status cnn_loader_create(struct cnn_loader **out, const struct cnn_loader_options *options) {
    CNN_TRY(check_options(options));
    struct cnn_loader *loader = NULL;
    CNN_TRY(cnn_calloc(&loader, 1, sizeof *loader));
    loader->options = *options;
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->to_caller, NULL);
    pthread_cond_init(&loader->to_workers, NULL);
    enum cnn_status status = fill(loader);
    if (status != CNN_OK) {
        cnn_loader_destroy(loader);
        return status;
    }
    *out = loader;
    return CNN_OK;
}

static void stop_threads(struct cnn_loader *loader) {
    pthread_mutex_lock(&loader->lock);
    loader->quit = true;
    atomic_store(&loader->halt, true);
    pthread_cond_broadcast(&loader->to_workers);
    pthread_mutex_unlock(&loader->lock);
    for (int i = 0; i < loader->n_workers; i++) {
        pthread_join(loader->workers[i].thread, NULL);
        free(loader->workers[i].bytes);
        free(loader->workers[i].spare);
        cnn_image_scratch_finish(&loader->workers[i].scratch);
        cnn_order_reader_destroy(loader->workers[i].order);
    }
    free(loader->workers);
}

void cnn_loader_destroy(struct cnn_loader *loader) {
    if (!loader)
        return;
    stop_threads(loader);
    for (uint64_t i = 0; i < loader->n_slots; i++) {
        give_memory(&loader->options, loader->slots[i].memory);
        free(loader->slots[i].batch.ids);
        free(loader->slots[i].batch.partners);
        free(loader->slots[i].batch.weights);
        free(loader->slots[i].dropped);
    }
    free(loader->slots);
    cnn_policy_destroy(loader->policy);
    cnn_order_destroy(loader->order);
    free(loader->reported);
    pthread_cond_destroy(&loader->to_workers);
    pthread_cond_destroy(&loader->to_caller);
    pthread_mutex_destroy(&loader->lock);
    free(loader);
}

size_t cnn_loader_bytes(const struct cnn_loader *loader) {
    size_t labels = 0, bytes = 0;
    enum cnn_status status = slot_bytes(loader, &labels, &bytes); // fitted when the slots were made
    return status == CNN_OK ? (size_t)loader->n_slots * bytes : 0;
}
