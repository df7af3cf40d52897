#include "train/class_names.h"

#include "base/json.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cnn_class_list cnn_class_names_list(const struct cnn_class_names *names) {
    return (struct cnn_class_list){.n = names->n, .names = (const char *const *)names->names};
}

void cnn_class_names_finish(struct cnn_class_names *names) {
    for (int i = 0; names->names && i < names->n; i++)
        free(names->names[i]);
    free(names->names);
    *names = (struct cnn_class_names){0};
}

enum cnn_status cnn_class_names_of_dataset(struct cnn_class_names *out, const struct cnn_dataset *dataset,
                                           int n) {
    struct cnn_class_names names = {.n = n};
    enum cnn_status status = cnn_calloc(&names.names, (size_t)n, sizeof *names.names);
    for (int i = 0; status == CNN_OK && i < n; i++) {
        const char *name = cnn_dataset_class_name(dataset, i);
        if (name)
            status = cnn_strdup(&names.names[i], name);
    }
    if (status != CNN_OK) {
        cnn_class_names_finish(&names);
        return status;
    }
    *out = names;
    return CNN_OK;
}

static enum cnn_status parse(struct cnn_class_names *names, const json_t *list) {
    size_t n = json_array_size(list);
    if (!json_is_array(list) || (n != 0 && n != (size_t)names->n))
        return cnn_fail(CNN_ERR_INPUT,
                        "`class_names` in its metadata is not a list of the names of %d classes", names->n);
    CNN_TRY(cnn_calloc(&names->names, (size_t)names->n, sizeof *names->names));
    for (size_t i = 0; i < n; i++) {
        const json_t *name = json_array_get(list, i);
        if (json_is_string(name))
            CNN_TRY(cnn_strdup(&names->names[i], json_string_value(name)));
        else if (!json_is_null(name))
            return cnn_fail(CNN_ERR_INPUT,
                            "`class_names` in its metadata: the name of class %zu is not a string", i);
    }
    return CNN_OK;
}

enum cnn_status cnn_class_names_parse(struct cnn_class_names *out, const char *json, int n) {
    struct cnn_class_names names = {.n = n};
    json_t *list = json_loads(json, 0, NULL);
    enum cnn_status status = parse(&names, list);
    json_decref(list);
    if (status != CNN_OK) {
        cnn_class_names_finish(&names);
        return status;
    }
    *out = names;
    return CNN_OK;
}

enum cnn_status cnn_class_names_json(char **out, const struct cnn_class_names *names) {
    const struct cnn_class_list of = cnn_class_names_list(names);
    json_t *list = json_array();
    for (int i = 0; cnn_class_list_is_named(&of) && i < names->n; i++)
        cnn_json_append(&list, cnn_json_string(names->names[i]));
    return cnn_json_dump(out, list, JSON_COMPACT);
}

enum cnn_status cnn_class_names_broadcast(struct cnn_class_names *names, struct cnn_comm *comm) {
    char *text = NULL;
    const bool is_root = cnn_comm_rank(comm) == 0;
    CNN_TRY(cnn_comm_agree(comm, is_root ? cnn_class_names_json(&text, names) : CNN_OK));
    int64_t sizes[2] = {names->n, is_root ? (int64_t)strlen(text) + 1 : 0};
    enum cnn_status status = cnn_comm_broadcast(comm, sizes, sizeof sizes, 0);
    if (status == CNN_OK)
        status = cnn_comm_agree(comm, is_root ? CNN_OK : cnn_malloc(&text, (size_t)sizes[1], 1));
    if (status == CNN_OK)
        status = cnn_comm_broadcast(comm, text, (size_t)sizes[1], 0);
    if (status == CNN_OK) {
        cnn_class_names_finish(names);
        status = cnn_comm_agree(comm, cnn_class_names_parse(names, text, (int)sizes[0]));
    }
    free(text);
    return status;
}

// ---- matching ----

static void count_records(uint64_t *records, const struct cnn_dataset *dataset) {
    uint64_t count = cnn_dataset_count(dataset);
    for (uint64_t i = 0; i < count; i++)
        records[cnn_dataset_record(dataset, i).label]++;
}

// "no pictures of cat, dog (2 of the network's 10 classes)". Where some of the network's classes have names,
// those without are spare, and nobody misses them.
static bool describe_missing(char *out, size_t out_bytes, const struct cnn_class_list *network,
                             const uint64_t *records, bool *missing) {
    char names[400];
    int n = 0;
    for (int i = 0; i < network->n; i++) {
        bool spare = cnn_class_list_is_named(network) && !network->names[i];
        missing[i] = records[i] == 0 && !spare;
        n += missing[i];
    }
    cnn_class_list_format(names, sizeof names, network, missing);
    snprintf(out, out_bytes, "no images of %s (%d of the network's %d classes)", names, n, network->n);
    return n > 0;
}

// "b from 0 to 1, c from 1 to 2 and 7 more"
static void describe_moves(char *out, size_t out_bytes, const struct cnn_class_map *map,
                           const struct cnn_class_list *own) {
    int listed = 0, left = 0;
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < map->n; i++) {
        if (map->label[i] < 0 || map->label[i] == i)
            continue;
        if (listed == 8 || used + strlen(own->names[i]) + 48 > out_bytes) {
            left++;
            continue;
        }
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%s from %d to %d", listed ? ", " : "",
                                 own->names[i], i, map->label[i]);
        listed++;
    }
    if (left > 0)
        snprintf(out + used, out_bytes - used, listed ? " and %d more" : "%d classes", left);
}

static enum cnn_status write_note(char **out, const struct cnn_class_map *map,
                                  const struct cnn_class_list *own, const struct cnn_class_list *network,
                                  const uint64_t *records, bool *missing) {
    char moves[400], absent[512], text[1200] = "";
    const bool is_named = cnn_class_list_is_named(own);
    size_t used = 0;
    if (map->moved) {
        describe_moves(moves, sizeof moves, map, own);
        used = (size_t)snprintf(text, sizeof text, "classes were matched by name and renumbered (%s)", moves);
    }
    if (cnn_class_list_is_named(network) != is_named)
        used = (size_t)snprintf(text, sizeof text, "%s no class names: classes were matched by number",
                                is_named ? "the network has" : "it has");
    if (describe_missing(absent, sizeof absent, network, records, missing))
        snprintf(text + used, sizeof text - used, "%s%s", used ? "; " : "", absent);
    return text[0] ? cnn_strdup(out, text) : CNN_OK;
}

static enum cnn_status match(const struct cnn_class_list *network, const struct cnn_class_list *own,
                             struct cnn_dataset *dataset, char **note) {
    uint64_t *stored = NULL, *records = NULL;
    bool *missing = NULL;
    struct cnn_class_map map = {0};
    enum cnn_status status = cnn_calloc(&stored, (size_t)own->n, sizeof *stored);
    if (status == CNN_OK)
        status = cnn_calloc(&records, (size_t)network->n, sizeof *records);
    if (status == CNN_OK)
        status = cnn_calloc(&missing, (size_t)network->n, sizeof *missing);
    if (status == CNN_OK) {
        count_records(stored, dataset);
        status = cnn_class_map_make(&map, network, own, stored);
    }
    if (status == CNN_OK)
        status = cnn_dataset_renumber(dataset, &map, network->n);
    if (status == CNN_OK) {
        count_records(records, dataset);
        status = write_note(note, &map, own, network, records, missing);
    }
    cnn_class_map_finish(&map);
    free(missing);
    free(records);
    free(stored);
    return status;
}

enum cnn_status cnn_class_names_match(const struct cnn_class_names *network, struct cnn_dataset *dataset,
                                      char **note) {
    struct cnn_class_names own = {0};
    *note = NULL;
    CNN_TRY(cnn_class_names_of_dataset(&own, dataset, cnn_dataset_header(dataset)->n_classes));
    const struct cnn_class_list of_network = cnn_class_names_list(network),
                                of_dataset = cnn_class_names_list(&own);
    enum cnn_status status = match(&of_network, &of_dataset, dataset, note);
    cnn_class_names_finish(&own);
    return status;
}
