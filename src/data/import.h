// Importing pictures into shards, and drawing a dataset of our own.
// Every import may be shared by `size` processes that see the same files: process r of them writes the shards
// r, r + size,
// ... and none talks to another. Which shards there are and what is in them does not depend on `size`. With
// size > 1 the caller waits for all of them and then has one process call cnn_import_finish. An import that
// was stopped goes on where it was when it is called again: shards that are there are kept. A folder that
// holds anything else is refused.
#ifndef CNN_DATA_IMPORT_H
#define CNN_DATA_IMPORT_H
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stdint.h>

struct cnn_import_options {
    const char *out;        // folder to make; must be absent, empty, or hold (part of) this very import
    const char *name;       // shard file prefix; NULL: the last part of `out`
    uint64_t shard_records; // 0: chosen so that a shard is about 256 MiB, with more shards where records are
                            // many and small
    int rank, size;         // size 0 counts as 1
    bool strict;            // a picture that does not decode is an error instead of a line in the report
};
struct cnn_import_result {
    uint64_t records, quarantined; // in this process's shards; in all after cnn_import_finish or with size 1
    int n_classes, n_shards;       // of the whole dataset
};

// Makes what size > 1 processes wrote one dataset: the number of records and the common picture size in every
// header, OUT/quarantine.tsv (path, reason) from its parts. Harmless where there is nothing to do. Not
// collective: one process, after all others are done.
enum cnn_status cnn_import_finish(struct cnn_import_result *out,
                                  const struct cnn_import_options *options) CNN_MUST_CHECK;

// idx files, gz or not (MNIST, Fashion-MNIST): `images` and `labels` are files. Raw records. Both are read
// through and checked before anything is written. class_names: n_class_names strings, or NULL, 0: as many
// unnamed classes as labels say.
enum cnn_status cnn_import_idx(struct cnn_import_result *out, const char *images, const char *labels,
                               const char *const *class_names, int n_class_names,
                               const struct cnn_import_options *options) CNN_MUST_CHECK;
// CIFAR-10 binary files (data_batch_*.bin): `files` in order. Raw records. class_names NULL: CIFAR-10's own.
enum cnn_status cnn_import_cifar10(struct cnn_import_result *out, const char *const *files, int n_files,
                                   const char *const *class_names, int n_class_names,
                                   const struct cnn_import_options *options) CNN_MUST_CHECK;
// Class folders of JPEG or PNG files, at any depth below them; classes are the sorted folder names; records
// are sorted by class and path, and their id is the position in that list. Bytes are kept as they are. JPEG
// and PNG must not mix: a mixture is an error, a stray one is quarantined like a file that does not decode.
enum cnn_status cnn_import_folder(struct cnn_import_result *out, const char *folder,
                                  const struct cnn_import_options *options) CNN_MUST_CHECK;

struct cnn_synth_options {
    uint64_t count, seed;
    uint64_t first; // id of the first picture: give a validation set ids the training set does not have
    int side, quality;
};
// Draws `count` labelled JPEG pictures of ten shapes (docs/formats.md says which). A picture is a function of
// (seed, id).
enum cnn_status cnn_import_synth(struct cnn_import_result *out, const struct cnn_synth_options *synth,
                                 const struct cnn_import_options *options) CNN_MUST_CHECK;

#endif
