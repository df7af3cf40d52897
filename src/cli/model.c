// `model`: the architectures, what they cost, and their weights for other programs.
#include "model/model.h"

#include "base/file.h"
#include "base/memory.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json.h"
#include "cli/target.h"
#include "image/image.h"
#include "model/summary.h"
#include "replica/replica.h"
#include "train/checkpoint.h"
#include "train/network.h"
#include "train/plan.h"
#include "train/store.h"
#include <cnn_dist/version.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// ---- list ----

static void print_list(void) {
    size_t n;
    const struct cnn_arch *archs = cnn_arch_list(&n);
    for (size_t i = 0; i < n; i++)
        printf("%-12s %3d x %3d x %d  %s\n", archs[i].name, archs[i].input.h, archs[i].input.w,
               archs[i].input.c, archs[i].doc);
}

static enum cnn_status print_list_json(void) {
    size_t n;
    const struct cnn_arch *archs = cnn_arch_list(&n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:[i,i,i], s:i}", "name", archs[i].name, "doc",
                                              archs[i].doc, "input", archs[i].input.h, archs[i].input.w,
                                              archs[i].input.c, "classes", archs[i].n_classes));
    return cnn_json_print(json_pack("{s:o}", "models", list));
}

static enum cnn_status list(int argc, char **argv, struct cnn_comm *comm) {
    bool json = false;
    const struct cnn_flag flags[] = {CNN_BOOL_FLAG("json", &json, "print one JSON document")};
    const struct cnn_args args = {
        .usage = "cnn_dist model list [--json]",
        .summary = "Lists the architectures with their usual input (height, width, channels).",
        .flags = flags,
        .n_flags = 1};
    struct cnn_args_given given;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help || cnn_comm_rank(comm) != 0)
        return CNN_OK;
    if (json)
        return print_list_json();
    print_list();
    return CNN_OK;
}

// ---- summary ----

struct summary_request {
    struct cnn_target target;               // its backend NULL: the network alone
    int64_t size, channels, classes, micro; // 0: the usual
    bool json;
};

// The size the training augmentations give, where they give one by themselves.
static bool size_of_augmented(const struct cnn_config *config, int *h, int *w) {
    struct cnn_policy *policy = NULL;
    if (cnn_policy_create(&policy, &config->augment.train, false, 0, 0) != CNN_OK)
        return false;
    cnn_policy_output(policy, h, w);
    cnn_policy_destroy(policy);
    return true;
}

static enum cnn_status create_model(struct cnn_model **out, struct cnn_config **out_config,
                                    const struct summary_request *request) {
    bool is_config = false;
    CNN_TRY(cnn_target_config(out_config, &is_config, &request->target));
    const struct cnn_config *config = *out_config;
    struct cnn_shape input = cnn_target_input(config);
    if (is_config)
        size_of_augmented(config, &input.h, &input.w);
    if (request->size)
        input.h = input.w = (int)request->size;
    if (request->channels)
        input.c = (int)request->channels;
    return cnn_network_model(out, config, input,
                             request->classes ? (int)request->classes : cnn_target_classes(config));
}

// How a backend would compute each layer in training.
static enum cnn_status describe_forms(struct cnn_backend *backend, const struct cnn_model *model, int micro,
                                      char **out) {
    struct cnn_replica *replica = NULL;
    const struct cnn_replica_options options = {
        .model = model, .backend = backend, .micro_batch = micro, .training = true, .std = {1, 1, 1}};
    CNN_TRY(cnn_replica_create(&replica, &options));
    const enum cnn_status status = cnn_replica_forms_text(replica, out);
    cnn_replica_destroy(replica);
    return status;
}

// The same under a heading; *out is malloc'ed text.
static enum cnn_status tell_forms(const struct cnn_config *config, const struct cnn_model *model, int micro,
                                  char **out) {
    struct cnn_backend *backend = NULL;
    char *forms = NULL;
    CNN_TRY(cnn_network_backend(&backend, config, cnn_plan_threads(config, 1).compute, 0, 1));
    enum cnn_status status = describe_forms(backend, model, micro, &forms);
    if (status == CNN_OK && asprintf(out, "\n%s, training on %d pictures at a time:\n%s",
                                     cnn_backend_description(backend), micro, forms) < 0)
        status = cnn_fail(CNN_ERR_MEMORY, "out of memory");
    free(forms);
    cnn_backend_destroy(backend);
    return status;
}

static enum cnn_status summarize(const struct summary_request *request) {
    struct cnn_config *config = NULL;
    struct cnn_model *model = NULL;
    char *text = NULL, *forms = NULL;
    enum cnn_status status = create_model(&model, &config, request);
    const int micro = request->micro                        ? (int)request->micro
                      : config && config->train.batch.micro ? config->train.batch.micro
                                                            : 32;
    if (status == CNN_OK)
        status = request->json ? cnn_model_summary_json(&text, model, micro)
                               : cnn_model_summary(&text, model, micro);
    if (status == CNN_OK && request->target.backend)
        status = tell_forms(config, model, micro, &forms);
    if (status == CNN_OK)
        printf("%s%s", text, request->json ? "\n" : forms ? forms : "");
    free(forms);
    free(text);
    cnn_model_destroy(model);
    free(config);
    return status;
}

static enum cnn_status summary(int argc, char **argv, struct cnn_comm *comm) {
    struct summary_request request = {0};
    const struct cnn_flag flags[] = {
        CNN_INT_FLAG("size", &request.size, "PIXELS", 0, 4096,
                     "side of the pictures (0: the config's or the architecture's)"),
        CNN_INT_FLAG("channels", &request.channels, "C", 0, 3, "channels of the pictures (0: the usual)"),
        CNN_INT_FLAG("classes", &request.classes, "N", 0, 1000000, "classes (0: the usual)"),
        CNN_INT_FLAG("micro", &request.micro, "N", 0, 1 << 20,
                     "pictures whose memory is counted (0: the config's, or 32)"),
        CNN_STRING_FLAG("backend", &request.target.backend, "auto|cpu|cuda",
                        "also tell how it computes each layer in training"),
        CNN_SET_FLAG(&request.target),
        CNN_BOOL_FLAG("json", &request.json, "print one JSON document"),
    };
    const struct cnn_args args = {.usage = "cnn_dist model summary ARCH_OR_CONFIG [--backend NAME] [--json]",
                                  .summary = "Prints each layer with its output, parameters and FLOPs, the "
                                             "totals, and the memory of a micro-batch.",
                                  .flags = flags,
                                  .n_flags = sizeof flags / sizeof *flags,
                                  .least_positional = 1,
                                  .most_positional = 1};
    struct cnn_args_given given;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help || cnn_comm_rank(comm) != 0)
        return CNN_OK;
    request.target.what = given.positional.items[0];
    if (request.json && request.target.backend)
        return cnn_fail(CNN_ERR_INPUT, "--backend adds a table for people; leave it out with --json");
    return summarize(&request);
}

// ---- export ----

static enum cnn_status write_weights(const struct cnn_checkpoint *checkpoint, const struct cnn_model *model,
                                     const char *out) {
    struct cnn_snapshot *snapshot = NULL;
    struct cnn_checkpoint_texts texts = {
        .config = cnn_checkpoint_config(checkpoint),
        .class_names = cnn_checkpoint_class_names(checkpoint),
        .version = cnn_dist_version(),
    };
    CNN_TRY(cnn_checkpoint_check(checkpoint, model, false));
    CNN_TRY(cnn_snapshot_create(&snapshot, model, false));
    for (int i = 0; i < model->n_params; i++)
        memcpy(cnn_snapshot_parameter(snapshot, i), cnn_checkpoint_parameter(checkpoint, &model->params[i]),
               cnn_param_count(&model->params[i]) * sizeof(float));
    enum cnn_status status = cnn_checkpoint_write(out, snapshot, cnn_checkpoint_record(checkpoint), &texts);
    cnn_snapshot_destroy(snapshot);
    return status;
}

static enum cnn_status export_checkpoint(const struct cnn_checkpoint *checkpoint, const char *out) {
    const struct cnn_run_facts *facts = &cnn_checkpoint_record(checkpoint)->facts;
    const char *text = cnn_checkpoint_config(checkpoint);
    struct cnn_shape input = {(int)facts->height, (int)facts->width, (int)facts->channels};
    struct cnn_config *config = NULL;
    struct cnn_model *model = NULL;
    CNN_TRY(cnn_calloc(&config, 1, sizeof *config));
    enum cnn_status status =
        cnn_config_parse(config, cnn_checkpoint_path(checkpoint), text, strlen(text), NULL, 0);
    if (status == CNN_OK)
        status = cnn_network_model(&model, config, input, (int)facts->classes);
    if (status == CNN_OK)
        status = write_weights(checkpoint, model, out);
    if (status == CNN_OK)
        printf("%s: %s after step %" PRId64 ", %.2f million parameters, in %s\n",
               cnn_checkpoint_path(checkpoint), model->arch, cnn_checkpoint_record(checkpoint)->state.step,
               (double)cnn_model_count(model) / 1e6, out);
    cnn_model_destroy(model);
    free(config);
    return status;
}

static enum cnn_status export_from(const char *run_or_checkpoint, bool latest, const char *to,
                                   const char *out) {
    char path[4096];
    struct cnn_checkpoint *checkpoint = NULL;
    if (strcmp(to, "safetensors") != 0)
        return cnn_fail(CNN_ERR_INPUT, "--to %s: there is safetensors", to);
    CNN_TRY(cnn_store_find(path, sizeof path, run_or_checkpoint, latest));
    CNN_TRY(cnn_checkpoint_open(&checkpoint, path));
    enum cnn_status status = export_checkpoint(checkpoint, out);
    cnn_checkpoint_close(checkpoint);
    return status;
}

static enum cnn_status export_weights(int argc, char **argv, struct cnn_comm *comm) {
    const char *to = "safetensors", *out = NULL;
    bool latest = false;
    const struct cnn_flag flags[] = {
        CNN_STRING_FLAG("to", &to, "safetensors", "format"),
        {.name = "out",
         .type = CNN_FLAG_STRING,
         .value = &out,
         .argument = "FILE",
         .doc = "file to write",
         .required = true},
        CNN_BOOL_FLAG("latest", &latest, "of a run folder, the newest checkpoint, not the best"),
    };
    const struct cnn_args args = {.usage =
                                      "cnn_dist model export RUN_OR_CHECKPOINT --to safetensors --out FILE",
                                  .summary = "Writes the weights alone, under torchvision's names, for "
                                             "torchvision's load_state_dict and others.",
                                  .flags = flags,
                                  .n_flags = sizeof flags / sizeof *flags,
                                  .least_positional = 1,
                                  .most_positional = 1};
    struct cnn_args_given given;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help || cnn_comm_rank(comm) != 0)
        return CNN_OK;
    return export_from(given.positional.items[0], latest, to, out);
}

enum cnn_status cnn_cmd_model(int argc, char **argv, struct cnn_comm *comm) {
    static const struct cnn_command_entry commands[] = {
        {"list", "[--json]", "the architectures", list},
        {"summary", "ARCH_OR_CONFIG [--json]", "layers, parameters, FLOPs and memory", summary},
        {"export", "RUN_OR_CHECKPOINT --out FILE", "weights for other programs", export_weights},
    };
    return cnn_dispatch("cnn_dist model", commands, sizeof commands / sizeof *commands, argc, argv, comm);
}
