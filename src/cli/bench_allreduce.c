// `bench allreduce`: how fast gradients are summed over the ranks, with nothing else to do.
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json.h"
#include "comm/bench.h"
#include "config/config.h"
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SIZES 8

struct request {
    const char *what;      // a config or an architecture, or NULL
    const char *precision; // a word, or NULL
    int64_t bytes, rounds;
    bool json;
    struct cnn_strings set;
};

struct bench {
    enum cnn_precision precision;
    size_t sizes[MAX_SIZES];
    int n_sizes;
    struct cnn_comm_bench_result results[MAX_SIZES];
};

// ---- what to measure ----

static enum cnn_status model_bytes(size_t *out, const char *arch_name, int classes) {
    const struct cnn_arch *arch = cnn_arch_find(arch_name);
    struct cnn_model_options options = {
        .input = arch ? arch->input : (struct cnn_shape){224, 224, 3},
        .n_classes = classes ? classes
                     : arch  ? arch->n_classes
                             : 1000,
        .dropout = -1,
    };
    struct cnn_model *model;
    CNN_TRY(cnn_model_create(&model, arch_name, &options));
    size_t n = 0;
    for (int i = 0; i < model->n_params; i++)
        n += cnn_param_count(&model->params[i]); // statistics travel with the gradients
    cnn_model_destroy(model);
    *out = n * sizeof(float);
    return CNN_OK;
}

static enum cnn_status take_config(struct bench *bench, const struct request *request) {
    if (cnn_arch_find(request->what) || !cnn_file_exists(request->what))
        return model_bytes(&bench->sizes[0], request->what, 0);
    struct cnn_config *config = NULL;
    CNN_TRY(cnn_calloc(&config, 1, sizeof *config));
    enum cnn_status status =
        cnn_config_read(config, request->what, request->set.items, (size_t)request->set.n);
    if (status == CNN_OK)
        status = model_bytes(&bench->sizes[0], config->model.arch, config->model.classes);
    bench->precision = config->comm.precision;
    free(config);
    return status;
}

static enum cnn_status choose_sizes(struct bench *bench, const struct request *request) {
    static const size_t usual[] = {4096, 65536, 1 << 20, 16 << 20, 100 << 20};
    if (request->what && request->bytes)
        return cnn_fail(CNN_ERR_INPUT, "bench allreduce: give either %s or --bytes, not both", request->what);
    bench->n_sizes = 1;
    if (request->what)
        return take_config(bench, request);
    if (request->bytes) {
        bench->sizes[0] = (size_t)request->bytes;
        return CNN_OK;
    }
    bench->n_sizes = sizeof usual / sizeof *usual;
    for (int i = 0; i < bench->n_sizes; i++)
        bench->sizes[i] = usual[i];
    return CNN_OK;
}

// What is asked for comes before what the config says.
static enum cnn_status choose_precision(struct bench *bench, const char *word) {
    static const enum cnn_precision allowed[] = {CNN_PRECISION_FP32, CNN_PRECISION_BF16, CNN_PRECISION_FP16};
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed && word; i++)
        if (!strcmp(word, cnn_precision_name(allowed[i]))) {
            bench->precision = allowed[i];
            return CNN_OK;
        }
    if (word)
        return cnn_fail(CNN_ERR_INPUT,
                        "bench allreduce: --precision: found `%.32s`; allowed: fp32, bf16 or fp16", word);
    if (bench->precision == CNN_PRECISION_AUTO)
        bench->precision = CNN_PRECISION_FP32;
    return CNN_OK;
}

static enum cnn_status choose(struct bench *bench, const struct request *request) {
    CNN_TRY(choose_sizes(bench, request));
    return choose_precision(bench, request->precision);
}

// ---- the result ----

static void print_text(const struct bench *bench, const struct cnn_comm *comm) {
    int ranks = cnn_comm_size(comm), hosts = cnn_comm_hosts(comm);
    printf("%d rank%s on %d host%s, %s (%s), %s\n", ranks, ranks == 1 ? "" : "s", hosts,
           hosts == 1 ? "" : "s", cnn_comm_name(comm), cnn_comm_library(comm),
           cnn_precision_name(bench->precision));
    printf("%12s %12s %12s %12s %12s %12s %14s\n", "size", "median ms", "least ms", "most ms", "GB/s",
           "bus GB/s", "processor ms");
    for (int i = 0; i < bench->n_sizes; i++) {
        const struct cnn_comm_bench_result *result = &bench->results[i];
        char size[32];
        cnn_format_bytes(size, sizeof size, (double)result->bytes);
        printf("%12s %12.3f %12.3f %12.3f %12.2f %12.2f %14.3f\n", size, 1e3 * result->median_s,
               1e3 * result->least_s, 1e3 * result->most_s, 1e-9 * result->algorithm_bytes_per_s,
               1e-9 * result->bus_bytes_per_s, 1e3 * result->processor_s);
    }
}

static json_t *json_of(const struct cnn_comm_bench_result *result) {
    return json_pack("{s:I, s:I, s:i, s:f, s:f, s:f, s:f, s:f, s:f}", "bytes", (json_int_t)result->bytes,
                     "travel_bytes", (json_int_t)result->travel_bytes, "rounds", result->rounds, "median_s",
                     result->median_s, "least_s", result->least_s, "most_s", result->most_s,
                     "algorithm_bytes_per_s", result->algorithm_bytes_per_s, "bus_bytes_per_s",
                     result->bus_bytes_per_s, "processor_s", result->processor_s);
}

static enum cnn_status print_json(const struct bench *bench, const struct cnn_comm *comm) {
    json_t *sizes = json_array();
    for (int i = 0; i < bench->n_sizes; i++)
        json_array_append_new(sizes, json_of(&bench->results[i]));
    return cnn_json_print(json_pack("{s:i, s:i, s:s, s:s, s:s, s:o}", "ranks", cnn_comm_size(comm), "hosts",
                                    cnn_comm_hosts(comm), "backend", cnn_comm_name(comm), "library",
                                    cnn_comm_library(comm), "precision", cnn_precision_name(bench->precision),
                                    "sizes", sizes));
}

static enum cnn_status run(struct bench *bench, const struct request *request, struct cnn_comm *comm) {
    CNN_TRY(cnn_comm_agree(comm, choose(bench, request)));
    for (int i = 0; i < bench->n_sizes; i++)
        CNN_TRY(cnn_comm_bench(comm, bench->sizes[i], (int)request->rounds, bench->precision,
                               &bench->results[i]));
    if (cnn_comm_rank(comm) != 0)
        return CNN_OK;
    if (request->json)
        return print_json(bench, comm);
    print_text(bench, comm);
    return CNN_OK;
}

enum cnn_status cnn_cmd_bench_allreduce(int argc, char **argv, struct cnn_comm *comm) {
    struct request request = {.rounds = 20};
    const struct cnn_flag flags[] = {
        CNN_INT_FLAG("bytes", &request.bytes, "N", 0, INT64_C(1) << 36, "bytes to sum (0: several sizes)"),
        CNN_INT_FLAG("rounds", &request.rounds, "N", 1, 100000, "rounds measured of each size"),
        CNN_STRING_FLAG("precision", &request.precision, "WORD",
                        "fp32, bf16 or fp16 (default: the config's comm.precision, or fp32)"),
        CNN_BOOL_FLAG("json", &request.json, "print one JSON document"),
        CNN_LIST_FLAG("set", &request.set, "KEY=VALUE", "overrides the config"),
    };
    const struct cnn_args args = {
        .usage =
            "cnn_dist bench allreduce [CONFIG|ARCH] [--bytes N] [--rounds N] [--precision WORD] [--json]",
        .summary = "Sums arrays over all ranks the way training sums gradients, and checks the sums.\n"
                   "With CONFIG or ARCH: the gradients of that model. Times are of the slowest rank; bus "
                   "GB/s is what\n"
                   "each rank's link carries; processor ms is what a round takes away from computing.",
        .flags = flags,
        .n_flags = sizeof flags / sizeof *flags,
        .most_positional = 1,
    };
    struct cnn_args_given given;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help)
        return CNN_OK;
    if (given.positional.n)
        request.what = given.positional.items[0];
    if (request.json)
        cnn_console_quiet();
    struct bench bench = {0};
    return run(&bench, &request, comm);
}
