#include "data/import/names.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 64

static uint64_t hash(const char *text, size_t length) { // FNV-1a
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 29;
}

// The slot that holds the string, or the empty one where it belongs. The table is never full.
static size_t slot_of(const struct cnn_names *names, const char *text, size_t length) {
    size_t mask = names->n_slots - 1, at = hash(text, length) & mask;
    while (names->slots[at] > 0) {
        const char *item = names->items[names->slots[at] - 1];
        if (strncmp(item, text, length) == 0 && item[length] == '\0')
            break;
        at = (at + 1) & mask;
    }
    return at;
}

int cnn_names_find(const struct cnn_names *names, const char *text, size_t length) {
    return names->n_slots > 0 ? names->slots[slot_of(names, text, length)] - 1 : -1;
}

static enum cnn_status grow(struct cnn_names *names) {
    size_t room = names->room ? 2 * names->room : FIRST_ROOM;
    char **items = realloc(names->items, room * sizeof *items);
    if (!items || room > INT_MAX / 4)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: %zu names", room);
    names->items = items;
    free(names->slots);
    names->slots = NULL;
    names->n_slots = 0;
    CNN_TRY(cnn_calloc(&names->slots, 2 * room, sizeof *names->slots));
    names->n_slots = 2 * room;
    names->room = room;
    for (int i = 0; i < names->n; i++)
        names->slots[slot_of(names, items[i], strlen(items[i]))] = i + 1;
    return CNN_OK;
}

enum cnn_status cnn_names_add(int *out, struct cnn_names *names, const char *text, size_t length) {
    *out = cnn_names_find(names, text, length);
    if (*out >= 0)
        return CNN_OK;
    if ((size_t)names->n == names->room)
        CNN_TRY(grow(names));
    char *copy = strndup(text, length);
    if (!copy)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: a name of %zu bytes", length);
    names->slots[slot_of(names, text, length)] = names->n + 1;
    names->items[names->n] = copy;
    *out = names->n++;
    return CNN_OK;
}

enum cnn_status cnn_names_add_utf8(int *out, struct cnn_names *names, const char *text, size_t length) {
    char *copy = strndup(text, length), *name = NULL;
    if (!copy)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: a name of %zu bytes", length);
    enum cnn_status status = cnn_utf8_escape(&name, copy);
    free(copy);
    if (status == CNN_OK)
        status = cnn_names_add(out, names, name, strlen(name));
    free(name);
    return status;
}

void cnn_names_finish(struct cnn_names *names) {
    for (int i = 0; i < names->n; i++)
        free(names->items[i]);
    free(names->items);
    free(names->slots);
    *names = (struct cnn_names){0};
}
