// Text tables cut into rows of fields: CSV with commas or semicolons, TSV, or words. Quotation marks as in
// RFC 4180, so that a field may hold separators, quotation marks and line ends; lines end in LF, CRLF or CR.
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
    uint64_t line; // the number of the line at `at`
    char separator;
};
struct cnn_row {
    uint64_t line; // where it begins, counted from 1
    int n;
    char *fields[CNN_TABLE_MAX_FIELDS]; // in the table's memory
};

// separator 0: a tab, comma or semicolon, whichever cuts the first lines into two fields most often; a blank
// where none of them does (then only the last blank of a line counts). UTF-8, with or without a byte order
// mark; anything else is CNN_ERR_INPUT. Close frees, also after an error.
enum cnn_status cnn_table_open(struct cnn_table *out, const char *path, char separator) CNN_MUST_CHECK;
// The next row; lines of blanks are skipped, and so are blanks around fields. *out_end: there is none.
enum cnn_status cnn_table_next(struct cnn_table *table, struct cnn_row *out, bool *out_end) CNN_MUST_CHECK;
void cnn_table_close(struct cnn_table *table);

#endif
