#include "data/class_map.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_BYTES 360 // of a list of names in a message
#define MAX_LISTED 10

// Number of classes up to the last one with a name; 0: unnamed.
static int named(const struct cnn_class_list *list) {
    int n = list->names ? list->n : 0;
    while (n > 0 && !list->names[n - 1])
        n--;
    return n;
}

bool cnn_class_list_is_named(const struct cnn_class_list *list) { return named(list) > 0; }

void cnn_class_list_format(char *out, size_t out_bytes, const struct cnn_class_list *list,
                           const bool *chosen) {
    size_t used = 0;
    int listed = 0, left = 0;
    out[0] = '\0';
    for (int i = 0; i < list->n; i++) {
        char number[16];
        if (chosen && !chosen[i])
            continue;
        snprintf(number, sizeof number, "%d", i);
        const char *name = list->names && list->names[i] ? list->names[i] : number;
        // Room for " and 1000000 more" stays.
        if (listed == MAX_LISTED || used + strlen(name) + 24 > out_bytes) {
            left++;
            continue;
        }
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", listed ? ", " : "", name);
        listed++;
    }
    if (left > 0)
        snprintf(out + used, out_bytes - used, listed ? " and %d more" : "%d classes", left);
}

static const char *owner_of(const struct cnn_class_list *list) {
    return list->owner ? list->owner : "the network";
}

static bool same_lists(const struct cnn_class_list *a, const struct cnn_class_list *b) {
    if (a->n != b->n || !a->names || !b->names)
        return false;
    for (int i = 0; i < a->n; i++)
        if (!a->names[i] || !b->names[i] || strcmp(a->names[i], b->names[i]) != 0)
            return false;
    return true;
}

// ---- by number ----

static enum cnn_status match_numbers(struct cnn_class_map *map, const struct cnn_class_list *network,
                                     const struct cnn_class_list *dataset, const uint64_t *records) {
    const int of_network = named(network), of_dataset = named(dataset);
    if ((of_network > 0) != (of_dataset > 0) &&
        (of_network ? of_network != dataset->n : dataset->n != network->n))
        return cnn_fail(CNN_ERR_INPUT, "%d classes %s names cannot be matched with the %d of %s %s names%s",
                        dataset->n, of_dataset ? "with" : "without", of_network ? of_network : network->n,
                        owner_of(network), of_network ? "with" : "without",
                        network->owner ? "" : "; import the dataset again with --classes-of TRAINING_SET");
    for (int i = 0; i < dataset->n; i++) {
        map->label[i] = i < network->n ? i : -1;
        if (map->label[i] < 0 && records[i] > 0)
            return cnn_fail(CNN_ERR_INPUT, "a record has label %d, but %s has %d classes (0..%d)", i,
                            owner_of(network), network->n, network->n - 1);
    }
    return CNN_OK;
}

// ---- by name ----

struct entry {
    const char *name;
    int label;
};

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

// What is known while classes are matched.
struct matching {
    const struct cnn_class_list *network, *dataset;
    const uint64_t *records;
    struct entry *sorted; // the network's named classes, by name
    size_t n_sorted;
    int *taken;    // by the network's label: the dataset's class with records that has it, plus 1; 0: none
    bool *unknown; // classes with records that the network does not know
    int n_unknown;
};

static enum cnn_status prepare(struct matching *m) {
    const struct cnn_class_list *network = m->network;
    CNN_TRY(cnn_calloc(&m->sorted, (size_t)network->n, sizeof *m->sorted));
    CNN_TRY(cnn_calloc(&m->taken, (size_t)network->n, sizeof *m->taken));
    CNN_TRY(cnn_calloc(&m->unknown, (size_t)m->dataset->n, sizeof *m->unknown));
    for (int i = 0; i < network->n; i++)
        if (network->names[i])
            m->sorted[m->n_sorted++] = (struct entry){network->names[i], i};
    qsort(m->sorted, m->n_sorted, sizeof *m->sorted, by_name);
    return CNN_OK;
}

// The network's class of that name; -1: none, -2: several.
static int find(const struct matching *m, const char *name) {
    const struct entry wanted = {name, 0};
    const struct entry *found = bsearch(&wanted, m->sorted, m->n_sorted, sizeof wanted, by_name);
    if (!found)
        return -1;
    bool again = (found > m->sorted && by_name(found - 1, found) == 0) ||
                 (found + 1 < m->sorted + m->n_sorted && by_name(found + 1, found) == 0);
    return again ? -2 : found->label;
}

static enum cnn_status match_class(struct matching *m, int i, int *out) {
    const char *name = m->dataset->names[i];
    int label = name ? find(m, name) : -1;
    if (label == -2 && i < m->network->n && m->network->names[i] && strcmp(m->network->names[i], name) == 0)
        label = i;
    if (label == -2 && m->records[i] > 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s has several classes with the name '%.80s', so class %d of the dataset cannot be "
                        "matched: give "
                        "the classes different names (dataset import --classes)",
                        owner_of(m->network), name, i);
    *out = label < 0 ? -1 : label;
    if (m->records[i] == 0)
        return CNN_OK;
    if (label >= 0 && m->taken[label])
        return cnn_fail(
            CNN_ERR_INPUT,
            "classes %d and %d have the same name '%.80s', of which %s has one: give the classes different "
            "names (dataset import --classes)",
            m->taken[label] - 1, i, name, owner_of(m->network));
    if (label >= 0) {
        m->taken[label] = i + 1;
    } else {
        m->unknown[i] = true;
        m->n_unknown++;
    }
    return CNN_OK;
}

static enum cnn_status refuse_unknown(const struct matching *m) {
    char unknown[NAMES_BYTES], known[NAMES_BYTES];
    cnn_class_list_format(unknown, sizeof unknown, m->dataset, m->unknown);
    cnn_class_list_format(known, sizeof known, m->network, NULL);
    return cnn_fail(CNN_ERR_INPUT, "%d class%s %s lacks: %s (%s has: %s); rename or remove %s%s",
                    m->n_unknown, m->n_unknown == 1 ? "" : "es", owner_of(m->network), unknown,
                    owner_of(m->network), known, m->n_unknown == 1 ? "it" : "them",
                    m->network->owner ? "" : ", then import again with --classes-of TRAINING_SET");
}

static enum cnn_status match_all(struct matching *m, struct cnn_class_map *map) {
    CNN_TRY(prepare(m));
    for (int i = 0; i < map->n; i++) {
        CNN_TRY(match_class(m, i, &map->label[i]));
        map->moved |= m->records[i] > 0 && map->label[i] != i;
    }
    return m->n_unknown > 0 ? refuse_unknown(m) : CNN_OK;
}

static enum cnn_status match_names(struct cnn_class_map *map, const struct cnn_class_list *network,
                                   const struct cnn_class_list *dataset, const uint64_t *records) {
    struct matching m = {.network = network, .dataset = dataset, .records = records};
    enum cnn_status status = match_all(&m, map);
    free(m.sorted);
    free(m.taken);
    free(m.unknown);
    return status;
}

enum cnn_status cnn_class_map_make(struct cnn_class_map *out, const struct cnn_class_list *network,
                                   const struct cnn_class_list *dataset, const uint64_t *records) {
    struct cnn_class_map map = {.n = dataset->n};
    enum cnn_status status = cnn_calloc(&map.label, (size_t)dataset->n, sizeof *map.label);
    const bool same = same_lists(network, dataset);
    map.by_name = cnn_class_list_is_named(network) && cnn_class_list_is_named(dataset);
    if (status == CNN_OK && map.by_name && !same)
        status = match_names(&map, network, dataset, records);
    else if (status == CNN_OK)
        status = match_numbers(&map, network, dataset, records);
    if (status != CNN_OK) {
        cnn_class_map_finish(&map);
        return status;
    }
    *out = map;
    return CNN_OK;
}

void cnn_class_map_finish(struct cnn_class_map *map) {
    free(map->label);
    *map = (struct cnn_class_map){0};
}
