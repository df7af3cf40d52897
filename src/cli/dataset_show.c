// `dataset show`: a contact sheet of a dataset as it is stored, or as training sees it.
#include "cli/args.h"
#include "cli/dataset.h"
#include "cli/sheet.h"

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/suggest.h"
#include "config/config.h"
#include "data/order.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct request {
    const char *path, *out, *config, *class;
    int64_t rows, cols, cell, seed, epoch;
    bool vary, eval;
    struct cnn_strings set;
};

struct show {
    const struct request *request;
    struct cnn_config *config; // NULL: as stored
    struct cnn_dataset *dataset;
    int label; // -1: of all classes
    int channels;
    struct cnn_sampler sampler; // of training
    struct cnn_order *order;
    struct cnn_order_reader *reader; // NULL: in the order of a seed, or stored for evaluation
    struct cnn_policy *policy;
    struct cnn_image_scratch scratch;
    struct cnn_sheet sheet;
};

// ---- which records ----

static enum cnn_status find_class(struct show *show, const char *text) {
    int n = cnn_dataset_header(show->dataset)->n_classes;
    const char **names = NULL;
    char *end;
    show->label = -1;
    if (!text)
        return CNN_OK;
    CNN_TRY(cnn_calloc(&names, (size_t)n, sizeof *names));
    for (int label = 0; label < n; label++) {
        const char *name = cnn_dataset_class_name(show->dataset, label);
        names[label] = name ? name : "";
        if (strcmp(names[label], text) == 0)
            show->label = label;
    }
    const char *near = cnn_suggest(text, names, (size_t)n);
    free(names);
    long number = strtol(text, &end, 10);
    if (show->label < 0 && *end == '\0' && end != text && number >= 0 && number < n)
        show->label = (int)number;
    if (show->label >= 0)
        return CNN_OK;
    if (near)
        return cnn_fail(CNN_ERR_INPUT, "--class: the dataset has no class '%s'; did you mean '%s'?", text,
                        near);
    return cnn_fail(CNN_ERR_INPUT,
                    "--class: the dataset has no class '%s'; `cnn_dist dataset info` lists the classes",
                    text);
}

static uint64_t epoch_of(const struct show *show) { return (uint64_t)show->request->epoch - 1; }

static struct cnn_pick pick_at(const struct show *show, uint64_t position) {
    if (show->reader)
        return cnn_order_at(show->reader, epoch_of(show), position);
    uint64_t n = cnn_dataset_count(show->dataset);
    return (struct cnn_pick){
        .record = cnn_permute((uint64_t)show->request->seed, CNN_PURPOSE_SHOW, 0, n, position)};
}

// The next position from *position on that holds a record of the class; false at the end.
static bool next_pick(const struct show *show, uint64_t *position, struct cnn_pick *out) {
    uint64_t n = cnn_dataset_count(show->dataset);
    while (*position < n) {
        *out = pick_at(show, (*position)++);
        if (show->label < 0 || cnn_dataset_record(show->dataset, out->record).label == show->label)
            return true;
    }
    return false;
}

// ---- their pixels ----

// *out is malloc'ed.
static enum cnn_status augment(struct show *show, uint64_t epoch, struct cnn_pick pick, const void *data,
                               size_t bytes, uint8_t **out, int *out_h, int *out_w) {
    const struct cnn_shard_header *header = cnn_dataset_header(show->dataset);
    struct cnn_image_info stored = {header->encoding, header->h, header->w, header->c};
    cnn_policy_output(show->policy, out_h, out_w);
    CNN_TRY(cnn_malloc(out, (size_t)*out_h * (size_t)*out_w, (size_t)show->channels));
    return cnn_policy_apply(show->policy, *out, show->channels, data, bytes, &stored,
                            cnn_order_draws(&show->sampler, epoch, pick), &show->scratch);
}

static enum cnn_status read_picture(struct show *show, uint64_t epoch, struct cnn_pick pick, uint8_t **out,
                                    int *out_h, int *out_w) {
    size_t bytes = cnn_dataset_record(show->dataset, pick.record).bytes;
    struct cnn_image_info info = {0};
    uint8_t *data;
    *out = NULL;
    CNN_TRY(cnn_malloc(&data, bytes, 1));
    enum cnn_status status = cnn_dataset_read(show->dataset, pick.record, data);
    if (status == CNN_OK && show->policy) {
        status = augment(show, epoch, pick, data, bytes, out, out_h, out_w);
    } else if (status == CNN_OK) {
        status = cnn_dataset_decode(show->dataset, out, &info, data, bytes, show->channels);
        *out_h = info.h;
        *out_w = info.w;
    }
    free(data);
    return status;
}

// A record that cannot be used has an empty place, and is named in the log.
static enum cnn_status put(struct show *show, int row, int col, uint64_t epoch, struct cnn_pick pick) {
    struct cnn_record record = cnn_dataset_record(show->dataset, pick.record);
    const char *name = cnn_dataset_class_name(show->dataset, record.label);
    char number[16], note[96];
    uint8_t *pixels;
    int h = 0, w = 0;
    enum cnn_status status = read_picture(show, epoch, pick, &pixels, &h, &w);
    if (status == CNN_ERR_MEMORY) {
        free(pixels);
        return status;
    }
    snprintf(number, sizeof number, "%d", record.label);
    if (show->request->vary)
        snprintf(note, sizeof note, "%" PRIu64 " epoch %" PRIu64, record.id, epoch + 1);
    else
        snprintf(note, sizeof note, "%" PRIu64 "  %dx%d", record.id, w, h);
    if (status != CNN_OK) {
        cnn_log_warn("record with id %" PRIu64 ": %s", record.id, cnn_error_message());
        free(pixels);
        pixels = NULL;
        snprintf(note, sizeof note, "bad record %" PRIu64, record.id);
    }
    cnn_sheet_put(&show->sheet, row, col, pixels, h, w, show->channels, name && *name ? name : number, note);
    free(pixels);
    return CNN_OK;
}

static enum cnn_status put_all(struct show *show, int *out_n) {
    const struct request *request = show->request;
    uint64_t position = 0;
    struct cnn_pick pick;
    int step = request->vary ? (int)request->cols : 1;
    *out_n = 0;
    for (int i = 0; i < (int)(request->rows * request->cols); i += step) {
        int row = i / (int)request->cols, col = i % (int)request->cols;
        if (!next_pick(show, &position, &pick))
            break;
        for (int k = 0; k < step; k++, ++*out_n)
            CNN_TRY(put(show, row, col + k, epoch_of(show) + (uint64_t)k, pick));
    }
    return CNN_OK;
}

// ---- opening ----

static enum cnn_status open_config(struct show *show) {
    const struct request *request = show->request;
    if (!request->config) {
        if (!request->path)
            return cnn_fail(CNN_ERR_INPUT, "missing argument: give a dataset, or a config with data.train "
                                           "by --config");
        if (request->set.n > 0 || request->vary || request->eval)
            return cnn_fail(CNN_ERR_INPUT, "--set, --vary and --eval require --config");
        return CNN_OK;
    }
    CNN_TRY(cnn_calloc(&show->config, 1, sizeof *show->config));
    CNN_TRY(cnn_config_read(show->config, request->config, request->set.items, (size_t)request->set.n));
    if (!request->path && show->config->data.train[0] == '\0')
        return cnn_fail(CNN_ERR_INPUT, "%s does not set data.train; give a dataset", request->config);
    return CNN_OK;
}

static enum cnn_status open_order(struct show *show) {
    const struct cnn_config *config = show->config;
    uint64_t n = cnn_dataset_count(show->dataset), repeats = (uint64_t)config->data.repeats;
    uint64_t most = n / repeats * repeats; // a dataset smaller than a step can be looked at as well
    show->sampler = (struct cnn_sampler){
        .n_records = n,
        .seed = config->run.seed,
        .shuffle = config->data.shuffle,
        .sampling = config->data.sampling,
        .window = config->data.window,
        .repeats = config->data.repeats,
        .global = (uint64_t)config->train.batch.global < most ? config->train.batch.global : (int)most,
        .size = 1,
    };
    show->sampler.micro = show->sampler.global;
    if (show->request->eval)
        return CNN_OK;
    CNN_TRY(cnn_sampler_check(&show->sampler));
    CNN_TRY(cnn_order_create(&show->order, &show->sampler, show->dataset));
    return cnn_order_reader_create(&show->reader, show->order);
}

static enum cnn_status open_policy(struct show *show) {
    const struct cnn_shard_header *header = cnn_dataset_header(show->dataset);
    const struct cnn_config *config = show->config;
    bool fixed = header->h > 0 && header->w > 0;
    if (config->data.channels != CNN_AUTO)
        show->channels = config->data.channels;
    CNN_TRY(open_order(show));
    return cnn_policy_create(&show->policy,
                             show->request->eval ? &config->augment.eval : &config->augment.train, fixed,
                             header->h, header->w);
}

static enum cnn_status open_show(struct show *show) {
    const struct request *request = show->request;
    char title[512];
    CNN_TRY(open_config(show));
    CNN_TRY(cnn_dataset_open(&show->dataset, request->path ? request->path : show->config->data.train));
    CNN_TRY(find_class(show, request->class));
    show->channels = cnn_dataset_channels(show->dataset);
    if (show->config)
        CNN_TRY(open_policy(show));
    snprintf(title, sizeof title, "%.200s: %" PRIu64 " records, %d classes; %s%.200s",
             cnn_dataset_path(show->dataset), cnn_dataset_count(show->dataset),
             cnn_dataset_header(show->dataset)->n_classes,
             show->config ? request->eval ? "evaluation of " : "training of " : "as stored",
             show->config ? request->config : "");
    return cnn_sheet_create(&show->sheet, (int)request->rows, (int)request->cols, (int)request->cell, title);
}

static void close_show(struct show *show) {
    cnn_sheet_finish(&show->sheet);
    cnn_image_scratch_finish(&show->scratch);
    cnn_policy_destroy(show->policy);
    cnn_order_reader_destroy(show->reader);
    cnn_order_destroy(show->order);
    cnn_dataset_close(show->dataset);
    free(show->config);
}

static enum cnn_status run(const struct request *request) {
    struct show show = {.request = request};
    int n = 0;
    enum cnn_status status = open_show(&show);
    if (status == CNN_OK)
        status = put_all(&show, &n);
    if (status == CNN_OK)
        status = cnn_sheet_write(&show.sheet, request->out);
    if (status == CNN_OK)
        printf("%s: %d images, %d x %d pixels\n", request->out, n, show.sheet.w, show.sheet.h);
    close_show(&show);
    return status;
}

enum cnn_status cnn_cmd_dataset_show(int argc, char **argv, struct cnn_comm *comm) {
    struct request request = {.rows = 6, .cols = 8, .cell = 128, .seed = 1, .epoch = 1};
    const struct cnn_flag flags[] = {
        CNN_REQUIRED_FLAG("out", &request.out, "FILE.png", "file to write"),
        CNN_INT_FLAG("rows", &request.rows, "N", 1, 1000, "number of rows"),
        CNN_INT_FLAG("cols", &request.cols, "N", 1, 1000, "number of columns"),
        CNN_INT_FLAG("size", &request.cell, "PIXELS", 16, 4096, "height and width of a cell"),
        CNN_INT_FLAG("seed", &request.seed, "N", 0, INT64_C(1) << 53,
                     "seed of the choice of records, without --config"),
        CNN_STRING_FLAG("class", &request.class, "NAME|NUMBER", "show only images of this class"),
        CNN_STRING_FLAG("config", &request.config, "CONFIG",
                        "show images as training with this config sees them, in the same order"),
        CNN_INT_FLAG("epoch", &request.epoch, "E", 1, 1 << 24, "with --config: epoch, counted from 1"),
        CNN_BOOL_FLAG("vary", &request.vary, "with --config: each row shows one record in successive epochs"),
        CNN_BOOL_FLAG("eval", &request.eval,
                      "with --config: show images as evaluation sees them "
                      "(augment.eval)"),
        CNN_LIST_FLAG("set", &request.set, "KEY=VALUE", "override a value of the config"),
    };
    const struct cnn_args args = {
        .usage = "cnn_dist dataset show [DIR] --out FILE.png [options]",
        .summary = "Writes a contact sheet: images with their class, id and size. With --config, the images "
                   "are augmented, and DIR\ndefaults to data.train.",
        .flags = flags,
        .n_flags = sizeof flags / sizeof *flags,
        .most_positional = 1,
    };
    struct cnn_args_given given;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help)
        return CNN_OK;
    request.path = given.positional.n > 0 ? given.positional.items[0] : NULL;
    return cnn_comm_agree(comm, cnn_comm_rank(comm) == 0 ? run(&request) : CNN_OK);
}
