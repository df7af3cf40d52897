// A list of augmentations: `- name`, `- name: value` or `- name: {argument: value, ...}`.
#include "config/reader.h"

#include <math.h>
#include <string.h>

static size_t length_of(const yaml_node_t *sequence) {
    return (size_t)(sequence->data.sequence.items.top - sequence->data.sequence.items.start);
}

static enum cnn_status refuse_node(const yaml_node_t *node, const char *allowed) {
    char found[CNN_FOUND_BYTES];
    if (node->type == YAML_SCALAR_NODE) {
        struct cnn_scalar scalar = cnn_node_scalar(node);
        return cnn_value_refuse(&scalar, allowed);
    }
    cnn_node_found(found, node);
    return cnn_fail(CNN_ERR_INPUT, "found %s; allowed: %s", found, allowed);
}

// "random_crop: {size: ..., padding: ...}", to show how an entry is written.
static void usage(char *out, size_t out_bytes, const struct cnn_augment_info *info) {
    snprintf(out, out_bytes, "`%s: {", info->name);
    for (int i = 0; i < info->n_args; i++)
        cnn_append(out, out_bytes, "%s%s: ...", i ? ", " : "", info->args[i].name);
    cnn_append(out, out_bytes, "}`");
}

static enum cnn_status read_number(struct cnn_reader *reader, const struct cnn_augment_arg *arg,
                                   const yaml_node_t *node, double *out, const char *path) {
    struct cnn_bounds bounds = {arg->least, arg->most, false, false};
    enum cnn_status status;
    if (node->type == YAML_SCALAR_NODE) {
        struct cnn_scalar scalar = cnn_node_scalar(node);
        status = cnn_value_number(out, &scalar, arg->type == CNN_ARG_INT, bounds);
    } else {
        status = refuse_node(node, "one number");
    }
    return status == CNN_OK ? CNN_OK : cnn_reader_fail_in(reader, status, node->start_mark, path);
}

static enum cnn_status read_range(struct cnn_reader *reader, const struct cnn_augment_arg *arg,
                                  const yaml_node_t *node, double out[2], const char *path) {
    char allowed[96];
    cnn_format_bounds(allowed, sizeof allowed, "a range [low, high]",
                      (struct cnn_bounds){arg->least, arg->most, false, false});
    if (node->type != YAML_SEQUENCE_NODE || length_of(node) != 2)
        return cnn_reader_fail_in(reader, refuse_node(node, allowed), node->start_mark, path);
    for (int i = 0; i < 2; i++)
        CNN_TRY(read_number(reader, arg, cnn_reader_node(reader, node->data.sequence.items.start[i]), &out[i],
                            path));
    if (out[0] > out[1])
        return cnn_reader_fail_in(
            reader, cnn_fail(CNN_ERR_INPUT, "the range ends below its start; write [low, high]"),
            node->start_mark, path);
    return CNN_OK;
}

static enum cnn_status read_arg(struct cnn_reader *reader, const struct cnn_augment_arg *arg,
                                const yaml_node_t *node, double out[2], const char *entry) {
    char path[CNN_PATH_BYTES];
    snprintf(path, sizeof path, "%s.%s", entry, arg->name);
    if (arg->type == CNN_ARG_RANGE)
        return read_range(reader, arg, node, out, path);
    CNN_TRY(read_number(reader, arg, node, &out[0], path));
    out[1] = out[0];
    return CNN_OK;
}

static int find_arg(const struct cnn_augment_info *info, const yaml_node_t *key) {
    struct cnn_scalar scalar = {"", 0, false};
    const char *names[CNN_AUGMENT_MAX_ARGS];
    if (key->type == YAML_SCALAR_NODE)
        scalar = cnn_node_scalar(key);
    for (int i = 0; i < info->n_args; i++) {
        names[i] = info->args[i].name;
        if (cnn_scalar_is(&scalar, names[i]))
            return i;
    }
    (void)cnn_fail_unknown("argument", scalar.text, scalar.bytes, names, (size_t)info->n_args);
    return -1;
}

static enum cnn_status read_args(struct cnn_reader *reader, const struct cnn_augment_info *info,
                                 const yaml_node_t *node, struct cnn_augment *out, const char *entry) {
    bool given[CNN_AUGMENT_MAX_ARGS] = {false};
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
         pair++) {
        const yaml_node_t *key = cnn_reader_node(reader, pair->key);
        int i = find_arg(info, key);
        if (i < 0)
            return cnn_reader_fail_in(reader, CNN_ERR_INPUT, key->start_mark, entry);
        if (given[i])
            return cnn_reader_fail_in(
                reader,
                cnn_fail(CNN_ERR_INPUT, "the argument `%s` stands here a second time", info->args[i].name),
                key->start_mark, entry);
        given[i] = true;
        CNN_TRY(read_arg(reader, &info->args[i], cnn_reader_node(reader, pair->value), out->args[i], entry));
    }
    return CNN_OK;
}

static enum cnn_status check_required(struct cnn_reader *reader, const struct cnn_augment_info *info,
                                      const struct cnn_augment *op, yaml_mark_t mark, const char *entry) {
    char shown[160];
    usage(shown, sizeof shown, info);
    for (int i = 0; i < info->n_args; i++)
        if (isnan(op->args[i][0]))
            return cnn_reader_fail_in(
                reader,
                cnn_fail(CNN_ERR_INPUT, "the argument `%s` is missing; write %s", info->args[i].name, shown),
                mark, entry);
    return CNN_OK;
}

// The value behind `name:`. NULL: the name stands alone.
static enum cnn_status read_value(struct cnn_reader *reader, const struct cnn_augment_info *info,
                                  const yaml_node_t *node, struct cnn_augment *out, const char *entry) {
    char shown[160], found[CNN_FOUND_BYTES];
    struct cnn_scalar scalar = {"x", 1, false};
    if (node && node->type == YAML_SCALAR_NODE)
        scalar = cnn_node_scalar(node);
    if (!node || cnn_scalar_is_null(&scalar))
        return CNN_OK;
    if (node->type == YAML_MAPPING_NODE)
        return read_args(reader, info, node, out, entry);
    if (info->n_args == 1)
        return read_arg(reader, &info->args[0], node, out->args[0], entry);
    usage(shown, sizeof shown, info);
    cnn_node_found(found, node);
    return cnn_reader_fail_in(reader,
                              cnn_fail(CNN_ERR_INPUT, "found %s; name the arguments: %s", found, shown),
                              node->start_mark, entry);
}

static int find_kind(const yaml_node_t *name) {
    const char *names[CNN_N_AUGMENTS];
    struct cnn_scalar scalar = {"", 0, false};
    if (name->type == YAML_SCALAR_NODE)
        scalar = cnn_node_scalar(name);
    for (int i = 0; i < CNN_N_AUGMENTS; i++) {
        names[i] = cnn_augment_table[i].name;
        if (cnn_scalar_is(&scalar, names[i]))
            return i;
    }
    (void)cnn_fail_unknown("augmentation", scalar.text, scalar.bytes, names, CNN_N_AUGMENTS);
    return -1;
}

static enum cnn_status read_entry(struct cnn_reader *reader, const yaml_node_t *node, struct cnn_augment *out,
                                  const char *path) {
    const yaml_node_t *name = node, *value = NULL;
    char entry[CNN_PATH_BYTES];
    if (node->type == YAML_MAPPING_NODE) {
        size_t pairs = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
        if (pairs != 1)
            return cnn_reader_fail_in(
                reader,
                cnn_fail(CNN_ERR_INPUT, "found %zu names in one entry; begin each augmentation with `- `",
                         pairs),
                node->start_mark, path);
        name = cnn_reader_node(reader, node->data.mapping.pairs.start->key);
        value = cnn_reader_node(reader, node->data.mapping.pairs.start->value);
    }
    int kind = find_kind(name);
    if (kind < 0)
        return cnn_reader_fail_in(reader, CNN_ERR_INPUT, name->start_mark, path);
    const struct cnn_augment_info *info = &cnn_augment_table[kind];
    out->kind = (enum cnn_augment_kind)kind;
    for (int i = 0; i < info->n_args; i++)
        memcpy(out->args[i], info->args[i].fallback, sizeof out->args[i]);
    snprintf(entry, sizeof entry, "%.80s.%s", path, info->name);
    CNN_TRY(read_value(reader, info, value, out, entry));
    return check_required(reader, info, out, name->start_mark, entry);
}

enum cnn_status cnn_reader_augments(struct cnn_reader *reader, struct cnn_augment_list *out,
                                    const yaml_node_t *node, const char *path) {
    size_t n = node->type == YAML_SEQUENCE_NODE ? length_of(node) : 0;
    if (node->type != YAML_SEQUENCE_NODE)
        return cnn_reader_fail_in(reader,
                                  refuse_node(node, "a list, one augmentation a line, each begun with `- `"),
                                  node->start_mark, path);
    if (n > CNN_AUGMENT_MAX_OPS)
        return cnn_reader_fail_in(
            reader,
            cnn_fail(CNN_ERR_INPUT, "found %zu augmentations; allowed: at most %d", n, CNN_AUGMENT_MAX_OPS),
            node->start_mark, path);
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < n; i++) {
        char item[CNN_PATH_BYTES];
        snprintf(item, sizeof item, "%s[%zu]", path, i);
        CNN_TRY(read_entry(reader, cnn_reader_node(reader, node->data.sequence.items.start[i]), &out->ops[i],
                           item));
    }
    out->n = (int)n;
    return CNN_OK;
}
