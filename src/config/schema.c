// `config schema`: the table of options and the table of augmentations as JSON.
#include "config/options.h"
#include "config/value.h"
#include "config/words.h"

#include <jansson.h>
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
    return floor(value) == value ? json_integer((json_int_t)value) : json_real(value);
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
        json_array_append_new(list, json_string(c->word));
    return list;
}

static json_t *option_json(const struct cnn_option *option) {
    char allowed[320];
    json_t *json = json_object();
    cnn_option_expected(allowed, sizeof allowed, option);
    json_object_set_new(json, "path", json_string(option->path));
    json_object_set_new(json, "type", json_string(type_words[option->type]));
    json_object_set_new(json, "default", default_of(option));
    json_object_set_new(json, "auto", json_boolean(option->has_auto));
    if (is_number(option->type) || option->type == CNN_OPTION_STATS) {
        json_object_set_new(json, "range",
                            json_pack("{s:o, s:o, s:b, s:b}", "least", number(option->bounds.least), "most",
                                      number(option->bounds.most), "least_excluded", option->bounds.above,
                                      "most_excluded", option->bounds.below));
    }
    if (option->unit)
        json_object_set_new(json, "unit", json_string(option->unit));
    if (option->choices)
        json_object_set_new(json, "choices", choices_of(option));
    json_object_set_new(json, "allowed", json_string(allowed));
    json_object_set_new(json, "doc", json_string(option->doc));
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
        json_array_append_new(list, number(arg->fallback[i]));
    return list;
}

static json_t *arg_json(const struct cnn_augment_arg *arg) {
    char allowed[CNN_EXPECTED_BYTES];
    json_t *json = json_object();
    cnn_augment_expected(allowed, arg);
    json_object_set_new(json, "name", json_string(arg->name));
    json_object_set_new(json, "type", json_string(cnn_augment_arg_word(arg->type)));
    json_object_set_new(json, "required", json_boolean(isnan(arg->fallback[0])));
    if (!isnan(arg->fallback[0]))
        json_object_set_new(json, "default", arg_default(arg));
    if (arg->type == CNN_ARG_CHOICE) {
        json_t *words = json_array();
        for (int i = 0; arg->words[i]; i++)
            json_array_append_new(words, json_string(arg->words[i]));
        json_object_set_new(json, "choices", words);
    } else if (arg->type != CNN_ARG_OPS) {
        json_object_set_new(json, "range",
                            json_pack("{s:o, s:o}", "least", number(arg->least), "most", number(arg->most)));
    }
    json_object_set_new(json, "allowed", json_string(allowed));
    json_object_set_new(json, "doc", json_string(arg->doc));
    return json;
}

static json_t *augment_json(const struct cnn_augment_info *info) {
    json_t *json = json_object(), *args = json_array();
    for (int i = 0; i < info->n_args; i++)
        json_array_append_new(args, arg_json(&info->args[i]));
    json_object_set_new(json, "name", json_string(info->name));
    json_object_set_new(json, "doc", json_string(info->doc));
    json_object_set_new(json, "random", json_boolean(info->is_random));
    if (info->peer)
        json_object_set_new(json, "torchvision", json_string(info->peer));
    json_object_set_new(json, "arguments", args);
    return json;
}

enum cnn_status cnn_config_schema_json(char **out) {
    json_t *json = json_object(), *options = json_array(), *augments = json_array();
    for (size_t i = 0; i < CNN_N_OPTIONS; i++)
        json_array_append_new(options, option_json(&cnn_option_table[i]));
    for (int i = 0; i < CNN_N_AUGMENTS; i++)
        json_array_append_new(augments, augment_json(&cnn_augment_table[i]));
    json_object_set_new(json, "options", options);
    json_object_set_new(json, "augmentations", augments);
    char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(json);
    if (!text)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: cannot write the schema");
    *out = text;
    return CNN_OK;
}
