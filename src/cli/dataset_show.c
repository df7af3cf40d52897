// `dataset info DIR` and `dataset verify DIR`.
#include "cli/args.h"
#include "cli/dataset.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/verify.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAMED 64 // bad records named by each rank; the rest is counted

static enum cnn_status parse(const char **out_path, bool *out_json, bool *out_help, int argc, char **argv,
                             const char *usage, const char *summary, struct cnn_comm *comm) {
    bool json = false;
    const struct cnn_flag flags[] = {CNN_BOOL_FLAG("json", &json, "print one JSON document")};
    const struct cnn_args args = {usage, summary, flags, 1, 1, 1};
    struct cnn_args_given given;
    CNN_TRY(cnn_args_parse(&given, &args, argc, argv));
    if (given.help && cnn_comm_rank(comm) == 0)
        cnn_args_help(stdout, &args);
    *out_help = given.help;
    *out_json = json;
    *out_path = given.positional.n > 0 ? given.positional.items[0] : NULL;
    return CNN_OK;
}

// Names from outside may be no UTF-8, which JSON must be.
static json_t *text_json(const char *text) {
    json_t *string = text ? json_string(text) : json_null();
    if (string)
        return string;
    char *plain = strdup(text);
    for (char *at = plain; at && *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    string = plain ? json_string(plain) : NULL;
    free(plain);
    return string;
}

static enum cnn_status print_json(json_t *object) {
    if (!object)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: the result as JSON");
    json_dumpf(object, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(object);
    return CNN_OK;
}

// ---- info ----

struct info {
    const struct cnn_dataset *dataset;
    const struct cnn_shard_header *header;
    uint64_t records, bytes;
    uint64_t *of_class; // records of each class
};

static enum cnn_status count(struct info *info) {
    CNN_TRY(cnn_calloc(&info->of_class, (size_t)info->header->n_classes, sizeof *info->of_class));
    for (uint64_t i = 0; i < info->records; i++) {
        struct cnn_record record = cnn_dataset_record(info->dataset, i);
        info->bytes += record.bytes;
        info->of_class[record.label]++;
    }
    return CNN_OK;
}

static json_t *info_json(const struct info *info) {
    const struct cnn_shard_header *header = info->header;
    json_t *classes = json_array();
    for (int label = 0; label < header->n_classes; label++)
        json_array_append_new(classes, json_pack("{s:i, s:o, s:I}", "label", label, "name",
                                                 text_json(cnn_dataset_class_name(info->dataset, label)),
                                                 "records", (json_int_t)info->of_class[label]));
    return json_pack("{s:o, s:I, s:i, s:I, s:s, s:i, s:i, s:i, s:i, s:o, s:o}", "path",
                     text_json(cnn_dataset_path(info->dataset)), "records", (json_int_t)info->records,
                     "shards", header->n_shards, "bytes", (json_int_t)info->bytes, "encoding",
                     cnn_encoding_name(header->encoding), "height", header->h, "width", header->w, "channels",
                     header->c, "num_classes", header->n_classes, "source", text_json(header->source),
                     "classes", classes);
}

static void info_text(const struct info *info) {
    const struct cnn_shard_header *header = info->header;
    char bytes[32], mean[32];
    cnn_format_bytes(bytes, sizeof bytes, (double)info->bytes);
    cnn_format_bytes(mean, sizeof mean, (double)info->bytes / (double)info->records);
    printf("dataset   %s\n", cnn_dataset_path(info->dataset));
    printf("records   %" PRIu64 " in %d shard%s, %s (%s each)\n", info->records, header->n_shards,
           header->n_shards == 1 ? "" : "s", bytes, mean);
    printf("pictures  %s", cnn_encoding_name(header->encoding));
    if (header->h > 0)
        printf(", %d x %d", header->h, header->w);
    else
        printf(", of different sizes");
    if (header->c > 0)
        printf(", %d channel%s", header->c, header->c == 1 ? "" : "s");
    printf("\nsource    %s\nclasses   %d\n", header->source ? header->source : "not said", header->n_classes);
    for (int label = 0; label < header->n_classes; label++) {
        const char *name = cnn_dataset_class_name(info->dataset, label);
        printf("%8d  %-24s %10" PRIu64 "\n", label, name ? name : "-", info->of_class[label]);
    }
}

static enum cnn_status show_info(const char *path, bool json) {
    struct cnn_dataset *dataset;
    CNN_TRY(cnn_dataset_open(&dataset, path));
    struct info info = {
        .dataset = dataset, .header = cnn_dataset_header(dataset), .records = cnn_dataset_count(dataset)};
    enum cnn_status status = count(&info);
    if (status == CNN_OK && json)
        status = print_json(info_json(&info));
    else if (status == CNN_OK)
        info_text(&info);
    free(info.of_class);
    cnn_dataset_close(dataset);
    return status;
}

enum cnn_status cnn_cmd_dataset_info(int argc, char **argv, struct cnn_comm *comm) {
    const char *path;
    bool json, help;
    CNN_TRY(parse(&path, &json, &help, argc, argv, "cnn_dist dataset info DIR [--json]",
                  "Records, classes with their numbers of records, sizes and encoding of a dataset.", comm));
    if (help)
        return CNN_OK;
    return cnn_comm_agree(comm, cnn_comm_rank(comm) == 0 ? show_info(path, json) : CNN_OK);
}

// ---- verify ----

// What one rank found; of one size, so that it can be gathered.
struct findings {
    struct cnn_verify_result result;
    int n;
    char lines[MAX_NAMED][sizeof(((struct cnn_error *)0)->message)];
};

static void note(struct findings *findings, const char *reason) {
    if (findings->n < MAX_NAMED)
        snprintf(findings->lines[findings->n++], sizeof findings->lines[0], "%s", reason);
}

static void note_record(void *context, const struct cnn_dataset *dataset, uint64_t i, const char *reason) {
    note(context, reason);
}

static void note_file(void *context, const char *reason) { note(context, reason); }

static enum cnn_status print_findings(const char *path, const struct findings *all, int n_ranks, bool json) {
    struct cnn_verify_result sum = {0};
    json_t *bad = json_array();
    for (int r = 0; r < n_ranks; r++) {
        sum.records += all[r].result.records;
        sum.bytes += all[r].result.bytes;
        sum.bad += all[r].result.bad;
        for (int i = 0; i < all[r].n; i++) {
            json_array_append_new(bad, text_json(all[r].lines[i]));
            if (!json)
                printf("bad: %s\n", all[r].lines[i]);
        }
    }
    uint64_t named = json_array_size(bad);
    if (json) {
        json_t *object = json_pack("{s:o, s:b, s:I, s:I, s:I, s:o}", "path", text_json(path), "ok",
                                   sum.bad == 0, "records", (json_int_t)sum.records, "bytes",
                                   (json_int_t)sum.bytes, "bad", (json_int_t)sum.bad, "what", bad);
        return print_json(object);
    }
    json_decref(bad);
    if (sum.bad > named)
        printf("... and %" PRIu64 " more\n", sum.bad - named);
    char bytes[32];
    cnn_format_bytes(bytes, sizeof bytes, (double)sum.bytes);
    printf("%s: %" PRIu64 " records, %s, %" PRIu64 " bad\n", path, sum.records, bytes, sum.bad);
    return CNN_OK;
}

// The dataset does not open: say what is wrong with which file, beyond the first one.
static enum cnn_status report_files(const char *path, bool json, struct findings *mine) {
    int bad = 0;
    struct cnn_error error;
    cnn_error_take(&error, CNN_ERR_INPUT);
    if (cnn_dataset_verify_files(&bad, path, note_file, mine) == CNN_OK) {
        if (bad == 0) { // each file is well, but they do not belong together
            note(mine, error.message);
            bad = 1;
        }
        mine->result.bad = (uint64_t)bad;
        enum cnn_status printed = print_findings(path, mine, 1, json);
        if (printed != CNN_OK)
            return printed;
    }
    return cnn_error_give(&error);
}

static enum cnn_status verify_opened(const struct cnn_dataset *dataset, bool json, struct findings *mine,
                                     struct cnn_comm *comm) {
    int rank = cnn_comm_rank(comm), size = cnn_comm_size(comm);
    struct findings *all = NULL;
    enum cnn_status status = cnn_dataset_verify(&mine->result, dataset, rank, size, note_record, mine);
    int64_t bad = (int64_t)mine->result.bad;
    if (status == CNN_OK && rank == 0)
        status = cnn_calloc(&all, (size_t)size, sizeof *all);
    status = cnn_comm_agree(comm, status);
    if (status == CNN_OK)
        status = cnn_comm_gather(comm, mine, sizeof *mine, all, 0);
    if (status == CNN_OK)
        status = cnn_comm_allreduce(comm, &bad, 1, CNN_COMM_I64, CNN_REDUCE_SUM);
    if (status == CNN_OK && rank == 0)
        status = print_findings(cnn_dataset_path(dataset), all, size, json);
    free(all);
    if (status == CNN_OK && bad > 0)
        status = cnn_fail(CNN_ERR_INPUT, "%s: %" PRId64 " of %" PRIu64 " records are bad",
                          cnn_dataset_path(dataset), bad, cnn_dataset_count(dataset));
    return status;
}

enum cnn_status cnn_cmd_dataset_verify(int argc, char **argv, struct cnn_comm *comm) {
    const char *path;
    bool json, help;
    struct cnn_dataset *dataset = NULL;
    struct findings *mine;
    CNN_TRY(parse(&path, &json, &help, argc, argv, "cnn_dist dataset verify DIR [--json]",
                  "Reads every record, checks its checksum and decodes it, and names the bad ones. The exit "
                  "code is 0 only if there is\n"
                  "none. Under mpirun the ranks share the work.",
                  comm));
    if (help)
        return CNN_OK;
    CNN_TRY(cnn_calloc(&mine, 1, sizeof *mine));
    enum cnn_status status = cnn_dataset_open(&dataset, path);
    if (status == CNN_ERR_INPUT && cnn_comm_rank(comm) == 0)
        status = report_files(path, json, mine);
    status = cnn_comm_agree(comm, status);
    if (status == CNN_OK)
        status = verify_opened(dataset, json, mine, comm);
    cnn_dataset_close(dataset);
    free(mine);
    return status;
}
