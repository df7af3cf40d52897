#include "cli/target.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static enum cnn_status choose_backend(struct cnn_config *config, const char *name) {
    static const char *const names[] = {"auto", "cpu", "cuda"};
    static const enum cnn_backend_kind kinds[] = {CNN_BACKEND_AUTO, CNN_BACKEND_CPU, CNN_BACKEND_CUDA};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            config->backend = kinds[i];
            return CNN_OK;
        }
    return cnn_fail(CNN_ERR_INPUT, "--backend: unknown backend '%s'; allowed: auto, cpu and cuda", name);
}

static enum cnn_status read_config(struct cnn_config *config, const struct cnn_target *target, bool is_file) {
    const char *const *set = target->set.items;
    const size_t n_set = (size_t)target->set.n;
    if (is_file)
        CNN_TRY(cnn_config_read(config, target->what, set, n_set));
    else
        CNN_TRY(cnn_config_parse(config, "the command line", "", 0, set, n_set));
    if (!is_file && target->what)
        CNN_TRY(cnn_path_format(config->model.arch, sizeof config->model.arch, "%s", target->what));
    return target->backend ? choose_backend(config, target->backend) : CNN_OK;
}

enum cnn_status cnn_target_config(struct cnn_config **out, bool *is_config, const struct cnn_target *target) {
    const bool is_file = target->what && !cnn_arch_find(target->what) && cnn_file_exists(target->what);
    struct cnn_config *config = NULL;
    CNN_TRY(cnn_calloc(&config, 1, sizeof *config));
    const enum cnn_status status = read_config(config, target, is_file);
    if (status != CNN_OK) {
        free(config);
        return status;
    }
    if (is_config)
        *is_config = is_file;
    *out = config;
    return CNN_OK;
}

struct cnn_shape cnn_target_input(const struct cnn_config *config) {
    const struct cnn_arch *arch = cnn_arch_find(config->model.arch);
    struct cnn_shape input = arch ? arch->input : (struct cnn_shape){224, 224, 3};
    if (config->data.channels)
        input.c = config->data.channels;
    return input;
}

int cnn_target_classes(const struct cnn_config *config) {
    const struct cnn_arch *arch = cnn_arch_find(config->model.arch);
    return config->model.classes ? config->model.classes : arch ? arch->n_classes : 1000;
}
