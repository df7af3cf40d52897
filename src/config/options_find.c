#include "config/options.h"

#include <string.h>

const struct cnn_option *cnn_option_find(const char *path) {
    for (size_t i = 0; i < CNN_N_OPTIONS; i++)
        if (strcmp(cnn_option_table[i].path, path) == 0)
            return &cnn_option_table[i];
    return NULL;
}

// The part of `path` inside `section`, or NULL when it lies outside.
static const char *inside(const char *path, const char *section) {
    size_t n = strlen(section);
    if (n == 0)
        return path;
    return strncmp(path, section, n) == 0 && path[n] == '.' ? path + n + 1 : NULL;
}

bool cnn_option_is_section(const char *path) {
    for (size_t i = 0; i < CNN_N_OPTIONS; i++)
        if (inside(cnn_option_table[i].path, path))
            return true;
    return false;
}

size_t cnn_option_keys(const char *section, struct cnn_key *out, size_t capacity) {
    size_t n = 0;
    for (size_t i = 0; i < CNN_N_OPTIONS; i++) {
        const char *start = inside(cnn_option_table[i].path, section);
        if (!start)
            continue;
        size_t bytes = strcspn(start, ".");
        // A group's options stand together in the table, so only the previous key can repeat.
        bool repeated = n && out[n - 1].bytes == bytes && strncmp(out[n - 1].start, start, bytes) == 0;
        if (!repeated && n < capacity)
            out[n++] = (struct cnn_key){start, bytes};
    }
    return n;
}
