// Any bytes as a table, with a separator or without: cut into rows whose lines rise and whose fields lie in
// the table's memory, or refused with a reason. The first byte says which separator.
#include "data/import/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(int condition) {
    if (!condition)
        abort();
}

// Line ends: each LF, CR and CRLF.
static uint64_t count_lines(const uint8_t *data, size_t bytes) {
    uint64_t n = 1;
    for (size_t i = 0; i < bytes; i++)
        n += data[i] == '\n' || (data[i] == '\r' && (i + 1 == bytes || data[i + 1] != '\n'));
    return n;
}

static void read_rows(struct cnn_table *table, const char *begin, size_t bytes, uint64_t lines) {
    struct cnn_row row;
    bool end = false;
    uint64_t line = 0;
    while (!end) {
        enum cnn_status status = cnn_table_next(table, &row, &end);
        require(status == CNN_OK || (status == CNN_ERR_INPUT && cnn_error_message()[0] != '\0'));
        if (status != CNN_OK)
            return;
        if (end)
            break;
        require(row.line > line && row.line <= lines);
        require(row.n >= 1 && row.n <= CNN_TABLE_MAX_FIELDS);
        line = row.line;
        for (int i = 0; i < row.n; i++)
            require(row.fields[i] >= begin && row.fields[i] + strlen(row.fields[i]) <= begin + bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const char separators[] = {'\0', ',', ';', '\t'};
    struct cnn_table table;
    char path[64];
    if (bytes < 1)
        return 0;
    int fd = memfd_create("table", 0);
    require(fd >= 0 && write(fd, data + 1, bytes - 1) == (ssize_t)bytes - 1);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum cnn_status status = cnn_table_open(&table, path, separators[data[0] % 4]);
    require(status == CNN_OK || status == CNN_ERR_INPUT);
    if (status == CNN_OK)
        read_rows(&table, table.text, bytes - 1, count_lines(data + 1, bytes - 1));
    cnn_table_close(&table);
    close(fd);
    return 0;
}
