// `bench step`: whole training steps, gradient exchange included, on random pictures in memory.
#include "base/clock.h"
#include "base/cpus.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json.h"
#include "cli/target.h"
#include "train/network.h"
#include "train/plan.h"
#include "train/worker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define RATE 1e-3 // small: random labels teach nothing, the numbers only have to stay finite

struct request {
    int64_t batch, threads, steps, warmup, size, classes; // 0: the usual
    bool json, profile;
    struct cnn_target target;
};

struct bench {
    struct cnn_comm *comm;
    struct cnn_config *config;
    struct cnn_model *model;
    struct cnn_backend *backend;
    struct cnn_worker *worker;
    struct cnn_batch batch; // the one micro-batch that is shown again and again
    int threads, n_batch;
    double *times; // seconds of each measured step, on the slowest rank
    double loss, comm_wait_s;
};

// ---- the pictures ----

static enum cnn_status next_batch(void *context, struct cnn_batch **out, double *waited_s) {
    *out = context;
    return CNN_OK;
}

static void keep_batch(void *context, struct cnn_batch *batch) {}

static enum cnn_status draw_batch(struct bench *bench) {
    struct cnn_batch *batch = &bench->batch;
    struct cnn_shape input = bench->model->input;
    size_t bytes = (size_t)input.h * (size_t)input.w * (size_t)input.c * (size_t)bench->n_batch;
    struct cnn_draws draws = cnn_draws_of(1, CNN_PURPOSE_TEST, 0, (uint64_t)cnn_comm_rank(bench->comm));
    void *pixels = NULL;
    CNN_TRY(cnn_backend_alloc_host(bench->backend, &pixels, bytes));
    batch->pixels = pixels;
    CNN_TRY(cnn_calloc(&batch->labels, (size_t)bench->n_batch, sizeof *batch->labels));
    for (size_t i = 0; i < bytes; i++)
        batch->pixels[i] = (uint8_t)cnn_draw_u32(&draws);
    for (int i = 0; i < bench->n_batch; i++)
        batch->labels[i] = (int32_t)cnn_draw_below(&draws, (uint32_t)bench->model->n_classes);
    batch->n = batch->capacity = bench->n_batch;
    batch->h = input.h;
    batch->w = input.w;
    batch->c = input.c;
    return CNN_OK;
}

// ---- setting up ----

static enum cnn_status make_model(struct bench *bench, const struct request *request) {
    struct cnn_shape input = cnn_target_input(bench->config);
    if (request->size)
        input.h = input.w = (int)request->size;
    return cnn_network_model(&bench->model, bench->config, input,
                             request->classes ? (int)request->classes : cnn_target_classes(bench->config));
}

static enum cnn_status set_up_local(struct bench *bench, const struct request *request) {
    CNN_TRY(cnn_target_config(&bench->config, NULL, &request->target));
    CNN_TRY(make_model(bench, request));
    int micro = bench->config->train.batch.micro;
    bench->n_batch = request->batch ? (int)request->batch : micro ? micro : 16;
    bench->threads = cnn_plan_threads(bench->config, cnn_comm_local_size(bench->comm)).compute;
    if (request->threads)
        bench->threads = (int)request->threads;
    CNN_TRY(cnn_calloc(&bench->times, (size_t)request->steps, sizeof *bench->times));
    CNN_TRY(cnn_network_backend(&bench->backend, bench->config, bench->threads,
                                cnn_comm_local_rank(bench->comm), cnn_comm_local_size(bench->comm)));
    return draw_batch(bench);
}

static enum cnn_status set_up(struct bench *bench, const struct request *request) {
    CNN_TRY(cnn_comm_agree(bench->comm, set_up_local(bench, request)));
    struct cnn_worker_options options = {
        .config = bench->config,
        .comm = bench->comm,
        .backend = bench->backend,
        .model = bench->model,
        .micro = bench->n_batch,
        .micros = 1,
        .all_micros = cnn_comm_size(bench->comm),
        .mean = {0.5, 0.5, 0.5},
        .std = {0.25, 0.25, 0.25},
        .source = {.context = &bench->batch, .next = next_batch, .release = keep_batch},
    };
    CNN_TRY(cnn_worker_create(&bench->worker, &options));
    return cnn_comm_agree(bench->comm, cnn_replica_init(bench->worker->replica, bench->config->run.seed));
}

static void tear_down(struct bench *bench, enum cnn_status status) {
    bool broken = status == CNN_ERR_COMM;
    if (bench->worker)
        broken = bench->worker->broken |= broken;
    cnn_worker_destroy(bench->worker);
    free(bench->batch.labels);
    if (broken)
        return;
    if (bench->backend && bench->batch.pixels)
        cnn_backend_free_host(bench->backend, bench->batch.pixels);
    cnn_backend_destroy(bench->backend);
    cnn_model_destroy(bench->model);
    free(bench->times);
    free(bench->config);
}

// ---- measuring ----

static enum cnn_status step_once(struct bench *bench, uint64_t step, double *seconds) {
    struct cnn_step_report report = {0};
    double begun = cnn_clock_s();
    enum cnn_status status = cnn_worker_step(bench->worker, step, RATE, &report);
    if (bench->worker->broken)
        return status;
    *seconds = cnn_clock_s() - begun;
    CNN_TRY(cnn_comm_agree(bench->comm, status));
    bench->loss = report.loss / report.n;
    bench->comm_wait_s += report.comm_wait_s;
    return CNN_OK;
}

static enum cnn_status measure(struct bench *bench, const struct request *request) {
    double ignored;
    for (int64_t i = 0; i < request->warmup; i++)
        CNN_TRY(step_once(bench, (uint64_t)i, &ignored));
    bench->comm_wait_s = 0;
    cnn_replica_profile(bench->worker->replica, request->profile);
    for (int64_t i = 0; i < request->steps; i++)
        CNN_TRY(step_once(bench, (uint64_t)(request->warmup + i), &bench->times[i]));
    return cnn_comm_allreduce(bench->comm, bench->times, (size_t)request->steps, CNN_COMM_F64,
                              CNN_REDUCE_MAX);
}

// ---- the result ----

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct result {
    double median_s, least_s, most_s, images_per_s, gflops, rss_mb, device_mb, comm_wait_s;
};

static struct result summarize(struct bench *bench, int64_t steps) {
    struct rusage usage;
    double images = (double)bench->n_batch * cnn_comm_size(bench->comm);
    qsort(bench->times, (size_t)steps, sizeof *bench->times, ascending);
    double median =
        steps % 2 ? bench->times[steps / 2] : (bench->times[steps / 2 - 1] + bench->times[steps / 2]) / 2;
    getrusage(RUSAGE_SELF, &usage);
    return (struct result){
        .median_s = median,
        .least_s = bench->times[0],
        .most_s = bench->times[steps - 1],
        .images_per_s = images / median,
        // Backward costs twice the forward pass: gradients of inputs and of weights.
        .gflops = 3 * cnn_model_flops(bench->model) * images / median / 1e9,
        .rss_mb = (double)usage.ru_maxrss / 1024,
        .device_mb = (double)cnn_backend_peak_bytes(bench->backend) / (1 << 20),
        .comm_wait_s = bench->comm_wait_s / (double)steps,
    };
}

static void print_text(const struct bench *bench, const struct result *result) {
    printf("%s, batch of %d per rank, %d rank%s, %d thread%s each, %s\n", bench->model->arch, bench->n_batch,
           cnn_comm_size(bench->comm), cnn_comm_size(bench->comm) == 1 ? "" : "s", bench->threads,
           bench->threads == 1 ? "" : "s", cnn_backend_description(bench->backend));
    printf("step          %.4f s (%.4f to %.4f)\n", result->median_s, result->least_s, result->most_s);
    printf("images/s      %.2f\n", result->images_per_s);
    printf("GFLOP/s       %.1f\n", result->gflops);
    printf("exchange      waited %.4f s\n", result->comm_wait_s);
    printf("peak memory   %.0f MB\n", result->rss_mb);
    if (result->device_mb > 0)
        printf("GPU memory    %.0f MB\n", result->device_mb);
}

static enum cnn_status print_json(const struct bench *bench, const struct result *result) {
    return cnn_json_print(json_pack(
        "{s:s, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "arch", bench->model->arch,
        "batch", bench->n_batch, "ranks", cnn_comm_size(bench->comm), "threads", bench->threads, "backend",
        cnn_json_string(cnn_backend_description(bench->backend)), "step_s", cnn_json_number(result->median_s),
        "step_s_min", cnn_json_number(result->least_s), "step_s_max", cnn_json_number(result->most_s),
        "images_per_s", cnn_json_number(result->images_per_s), "gflop_per_s", cnn_json_number(result->gflops),
        "comm_wait_s", cnn_json_number(result->comm_wait_s), "peak_rss_mb", cnn_json_number(result->rss_mb),
        "peak_device_mb", cnn_json_number(result->device_mb), "loss", cnn_json_number(bench->loss)));
}

static enum cnn_status print_profile(const struct bench *bench) {
    char *text = NULL;
    CNN_TRY(cnn_replica_profile_text(bench->worker->replica, &text));
    fputs(text, stderr);
    free(text);
    return CNN_OK;
}

static enum cnn_status run(struct bench *bench, const struct request *request) {
    CNN_TRY(set_up(bench, request));
    CNN_TRY(measure(bench, request));
    if (cnn_comm_rank(bench->comm) != 0)
        return CNN_OK;
    struct result result = summarize(bench, request->steps);
    if (request->profile)
        CNN_TRY(print_profile(bench));
    if (request->json)
        return print_json(bench, &result);
    print_text(bench, &result);
    return CNN_OK;
}

enum cnn_status cnn_cmd_bench_step(int argc, char **argv, struct cnn_comm *comm) {
    struct request request = {.steps = 10, .warmup = 3};
    const struct cnn_flag flags[] = {
        CNN_INT_FLAG("batch", &request.batch, "N", 0, 1 << 20,
                     "images per step and rank (0: the config's micro-batch, or 16)"),
        CNN_INT_FLAG("threads", &request.threads, "T", 0, 1024,
                     "compute threads per rank (0: its share of the processors)"),
        CNN_INT_FLAG("steps", &request.steps, "N", 1, 1000000, "number of measured steps"),
        CNN_INT_FLAG("warmup", &request.warmup, "N", 0, 1000000, "number of steps before the measurement"),
        CNN_INT_FLAG("size", &request.size, "PIXELS", 0, 4096,
                     "height and width of the images (0: the architecture's default)"),
        CNN_INT_FLAG("classes", &request.classes, "N", 0, 1000000, "number of classes (0: the default)"),
        CNN_BOOL_FLAG("profile", &request.profile, "also print the time of each operation, to stderr"),
        CNN_BOOL_FLAG("json", &request.json, "print the result as one JSON document"),
        CNN_BACKEND_FLAG(&request.target),
        CNN_SET_FLAG(&request.target),
    };
    const struct cnn_args args = {
        .usage = "cnn_dist bench step CONFIG|ARCH [--batch N] [--threads T] [--backend NAME] [--json]",
        .summary = "Measures training steps on random images: forward, loss, backward, gradient exchange "
                   "and update. Needs no\ndataset. Under mpirun, every rank processes --batch images per "
                   "step.",
        .flags = flags,
        .n_flags = sizeof flags / sizeof *flags,
        .least_positional = 1,
        .most_positional = 1,
    };
    struct cnn_args_given given;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help)
        return CNN_OK;
    request.target.what = given.positional.items[0];
    if (request.json)
        cnn_console_quiet();
    struct bench bench = {.comm = comm};
    enum cnn_status status = run(&bench, &request);
    tear_down(&bench, status);
    return status;
}
