#include "train/inputs.h"

#include "base/file.h"
#include "base/json.h"
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
        return cnn_fail(CNN_ERR_INPUT, "%s: there is no dataset at %s: run %s to make it", option, path,
                        script);
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
                "%s: record %llu of %s has label %d, but there are %d classes (0..%d): look at model.classes",
                option, (unsigned long long)record.id, cnn_dataset_path(dataset), record.label, classes,
                classes - 1);
    }
    return CNN_OK;
}

enum cnn_status cnn_inputs_open_checked(struct cnn_dataset **out, const char *option, const char *path,
                                        int classes) {
    struct cnn_dataset *dataset = NULL;
    CNN_TRY(open_dataset(&dataset, option, path));
    enum cnn_status status = check_labels(dataset, option, classes);
    if (status != CNN_OK) {
        cnn_dataset_close(dataset);
        return status;
    }
    *out = dataset;
    return CNN_OK;
}

static enum cnn_status resolve_classes(int *out, const struct cnn_config *config,
                                       const struct cnn_dataset *dataset) {
    int stored = cnn_dataset_header(dataset)->n_classes, wanted = config->model.classes;
    if (wanted == CNN_AUTO && stored < 2)
        return cnn_fail(
            CNN_ERR_INPUT,
            "data.train: %s says it has %d class%s, and a network needs at least 2: set model.classes",
            config->data.train, stored, stored == 1 ? "" : "es");
    *out = wanted == CNN_AUTO ? stored : wanted;
    return CNN_OK;
}

// ["cat","dog"]; empty where any class has no name.
static enum cnn_status list_names(char **out, const struct cnn_dataset *dataset, int classes) {
    json_t *list = json_array();
    for (int i = 0; i < classes; i++) {
        const char *name = cnn_dataset_class_name(dataset, i);
        if (!name) {
            json_array_clear(list);
            break;
        }
        cnn_json_append(&list, cnn_json_string(name));
    }
    return cnn_json_dump(out, list, JSON_COMPACT);
}

static enum cnn_status open_all(struct cnn_inputs *inputs, const struct cnn_config *config) {
    if (config->data.train[0] == '\0')
        return cnn_fail(
            CNN_ERR_INPUT,
            "%s: data.train: training needs the folder of a dataset (cnn_dist dataset --help makes one)",
            config->path);
    CNN_TRY(open_dataset(&inputs->train, "data.train", config->data.train));
    CNN_TRY(resolve_classes(&inputs->classes, config, inputs->train));
    CNN_TRY(check_labels(inputs->train, "data.train", inputs->classes));
    if (config->data.val[0] != '\0')
        CNN_TRY(cnn_inputs_open_checked(&inputs->val, "data.val", config->data.val, inputs->classes));
    inputs->channels =
        config->data.channels == CNN_AUTO ? cnn_dataset_channels(inputs->train) : config->data.channels;
    return list_names(&inputs->class_names, inputs->train, inputs->classes);
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

void cnn_inputs_close(struct cnn_inputs *inputs) {
    free(inputs->class_names);
    cnn_dataset_close(inputs->val);
    cnn_dataset_close(inputs->train);
    *inputs = (struct cnn_inputs){0};
}
