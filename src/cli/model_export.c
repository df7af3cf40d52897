// `model export`: a checkpoint's weights for other programs.
#include "base/memory.h"
#include "cli/args.h"
#include "cli/model.h"
#include "train/checkpoint.h"
#include "train/network.h"
#include "train/store.h"
#include <cnn_dist/version.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        return cnn_fail(CNN_ERR_INPUT, "unknown format '%s'; only safetensors is supported", to);
    CNN_TRY(cnn_store_find(path, sizeof path, run_or_checkpoint, latest));
    CNN_TRY(cnn_checkpoint_open(&checkpoint, path));
    enum cnn_status status = export_checkpoint(checkpoint, out);
    cnn_checkpoint_close(checkpoint);
    return status;
}

enum cnn_status cnn_cmd_model_export(int argc, char **argv, struct cnn_comm *comm) {
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
        CNN_BOOL_FLAG("latest", &latest, "in a run folder, use the latest checkpoint instead of the best"),
    };
    const struct cnn_args args = {.usage =
                                      "cnn_dist model export RUN_OR_CHECKPOINT --to safetensors --out FILE",
                                  .summary = "Writes the weights alone, under the names that torchvision "
                                             "uses, for load_state_dict and other programs.",
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
