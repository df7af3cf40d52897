// `bench allreduce`: how fast gradients are summed over the ranks, with nothing else to do.
#include "backend/exchange_device.h"
#include "base/clock.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json.h"
#include "cli/target.h"
#include "comm/bench.h"
#include "train/network.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SIZES 8

struct request {
    const char *precision; // a word, or NULL
    int64_t bytes, rounds;
    bool json;
    struct cnn_target target;
};

struct bench {
    struct cnn_config *config;
    struct cnn_backend *backend;        // whose memory the gradients are
    struct cnn_exchange_device *device; // NULL: the host's
    enum cnn_precision precision;
    size_t sizes[MAX_SIZES];
    int n_sizes;
    struct cnn_comm_bench_result results[MAX_SIZES];
};

// ---- what to measure ----

static enum cnn_status model_bytes(size_t *out, const struct cnn_config *config) {
    struct cnn_model *model = NULL;
    CNN_TRY(cnn_network_model(&model, config, cnn_target_input(config), cnn_target_classes(config)));
    size_t n = 0;
    for (int i = 0; i < model->n_params; i++)
        n += cnn_param_count(&model->params[i]); // statistics travel with the gradients
    cnn_model_destroy(model);
    *out = n * sizeof(float);
    return CNN_OK;
}

static enum cnn_status choose_sizes(struct bench *bench, const struct request *request) {
    static const size_t usual[] = {4096, 65536, 1 << 20, 16 << 20, 100 << 20};
    bench->n_sizes = 1;
    if (request->target.what)
        return model_bytes(&bench->sizes[0], bench->config);
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

// What products are computed in is nothing to the exchange, and not every processor has all of it.
static enum cnn_status set_up(struct bench *bench, const struct request *request,
                              const struct cnn_comm *comm) {
    if (request->target.what && request->bytes)
        return cnn_fail(CNN_ERR_INPUT, "bench allreduce: give either %s or --bytes, not both",
                        request->target.what);
    CNN_TRY(cnn_target_config(&bench->config, NULL, &request->target));
    bench->precision = bench->config->comm.precision;
    CNN_TRY(choose_precision(bench, request->precision));
    CNN_TRY(choose_sizes(bench, request));
    bench->config->train.precision = CNN_PRECISION_AUTO;
    CNN_TRY(cnn_network_backend(&bench->backend, bench->config, 1, cnn_comm_local_rank(comm),
                                cnn_comm_local_size(comm)));
    return cnn_backend_exchange_device(&bench->device, bench->backend);
}

static void tear_down(struct bench *bench) {
    cnn_exchange_device_destroy(bench->device);
    cnn_backend_destroy(bench->backend);
    free(bench->config);
}

// ---- the result ----

static void print_text(const struct bench *bench, const struct cnn_comm *comm) {
    int ranks = cnn_comm_size(comm), hosts = cnn_comm_hosts(comm);
    printf("%d rank%s on %d host%s, %s (%s), %s\n", ranks, ranks == 1 ? "" : "s", hosts,
           hosts == 1 ? "" : "s", cnn_comm_name(comm), cnn_comm_library(comm),
           cnn_precision_name(bench->precision));
    printf("gradients in %s, summed by %s\n",
           bench->device ? cnn_backend_description(bench->backend) : "host memory", bench->results[0].way);
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
    return json_pack("{s:I, s:I, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "bytes", (json_int_t)result->bytes,
                     "travel_bytes", (json_int_t)result->travel_bytes, "rounds", result->rounds, "median_s",
                     cnn_json_number(result->median_s), "least_s", cnn_json_number(result->least_s), "most_s",
                     cnn_json_number(result->most_s), "algorithm_bytes_per_s",
                     cnn_json_number(result->algorithm_bytes_per_s), "bus_bytes_per_s",
                     cnn_json_number(result->bus_bytes_per_s), "processor_s",
                     cnn_json_number(result->processor_s));
}

static enum cnn_status print_json(const struct bench *bench, const struct cnn_comm *comm) {
    json_t *sizes = json_array();
    for (int i = 0; i < bench->n_sizes; i++)
        cnn_json_append(&sizes, json_of(&bench->results[i]));
    return cnn_json_print(
        json_pack("{s:i, s:i, s:s, s:o, s:s, s:o, s:s, s:o}", "ranks", cnn_comm_size(comm), "hosts",
                  cnn_comm_hosts(comm), "backend", cnn_comm_name(comm), "library",
                  cnn_json_string(cnn_comm_library(comm)), "precision", cnn_precision_name(bench->precision),
                  "memory", cnn_json_string(bench->device ? cnn_backend_description(bench->backend) : "host"),
                  "way", bench->results[0].way, "sizes", sizes));
}

static enum cnn_status run(struct bench *bench, const struct request *request, struct cnn_comm *comm) {
    CNN_TRY(cnn_comm_agree(comm, set_up(bench, request, comm)));
    for (int i = 0; i < bench->n_sizes; i++) {
        const struct cnn_comm_bench of = {.bytes = bench->sizes[i],
                                          .rounds = (int)request->rounds,
                                          .precision = bench->precision,
                                          .device = bench->device,
                                          .kind = bench->config->comm.backend,
                                          .bucket_bytes =
                                              (size_t)(bench->config->comm.bucket_mb * 1024 * 1024),
                                          .deterministic = bench->config->train.deterministic,
                                          .quiet = i > 0};
        CNN_TRY(cnn_comm_bench(&bench->results[i], comm, &of));
    }
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
        CNN_INT_FLAG("bytes", &request.bytes, "N", 0, INT64_C(1) << 36,
                     "size of the array in bytes (0: "
                     "several sizes)"),
        CNN_INT_FLAG("rounds", &request.rounds, "N", 1, 100000, "number of measured rounds per size"),
        CNN_STRING_FLAG("precision", &request.precision, "WORD",
                        "fp32, bf16 or fp16 (default: the config's comm.precision, or fp32)"),
        CNN_BOOL_FLAG("json", &request.json, "print the result as one JSON document"),
        CNN_BACKEND_FLAG(&request.target),
        CNN_SET_FLAG(&request.target),
    };
    const struct cnn_args args = {
        .usage = "cnn_dist bench allreduce [CONFIG|ARCH] [--bytes N] [--rounds N] [--precision WORD] "
                 "[--backend NAME] [--json]",
        .summary = "Sums arrays over all ranks as training sums gradients, and checks the result. With "
                   "CONFIG or ARCH, the size is\nthat of the model's gradients. The arrays are in GPU "
                   "memory if there are GPUs (--backend cpu: in host memory).\nTimes are those of the "
                   "slowest rank; \"bus GB/s\" is the traffic on the link of each rank; \"processor ms\" is "
                   "the\nprocessor time used by a round.",
        .flags = flags,
        .n_flags = sizeof flags / sizeof *flags,
        .most_positional = 1,
    };
    struct cnn_args_given given;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help)
        return CNN_OK;
    if (given.positional.n)
        request.target.what = given.positional.items[0];
    if (request.json)
        cnn_console_quiet();
    struct bench bench = {0};
    const enum cnn_status status = run(&bench, &request, comm);
    if (!bench.device || !cnn_comm_is_broken(comm)) // or what waits for lost ranks would keep this waiting
        tear_down(&bench);
    return status;
}
