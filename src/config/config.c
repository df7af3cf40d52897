// The public face: read, parse, defaults, and the few facts about values that others ask for.
#include "config/config.h"

#include "base/file.h"
#include "base/suggest.h"
#include "config/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void cnn_config_defaults(struct cnn_config *out) {
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < CNN_N_OPTIONS; i++) {
        const struct cnn_option *option = &cnn_option_table[i];
        struct cnn_scalar scalar = {option->fallback, strlen(option->fallback),
                                    option->type == CNN_OPTION_TEXT};
        if (strcmp(option->fallback, "[]") == 0) // an empty list is all zeros
            continue;
        // A default that its own option refuses is a mistake in the table; the tests look at every one.
        (void)!cnn_value_read(out, option, &scalar);
    }
    memcpy(out->run.name, "run", sizeof "run");
}

// "train.epochs" of "train.epochs=5"; *value is the text behind the sign.
static enum cnn_status split_override(char path[CNN_PATH_BYTES], const char **value, const char *override) {
    char found[CNN_FOUND_BYTES];
    const char *sign = strchr(override, '=');
    cnn_format_found(found, override, strlen(override));
    if (!sign || sign == override || (size_t)(sign - override) >= CNN_PATH_BYTES)
        return cnn_fail(CNN_ERR_INPUT, "--set: found %s; write PATH=VALUE, such as train.epochs=5", found);
    snprintf(path, CNN_PATH_BYTES, "%.*s", (int)(sign - override), override);
    *value = sign + 1;
    return CNN_OK;
}

// The path nearest to one that does not exist: by its spelling, or by its last word (epochs -> train.epochs).
static const char *nearest_path(const char *path) {
    const char *paths[CNN_N_OPTIONS];
    size_t bytes = strlen(path);
    for (size_t i = 0; i < CNN_N_OPTIONS; i++)
        paths[i] = cnn_option_table[i].path;
    for (size_t i = 0; i < CNN_N_OPTIONS; i++) {
        size_t n = strlen(paths[i]);
        if (n > bytes && paths[i][n - bytes - 1] == '.' && strcmp(paths[i] + n - bytes, path) == 0)
            return paths[i];
    }
    return cnn_suggest(path, paths, CNN_N_OPTIONS);
}

static enum cnn_status check_override_path(const char *path) {
    if (cnn_option_find(path) || (*path && cnn_option_is_section(path)))
        return CNN_OK;
    char found[CNN_FOUND_BYTES];
    const char *nearest = nearest_path(path);
    cnn_format_found(found, path, strlen(path));
    if (nearest)
        return cnn_fail(CNN_ERR_INPUT, "--set %s: unknown key %s, did you mean `%s`?", path, found, nearest);
    return cnn_fail(CNN_ERR_INPUT, "--set %s: unknown key %s; `cnn_dist config schema` lists all keys", path,
                    found);
}

// `--set data.val=` empties a text; every other option needs a value.
static enum cnn_status set_empty(struct cnn_reader *reader, const char *path) {
    const struct cnn_option *option = cnn_option_find(path);
    struct cnn_scalar empty = {"", 0, option && option->type == CNN_OPTION_TEXT};
    if (!option)
        return cnn_fail(CNN_ERR_INPUT, "--set %s: missing value; write PATH=VALUE, such as train.epochs=5",
                        path);
    enum cnn_status status = cnn_value_read(reader->config, option, &empty);
    if (status != CNN_OK)
        return cnn_fail_in(status, "--set %s", path);
    reader->places[option - cnn_option_table] = (struct cnn_place){true, 1, 1};
    return CNN_OK;
}

static enum cnn_status apply_override(struct cnn_reader *reader, const char *override) {
    char path[CNN_PATH_BYTES];
    const char *value = "";
    CNN_TRY(split_override(path, &value, override));
    CNN_TRY(check_override_path(path));
    CNN_TRY(cnn_reader_load(reader, value, strlen(value), path));
    yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    enum cnn_status status = root ? cnn_reader_walk(reader, root, path) : set_empty(reader, path);
    yaml_document_delete(&reader->document);
    return status;
}

static enum cnn_status read_file(struct cnn_reader *reader, const char *text, size_t bytes) {
    CNN_TRY(cnn_reader_load(reader, text, bytes, ""));
    yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    enum cnn_status status = root ? cnn_reader_walk(reader, root, "") : CNN_OK;
    yaml_document_delete(&reader->document);
    return status;
}

enum cnn_status cnn_config_parse(struct cnn_config *out, const char *name, const char *text, size_t bytes,
                                 const char *const *overrides, size_t n_overrides) {
    struct cnn_config config;
    struct cnn_reader reader = {.config = &config, .name = name};
    cnn_config_defaults(&config);
    memset(config.run.name, 0, sizeof config.run.name); // named after the file unless it says otherwise
    CNN_TRY(cnn_path_format(config.path, sizeof config.path, "%s", name));
    CNN_TRY(read_file(&reader, text, bytes));
    reader.is_override = true;
    for (size_t i = 0; i < n_overrides; i++)
        CNN_TRY(apply_override(&reader, overrides[i]));
    CNN_TRY(cnn_reader_check(&reader));
    memcpy(out, &config, sizeof config); // padding too: equal configs are equal byte for byte
    return CNN_OK;
}

enum cnn_status cnn_config_read(struct cnn_config *out, const char *path, const char *const *overrides,
                                size_t n_overrides) {
    char *text = NULL;
    size_t bytes = 0;
    CNN_TRY(cnn_file_read(&text, &bytes, path, CNN_CONFIG_LIMIT_BYTES));
    enum cnn_status status = cnn_config_parse(out, path, text, bytes, overrides, n_overrides);
    free(text);
    return status;
}

static const char *option_word(const char *path, int value) {
    const char *word = cnn_choice_word(cnn_option_find(path)->choices, value);
    return word ? word : "unknown";
}

const char *cnn_precision_name(enum cnn_precision precision) {
    return option_word("train.precision", (int)precision);
}

const char *cnn_schedule_name(enum cnn_schedule_kind kind) {
    return option_word("train.schedule.name", (int)kind);
}

int64_t cnn_duration_steps(struct cnn_duration duration, int64_t steps_per_epoch) {
    if (duration.unit == CNN_NEVER || !(duration.count > 0))
        return 0;
    double steps = duration.unit == CNN_EPOCHS ? duration.count * (double)steps_per_epoch : duration.count;
    if (steps >= 9e18)
        return INT64_MAX;
    return steps < 1 ? 1 : (int64_t)llround(steps);
}
