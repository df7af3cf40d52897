#include "data/import/numbering.h"

#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>

static enum cnn_status read_names(struct cnn_numbering *numbering, struct cnn_class_list *out) {
    int n = cnn_dataset_header(numbering->dataset)->n_classes;
    CNN_TRY(cnn_calloc(&numbering->names, (size_t)n, sizeof *numbering->names));
    for (int label = 0; label < n; label++)
        numbering->names[label] = cnn_dataset_class_name(numbering->dataset, label);
    *out = (struct cnn_class_list){n, numbering->names, cnn_dataset_path(numbering->dataset)};
    return CNN_OK;
}

static void name_dropped(const struct cnn_class_list *own, const struct cnn_class_map *map, const char *path,
                         bool *dropped) {
    char names[400];
    int n = 0;
    for (int i = 0; i < own->n; i++)
        n += dropped[i] = map->label[i] < 0;
    if (n == 0)
        return;
    cnn_class_list_format(names, sizeof names, own, dropped);
    cnn_log_info("ignored %d class%s without images that %s lacks: %s", n, n == 1 ? "" : "es", path, names);
}

static enum cnn_status match(struct cnn_numbering *numbering, struct cnn_import_source *source, bool says) {
    const struct cnn_class_list own = {source->n_classes, source->classes, NULL};
    struct cnn_class_list wanted;
    uint64_t *records;
    bool *dropped = NULL;
    CNN_TRY(read_names(numbering, &wanted));
    if (cnn_class_list_is_named(&own) && !cnn_class_list_is_named(&wanted))
        return cnn_fail(CNN_ERR_INPUT, "--classes-of: the classes of %s have no names to match",
                        wanted.owner);
    CNN_TRY(cnn_calloc(&records, (size_t)own.n, sizeof *records));
    for (uint64_t i = 0; i < source->n; i++)
        records[source->label(source->context, i)]++;
    enum cnn_status status = cnn_class_map_make(&numbering->map, &wanted, &own, records);
    free(records);
    CNN_TRY(status == CNN_OK ? status : cnn_fail_in(status, "--classes-of"));
    CNN_TRY(cnn_calloc(&dropped, (size_t)own.n, sizeof *dropped));
    if (says)
        name_dropped(&own, &numbering->map, wanted.owner, dropped);
    free(dropped);
    source->classes = cnn_class_list_is_named(&wanted) ? wanted.names : NULL;
    source->n_classes = wanted.n;
    source->relabel = numbering->map.label;
    return CNN_OK;
}

enum cnn_status cnn_numbering_take(struct cnn_numbering *out, struct cnn_import_source *source,
                                   const char *path, bool says) {
    enum cnn_status status = cnn_dataset_open(&out->dataset, path);
    return status == CNN_OK ? match(out, source, says) : cnn_fail_in(status, "--classes-of");
}

void cnn_numbering_finish(struct cnn_numbering *numbering) {
    cnn_dataset_close(numbering->dataset);
    cnn_class_map_finish(&numbering->map);
    free(numbering->names);
    *numbering = (struct cnn_numbering){0};
}
