#include "data/import/ignored.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const words[CNN_IGNORED_REASONS] = {
    [CNN_IGNORED_OUTSIDE] = "outside the class folders",
    [CNN_IGNORED_UNLISTED] = "without a class in --labels",
    [CNN_IGNORED_HIDDEN] = "hidden",
    [CNN_IGNORED_SPECIAL] = "not a regular file",
    [CNN_IGNORED_REPLACED] = "replaced by a later member of the same name",
    [CNN_IGNORED_REPEATED] = "listed again with the same class",
};

static const char *const keys[CNN_IGNORED_REASONS] = {
    [CNN_IGNORED_OUTSIDE] = "outside",   [CNN_IGNORED_UNLISTED] = "unlisted",
    [CNN_IGNORED_HIDDEN] = "hidden",     [CNN_IGNORED_SPECIAL] = "special",
    [CNN_IGNORED_REPLACED] = "replaced", [CNN_IGNORED_REPEATED] = "repeated",
};

const char *cnn_ignored_key(enum cnn_ignored_reason reason) { return keys[reason]; }

uint64_t cnn_ignored_total(const struct cnn_ignored *ignored) {
    uint64_t total = 0;
    for (int i = 0; i < CNN_IGNORED_REASONS; i++)
        total += ignored->files[i];
    return total;
}

int cnn_ignored_format(char *out, size_t out_bytes, const struct cnn_ignored *ignored) {
    uint64_t total = cnn_ignored_total(ignored);
    const char *separator = ": ";
    int n = snprintf(out, out_bytes, "ignored %" PRIu64 " file%s", total, total == 1 ? "" : "s");
    for (int i = 0; i < CNN_IGNORED_REASONS && n >= 0 && (size_t)n < out_bytes; i++) {
        if (ignored->files[i] == 0)
            continue;
        n += snprintf(out + n, out_bytes - (size_t)n, "%s%" PRIu64 " %s", separator, ignored->files[i],
                      words[i]);
        separator = ", ";
    }
    return n;
}

const char *cnn_ignored_note(char out[CNN_IGNORED_NOTE_BYTES], const struct cnn_ignored *ignored) {
    char text[CNN_IGNORED_NOTE_BYTES - 4];
    out[0] = '\0';
    if (cnn_ignored_total(ignored) == 0)
        return out;
    cnn_ignored_format(text, sizeof text, ignored);
    snprintf(out, CNN_IGNORED_NOTE_BYTES, " (%s)", text);
    return out;
}
