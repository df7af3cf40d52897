// `dataset import folder|cifar10|idx SRC --out DIR` and `dataset synth --out DIR`.
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/dataset.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/import.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CLASSES 1024 // that can be named on the command line
#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

// What the flags of all kinds of import set.
struct request {
    const char *source, *out, *name, *part, *images, *labels, *classes;
    int64_t shard_records;
    int64_t count, first, seed, side, quality; // synth
    bool strict, json;
};

// "a,b,c" cut into names; `text` is the copy they lie in.
struct class_names {
    const char *items[MAX_CLASSES];
    int n;
    char *text;
};

static enum cnn_status cut_names(struct class_names *names, const char *list, const char *separators) {
    char *rest;
    names->n = 0;
    CNN_TRY(cnn_strdup(&names->text, list));
    for (char *name = strtok_r(names->text, separators, &rest); name;
         name = strtok_r(NULL, separators, &rest)) {
        if (names->n == MAX_CLASSES)
            return cnn_fail(CNN_ERR_INPUT, "more than %d class names", MAX_CLASSES);
        names->items[names->n++] = name;
    }
    return names->n > 0 ? CNN_OK : cnn_fail(CNN_ERR_INPUT, "no class names in '%s'", list);
}

static enum cnn_status check_part(const char *part) {
    if (strcmp(part, "train") == 0 || strcmp(part, "test") == 0)
        return CNN_OK;
    return cnn_fail(CNN_ERR_INPUT, "--part: '%s' is neither train nor test", part);
}

// ---- the kinds ----

static enum cnn_status run_folder(struct cnn_import_result *out, const struct request *request,
                                  const struct cnn_import_options *options) {
    return cnn_import_folder(out, request->source, options);
}

static enum cnn_status run_cifar10(struct cnn_import_result *out, const struct request *request,
                                   const struct cnn_import_options *options) {
    char paths[5][4096], meta[4096], *text = NULL;
    const char *files[5];
    struct class_names names = {0};
    size_t bytes;
    CNN_TRY(check_part(request->part));
    int n = strcmp(request->part, "train") == 0 ? 5 : 1;
    for (int i = 0; i < n; i++) {
        if (n == 5)
            CNN_TRY(
                cnn_path_format(paths[i], sizeof paths[i], "%s/data_batch_%d.bin", request->source, i + 1));
        else
            CNN_TRY(cnn_path_format(paths[i], sizeof paths[i], "%s/test_batch.bin", request->source));
        files[i] = paths[i];
    }
    CNN_TRY(cnn_path_format(meta, sizeof meta, "%s/batches.meta.txt", request->source));
    enum cnn_status status = CNN_OK;
    if (cnn_file_exists(meta)) {
        CNN_TRY(cnn_file_read(&text, &bytes, meta, 65536));
        status = cut_names(&names, text, "\r\n");
    }
    if (status == CNN_OK)
        status = cnn_import_cifar(out, CNN_CIFAR10, files, n, names.n > 0 ? names.items : NULL, names.n, options);
    free(names.text);
    free(text);
    return status;
}

// The four files go by these names, with and without .gz, and some copies have a dot where the others have a
// dash.
static enum cnn_status find_idx(char out[4096], const char *folder, const char *part, const char *what,
                                int dimensions) {
    const char *prefix = strcmp(part, "train") == 0 ? "train" : "t10k";
    for (int i = 0; i < 4; i++) {
        const char *gz = i % 2 == 0 ? ".gz" : "";
        CNN_TRY(cnn_path_format(out, 4096, "%s/%s-%s%cidx%d-ubyte%s", folder, prefix, what, i < 2 ? '-' : '.',
                                dimensions, gz));
        if (cnn_file_exists(out))
            return CNN_OK;
    }
    return cnn_fail(CNN_ERR_INPUT,
                    "%s holds no %s-%s-idx%d-ubyte(.gz); name the files with --images and --labels", folder,
                    prefix, what, dimensions);
}

static enum cnn_status run_idx(struct cnn_import_result *out, const struct request *request,
                               const struct cnn_import_options *options) {
    char found[2][4096];
    const char *images = request->images, *labels = request->labels;
    struct class_names names = {0};
    enum cnn_status status = CNN_OK;
    CNN_TRY(check_part(request->part));
    if (!images != !labels || (!images && !request->source))
        return cnn_fail(CNN_ERR_INPUT, "give a folder, or both --images FILE and --labels FILE");
    if (!images) {
        CNN_TRY(find_idx(found[0], request->source, request->part, "images", 3));
        CNN_TRY(find_idx(found[1], request->source, request->part, "labels", 1));
        images = found[0];
        labels = found[1];
    }
    if (request->classes)
        status = cut_names(&names, request->classes, ",");
    if (status == CNN_OK)
        status = cnn_import_idx(out, images, labels, names.n > 0 ? names.items : NULL, names.n, options);
    free(names.text);
    return status;
}

// ---- running one, on all ranks ----

static enum cnn_status print_result(const struct cnn_import_result *result, const char *path, bool json) {
    if (json) {
        json_t *object = json_pack(
            "{s:s?, s:I, s:I, s:i, s:i}", "path", path, "records", (json_int_t)result->records, "quarantined",
            (json_int_t)result->quarantined, "num_classes", result->n_classes, "shards", result->n_shards);
        if (!object)
            return cnn_fail(CNN_ERR_FAILED, "the result cannot be written as JSON");
        json_dumpf(object, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(object);
        return CNN_OK;
    }
    printf("%s: %" PRIu64 " records of %d classes in %d shard%s\n", path, result->records, result->n_classes,
           result->n_shards, result->n_shards == 1 ? "" : "s");
    if (result->quarantined > 0)
        printf("%" PRIu64 " pictures cannot be used and were left out: %s/quarantine.tsv says why\n",
               result->quarantined, path);
    return CNN_OK;
}

// Every rank has written its shards, or failed with `mine`; rank 0 makes them one dataset and says so.
static enum cnn_status finish(struct cnn_comm *comm, enum cnn_status mine, struct cnn_import_result *result,
                              const struct cnn_import_options *options, bool json) {
    CNN_TRY(cnn_comm_agree(comm, mine));
    enum cnn_status status = CNN_OK;
    if (cnn_comm_rank(comm) == 0) {
        if (cnn_comm_size(comm) > 1)
            status = cnn_import_finish(result, options);
        if (status == CNN_OK)
            status = print_result(result, options->out, json);
    }
    return cnn_comm_agree(comm, status);
}

// Parses, prints the help if that is wanted, and otherwise imports.
typedef enum cnn_status (*import_run)(struct cnn_import_result *out, const struct request *request,
                                      const struct cnn_import_options *options);
static enum cnn_status import_with(const struct cnn_args *args, struct request *request, import_run run,
                                   int argc, char **argv, struct cnn_comm *comm) {
    struct cnn_args_given given;
    struct cnn_import_result result = {0};
    CNN_TRY(cnn_args_parse(&given, args, argc, argv));
    if (given.help) {
        if (cnn_comm_rank(comm) == 0)
            cnn_args_help(stdout, args);
        return CNN_OK;
    }
    request->source = given.positional.n > 0 ? given.positional.items[0] : NULL;
    const struct cnn_import_options options = {
        .out = request->out,
        .name = request->name,
        .shard_records = (uint64_t)request->shard_records,
        .rank = cnn_comm_rank(comm),
        .size = cnn_comm_size(comm),
        .strict = request->strict,
    };
    return finish(comm, run(&result, request, &options), &result, &options, request->json);
}

#define OUT_FLAG(r)                                                                                          \
    CNN_REQUIRED_FLAG("out", &(r).out, "DIR", "folder to make: absent, empty, or begun by this import")
#define NAME_FLAG(r)                                                                                         \
    CNN_STRING_FLAG("name", &(r).name, "NAME", "what the shard files are called; by default as the folder")
#define SHARD_FLAG(r)                                                                                        \
    CNN_INT_FLAG("shard-records", &(r).shard_records, "N", 0, INT64_MAX,                                     \
                 "records in a shard; 0: about 256 MiB")
#define PART_FLAG(r) CNN_STRING_FLAG("part", &(r).part, "PART", "train or test")
#define JSON_FLAG(r) CNN_BOOL_FLAG("json", &(r).json, "print the result as one JSON document")

static enum cnn_status import_folder(int argc, char **argv, struct cnn_comm *comm) {
    struct request request = {0};
    const struct cnn_flag flags[] = {
        OUT_FLAG(request),
        NAME_FLAG(request),
        SHARD_FLAG(request),
        CNN_BOOL_FLAG("strict", &request.strict, "a picture that does not decode ends the import"),
        JSON_FLAG(request),
    };
    const struct cnn_args args = {"cnn_dist dataset import folder SRC --out DIR [options]",
                                  "Makes shards from SRC/CLASS/.../PICTURE, JPEG or PNG, bytes kept as they "
                                  "are. Classes are the sorted names of the\n"
                                  "folders. Pictures that do not decode are left out and listed in "
                                  "DIR/quarantine.tsv. Ranks share the work.",
                                  flags,
                                  COUNT(flags),
                                  1,
                                  1};
    return import_with(&args, &request, run_folder, argc, argv, comm);
}

static enum cnn_status import_cifar10(int argc, char **argv, struct cnn_comm *comm) {
    struct request request = {.part = "train"};
    const struct cnn_flag flags[] = {OUT_FLAG(request), PART_FLAG(request), NAME_FLAG(request),
                                     SHARD_FLAG(request), JSON_FLAG(request)};
    const struct cnn_args args = {
        "cnn_dist dataset import cifar10 SRC --out DIR [--part train|test] [options]",
        "Makes shards from the binary version of CIFAR-10: SRC holds data_batch_1.bin ... test_batch.bin.",
        flags,
        COUNT(flags),
        1,
        1};
    return import_with(&args, &request, run_cifar10, argc, argv, comm);
}

static enum cnn_status import_idx(int argc, char **argv, struct cnn_comm *comm) {
    struct request request = {.part = "train"};
    const struct cnn_flag flags[] = {
        OUT_FLAG(request),
        PART_FLAG(request),
        CNN_STRING_FLAG("images", &request.images, "FILE", "the pictures, instead of SRC"),
        CNN_STRING_FLAG("labels", &request.labels, "FILE", "their labels"),
        CNN_STRING_FLAG("classes", &request.classes, "A,B,C",
                        "names of the classes, in the order of the labels"),
        NAME_FLAG(request),
        SHARD_FLAG(request),
        JSON_FLAG(request),
    };
    const struct cnn_args args = {"cnn_dist dataset import idx [SRC] --out DIR [--part train|test] [--images "
                                  "FILE --labels FILE] [options]",
                                  "Makes shards from files in the format of MNIST, gzipped or not: SRC holds "
                                  "train-images-idx3-ubyte.gz,\n"
                                  "train-labels-idx1-ubyte.gz, and t10k-... for the test part.",
                                  flags,
                                  COUNT(flags),
                                  0,
                                  1};
    return import_with(&args, &request, run_idx, argc, argv, comm);
}

static enum cnn_status run_synth(struct cnn_import_result *out, const struct request *request,
                                 const struct cnn_import_options *options) {
    const struct cnn_synth_options synth = {.count = (uint64_t)request->count,
                                            .seed = (uint64_t)request->seed,
                                            .first = (uint64_t)request->first,
                                            .side = (int)request->side,
                                            .quality = (int)request->quality};
    return cnn_import_synth(out, &synth, options);
}

enum cnn_status cnn_cmd_dataset_synth(int argc, char **argv, struct cnn_comm *comm) {
    struct request request = {.count = 10000, .seed = 1, .side = 32, .quality = 90};
    const struct cnn_flag flags[] = {
        OUT_FLAG(request),
        CNN_INT_FLAG("count", &request.count, "N", 1, INT64_C(1) << 40, "number of pictures"),
        CNN_INT_FLAG("first", &request.first, "ID", 0, INT64_C(1) << 60,
                     "id of the first one; training and validation must not overlap"),
        CNN_INT_FLAG("seed", &request.seed, "N", 0, INT64_MAX, "another seed draws other pictures"),
        CNN_INT_FLAG("side", &request.side, "PIXELS", 16, 1024, "height and width"),
        CNN_INT_FLAG("quality", &request.quality, "Q", 1, 100, "of the JPEG files"),
        NAME_FLAG(request),
        SHARD_FLAG(request),
        JSON_FLAG(request),
    };
    const struct cnn_args args = {"cnn_dist dataset synth --out DIR [--count N] [--first ID] [options]",
                                  "Draws pictures of ten shapes (circle, square, triangle, star, cross, "
                                  "ring, heart, crescent, arrow, hourglass) in\n"
                                  "random colour, texture, position, scale and rotation among clutter. A "
                                  "picture is a function of seed and id.",
                                  flags,
                                  COUNT(flags),
                                  0,
                                  0};
    return import_with(&args, &request, run_synth, argc, argv, comm);
}

static const struct cnn_command_entry kinds[] = {
    {"folder", "SRC --out DIR", "a folder of pictures for every class", import_folder},
    {"cifar10", "SRC --out DIR", "CIFAR-10, binary version", import_cifar10},
    {"idx", "SRC --out DIR", "MNIST, Fashion-MNIST and others in their format", import_idx},
};

enum cnn_status cnn_cmd_dataset_import(int argc, char **argv, struct cnn_comm *comm) {
    return cnn_dispatch("cnn_dist dataset import", kinds, sizeof kinds / sizeof *kinds, argc, argv, comm);
}
