// `model summary`: a network's layers, what they cost, and how a backend would compute them.
#include "model/summary.h"

#include "cli/args.h"
#include "cli/console.h"
#include "cli/json.h"
#include "cli/model.h"
#include "cli/target.h"
#include "image/image.h"
#include "replica/replica.h"
#include "train/network.h"
#include "train/plan.h"

#include <stdio.h>
#include <stdlib.h>

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

// ---- how a backend would compute each layer in training

static enum cnn_status text_of_forms(const struct cnn_replica *replica, const struct cnn_backend *backend,
                                     int micro, char **text) {
    char *forms = NULL, *all = NULL;
    CNN_TRY(cnn_replica_forms_text(replica, &forms));
    const int wrote = asprintf(&all, "%s\n%s, training on micro-batches of %d images:\n%s", *text,
                               cnn_backend_description(backend), micro, forms);
    free(forms);
    if (wrote < 0)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory");
    free(*text);
    *text = all;
    return CNN_OK;
}

static enum cnn_status json_of_forms(const struct cnn_replica *replica, const struct cnn_backend *backend,
                                     char **text) {
    json_t *all = json_loads(*text, 0, NULL), *forms = json_array();
    for (int i = 0; i < cnn_replica_n_forms(replica); i++) {
        const struct cnn_replica_form form = cnn_replica_form(replica, i);
        cnn_json_append(&forms, json_pack("{s:s, s:s, s:s}", "layer", form.layer, "kernel", form.kernel,
                                          "implementation", form.implementation));
    }
    cnn_json_set(&all, "backend", cnn_json_string(cnn_backend_description(backend)));
    cnn_json_set(&all, "forms", forms);
    char *together = NULL;
    CNN_TRY(cnn_json_dump(&together, all, JSON_INDENT(2)));
    free(*text);
    *text = together;
    return CNN_OK;
}

// Adds them to the summary.
static enum cnn_status add_forms(struct cnn_backend *backend, const struct cnn_model *model, int micro,
                                 bool json, char **text) {
    struct cnn_replica *replica = NULL;
    const struct cnn_replica_options options = {
        .model = model, .backend = backend, .micro_batch = micro, .training = true, .std = {1, 1, 1}};
    CNN_TRY(cnn_replica_create(&replica, &options));
    const enum cnn_status status =
        json ? json_of_forms(replica, backend, text) : text_of_forms(replica, backend, micro, text);
    cnn_replica_destroy(replica);
    return status;
}

static enum cnn_status tell_forms(const struct cnn_config *config, const struct cnn_model *model, int micro,
                                  bool json, char **text) {
    struct cnn_backend *backend = NULL;
    CNN_TRY(cnn_network_backend(&backend, config, cnn_plan_threads(config, 1).compute, 0, 1));
    const enum cnn_status status = add_forms(backend, model, micro, json, text);
    cnn_backend_destroy(backend);
    return status;
}

// ---- the command

static enum cnn_status summarize(const struct summary_request *request) {
    struct cnn_config *config = NULL;
    struct cnn_model *model = NULL;
    char *text = NULL;
    enum cnn_status status = create_model(&model, &config, request);
    const int micro = request->micro                        ? (int)request->micro
                      : config && config->train.batch.micro ? config->train.batch.micro
                                                            : 32;
    if (status == CNN_OK)
        status = request->json ? cnn_model_summary_json(&text, model, micro)
                               : cnn_model_summary(&text, model, micro);
    if (status == CNN_OK && request->target.backend)
        status = tell_forms(config, model, micro, request->json, &text);
    if (status == CNN_OK)
        printf("%s%s", text, request->json ? "\n" : "");
    free(text);
    cnn_model_destroy(model);
    free(config);
    return status;
}

enum cnn_status cnn_cmd_model_summary(int argc, char **argv, struct cnn_comm *comm) {
    struct summary_request request = {0};
    const struct cnn_flag flags[] = {
        CNN_INT_FLAG("size", &request.size, "PIXELS", 0, 4096,
                     "height and width of the images (0: from the config or the architecture)"),
        CNN_INT_FLAG("channels", &request.channels, "C", 0, 3, "channels of the images (0: the default)"),
        CNN_INT_FLAG("classes", &request.classes, "N", 0, 1000000, "number of classes (0: the default)"),
        CNN_INT_FLAG("micro", &request.micro, "N", 0, 1 << 20,
                     "images per micro-batch, for the memory (0: from the config, or 32)"),
        CNN_STRING_FLAG("backend", &request.target.backend, "auto|cpu|cuda",
                        "also print how this backend computes each layer in training"),
        CNN_SET_FLAG(&request.target),
        CNN_BOOL_FLAG("json", &request.json, "print the result as one JSON document"),
    };
    const struct cnn_args args = {.usage = "cnn_dist model summary ARCH_OR_CONFIG [--backend NAME] [--json]",
                                  .summary = "Prints the output, parameters and FLOPs of each layer, the "
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
    if (request.json)
        cnn_console_quiet();
    return summarize(&request);
}
