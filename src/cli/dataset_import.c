// `dataset import KIND SRC --out DIR` and `dataset synth --out DIR`.
#include "cli/commands.h"
#include "cli/dataset.h"
#include "cli/import_request.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CLASSES 1024 // that can be named on the command line
#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

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

// ---- pictures in files ----

static enum cnn_status run_folder(struct cnn_import_result *out, const struct cnn_import_request *request,
                                  const struct cnn_import_options *options) {
    return cnn_import_folder(out, request->source, options);
}

static enum cnn_status import_folder(int argc, char **argv, struct cnn_comm *comm) {
    struct cnn_import_request request = {.check = "header", .seed = 1};
    const struct cnn_flag flags[] = {CNN_IMPORT_OUT_FLAGS(request), CNN_IMPORT_SELECT_FLAGS(request),
                                     CNN_IMPORT_PICTURE_FLAGS(request)};
    const struct cnn_args args = {"cnn_dist dataset import folder SRC --out DIR [options]",
                                  "Makes shards from SRC/CLASS/.../PICTURE, or from SRC/train/CLASS/... and "
                                  "SRC/val/CLASS/..., which become\n"
                                  "DIR/train and DIR/val. JPEG and PNG; bytes are kept as they are unless "
                                  "options say otherwise. Classes are\n"
                                  "sorted by name. Pictures that cannot be used are left out and listed in "
                                  "DIR/quarantine.tsv. Ranks share the\n"
                                  "work. The same command goes on where an import was cut off.",
                                  flags,
                                  COUNT(flags),
                                  1,
                                  1};
    return cnn_import_with(&args, &request, run_folder, argc, argv, comm);
}

static enum cnn_status run_tar(struct cnn_import_result *out, const struct cnn_import_request *request,
                               const struct cnn_import_options *options) {
    const struct cnn_archive_options archive = {
        .labels = request->labels, .numbers = request->numbers, .under = request->under};
    return cnn_import_archive(out, request->source, &archive, options);
}

static enum cnn_status import_tar(int argc, char **argv, struct cnn_comm *comm) {
    struct cnn_import_request request = {.check = "header", .seed = 1};
    const struct cnn_flag flags[] = {
        CNN_STRING_FLAG("labels", &request.labels, "FILE",
                        "classes of a flat archive: lines of NAME,CLASS, or one "
                        "CLASS a line"),
        CNN_STRING_FLAG("numbers", &request.numbers, "FILE", "line k is the class that --labels calls k"),
        CNN_STRING_FLAG("under", &request.under, "FOLDER", "only what is below this folder of the archive"),
        CNN_IMPORT_OUT_FLAGS(request),
        CNN_IMPORT_SELECT_FLAGS(request),
        CNN_IMPORT_PICTURE_FLAGS(request)};
    const struct cnn_args args = {
        "cnn_dist dataset import tar SRC --out DIR [options]",
        "Makes shards from a tar, tar.gz, tar.xz, tar.bz2, tar.zst or zip without unpacking it: class "
        "folders as\n"
        "`import folder` has them, tars of classes (ILSVRC2012_img_train.tar), or pictures that --labels "
        "classifies\n"
        "(ILSVRC2012_img_val.tar). Records stand in the order of the archive, classes are sorted by name.",
        flags,
        COUNT(flags),
        1,
        1};
    return cnn_import_with(&args, &request, run_tar, argc, argv, comm);
}

static enum cnn_status run_list(struct cnn_import_result *out, const struct cnn_import_request *request,
                                const struct cnn_import_options *options) {
    return cnn_import_list(out, request->source, request->root, options);
}

static enum cnn_status import_list(int argc, char **argv, struct cnn_comm *comm) {
    struct cnn_import_request request = {.check = "header", .seed = 1};
    const struct cnn_flag flags[] = {
        CNN_STRING_FLAG("root", &request.root, "DIR",
                        "what the paths are relative to; by default the list's folder"),
        CNN_IMPORT_OUT_FLAGS(request), CNN_IMPORT_SELECT_FLAGS(request), CNN_IMPORT_PICTURE_FLAGS(request)};
    const struct cnn_args args = {"cnn_dist dataset import list SRC --out DIR [options]",
                                  "Makes shards from a CSV or TSV: a path and a class in each line; a first "
                                  "line of headings (path,label) is\n"
                                  "passed over. Records stand in the order of the list; classes are sorted "
                                  "by name, or by value where all are\n"
                                  "whole numbers.",
                                  flags,
                                  COUNT(flags),
                                  1,
                                  1};
    return cnn_import_with(&args, &request, run_list, argc, argv, comm);
}

// ---- CIFAR ----

static enum cnn_status import_cifar(struct cnn_import_result *out, enum cnn_cifar kind,
                                    const char *const *files, int n, const char *names_file,
                                    const struct cnn_import_options *options) {
    struct class_names names = {0};
    char *text = NULL;
    size_t bytes;
    enum cnn_status status = CNN_OK;
    if (cnn_file_exists(names_file)) {
        CNN_TRY(cnn_file_read(&text, &bytes, names_file, 65536));
        status = cut_names(&names, text, "\r\n");
    }
    if (status == CNN_OK)
        status = cnn_import_cifar(out, kind, files, n, names.n > 0 ? names.items : NULL, names.n, options);
    free(names.text);
    free(text);
    return status;
}

static enum cnn_status run_cifar10(struct cnn_import_result *out, const struct cnn_import_request *request,
                                   const struct cnn_import_options *options) {
    char paths[5][4096], names[4096];
    const char *files[5];
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
    CNN_TRY(cnn_path_format(names, sizeof names, "%s/batches.meta.txt", request->source));
    return import_cifar(out, CNN_CIFAR10, files, n, names, options);
}

static enum cnn_status run_cifar100(struct cnn_import_result *out, const struct cnn_import_request *request,
                                    const struct cnn_import_options *options) {
    char path[4096], names[4096];
    const char *file = path;
    CNN_TRY(check_part(request->part));
    CNN_TRY(cnn_path_format(path, sizeof path, "%s/%s.bin", request->source, request->part));
    CNN_TRY(cnn_path_format(names, sizeof names, "%s/%s_label_names.txt", request->source,
                            request->coarse ? "coarse" : "fine"));
    return import_cifar(out, request->coarse ? CNN_CIFAR100_COARSE : CNN_CIFAR100_FINE, &file, 1, names,
                        options);
}

#define PART_FLAG(r) CNN_STRING_FLAG("part", &(r).part, "PART", "train or test")

static enum cnn_status import_cifar10(int argc, char **argv, struct cnn_comm *comm) {
    struct cnn_import_request request = {.part = "train", .seed = 1};
    const struct cnn_flag flags[] = {PART_FLAG(request), CNN_IMPORT_OUT_FLAGS(request),
                                     CNN_IMPORT_SELECT_FLAGS(request)};
    const struct cnn_args args = {
        "cnn_dist dataset import cifar10 SRC --out DIR [--part train|test] [options]",
        "Makes shards from the binary version of CIFAR-10: SRC holds data_batch_1.bin ... test_batch.bin.",
        flags,
        COUNT(flags),
        1,
        1};
    return cnn_import_with(&args, &request, run_cifar10, argc, argv, comm);
}

static enum cnn_status import_cifar100(int argc, char **argv, struct cnn_comm *comm) {
    struct cnn_import_request request = {.part = "train", .seed = 1};
    const struct cnn_flag flags[] = {
        PART_FLAG(request),
        CNN_BOOL_FLAG("coarse", &request.coarse, "the 20 superclasses instead of the 100 classes"),
        CNN_IMPORT_OUT_FLAGS(request), CNN_IMPORT_SELECT_FLAGS(request)};
    const struct cnn_args args = {
        "cnn_dist dataset import cifar100 SRC --out DIR [--part train|test] [options]",
        "Makes shards from the binary version of CIFAR-100: SRC holds train.bin, test.bin and the names of "
        "classes.",
        flags,
        COUNT(flags),
        1,
        1};
    return cnn_import_with(&args, &request, run_cifar100, argc, argv, comm);
}

// ---- idx ----

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

static enum cnn_status run_idx(struct cnn_import_result *out, const struct cnn_import_request *request,
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
    if (request->names)
        status = cut_names(&names, request->names, ",");
    if (status == CNN_OK)
        status = cnn_import_idx(out, images, labels, names.n > 0 ? names.items : NULL, names.n, options);
    free(names.text);
    return status;
}

static enum cnn_status import_idx(int argc, char **argv, struct cnn_comm *comm) {
    struct cnn_import_request request = {.part = "train", .seed = 1};
    const struct cnn_flag flags[] = {
        PART_FLAG(request),
        CNN_STRING_FLAG("images", &request.images, "FILE", "the pictures, instead of SRC"),
        CNN_STRING_FLAG("labels", &request.labels, "FILE", "their labels"),
        CNN_STRING_FLAG("classes", &request.names, "A,B,C",
                        "names of the classes, in the order of the labels"),
        CNN_IMPORT_OUT_FLAGS(request),
        CNN_IMPORT_SELECT_FLAGS(request),
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
    return cnn_import_with(&args, &request, run_idx, argc, argv, comm);
}

// ---- synth ----

static enum cnn_status run_synth(struct cnn_import_result *out, const struct cnn_import_request *request,
                                 const struct cnn_import_options *options) {
    const struct cnn_synth_options synth = {.count = (uint64_t)request->count,
                                            .seed = (uint64_t)request->seed,
                                            .first = (uint64_t)request->first,
                                            .side = (int)request->side,
                                            .quality = (int)request->quality};
    struct cnn_import_options plain = *options;
    plain.quality = 0; // as they are drawn
    return cnn_import_synth(out, &synth, &plain);
}

enum cnn_status cnn_cmd_dataset_synth(int argc, char **argv, struct cnn_comm *comm) {
    struct cnn_import_request request = {.count = 10000, .seed = 1, .side = 32, .quality = 90};
    const struct cnn_flag flags[] = {
        CNN_INT_FLAG("count", &request.count, "N", 1, INT64_C(1) << 40, "number of pictures"),
        CNN_INT_FLAG("first", &request.first, "ID", 0, INT64_C(1) << 60,
                     "id of the first one; training and validation must not overlap"),
        CNN_INT_FLAG("seed", &request.seed, "N", 0, INT64_MAX, "another seed draws other pictures"),
        CNN_INT_FLAG("side", &request.side, "PIXELS", 16, 1024, "height and width"),
        CNN_INT_FLAG("quality", &request.quality, "Q", 1, 100, "of the JPEG files"),
        CNN_IMPORT_OUT_FLAGS(request),
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
    return cnn_import_with(&args, &request, run_synth, argc, argv, comm);
}

static const struct cnn_command_entry kinds[] = {
    {"folder", "SRC --out DIR", "folders of pictures, one a class", import_folder},
    {"tar", "SRC --out DIR", "the same in an archive; ImageNet's archives", import_tar},
    {"list", "SRC --out DIR", "a CSV or TSV of path and class", import_list},
    {"cifar10", "SRC --out DIR", "CIFAR-10, binary version", import_cifar10},
    {"cifar100", "SRC --out DIR", "CIFAR-100, binary version", import_cifar100},
    {"idx", "SRC --out DIR", "MNIST, Fashion-MNIST and others in their format", import_idx},
};

enum cnn_status cnn_cmd_dataset_import(int argc, char **argv, struct cnn_comm *comm) {
    return cnn_dispatch("cnn_dist dataset import", kinds, sizeof kinds / sizeof *kinds, argc, argv, comm);
}
