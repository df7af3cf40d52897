// `eval`: tests a checkpoint on a dataset, every record exactly once, on any number of ranks.
#include "train/evaluate.h"

#include "base/error.h"
#include "base/memory.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/eval_csv.h"
#include "cli/json.h"
#include "train/alike.h"
#include "train/inputs.h"
#include "train/network.h"
#include "train/plan.h"
#include "train/resume.h"
#include "train/store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct request {
    const char *run_or_checkpoint, *data, *tta, *csv;
    bool json, latest;
    int64_t batch; // 0: as in training
    struct cnn_strings set;
};

struct eval {
    struct cnn_comm *comm;
    struct cnn_config *config;
    struct cnn_checkpoint *checkpoint; // every rank reads it
    struct cnn_dataset *dataset;
    struct cnn_backend *backend;
    struct cnn_class_names names; // of the network
    struct cnn_eval_csv *csv;     // on rank 0, where asked for
    struct cnn_observer observer;
    struct cnn_evaluator *evaluator;
};

static enum cnn_status open_checkpoint(struct eval *eval, const struct request *request) {
    char path[4096];
    CNN_TRY(cnn_calloc(&eval->config, 1, sizeof *eval->config));
    CNN_TRY(cnn_store_find(path, sizeof path, request->run_or_checkpoint, request->latest));
    CNN_TRY(cnn_checkpoint_open(&eval->checkpoint, path));
    const char *text = cnn_checkpoint_config(eval->checkpoint);
    return cnn_config_parse(eval->config, path, text, strlen(text), request->set.items,
                            (size_t)request->set.n);
}

static const char *data_option(const struct request *request) {
    return request->data ? "--data" : "data.val";
}

static enum cnn_status open_data(struct eval *eval, const struct request *request) {
    const char *path = request->data ? request->data : eval->config->data.val;
    if (path[0] == '\0')
        return cnn_fail(CNN_ERR_INPUT, "the run has no data.val; give a dataset with --data DIR");
    return cnn_inputs_open_one(&eval->dataset, data_option(request), path);
}

// The dataset in the numbering of the checkpoint's network.
static enum cnn_status match_classes(struct eval *eval, const struct request *request) {
    enum cnn_status status =
        cnn_class_names_parse(&eval->names, cnn_checkpoint_class_names(eval->checkpoint),
                              (int)cnn_checkpoint_record(eval->checkpoint)->facts.classes);
    if (status != CNN_OK)
        return cnn_fail_in(status, "%s", cnn_checkpoint_path(eval->checkpoint));
    return cnn_inputs_match_one(eval->dataset, data_option(request), &eval->names,
                                cnn_comm_rank(eval->comm) == 0);
}

// Every rank takes part in observing; rank 0 writes.
static enum cnn_status open_csv(struct eval *eval, const struct request *request) {
    if (!request->csv || cnn_comm_rank(eval->comm) != 0)
        return CNN_OK;
    CNN_TRY(cnn_eval_csv_create(&eval->csv, request->csv, &eval->names));
    eval->observer = (struct cnn_observer){.context = eval->csv, .record = cnn_eval_csv_record};
    return CNN_OK;
}

// One dataset on all ranks, in the network's numbering. Collective.
static enum cnn_status match_data(struct eval *eval, const struct request *request) {
    const char *const options[] = {data_option(request)};
    const struct cnn_dataset *const datasets[] = {eval->dataset};
    CNN_TRY(cnn_check_datasets_alike(eval->comm, 1, options, datasets));
    return cnn_comm_agree(eval->comm, match_classes(eval, request));
}

// Local parts; the evaluator itself is made by all ranks together.
static enum cnn_status open_local(struct eval *eval, const struct request *request,
                                  struct cnn_thread_plan *threads) {
    CNN_TRY(open_checkpoint(eval, request));
    CNN_TRY(open_data(eval, request));
    *threads = cnn_plan_threads(eval->config, cnn_comm_local_size(eval->comm));
    return cnn_network_backend(&eval->backend, eval->config, threads->compute,
                               cnn_comm_local_rank(eval->comm), cnn_comm_local_size(eval->comm));
}

static enum cnn_status open_all(struct eval *eval, const struct request *request) {
    struct cnn_thread_plan threads;
    enum cnn_tta tta = CNN_TTA_NONE;
    if (request->tta)
        CNN_TRY(cnn_tta_parse(&tta, request->tta));
    CNN_TRY(cnn_comm_agree(eval->comm, open_local(eval, request, &threads)));
    CNN_TRY(match_data(eval, request));
    const struct cnn_run_facts *facts = &cnn_checkpoint_record(eval->checkpoint)->facts;
    int batch = request->batch ? (int)request->batch : eval->config->eval.batch;
    struct cnn_preparation preparation;
    CNN_TRY(
        cnn_comm_agree(eval->comm, cnn_preparation_make(&preparation, eval->config, facts, eval->dataset)));
    CNN_TRY(cnn_comm_agree(eval->comm, open_csv(eval, request)));
    struct cnn_evaluator_options options = {
        .config = eval->config,
        .preparation = &preparation,
        .comm = eval->comm,
        .backend = eval->backend,
        .dataset = eval->dataset,
        .classes = (int)facts->classes,
        .batch = batch ? batch : (int)facts->micro,
        .threads = threads.loader,
        .tta = tta,
        .observer = request->csv ? &eval->observer : NULL,
    };
    memcpy(options.mean, facts->mean, sizeof options.mean);
    memcpy(options.std, facts->std, sizeof options.std);
    CNN_TRY(cnn_evaluator_create(&eval->evaluator, &options));
    return cnn_comm_agree(eval->comm,
                          cnn_resume_parameters(eval->checkpoint, cnn_evaluator_model(eval->evaluator),
                                                cnn_evaluator_replica(eval->evaluator)));
}

static void close_all(struct eval *eval) {
    cnn_evaluator_destroy(eval->evaluator);
    cnn_eval_csv_destroy(eval->csv);
    cnn_class_names_finish(&eval->names);
    cnn_backend_destroy(eval->backend);
    cnn_dataset_close(eval->dataset);
    cnn_checkpoint_close(eval->checkpoint);
    free(eval->config);
}

static void print_text(const struct eval *eval, const struct cnn_evaluation *result) {
    printf("checkpoint    %s\n", cnn_checkpoint_path(eval->checkpoint));
    printf("dataset       %s\n", cnn_dataset_path(eval->dataset));
    printf("top1          %.2f %%\n", result->top1);
    printf("top5          %.2f %%\n", result->top5);
    printf("loss          %.5f\n", result->loss);
    printf("records       %" PRIu64 "\n", result->n);
    printf("images/s      %.1f\n", (double)result->n / result->seconds);
}

static enum cnn_status print_json(const struct eval *eval, const struct cnn_evaluation *result) {
    const struct cnn_run_state *state = &cnn_checkpoint_record(eval->checkpoint)->state;
    return cnn_json_print(json_pack("{s:o, s:o, s:I, s:o, s:o, s:o, s:I, s:o, s:o, s:i}", "checkpoint",
                                    cnn_json_string(cnn_checkpoint_path(eval->checkpoint)), "dataset",
                                    cnn_json_string(cnn_dataset_path(eval->dataset)), "step",
                                    (json_int_t)state->step, "top1", cnn_json_number(result->top1), "top5",
                                    cnn_json_number(result->top5), "loss", cnn_json_number(result->loss), "n",
                                    (json_int_t)result->n, "seconds", cnn_json_number(result->seconds),
                                    "images_per_s", cnn_json_number((double)result->n / result->seconds),
                                    "ranks", cnn_comm_size(eval->comm)));
}

static enum cnn_status run(struct eval *eval, const struct request *request) {
    struct cnn_evaluation result;
    CNN_TRY(open_all(eval, request));
    // Files that go bad from here on are a failure, not wrong input.
    CNN_TRY(cnn_error_after_changes(cnn_evaluator_run(eval->evaluator, NULL, NULL, &result)));
    if (cnn_comm_rank(eval->comm) != 0)
        return CNN_OK;
    if (eval->csv)
        CNN_TRY(cnn_eval_csv_commit(eval->csv));
    if (request->json)
        return print_json(eval, &result);
    print_text(eval, &result);
    return CNN_OK;
}

enum cnn_status cnn_cmd_eval(int argc, char **argv, struct cnn_comm *comm) {
    struct request request = {0};
    const struct cnn_flag flags[] = {
        CNN_STRING_FLAG("data", &request.data, "DIR",
                        "dataset to evaluate on (default: data.val of the run)"),
        CNN_BOOL_FLAG("latest", &request.latest,
                      "in a run folder, use the latest checkpoint instead of the "
                      "best"),
        CNN_INT_FLAG("batch", &request.batch, "N", 0, 1 << 20,
                     "images per rank evaluated at a time (0: as in training)"),
        {.name = "tta",
         .type = CNN_FLAG_STRING,
         .value = &request.tta,
         .argument = "WORD",
         .doc = "test-time augmentation: flip, five_crop or ten_crop; the probabilities of the views are "
                "averaged"},
        CNN_LIST_FLAG("set", &request.set, "KEY=VALUE", "override a value of the run's config"),
        CNN_STRING_FLAG("csv", &request.csv, "FILE",
                        "write id, label, predicted class and probabilities of every record to FILE (CSV)"),
        CNN_BOOL_FLAG("json", &request.json, "print the result as one JSON document"),
    };
    const struct cnn_args args = {
        .usage = "cnn_dist eval RUN_OR_CHECKPOINT [--data DIR] [--tta flip|five_crop|ten_crop] "
                 "[--json] [--csv FILE]",
        .summary = "Evaluates a trained network. In a run folder, the best checkpoint is used. Under "
                   "mpirun, the ranks share the work.",
        .flags = flags,
        .n_flags = sizeof flags / sizeof *flags,
        .least_positional = 1,
        .most_positional = 1,
    };
    struct cnn_args_given given;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help)
        return CNN_OK;
    request.run_or_checkpoint = given.positional.items[0];
    if (request.json)
        cnn_console_quiet();
    struct eval eval = {.comm = comm};
    enum cnn_status status = run(&eval, &request);
    close_all(&eval);
    return status;
}
