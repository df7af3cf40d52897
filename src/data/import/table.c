#include "data/import/table.h"

#include "base/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES ((size_t)4 << 30)
#define GUESS_ROWS 200 // are looked at to find the separator

// ---- scanning ----

// One field of the text, which stays as it is.
struct field {
    const char *begin, *end; // what it holds, within the quotation marks
    const char *rest;        // behind it: blanks, if all is well, up to `stop`
    const char *stop;        // the separator, line end or end of the text that ends it
    bool quoted, open;       // open: the quotation mark is never closed
};

static struct field scan_field(const char *at, char separator) {
    const char stops[] = {separator, '\r', '\n', '\0'};
    at += strspn(at, separator == '\t' ? " " : " \t");
    struct field field = {.begin = at, .quoted = *at == '"'};
    if (field.quoted) {
        field.begin = ++at;
        for (; *at && (*at != '"' || at[1] == '"'); at++)
            at += *at == '"';
        field.end = at;
        field.open = *at == '\0';
        at += !field.open;
    }
    field.rest = at;
    field.stop = at + strcspn(at, stops);
    if (!field.quoted) {
        for (field.end = field.stop; field.end > field.begin && strchr(" \t", field.end[-1]);)
            field.end--;
        field.rest = field.stop;
    }
    return field;
}

// What follows the line end at `at`, if there is one.
static const char *after_line_end(const char *at) {
    if (*at == '\r')
        return at + (at[1] == '\n' ? 2 : 1);
    return at + (*at == '\n');
}

// The next line that holds more than blanks, or the end of the text. *line counts on.
static const char *skip_empty_lines(const char *at, uint64_t *line) {
    for (;;) {
        const char *text = at + strspn(at, " \t");
        if (*text != '\r' && *text != '\n')
            return *text ? at : text;
        at = after_line_end(text);
        ++*line;
    }
}

static uint64_t count_lines(const char *begin, const char *end) {
    uint64_t n = 0;
    for (const char *at = begin; at < end; n++) {
        at += strcspn(at, "\r\n");
        if (at >= end)
            break;
        at = after_line_end(at);
    }
    return n;
}

// ---- the separator ----

// Of the first rows, how many this separator cuts, and how many into two fields.
struct cut {
    int rows, cut, in_two;
};

static struct cut try_separator(const char *at, char separator) {
    struct cut cut = {0};
    uint64_t line = 0;
    while (cut.rows < GUESS_ROWS && *(at = skip_empty_lines(at, &line))) {
        struct field field = scan_field(at, separator);
        int n = 1;
        for (; *field.stop == separator; n++)
            field = scan_field(field.stop + 1, separator);
        at = after_line_end(field.stop);
        cut.rows++;
        cut.cut += n >= 2;
        cut.in_two += n == 2;
    }
    return cut;
}

static char guess(const char *text) {
    static const char separators[] = {'\t', ',', ';'};
    struct cut best = {0};
    char found = ' ';
    for (size_t i = 0; i < sizeof separators; i++) {
        struct cut cut = try_separator(text, separators[i]);
        bool better = cut.in_two > best.in_two || (cut.in_two == best.in_two && cut.cut > best.cut);
        if (better && 2 * cut.cut >= cut.rows) {
            best = cut;
            found = separators[i];
        }
    }
    return found;
}

// ---- opening ----

static enum cnn_status check_encoding(const char *path, const char *text, size_t bytes) {
    if (bytes >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
        return cnn_fail(CNN_ERR_INPUT, "%s is UTF-16 text; save it as UTF-8", path);
    if (strlen(text) != bytes)
        return cnn_fail(CNN_ERR_INPUT, "%s is not UTF-8 text: it contains a zero byte", path);
    return CNN_OK;
}

enum cnn_status cnn_table_open(struct cnn_table *out, const char *path, char separator) {
    size_t bytes;
    *out = (struct cnn_table){.path = path, .line = 1};
    CNN_TRY(cnn_file_read(&out->text, &bytes, path, MAX_BYTES));
    CNN_TRY(check_encoding(path, out->text, bytes));
    out->at = out->text;
    if (bytes >= 3 && memcmp(out->at, "\xef\xbb\xbf", 3) == 0) // as some spreadsheets begin UTF-8
        out->at += 3;
    out->separator = separator ? separator : guess(out->at);
    return CNN_OK;
}

void cnn_table_close(struct cnn_table *table) {
    free(table->text);
    *table = (struct cnn_table){0};
}

// ---- cutting ----

static enum cnn_status check_field(const struct cnn_table *table, const struct field *field) {
    if (field->open)
        return cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": a quotation mark is never closed", table->path,
                        table->line);
    size_t n = (size_t)(field->stop - field->rest), blanks = strspn(field->rest, " \t");
    if (blanks < n)
        return cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": found '%.*s' after a closing quotation mark",
                        table->path, table->line, (int)(n < 100 ? n : 100), field->rest);
    return CNN_OK;
}

// Ends the field where it lies; "" within quotation marks becomes ".
static char *take_field(struct cnn_table *table, const struct field *field) {
    char *begin = table->text + (field->begin - table->text), *out = begin;
    for (const char *in = field->begin; in < field->end; in++) {
        *out++ = *in;
        in += field->quoted && *in == '"';
    }
    *out = '\0';
    return begin;
}

static enum cnn_status cut_fields(struct cnn_table *table, struct cnn_row *out) {
    for (const char *at = table->at;;) {
        struct field field = scan_field(at, table->separator);
        char stop = *field.stop;
        if (out->n == CNN_TABLE_MAX_FIELDS)
            return cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": more than %d fields", table->path, out->line,
                            CNN_TABLE_MAX_FIELDS);
        CNN_TRY(check_field(table, &field));
        table->line += count_lines(field.begin, field.end);
        at = stop == table->separator ? field.stop + 1 : after_line_end(field.stop);
        out->fields[out->n++] = take_field(table, &field);
        if (stop != table->separator) {
            table->at = table->text + (at - table->text);
            table->line += stop != '\0';
            return CNN_OK;
        }
    }
}

// "a name" class, or a name class: the last blank separates.
static enum cnn_status cut_words(struct cnn_table *table, struct cnn_row *out) {
    struct field line = scan_field(table->at, '\n'), second = {0};
    if (line.open)
        return check_field(table, &line);
    if (line.quoted) {
        second = scan_field(line.rest, '\n');
        line.stop = second.stop;
        CNN_TRY(check_field(table, &second));
    } else {
        for (const char *at = line.end; at > line.begin && !second.begin; at--)
            if (strchr(" \t", at[-1]))
                second = (struct field){.begin = at, .end = line.end};
        for (line.end = second.begin ? second.begin : line.end; strchr(" \t", line.end[-1]);)
            line.end--;
    }
    table->at = table->text + (after_line_end(line.stop) - table->text);
    table->line += count_lines(line.begin, line.stop) + (*line.stop != '\0');
    if (second.begin && second.end > second.begin)
        out->fields[1] = take_field(table, &second);
    out->n = out->fields[1] ? 2 : 1;
    out->fields[0] = take_field(table, &line);
    return CNN_OK;
}

enum cnn_status cnn_table_next(struct cnn_table *table, struct cnn_row *out, bool *out_end) {
    *out = (struct cnn_row){0};
    table->at = table->text + (skip_empty_lines(table->at, &table->line) - table->text);
    *out_end = *table->at == '\0';
    if (*out_end)
        return CNN_OK;
    out->line = table->line;
    return table->separator == ' ' ? cut_words(table, out) : cut_fields(table, out);
}
