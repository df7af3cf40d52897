// One record into its row of a batch, and what happens when that fails.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/loader_state.h"

#include <inttypes.h>
#include <stdlib.h>

#define MAX_SUBSTITUTES 32

static void tally(_Atomic uint64_t *total, uint64_t more) {
    // One thread writes each total, so no read-modify-write is needed.
    uint64_t sum = atomic_load_explicit(total, memory_order_relaxed) + more;
    atomic_store_explicit(total, sum, memory_order_relaxed);
}

static uint64_t nanoseconds(double seconds) { return seconds > 0 ? (uint64_t)(seconds * 1e9) : 0; }

static enum cnn_status make_room(struct cnn_loader_worker *worker, size_t bytes) {
    if (bytes <= worker->room)
        return CNN_OK;
    size_t room = bytes <= SIZE_MAX / 2 ? bytes + bytes / 2 : bytes; // grow seldom
    uint8_t *larger = NULL;
    CNN_TRY(cnn_malloc(&larger, room, 1));
    free(worker->bytes);
    worker->bytes = larger;
    worker->room = room;
    return CNN_OK;
}

static enum cnn_status decode(struct cnn_loader_worker *worker, uint8_t *pixels,
                              const struct cnn_record *record, struct cnn_draws draws) {
    const struct cnn_loader *loader = worker->loader;
    const struct cnn_image_info *stored = &loader->stored;
    size_t raw_bytes = (size_t)stored->h * (size_t)stored->w * (size_t)stored->c;
    if (stored->encoding == CNN_ENCODING_RAW && record->bytes != raw_bytes)
        return cnn_fail(CNN_ERR_INPUT, "%zu bytes, but a raw image of %d x %d x %d has %zu", record->bytes,
                        stored->h, stored->w, stored->c, raw_bytes);
    return cnn_policy_apply(loader->policy, pixels, loader->options.channels, worker->bytes, record->bytes,
                            stored, draws, &worker->scratch);
}

static enum cnn_status load(struct cnn_loader_worker *worker, struct cnn_batch *batch, int row,
                            uint64_t epoch, struct cnn_pick pick) {
    const struct cnn_loader *loader = worker->loader;
    const struct cnn_dataset *dataset = loader->options.dataset;
    uint64_t i = pick.record;
    struct cnn_record record = cnn_dataset_record(dataset, i);
    CNN_TRY(make_room(worker, record.bytes));

    double begun = cnn_clock_s();
    CNN_TRY(cnn_dataset_read(dataset, i, worker->bytes));
    double read = cnn_clock_s(), decoded = worker->scratch.decode_s;
    uint8_t *pixels = batch->pixels + (size_t)row * loader->row_bytes;
    struct cnn_draws draws = cnn_order_draws(&loader->options.sampler, epoch, pick);
    enum cnn_status status = decode(worker, pixels, &record, draws);
    if (status != CNN_OK)
        return cnn_fail_in(status, "%s: record with id %" PRIu64, cnn_dataset_file(dataset, i), record.id);

    batch->labels[row] = record.label;
    batch->ids[row] = record.id;
    tally(&worker->records, 1);
    tally(&worker->bytes_read, record.bytes);
    worker->unit_read_s += read - begun;
    worker->unit_bytes += (double)record.bytes;
    tally(&worker->read_ns, nanoseconds(read - begun));
    double all = cnn_clock_s() - read, decode = worker->scratch.decode_s - decoded;
    tally(&worker->decode_ns, nanoseconds(decode));
    tally(&worker->augment_ns, nanoseconds(all - decode));
    return CNN_OK;
}

// Failures that belong to the record, so that another one may do instead.
static bool is_of_record(enum cnn_status status) {
    return status == CNN_ERR_INPUT || status == CNN_ERR_UNSUPPORTED || status == CNN_ERR_IO;
}

// True for the first failure of record i since create. Without memory to remember it, it is reported again.
static bool first_report(struct cnn_loader *loader, uint64_t i) {
    if (!loader->reported) {
        size_t bytes = (size_t)(loader->options.sampler.n_records / 8 + 1);
        if (cnn_calloc(&loader->reported, bytes, 1) != CNN_OK)
            return true;
    }
    uint8_t bit = (uint8_t)(1u << (i % 8));
    bool first = !(loader->reported[i / 8] & bit);
    loader->reported[i / 8] |= bit;
    return first;
}

// Counts this thread's error against the batch; the first row's reason is kept, whatever thread comes first.
static void report_bad(struct cnn_loader *loader, struct cnn_loader_slot *slot, int row, uint64_t epoch,
                       uint64_t i, enum cnn_status status) {
    struct cnn_error error;
    cnn_error_take(&error, status);
    pthread_mutex_lock(&loader->lock);
    if (slot->n_bad == 0 || row < slot->bad_row) {
        slot->bad = error;
        slot->bad_row = row;
    }
    slot->n_bad++;
    loader->n_bad++;
    bool first = first_report(loader, i);
    pthread_mutex_unlock(&loader->lock);
    if (first)
        cnn_log_warn("bad record in epoch %" PRIu64 ", %s: %s", epoch,
                     loader->options.evaluation ? "skipped" : "replaced by another one", error.message);
}

static void report_fatal(struct cnn_loader *loader, struct cnn_loader_slot *slot, enum cnn_status status) {
    pthread_mutex_lock(&loader->lock);
    if (slot->fatal.status == CNN_OK)
        cnn_error_take(&slot->fatal, status);
    pthread_mutex_unlock(&loader->lock);
}

static enum cnn_status substitute(struct cnn_loader_worker *worker, struct cnn_batch *batch, int row,
                                  uint64_t epoch, struct cnn_pick pick) {
    const struct cnn_sampler *sampler = &worker->loader->options.sampler;
    for (int attempt = 0; attempt < MAX_SUBSTITUTES; attempt++) {
        struct cnn_pick other = pick;
        other.record = cnn_sampler_substitute(sampler, epoch, pick.record, attempt);
        enum cnn_status status = load(worker, batch, row, epoch, other);
        if (status == CNN_OK || !is_of_record(status))
            return status;
    }
    struct cnn_error last;
    cnn_error_take(&last, CNN_ERR_FAILED);
    return cnn_fail(CNN_ERR_FAILED,
                    "record %" PRIu64 " and %d replacements cannot be read; the last error: %s", pick.record,
                    MAX_SUBSTITUTES, last.message);
}

// Slower than this, records do not come from the system's memory. A copy of one takes 20 us to begin with at
// the very most.
#define SLOW_READ_S 20e-6
#define SLOW_BYTES_PER_S 1.5e9
#define SLOW_UNITS 16 // once slow, for so long

static struct cnn_pick pick_of(struct cnn_loader_worker *worker, const struct cnn_loader_place *place,
                               int row) {
    uint64_t position = place->position + (uint64_t)row;
    if (worker->order)
        return cnn_order_at(worker->order, place->epoch, position);
    return (struct cnn_pick){.record = position};
}

static void ask(void *context, uint64_t first, uint64_t n) {
    const struct cnn_loader_worker *worker = context;
    cnn_dataset_expect(worker->loader->options.dataset, first, n);
}

// Looks at how the last unit went. One that was read well because it had been asked for says nothing.
static bool reads_are_slow(struct cnn_loader_worker *worker) {
    double quick_s = SLOW_READ_S * worker->loader->unit_records + worker->unit_bytes / SLOW_BYTES_PER_S;
    if (worker->unit_read_s > quick_s)
        worker->n_slow = SLOW_UNITS;
    else if (worker->n_slow > 0)
        worker->n_slow--;
    worker->unit_read_s = worker->unit_bytes = 0;
    return worker->n_slow > 0;
}

void cnn_loader_expect(struct cnn_loader_worker *worker, const struct cnn_loader_unit *unit,
                       const struct cnn_loader_unit *later) {
    const struct cnn_loader_options *options = &worker->loader->options;
    uint64_t position = unit->place.position;
    if (worker->order && options->whole_windows && options->sampler.shuffle == CNN_SHUFFLE_WINDOW) {
        cnn_order_ahead(worker->order, unit->place.epoch, position + (uint64_t)unit->first,
                        position + (uint64_t)unit->end, ask, worker);
        return;
    }
    if (!reads_are_slow(worker) || !later)
        return;
    for (int row = later->first; row < later->end; row++)
        ask(worker, pick_of(worker, &later->place, row).record, 1);
}

void cnn_loader_fill_row(struct cnn_loader_worker *worker, struct cnn_loader_slot *slot,
                         const struct cnn_loader_place *place, int row) {
    struct cnn_loader *loader = worker->loader;
    struct cnn_pick pick = pick_of(worker, place, row);
    enum cnn_status status = load(worker, &slot->batch, row, place->epoch, pick);
    if (status == CNN_OK)
        return;
    if (is_of_record(status)) {
        report_bad(loader, slot, row, place->epoch, pick.record, status);
        slot->dropped[row] = loader->options.evaluation;
        status = slot->dropped[row] ? CNN_OK : substitute(worker, &slot->batch, row, place->epoch, pick);
    }
    if (status != CNN_OK)
        report_fatal(loader, slot, status);
}
