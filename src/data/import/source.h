// What an import reads from: a list of records with labels, looked through before anything is written.
#ifndef CNN_DATA_IMPORT_SOURCE_H
#define CNN_DATA_IMPORT_SOURCE_H
#include "data/import.h"
#include <stddef.h>

#define CNN_IMPORT_MAX_FILE_BYTES ((uint64_t)256 << 20) // larger ones are no pictures

// Bytes that grow. Zero-initialise; the owner frees `data`.
struct cnn_bytes {
    uint8_t *data;
    size_t n, room;
};
enum cnn_status cnn_bytes_reserve(struct cnn_bytes *bytes, size_t more) CNN_MUST_CHECK;
enum cnn_status cnn_bytes_add(struct cnn_bytes *bytes, const void *data, size_t n) CNN_MUST_CHECK;
// Adds a whole file, of about `expected` bytes. CNN_ERR_INPUT: this file cannot be opened. CNN_ERR_IO: the
// system cannot open or read files.
enum cnn_status cnn_bytes_add_file(struct cnn_bytes *bytes, const char *path,
                                   uint64_t expected) CNN_MUST_CHECK;

struct cnn_import_source {
    const char *identity; // what it is, for people and for telling imports apart: "folder files=7 ..."
    uint64_t n, bytes;    // records, and of all of them, roughly
    uint64_t first_id;
    const char *const *classes; // NULL: unnamed
    int n_classes;
    const int *relabel; // label() is an index into it, and it has the labels; NULL: label() gives the labels
    struct cnn_ignored ignored; // what was found and is not among the records
    const char *const *parts;   // the source is datasets of its own of these names; NULL: one dataset
    int n_parts;
    bool pixels; // records are h * w * c pixels, not files
    int h, w, c;
    // All are given the context and record i < n. Those two may be called by several threads at once.
    int (*label)(const void *context, uint64_t i);
    uint64_t (*size)(const void *context, uint64_t i); // roughly; NULL: all the same
    int (*part)(const void *context, uint64_t i);      // of `parts`
    const char *(*path)(const void *context, uint64_t i);
    // Adds the record's bytes to `to`. CNN_ERR_INPUT: this record cannot be used; any other error ends the
    // import. Called by several threads at once, or, where `sequential`, by one at a time with rising i.
    enum cnn_status (*read)(void *context, uint64_t i, struct cnn_bytes *to);
    bool sequential;
    void *context;
};

static inline int cnn_import_label(const struct cnn_import_source *source, uint64_t i) {
    int label = source->label(source->context, i);
    return source->relabel ? source->relabel[label] : label;
}

// Imports it.
enum cnn_status cnn_import_run(struct cnn_import_result *out, const struct cnn_import_source *source,
                               const struct cnn_import_options *options) CNN_MUST_CHECK;

#endif
