// The numbering of another dataset's classes, taken over by an import (--classes-of). Private to import/.
#ifndef CNN_DATA_IMPORT_NUMBERING_H
#define CNN_DATA_IMPORT_NUMBERING_H
#include "data/class_map.h"
#include "data/dataset.h"
#include "data/import/source.h"

// Zero-initialise; finish frees.
struct cnn_numbering {
    struct cnn_dataset *dataset; // keeps the names
    const char **names;
    struct cnn_class_map map;
};
// Gives `source` the classes of the dataset at `path`, in its order and with its names. Classes are matched
// by name (data/class_map.h); one that has records and that the dataset lacks is CNN_ERR_INPUT, one without
// records is dropped. `out` must outlive the source. says: notes go to the log.
enum cnn_status cnn_numbering_take(struct cnn_numbering *out, struct cnn_import_source *source,
                                   const char *path, bool says) CNN_MUST_CHECK;
void cnn_numbering_finish(struct cnn_numbering *numbering);

#endif
