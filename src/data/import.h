// Importing pictures into shards, and drawing a dataset of our own.
// An import looks its source through, plans the shards, and makes them one by one: reading, checking and
// re-encoding by a pool of threads, writing in order. Which shards there are and what is in them depends on
// source and options alone, not on threads, processes or interruptions:
// - It may be shared by `size` processes that see the same files: process r of them makes the shards r, r +
//   size, ... and none talks to another. With size > 1 the caller waits for all of them and then has one
//   process call cnn_import_finish.
// - One that was stopped, even killed, goes on where it was when it is called again; what it has made so far
//   waits in OUT/.import. Two at once do not disturb each other: the second is refused (base/owner.h). The
//   same call on what is finished changes nothing. A folder that holds anything else, or the half of another
//   import, is refused.
#ifndef CNN_DATA_IMPORT_H
#define CNN_DATA_IMPORT_H
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How pictures that are kept as they are get checked.
enum cnn_import_check {
    CNN_CHECK_HEADER, // the header is one we decode, and the file reaches its end: finds what is cut short
    CNN_CHECK_DECODE, // decoded to the last pixel: finds every damage, costs as much as reading for training
    CNN_CHECK_NONE,   // only that it is a JPEG or PNG by its first bytes
};

struct cnn_import_progress {
    uint64_t done, total; // records of this process's share
    uint64_t bytes, quarantined;
};

// Zero is the default of everything but `out`.
struct cnn_import_options {
    const char *out;        // folder to make; must be absent, empty, or hold (part of) this very import
    const char *name;       // shard file prefix; NULL: the last part of the dataset's folder
    uint64_t shard_records; // 0: chosen by bytes
    uint64_t shard_bytes;   // 0: about 256 MiB, with more shards where records are many and small
    int rank, size;         // size 0 counts as 1
    int threads;            // 0 counts as 1
    bool strict;            // a picture that cannot be used is an error instead of a line in the report
    const char *classes;    // file: the classes of the source in the order of their labels, one a line, each
                            // after a tab with the name to keep it under; NULL: sorted by name
    const char *classes_of; // dataset whose classes, with their labels, this one gets; NULL: its own
    const char *split;      // "train=0.8,val=0.2": makes OUT/train and OUT/val, each class cut alike
    uint64_t subset;        // so many records, of each class in proportion; 0: all
    uint64_t seed;          // of split and subset
    enum cnn_import_check check;
    int max_side,
        quality;      // pictures are shrunk to this longer side and made JPEG of this quality; 0, 0: kept
    int raw_h, raw_w; // pictures are stored as pixels of this size, the middle of them; 0, 0: not
    bool gray;        // as one channel; with raw_h
    void (*progress)(void *context, const struct cnn_import_progress *progress); // in the calling thread
    void *context;
};
// Why a file of a source is not one of the records that are imported.
enum cnn_ignored_reason {
    CNN_IGNORED_OUTSIDE,  // it lies outside the class folders
    CNN_IGNORED_UNLISTED, // --labels has no class for it, and it is not a picture by its name
    CNN_IGNORED_HIDDEN,   // what systems leave: its name or a folder's begins with a dot or is __MACOSX,
                          // Thumbs.db ...
    CNN_IGNORED_SPECIAL,  // a device, FIFO or socket
    CNN_IGNORED_REPLACED, // an archive's member that a later member of the same name replaces
    CNN_IGNORED_REPEATED, // a line of a list gives a picture the class that an earlier line gave it
    CNN_IGNORED_REASONS
};
struct cnn_ignored {
    uint64_t files[CNN_IGNORED_REASONS];
};
uint64_t cnn_ignored_total(const struct cnn_ignored *ignored);
// "ignored 3 files: 2 outside the class folders, 1 hidden". Returns what snprintf does.
int cnn_ignored_format(char *out, size_t out_bytes, const struct cnn_ignored *ignored);
const char *cnn_ignored_key(enum cnn_ignored_reason reason); // one word, for JSON

#define CNN_IMPORT_MAX_REASONS 4
struct cnn_quarantine_reason {
    char text[120];
    uint64_t pictures;
};

struct cnn_import_result {
    struct cnn_ignored ignored;    // files of the source that are not records
    uint64_t records, quarantined; // in this process's shards; in all after cnn_import_finish or with size 1
    struct cnn_quarantine_reason reasons[CNN_IMPORT_MAX_REASONS]; // the commonest first; after finish
    int n_reasons;
    int n_classes, n_shards; // of the whole
    bool was_there;          // nothing had to be done
    bool begun;              // also after an error: it came after the first change to OUT
};

// Makes what size > 1 processes wrote datasets: HDF5 around every shard, OUT/quarantine.tsv (path, reason).
// Harmless where there is nothing to do. Not collective: one process, after all others are done.
enum cnn_status cnn_import_finish(struct cnn_import_result *out,
                                  const struct cnn_import_options *options) CNN_MUST_CHECK;
// True where OUT holds the half of an import.
bool cnn_import_is_begun(const struct cnn_import_options *options);
// Removes that half, unless another process is writing to it; nothing else of OUT. For processes that share
// an import of which one was refused.
void cnn_import_abandon(const struct cnn_import_options *options);

// idx files, gz or not (MNIST, Fashion-MNIST): `images` and `labels` are files. Raw records. Both are read
// through and checked before anything is written. class_names: n_class_names strings, or NULL, 0: as many
// unnamed classes as labels say.
enum cnn_status cnn_import_idx(struct cnn_import_result *out, const char *images, const char *labels,
                               const char *const *class_names, int n_class_names,
                               const struct cnn_import_options *options) CNN_MUST_CHECK;

// The same of several parts ("train", "test") of one size of pictures: DIR/train and DIR/test, of the classes
// of all parts. One part without a name is DIR itself.
struct cnn_idx_part {
    const char *name, *images, *labels;
};
enum cnn_status cnn_import_idx_parts(struct cnn_import_result *out, const struct cnn_idx_part *parts,
                                     int n_parts, const char *const *class_names, int n_class_names,
                                     const struct cnn_import_options *options) CNN_MUST_CHECK;

enum cnn_cifar { CNN_CIFAR10, CNN_CIFAR100_FINE, CNN_CIFAR100_COARSE };
// CIFAR's binary files: `files` in order. Raw records. class_names NULL: the dataset's own.
enum cnn_status cnn_import_cifar(struct cnn_import_result *out, enum cnn_cifar kind, const char *const *files,
                                 int n_files, const char *const *class_names, int n_class_names,
                                 const struct cnn_import_options *options) CNN_MUST_CHECK;

struct cnn_cifar_part {
    const char *name; // NULL: the only part, DIR itself
    const char *const *files;
    int n_files;
};
enum cnn_status cnn_import_cifar_parts(struct cnn_import_result *out, enum cnn_cifar kind,
                                       const struct cnn_cifar_part *parts, int n_parts,
                                       const char *const *class_names, int n_class_names,
                                       const struct cnn_import_options *options) CNN_MUST_CHECK;

// Folders of JPEG or PNG files: FOLDER/CLASS/.../FILE, or FOLDER/train/CLASS/... and FOLDER/val/CLASS/...,
// which become datasets of their own. A folder around everything is looked through. Records are sorted by
// class and path, and their id is the position in that list. Files and folders that cannot be read are
// quarantined. CNN_ERR_INPUT where it is unclear which folders are classes.
enum cnn_status cnn_import_folder(struct cnn_import_result *out, const char *folder,
                                  const struct cnn_import_options *options) CNN_MUST_CHECK;

// The same inside a tar, compressed tar or zip, in the order of the archive. Members that are tars themselves
// (ILSVRC2012's n01440764.tar ...) are classes.
struct cnn_archive_options {
    const char *labels;  // file that says the class of each picture of a flat archive; NULL: by folder
    const char *numbers; // file whose line k is the class that `labels` calls k; NULL: none
    const char *under;   // only members below this folder of the archive; NULL: all
};
enum cnn_status cnn_import_archive(struct cnn_import_result *out, const char *file,
                                   const struct cnn_archive_options *archive,
                                   const struct cnn_import_options *options) CNN_MUST_CHECK;

// A CSV or TSV of path and class. root: what paths are relative to; NULL: the folder of the file.
enum cnn_status cnn_import_list(struct cnn_import_result *out, const char *file, const char *root,
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
