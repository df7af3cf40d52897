// One argument of an augmentation -> its values: a number, a range, a pair, a size, a colour or a word.
#include "config/reader.h"

#include <math.h>

static size_t length_of(const yaml_node_t *sequence) {
    return (size_t)(sequence->data.sequence.items.top - sequence->data.sequence.items.start);
}

static const yaml_node_t *item_of(const struct cnn_reader *reader, const yaml_node_t *sequence, size_t i) {
    return cnn_reader_node(reader, sequence->data.sequence.items.start[i]);
}

enum cnn_status cnn_node_refuse(const yaml_node_t *node, const char *allowed) {
    char found[CNN_FOUND_BYTES];
    if (node->type == YAML_SCALAR_NODE) {
        struct cnn_scalar scalar = cnn_node_scalar(node);
        return cnn_value_refuse(&scalar, allowed);
    }
    cnn_node_found(found, node);
    return cnn_fail(CNN_ERR_INPUT, "found %s; allowed: %s", found, allowed);
}

static enum cnn_status read_number(struct cnn_reader *reader, const struct cnn_augment_arg *arg,
                                   const yaml_node_t *node, double *out, const char *path) {
    struct cnn_bounds bounds = {arg->least, arg->most, false, false};
    enum cnn_status status;
    if (node->type == YAML_SCALAR_NODE) {
        struct cnn_scalar scalar = cnn_node_scalar(node);
        status = cnn_value_number(out, &scalar, arg->whole, bounds);
        if (status == CNN_OK && arg->odd && fmod(*out, 2) == 0)
            status = cnn_value_refuse(&scalar, "an odd number");
    } else {
        status = cnn_node_refuse(node, "one number");
    }
    return status == CNN_OK ? CNN_OK : cnn_reader_fail_in(reader, status, node->start_mark, path);
}

static enum cnn_status fail_expected(struct cnn_reader *reader, const struct cnn_augment_arg *arg,
                                     const yaml_node_t *node, const char *path) {
    char allowed[CNN_EXPECTED_BYTES];
    cnn_augment_expected(allowed, arg);
    return cnn_reader_fail_in(reader, cnn_node_refuse(node, allowed), node->start_mark, path);
}

static enum cnn_status read_numbers(struct cnn_reader *reader, const struct cnn_augment_arg *arg,
                                    const yaml_node_t *node, double out[3], size_t n, const char *path) {
    if (node->type != YAML_SEQUENCE_NODE || length_of(node) != n)
        return fail_expected(reader, arg, node, path);
    for (size_t i = 0; i < n; i++)
        CNN_TRY(read_number(reader, arg, item_of(reader, node, i), &out[i], path));
    return CNN_OK;
}

// One number x, for the range it stands for.
static enum cnn_status read_spread(struct cnn_reader *reader, const struct cnn_augment_arg *arg,
                                   const yaml_node_t *node, double out[3], const char *path) {
    struct cnn_augment_arg one = *arg;
    double centre = arg->spread == CNN_SPREAD_ONE ? 1 : 0;
    if (arg->spread != CNN_SPREAD_POINT) {
        one.least = 0;
        one.most = arg->most - centre;
    }
    CNN_TRY(read_number(reader, &one, node, &out[0], path));
    out[1] = out[0];
    if (arg->spread == CNN_SPREAD_POINT)
        return CNN_OK;
    out[0] = fmax(centre - out[1], arg->least);
    out[1] = centre + out[1];
    return CNN_OK;
}

static enum cnn_status read_range(struct cnn_reader *reader, const struct cnn_augment_arg *arg,
                                  const yaml_node_t *node, double out[3], const char *path) {
    if (node->type == YAML_SCALAR_NODE && arg->spread != CNN_SPREAD_NONE)
        return read_spread(reader, arg, node, out, path);
    CNN_TRY(read_numbers(reader, arg, node, out, 2, path));
    if (out[0] > out[1])
        return cnn_reader_fail_in(reader,
                                  cnn_fail(CNN_ERR_INPUT,
                                           "the range ends below its start; write [low, high] with low <= "
                                           "high"),
                                  node->start_mark, path);
    return CNN_OK;
}

// One number for all, or `n` of them.
static enum cnn_status read_one_or(struct cnn_reader *reader, const struct cnn_augment_arg *arg,
                                   const yaml_node_t *node, double out[3], size_t n, const char *path) {
    if (node->type == YAML_SEQUENCE_NODE)
        return read_numbers(reader, arg, node, out, n, path);
    CNN_TRY(read_number(reader, arg, node, &out[0], path));
    for (size_t i = 1; i < n; i++)
        out[i] = out[0];
    return CNN_OK;
}

static enum cnn_status read_choice(struct cnn_reader *reader, const struct cnn_augment_arg *arg,
                                   const yaml_node_t *node, double out[3], const char *path) {
    struct cnn_scalar scalar = {"", 0, false};
    size_t n = 0;
    if (node->type == YAML_SCALAR_NODE)
        scalar = cnn_node_scalar(node);
    for (; arg->words[n]; n++)
        if (cnn_scalar_is(&scalar, arg->words[n])) {
            out[0] = out[1] = (double)n;
            return CNN_OK;
        }
    return cnn_reader_fail_in(reader, cnn_fail_unknown(arg->name, scalar.text, scalar.bytes, arg->words, n),
                              node->start_mark, path);
}

enum cnn_status cnn_reader_augment_arg(struct cnn_reader *reader, const struct cnn_augment_arg *arg,
                                       const yaml_node_t *node, double out[3], const char *path) {
    switch (arg->type) {
    case CNN_ARG_RANGE:
        return read_range(reader, arg, node, out, path);
    case CNN_ARG_PAIR:
    case CNN_ARG_SIZE:
        return read_one_or(reader, arg, node, out, 2, path);
    case CNN_ARG_COLOR:
        return read_one_or(reader, arg, node, out, 3, path);
    case CNN_ARG_CHOICE:
        return read_choice(reader, arg, node, out, path);
    default:
        CNN_TRY(read_number(reader, arg, node, &out[0], path));
        out[1] = out[0];
        return CNN_OK;
    }
}
