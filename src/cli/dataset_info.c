// `dataset info DIR` and `dataset stats DIR`.
#include "cli/args.h"
#include "cli/dataset.h"
#include "cli/json.h"

#include "base/clock.h"
#include "base/cpus.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/splits.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PROBED 2000 // pictures whose size is looked at, evenly spaced, where the dataset does not say it

struct request {
    int64_t records, threads; // stats
    bool json;
};

struct info {
    const struct cnn_dataset *dataset;
    const struct cnn_shard_header *header;
    uint64_t records, bytes;
    size_t least_bytes, most_bytes; // of a record
    uint64_t *of_class;             // records of each class
    int n_probed;
    struct cnn_image_info *probed; // sorted by area
};

// ---- counting ----

static enum cnn_status count(struct info *info) {
    CNN_TRY(cnn_calloc(&info->of_class, (size_t)info->header->n_classes, sizeof *info->of_class));
    info->least_bytes = SIZE_MAX;
    for (uint64_t i = 0; i < info->records; i++) {
        struct cnn_record record = cnn_dataset_record(info->dataset, i);
        info->bytes += record.bytes;
        info->least_bytes = record.bytes < info->least_bytes ? record.bytes : info->least_bytes;
        info->most_bytes = record.bytes > info->most_bytes ? record.bytes : info->most_bytes;
        info->of_class[record.label]++;
    }
    return CNN_OK;
}

static int by_area(const void *a, const void *b) {
    const struct cnn_image_info *x = a, *y = b;
    int64_t difference = (int64_t)x->h * x->w - (int64_t)y->h * y->w;
    return (difference > 0) - (difference < 0);
}

// Reads the headers of pictures of different sizes. Damaged ones are for `dataset verify` to name.
static enum cnn_status probe(struct info *info) {
    uint64_t n = info->records < MAX_PROBED ? info->records : MAX_PROBED;
    uint8_t *data;
    if (info->header->h > 0)
        return CNN_OK;
    CNN_TRY(cnn_calloc(&info->probed, (size_t)n, sizeof *info->probed));
    CNN_TRY(cnn_malloc(&data, info->most_bytes, 1));
    for (uint64_t k = 0; k < n; k++) {
        uint64_t i = info->records / n * k + info->records % n * k / n;
        struct cnn_image_info *at = &info->probed[info->n_probed];
        if (cnn_dataset_read(info->dataset, i, data) == CNN_OK &&
            cnn_image_probe(at, data, cnn_dataset_record(info->dataset, i).bytes) == CNN_OK)
            info->n_probed++;
    }
    free(data);
    qsort(info->probed, (size_t)info->n_probed, sizeof *info->probed, by_area);
    return CNN_OK;
}

// ---- info ----

static json_t *classes_json(const struct info *info) {
    json_t *classes = json_array();
    for (int label = 0; label < info->header->n_classes; label++)
        cnn_json_append(&classes, json_pack("{s:i, s:o, s:I}", "label", label, "name",
                                            cnn_json_string(cnn_dataset_class_name(info->dataset, label)),
                                            "records", (json_int_t)info->of_class[label]));
    return classes;
}

static json_t *fingerprint_json(const struct cnn_dataset *dataset) {
    return json_sprintf("%016" PRIx64, cnn_dataset_fingerprint(dataset));
}

static json_t *info_json(const struct info *info) {
    const struct cnn_shard_header *header = info->header;
    json_t *json = json_pack(
        "{s:o, s:I, s:i, s:I, s:I, s:I, s:s, s:i, s:i, s:i, s:i, s:o, s:o}", "path",
        cnn_json_string(cnn_dataset_path(info->dataset)), "records", (json_int_t)info->records, "shards",
        header->n_shards, "bytes", (json_int_t)info->bytes, "least_bytes", (json_int_t)info->least_bytes,
        "most_bytes", (json_int_t)info->most_bytes, "encoding", cnn_encoding_name(header->encoding), "height",
        header->h, "width", header->w, "channels", header->c, "num_classes", header->n_classes, "source",
        cnn_json_string(header->source), "classes", classes_json(info));
    cnn_json_set(&json, "fingerprint", fingerprint_json(info->dataset));
    if (!json || info->n_probed == 0)
        return json;
    const struct cnn_image_info *at = info->probed;
    int last = info->n_probed - 1;
    cnn_json_set(&json, "sizes",
                 json_pack("{s:i, s:[ii], s:[ii], s:[ii]}", "looked_at", info->n_probed, "smallest", at[0].h,
                           at[0].w, "median", at[last / 2].h, at[last / 2].w, "largest", at[last].h,
                           at[last].w));
    return json;
}

static void print_sizes(const struct info *info) {
    const struct cnn_image_info *at = info->probed;
    int last = info->n_probed - 1;
    if (info->header->h > 0) {
        printf(", %d x %d", info->header->h, info->header->w);
    } else {
        printf(" of various sizes");
        if (last >= 0)
            printf(": from %d x %d to %d x %d, median %d x %d (height x width%s)", at[0].h, at[0].w,
                   at[last].h, at[last].w, at[last / 2].h, at[last / 2].w,
                   (uint64_t)info->n_probed < info->records ? "; from about 2,000 samples" : "");
    }
    if (info->header->c > 0)
        printf(", %d channel%s", info->header->c, info->header->c == 1 ? "" : "s");
}

static void info_text(const struct info *info) {
    const struct cnn_shard_header *header = info->header;
    char bytes[32], mean[32], least[32], most[32];
    cnn_format_bytes(bytes, sizeof bytes, (double)info->bytes);
    cnn_format_bytes(mean, sizeof mean, (double)info->bytes / (double)info->records);
    cnn_format_bytes(least, sizeof least, (double)info->least_bytes);
    cnn_format_bytes(most, sizeof most, (double)info->most_bytes);
    printf("dataset   %s\n", cnn_dataset_path(info->dataset));
    printf("records   %" PRIu64 " in %d shard%s, %s", info->records, header->n_shards,
           header->n_shards == 1 ? "" : "s", bytes);
    if (info->least_bytes == info->most_bytes)
        printf(" (%s each)\n", mean);
    else
        printf(" (%s each, from %s to %s)\n", mean, least, most);
    printf("images    %s", cnn_encoding_name(header->encoding));
    print_sizes(info);
    printf("\nsource    %s\nfingerprint %016" PRIx64 "\nclasses   %d\n",
           header->source ? header->source : "unknown", cnn_dataset_fingerprint(info->dataset),
           header->n_classes);
    for (int label = 0; label < header->n_classes; label++) {
        const char *name = cnn_dataset_class_name(info->dataset, label);
        printf("%8d  %-24s %10" PRIu64 "\n", label, name ? name : "-", info->of_class[label]);
    }
}

static enum cnn_status look(struct info *out, const struct cnn_dataset *dataset) {
    *out = (struct info){
        .dataset = dataset, .header = cnn_dataset_header(dataset), .records = cnn_dataset_count(dataset)};
    CNN_TRY(count(out));
    return probe(out);
}

static void info_finish(struct info *info) {
    free(info->probed);
    free(info->of_class);
}

static enum cnn_status show_info(const struct cnn_dataset *dataset, const struct request *request) {
    struct info info = {0};
    enum cnn_status status = look(&info, dataset);
    if (status == CNN_OK && request->json)
        status = cnn_json_print(info_json(&info));
    else if (status == CNN_OK)
        info_text(&info);
    info_finish(&info);
    return status;
}

// ---- info of a folder of splits ----

struct splits {
    const char *path;
    char **names;
    size_t n;
    struct cnn_dataset **datasets;
    struct info *infos;
};

static enum cnn_status splits_look(struct splits *splits) {
    char path[4096];
    CNN_TRY(cnn_calloc(&splits->datasets, splits->n, sizeof(struct cnn_dataset *)));
    CNN_TRY(cnn_calloc(&splits->infos, splits->n, sizeof *splits->infos));
    for (size_t k = 0; k < splits->n; k++) {
        CNN_TRY(cnn_path_format(path, sizeof path, "%s/%s", splits->path, splits->names[k]));
        CNN_TRY(cnn_dataset_open(&splits->datasets[k], path));
        CNN_TRY(look(&splits->infos[k], splits->datasets[k]));
    }
    return CNN_OK;
}

static void splits_finish(struct splits *splits) {
    for (size_t k = 0; k < splits->n; k++) {
        if (splits->infos)
            info_finish(&splits->infos[k]);
        if (splits->datasets)
            cnn_dataset_close(splits->datasets[k]);
    }
    free(splits->infos);
    free(splits->datasets);
    cnn_names_free(splits->names, splits->n);
}

static json_t *splits_json(const struct splits *splits) {
    json_t *list = json_array();
    for (size_t k = 0; k < splits->n; k++)
        cnn_json_append(&list, info_json(&splits->infos[k]));
    return json_pack("{s:o, s:o}", "path", cnn_json_string(splits->path), "splits", list);
}

static bool have_same_classes(const struct splits *splits) {
    const struct cnn_dataset *first = splits->datasets[0];
    for (size_t k = 1; k < splits->n; k++) {
        if (splits->infos[k].header->n_classes != splits->infos[0].header->n_classes)
            return false;
        for (int label = 0; label < splits->infos[0].header->n_classes; label++) {
            const char *a = cnn_dataset_class_name(first, label),
                       *b = cnn_dataset_class_name(splits->datasets[k], label);
            if (a && b ? strcmp(a, b) != 0 : a != b)
                return false;
        }
    }
    return true;
}

static void splits_text(const struct splits *splits) {
    char bytes[32];
    printf("splits    %zu in %s\n", splits->n, splits->path);
    for (size_t k = 0; k < splits->n; k++) {
        const struct info *info = &splits->infos[k];
        cnn_format_bytes(bytes, sizeof bytes, (double)info->bytes);
        printf("  %-24s %10" PRIu64 " records of %d classes in %d shard%s, %s\n", splits->names[k],
               info->records, info->header->n_classes, info->header->n_shards,
               info->header->n_shards == 1 ? "" : "s", bytes);
    }
    if (!have_same_classes(splits)) {
        printf("classes   different ones, or another order: see `cnn_dist dataset info %s/%s`\n",
               splits->path, splits->names[0]);
        return;
    }
    printf("classes   %-24d", splits->infos[0].header->n_classes);
    for (size_t k = 0; k < splits->n; k++)
        printf(" %10s", splits->names[k]);
    putchar('\n');
    for (int label = 0; label < splits->infos[0].header->n_classes; label++) {
        const char *name = cnn_dataset_class_name(splits->datasets[0], label);
        printf("%8d  %-24s", label, name ? name : "-");
        for (size_t k = 0; k < splits->n; k++)
            printf(" %10" PRIu64, splits->infos[k].of_class[label]);
        putchar('\n');
    }
}

// Takes over `splits`.
static enum cnn_status show_splits(struct splits *splits, const struct request *request) {
    enum cnn_status status = splits_look(splits);
    if (status == CNN_OK && request->json)
        status = cnn_json_print(splits_json(splits));
    else if (status == CNN_OK)
        splits_text(splits);
    splits_finish(splits);
    return status;
}

// ---- stats ----

static json_t *reals(const double *values, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        cnn_json_append(&list, cnn_json_number(values[i]));
    return list;
}

static void print_reals(const char *key, const double *values, int n) {
    printf("  %s: [", key);
    for (int i = 0; i < n; i++)
        printf("%s%.4f", i > 0 ? ", " : "", values[i]);
    printf("]\n");
}

static json_t *stats_json(const struct info *info, uint64_t looked_at, int channels, const double mean[3],
                          const double std[3]) {
    return json_pack("{s:o, s:I, s:I, s:i, s:o, s:o, s:o}", "path",
                     cnn_json_string(cnn_dataset_path(info->dataset)), "records", (json_int_t)info->records,
                     "looked_at", (json_int_t)looked_at, "channels", channels, "mean", reals(mean, channels),
                     "std", reals(std, channels), "classes", classes_json(info));
}

// YAML, to be pasted into a config or sent to a file.
static void stats_text(const struct info *info, uint64_t looked_at, int channels, const double mean[3],
                       const double std[3]) {
    uint64_t least = UINT64_MAX, most = 0;
    printf("# of %s: %" PRIu64 " of %" PRIu64 " records, %d channel%s, pixels scaled to 0..1\n",
           cnn_dataset_path(info->dataset), looked_at, info->records, channels, channels == 1 ? "" : "s");
    printf("data:\n");
    print_reals("mean", mean, channels);
    print_reals("std", std, channels);
    for (int label = 0; label < info->header->n_classes; label++) {
        const char *name = cnn_dataset_class_name(info->dataset, label);
        uint64_t n = info->of_class[label];
        least = n < least ? n : least;
        most = n > most ? n : most;
        printf("# %5d  %-24s %10" PRIu64 "  %5.2f %%\n", label, name ? name : "-", n,
               100 * (double)n / (double)info->records);
    }
    if (most > 2 * least)
        printf("# classes are unbalanced (%" PRIu64 " to %" PRIu64
               " records): see data.sampling class_balanced\n",
               least, most);
}

static enum cnn_status show_stats(const struct cnn_dataset *dataset, const struct request *request) {
    struct info info = {
        .dataset = dataset, .header = cnn_dataset_header(dataset), .records = cnn_dataset_count(dataset)};
    int channels = cnn_dataset_channels(dataset);
    int threads = request->threads > 0 ? (int)request->threads : cnn_cpus_allowed();
    uint64_t limit = request->records > 0 ? (uint64_t)request->records : info.records;
    uint64_t looked_at = limit < info.records ? limit : info.records;
    double mean[3], std[3];
    enum cnn_status status = count(&info);
    if (status == CNN_OK)
        status = cnn_dataset_stats(dataset, channels, limit, threads, mean, std);
    if (status == CNN_OK && request->json)
        status = cnn_json_print(stats_json(&info, looked_at, channels, mean, std));
    else if (status == CNN_OK)
        stats_text(&info, looked_at, channels, mean, std);
    free(info.of_class);
    return status;
}

// ---- commands ----

typedef enum cnn_status (*show_dataset)(const struct cnn_dataset *, const struct request *);

static enum cnn_status open_and_show(const char *path, const struct request *request, show_dataset show) {
    struct cnn_dataset *dataset = NULL;
    struct splits splits = {.path = path};
    if (show == show_info)
        CNN_TRY(cnn_splits_list(&splits.names, &splits.n, path));
    if (splits.n > 0)
        return show_splits(&splits, request);
    cnn_names_free(splits.names, splits.n);
    enum cnn_status status = cnn_dataset_open(&dataset, path);
    if (status == CNN_OK)
        status = show(dataset, request);
    cnn_dataset_close(dataset);
    return status;
}

static enum cnn_status run(int argc, char **argv, const struct cnn_args *args, struct request *request,
                           show_dataset show, struct cnn_comm *comm) {
    struct cnn_args_given given;
    enum cnn_status status = CNN_OK;
    CNN_TRY(cnn_args_take(&given, args, argc, argv, comm));
    if (given.help)
        return CNN_OK;
    if (cnn_comm_rank(comm) == 0) // one does it all
        status = open_and_show(given.positional.items[0], request, show);
    return cnn_comm_agree(comm, status);
}

enum cnn_status cnn_cmd_dataset_info(int argc, char **argv, struct cnn_comm *comm) {
    struct request request = {0};
    const struct cnn_flag flags[] = {CNN_BOOL_FLAG("json", &request.json,
                                                   "print the result as one JSON "
                                                   "document")};
    const struct cnn_args args = {
        .usage = "cnn_dist dataset info DIR [--json]",
        .summary =
            "Prints the number of records, bytes, encoding and image sizes, and the classes with their "
            "numbers of records.\nDIR may also be a folder of datasets, such as train and val of one import.",
        .flags = flags,
        .n_flags = sizeof flags / sizeof *flags,
        .least_positional = 1,
        .most_positional = 1,
    };
    return run(argc, argv, &args, &request, show_info, comm);
}

enum cnn_status cnn_cmd_dataset_stats(int argc, char **argv, struct cnn_comm *comm) {
    struct request request = {.records = 20000};
    const struct cnn_flag flags[] = {
        CNN_INT_FLAG("records", &request.records, "N", 0, INT64_C(1) << 40,
                     "number of records to read, evenly spaced (0: all)"),
        CNN_INT_FLAG("threads", &request.threads, "N", 0, 1024, "number of threads (0: one per processor)"),
        CNN_BOOL_FLAG("json", &request.json, "print the result as one JSON document"),
    };
    const struct cnn_args args = {
        .usage = "cnn_dist dataset stats DIR [options]",
        .summary =
            "Prints mean and standard deviation of each channel as YAML for a config, and the number of "
            "records of each class.",
        .flags = flags,
        .n_flags = sizeof flags / sizeof *flags,
        .least_positional = 1,
        .most_positional = 1,
    };
    return run(argc, argv, &args, &request, show_stats, comm);
}
