#include "data/import/labels.h"

#include "base/log.h"
#include "base/memory.h"
#include "data/import/table.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// The list as it was read: class_of[k] belongs to name k, or, where the list has no names, to line k.
struct labels {
    const char *path;
    struct cnn_names names, classes;
    int *class_of;
    uint64_t n, room;
    bool named;
};

static enum cnn_status add_class(struct labels *labels, const char *text) {
    if (labels->n == labels->room) {
        uint64_t room = labels->room ? 2 * labels->room : 1024;
        int *larger = realloc(labels->class_of, (size_t)room * sizeof *larger);
        if (!larger)
            return cnn_fail(CNN_ERR_MEMORY, "out of memory: a list of %" PRIu64 " labels", room);
        labels->class_of = larger;
        labels->room = room;
    }
    return cnn_names_add_utf8(&labels->class_of[labels->n++], &labels->classes, text, strlen(text));
}

// "n01440764 13 20 421 299": a class and the corners of boxes, as in Kaggle's LOC_val_solution.csv.
static void drop_boxes(char *text) {
    char *blank = strchr(text, ' ');
    int words = 0;
    if (!blank || blank[strspn(blank, " 0123456789")] != '\0')
        return;
    for (const char *at = blank; *at; at += strcspn(at, " ")) {
        at += strspn(at, " ");
        words += *at != '\0';
    }
    if (words > 0 && words % 4 == 0)
        *blank = '\0';
}

static bool is_heading(const struct cnn_row *row) {
    static const char *const words[] = {"path", "file", "filename", "image", "imageid", "name"};
    for (size_t i = 0; row->n == 2 && i < sizeof words / sizeof *words; i++)
        if (strcasecmp(row->fields[0], words[i]) == 0)
            return true;
    return false;
}

static enum cnn_status add_row(struct labels *labels, struct cnn_row *row) {
    int number, before = labels->names.n;
    if (labels->n == 0)
        labels->named = row->n == 2;
    if (row->n != (labels->named ? 2 : 1) || !*row->fields[row->n - 1])
        return cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": found %d fields, expected %s", labels->path,
                        row->line, row->n,
                        labels->named ? "a name and a class" : "a class alone, as in the lines before");
    if (labels->named) {
        CNN_TRY(cnn_names_add(&number, &labels->names, row->fields[0], strlen(row->fields[0])));
        if (labels->names.n == before)
            return cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": '%s' is there twice", labels->path, row->line,
                            row->fields[0]);
        drop_boxes(row->fields[1]);
    }
    return add_class(labels, row->fields[row->n - 1]);
}

static enum cnn_status read_labels(struct labels *labels) {
    struct cnn_table table;
    struct cnn_row row;
    bool end = false, first = true;
    enum cnn_status status = cnn_table_open(&table, labels->path, 0);
    while (status == CNN_OK && (status = cnn_table_next(&table, &row, &end)) == CNN_OK && !end) {
        if (!first || !is_heading(&row))
            status = add_row(labels, &row);
        first = false;
    }
    cnn_table_close(&table);
    if (status == CNN_OK && labels->n == 0)
        return cnn_fail(CNN_ERR_INPUT, "%s is empty", labels->path);
    return status;
}

// ---- numbers ----

static bool is_number(const char *text) {
    return *text && strlen(text) <= 9 && text[strspn(text, "0123456789")] == '\0';
}

// Each class of the list, a number, becomes the line of `path` with this number.
static enum cnn_status apply_lines(struct labels *labels, const struct cnn_names *lines, const char *path) {
    struct cnn_names named = {0};
    enum cnn_status status = CNN_OK;
    int first = cnn_names_find(&labels->classes, "0", 1) >= 0 ? 0 : 1;
    for (int i = 0; i < labels->classes.n && status == CNN_OK; i++) {
        const char *text = labels->classes.items[i];
        long k = is_number(text) ? strtol(text, NULL, 10) - first : -1;
        int number;
        if (k < 0 || k >= lines->n)
            status = cnn_fail(CNN_ERR_INPUT, "%s: '%s' is not the number of one of the %d lines of %s",
                              labels->path, text, lines->n, path);
        else
            status = cnn_names_add(&number, &named, lines->items[k], strlen(lines->items[k]));
    }
    if (status == CNN_OK) {
        cnn_names_finish(&labels->classes);
        labels->classes = named;
    } else {
        cnn_names_finish(&named);
    }
    return status;
}

static enum cnn_status translate(struct labels *labels, const char *path) {
    struct cnn_names lines = {0};
    struct cnn_table table;
    struct cnn_row row;
    bool end = false;
    int number;
    enum cnn_status status = cnn_table_open(&table, path, '\t');
    while (status == CNN_OK && (status = cnn_table_next(&table, &row, &end)) == CNN_OK && !end) {
        int before = lines.n;
        status = cnn_names_add_utf8(&number, &lines, row.fields[0], strlen(row.fields[0]));
        if (status == CNN_OK && lines.n == before)
            status =
                cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": '%s' is there twice", path, row.line, row.fields[0]);
    }
    cnn_table_close(&table);
    if (status == CNN_OK)
        status = apply_lines(labels, &lines, path);
    cnn_names_finish(&lines);
    return status;
}

// ---- files ----

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool is_picture_name(const char *path) {
    static const char *const endings[] = {".jpg", ".jpeg", ".png"};
    const char *dot = strrchr(last_part(path), '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return false;
}

static int find_name(const struct labels *labels, const char *path) {
    const char *name = last_part(path), *dot = strrchr(name, '.');
    int k = cnn_names_find(&labels->names, path, strlen(path));
    if (k < 0)
        k = cnn_names_find(&labels->names, name, strlen(name));
    return k < 0 && dot ? cnn_names_find(&labels->names, name, (size_t)(dot - name)) : k;
}

static enum cnn_status apply_named(struct cnn_records *records, const struct labels *labels,
                                   const char *what) {
    uint64_t kept = 0;
    for (uint64_t i = 0; i < records->n; i++) {
        struct cnn_import_file file = records->files[i];
        const char *path = cnn_records_path(records, i);
        int k = find_name(labels, path);
        if (k < 0 && is_picture_name(path))
            return cnn_fail(CNN_ERR_INPUT, "%s: %s has no class for %s", what, labels->path, path);
        if (k < 0) {
            records->bytes -= file.bytes;
            records->ignored.files[CNN_IGNORED_UNLISTED]++;
            continue;
        }
        file.label = labels->class_of[k];
        records->files[kept++] = file;
    }
    records->n = kept;
    if (kept < labels->n)
        cnn_log_warn("%s: %" PRIu64 " of the %" PRIu64 " names in %s are not there", what, labels->n - kept,
                     labels->n, labels->path);
    return CNN_OK;
}

static int by_last_part(const void *a, const void *b, void *context) {
    const struct cnn_records *records = context;
    return strcmp(last_part(cnn_records_path(records, *(const uint64_t *)a)),
                  last_part(cnn_records_path(records, *(const uint64_t *)b)));
}

static enum cnn_status apply_unnamed(struct cnn_records *records, const struct labels *labels,
                                     const char *what) {
    uint64_t kept = 0, *order;
    for (uint64_t i = 0; i < records->n; i++) {
        if (is_picture_name(cnn_records_path(records, i))) {
            records->files[kept++] = records->files[i];
        } else {
            records->bytes -= records->files[i].bytes;
            records->ignored.files[CNN_IGNORED_UNLISTED]++;
        }
    }
    records->n = kept;
    if (kept != labels->n)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s holds %" PRIu64 " pictures, %s has %" PRIu64
                        " classes: they do not belong together",
                        what, kept, labels->path, labels->n);
    CNN_TRY(cnn_calloc(&order, (size_t)kept, sizeof *order));
    for (uint64_t i = 0; i < kept; i++)
        order[i] = i;
    qsort_r(order, (size_t)kept, sizeof *order, by_last_part, records);
    for (uint64_t k = 0; k < kept; k++)
        records->files[order[k]].label = labels->class_of[k];
    free(order);
    return CNN_OK;
}

enum cnn_status cnn_records_by_list(struct cnn_records *records, const char *list, const char *numbers,
                                    const char *what) {
    struct labels labels = {.path = list};
    enum cnn_status status = read_labels(&labels);
    if (status == CNN_OK && numbers)
        status = translate(&labels, numbers);
    if (status == CNN_OK)
        status = labels.named ? apply_named(records, &labels, what) : apply_unnamed(records, &labels, what);
    if (status == CNN_OK) {
        records->classes = labels.classes;
        labels.classes = (struct cnn_names){0};
    }
    cnn_names_finish(&labels.names);
    cnn_names_finish(&labels.classes);
    free(labels.class_of);
    return status;
}
