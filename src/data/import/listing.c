#include "data/import/listing.h"

#include "base/log.h"
#include "base/memory.h"
#include "data/import/paths.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// ---- reading ----

static enum cnn_status add_row(struct cnn_listing *listing, const struct cnn_row *row) {
    int wanted = listing->named ? 2 : 1;
    bool empty = row->n == wanted && (!*row->fields[0] || !*row->fields[wanted - 1]);
    if (row->n != wanted || empty)
        return cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": found %d field%s%s, expected %s", listing->table.path,
                        row->line, row->n, row->n == 1 ? "" : "s", empty ? ", one of them empty" : "",
                        listing->named ? "an image and its class" : "a class alone, as in the lines before");
    CNN_TRY(cnn_make_room(&listing->rows, &listing->room, (size_t)listing->n, sizeof *listing->rows));
    listing->rows[listing->n++] =
        (struct cnn_listing_row){row->line, listing->named ? row->fields[0] : NULL, row->fields[wanted - 1]};
    return CNN_OK;
}

enum cnn_status cnn_listing_read(struct cnn_listing *out, const char *path, bool alone) {
    struct cnn_row row;
    bool end = false;
    *out = (struct cnn_listing){0};
    CNN_TRY(cnn_table_open(&out->table, path, 0));
    for (;;) {
        CNN_TRY(cnn_table_next(&out->table, &row, &end));
        if (end)
            break;
        if (out->n == 0)
            out->named = !alone || row.n != 1;
        CNN_TRY(add_row(out, &row));
    }
    return out->n > 0 ? CNN_OK : cnn_fail(CNN_ERR_INPUT, "%s is empty: it lists no images", path);
}

void cnn_listing_close(struct cnn_listing *listing) {
    cnn_table_close(&listing->table);
    free(listing->rows);
    *listing = (struct cnn_listing){0};
}

// ---- the heading ----

bool cnn_listing_begins_with_heading(const struct cnn_listing *listing) {
    const struct cnn_listing_row *first = listing->rows;
    if (listing->n < 2 || (first->name && cnn_path_is_picture(first->name)))
        return false;
    for (uint64_t k = 1; k < listing->n; k++)
        if (strcmp(listing->rows[k].class_name, first->class_name) == 0)
            return false;
    return true;
}

void cnn_listing_drop_heading(struct cnn_listing *listing) {
    const struct cnn_listing_row *first = listing->rows;
    cnn_log_info("%s:%" PRIu64 ": skipped the heading '%s%s%s'", listing->table.path, first->line,
                 first->name ? first->name : "", first->name ? ", " : "", first->class_name);
    memmove(listing->rows, listing->rows + 1, (size_t)--listing->n * sizeof *listing->rows);
}

bool cnn_listing_is_class_heading(const struct cnn_table *table, const struct cnn_row *row) {
    static const char *const words[] = {"class", "classes", "class_name", "class name", "label", "labels",
                                        "name",  "names",   "category",   "categories", "wnid",  "synset"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(row->fields[0], words[i]) == 0) {
            cnn_log_info("%s:%" PRIu64 ": skipped the heading '%s'", table->path, row->line, row->fields[0]);
            return true;
        }
    return false;
}

// ---- pictures that are listed more than once ----

enum cnn_status cnn_listing_fail_contradiction(const struct cnn_listing *listing,
                                               const struct cnn_listing_row *first,
                                               const struct cnn_listing_row *second) {
    if (first->line > second->line)
        return cnn_listing_fail_contradiction(listing, second, first);
    return cnn_fail(
        CNN_ERR_INPUT,
        "%s:%" PRIu64 ": %s has class '%s', but on line %" PRIu64 " class '%s'; remove one of the lines",
        listing->table.path, second->line, second->name, second->class_name, first->line, first->class_name);
}

enum cnn_status cnn_listing_merge(struct cnn_listing *listing, struct cnn_names *keys, cnn_listing_key key,
                                  const void *context) {
    uint64_t kept = 0;
    for (uint64_t k = 0; k < listing->n; k++) {
        struct cnn_listing_row row = listing->rows[k];
        char text[8192];
        int number, before = keys->n;
        CNN_TRY(key(text, context, row.name));
        CNN_TRY(cnn_names_add(&number, keys, text, strlen(text)));
        if (keys->n > before) {
            listing->rows[kept++] = row;
            continue;
        }
        if (strcmp(listing->rows[number].class_name, row.class_name) != 0)
            return cnn_listing_fail_contradiction(listing, &listing->rows[number], &row);
        listing->repeated++;
    }
    listing->n = kept;
    return CNN_OK;
}
