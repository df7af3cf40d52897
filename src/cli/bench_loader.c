// `bench loader`: the loader alone, as training would run it, and what keeps it from being faster.
#include "base/clock.h"
#include "base/cpus.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json.h"
#include "config/config.h"
#include "data/loader.h"
#include "train/plan.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>

#define DEFAULT_SECONDS 5.0

struct request {
    const char *source; // a config, or the folder of a dataset
    bool json;
    int64_t batches; // 0: for DEFAULT_SECONDS
    struct cnn_strings set;
};

struct bench {
    struct cnn_comm *comm;
    struct cnn_config *config;
    struct cnn_dataset *dataset;
    struct cnn_plan plan;
    int threads, channels;
    double open_s; // what opening the dataset took
};

// Of this rank; summed over ranks they are the job's. All double, so that they sum in one call.
struct sums {
    double images, batches, bytes, bad, images_per_s;
    double wall_s, cpu_s, queued_s, read_s, decode_s, augment_s, wait_s, first_s, queue;
    double threads, processors, open_s, batch_bytes, peak_bytes;
};
#define N_SUMS (sizeof(struct sums) / sizeof(double))

static double processor_s(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static double peak_bytes(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return 1024.0 * (double)usage.ru_maxrss;
}

// Seconds all threads of this process were ready to run and had no processor; 0 where the kernel does not
// say.
static double queued_s(void) {
    DIR *tasks = opendir("/proc/self/task");
    double sum = 0;
    for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
        char path[320];
        uint64_t queued_ns = 0;
        snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file && fscanf(file, "%*u %" SCNu64, &queued_ns) == 1)
            sum += 1e-9 * (double)queued_ns;
        if (file)
            fclose(file);
    }
    if (tasks)
        closedir(tasks);
    return sum;
}

static enum cnn_status take_batch(struct cnn_loader *loader, struct sums *sums) {
    struct cnn_batch *batch = NULL;
    CNN_TRY(cnn_loader_next(loader, &batch, &sums->wait_s));
    sums->images += batch->n;
    sums->batches++;
    cnn_loader_release(loader, batch);
    return CNN_OK;
}

// The first batches fill buffers and are not counted, except for the time to the very first.
static enum cnn_status warm_up(struct cnn_loader *loader, int ahead, struct sums *sums) {
    struct sums ignored = {0};
    double begun = cnn_clock_s();
    CNN_TRY(cnn_loader_start(loader, 0, 0));
    for (int i = 0; i <= ahead; i++) {
        CNN_TRY(take_batch(loader, &ignored));
        if (i == 0)
            sums->first_s = cnn_clock_s() - begun;
    }
    return CNN_OK;
}

static enum cnn_status measure(struct cnn_loader *loader, const struct bench *bench, int64_t batches,
                               struct sums *sums) {
    CNN_TRY(warm_up(loader, bench->config->data.ahead, sums));
    struct cnn_loader_stats before = cnn_loader_stats(loader);
    double begun = cnn_clock_s(), cpu = processor_s(), queued = queued_s();
    while (batches > 0 ? sums->batches < (double)batches : cnn_clock_s() - begun < DEFAULT_SECONDS)
        CNN_TRY(take_batch(loader, sums));
    sums->wall_s = cnn_clock_s() - begun;
    sums->cpu_s = processor_s() - cpu;
    sums->queued_s = queued_s() - queued;
    struct cnn_loader_stats after = cnn_loader_stats(loader);
    // Threads work on while batches are counted here, so what they did is scaled to the images that were
    // taken.
    uint64_t records = after.records - before.records;
    double share = sums->images / (double)(records > 0 ? records : 1);
    sums->read_s = (after.read_s - before.read_s) * share;
    sums->decode_s = (after.decode_s - before.decode_s) * share;
    sums->augment_s = (after.augment_s - before.augment_s) * share;
    sums->bytes = (double)(after.bytes_read - before.bytes_read) * share;
    sums->bad = (double)after.bad_records;
    sums->queue = after.queue_mean;
    sums->images_per_s = sums->images / sums->wall_s;
    return CNN_OK;
}

static enum cnn_status run_rank(const struct bench *bench, int64_t batches, struct sums *sums) {
    struct cnn_loader_options options = {
        .dataset = bench->dataset,
        .augment = &bench->config->augment.train,
        .channels = bench->channels,
        .threads = bench->threads,
        .ahead = bench->config->data.ahead,
        .max_bad = bench->config->data.max_bad,
        .whole_windows = cnn_comm_local_size(bench->comm) == cnn_comm_size(bench->comm),
        .mix = {bench->config->augment.mixup, bench->config->augment.cutmix, bench->config->augment.mix_p},
        .sampler = bench->plan.phases[0].sampler,
    };
    struct cnn_loader *loader = NULL;
    CNN_TRY(cnn_comm_agree(bench->comm, cnn_loader_create(&loader, &options)));
    enum cnn_status status = measure(loader, bench, batches, sums);
    sums->batch_bytes = (double)cnn_loader_bytes(loader);
    sums->peak_bytes = peak_bytes();
    sums->open_s = bench->open_s;
    cnn_loader_destroy(loader);
    sums->threads = bench->threads;
    sums->processors = cnn_cpus_share(cnn_comm_local_size(bench->comm));
    CNN_TRY(cnn_comm_agree(bench->comm, status));
    return cnn_comm_allreduce(bench->comm, sums, N_SUMS, CNN_COMM_F64, CNN_REDUCE_SUM);
}

// The usual recipe for a dataset without a config: batches of 64; small pictures of one size are shifted by
// up to 4 pixels, others cropped at random to 224; both are flipped.
static enum cnn_status usual_config(struct bench *bench, const struct request *request) {
    const struct cnn_shard_header *header = cnn_dataset_header(bench->dataset);
    bool small = header->h > 0 && header->h == header->w && header->h < 160;
    uint64_t size = (uint64_t)cnn_comm_size(bench->comm), share = cnn_dataset_count(bench->dataset) / size;
    uint64_t micro = share < 1 ? 1 : share < 64 ? share : 64;
    char text[256], crop[96];
    if (small)
        snprintf(crop, sizeof crop, "random_crop: {size: %d, padding: 4}", header->h);
    else
        snprintf(crop, sizeof crop, "random_resized_crop: {size: 224}");
    int n = snprintf(text, sizeof text,
                     "augment: {train: [%s, flip_horizontal]}\n"
                     "train: {batch: {global: %" PRIu64 ", micro: %" PRIu64 "}}\n",
                     crop, micro * size, micro);
    CNN_TRY(cnn_config_parse(bench->config, "the default recipe", text, (size_t)n, request->set.items,
                             (size_t)request->set.n));
    return cnn_path_format(bench->config->data.train, sizeof bench->config->data.train, "%s",
                           request->source);
}

static enum cnn_status read_config(struct bench *bench, const struct request *request) {
    bool is_dataset = cnn_folder_exists(request->source);
    CNN_TRY(cnn_calloc(&bench->config, 1, sizeof *bench->config));
    if (!is_dataset)
        CNN_TRY(cnn_config_read(bench->config, request->source, request->set.items, (size_t)request->set.n));
    double begun = cnn_clock_s();
    CNN_TRY(cnn_dataset_open(&bench->dataset, is_dataset ? request->source : bench->config->data.train));
    bench->open_s = cnn_clock_s() - begun;
    return is_dataset ? usual_config(bench, request) : CNN_OK;
}

static enum cnn_status open_bench(struct bench *bench, const struct request *request) {
    struct cnn_comm *comm = bench->comm;
    CNN_TRY(read_config(bench, request));
    bench->config->train.n_phases = 0; // what follows them is measured
    const struct cnn_config *config = bench->config;
    struct cnn_place place = {cnn_comm_rank(comm), cnn_comm_size(comm), cnn_comm_local_rank(comm),
                              cnn_comm_local_size(comm)};
    CNN_TRY(cnn_plan_make(&bench->plan, config, place, cnn_dataset_count(bench->dataset),
                          (struct cnn_earlier_cut){0}));
    bench->threads = cnn_plan_threads(config, place.local_size).loader;
    bench->channels =
        config->data.channels == CNN_AUTO ? cnn_dataset_channels(bench->dataset) : config->data.channels;
    return CNN_OK;
}

static void close_bench(struct bench *bench) {
    cnn_dataset_close(bench->dataset);
    free(bench->config);
}

// ---- the result ----

// Seconds per stage of all threads: what one of them is busy with, or nothing.
struct stages {
    double read, decode, augment, other, busy, all;
};

static struct stages stages_of(const struct sums *sums, int ranks) {
    struct stages stages = {.read = sums->read_s,
                            .decode = sums->decode_s,
                            .augment = sums->augment_s,
                            .busy = sums->read_s + sums->decode_s + sums->augment_s,
                            .all = sums->wall_s / ranks * sums->threads};
    stages.other = fmax(stages.all - stages.busy, 0);
    return stages;
}

static const char *largest_stage(const struct stages *stages, double *out_share) {
    const char *name = "reading and checksums";
    double most = stages->read;
    if (stages->decode > most) {
        most = stages->decode;
        name = "decoding";
    }
    if (stages->augment > most) {
        most = stages->augment;
        name = "resampling and augmentation";
    }
    *out_share = 100 * most / (stages->busy > 0 ? stages->busy : 1);
    return name;
}

// What the threads would have to have more of, in one line.
static void explain(char *out, size_t out_bytes, const struct sums *sums, int ranks) {
    struct stages stages = stages_of(sums, ranks);
    double queued =
        sums->queued_s / (stages.all + sums->wall_s); // the thread that takes the batches waits too
    double share, wall_s = sums->wall_s / ranks;
    const char *largest = largest_stage(&stages, &share);
    if (queued > 0.3 && sums->threads > sums->processors)
        snprintf(out, out_bytes, "processors: %.0f threads share %.0f", sums->threads, sums->processors);
    else if (queued > 0.3)
        snprintf(out, out_bytes,
                 "processors: other programs use them; each thread waits %.0f %% of the time for a processor",
                 100 * queued);
    else if (stages.busy < 0.6 * stages.all)
        snprintf(out, out_bytes, "the consumer of the batches: the threads are idle %.0f %% of the time",
                 100 - 100 * stages.busy / stages.all);
    else if (sums->cpu_s < 0.7 * stages.busy)
        snprintf(out, out_bytes,
                 "storage: the threads wait for reads (%.1f MB/s); data.shuffle window may help",
                 sums->bytes / wall_s * 1e-6);
    else
        snprintf(out, out_bytes, "%s: %.0f %% of the threads' time; %s", largest, share,
                 sums->threads < sums->processors ? "more data.threads may help" : "all processors are busy");
}

static void print_text(const struct bench *bench, const struct sums *sums) {
    const struct cnn_sampler *sampler = &bench->plan.phases[0].sampler;
    const struct cnn_shard_header *header = cnn_dataset_header(bench->dataset);
    struct stages stages = stages_of(sums, sampler->size);
    double us = 1e6 / (sums->images > 0 ? sums->images : 1), ranks = sampler->size;
    double wall_s = sums->wall_s / ranks, cores = sums->cpu_s / wall_s;
    char bound[256], batch[32], peak[32];
    explain(bound, sizeof bound, sums, sampler->size);
    cnn_format_bytes(batch, sizeof batch, sums->batch_bytes / ranks);
    cnn_format_bytes(peak, sizeof peak, sums->peak_bytes / ranks);
    printf("dataset       %s: %" PRIu64 " %s records, opened in %.0f ms\n", cnn_dataset_path(bench->dataset),
           sampler->n_records, cnn_encoding_name(header->encoding), 1e3 * sums->open_s / ranks);
    printf("ranks         %d with %d loader thread%s each, %.0f processors in total\n", sampler->size,
           bench->threads, bench->threads == 1 ? "" : "s", sums->processors);
    printf("batches       %.0f of %d, %d ahead\n", sums->batches, sampler->micro, bench->config->data.ahead);
    printf("images/s      %.0f, %.0f per core used\n", sums->images_per_s,
           sums->images / fmax(sums->cpu_s, 1e-9));
    printf("per image     read %.2f us, decode %.2f us, resample and augment %.2f us, other %.2f us\n",
           us * stages.read, us * stages.decode, us * stages.augment, us * stages.other);
    printf("read          %.1f MB/s\n", sums->bytes / wall_s * 1e-6);
    printf("cores used    %.2f\n", cores);
    printf("memory        at most %s per rank, of which batches take %s\n", peak, batch);
    printf("first batch   %.1f ms after the start\n", 1e3 * sums->first_s / ranks);
    printf("queue         %.1f batches ready on average\n", sums->queue / ranks);
    if (sums->bad > 0)
        printf("bad records   %.0f\n", sums->bad);
    printf("bound by      %s\n", bound);
}

static enum cnn_status print_json(const struct bench *bench, const struct sums *sums) {
    const struct cnn_sampler *sampler = &bench->plan.phases[0].sampler;
    struct stages stages = stages_of(sums, sampler->size);
    double us = 1e6 / (sums->images > 0 ? sums->images : 1), ranks = sampler->size;
    double wall_s = sums->wall_s / ranks;
    char bound[256];
    explain(bound, sizeof bound, sums, sampler->size);
    json_t *json = json_pack(
        "{s:o, s:o, s:I, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o}", "images_per_s",
        cnn_json_number(sums->images_per_s), "images_per_core_s",
        cnn_json_number(sums->images / fmax(sums->cpu_s, 1e-9)), "images", (json_int_t)sums->images, "ranks",
        sampler->size, "threads", bench->threads, "processors", (int)sums->processors, "micro",
        sampler->micro, "seconds", cnn_json_number(wall_s), "read_us", cnn_json_number(us * stages.read),
        "decode_us", cnn_json_number(us * stages.decode), "augment_us", cnn_json_number(us * stages.augment),
        "other_us", cnn_json_number(us * stages.other));
    json_t *more = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:o}", "read_bytes_per_s",
        cnn_json_number(sums->bytes / wall_s), "cores_used", cnn_json_number(sums->cpu_s / wall_s),
        "queued_s", cnn_json_number(sums->queued_s), "wait_s", cnn_json_number(sums->wait_s / ranks),
        "first_batch_s", cnn_json_number(sums->first_s / ranks), "open_s",
        cnn_json_number(sums->open_s / ranks), "queue", cnn_json_number(sums->queue / ranks), "bad_records",
        (json_int_t)sums->bad, "batch_bytes", (json_int_t)(sums->batch_bytes / ranks), "peak_bytes",
        (json_int_t)(sums->peak_bytes / ranks), "bound_by", cnn_json_string(bound));
    if (!json || json_object_update(json, more) != 0) {
        json_decref(json);
        json = NULL;
    }
    json_decref(more);
    return cnn_json_print(json);
}

static enum cnn_status run_bench(struct bench *bench, const struct request *request) {
    CNN_TRY(cnn_comm_agree(bench->comm, open_bench(bench, request)));
    struct sums sums = {0};
    CNN_TRY(run_rank(bench, request->batches, &sums));
    if (cnn_comm_rank(bench->comm) != 0)
        return CNN_OK;
    if (request->json)
        return print_json(bench, &sums);
    print_text(bench, &sums);
    return CNN_OK;
}

enum cnn_status cnn_cmd_bench_loader(int argc, char **argv, struct cnn_comm *comm) {
    struct request request = {0};
    const struct cnn_flag flags[] = {
        CNN_BOOL_FLAG("json", &request.json, "print the result as one JSON document"),
        CNN_INT_FLAG("batches", &request.batches, "N", 0, INT64_C(1) << 40,
                     "number of micro-batches measured by each rank (0: as many as fit in 5 s)"),
        CNN_LIST_FLAG("set", &request.set, "KEY=VALUE", "override a value of the config"),
    };
    const struct cnn_args args = {
        .usage = "cnn_dist bench loader CONFIG|DATASET [options]",
        .summary =
            "Measures the data loader: reads, decodes and augments batches of data.train without training. "
            "With a dataset\ninstead of a config, the augmentation is a random crop and a horizontal flip.",
        .flags = flags,
        .n_flags = sizeof flags / sizeof flags[0],
        .least_positional = 1,
        .most_positional = 1,
    };
    struct cnn_args_given given;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help)
        return CNN_OK;
    if (request.json)
        cnn_console_quiet();
    request.source = given.positional.items[0];
    struct bench bench = {.comm = comm};
    enum cnn_status status = run_bench(&bench, &request);
    close_bench(&bench);
    return status;
}
