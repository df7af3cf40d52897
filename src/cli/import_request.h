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
    CNN_REQUIRED_FLAG("out", &(r).out, "DIR", "output folder: new, empty, or begun by the same import"),     \
        CNN_STRING_FLAG("name", &(r).name, "NAME",                                                           \
                        "name of the shard files (default: the name of their folder)"),                      \
        CNN_INT_FLAG("shard-records", &(r).shard_records, "N", 0, INT64_MAX,                                 \
                     "records per shard (0: limited by size)"),                                              \
        CNN_INT_FLAG("shard-mib", &(r).shard_mib, "MIB", 0, 1 << 20,                                         \
                     "size of a shard (0: 256, or less for few "                                             \
                     "records)"),                                                                            \
        CNN_INT_FLAG("threads", &(r).threads, "N", 0, 1024,                                                  \
                     "threads per rank (0: its share of the processors)"),                                   \
        CNN_BOOL_FLAG("json", &(r).json, "print the result as one JSON document")

#define CNN_IMPORT_SELECT_FLAGS(r)                                                                           \
    CNN_STRING_FLAG("classes-of", &(r).classes_of, "DATASET",                                                \
                    "number the classes as in this dataset; other classes are an error"),                    \
        CNN_STRING_FLAG("split", &(r).split, "A=X,B=Y",                                                      \
                        "split into DIR/A and DIR/B with these shares of each class"),                       \
        CNN_INT_FLAG("subset", &(r).subset, "N", 0, INT64_MAX,                                               \
                     "import only N records, in proportion from each class"),                                \
        CNN_INT_FLAG("seed", &(r).seed, "N", 0, INT64_MAX, "seed of --split and --subset")

#define CNN_IMPORT_PICTURE_FLAGS(r)                                                                          \
    CNN_STRING_FLAG("classes", &(r).classes, "FILE",                                                         \
                    "file of the classes in order, one per line, "                                           \
                    "each optionally followed by a tab and another name"),                                   \
        CNN_STRING_FLAG("check", &(r).check, "HOW", "what to check: header, decode or none"),                \
        CNN_BOOL_FLAG("strict", &(r).strict, "fail if an image cannot be used"),                             \
        CNN_INT_FLAG("max-side", &(r).max_side, "PIXELS", 0, 65500,                                          \
                     "shrink larger images and store them as JPEG (0: off)"),                                \
        CNN_INT_FLAG("quality", &(r).quality, "Q", 0, 100,                                                   \
                     "encode all images as JPEG with this quality (0: "                                      \
                     "only shrunk ones, with 90)"),                                                          \
        CNN_STRING_FLAG("raw", &(r).raw, "HxW",                                                              \
                        "store the centre of each image as raw pixels of this size"),                        \
        CNN_BOOL_FLAG("gray", &(r).gray, "with --raw: store one channel")

#endif
