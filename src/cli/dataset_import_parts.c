// `dataset import cifar10|cifar100|idx SRC --out DIR`: datasets that come as a training and a test part.
#include "cli/dataset.h"
#include "cli/import_request.h"

#include "base/file.h"
#include "base/log.h"
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

// ---- parts ----

static const char *const part_names[2] = {"train", "test"};

// The parts to import, in order: what --part names, or those of which SRC holds files. Both become datasets
// of their own, DIR/train and DIR/test; a single one is DIR itself.
struct parts {
    int n;
    const char *names[2];
};

static enum cnn_status choose_parts(struct parts *out, const struct cnn_import_request *request,
                                    const bool found[2]) {
    *out = (struct parts){0};
    for (int k = 0; k < 2; k++)
        if (request->part ? strcmp(request->part, part_names[k]) == 0 : found[k])
            out->names[out->n++] = part_names[k];
    if (request->part && out->n == 0)
        return cnn_fail(CNN_ERR_INPUT, "--part: unknown part '%s'; allowed: train and test", request->part);
    if (out->n == 0) // its files will be missed by name
        out->names[out->n++] = part_names[0];
    if (out->n == 2 && request->split)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s contains a training and a test part, but --split needs one; add --part train or "
                        "--part test",
                        request->source);
    if (out->n == 1 && !request->part && found[1])
        cnn_log_info("%s contains only the test part", request->source);
    return CNN_OK;
}

static bool is_train(const char *part) { return strcmp(part, part_names[0]) == 0; }

#define PART_FLAG(r)                                                                                         \
    CNN_STRING_FLAG("part", &(r).part, "PART", "import only this part, into DIR itself: train or test")

// ---- CIFAR ----

static enum cnn_status import_cifar(struct cnn_import_result *out, enum cnn_cifar kind,
                                    const struct cnn_cifar_part *parts, int n, const char *names_file,
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
        status =
            cnn_import_cifar_parts(out, kind, parts, n, names.n > 0 ? names.items : NULL, names.n, options);
    free(names.text);
    free(text);
    return status;
}

#define CIFAR10_FILES 6

// data_batch_1.bin .. data_batch_5.bin and test_batch.bin
static enum cnn_status name_cifar10(char out[CIFAR10_FILES][4096], const char *folder) {
    for (int i = 0; i < CIFAR10_FILES - 1; i++)
        CNN_TRY(cnn_path_format(out[i], 4096, "%s/data_batch_%d.bin", folder, i + 1));
    return cnn_path_format(out[CIFAR10_FILES - 1], 4096, "%s/test_batch.bin", folder);
}

static enum cnn_status run_cifar10(struct cnn_import_result *out, const struct cnn_import_request *request,
                                   const struct cnn_import_options *options) {
    char paths[CIFAR10_FILES][4096], names[4096];
    const char *files[CIFAR10_FILES];
    struct cnn_cifar_part parts[2];
    struct parts chosen;
    bool found[2] = {false, false};
    CNN_TRY(name_cifar10(paths, request->source));
    for (int i = 0; i < CIFAR10_FILES; i++) {
        files[i] = paths[i];
        found[i == CIFAR10_FILES - 1] |= cnn_file_exists(paths[i]);
    }
    CNN_TRY(choose_parts(&chosen, request, found));
    for (int k = 0; k < chosen.n; k++) {
        bool train = is_train(chosen.names[k]);
        parts[k] =
            (struct cnn_cifar_part){chosen.n > 1 ? chosen.names[k] : NULL,
                                    train ? files : files + CIFAR10_FILES - 1, train ? CIFAR10_FILES - 1 : 1};
    }
    CNN_TRY(cnn_path_format(names, sizeof names, "%s/batches.meta.txt", request->source));
    return import_cifar(out, CNN_CIFAR10, parts, chosen.n, names, options);
}

static enum cnn_status run_cifar100(struct cnn_import_result *out, const struct cnn_import_request *request,
                                    const struct cnn_import_options *options) {
    char paths[2][4096], names[4096];
    const char *files[2] = {paths[0], paths[1]};
    struct cnn_cifar_part parts[2];
    struct parts chosen;
    bool found[2];
    for (int k = 0; k < 2; k++) {
        CNN_TRY(cnn_path_format(paths[k], sizeof paths[k], "%s/%s.bin", request->source, part_names[k]));
        found[k] = cnn_file_exists(paths[k]);
    }
    CNN_TRY(choose_parts(&chosen, request, found));
    for (int k = 0; k < chosen.n; k++)
        parts[k] = (struct cnn_cifar_part){chosen.n > 1 ? chosen.names[k] : NULL,
                                           &files[!is_train(chosen.names[k])], 1};
    CNN_TRY(cnn_path_format(names, sizeof names, "%s/%s_label_names.txt", request->source,
                            request->coarse ? "coarse" : "fine"));
    return import_cifar(out, request->coarse ? CNN_CIFAR100_COARSE : CNN_CIFAR100_FINE, parts, chosen.n,
                        names, options);
}

enum cnn_status cnn_cmd_import_cifar10(int argc, char **argv, struct cnn_comm *comm) {
    struct cnn_import_request request = {.seed = 1};
    const struct cnn_flag flags[] = {PART_FLAG(request), CNN_IMPORT_OUT_FLAGS(request),
                                     CNN_IMPORT_SELECT_FLAGS(request)};
    const struct cnn_args args = {
        "cnn_dist dataset import cifar10 SRC --out DIR [--part train|test] [options]",
        "Makes the datasets DIR/train and DIR/test from the binary version of CIFAR-10. SRC contains "
        "data_batch_1.bin ...\ndata_batch_5.bin and test_batch.bin.",
        flags,
        COUNT(flags),
        1,
        1};
    return cnn_import_with(&args, &request, run_cifar10, argc, argv, comm);
}

enum cnn_status cnn_cmd_import_cifar100(int argc, char **argv, struct cnn_comm *comm) {
    struct cnn_import_request request = {.seed = 1};
    const struct cnn_flag flags[] = {
        PART_FLAG(request),
        CNN_BOOL_FLAG("coarse", &request.coarse, "use the 20 superclasses instead of the 100 classes"),
        CNN_IMPORT_OUT_FLAGS(request), CNN_IMPORT_SELECT_FLAGS(request)};
    const struct cnn_args args = {
        "cnn_dist dataset import cifar100 SRC --out DIR [--part train|test] [options]",
        "Makes the datasets DIR/train and DIR/test from the binary version of CIFAR-100. SRC contains "
        "train.bin, test.bin and\nthe files of class names.",
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
                    "%s does not contain %s-%s-idx%d-ubyte(.gz); give the files with --images and --labels",
                    folder, prefix, what, dimensions);
}

static bool finds_idx(const char *folder, const char *part) {
    char path[4096];
    return find_idx(path, folder, part, "images", 3) == CNN_OK ||
           find_idx(path, folder, part, "labels", 1) == CNN_OK;
}

// The files of SRC, in `paths`.
static enum cnn_status find_parts(struct cnn_idx_part parts[2], int *out_n, char paths[4][4096],
                                  const struct cnn_import_request *request) {
    struct parts chosen;
    bool found[2];
    for (int k = 0; k < 2; k++)
        found[k] = finds_idx(request->source, part_names[k]);
    CNN_TRY(choose_parts(&chosen, request, found));
    *out_n = chosen.n;
    for (int k = 0; k < chosen.n; k++) {
        char *images = paths[2 * k], *labels = paths[2 * k + 1];
        CNN_TRY(find_idx(images, request->source, chosen.names[k], "images", 3));
        CNN_TRY(find_idx(labels, request->source, chosen.names[k], "labels", 1));
        parts[k] = (struct cnn_idx_part){chosen.n > 1 ? chosen.names[k] : NULL, images, labels};
    }
    return CNN_OK;
}

static enum cnn_status run_idx(struct cnn_import_result *out, const struct cnn_import_request *request,
                               const struct cnn_import_options *options) {
    char paths[4][4096];
    struct cnn_idx_part parts[2] = {{NULL, request->images, request->labels}};
    struct class_names names = {0};
    int n = 1;
    enum cnn_status status = CNN_OK;
    if (!request->images != !request->labels || !request->images == !request->source)
        return cnn_fail(CNN_ERR_INPUT, "missing argument: give a folder, or both --images FILE and --labels "
                                       "FILE");
    if (!request->images)
        CNN_TRY(find_parts(parts, &n, paths, request));
    else if (request->part)
        return cnn_fail(CNN_ERR_INPUT, "--part cannot be used with --images");
    if (request->names)
        status = cut_names(&names, request->names, ",");
    if (status == CNN_OK)
        status = cnn_import_idx_parts(out, parts, n, names.n > 0 ? names.items : NULL, names.n, options);
    free(names.text);
    return status;
}

enum cnn_status cnn_cmd_import_idx(int argc, char **argv, struct cnn_comm *comm) {
    struct cnn_import_request request = {.seed = 1};
    const struct cnn_flag flags[] = {
        PART_FLAG(request),
        CNN_STRING_FLAG("images", &request.images, "FILE", "file of the images, instead of SRC"),
        CNN_STRING_FLAG("labels", &request.labels, "FILE", "file of the labels"),
        CNN_STRING_FLAG("classes", &request.names, "A,B,C", "names of the classes, in order of the labels"),
        CNN_IMPORT_OUT_FLAGS(request),
        CNN_IMPORT_SELECT_FLAGS(request),
    };
    const struct cnn_args args = {
        "cnn_dist dataset import idx [SRC] --out DIR [--part train|test] [--images "
        "FILE --labels FILE] [options]",
        "Makes the datasets DIR/train and DIR/test from files in the format of MNIST, gzipped or not. SRC "
        "contains\ntrain-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, and t10k-... for the test part.",
        flags,
        COUNT(flags),
        0,
        1};
    return cnn_import_with(&args, &request, run_idx, argc, argv, comm);
}
