// `dataset import KIND SRC --out DIR` and `dataset synth --out DIR`.
#include "cli/commands.h"
#include "cli/dataset.h"
#include "cli/import_request.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

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
                                  "Makes a dataset from SRC/CLASS/.../IMAGE, or DIR/train and DIR/val from "
                                  "SRC/train/CLASS/... and\nSRC/val/CLASS/... . Reads JPEG and PNG; files "
                                  "are stored unchanged unless an option changes them. Classes are\nsorted "
                                  "by name. Images that cannot be used are skipped and listed in "
                                  "DIR/quarantine.tsv. Under mpirun, the ranks\nshare the work. Running the "
                                  "same command again continues an interrupted import.",
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
                        "classes of a flat archive: lines of NAME,CLASS, or one CLASS per line"),
        CNN_STRING_FLAG("numbers", &request.numbers, "FILE",
                        "file whose line k is the name of class k in "
                        "--labels"),
        CNN_STRING_FLAG("under", &request.under, "FOLDER", "import only this folder of the archive"),
        CNN_IMPORT_OUT_FLAGS(request),
        CNN_IMPORT_SELECT_FLAGS(request),
        CNN_IMPORT_PICTURE_FLAGS(request)};
    const struct cnn_args args = {
        "cnn_dist dataset import tar SRC --out DIR [options]",
        "Makes a dataset from a tar, tar.gz, tar.xz, tar.bz2, tar.zst or zip file without unpacking it. The "
        "archive contains\nclass folders as for `import folder`, one tar per class "
        "(ILSVRC2012_img_train.tar), or images whose classes are\ngiven by --labels "
        "(ILSVRC2012_img_val.tar). Records keep the order of the archive; classes are sorted by name.",
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
                        "folder to which paths are relative (default: the folder of the list)"),
        CNN_IMPORT_OUT_FLAGS(request), CNN_IMPORT_SELECT_FLAGS(request), CNN_IMPORT_PICTURE_FLAGS(request)};
    const struct cnn_args args = {"cnn_dist dataset import list SRC --out DIR [options]",
                                  "Makes a dataset from a CSV or TSV file with a path and a class on each "
                                  "line; a heading on the first line is skipped.\nRecords keep the order of "
                                  "the list; classes are sorted by name, or by value if all are whole "
                                  "numbers.",
                                  flags,
                                  COUNT(flags),
                                  1,
                                  1};
    return cnn_import_with(&args, &request, run_list, argc, argv, comm);
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
        CNN_INT_FLAG("count", &request.count, "N", 1, INT64_C(1) << 40, "number of images"),
        CNN_INT_FLAG("first", &request.first, "ID", 0, INT64_C(1) << 60,
                     "id of the first image; ids of training and validation sets must not overlap"),
        CNN_INT_FLAG("seed", &request.seed, "N", 0, INT64_MAX, "seed"),
        CNN_INT_FLAG("side", &request.side, "PIXELS", 16, 1024, "height and width"),
        CNN_INT_FLAG("quality", &request.quality, "Q", 1, 100, "JPEG quality"),
        CNN_IMPORT_OUT_FLAGS(request),
    };
    const struct cnn_args args = {"cnn_dist dataset synth --out DIR [--count N] [--first ID] [options]",
                                  "Makes a synthetic dataset: images of ten shapes (circle, square, "
                                  "triangle, star, cross, ring, heart, crescent,\narrow, hourglass) with "
                                  "random colour, texture, position, scale, rotation and clutter. An image "
                                  "depends only on\nits id and the seed.",
                                  flags,
                                  COUNT(flags),
                                  0,
                                  0};
    return cnn_import_with(&args, &request, run_synth, argc, argv, comm);
}

static const struct cnn_command_entry kinds[] = {
    {"folder", "SRC --out DIR", "image folders, one per class", import_folder},
    {"tar", "SRC --out DIR", "the same in an archive, or the archives of ImageNet", import_tar},
    {"list", "SRC --out DIR", "a CSV or TSV file of paths and classes", import_list},
    {"cifar10", "SRC --out DIR", "CIFAR-10, binary version", cnn_cmd_import_cifar10},
    {"cifar100", "SRC --out DIR", "CIFAR-100, binary version", cnn_cmd_import_cifar100},
    {"idx", "SRC --out DIR", "MNIST, Fashion-MNIST and others in the same format", cnn_cmd_import_idx},
};

enum cnn_status cnn_cmd_dataset_import(int argc, char **argv, struct cnn_comm *comm) {
    return cnn_dispatch("cnn_dist dataset import", kinds, sizeof kinds / sizeof *kinds, argc, argv, comm);
}
