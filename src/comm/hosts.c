// Which rank runs where, in words.
#include "base/memory.h"
#include "comm/comm.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 256

struct text {
    char *at;
    size_t bytes, n;
};

static void add(struct text *text, const char *format, ...) CNN_PRINTF(2, 3);

// What does not fit is cut, and marked.
static void add(struct text *text, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text->at + text->n, text->bytes - text->n, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= text->bytes - text->n) {
        text->n = text->bytes - 1;
        memcpy(text->at + text->bytes - 4, "...", 4);
        return;
    }
    text->n += (size_t)n;
}

static bool are_same(const char (*names)[NAME_BYTES], int a, int b) {
    return strcmp(names[a], names[b]) == 0;
}

static bool is_first_of_host(const char (*names)[NAME_BYTES], int rank) {
    for (int before = 0; before < rank; before++)
        if (are_same(names, before, rank))
            return false;
    return true;
}

static void add_ranks(struct text *text, const char (*names)[NAME_BYTES], int size, int first) {
    for (int rank = first; rank < size; rank++) {
        int last = rank;
        if (!are_same(names, rank, first))
            continue;
        while (last + 1 < size && are_same(names, last + 1, first))
            last++;
        if (last == rank)
            add(text, " %d", rank);
        else
            add(text, " %d-%d", rank, last);
        rank = last;
    }
}

static void format(char *out, size_t bytes, const char (*names)[NAME_BYTES], int size) {
    struct text text = {out, bytes, 0};
    out[0] = '\0';
    for (int rank = 0; rank < size; rank++)
        if (is_first_of_host(names, rank)) {
            add(&text, "%s%s", rank ? ", " : "", names[rank]);
            add_ranks(&text, names, size, rank);
        }
}

enum cnn_status cnn_comm_name_hosts(struct cnn_comm *comm, char *out, size_t bytes) {
    char mine[NAME_BYTES], (*names)[NAME_BYTES] = NULL;
    const bool collects = cnn_comm_rank(comm) == 0;
    memset(mine, 0, sizeof mine); // all of it travels
    snprintf(mine, sizeof mine, "%s", cnn_comm_host(comm));
    out[0] = '\0';
    CNN_TRY(cnn_comm_agree(comm, collects ? cnn_calloc(&names, (size_t)cnn_comm_size(comm), sizeof *names)
                                          : CNN_OK));
    const enum cnn_status status = cnn_comm_gather(comm, mine, sizeof mine, names, 0);
    if (status == CNN_OK && collects)
        format(out, bytes, (const char(*)[NAME_BYTES])names, cnn_comm_size(comm));
    free(names);
    return status;
}
