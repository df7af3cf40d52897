#include "data/import/table.h"

#include "base/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES ((size_t)4 << 30)

static char guess(const char *text) {
    size_t length = strcspn(text, "\n");
    if (memchr(text, '\t', length))
        return '\t';
    return memchr(text, ',', length) ? ',' : ' ';
}

enum cnn_status cnn_table_open(struct cnn_table *out, const char *path, char separator) {
    size_t bytes;
    *out = (struct cnn_table){.path = path};
    CNN_TRY(cnn_file_read(&out->text, &bytes, path, MAX_BYTES));
    out->at = out->text;
    if (bytes >= 3 && memcmp(out->at, "\xef\xbb\xbf", 3) == 0) // as some spreadsheets begin UTF-8
        out->at += 3;
    out->separator = separator ? separator : guess(out->at);
    if (strlen(out->text) != bytes)
        return cnn_fail(CNN_ERR_INPUT, "%s is not text: it holds a zero byte", path);
    return CNN_OK;
}

void cnn_table_close(struct cnn_table *table) {
    free(table->text);
    *table = (struct cnn_table){0};
}

static char *trim(char *text) {
    text += strspn(text, " \t\r");
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t\r", text[n - 1]))
        text[--n] = '\0';
    return text;
}

// "a ""b""" at *at becomes a "b"; *at moves to what follows.
static enum cnn_status unquote(const struct cnn_table *table, char **at) {
    char *in = *at + 1, *out = *at;
    for (; *in && (*in != '"' || in[1] == '"'); in++) {
        in += *in == '"';
        *out++ = *in;
    }
    if (*in != '"')
        return cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": a quotation mark is not closed on its line",
                        table->path, table->line);
    *out = '\0';
    *at = in + 1;
    return CNN_OK;
}

static enum cnn_status cut_line(const struct cnn_table *table, struct cnn_row *out, char *line) {
    char *at = line;
    while (out->n < CNN_TABLE_MAX_FIELDS) {
        char *field = at + strspn(at, " ");
        bool quoted = table->separator == ',' && *field == '"';
        at = field;
        if (quoted)
            CNN_TRY(unquote(table, &at));
        char *end = strchr(at, table->separator), after = '\0';
        if (end) {
            after = *end;
            *end = '\0';
        }
        if (quoted && at[strspn(at, " \r")] != '\0')
            return cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": '%s' stands behind a closing quotation mark",
                            table->path, table->line, at);
        out->fields[out->n++] = quoted ? field : trim(field);
        if (!after)
            return CNN_OK;
        at = end + 1;
    }
    return cnn_fail(CNN_ERR_INPUT, "%s:%" PRIu64 ": more than %d fields", table->path, table->line,
                    CNN_TABLE_MAX_FIELDS);
}

static void cut_at_last_blank(struct cnn_row *out, char *line) {
    line = trim(line);
    char *blank = strrchr(line, ' ');
    out->fields[out->n++] = line;
    if (!blank)
        return;
    *blank = '\0';
    trim(line);
    out->fields[out->n++] = blank + 1;
}

enum cnn_status cnn_table_next(struct cnn_table *table, struct cnn_row *out, bool *out_end) {
    *out = (struct cnn_row){0};
    while (*table->at) {
        char *line = table->at;
        size_t length = strcspn(line, "\n");
        table->at += length + (line[length] != '\0');
        line[length] = '\0';
        table->line++;
        if (line[strspn(line, " \t\r")] == '\0')
            continue;
        out->line = table->line;
        *out_end = false;
        if (table->separator != ' ')
            return cut_line(table, out, line);
        cut_at_last_blank(out, line);
        return CNN_OK;
    }
    *out_end = true;
    return CNN_OK;
}
