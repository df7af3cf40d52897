#include "backend/cuda/plan_store.h"
#include "base/checksum.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A file: a line that says what it is and has the checksum of all that follows, the key and a line's end, the
// text.
#define HEADER "cnn_dist plan 1, crc32c %08" PRIx32 "\n"
#define HEADER_BYTES 33
#define LIMIT_BYTES ((size_t)64 << 20)

struct entry {
    char *key, *text;
    size_t bytes;
};

struct cnn_plan_store {
    struct entry *entries;
    size_t n, room;
    char folder[4096];
    bool has_folder;
};

enum cnn_status cnn_plan_store_create(struct cnn_plan_store **out, const char *folder) {
    struct cnn_plan_store *store = NULL;
    CNN_TRY(cnn_calloc(&store, 1, sizeof *store));
    store->has_folder =
        folder && cnn_path_format(store->folder, sizeof store->folder, "%s", folder) == CNN_OK;
    *out = store;
    return CNN_OK;
}

static void entry_finish(struct entry *entry) {
    free(entry->key);
    free(entry->text);
}

void cnn_plan_store_destroy(struct cnn_plan_store *store) {
    if (!store)
        return;
    for (size_t i = 0; i < store->n; i++)
        entry_finish(&store->entries[i]);
    free(store->entries);
    free(store);
}

// ---- in memory ----

static struct entry *find(const struct cnn_plan_store *store, const char *key) {
    for (size_t i = 0; i < store->n; i++)
        if (strcmp(store->entries[i].key, key) == 0)
            return &store->entries[i];
    return NULL;
}

static enum cnn_status copy(char **out, const char *from, size_t bytes) {
    CNN_TRY(cnn_malloc(out, bytes + 1, 1));
    memcpy(*out, from, bytes);
    (*out)[bytes] = '\0';
    return CNN_OK;
}

static enum cnn_status remember(struct cnn_plan_store *store, const char *key, const char *text,
                                size_t bytes) {
    struct entry made = {.bytes = bytes};
    CNN_TRY(cnn_make_room(&store->entries, &store->room, store->n, sizeof *store->entries));
    enum cnn_status status = copy(&made.key, key, strlen(key));
    if (status == CNN_OK)
        status = copy(&made.text, text, bytes);
    if (status != CNN_OK) {
        entry_finish(&made);
        return status;
    }
    struct entry *old = find(store, key);
    if (!old)
        old = &store->entries[store->n++];
    else
        entry_finish(old);
    *old = made;
    return CNN_OK;
}

// ---- in files ----

static enum cnn_status path_of(char *out, size_t out_bytes, const struct cnn_plan_store *store,
                               const char *key) {
    return cnn_path_format(out, out_bytes, "%s/%08" PRIx32 ".plan", store->folder,
                           cnn_crc32c(0, key, strlen(key)));
}

// The text in a file's bytes, or NULL.
static const char *text_in(const char *file, size_t file_bytes, const char *key, size_t *bytes) {
    const size_t key_n = strlen(key);
    char header[HEADER_BYTES + 1];
    if (file_bytes < HEADER_BYTES + key_n + 1)
        return NULL;
    const char *rest = file + HEADER_BYTES;
    snprintf(header, sizeof header, HEADER, cnn_crc32c(0, rest, file_bytes - HEADER_BYTES));
    if (memcmp(file, header, HEADER_BYTES) != 0 || memcmp(rest, key, key_n) != 0 || rest[key_n] != '\n')
        return NULL;
    *bytes = file_bytes - HEADER_BYTES - key_n - 1;
    return rest + key_n + 1;
}

static enum cnn_status load(struct cnn_plan_store *store, const char *key) {
    char path[4200], *file = NULL;
    size_t file_bytes = 0, bytes = 0;
    CNN_TRY(path_of(path, sizeof path, store, key));
    if (!cnn_file_exists(path))
        return CNN_OK;
    CNN_TRY(cnn_file_read(&file, &file_bytes, path, LIMIT_BYTES));
    const char *text = text_in(file, file_bytes, key, &bytes);
    const enum cnn_status status = text ? remember(store, key, text, bytes) : CNN_OK;
    free(file);
    return status;
}

static enum cnn_status save(const struct cnn_plan_store *store, const char *key, const char *text,
                            size_t bytes) {
    char path[4200], *file = NULL;
    const size_t key_n = strlen(key), file_bytes = HEADER_BYTES + key_n + 1 + bytes;
    CNN_TRY(cnn_folder_create(store->folder));
    CNN_TRY(path_of(path, sizeof path, store, key));
    CNN_TRY(cnn_malloc(&file, file_bytes, 1));
    memcpy(file + HEADER_BYTES, key, key_n);
    file[HEADER_BYTES + key_n] = '\n';
    memcpy(file + HEADER_BYTES + key_n + 1, text, bytes);
    char header[HEADER_BYTES + 1];
    snprintf(header, sizeof header, HEADER, cnn_crc32c(0, file + HEADER_BYTES, file_bytes - HEADER_BYTES));
    memcpy(file, header, HEADER_BYTES);
    const enum cnn_status status = cnn_file_replace(path, file, file_bytes);
    free(file);
    return status;
}

// ---- both ----

const char *cnn_plan_store_find(struct cnn_plan_store *store, const char *key, size_t *out_bytes) {
    struct entry *entry = find(store, key);
    if (!entry && store->has_folder && load(store, key) == CNN_OK)
        entry = find(store, key);
    if (!entry)
        return NULL;
    *out_bytes = entry->bytes;
    return entry->text;
}

enum cnn_status cnn_plan_store_keep(struct cnn_plan_store *store, const char *key, const char *text,
                                    size_t bytes) {
    CNN_TRY(remember(store, key, text, bytes));
    if (store->has_folder && save(store, key, text, bytes) != CNN_OK) {
        cnn_log_info("plans      not cached, compiled for this run only: %s", cnn_error_message());
        store->has_folder = false;
    }
    return CNN_OK;
}
