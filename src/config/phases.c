// train.phases: reading the list, and what a phase makes of the config.
#include "config/reader.h"

#include <math.h>
#include <string.h>

enum key { KEY_UNTIL, KEY_SIZE, KEY_BATCH, KEY_MICRO, N_KEYS };
static const char *const keys[N_KEYS] = {"until", "size", "batch", "micro"};

static enum cnn_status fail_at(struct cnn_reader *reader, enum cnn_status status, const yaml_node_t *node,
                               const char *path) {
    return cnn_reader_fail_in(reader, status, node->start_mark, path);
}

static struct cnn_scalar scalar_of(const yaml_node_t *node) {
    return node->type == YAML_SCALAR_NODE ? cnn_node_scalar(node) : (struct cnn_scalar){"", 0, false};
}

static enum cnn_status read_until(struct cnn_reader *reader, const yaml_node_t *node, struct cnn_phase *phase,
                                  const char *path) {
    static const char allowed[] = "a whole number of epochs, counted from the start, such as `30 epochs`";
    struct cnn_duration until = {0};
    struct cnn_scalar scalar = scalar_of(node);
    enum cnn_status status = node->type == YAML_SCALAR_NODE ? cnn_value_duration(&until, &scalar, allowed)
                                                            : cnn_node_refuse(node, allowed);
    if (status == CNN_OK && (until.unit != CNN_EPOCHS || floor(until.count) != until.count))
        status = cnn_node_refuse(node, allowed);
    if (status != CNN_OK)
        return fail_at(reader, status, node, path);
    phase->until = (int)until.count;
    return CNN_OK;
}

static enum cnn_status read_size(struct cnn_reader *reader, const yaml_node_t *node, struct cnn_phase *phase,
                                 const char *path) {
    const struct cnn_augment_info *crop = &cnn_augment_table[CNN_AUGMENT_RANDOM_RESIZED_CROP];
    double size[3];
    CNN_TRY(cnn_reader_augment_arg(reader, &crop->args[0], node, size, path));
    phase->height = (int)size[0];
    phase->width = (int)size[1];
    return CNN_OK;
}

// Within what `option` allows.
static enum cnn_status read_count(struct cnn_reader *reader, const yaml_node_t *node, int *out,
                                  const char *option, const char *path) {
    double number = 0;
    struct cnn_scalar scalar = scalar_of(node);
    enum cnn_status status = node->type == YAML_SCALAR_NODE
                                 ? cnn_value_number(&number, &scalar, true, cnn_option_find(option)->bounds)
                                 : cnn_node_refuse(node, "a whole number");
    if (status != CNN_OK)
        return fail_at(reader, status, node, path);
    *out = (int)number;
    return CNN_OK;
}

static enum cnn_status read_micro(struct cnn_reader *reader, const yaml_node_t *node, struct cnn_phase *phase,
                                  const char *path) {
    struct cnn_scalar scalar = scalar_of(node);
    if (cnn_scalar_is(&scalar, "auto")) {
        phase->micro = CNN_PHASE_MICRO_AUTO;
        return CNN_OK;
    }
    return read_count(reader, node, &phase->micro, "train.batch.micro", path);
}

static enum cnn_status read_key(struct cnn_reader *reader, enum key key, const yaml_node_t *node,
                                struct cnn_phase *phase, const char *entry) {
    char path[CNN_PATH_BYTES];
    snprintf(path, sizeof path, "%.100s.%s", entry, keys[key]);
    switch (key) {
    case KEY_UNTIL:
        return read_until(reader, node, phase, path);
    case KEY_SIZE:
        return read_size(reader, node, phase, path);
    case KEY_BATCH:
        return read_count(reader, node, &phase->batch, "train.batch.global", path);
    default:
        return read_micro(reader, node, phase, path);
    }
}

static enum cnn_status find_key(enum key *out, const yaml_node_t *node) {
    struct cnn_scalar scalar = scalar_of(node);
    for (int i = 0; i < N_KEYS; i++)
        if (cnn_scalar_is(&scalar, keys[i])) {
            *out = (enum key)i;
            return CNN_OK;
        }
    return cnn_fail_unknown("key", scalar.text, scalar.bytes, keys, N_KEYS);
}

static enum cnn_status read_phase(struct cnn_reader *reader, const yaml_node_t *node, struct cnn_phase *phase,
                                  const char *path) {
    bool given[N_KEYS] = {false};
    if (node->type != YAML_MAPPING_NODE)
        return fail_at(reader, cnn_node_refuse(node, "a mapping of until, size, batch, micro"), node, path);
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = cnn_reader_node(reader, pair->key);
        enum key key = KEY_UNTIL;
        enum cnn_status status = find_key(&key, name);
        if (status == CNN_OK && given[key])
            status = cnn_fail(CNN_ERR_INPUT, "duplicate key `%s`", keys[key]);
        if (status != CNN_OK)
            return fail_at(reader, status, name, path);
        given[key] = true;
        CNN_TRY(read_key(reader, key, cnn_reader_node(reader, pair->value), phase, path));
    }
    if (given[KEY_UNTIL])
        return CNN_OK;
    return fail_at(reader,
                   cnn_fail(CNN_ERR_INPUT, "missing key `until`; it gives the end of the phase, such as "
                                           "`until: 30 epochs`"),
                   node, path);
}

enum cnn_status cnn_reader_phases(struct cnn_reader *reader, const struct cnn_option *option,
                                  const yaml_node_t *node) {
    char allowed[320];
    struct cnn_phase phases[CNN_MAX_PHASES];
    const size_t most = CNN_MAX_PHASES;
    cnn_option_expected(allowed, sizeof allowed, option);
    if (node->type != YAML_SEQUENCE_NODE)
        return fail_at(reader, cnn_node_refuse(node, allowed), node, option->path);
    size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (n > most)
        return fail_at(reader, cnn_fail(CNN_ERR_INPUT, "found a list of %zu; allowed: %s", n, allowed), node,
                       option->path);
    memset(phases, 0, sizeof phases);
    for (size_t i = 0; i < n; i++) {
        char path[CNN_PATH_BYTES];
        const yaml_node_t *item = cnn_reader_node(reader, node->data.sequence.items.start[i]);
        snprintf(path, sizeof path, "%s[%zu]", option->path, i);
        CNN_TRY(read_phase(reader, item, &phases[i], path));
        int before = i > 0 ? phases[i - 1].until : 0;
        if (phases[i].until <= before)
            return fail_at(
                reader,
                cnn_fail(CNN_ERR_INPUT,
                         "the phase ends after %d epoch%s but begins after %d; `until` counts from the "
                         "start of training and must increase",
                         phases[i].until, phases[i].until == 1 ? "" : "s", before),
                item, path);
    }
    memcpy(cnn_option_field(reader->config, option), phases, sizeof phases);
    *(int *)((char *)reader->config + option->count_offset) = (int)n;
    return CNN_OK;
}

// ---- the config of a phase ----

static bool is_sized(const struct cnn_augment *op) {
    return op->kind == CNN_AUGMENT_RANDOM_RESIZED_CROP || op->kind == CNN_AUGMENT_RANDOM_CROP ||
           op->kind == CNN_AUGMENT_CENTER_CROP || op->kind == CNN_AUGMENT_CROP ||
           op->kind == CNN_AUGMENT_RESIZE_EXACT || op->kind == CNN_AUGMENT_FIT;
}

static bool holds_sized(const struct cnn_augment *op) {
    bool found = is_sized(op);
    for (int i = 1; i <= cnn_augment_span(op); i++)
        found |= is_sized(op + i);
    return found;
}

// The last of the entries from `op` to `end` that sets a size; of a choice, the last of every alternative. As
// deep as lists lie inside lists, which the reader limits.
static bool set_size(struct cnn_augment *op, struct cnn_augment *end, int height, int width) {
    struct cnn_augment *last = NULL;
    for (; op < end; op += 1 + cnn_augment_span(op))
        if (holds_sized(op))
            last = op;
    if (!last)
        return false;
    struct cnn_augment *inside = last + 1, *inside_end = inside + cnn_augment_span(last);
    if (is_sized(last)) {
        last->args[0][0] = height;
        last->args[0][1] = width;
    } else if (last->kind == CNN_AUGMENT_RANDOM_CHOICE) {
        for (; inside < inside_end; inside += 1 + cnn_augment_span(inside))
            (void)set_size(inside, inside + 1 + cnn_augment_span(inside), height, width);
    } else {
        return set_size(inside, inside_end, height, width);
    }
    return true;
}

enum cnn_status cnn_config_for_phase(struct cnn_config *config, int phase) {
    if (phase >= config->train.n_phases)
        return CNN_OK;
    const struct cnn_phase *own = &config->train.phases[phase];
    struct cnn_augment_list *list = &config->augment.train;
    if (own->height > 0 && !set_size(list->ops, list->ops + list->n, own->height, own->width))
        return cnn_fail(CNN_ERR_INPUT, "`size` has no effect: augment.train needs random_resized_crop, "
                                       "random_crop, center_crop, crop, fit "
                                       "or resize_exact");
    if (own->batch > 0)
        config->train.batch.global = own->batch;
    if (own->micro != 0)
        config->train.batch.micro = own->micro == CNN_PHASE_MICRO_AUTO ? CNN_AUTO : own->micro;
    return CNN_OK;
}
