// `config schema`: the table of options and the table of augmentations as JSON.
#include "base/json.h"
#include "config/options.h"
#include "config/value.h"
#include "config/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_words[] = {
    [CNN_OPTION_TEXT] = "text",         [CNN_OPTION_INT] = "integer",
    [CNN_OPTION_LONG] = "integer",      [CNN_OPTION_REAL] = "number",
    [CNN_OPTION_BOOL] = "boolean",      [CNN_OPTION_CHOICE] = "choice",
    [CNN_OPTION_DURATION] = "duration", [CNN_OPTION_DURATIONS] = "durations",
    [CNN_OPTION_STATS] = "numbers",     [CNN_OPTION_AUGMENTS] = "augmentations",
    [CNN_OPTION_PHASES] = "phases",
};
static bool is_number(enum cnn_option_type type) {
    return type == CNN_OPTION_INT || type == CNN_OPTION_LONG || type == CNN_OPTION_REAL;
}

static json_t *number(double value) {
    return floor(value) == value ? json_integer((json_int_t)value) : cnn_json_number(value);
}

static json_t *default_of(const struct cnn_option *option) {
    if (strcmp(option->fallback, "[]") == 0)
        return json_array();
    if (option->type == CNN_OPTION_BOOL)
        return json_boolean(strcmp(option->fallback, "true") == 0);
    if (is_number(option->type) && strcmp(option->fallback, "auto") != 0)
        return number(strtod(option->fallback, NULL));
    return json_string(option->fallback);
}

static json_t *choices_of(const struct cnn_option *option) {
    json_t *list = json_array();
    for (const struct cnn_choice *c = option->choices; c->word; c++)
        cnn_json_append(&list, json_string(c->word));
    return list;
}

static json_t *option_json(const struct cnn_option *option) {
    char allowed[320];
    json_t *json = json_object();
    cnn_option_expected(allowed, sizeof allowed, option);
    cnn_json_set(&json, "path", json_string(option->path));
    cnn_json_set(&json, "type", json_string(type_words[option->type]));
    cnn_json_set(&json, "default", default_of(option));
    cnn_json_set(&json, "auto", json_boolean(option->has_auto));
    if (is_number(option->type) || option->type == CNN_OPTION_STATS) {
        cnn_json_set(&json, "range",
                     json_pack("{s:o, s:o, s:b, s:b}", "least", number(option->bounds.least), "most",
                               number(option->bounds.most), "least_excluded", option->bounds.above,
                               "most_excluded", option->bounds.below));
    }
    if (option->unit)
        cnn_json_set(&json, "unit", json_string(option->unit));
    if (option->choices)
        cnn_json_set(&json, "choices", choices_of(option));
    cnn_json_set(&json, "allowed", json_string(allowed));
    cnn_json_set(&json, "doc", json_string(option->doc));
    return json;
}

// As it is written in YAML: a number, a list of them or a word.
static json_t *arg_default(const struct cnn_augment_arg *arg) {
    int n = arg->type == CNN_ARG_RANGE || arg->type == CNN_ARG_PAIR || arg->type == CNN_ARG_SIZE ? 2
            : arg->type == CNN_ARG_COLOR                                                         ? 3
                                                                                                 : 1;
    if (arg->type == CNN_ARG_CHOICE)
        return json_string(arg->words[(int)arg->fallback[0]]);
    if (arg->type == CNN_ARG_WEIGHTS)
        return json_null();
    if (n == 1)
        return number(arg->fallback[0]);
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        cnn_json_append(&list, number(arg->fallback[i]));
    return list;
}

static json_t *arg_json(const struct cnn_augment_arg *arg) {
    char allowed[CNN_EXPECTED_BYTES];
    json_t *json = json_object();
    cnn_augment_expected(allowed, arg);
    cnn_json_set(&json, "name", json_string(arg->name));
    cnn_json_set(&json, "type", json_string(cnn_augment_arg_word(arg->type)));
    cnn_json_set(&json, "required", json_boolean(isnan(arg->fallback[0])));
    if (!isnan(arg->fallback[0]))
        cnn_json_set(&json, "default", arg_default(arg));
    if (arg->type == CNN_ARG_CHOICE) {
        json_t *words = json_array();
        for (int i = 0; arg->words[i]; i++)
            cnn_json_append(&words, json_string(arg->words[i]));
        cnn_json_set(&json, "choices", words);
    } else if (arg->type != CNN_ARG_OPS) {
        cnn_json_set(&json, "range",
                     json_pack("{s:o, s:o}", "least", number(arg->least), "most", number(arg->most)));
    }
    cnn_json_set(&json, "allowed", json_string(allowed));
    cnn_json_set(&json, "doc", json_string(arg->doc));
    return json;
}

static json_t *augment_json(const struct cnn_augment_info *info) {
    json_t *json = json_object(), *args = json_array();
    for (int i = 0; i < info->n_args; i++)
        cnn_json_append(&args, arg_json(&info->args[i]));
    cnn_json_set(&json, "name", json_string(info->name));
    cnn_json_set(&json, "doc", json_string(info->doc));
    cnn_json_set(&json, "random", json_boolean(info->is_random));
    if (info->peer)
        cnn_json_set(&json, "torchvision", json_string(info->peer));
    cnn_json_set(&json, "arguments", args);
    return json;
}

enum cnn_status cnn_config_schema_json(char **out) {
    json_t *json = json_object(), *options = json_array(), *augments = json_array();
    for (size_t i = 0; i < CNN_N_OPTIONS; i++)
        cnn_json_append(&options, option_json(&cnn_option_table[i]));
    for (int i = 0; i < CNN_N_AUGMENTS; i++)
        cnn_json_append(&augments, augment_json(&cnn_augment_table[i]));
    cnn_json_set(&json, "options", options);
    cnn_json_set(&json, "augmentations", augments);
    return cnn_json_dump(out, json, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
}
