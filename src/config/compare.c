// Which options differ between two configs.
#include "config/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// *out = the option's value as YAML, malloc'ed.
static enum cnn_status value_of(char **out, const struct cnn_config *config,
                                const struct cnn_option *option) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    bool failed = !file;
    if (file) {
        cnn_option_write(file, config, option);
        failed = ferror(file) != 0;
        failed = fclose(file) != 0 || failed;
    }
    if (failed) {
        free(text);
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: cannot write the value of %s", option->path);
    }
    *out = text;
    return CNN_OK;
}

static enum cnn_status compare_option(const struct cnn_config *was, const struct cnn_config *is,
                                      const struct cnn_option *option, cnn_config_difference on_difference,
                                      void *context) {
    char *before = NULL, *now = NULL;
    CNN_TRY(value_of(&before, was, option));
    enum cnn_status status = value_of(&now, is, option);
    if (status == CNN_OK && strcmp(before, now) != 0)
        on_difference(context, option->path, before, now, option->resumed);
    free(before);
    free(now);
    return status;
}

enum cnn_status cnn_config_compare(const struct cnn_config *was, const struct cnn_config *is,
                                   cnn_config_difference on_difference, void *context) {
    for (size_t i = 0; i < CNN_N_OPTIONS; i++)
        CNN_TRY(compare_option(was, is, &cnn_option_table[i], on_difference, context));
    return CNN_OK;
}
