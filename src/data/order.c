#include "data/order.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>

struct cnn_order {
    struct cnn_sampler sampler;
    uint64_t n_shards, n_windows;
    const uint64_t *shard_first; // n_shards + 1; the dataset's
    uint64_t n_classes;          // that have records
    uint64_t *class_first;       // n_classes + 1: where each class begins in `members`
    uint32_t *members;           // records, class by class
};

struct cnn_order_reader {
    const struct cnn_order *order;
    uint64_t epoch;  // of what follows; UINT64_MAX: none yet
    uint64_t *shard; // n_shards: which one comes k-th
    uint64_t *first; // n_shards + 1: records before the k-th
};

// ---- classes ----

// Counts the records of each label into first[label + 1], then drops labels without any.
static uint64_t sum_classes(uint64_t *first, uint64_t *class_of, int n_labels) {
    uint64_t n = 0;
    for (int label = 0; label < n_labels; label++) {
        uint64_t count = first[label + 1];
        class_of[label] = n;
        if (count == 0)
            continue;
        first[n + 1] = first[n] + count;
        n++;
    }
    return n;
}

static enum cnn_status list_classes(struct cnn_order *order, const struct cnn_dataset *dataset) {
    int n_labels = cnn_dataset_header(dataset)->n_classes;
    uint64_t n = order->sampler.n_records, *class_of = NULL, *next = NULL;
    if (n > UINT32_MAX)
        return cnn_fail(CNN_ERR_UNSUPPORTED,
                        "data.sampling class_balanced of %" PRIu64 " records: at most %u", n, UINT32_MAX);
    CNN_TRY(cnn_calloc(&order->class_first, (size_t)n_labels + 1, sizeof *order->class_first));
    CNN_TRY(cnn_malloc(&order->members, (size_t)n, sizeof *order->members));
    enum cnn_status status = cnn_malloc(&class_of, (size_t)n_labels, sizeof *class_of);
    if (status == CNN_OK)
        status = cnn_malloc(&next, (size_t)n_labels, sizeof *next);
    if (status == CNN_OK) {
        for (uint64_t i = 0; i < n; i++)
            order->class_first[cnn_dataset_record(dataset, i).label + 1]++;
        order->n_classes = sum_classes(order->class_first, class_of, n_labels);
        for (uint64_t k = 0; k < order->n_classes; k++)
            next[k] = order->class_first[k];
        for (uint64_t i = 0; i < n; i++)
            order->members[next[class_of[cnn_dataset_record(dataset, i).label]]++] = (uint32_t)i;
    }
    free(next);
    free(class_of);
    return status;
}

// Positions are dealt out to the classes in turn, in a random order; a class goes through its records in a
// new order each time it has come to their end.
static struct cnn_pick pick_balanced(const struct cnn_order *order, uint64_t epoch, uint64_t place) {
    const struct cnn_sampler *sampler = &order->sampler;
    uint64_t slot = cnn_permute(sampler->seed, CNN_PURPOSE_ORDER, epoch, sampler->n_records, place);
    uint64_t class = slot % order->n_classes, turn = slot / order->n_classes;
    uint64_t first = order->class_first[class], n = order->class_first[class + 1] - first;
    uint64_t round = turn / n, key = (epoch * order->n_classes + class) * 31 + round;
    uint64_t i = cnn_permute(sampler->seed, CNN_PURPOSE_CLASS, key, n, turn % n);
    return (struct cnn_pick){.record = order->members[first + i], .repeat = (uint32_t)round};
}

// ---- windows ----

static void sort_shards(struct cnn_order_reader *reader, uint64_t epoch) {
    const struct cnn_order *order = reader->order;
    if (reader->epoch == epoch)
        return;
    for (uint64_t k = 0; k < order->n_shards; k++) {
        uint64_t s = cnn_permute(order->sampler.seed, CNN_PURPOSE_SHARDS, epoch, order->n_shards, k);
        reader->shard[k] = s;
        reader->first[k + 1] = reader->first[k] + order->shard_first[s + 1] - order->shard_first[s];
    }
    reader->epoch = epoch;
}

// The k-th shard that holds `place` of the epoch's sequence of shards: the last that begins at or before it.
static uint64_t shard_at(const struct cnn_order_reader *reader, uint64_t place) {
    uint64_t low = 0, high = reader->order->n_shards; // first[low] <= place < first[high]
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (reader->first[middle] <= place)
            low = middle;
        else
            high = middle;
    }
    return low;
}

struct window {
    uint64_t number, begin, end; // places of the sequence of shards
};

static struct window window_number(const struct cnn_order_reader *reader, uint64_t number) {
    uint64_t shards = (uint64_t)reader->order->sampler.window, last = (number + 1) * shards;
    if (last > reader->order->n_shards)
        last = reader->order->n_shards;
    return (struct window){number, reader->first[number * shards], reader->first[last]};
}

static struct window window_at(const struct cnn_order_reader *reader, uint64_t place) {
    return window_number(reader, shard_at(reader, place) / (uint64_t)reader->order->sampler.window);
}

static uint64_t pick_windowed(struct cnn_order_reader *reader, uint64_t epoch, uint64_t place) {
    const struct cnn_order *order = reader->order;
    sort_shards(reader, epoch);
    struct window window = window_at(reader, place);
    uint64_t key = epoch * order->n_windows + window.number;
    place = window.begin + cnn_permute(order->sampler.seed, CNN_PURPOSE_WINDOW, key,
                                       window.end - window.begin, place - window.begin);
    uint64_t k = shard_at(reader, place);
    return order->shard_first[reader->shard[k]] + place - reader->first[k];
}

// Names the records at begin..end-1 of the sequence of shards.
static void ask_places(const struct cnn_order_reader *reader, uint64_t begin, uint64_t end, cnn_order_ask ask,
                       void *context) {
    while (begin < end) {
        uint64_t k = shard_at(reader, begin);
        uint64_t stop = reader->first[k + 1] < end ? reader->first[k + 1] : end;
        ask(context, reader->order->shard_first[reader->shard[k]] + begin - reader->first[k], stop - begin);
        begin = stop;
    }
}

// Place `at` of `from`, stretched or shrunk to the length of `to`.
static uint64_t stretch(struct window from, struct window to, uint64_t at) {
    double share = (double)(at - from.begin) / (double)(from.end - from.begin);
    uint64_t n = to.end - to.begin, moved = (uint64_t)(share * (double)n);
    return to.begin + (moved < n && at < from.end ? moved : n);
}

void cnn_order_ahead(struct cnn_order_reader *reader, uint64_t epoch, uint64_t begin, uint64_t end,
                     cnn_order_ask ask, void *context) {
    const struct cnn_order *order = reader->order;
    if (order->sampler.shuffle != CNN_SHUFFLE_WINDOW || begin >= end)
        return;
    struct cnn_sampler_turn from = cnn_sampler_turn(&order->sampler, epoch, begin);
    struct cnn_sampler_turn to = cnn_sampler_turn(&order->sampler, epoch, end - 1);
    if (from.repeat > 0 || to.place < from.place)
        return; // read for the first showing
    sort_shards(reader, from.epoch);
    uint64_t stop = to.place + 1;
    while (from.place < stop) {
        struct window here = window_at(reader, from.place);
        uint64_t here_stop = stop < here.end ? stop : here.end;
        if (here.number + 1 < order->n_windows) { // the first window of an epoch is read as it is used
            struct window next = window_number(reader, here.number + 1);
            ask_places(reader, stretch(here, next, from.place), stretch(here, next, here_stop), ask, context);
        }
        from.place = here_stop;
    }
}

// ---- the order ----

enum cnn_status cnn_order_create(struct cnn_order **out, const struct cnn_sampler *sampler,
                                 const struct cnn_dataset *dataset) {
    int n_shards = 0;
    const uint64_t *first = cnn_dataset_shards(dataset, &n_shards);
    struct cnn_order *order;
    if (sampler->n_records != cnn_dataset_count(dataset))
        return cnn_fail(CNN_ERR_INPUT, "%s: an order of %" PRIu64 " records, but it has %" PRIu64,
                        cnn_dataset_path(dataset), sampler->n_records, cnn_dataset_count(dataset));
    CNN_TRY(cnn_calloc(&order, 1, sizeof *order));
    order->sampler = *sampler;
    order->n_shards = (uint64_t)n_shards;
    order->shard_first = first;
    if (sampler->shuffle == CNN_SHUFFLE_WINDOW)
        order->n_windows = (order->n_shards + (uint64_t)sampler->window - 1) / (uint64_t)sampler->window;
    enum cnn_status status = CNN_OK;
    if (sampler->sampling == CNN_SAMPLING_CLASS_BALANCED)
        status = list_classes(order, dataset);
    if (status != CNN_OK) {
        cnn_order_destroy(order);
        return status;
    }
    *out = order;
    return CNN_OK;
}

void cnn_order_destroy(struct cnn_order *order) {
    if (!order)
        return;
    free(order->class_first);
    free(order->members);
    free(order);
}

enum cnn_status cnn_order_reader_create(struct cnn_order_reader **out, const struct cnn_order *order) {
    struct cnn_order_reader *reader;
    CNN_TRY(cnn_calloc(&reader, 1, sizeof *reader));
    reader->order = order;
    reader->epoch = UINT64_MAX;
    size_t n = order->sampler.shuffle == CNN_SHUFFLE_WINDOW ? (size_t)order->n_shards : 0;
    enum cnn_status status = cnn_calloc(&reader->shard, n, sizeof *reader->shard);
    if (status == CNN_OK)
        status = cnn_calloc(&reader->first, n + 1, sizeof *reader->first);
    if (status != CNN_OK) {
        cnn_order_reader_destroy(reader);
        return status;
    }
    *out = reader;
    return CNN_OK;
}

void cnn_order_reader_destroy(struct cnn_order_reader *reader) {
    if (!reader)
        return;
    free(reader->shard);
    free(reader->first);
    free(reader);
}

struct cnn_pick cnn_order_at(struct cnn_order_reader *reader, uint64_t epoch, uint64_t position) {
    const struct cnn_sampler *sampler = &reader->order->sampler;
    struct cnn_sampler_turn turn = cnn_sampler_turn(sampler, epoch, position);
    struct cnn_pick pick = {0};
    if (sampler->sampling == CNN_SAMPLING_CLASS_BALANCED)
        pick = pick_balanced(reader->order, turn.epoch, turn.place);
    else if (sampler->shuffle == CNN_SHUFFLE_WINDOW)
        pick.record = pick_windowed(reader, turn.epoch, turn.place);
    else
        pick.record = cnn_sampler_record(sampler, turn.epoch, turn.place);
    uint32_t repeats = sampler->repeats > 1 ? (uint32_t)sampler->repeats : 1;
    pick.repeat = pick.repeat * repeats + turn.repeat;
    return pick;
}

#define RECORD_BITS 40 // of a draw's key; the rest tells showings apart

struct cnn_draws cnn_order_draws(const struct cnn_sampler *sampler, uint64_t epoch, struct cnn_pick pick) {
    return cnn_draws_of(sampler->seed, CNN_PURPOSE_AUGMENT, epoch,
                        pick.record ^ (uint64_t)pick.repeat << RECORD_BITS);
}
