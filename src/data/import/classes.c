// The order of classes, and so their labels.
#include "base/file.h"
#include "base/memory.h"
#include "data/import/listing.h"
#include "data/import/records.h"
#include "data/import/select.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// A class as the source calls it, its number so far, and the name it is kept under.
struct named {
    const char *name, *shown;
    int number;
};

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

// A whole number of any size; a sign before it is not counted in *out_digits.
static bool is_number(const char *text, const char **out_digits) {
    text += *text == '-' || *text == '+';
    size_t n = strspn(text, "0123456789");
    *out_digits = text + strspn(text, "0");
    return n > 0 && text[n] == '\0';
}

static int by_number(const void *a, const void *b) {
    const char *x_name = ((const struct named *)a)->name, *y_name = ((const struct named *)b)->name, *x, *y;
    if (!is_number(x_name, &x) || !is_number(y_name, &y))
        return by_name(a, b);
    int x_sign = !*x ? 0 : *x_name == '-' ? -1 : 1, y_sign = !*y ? 0 : *y_name == '-' ? -1 : 1;
    if (x_sign != y_sign)
        return x_sign < y_sign ? -1 : 1;
    size_t x_length = strlen(x), y_length = strlen(y);
    int order = x_length != y_length ? (x_length < y_length ? -1 : 1) : strcmp(x, y);
    return order != 0 ? x_sign * order : by_name(a, b);
}

static bool are_numbers(const struct cnn_names *names) {
    const char *digits;
    for (int i = 0; i < names->n; i++)
        if (!is_number(names->items[i], &digits))
            return false;
    return true;
}

static enum cnn_status fail_unlisted(const struct cnn_records *records, int label, const char *order,
                                     const char *what) {
    uint64_t i = 0;
    while (i + 1 < records->n && records->files[i].label != label)
        i++;
    return cnn_fail(CNN_ERR_INPUT, "%s: class '%s' (of %s) is not listed in %s", what,
                    records->classes.items[label], cnn_records_path(records, i), order);
}

static enum cnn_status add_ordered(struct cnn_records *records, struct cnn_names *ordered,
                                   struct cnn_names *shown, const struct cnn_row *row, const char *order) {
    const char *name = row->fields[0], *keep = row->n > 1 && *row->fields[1] ? row->fields[1] : name;
    int before = ordered->n, shown_before = shown->n, ignored;
    if (row->n > 2 || !*name)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s:%" PRIu64 ": expected a class, optionally followed by a tab and "
                        "another name for it",
                        order, row->line);
    CNN_TRY(cnn_names_add_utf8(&ignored, ordered, name, strlen(name)));
    CNN_TRY(cnn_names_add_utf8(&ignored, shown, keep, strlen(keep)));
    if (ordered->n == before || shown->n == shown_before)
        return cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": '%s' is listed twice", order, row->line,
                        ordered->n == before ? name : keep);
    return cnn_names_add_utf8(&ignored, &records->classes, name, strlen(name));
}

// Classes that `order` has and the source has not are classes without pictures.
static enum cnn_status read_order(struct cnn_records *records, struct cnn_names *ordered,
                                  struct cnn_names *shown, const char *order) {
    struct cnn_table table;
    struct cnn_row row;
    bool end = false;
    enum cnn_status status = cnn_table_open(&table, order, '\t');
    while (status == CNN_OK && (status = cnn_table_next(&table, &row, &end)) == CNN_OK && !end) {
        const char *name = row.fields[0];
        bool known = cnn_names_find(&records->classes, name, strlen(name)) >= 0;
        if (known || ordered->n > 0 || !cnn_listing_is_class_heading(&table, &row))
            status = add_ordered(records, ordered, shown, &row, order);
    }
    cnn_table_close(&table);
    return status;
}

static enum cnn_status apply_file(struct cnn_records *records, struct named *classes,
                                  const struct cnn_names *ordered, const struct cnn_names *shown,
                                  const char *order, const char *what) {
    for (int i = 0; i < records->classes.n; i++) {
        const char *name = records->classes.items[i];
        int at = cnn_names_find(ordered, name, strlen(name));
        if (at < 0)
            return fail_unlisted(records, i, order, what);
        classes[at] = (struct named){name, shown->items[at], i};
    }
    return CNN_OK;
}

static enum cnn_status apply(struct cnn_records *records, const struct named *classes) {
    int n = records->classes.n, *labels;
    CNN_TRY(cnn_calloc(&records->shown, (size_t)n + 1, sizeof *records->shown));
    for (int i = 0; i < n; i++)
        CNN_TRY(cnn_strdup(&records->shown[i], classes[i].shown));
    CNN_TRY(cnn_calloc(&labels, (size_t)n + 1, sizeof *labels));
    for (int i = 0; i < n; i++)
        labels[classes[i].number] = i;
    for (uint64_t i = 0; i < records->n; i++)
        records->files[i].label = labels[records->files[i].label];
    free(labels);
    return CNN_OK;
}

static void sort_parts(struct cnn_records *records) {
    struct named parts[CNN_IMPORT_MAX_PARTS];
    uint8_t to[CNN_IMPORT_MAX_PARTS] = {0};
    int n = records->parts.n;
    for (int i = 0; i < n; i++)
        parts[i] = (struct named){records->parts.items[i], NULL, i};
    qsort(parts, (size_t)n, sizeof *parts, by_name);
    for (int i = 0; i < n; i++)
        to[parts[i].number] = (uint8_t)i;
    for (int i = 0; i < n; i++)
        records->parts.items[i] = (char *)parts[i].name; // find and add are over
    for (uint64_t i = 0; i < records->n; i++)
        records->files[i].part = to[records->files[i].part];
}

enum cnn_status cnn_records_order_classes(struct cnn_records *records, const char *order, bool numbers,
                                          const char *what) {
    struct cnn_names ordered = {0}, shown = {0};
    struct named *classes = NULL;
    enum cnn_status status = order ? read_order(records, &ordered, &shown, order) : CNN_OK;
    size_t n = (size_t)records->classes.n;
    if (status == CNN_OK)
        status = cnn_calloc(&classes, n + 1, sizeof *classes);
    if (status == CNN_OK && order)
        status = apply_file(records, classes, &ordered, &shown, order, what);
    if (status == CNN_OK && !order) {
        for (size_t i = 0; i < n; i++)
            classes[i] = (struct named){records->classes.items[i], records->classes.items[i], (int)i};
        qsort(classes, n, sizeof *classes, numbers && are_numbers(&records->classes) ? by_number : by_name);
    }
    if (status == CNN_OK)
        status = apply(records, classes);
    sort_parts(records);
    free(classes);
    cnn_names_finish(&ordered);
    cnn_names_finish(&shown);
    return status;
}
