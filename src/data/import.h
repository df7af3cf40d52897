// Importing pictures into shards, and drawing a dataset of our own.
// Every import is collective over `rank` of `size` processes that share the output folder: process r writes the shards
// r, r + size, ... ; the caller places a barrier after it. Nothing is talked over a network here.
#ifndef CNN_DATA_IMPORT_H
#define CNN_DATA_IMPORT_H
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stdint.h>

struct cnn_import_options {
    const char *out;           // folder to make; must be absent or empty
    const char *name;          // shard file prefix; NULL: the last part of `out`
    uint64_t shard_records;    // 0: chosen so that a shard is about 256 MiB, at least one shard per process
    int rank, size;
    bool strict;               // a picture that does not decode is an error instead of a line in the report
};
struct cnn_import_result {
    uint64_t records, quarantined;
    int n_classes, n_shards;
};

// idx files, gz or not (MNIST, Fashion-MNIST): `images` and `labels` are files. Raw records.
enum cnn_status cnn_import_idx(struct cnn_import_result *out, const char *images, const char *labels,
                               const char *const *class_names, int n_class_names, const struct cnn_import_options *options) CNN_MUST_CHECK;
// CIFAR-10 binary files (data_batch_*.bin): `files` in order. Raw records.
enum cnn_status cnn_import_cifar10(struct cnn_import_result *out, const char *const *files, int n_files, const struct cnn_import_options *options) CNN_MUST_CHECK;
// Class folders of JPEG or PNG files; classes are the sorted folder names; JPEG and PNG must not mix. Bytes are kept as they are.
enum cnn_status cnn_import_folder(struct cnn_import_result *out, const char *folder, const struct cnn_import_options *options) CNN_MUST_CHECK;

struct cnn_synth_options {
    uint64_t count, seed;
    uint64_t first; // id of the first picture: give a validation set ids the training set does not have
    int side, quality;
};
// Draws `count` labelled JPEG pictures of ten shapes (docs/formats.md says which).
enum cnn_status cnn_import_synth(struct cnn_import_result *out, const struct cnn_synth_options *synth, const struct cnn_import_options *options) CNN_MUST_CHECK;

#endif
