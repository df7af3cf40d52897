// What a quarantine report says: how many pictures, and why.
#include "data/import/import.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/import/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct counts {
    struct cnn_names reasons;
    uint64_t *pictures; // by reason
    size_t room;
};

// "path<tab>reason" in each line.
static enum cnn_status count_lines(struct counts *counts, struct cnn_import_result *out, char *text) {
    char *rest, *line = strtok_r(text, "\n", &rest); // the headings
    while (line && (line = strtok_r(NULL, "\n", &rest))) {
        const char *tab = strchr(line, '\t'), *reason = tab ? tab + 1 : "";
        int before = counts->reasons.n, number;
        CNN_TRY(cnn_make_room(&counts->pictures, &counts->room, (size_t)before, sizeof *counts->pictures));
        CNN_TRY(cnn_names_add(&number, &counts->reasons, reason, strlen(reason)));
        if (number == before)
            counts->pictures[number] = 0;
        counts->pictures[number]++;
        out->quarantined++;
    }
    return CNN_OK;
}

// The commonest reasons, the first of equals first.
static void choose(struct cnn_import_result *out, struct counts *counts) {
    for (out->n_reasons = 0; out->n_reasons < CNN_IMPORT_MAX_REASONS; out->n_reasons++) {
        struct cnn_quarantine_reason *reason = &out->reasons[out->n_reasons];
        int most = 0;
        for (int i = 1; i < counts->reasons.n; i++)
            if (counts->pictures[i] > counts->pictures[most])
                most = i;
        if (counts->reasons.n == 0 || counts->pictures[most] == 0)
            return;
        snprintf(reason->text, sizeof reason->text, "%s", counts->reasons.items[most]);
        reason->pictures = counts->pictures[most];
        counts->pictures[most] = 0;
    }
}

enum cnn_status cnn_import_count_quarantined(struct cnn_import_result *out, const char *path) {
    struct counts counts = {0};
    char *text;
    size_t bytes;
    out->quarantined = 0;
    out->n_reasons = 0;
    if (!cnn_file_exists(path))
        return CNN_OK;
    CNN_TRY(cnn_file_read(&text, &bytes, path, SIZE_MAX));
    enum cnn_status status = count_lines(&counts, out, text);
    if (status == CNN_OK)
        choose(out, &counts);
    free(text);
    free(counts.pictures);
    cnn_names_finish(&counts.reasons);
    return status;
}
