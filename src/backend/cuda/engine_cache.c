#include "backend/cuda/engine_cache.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define HEADER "cnn_dist engines 1"
#define LIMIT_BYTES ((size_t)16 << 20)
#define LOCK_WAIT_S 60.0

struct entry {
    char *key, *engine;
};

struct cnn_engine_cache {
    struct entry *entries;
    size_t n, room;
    char folder[4096], path[4096], lock_path[4096];
    bool has_folder, told_damage;
    int lock; // descriptor, -1: not locked
};

// ---- entries ----

static bool is_text(const char *text, size_t n, size_t limit) {
    for (size_t i = 0; i < n; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return n > 0 && n < limit;
}

static bool same(const char *text, const char *part, size_t n) {
    return strlen(text) == n && memcmp(text, part, n) == 0;
}

static struct entry *find(const struct cnn_engine_cache *cache, const char *key, size_t n) {
    for (size_t i = 0; i < cache->n; i++)
        if (same(cache->entries[i].key, key, n))
            return &cache->entries[i];
    return NULL;
}

const char *cnn_engine_cache_find(const struct cnn_engine_cache *cache, const char *key) {
    const struct entry *entry = find(cache, key, strlen(key));
    return entry ? entry->engine : NULL;
}

static enum cnn_status copy_part(char **out, const char *text, size_t n) {
    CNN_TRY(cnn_malloc(out, n + 1, 1));
    memcpy(*out, text, n);
    (*out)[n] = '\0';
    return CNN_OK;
}

static enum cnn_status add(struct cnn_engine_cache *cache, const char *key, size_t key_n, const char *engine,
                           size_t engine_n) {
    struct entry entry = {NULL, NULL};
    CNN_TRY(cnn_make_room(&cache->entries, &cache->room, cache->n, sizeof *cache->entries));
    enum cnn_status status = copy_part(&entry.key, key, key_n);
    if (status == CNN_OK)
        status = copy_part(&entry.engine, engine, engine_n);
    if (status == CNN_OK)
        cache->entries[cache->n++] = entry;
    else
        free(entry.key);
    return status;
}

static enum cnn_status replace(struct entry *entry, const char *engine, size_t engine_n) {
    char *copy = NULL;
    CNN_TRY(copy_part(&copy, engine, engine_n));
    free(entry->engine);
    entry->engine = copy;
    return CNN_OK;
}

// ---- the text ----

static enum cnn_status parse_line(struct cnn_engine_cache *cache, const char *line, size_t n, int *damaged) {
    const char *tab = memchr(line, '\t', n);
    const size_t key_n = tab ? (size_t)(tab - line) : 0, engine_n = tab ? n - key_n - 1 : 0;
    if (!tab || !is_text(line, key_n, CNN_ENGINE_CACHE_KEY_BYTES) ||
        !is_text(tab + 1, engine_n, CNN_ENGINE_CACHE_ENGINE_BYTES)) {
        *damaged += 1;
        return CNN_OK;
    }
    struct entry *entry = find(cache, line, key_n);
    return entry ? replace(entry, tab + 1, engine_n) : add(cache, line, key_n, tab + 1, engine_n);
}

enum cnn_status cnn_engine_cache_parse(struct cnn_engine_cache *cache, const char *text, size_t bytes,
                                       int *out_damaged) {
    *out_damaged = 0;
    for (size_t at = 0; at < bytes;) {
        const char *line = text + at, *end = memchr(line, '\n', bytes - at);
        const size_t n = end ? (size_t)(end - line) : bytes - at;
        const bool header = at == 0 && n == strlen(HEADER) && memcmp(line, HEADER, n) == 0;
        if (at == 0 && !header) { // another program's, or another version's: nothing in it is ours
            *out_damaged = 1;
            return CNN_OK;
        }
        if (!header && !end)
            *out_damaged += 1; // cut off
        else if (!header)
            CNN_TRY(parse_line(cache, line, n, out_damaged));
        at += n + 1;
    }
    return CNN_OK;
}

enum cnn_status cnn_engine_cache_format(char **out, const struct cnn_engine_cache *cache) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory");
    fprintf(stream, "%s\n", HEADER);
    for (size_t i = 0; i < cache->n; i++)
        fprintf(stream, "%s\t%s\n", cache->entries[i].key, cache->entries[i].engine);
    if (fclose(stream) != 0) {
        free(text);
        return cnn_fail(CNN_ERR_MEMORY, "out of memory");
    }
    *out = text;
    return CNN_OK;
}

// ---- the file ----

static enum cnn_status user_folder(char *out, size_t out_bytes) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && cache[0] == '/')
        return cnn_path_format(out, out_bytes, "%s/cnn_dist", cache);
    if (home && home[0] == '/')
        return cnn_path_format(out, out_bytes, "%s/.cache/cnn_dist", home);
    return cnn_fail(CNN_ERR_INPUT, "neither XDG_CACHE_HOME nor HOME is set");
}

static void do_without(struct cnn_engine_cache *cache) {
    cnn_log_info("engines    not cached, chosen for this run only: %s", cnn_error_message());
    cache->has_folder = false;
}

// What cannot be read is made anew.
static enum cnn_status load(struct cnn_engine_cache *cache) {
    char *text = NULL;
    size_t bytes = 0;
    int damaged = 0;
    if (!cache->has_folder || !cnn_file_exists(cache->path))
        return CNN_OK;
    enum cnn_status status = cnn_file_read(&text, &bytes, cache->path, LIMIT_BYTES);
    if (status != CNN_OK)
        damaged = 1;
    else
        status = cnn_engine_cache_parse(cache, text, bytes, &damaged);
    free(text);
    if (damaged && !cache->told_damage)
        cnn_log_warn("%s: damaged; missing engines are chosen again", cache->path);
    cache->told_damage = cache->told_damage || damaged;
    return status == CNN_ERR_MEMORY ? status : CNN_OK;
}

static enum cnn_status open_folder(struct cnn_engine_cache *cache, const char *folder) {
    char users[4096];
    if (!folder) {
        CNN_TRY(user_folder(users, sizeof users));
        folder = users;
    }
    CNN_TRY(cnn_folder_create(folder));
    CNN_TRY(cnn_path_format(cache->folder, sizeof cache->folder, "%s", folder));
    CNN_TRY(cnn_path_format(cache->path, sizeof cache->path, "%s/engines.txt", folder));
    CNN_TRY(cnn_path_format(cache->lock_path, sizeof cache->lock_path, "%s/engines.lock", folder));
    cache->has_folder = true;
    return CNN_OK;
}

enum cnn_status cnn_engine_cache_create(struct cnn_engine_cache **out, const char *folder) {
    struct cnn_engine_cache *cache = NULL;
    CNN_TRY(cnn_calloc(&cache, 1, sizeof *cache));
    cache->lock = -1;
    if (open_folder(cache, folder) != CNN_OK)
        do_without(cache);
    const enum cnn_status status = load(cache);
    if (status != CNN_OK) {
        cnn_engine_cache_destroy(cache);
        return status;
    }
    *out = cache;
    return CNN_OK;
}

const char *cnn_engine_cache_folder(const struct cnn_engine_cache *cache) {
    return cache->has_folder ? cache->folder : NULL;
}

void cnn_engine_cache_destroy(struct cnn_engine_cache *cache) {
    if (!cache)
        return;
    cnn_engine_cache_unlock(cache);
    for (size_t i = 0; i < cache->n; i++) {
        free(cache->entries[i].key);
        free(cache->entries[i].engine);
    }
    free(cache->entries);
    free(cache);
}

static bool wait_for_lock(int descriptor) {
    const struct timespec pause = {0, 20 * 1000 * 1000};
    const double since = cnn_clock_s();
    while (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || cnn_clock_s() - since > LOCK_WAIT_S)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

void cnn_engine_cache_lock(struct cnn_engine_cache *cache) {
    if (!cache->has_folder || cache->lock >= 0)
        return;
    cache->lock = open(cache->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (cache->lock >= 0 && !wait_for_lock(cache->lock)) {
        close(cache->lock);
        cache->lock = -1;
    }
    if (load(cache) != CNN_OK)
        do_without(cache);
}

void cnn_engine_cache_unlock(struct cnn_engine_cache *cache) {
    if (cache->lock >= 0)
        close(cache->lock);
    cache->lock = -1;
}

static enum cnn_status save(const struct cnn_engine_cache *cache) {
    char *text = NULL;
    CNN_TRY(cnn_engine_cache_format(&text, cache));
    const enum cnn_status status = cnn_file_replace(cache->path, text, strlen(text));
    free(text);
    return status;
}

enum cnn_status cnn_engine_cache_keep(struct cnn_engine_cache *cache, const char *key, const char *engine,
                                      const char *refused) {
    const size_t key_n = strlen(key), engine_n = strlen(engine);
    if (!is_text(key, key_n, CNN_ENGINE_CACHE_KEY_BYTES) ||
        !is_text(engine, engine_n, CNN_ENGINE_CACHE_ENGINE_BYTES))
        return cnn_fail(CNN_ERR_INPUT, "a key and an engine are short printable text");
    CNN_TRY(load(cache)); // what others wrote without a lock stays
    struct entry *entry = find(cache, key, key_n);
    if (!entry)
        CNN_TRY(add(cache, key, key_n, engine, engine_n));
    else if (strcmp(entry->engine, refused) == 0)
        CNN_TRY(replace(entry, engine, engine_n));
    if (cache->has_folder && save(cache) != CNN_OK)
        do_without(cache);
    return CNN_OK;
}
