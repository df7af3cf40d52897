// Lines of text cut into fields: CSV (RFC 4180, but no line ends within quotes), TSV, or words.
#ifndef CNN_DATA_IMPORT_TABLE_H
#define CNN_DATA_IMPORT_TABLE_H
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CNN_TABLE_MAX_FIELDS 8

struct cnn_table {
    const char *path; // borrowed
    char *text, *at;
    uint64_t line;
    char separator;
};
struct cnn_row {
    uint64_t line; // counted from 1
    int n;
    char *fields[CNN_TABLE_MAX_FIELDS]; // in the table's memory
};

// separator 0: what stands in the first line, a tab, a comma, or a blank (then only the last one counts);
// none: lines are one field. Close frees, also after an error.
enum cnn_status cnn_table_open(struct cnn_table *out, const char *path, char separator) CNN_MUST_CHECK;
// The next line that is not empty; blanks around fields are taken away. *out_end: there is none.
enum cnn_status cnn_table_next(struct cnn_table *table, struct cnn_row *out, bool *out_end) CNN_MUST_CHECK;
void cnn_table_close(struct cnn_table *table);

#endif
