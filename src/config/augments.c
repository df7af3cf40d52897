// A list of augmentations: `- name`, `- name: value` or `- name: {argument: value, ...}`, where a value may
// be a list of augmentations again.
#include "config/reader.h"

#include <math.h>
#include <string.h>

// One list being read, with what all those inside it share.
struct reading {
    struct cnn_reader *reader;
    struct cnn_augment_list *list;
    bool only_fixed; // nothing random may stand here
    int depth;
};

static size_t length_of(const yaml_node_t *sequence) {
    return (size_t)(sequence->data.sequence.items.top - sequence->data.sequence.items.start);
}

// "random_crop: {size: ..., padding: ...}", to show how an entry is written.
static void usage(char *out, size_t out_bytes, const struct cnn_augment_info *info) {
    snprintf(out, out_bytes, "`%s: {", info->name);
    for (int i = 0; i < info->n_args; i++)
        cnn_append(out, out_bytes, "%s%s: ...", i ? ", " : "", info->args[i].name);
    cnn_append(out, out_bytes, "}`");
}

static const yaml_node_t *item_of(const struct cnn_reader *reader, const yaml_node_t *sequence, size_t i) {
    return cnn_reader_node(reader, sequence->data.sequence.items.start[i]);
}

// The entries that lie directly inside `op`, one after the other: NULL begins.
static struct cnn_augment *next_inside(struct cnn_augment *op, struct cnn_augment *last) {
    struct cnn_augment *next = last ? last + 1 + cnn_augment_span(last) : op + 1;
    return next <= op + cnn_augment_span(op) ? next : NULL;
}

// `transforms` is read before, wherever it stands.
static enum cnn_status read_weights(struct cnn_reader *reader, const struct cnn_augment_arg *arg,
                                    const yaml_node_t *node, struct cnn_augment *op, double out[3],
                                    const char *path) {
    struct cnn_augment *inside = NULL;
    double sum = 0, weight[3];
    size_t n = (size_t)op->args[0][1];
    if (node->type != YAML_SEQUENCE_NODE || length_of(node) != n) {
        char allowed[96];
        snprintf(allowed, sizeof allowed, "a list of %zu numbers, one for each of `transforms`", n);
        return cnn_reader_fail_in(reader, cnn_node_refuse(node, allowed), node->start_mark, path);
    }
    for (size_t i = 0; i < n; i++) {
        CNN_TRY(cnn_reader_augment_arg(reader, arg, item_of(reader, node, i), weight, path));
        inside = next_inside(op, inside);
        inside->weight = weight[0];
        sum += weight[0];
    }
    if (sum == 0)
        return cnn_reader_fail_in(reader,
                                  cnn_fail(CNN_ERR_INPUT, "all values are 0; at least one must be above 0"),
                                  node->start_mark, path);
    out[0] = 1;
    return CNN_OK;
}

static enum cnn_status read_list(struct reading *reading, const yaml_node_t *node, const char *path,
                                 int *out_n);

static enum cnn_status read_inside(struct reading *reading, const yaml_node_t *node, struct cnn_augment *op,
                                   const char *path) {
    struct cnn_augment_list *list = reading->list;
    int before = list->n, n;
    reading->depth++;
    CNN_TRY(read_list(reading, node, path, &n));
    reading->depth--;
    op->args[0][0] = list->n - before;
    op->args[0][1] = n;
    op->args[0][2] = 0;
    if (n == 0)
        return cnn_reader_fail_in(reading->reader,
                                  cnn_fail(CNN_ERR_INPUT, "the list is empty; it needs at least one "
                                                          "augmentation"),
                                  node->start_mark, path);
    return CNN_OK;
}

static enum cnn_status read_arg(struct reading *reading, const struct cnn_augment_arg *arg,
                                const yaml_node_t *node, struct cnn_augment *op, const char *entry) {
    char path[CNN_PATH_BYTES];
    struct cnn_reader *reader = reading->reader;
    double *out = op->args[arg - cnn_augment_table[op->kind].args];
    snprintf(path, sizeof path, "%.130s.%s", entry, arg->name);
    if (arg->type == CNN_ARG_OPS)
        return read_inside(reading, node, op, path);
    if (arg->type == CNN_ARG_WEIGHTS)
        return read_weights(reader, arg, node, op, out, path);
    return cnn_reader_augment_arg(reader, arg, node, out, path);
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

// Where each argument stands in the mapping `node`; NULL where it is not given.
static enum cnn_status find_args(struct cnn_reader *reader, const struct cnn_augment_info *info,
                                 const yaml_node_t *node, const yaml_node_t *out[CNN_AUGMENT_MAX_ARGS],
                                 const char *entry) {
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
         pair++) {
        const yaml_node_t *key = cnn_reader_node(reader, pair->key);
        int i = find_arg(info, key);
        if (i < 0)
            return cnn_reader_fail_in(reader, CNN_ERR_INPUT, key->start_mark, entry);
        if (out[i])
            return cnn_reader_fail_in(reader,
                                      cnn_fail(CNN_ERR_INPUT, "duplicate argument `%s`", info->args[i].name),
                                      key->start_mark, entry);
        out[i] = cnn_reader_node(reader, pair->value);
    }
    return CNN_OK;
}

static enum cnn_status read_args(struct reading *reading, const yaml_node_t *node, struct cnn_augment *op,
                                 const char *entry) {
    const struct cnn_augment_info *info = &cnn_augment_table[op->kind];
    const yaml_node_t *given[CNN_AUGMENT_MAX_ARGS] = {NULL};
    CNN_TRY(find_args(reading->reader, info, node, given, entry));
    for (int i = 0; i < info->n_args; i++)
        if (given[i] && (info->args[i].type != CNN_ARG_WEIGHTS || given[0]))
            CNN_TRY(read_arg(reading, &info->args[i], given[i], op, entry));
    return CNN_OK;
}

// What one argument alone cannot know.
static enum cnn_status check_args(struct cnn_reader *reader, const struct cnn_augment *op, yaml_mark_t mark,
                                  const char *entry) {
    char shown[CNN_EXPECTED_BYTES];
    const struct cnn_augment_info *info = &cnn_augment_table[op->kind];
    usage(shown, sizeof shown, info);
    for (int i = 0; i < info->n_args; i++)
        if (isnan(op->args[i][0]))
            return cnn_reader_fail_in(
                reader, cnn_fail(CNN_ERR_INPUT, "missing argument `%s`; write %s", info->args[i].name, shown),
                mark, entry);
    if (op->kind == CNN_AUGMENT_RAND_AUGMENT && op->args[1][0] >= op->args[2][0])
        return cnn_reader_fail_in(
            reader,
            cnn_fail(CNN_ERR_INPUT, "`magnitude` is %g; allowed: 0 to %g (less than `num_magnitude_bins`)",
                     op->args[1][0], op->args[2][0] - 1),
            mark, entry);
    return CNN_OK;
}

// The argument that a value without a name is for: the first, where it is a chance or all others only say
// how. NULL: none.
static const struct cnn_augment_arg *unnamed_arg(const struct cnn_augment_info *info) {
    static const char *const manners[] = {"p",    "interpolation", "fill",  "padding_mode", "value",
                                          "gain", "degrees_y",     "holes", "salt",         "mean"};
    if (strcmp(info->args[0].name, "p") == 0)
        return &info->args[0];
    for (int i = 1; i < info->n_args; i++) {
        bool is_manner = false;
        for (size_t m = 0; m < sizeof manners / sizeof *manners; m++)
            is_manner |= strcmp(info->args[i].name, manners[m]) == 0;
        if (!is_manner)
            return NULL;
    }
    return &info->args[0];
}

// The value behind `name:`. NULL: the name stands alone.
static enum cnn_status read_value(struct reading *reading, const yaml_node_t *node, struct cnn_augment *op,
                                  const char *entry) {
    char shown[CNN_EXPECTED_BYTES], found[CNN_FOUND_BYTES];
    const struct cnn_augment_info *info = &cnn_augment_table[op->kind];
    struct cnn_scalar scalar = {"x", 1, false};
    if (node && node->type == YAML_SCALAR_NODE)
        scalar = cnn_node_scalar(node);
    if (!node || cnn_scalar_is_null(&scalar))
        return CNN_OK;
    if (node->type == YAML_MAPPING_NODE)
        return read_args(reading, node, op, entry);
    if (unnamed_arg(info))
        return read_arg(reading, unnamed_arg(info), node, op, entry);
    usage(shown, sizeof shown, info);
    cnn_node_found(found, node);
    return cnn_reader_fail_in(reading->reader,
                              cnn_fail(CNN_ERR_INPUT, "found %s; arguments need names: %s", found, shown),
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

// A random augmentation where only fixed ones may stand.
static enum cnn_status refuse_random(struct cnn_reader *reader, const struct cnn_augment *op,
                                     yaml_mark_t mark, const char *path) {
    char fixed[CNN_EXPECTED_BYTES] = "";
    const struct cnn_augment_info *info = &cnn_augment_table[op->kind];
    for (int i = 0; i < CNN_N_AUGMENTS; i++) {
        struct cnn_augment other = cnn_augment_default((enum cnn_augment_kind)i);
        if (!cnn_augment_is_random(&other) && cnn_augment_arg_index(other.kind, "p") < 0)
            cnn_append(fixed, sizeof fixed, "%s%s", *fixed ? ", " : "", cnn_augment_table[i].name);
    }
    return cnn_reader_fail_in(
        reader,
        cnn_fail(CNN_ERR_INPUT,
                 "found `%s`, which is random; evaluation must be deterministic; allowed: %s%s", info->name,
                 fixed,
                 info->is_random ? "" : ", and this one with `p: 1` and single values instead of ranges"),
        mark, path);
}

// The name of an entry and what stands behind it, NULL where there is nothing.
static enum cnn_status split_entry(struct cnn_reader *reader, const yaml_node_t *node,
                                   const yaml_node_t **out_name, const yaml_node_t **out_value,
                                   const char *path) {
    *out_name = node;
    *out_value = NULL;
    if (node->type != YAML_MAPPING_NODE)
        return CNN_OK;
    size_t pairs = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    if (pairs != 1)
        return cnn_reader_fail_in(
            reader,
            cnn_fail(CNN_ERR_INPUT, "found %zu names in one entry; start each augmentation with `- `", pairs),
            node->start_mark, path);
    *out_name = cnn_reader_node(reader, node->data.mapping.pairs.start->key);
    *out_value = cnn_reader_node(reader, node->data.mapping.pairs.start->value);
    return CNN_OK;
}

static enum cnn_status read_entry(struct reading *reading, const yaml_node_t *node, const char *path) {
    const yaml_node_t *name, *value;
    char entry[CNN_PATH_BYTES];
    struct cnn_reader *reader = reading->reader;
    CNN_TRY(split_entry(reader, node, &name, &value, path));
    int kind = find_kind(name);
    if (kind < 0)
        return cnn_reader_fail_in(reader, CNN_ERR_INPUT, name->start_mark, path);
    if (reading->list->n == CNN_AUGMENT_MAX_OPS)
        return cnn_reader_fail_in(reader,
                                  cnn_fail(CNN_ERR_INPUT,
                                           "too many augmentations; allowed: at most %d, including nested "
                                           "ones",
                                           CNN_AUGMENT_MAX_OPS),
                                  name->start_mark, path);
    struct cnn_augment *op = &reading->list->ops[reading->list->n++];
    *op = cnn_augment_default((enum cnn_augment_kind)kind);
    snprintf(entry, sizeof entry, "%.130s.%s", path, cnn_augment_table[kind].name);
    CNN_TRY(read_value(reading, value, op, entry));
    CNN_TRY(check_args(reader, op, name->start_mark, entry));
    if (reading->only_fixed && cnn_augment_is_random(op))
        return refuse_random(reader, op, name->start_mark, path);
    return CNN_OK;
}

// Goes as deep as the limit at most.
static enum cnn_status read_list(struct reading *reading, const yaml_node_t *node, const char *path,
                                 int *out_n) {
    struct cnn_reader *reader = reading->reader;
    size_t n = node->type == YAML_SEQUENCE_NODE ? length_of(node) : 0;
    if (node->type != YAML_SEQUENCE_NODE)
        return cnn_reader_fail_in(
            reader, cnn_node_refuse(node, "a list with one augmentation per line, each starting with `- `"),
            node->start_mark, path);
    if (reading->depth > CNN_AUGMENT_MAX_DEPTH)
        return cnn_reader_fail_in(
            reader, cnn_fail(CNN_ERR_INPUT, "lists are nested more than %d deep", CNN_AUGMENT_MAX_DEPTH),
            node->start_mark, path);
    for (size_t i = 0; i < n; i++) {
        char item[CNN_PATH_BYTES];
        snprintf(item, sizeof item, "%.130s[%zu]", path, i);
        CNN_TRY(read_entry(reading, item_of(reader, node, i), item));
    }
    *out_n = (int)n;
    return CNN_OK;
}

enum cnn_status cnn_reader_augments(struct cnn_reader *reader, struct cnn_augment_list *out,
                                    const yaml_node_t *node, const char *path) {
    struct reading reading = {.reader = reader, .list = out, .only_fixed = strcmp(path, "augment.eval") == 0};
    int n;
    memset(out, 0, sizeof *out);
    return read_list(&reading, node, path, &n);
}
