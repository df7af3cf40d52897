#include "data/import/labels.h"

#include "base/log.h"
#include "base/memory.h"
#include "data/import/listing.h"
#include "data/import/paths.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// The list: row k has name number k, where it has names, and class number class_of[k].
struct labels {
    struct cnn_listing listing;
    struct cnn_names names, classes, lines; // lines: of --numbers
    int *class_of;
    const char *what; // the source, for messages
};

// ---- reading ----

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

// "./a/1.jpg" and "/a/1.jpg" stand for a/1.jpg.
static enum cnn_status key_of(char out[8192], const void *context, const char *name) {
    (void)context;
    return cnn_path_normalize(out, name + strspn(name, "/"));
}

static enum cnn_status read_labels(struct labels *labels, const char *path) {
    struct cnn_listing *listing = &labels->listing;
    CNN_TRY(cnn_listing_read(listing, path, true));
    for (uint64_t k = 0; listing->named && k < listing->n; k++)
        drop_boxes((char *)listing->rows[k].class_name);
    return listing->named ? cnn_listing_merge(listing, &labels->names, key_of, NULL) : CNN_OK;
}

// ---- classes ----

// The lines of --numbers: the names of classes.
static enum cnn_status read_lines(struct cnn_names *lines, const char *path) {
    struct cnn_table table;
    struct cnn_row row;
    bool end = false;
    int number;
    enum cnn_status status = cnn_table_open(&table, path, '\t');
    while (status == CNN_OK && (status = cnn_table_next(&table, &row, &end)) == CNN_OK && !end) {
        int before = lines->n;
        if (lines->n == 0 && cnn_listing_is_class_heading(&table, &row))
            continue;
        status = cnn_names_add_utf8(&number, lines, row.fields[0], strlen(row.fields[0]));
        if (status == CNN_OK && lines->n == before)
            status = cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": '%s' is listed twice", path, row.line,
                              row.fields[0]);
    }
    cnn_table_close(&table);
    return status;
}

// The line that the list calls `text`, counted from `first`; NULL: there is none.
static const char *line_of(const struct cnn_names *lines, const char *text, long first) {
    if (!*text || strlen(text) > 9 || text[strspn(text, "0123456789")] != '\0')
        return NULL;
    long k = strtol(text, NULL, 10) - first;
    return k >= 0 && k < lines->n ? lines->items[k] : NULL;
}

static enum cnn_status translate(struct cnn_listing *listing, const char *path,
                                 const struct cnn_names *lines) {
    long first = 1;
    for (uint64_t k = 0; k < listing->n; k++)
        if (strcmp(listing->rows[k].class_name, "0") == 0)
            first = 0;
    for (uint64_t k = 0; k < listing->n; k++) {
        struct cnn_listing_row *row = &listing->rows[k];
        const char *name = line_of(lines, row->class_name, first);
        if (!name)
            return cnn_fail(CNN_ERR_INPUT,
                            "%s:%" PRIu64 ": '%s' is not the number of one of the %d lines of %s",
                            listing->table.path, row->line, row->class_name, lines->n, path);
        row->class_name = name;
    }
    return CNN_OK;
}

// Gives every row the number of its class.
static enum cnn_status number_classes(struct labels *labels, const char *numbers) {
    struct cnn_listing *listing = &labels->listing;
    if (numbers) {
        CNN_TRY(read_lines(&labels->lines, numbers));
        CNN_TRY(translate(listing, numbers, &labels->lines));
    }
    CNN_TRY(cnn_calloc(&labels->class_of, (size_t)listing->n, sizeof *labels->class_of));
    for (uint64_t k = 0; k < listing->n; k++) {
        const char *name = listing->rows[k].class_name;
        CNN_TRY(cnn_names_add_utf8(&labels->class_of[k], &labels->classes, name, strlen(name)));
    }
    return CNN_OK;
}

// ---- files by name ----

// The row of a name that may be written with its ending or without. Two rows may not contradict each other.
static enum cnn_status find_name(int *out, const struct labels *labels, const char *name) {
    const struct cnn_listing_row *rows = labels->listing.rows;
    const char *dot = cnn_path_is_picture(name) ? strrchr(name, '.') : NULL;
    int whole = cnn_names_find(&labels->names, name, strlen(name));
    int stem = dot ? cnn_names_find(&labels->names, name, (size_t)(dot - name)) : -1;
    *out = whole >= 0 ? whole : stem;
    if (whole >= 0 && stem >= 0 && strcmp(rows[whole].class_name, rows[stem].class_name) != 0)
        return cnn_listing_fail_contradiction(&labels->listing, &rows[whole], &rows[stem]);
    return CNN_OK;
}

// The row of a file: of its path, or else of what is left of it without the first folder, the first two, ...
// *out -1: there is none.
static enum cnn_status find_row(int *out, const struct labels *labels, const char *path) {
    *out = -1;
    for (const char *at = path; at && *out < 0; at = strchr(at, '/')) {
        at += strspn(at, "/");
        CNN_TRY(find_name(out, labels, at));
    }
    return CNN_OK;
}

// rows[i]: the row of file i, or -1. A heading is dropped.
static enum cnn_status find_rows(int *rows, const struct cnn_records *records, struct labels *labels) {
    bool heading = cnn_listing_begins_with_heading(&labels->listing), found = false;
    for (uint64_t i = 0; i < records->n; i++) {
        CNN_TRY(find_row(&rows[i], labels, cnn_records_path(records, i)));
        heading = heading && rows[i] != 0;
        found = found || rows[i] >= 0;
    }
    if (!heading || !found)
        return CNN_OK;
    cnn_listing_drop_heading(&labels->listing);
    for (uint64_t i = 0; i < records->n; i++)
        rows[i] -= rows[i] >= 0;
    return CNN_OK;
}

// A name without its folder or ending may not stand for two pictures.
static enum cnn_status check_unique(uint64_t *file_of, const struct cnn_records *records,
                                    const struct labels *labels, uint64_t i, int row) {
    const struct cnn_listing_row *at = &labels->listing.rows[row];
    const char *path = cnn_records_path(records, i);
    if (file_of[row] == 0)
        file_of[row] = i + 1;
    const char *other = cnn_records_path(records, file_of[row] - 1);
    if (strcmp(other, path) == 0)
        return CNN_OK;
    return cnn_fail(CNN_ERR_INPUT,
                    "%s:%" PRIu64 ": '%s' matches two images of %s: %s and %s; list them with folder and "
                    "extension, or choose one folder with --under",
                    labels->listing.table.path, at->line, at->name, labels->what, other, path);
}

static void leave_out(struct cnn_records *records, uint64_t i) {
    records->bytes -= records->files[i].bytes;
    records->ignored.files[CNN_IGNORED_UNLISTED]++;
}

static enum cnn_status take_rows(struct cnn_records *records, const struct labels *labels, const int *rows,
                                 uint64_t *file_of) {
    uint64_t n = records->n, kept = 0, found = 0;
    for (uint64_t i = 0; i < n; i++) {
        const char *path = cnn_records_path(records, i);
        if (rows[i] < 0 && cnn_path_is_picture(path))
            return cnn_fail(
                CNN_ERR_INPUT,
                "%s: %s has no class for %s (--under FOLDER takes only one folder of the archive)",
                labels->what, labels->listing.table.path, path);
        if (rows[i] < 0) {
            leave_out(records, i);
            continue;
        }
        found += file_of[rows[i]] == 0;
        CNN_TRY(check_unique(file_of, records, labels, i, rows[i]));
        records->files[i].label = labels->class_of[rows[i]];
    }
    for (uint64_t i = 0; i < n; i++)
        if (rows[i] >= 0)
            records->files[kept++] = records->files[i];
    records->n = kept;
    if (found < labels->listing.n)
        cnn_log_warn("%s: %" PRIu64 " of the %" PRIu64 " images in %s do not exist", labels->what,
                     labels->listing.n - found, labels->listing.n, labels->listing.table.path);
    return CNN_OK;
}

// ---- files by position ----

static int by_last_part(const void *a, const void *b, void *context) {
    const struct cnn_records *records = context;
    return strcmp(cnn_path_last(cnn_records_path(records, *(const uint64_t *)a)),
                  cnn_path_last(cnn_records_path(records, *(const uint64_t *)b)));
}

static enum cnn_status keep_pictures(struct cnn_records *records, struct labels *labels) {
    uint64_t kept = 0;
    for (uint64_t i = 0; i < records->n; i++) {
        if (cnn_path_is_picture(cnn_records_path(records, i)))
            records->files[kept++] = records->files[i];
        else
            leave_out(records, i);
    }
    records->n = kept;
    if (labels->listing.n == kept + 1 && cnn_listing_begins_with_heading(&labels->listing))
        cnn_listing_drop_heading(&labels->listing);
    if (kept != labels->listing.n)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s holds %" PRIu64 " images, but %s has %" PRIu64
                        " classes; they do not belong together",
                        labels->what, kept, labels->listing.table.path, labels->listing.n);
    return CNN_OK;
}

static enum cnn_status take_in_order(struct cnn_records *records, const struct labels *labels) {
    uint64_t *order;
    CNN_TRY(cnn_calloc(&order, (size_t)records->n, sizeof *order));
    for (uint64_t i = 0; i < records->n; i++)
        order[i] = i;
    qsort_r(order, (size_t)records->n, sizeof *order, by_last_part, records);
    for (uint64_t k = 0; k < records->n; k++)
        records->files[order[k]].label = labels->class_of[k];
    free(order);
    return CNN_OK;
}

// ---- all of it ----

static enum cnn_status apply_named(struct cnn_records *records, struct labels *labels, const char *numbers) {
    int *rows;
    uint64_t *file_of = NULL; // by row: one more than the file that has it
    CNN_TRY(cnn_calloc(&rows, (size_t)records->n, sizeof *rows));
    enum cnn_status status = find_rows(rows, records, labels);
    if (status == CNN_OK)
        status = number_classes(labels, numbers);
    if (status == CNN_OK)
        status = cnn_calloc(&file_of, (size_t)labels->listing.n, sizeof *file_of);
    if (status == CNN_OK)
        status = take_rows(records, labels, rows, file_of);
    records->ignored.files[CNN_IGNORED_REPEATED] = labels->listing.repeated;
    free(file_of);
    free(rows);
    return status;
}

static enum cnn_status apply_unnamed(struct cnn_records *records, struct labels *labels,
                                     const char *numbers) {
    CNN_TRY(keep_pictures(records, labels));
    CNN_TRY(number_classes(labels, numbers));
    return take_in_order(records, labels);
}

enum cnn_status cnn_records_by_list(struct cnn_records *records, const char *list, const char *numbers,
                                    const char *what) {
    struct labels labels = {.what = what};
    enum cnn_status status = read_labels(&labels, list);
    if (status == CNN_OK)
        status = labels.listing.named ? apply_named(records, &labels, numbers)
                                      : apply_unnamed(records, &labels, numbers);
    if (status == CNN_OK) {
        records->classes = labels.classes;
        labels.classes = (struct cnn_names){0};
    }
    cnn_listing_close(&labels.listing);
    cnn_names_finish(&labels.names);
    cnn_names_finish(&labels.classes);
    cnn_names_finish(&labels.lines);
    free(labels.class_of);
    return status;
}
