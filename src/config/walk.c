// The walk over a YAML document along the table of options.
#include "config/reader.h"

#include "base/suggest.h"

#include <string.h>

#define MAX_KEYS 32
#define MAX_SECTION_DEPTH 8

struct cnn_scalar cnn_node_scalar(const yaml_node_t *node) {
    return (struct cnn_scalar){
        .text = (const char *)node->data.scalar.value,
        .bytes = node->data.scalar.length,
        .quoted = node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE,
    };
}

void cnn_node_found(char out[CNN_FOUND_BYTES], const yaml_node_t *node) {
    if (node->type == YAML_SCALAR_NODE)
        cnn_format_found(out, (const char *)node->data.scalar.value, node->data.scalar.length);
    else
        strcpy(out, node->type == YAML_SEQUENCE_NODE ? "a list" : "a mapping");
}

enum cnn_status cnn_fail_unknown(const char *kind, const char *word, size_t bytes, const char *const *names,
                                 size_t n) {
    char found[CNN_FOUND_BYTES], allowed[768] = "", hint[96] = "";
    const char *nearest = strlen(word) == bytes ? cnn_suggest(word, names, n) : NULL;
    cnn_format_found(found, word, bytes);
    for (size_t i = 0; i < n; i++)
        cnn_append(allowed, sizeof allowed, "%s%s", i ? ", " : "", names[i]);
    if (nearest)
        snprintf(hint, sizeof hint, ", did you mean `%s`?", nearest);
    return cnn_fail(CNN_ERR_INPUT, "unknown %s %s%s Allowed: %s", kind, found, nearest ? hint : ".", allowed);
}

// The option whose path ends with this key, when there is exactly one: momentum -> train.optimizer.momentum.
static const struct cnn_option *option_ending(const char *key) {
    const struct cnn_option *found = NULL;
    size_t bytes = strlen(key);
    for (size_t i = 0; i < CNN_N_OPTIONS; i++) {
        const char *path = cnn_option_table[i].path;
        size_t n = strlen(path);
        if (n <= bytes || path[n - bytes - 1] != '.' || strcmp(path + n - bytes, key) != 0)
            continue;
        if (found)
            return NULL;
        found = &cnn_option_table[i];
    }
    return found;
}

// The message for a key that `section` does not have.
static enum cnn_status fail_unknown_key(const char *section, const char *key, size_t bytes) {
    struct cnn_key keys[MAX_KEYS];
    char words[MAX_KEYS][32];
    const char *names[MAX_KEYS];
    size_t n = cnn_option_keys(section, keys, MAX_KEYS);
    for (size_t i = 0; i < n; i++) {
        snprintf(words[i], sizeof words[i], "%.*s", (int)keys[i].bytes, keys[i].start);
        names[i] = words[i];
    }
    const struct cnn_option *elsewhere = bytes && strlen(key) == bytes ? option_ending(key) : NULL;
    const struct cnn_option *dotted = strlen(key) == bytes && *section == '\0' ? cnn_option_find(key) : NULL;
    if (dotted)
        return cnn_fail(CNN_ERR_INPUT,
                        "keys do not contain dots; write `%.*s:` and the rest of the path indented below it",
                        (int)strcspn(key, "."), key);
    if (elsewhere && !cnn_suggest(key, names, n))
        return cnn_fail(CNN_ERR_INPUT, "unknown key `%s`, did you mean `%s`?", key, elsewhere->path);
    return cnn_fail_unknown("key", key, bytes, names, n);
}

static enum cnn_status read_list(struct cnn_reader *reader, const struct cnn_option *option,
                                 const yaml_node_t *node) {
    char allowed[320];
    struct cnn_config *config = reader->config;
    size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    bool is_stats = option->type == CNN_OPTION_STATS;
    cnn_option_expected(allowed, sizeof allowed, option);
    if (is_stats ? n != 1 && n != 3 : n > CNN_MAX_MILESTONES)
        return cnn_reader_fail_in(reader,
                                  cnn_fail(CNN_ERR_INPUT, "found a list of %zu; allowed: %s", n, allowed),
                                  node->start_mark, option->path);
    memset(cnn_option_field(config, option), 0, option->bytes);
    for (size_t i = 0; i < n; i++) {
        char path[CNN_PATH_BYTES];
        const yaml_node_t *item = cnn_reader_node(reader, node->data.sequence.items.start[i]);
        snprintf(path, sizeof path, "%s[%zu]", option->path, i);
        struct cnn_scalar scalar = {"", 0, false};
        if (item->type == YAML_SCALAR_NODE)
            scalar = cnn_node_scalar(item);
        enum cnn_status status;
        if (item->type != YAML_SCALAR_NODE)
            status = cnn_fail(CNN_ERR_INPUT, "found a nested list or mapping; allowed: %s", allowed);
        else if (is_stats)
            status = cnn_value_number((double *)cnn_option_field(config, option) + i, &scalar, false,
                                      option->bounds);
        else
            status = cnn_value_duration((struct cnn_duration *)cnn_option_field(config, option) + i, &scalar,
                                        allowed);
        if (status != CNN_OK)
            return cnn_reader_fail_in(reader, status, item->start_mark, path);
    }
    if (!is_stats)
        *(int *)((char *)config + option->count_offset) = (int)n;
    return CNN_OK;
}

// One number of `mean` or `std` stands for every channel.
static void finish_stats(struct cnn_reader *reader, const struct cnn_option *option, size_t n) {
    double *values = cnn_option_field(reader->config, option);
    bool *has = values == reader->config->data.mean ? &reader->has_mean : &reader->has_std;
    *has = n > 0;
    if (n == 1)
        values[1] = values[2] = values[0];
}

static size_t list_length(const yaml_node_t *node) {
    return (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
}

static enum cnn_status read_scalar(struct cnn_reader *reader, const struct cnn_option *option,
                                   const yaml_node_t *node) {
    struct cnn_scalar scalar = cnn_node_scalar(node);
    if (option->type == CNN_OPTION_STATS && !cnn_scalar_is(&scalar, "auto")) {
        double *values = cnn_option_field(reader->config, option);
        CNN_TRY(cnn_value_number(values, &scalar, false, option->bounds));
        finish_stats(reader, option, 1);
        return CNN_OK;
    }
    CNN_TRY(cnn_value_read(reader->config, option, &scalar));
    if (option->type == CNN_OPTION_STATS)
        finish_stats(reader, option, 0);
    return CNN_OK;
}

static enum cnn_status read_option(struct cnn_reader *reader, const struct cnn_option *option,
                                   const yaml_node_t *node) {
    char allowed[320], found[CNN_FOUND_BYTES];
    bool is_list_option = option->type == CNN_OPTION_DURATIONS || option->type == CNN_OPTION_STATS;
    if (option->type == CNN_OPTION_AUGMENTS) {
        CNN_TRY(cnn_reader_augments(reader, cnn_option_field(reader->config, option), node, option->path));
    } else if (option->type == CNN_OPTION_PHASES) {
        CNN_TRY(cnn_reader_phases(reader, option, node));
    } else if (node->type == YAML_SEQUENCE_NODE && is_list_option) {
        CNN_TRY(read_list(reader, option, node));
        if (option->type == CNN_OPTION_STATS)
            finish_stats(reader, option, list_length(node));
    } else if (node->type == YAML_SCALAR_NODE) {
        enum cnn_status status = read_scalar(reader, option, node);
        if (status != CNN_OK)
            return cnn_reader_fail_in(reader, status, node->start_mark, option->path);
    } else {
        cnn_option_expected(allowed, sizeof allowed, option);
        cnn_node_found(found, node);
        return cnn_reader_fail_in(reader, cnn_fail(CNN_ERR_INPUT, "found %s; allowed: %s", found, allowed),
                                  node->start_mark, option->path);
    }
    reader->places[option - cnn_option_table] =
        (struct cnn_place){reader->is_override, node->start_mark.line + 1, node->start_mark.column + 1};
    return CNN_OK;
}

// A section being read. The stack of them is as deep as the table's paths, whatever the YAML holds: a key
// that leads nowhere is an error before it is followed.
struct level {
    yaml_node_t *node;
    yaml_node_pair_t *next;
    char path[CNN_PATH_BYTES];
};

static bool is_same_key(const yaml_node_t *a, const yaml_node_t *b) {
    return a->data.scalar.length == b->data.scalar.length &&
           memcmp(a->data.scalar.value, b->data.scalar.value, a->data.scalar.length) == 0;
}

// Earlier keys of a section were known and different, so there are few of them.
static enum cnn_status check_duplicate(const struct cnn_reader *reader, const struct level *level,
                                       const yaml_node_t *key) {
    for (yaml_node_pair_t *pair = level->node->data.mapping.pairs.start; pair < level->next; pair++) {
        const yaml_node_t *earlier = cnn_reader_node(reader, pair->key);
        if (is_same_key(earlier, key))
            return cnn_fail(CNN_ERR_INPUT, "duplicate key `%s`; it was first set in line %zu",
                            (const char *)key->data.scalar.value, earlier->start_mark.line + 1);
    }
    return CNN_OK;
}

// The path of `key` inside a level, or an error without a place.
static enum cnn_status key_path(const struct cnn_reader *reader, const struct level *level,
                                const yaml_node_t *key, char out[CNN_PATH_BYTES]) {
    if (key->type != YAML_SCALAR_NODE)
        return cnn_fail(CNN_ERR_INPUT, "found a list or mapping instead of a key");
    const char *text = (const char *)key->data.scalar.value;
    size_t bytes = key->data.scalar.length;
    const char *dot = *level->path ? "." : "";
    bool is_name = bytes > 0 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == bytes;
    int n = snprintf(out, CNN_PATH_BYTES, "%s%s%s", level->path, dot, text);
    bool is_known = is_name && n < CNN_PATH_BYTES && (cnn_option_find(out) || cnn_option_is_section(out));
    if (!is_known)
        return fail_unknown_key(level->path, text, bytes);
    return check_duplicate(reader, level, key);
}

static enum cnn_status enter(struct cnn_reader *reader, struct level *level, yaml_node_t *node,
                             const char *path) {
    struct cnn_key keys[MAX_KEYS];
    char found[CNN_FOUND_BYTES], names[256] = "";
    static yaml_node_pair_t nothing[1];
    struct cnn_scalar scalar = {"x", 1, false};
    if (node->type == YAML_SCALAR_NODE)
        scalar = cnn_node_scalar(node);
    snprintf(level->path, sizeof level->path, "%s", path);
    level->node = node;
    level->next = node->type == YAML_MAPPING_NODE ? node->data.mapping.pairs.start : nothing;
    // `train:` with every line below it commented out sets nothing and is fine.
    if (node->type == YAML_MAPPING_NODE || cnn_scalar_is_null(&scalar))
        return CNN_OK;
    size_t n = cnn_option_keys(path, keys, MAX_KEYS);
    for (size_t i = 0; i < n; i++)
        cnn_append(names, sizeof names, "%s%.*s", i ? ", " : "", (int)keys[i].bytes, keys[i].start);
    cnn_node_found(found, node);
    return cnn_reader_fail_in(reader,
                              cnn_fail(CNN_ERR_INPUT, "found %s; allowed: a mapping of %s", found, names),
                              node->start_mark, path);
}

static bool is_finished(const struct level *level) {
    return level->node->type != YAML_MAPPING_NODE || level->next >= level->node->data.mapping.pairs.top;
}

enum cnn_status cnn_reader_walk(struct cnn_reader *reader, yaml_node_t *root, const char *path) {
    struct level levels[MAX_SECTION_DEPTH];
    int depth = 0;
    const struct cnn_option *option = cnn_option_find(path);
    if (option)
        return read_option(reader, option, root);
    CNN_TRY(enter(reader, &levels[0], root, path));
    while (depth >= 0) {
        struct level *level = &levels[depth];
        if (is_finished(level)) {
            depth--;
            continue;
        }
        char key[CNN_PATH_BYTES];
        const yaml_node_t *key_node = cnn_reader_node(reader, level->next->key);
        yaml_node_t *value = cnn_reader_node(reader, level->next->value);
        enum cnn_status status = key_path(reader, level, key_node, key);
        if (status != CNN_OK)
            return cnn_reader_fail_in(reader, status, key_node->start_mark, level->path);
        level->next++;
        option = cnn_option_find(key);
        if (option)
            CNN_TRY(read_option(reader, option, value));
        else
            CNN_TRY(enter(reader, &levels[++depth], value, key));
    }
    return CNN_OK;
}
