// What `dataset import KIND` and `dataset synth` have in common: options, the work on all ranks, progress,
// the result.
#ifndef CNN_CLI_IMPORT_REQUEST_H
#define CNN_CLI_IMPORT_REQUEST_H
#include "cli/args.h"
#include "comm/comm.h"
#include "data/import.h"

// What the flags of all kinds set.
struct cnn_import_request {
    const char *source; // the word that is not a flag; NULL: none
    const char *out, *name, *split, *classes, *classes_of, *check, *raw;
    int64_t shard_records, shard_mib, subset, seed, threads, max_side, quality;
    bool strict, gray, json;
    // of single kinds
    const char *part, *images, *labels, *numbers, *under, *root, *names;
    bool coarse;
    int64_t count, first, side;
};

typedef enum cnn_status (*cnn_import_kind)(struct cnn_import_result *out,
                                           const struct cnn_import_request *request,
                                           const struct cnn_import_options *options);

// Parses, prints the help where that is wanted, and otherwise imports. Collective.
enum cnn_status cnn_import_with(const struct cnn_args *args, struct cnn_import_request *request,
                                cnn_import_kind kind, int argc, char **argv,
                                struct cnn_comm *comm) CNN_MUST_CHECK;

#define CNN_IMPORT_OUT_FLAGS(r)                                                                              \
    CNN_REQUIRED_FLAG("out", &(r).out, "DIR", "folder to make: absent, empty, or begun by this import"),     \
        CNN_STRING_FLAG("name", &(r).name, "NAME",                                                           \
                        "what the shard files are called; by default as their folder"),                      \
        CNN_INT_FLAG("shard-records", &(r).shard_records, "N", 0, INT64_MAX,                                 \
                     "records in a shard; 0: by bytes"),                                                     \
        CNN_INT_FLAG("shard-mib", &(r).shard_mib, "MIB", 0, 1 << 20,                                         \
                     "size of a shard; 0: 256, less where records "                                          \
                     "are small"),                                                                           \
        CNN_INT_FLAG("threads", &(r).threads, "N", 0, 1024, "of each rank; 0: its share of the processors"), \
        CNN_BOOL_FLAG("json", &(r).json, "print the result as one JSON document")

#define CNN_IMPORT_SELECT_FLAGS(r)                                                                           \
    CNN_STRING_FLAG("classes-of", &(r).classes_of, "DATASET",                                                \
                    "number the classes as this dataset does; classes it lacks are an error"),               \
        CNN_STRING_FLAG("split", &(r).split, "A=X,B=Y",                                                      \
                        "make DIR/A and DIR/B of these shares, the same of each class"),                     \
        CNN_INT_FLAG("subset", &(r).subset, "N", 0, INT64_MAX,                                               \
                     "only N records, of each class in proportion"),                                         \
        CNN_INT_FLAG("seed", &(r).seed, "N", 0, INT64_MAX, "of --split and --subset")

#define CNN_IMPORT_PICTURE_FLAGS(r)                                                                          \
    CNN_STRING_FLAG("classes", &(r).classes, "FILE",                                                         \
                    "the classes in their order, one a line; after a tab the name "                          \
                    "to keep"),                                                                              \
        CNN_STRING_FLAG("check", &(r).check, "HOW", "header, decode or none"),                               \
        CNN_BOOL_FLAG("strict", &(r).strict, "a picture that cannot be used ends the import"),               \
        CNN_INT_FLAG("max-side", &(r).max_side, "PIXELS", 0, 65500,                                          \
                     "shrink larger pictures, as JPEG; 0: do not"),                                          \
        CNN_INT_FLAG("quality", &(r).quality, "Q", 0, 100,                                                   \
                     "encode all pictures as JPEG of this quality; 0: only "                                 \
                     "shrunk ones, with 90"),                                                                \
        CNN_STRING_FLAG("raw", &(r).raw, "HxW", "store the middle of each picture as pixels of this size"),  \
        CNN_BOOL_FLAG("gray", &(r).gray, "with --raw: one channel")

#endif
