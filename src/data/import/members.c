#include "data/import/members.h"

#include "base/memory.h"
#include "data/import/paths.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 1024
#define MAX_PATH_BYTES 8192

// ---- keys ----

// "/a/./b/../c" is a/c, and so is "../a/c": nothing lies outside.
static enum cnn_status make_key(char out[MAX_PATH_BYTES], const char *path) {
    CNN_TRY(cnn_path_normalize(out, path + strspn(path, "/")));
    size_t skip = 0;
    while (strncmp(out + skip, "../", 3) == 0)
        skip += 3;
    if (strcmp(out + skip, "..") == 0 || strcmp(out + skip, ".") == 0)
        skip = strlen(out);
    memmove(out, out + skip, strlen(out + skip) + 1);
    return CNN_OK;
}

static enum cnn_status add_text(struct cnn_members *members, size_t *out, const char *text) {
    *out = members->texts.n;
    return cnn_bytes_add(&members->texts, text, strlen(text) + 1);
}

// "./a/b" and its key a/b share their text.
static enum cnn_status set_names(struct cnn_members *members, struct cnn_member *out, const char *path) {
    char key[MAX_PATH_BYTES];
    CNN_TRY(make_key(key, path));
    path += strspn(path, "/");
    size_t n = strlen(path), n_key = strlen(key);
    bool ends = n >= n_key && strcmp(path + n - n_key, key) == 0 && !strstr(path, "..");
    CNN_TRY(add_text(members, &out->path, ends ? path : key));
    out->key = out->path + (ends ? n - n_key : 0);
    return CNN_OK;
}

// ---- finding ----

static size_t hash(const char *text) { // FNV-1a
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return (size_t)(h ^ h >> 29);
}

// The slot of the key, or the empty one where it belongs. The table is never full.
static size_t slot_of(const struct cnn_members *members, const char *key) {
    size_t mask = members->n_slots - 1, at = hash(key) & mask;
    while (members->slots[at] > 0 &&
           strcmp(cnn_members_text(members, members->items[members->slots[at] - 1].key), key) != 0)
        at = (at + 1) & mask;
    return at;
}

size_t cnn_members_find(const struct cnn_members *members, const char *key) {
    uint32_t found = members->n_slots > 0 ? members->slots[slot_of(members, key)] : 0;
    return found > 0 ? found - 1 : CNN_MEMBER_NONE;
}

static enum cnn_status make_slots(struct cnn_members *members) {
    uint32_t *old = members->slots;
    size_t n_old = members->n_slots;
    if (2 * members->n < n_old)
        return CNN_OK;
    members->slots = NULL;
    members->n_slots = n_old > 0 ? 2 * n_old : FIRST_SLOTS;
    enum cnn_status status = cnn_calloc(&members->slots, members->n_slots, sizeof *members->slots);
    for (size_t i = 0; i < n_old && status == CNN_OK; i++)
        if (old[i] > 0)
            members->slots[slot_of(members, cnn_members_text(members, members->items[old[i] - 1].key))] =
                old[i];
    free(old);
    if (status != CNN_OK)
        members->n_slots = 0;
    return status;
}

static enum cnn_status index_last(struct cnn_members *members) {
    CNN_TRY(make_slots(members));
    struct cnn_member *member = &members->items[members->n - 1];
    uint32_t *slot = &members->slots[slot_of(members, cnn_members_text(members, member->key))];
    if (*slot > 0)
        members->items[*slot - 1].replaced = true;
    member->same = *slot;
    *slot = (uint32_t)members->n;
    return CNN_OK;
}

enum cnn_status cnn_members_add(struct cnn_members *members, const struct cnn_archive_member *member) {
    char key[MAX_PATH_BYTES];
    struct cnn_member added = {.kind = (uint8_t)member->kind, .bytes = member->bytes, .at = member->at};
    if (members->n == CNN_MEMBERS_MAX - 1)
        return cnn_fail(CNN_ERR_INPUT, "an archive of more than %u members", CNN_MEMBERS_MAX - 1);
    CNN_TRY(cnn_make_room(&members->items, &members->room, members->n, sizeof *members->items));
    CNN_TRY(set_names(members, &added, member->path));
    if (member->kind == CNN_ARCHIVE_HARD_LINK) {
        CNN_TRY(make_key(key, member->target));
        CNN_TRY(add_text(members, &added.target, key));
    } else if (member->kind == CNN_ARCHIVE_SYMBOLIC_LINK) {
        CNN_TRY(add_text(members, &added.target, member->target));
    }
    if (member->kind == CNN_ARCHIVE_FILE && member->at == CNN_ARCHIVE_NOWHERE)
        members->scattered = true;
    members->items[members->n++] = added;
    return *cnn_members_text(members, added.key) ? index_last(members) : CNN_OK;
}

void cnn_members_finish(struct cnn_members *members) {
    free(members->items);
    free(members->texts.data);
    free(members->slots);
    free(members->sorted);
    *members = (struct cnn_members){0};
}

// ---- folders ----

static int by_key(const void *a, const void *b, void *context) {
    const struct cnn_members *members = context;
    return strcmp(cnn_members_text(members, members->items[*(const uint32_t *)a].key),
                  cnn_members_text(members, members->items[*(const uint32_t *)b].key));
}

static enum cnn_status sort(struct cnn_members *members) {
    if (members->sorted)
        return CNN_OK;
    CNN_TRY(cnn_calloc(&members->sorted, members->n + 1, sizeof *members->sorted));
    for (size_t i = 0; i < members->n; i++)
        if (!members->items[i].replaced && *cnn_members_text(members, members->items[i].key))
            members->sorted[members->n_sorted++] = (uint32_t)i;
    qsort_r(members->sorted, members->n_sorted, sizeof *members->sorted, by_key, members);
    return CNN_OK;
}

// How the key of the k-th in order stands to what is below the folder of `n` bytes: before, in it (0), or
// behind.
static int compare(const struct cnn_members *members, size_t k, const char *folder, size_t n) {
    const char *key = cnn_members_text(members, members->items[members->sorted[k]].key);
    int order = strncmp(key, folder, n);
    return order != 0 || n == 0 ? order : (unsigned char)key[n] - '/';
}

// The first one, from `low` on, that is not before the folder's (behind: that is behind them).
static size_t bound(const struct cnn_members *members, const char *folder, bool behind) {
    size_t low = 0, high = members->n_sorted, n = strlen(folder);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(members, middle, folder, n);
        if (behind ? order <= 0 : order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum cnn_status cnn_members_below(size_t *out_first, size_t *out_n, struct cnn_members *members,
                                  const char *folder) {
    CNN_TRY(sort(members));
    *out_first = bound(members, folder, false);
    *out_n = bound(members, folder, true) - *out_first;
    return CNN_OK;
}
