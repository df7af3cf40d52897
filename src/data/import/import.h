// What the importers share: cutting records into shards, writing this process's share, the quarantine report.
#ifndef CNN_DATA_IMPORT_IMPORT_H
#define CNN_DATA_IMPORT_IMPORT_H
#include "data/import.h"
#include "data/shard.h"

// One record as an importer hands it over. Pointers are valid until the next call.
struct cnn_import_record {
    const void *data;
    size_t bytes;
    int label;
    uint64_t id;
    int h, w;             // of this picture
    const char *rejected; // not NULL: why this record is left out ...
    const char *path;     // ... and which file it is
};

// An importer that has looked its source through: what the dataset will be, and how to get record i of
// header.records_total. get is called with rising i. A record that cannot be used is `rejected`; an error
// ends the import.
struct cnn_import_plan {
    struct cnn_shard_header
        header; // encoding, h, w, c, n_classes, records_total, source; the rest is filled in
    const char *const *class_names;
    uint64_t bytes; // of all records, roughly: decides the number of shards
    enum cnn_status (*get)(void *context, uint64_t i, struct cnn_import_record *out);
    void *context;
};
enum cnn_status cnn_import_run(struct cnn_import_result *out, const struct cnn_import_plan *plan,
                               const struct cnn_import_options *options) CNN_MUST_CHECK;

#endif
