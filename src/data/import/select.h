// Which records of a source are taken, and into which of the datasets that are made.
#ifndef CNN_DATA_IMPORT_SELECT_H
#define CNN_DATA_IMPORT_SELECT_H
#include "data/import/source.h"

#define CNN_IMPORT_MAX_PARTS 16
#define CNN_IMPORT_MAX_PART_NAME 64
#define CNN_IMPORT_LEFT_OUT 255

struct cnn_selection {
    int n_parts;                                                // datasets; at least 1
    char names[CNN_IMPORT_MAX_PARTS][CNN_IMPORT_MAX_PART_NAME]; // "": OUT itself
    uint64_t counts[CNN_IMPORT_MAX_PARTS];
    uint8_t *part_of; // of each record, or CNN_IMPORT_LEFT_OUT; NULL: all of them in part 0
};
// Depends on source, options->split, subset and seed. Finish frees, also after an error.
enum cnn_status cnn_selection_make(struct cnn_selection *out, const struct cnn_import_source *source,
                                   const struct cnn_import_options *options) CNN_MUST_CHECK;
void cnn_selection_finish(struct cnn_selection *selection);

static inline int cnn_selection_part(const struct cnn_selection *selection, uint64_t i) {
    return selection->part_of ? selection->part_of[i] : 0;
}

#endif
