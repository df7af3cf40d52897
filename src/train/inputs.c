#include "train/inputs.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

// Datasets of the shipped configs lie in datasets/NAME, and datasets/NAME.sh makes them. False: there is no
// such script.
static bool find_script(char *out, size_t out_bytes, const char *path) {
    const char *folder = strstr(path, "datasets/");
    if (!folder)
        return false;
    const char *name = folder + strlen("datasets/");
    int before = (int)(name - path), length = (int)strcspn(name, "/");
    if (cnn_path_format(out, out_bytes, "%.*s%.*s.sh", before, path, length, name) != CNN_OK)
        return false;
    for (char *at = out + before; *at; at++) // scripts are called as configs are
        if (*at == '-')
            *at = '_';
    return cnn_file_exists(out);
}

static enum cnn_status open_dataset(struct cnn_dataset **out, const char *option, const char *path) {
    char script[4096];
    if (!cnn_folder_exists(path) && find_script(script, sizeof script, path))
        return cnn_fail(CNN_ERR_INPUT, "%s: no dataset at %s; run %s to make it", option, path, script);
    enum cnn_status status = cnn_dataset_open(out, path);
    if (status != CNN_OK)
        return cnn_fail_in(status, "%s", option);
    if (cnn_dataset_count(*out) > 0)
        return CNN_OK;
    cnn_dataset_close(*out);
    *out = NULL;
    return cnn_fail(CNN_ERR_INPUT, "%s: %s has no records", option, path);
}

static enum cnn_status check_labels(const struct cnn_dataset *dataset, const char *option, int classes) {
    uint64_t count = cnn_dataset_count(dataset);
    for (uint64_t i = 0; i < count; i++) {
        struct cnn_record record = cnn_dataset_record(dataset, i);
        if (record.label < 0 || record.label >= classes)
            return cnn_fail(
                CNN_ERR_INPUT,
                "%s: record %llu of %s has label %d, but there are only %d classes (0..%d); check "
                "model.classes",
                option, (unsigned long long)record.id, cnn_dataset_path(dataset), record.label, classes,
                classes - 1);
    }
    return CNN_OK;
}

// `dataset` in the network's numbering. `doing` and `option` stand for it in messages.
static enum cnn_status match(const struct cnn_class_names *network, struct cnn_dataset *dataset,
                             const char *doing, const char *option, char **note) {
    enum cnn_status status = cnn_class_names_match(network, dataset, note);
    return status == CNN_OK ? status
                            : cnn_fail_in(status, "%s%s: %s", doing, option, cnn_dataset_path(dataset));
}

static void report(const char *option, const struct cnn_dataset *dataset, const char *note) {
    if (note)
        cnn_log_warn("%s: %s: %s", option, cnn_dataset_path(dataset), note);
}

enum cnn_status cnn_inputs_open_one(struct cnn_dataset **out, const char *option, const char *path) {
    return open_dataset(out, option, path);
}

enum cnn_status cnn_inputs_match_one(struct cnn_dataset *dataset, const char *option,
                                     const struct cnn_class_names *network, bool reports) {
    char *note = NULL;
    CNN_TRY(match(network, dataset, "", option, &note));
    if (reports)
        report(option, dataset, note);
    free(note);
    return CNN_OK;
}

// ---- a new run ----

static enum cnn_status resolve_classes(struct cnn_inputs *inputs, const struct cnn_config *config) {
    int stored = cnn_dataset_header(inputs->train)->n_classes, wanted = config->model.classes;
    if (wanted == CNN_AUTO && stored < 2)
        return cnn_fail(CNN_ERR_INPUT,
                        "data.train: %s has %d class%s, but a network needs at least 2; set model.classes",
                        config->data.train, stored, stored == 1 ? "" : "es");
    inputs->classes = wanted == CNN_AUTO ? stored : wanted;
    CNN_TRY(check_labels(inputs->train, "data.train", inputs->classes));
    return cnn_class_names_of_dataset(&inputs->names, inputs->train, inputs->classes);
}

// ---- a resumed run ----

static enum cnn_status refuse_count(int was, int now) {
    return cnn_fail(
        CNN_ERR_INPUT,
        "cannot resume: model.classes was %d in the checkpoint and is %d now; set it back, or start "
        "another run (--set run.name=...)",
        was, now);
}

// A run goes on with all of its classes.
static enum cnn_status check_all_there(const struct cnn_inputs *inputs) {
    char absent[400];
    bool *chosen = NULL;
    int n = 0;
    CNN_TRY(cnn_calloc(&chosen, (size_t)inputs->classes, sizeof *chosen));
    for (int i = 0; i < inputs->classes; i++)
        n += chosen[i] = inputs->names.names[i] && !cnn_dataset_class_name(inputs->train, i);
    const struct cnn_class_list list = cnn_class_names_list(&inputs->names);
    cnn_class_list_format(absent, sizeof absent, &list, chosen);
    free(chosen);
    if (n == 0)
        return CNN_OK;
    return cnn_fail(
        CNN_ERR_INPUT,
        "cannot resume: data.train: %s lacks %d of the checkpoint's classes: %s; use the dataset with which "
        "the run began, or start another run (--set run.name=...)",
        cnn_dataset_path(inputs->train), n, absent);
}

// inputs->names: the checkpoint's.
static enum cnn_status resume_classes(struct cnn_inputs *inputs, const struct cnn_config *config) {
    const struct cnn_class_list known = cnn_class_names_list(&inputs->names);
    inputs->classes = inputs->names.n;
    if (config->model.classes != CNN_AUTO && config->model.classes != inputs->classes)
        return refuse_count(inputs->classes, config->model.classes);
    const int stored = cnn_dataset_header(inputs->train)->n_classes;
    if (cnn_class_list_is_named(&known) || (config->model.classes == CNN_AUTO && stored != inputs->classes))
        return CNN_OK;
    cnn_class_names_finish(&inputs->names); // without names it takes those of the dataset, as a new run does
    return resolve_classes(inputs, config);
}

static enum cnn_status match_resumed(struct cnn_inputs *inputs, const struct cnn_config *config) {
    const int stored = cnn_dataset_header(inputs->train)->n_classes;
    const bool is_named = cnn_dataset_class_name(inputs->train, 0) != NULL;
    CNN_TRY(match(&inputs->names, inputs->train, "cannot resume: ", "data.train", &inputs->train_note));
    if (is_named)
        CNN_TRY(check_all_there(inputs));
    return config->model.classes == CNN_AUTO && stored != inputs->classes
               ? refuse_count(inputs->classes, stored)
               : CNN_OK;
}

// ---- all of it ----

static enum cnn_status open_all(struct cnn_inputs *inputs, const struct cnn_config *config) {
    if (config->data.train[0] == '\0')
        return cnn_fail(
            CNN_ERR_INPUT,
            "%s: data.train is not set; set it to the folder of a dataset (see cnn_dist dataset --help)",
            config->path);
    CNN_TRY(open_dataset(&inputs->train, "data.train", config->data.train));
    if (config->data.val[0] != '\0')
        CNN_TRY(open_dataset(&inputs->val, "data.val", config->data.val));
    inputs->channels =
        config->data.channels == CNN_AUTO ? cnn_dataset_channels(inputs->train) : config->data.channels;
    return CNN_OK;
}

enum cnn_status cnn_inputs_open(struct cnn_inputs *out, const struct cnn_config *config) {
    struct cnn_inputs inputs = {0};
    enum cnn_status status = open_all(&inputs, config);
    if (status != CNN_OK) {
        cnn_inputs_close(&inputs);
        return status;
    }
    *out = inputs;
    return CNN_OK;
}

enum cnn_status cnn_inputs_match(struct cnn_inputs *inputs, const struct cnn_config *config, bool resumed) {
    CNN_TRY(resumed ? resume_classes(inputs, config) : resolve_classes(inputs, config));
    CNN_TRY(resumed ? match_resumed(inputs, config)
                    : match(&inputs->names, inputs->train, "", "data.train", &inputs->train_note));
    if (inputs->val)
        CNN_TRY(match(&inputs->names, inputs->val, "", "data.val", &inputs->val_note));
    return cnn_class_names_json(&inputs->class_names, &inputs->names);
}

void cnn_inputs_report(const struct cnn_inputs *inputs) {
    report("data.train", inputs->train, inputs->train_note);
    report("data.val", inputs->val, inputs->val_note);
}

void cnn_inputs_close(struct cnn_inputs *inputs) {
    free(inputs->train_note);
    free(inputs->val_note);
    free(inputs->class_names);
    cnn_class_names_finish(&inputs->names);
    cnn_dataset_close(inputs->val);
    cnn_dataset_close(inputs->train);
    *inputs = (struct cnn_inputs){0};
}
