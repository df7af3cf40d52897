#include "data/import/pool.h"

#include "base/checksum.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/import/picture.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_RECORDS 32              // a unit is what a thread takes at once: so many records
#define UNIT_BYTES ((size_t)1 << 20) // or so many bytes, whichever comes first
#define UNITS_A_THREAD 4
#define BYTES_IN_FLIGHT                                                                                      \
    ((uint64_t)64 << 20)             // beyond this no new unit is begun, so that large files do not add up
#define KEPT_BYTES ((size_t)4 << 20) // of a unit's buffer, when it is free again

struct entry {
    uint64_t i;
    int shard;
    size_t at, bytes;
    uint32_t crc32c;
    struct cnn_image_info info;
    char *reason; // malloc'ed
};

struct unit {
    struct entry entries[UNIT_RECORDS];
    int n, next; // entries; the next one to hand out
    struct cnn_bytes bytes;
    uint64_t planned; // bytes it counts for
    struct cnn_error error;
    bool ready;
};

struct cnn_pool {
    const struct cnn_import_source *source;
    const struct cnn_selection *selection;
    const struct cnn_import_plan *plan;
    const struct cnn_import_options *options;
    const bool *skipped;

    pthread_mutex_t
        claim;     // one thread at a time takes records, and reads them where the source is sequential
    uint64_t next; // in the source
    uint64_t positions[CNN_IMPORT_MAX_PARTS];
    bool all_claimed, gave_up; // gave_up: reading failed in a way that ends the import

    pthread_mutex_t lock; // of what follows
    pthread_cond_t has_room, has_ready;
    uint64_t head, tail; // units handed out; taken. Unit k lies in slot k % n_units
    uint64_t in_flight;  // bytes
    bool stop, no_more;
    struct unit *units, *current;
    int n_units;

    pthread_t *threads;
    int n_threads;
};

static uint64_t size_of(const struct cnn_import_source *source, uint64_t i) {
    return source->size ? source->size(source->context, i) : source->bytes / source->n;
}

// The next record that somebody here must make, or false.
static bool claim_record(struct cnn_pool *pool, struct entry *out) {
    for (; pool->next < pool->source->n; pool->next++) {
        uint64_t i = pool->next;
        int part = cnn_selection_part(pool->selection, i);
        if (part == CNN_IMPORT_LEFT_OUT)
            continue;
        int shard = cnn_import_plan_shard(pool->plan, part, pool->positions[part]++);
        if (pool->skipped[shard])
            continue;
        *out = (struct entry){.i = i, .shard = shard};
        pool->next++;
        return true;
    }
    return false;
}

static void claim_unit(struct cnn_pool *pool, struct unit *unit) {
    unit->n = unit->next = 0;
    unit->planned = 0;
    unit->bytes.n = 0;
    unit->error.status = CNN_OK;
    while (unit->n < UNIT_RECORDS && unit->planned < UNIT_BYTES &&
           claim_record(pool, &unit->entries[unit->n]))
        unit->planned += size_of(pool->source, unit->entries[unit->n++].i);
    pool->all_claimed = unit->n == 0;
}

static void reject(struct unit *unit, struct entry *entry) {
    unit->bytes.n = entry->at;
    entry->bytes = 0;
    entry->reason = strdup(cnn_error_message());
    if (!entry->reason)
        cnn_error_take(&unit->error, cnn_fail(CNN_ERR_MEMORY, "out of memory: a line of the report"));
}

// CNN_OK also where the record cannot be used.
static enum cnn_status judge(struct unit *unit, struct entry *entry, enum cnn_status status) {
    if (status == CNN_ERR_INPUT || status == CNN_ERR_UNSUPPORTED) {
        reject(unit, entry);
        return unit->error.status;
    }
    if (status != CNN_OK)
        cnn_error_take(&unit->error, status);
    return status;
}

static enum cnn_status read_record(struct cnn_pool *pool, struct unit *unit, struct entry *entry) {
    entry->at = unit->bytes.n;
    enum cnn_status status = pool->source->read(pool->source->context, entry->i, &unit->bytes);
    entry->bytes = unit->bytes.n - entry->at;
    return judge(unit, entry, status);
}

// `entry` stands last in the buffer.
static enum cnn_status make_record(struct cnn_pool *pool, struct unit *unit, struct entry *entry) {
    const struct cnn_import_source *source = pool->source;
    if (entry->reason)
        return CNN_OK;
    if (source->pixels)
        entry->info = (struct cnn_image_info){CNN_ENCODING_RAW, source->h, source->w, source->c};
    else
        CNN_TRY(judge(unit, entry, cnn_import_picture(&entry->info, &unit->bytes, entry->at, pool->options)));
    if (!entry->reason) {
        entry->bytes = unit->bytes.n - entry->at;
        entry->crc32c = cnn_crc32c(0, unit->bytes.data + entry->at, entry->bytes);
    }
    return CNN_OK;
}

static enum cnn_status read_unit(struct cnn_pool *pool, struct unit *unit) {
    for (int k = 0; k < unit->n; k++)
        CNN_TRY(read_record(pool, unit, &unit->entries[k]));
    return CNN_OK;
}

// What was read at once is taken apart: each record in turn goes to the end of a second buffer.
static enum cnn_status make_unit(struct cnn_pool *pool, struct unit *unit) {
    struct cnn_bytes all = unit->bytes;
    enum cnn_status status = CNN_OK;
    unit->bytes = (struct cnn_bytes){0};
    for (int k = 0; k < unit->n && status == CNN_OK; k++) {
        struct entry *entry = &unit->entries[k];
        size_t from = entry->at;
        entry->at = unit->bytes.n;
        status = cnn_bytes_add(&unit->bytes, all.data + from, entry->bytes);
        status = status == CNN_OK ? make_record(pool, unit, entry) : judge(unit, entry, status);
    }
    free(all.data);
    return status;
}

static void read_and_make(struct cnn_pool *pool, struct unit *unit) {
    for (int k = 0; k < unit->n; k++)
        if (read_record(pool, unit, &unit->entries[k]) != CNN_OK ||
            make_record(pool, unit, &unit->entries[k]) != CNN_OK)
            return;
}

// Waits for a free slot; NULL: it is over. Called with `claim` held, so that units are taken in order.
static struct unit *take_slot(struct cnn_pool *pool) {
    struct unit *unit = NULL;
    pthread_mutex_lock(&pool->lock);
    while (!pool->stop && (pool->tail - pool->head == (uint64_t)pool->n_units ||
                           (pool->tail > pool->head && pool->in_flight > BYTES_IN_FLIGHT)))
        pthread_cond_wait(&pool->has_room, &pool->lock);
    if (!pool->stop && !pool->all_claimed && !pool->gave_up)
        unit = &pool->units[pool->tail % (uint64_t)pool->n_units];
    pthread_mutex_unlock(&pool->lock);
    return unit;
}

// The unit counts from now on, or, where there was nothing left to claim, there will be no more.
static bool put_unit(struct cnn_pool *pool, struct unit *unit) {
    bool any = unit->n > 0;
    pthread_mutex_lock(&pool->lock);
    if (any) {
        pool->tail++;
        pool->in_flight += unit->planned;
    } else {
        pool->no_more = true;
        pthread_cond_broadcast(&pool->has_ready);
    }
    pthread_mutex_unlock(&pool->lock);
    return any;
}

static struct unit *take_unit(struct cnn_pool *pool) {
    pthread_mutex_lock(&pool->claim);
    struct unit *unit = take_slot(pool);
    if (unit) {
        claim_unit(pool, unit);
        if (!put_unit(pool, unit))
            unit = NULL;
        else if (pool->source->sequential && read_unit(pool, unit) != CNN_OK)
            pool->gave_up = true;
    }
    pthread_mutex_unlock(&pool->claim);
    return unit;
}

static void *work(void *context) {
    struct cnn_pool *pool = context;
    for (struct unit *unit; (unit = take_unit(pool));) {
        if (!pool->source->sequential)
            read_and_make(pool, unit);
        else if (unit->error.status == CNN_OK)
            make_unit(pool, unit);
        pthread_mutex_lock(&pool->lock);
        unit->ready = true;
        pthread_cond_broadcast(&pool->has_ready);
        pthread_mutex_unlock(&pool->lock);
    }
    return NULL;
}

// ---- the other side ----

static void release(struct cnn_pool *pool) {
    struct unit *unit = pool->current;
    for (int k = 0; k < unit->n; k++) {
        free(unit->entries[k].reason);
        unit->entries[k].reason = NULL;
    }
    if (unit->bytes.room > KEPT_BYTES) {
        free(unit->bytes.data);
        unit->bytes = (struct cnn_bytes){0};
    }
    pthread_mutex_lock(&pool->lock);
    unit->ready = false;
    pool->in_flight -= unit->planned;
    pool->head++;
    pthread_cond_broadcast(&pool->has_room);
    pthread_mutex_unlock(&pool->lock);
    pool->current = NULL;
}

static struct unit *wait_for_unit(struct cnn_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    struct unit *unit = &pool->units[pool->head % (uint64_t)pool->n_units];
    while (!unit->ready && !(pool->no_more && pool->head == pool->tail))
        pthread_cond_wait(&pool->has_ready, &pool->lock);
    if (!unit->ready)
        unit = NULL;
    pthread_mutex_unlock(&pool->lock);
    return unit;
}

enum cnn_status cnn_pool_next(struct cnn_pool *pool, struct cnn_pool_record *out, bool *out_end) {
    if (pool->current && pool->current->next == pool->current->n)
        release(pool);
    if (!pool->current)
        pool->current = wait_for_unit(pool);
    *out_end = !pool->current;
    if (!pool->current)
        return CNN_OK;
    struct unit *unit = pool->current;
    if (unit->error.status != CNN_OK)
        return cnn_error_give(&unit->error);
    const struct entry *entry = &unit->entries[unit->next++];
    *out = (struct cnn_pool_record){.i = entry->i,
                                    .shard = entry->shard,
                                    .data = entry->reason ? NULL : unit->bytes.data + entry->at,
                                    .bytes = entry->bytes,
                                    .crc32c = entry->crc32c,
                                    .info = entry->info,
                                    .reason = entry->reason};
    return CNN_OK;
}

static enum cnn_status start(struct cnn_pool *pool) {
    int wanted = pool->options->threads > 0 ? pool->options->threads : 1;
    pool->n_units = wanted * UNITS_A_THREAD;
    CNN_TRY(cnn_calloc(&pool->units, (size_t)pool->n_units, sizeof *pool->units));
    CNN_TRY(cnn_calloc(&pool->threads, (size_t)wanted, sizeof *pool->threads));
    for (; pool->n_threads < wanted; pool->n_threads++) {
        int error = pthread_create(&pool->threads[pool->n_threads], NULL, work, pool);
        if (error != 0)
            return cnn_fail(CNN_ERR_FAILED, "cannot start a thread: %s", strerror(error));
    }
    return CNN_OK;
}

enum cnn_status cnn_pool_create(struct cnn_pool **out, const struct cnn_import_source *source,
                                const struct cnn_selection *selection, const struct cnn_import_plan *plan,
                                const bool *skipped, const struct cnn_import_options *options) {
    struct cnn_pool *pool;
    CNN_TRY(cnn_calloc(&pool, 1, sizeof *pool));
    pool->source = source;
    pool->selection = selection;
    pool->plan = plan;
    pool->skipped = skipped;
    pool->options = options;
    pthread_mutex_init(&pool->claim, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->has_room, NULL);
    pthread_cond_init(&pool->has_ready, NULL);
    enum cnn_status status = start(pool);
    if (status != CNN_OK) {
        cnn_pool_destroy(pool);
        return status;
    }
    *out = pool;
    return CNN_OK;
}

void cnn_pool_destroy(struct cnn_pool *pool) {
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->has_room);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->n_threads; i++)
        pthread_join(pool->threads[i], NULL);
    for (int i = 0; pool->units && i < pool->n_units; i++) {
        for (int k = 0; k < UNIT_RECORDS; k++)
            free(pool->units[i].entries[k].reason);
        free(pool->units[i].bytes.data);
    }
    pthread_cond_destroy(&pool->has_ready);
    pthread_cond_destroy(&pool->has_room);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->claim);
    free(pool->threads);
    free(pool->units);
    free(pool);
}
