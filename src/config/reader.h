// What is being read and where: one reader goes over the file, then over every --set, and then checks the
// whole. Private to config/.
#ifndef CNN_CONFIG_READER_H
#define CNN_CONFIG_READER_H
#include "config/options.h"
#include "config/value.h"
#include "config/words.h"
#include <yaml.h>

#define CNN_CONFIG_LIMIT_BYTES ((size_t)1 << 20)
#define CNN_CONFIG_MAX_DEPTH 32
#define CNN_CONFIG_MAX_NODES 20000
#define CNN_PATH_BYTES 160 // of a key path in messages; lists inside lists are cut

// Where a value was given last; all zero: nowhere, it has its default.
struct cnn_place {
    bool is_override;
    size_t line, column; // from 1; of the file
};

struct cnn_reader {
    struct cnn_config *config;
    const char *name;         // of the file
    bool is_override;         // a --set is being read
    yaml_document_t document; // of the file or of the --set's value
    struct cnn_place places[CNN_N_OPTIONS];
    bool has_mean, has_std;
};

// Puts the place of `node` and the key's path in front of this thread's message: "FILE:2:3: train.epochs:
// ..." or
// "--set train.epochs: ...". Returns `status`.
enum cnn_status cnn_reader_fail_in(const struct cnn_reader *reader, enum cnn_status status, yaml_mark_t mark,
                                   const char *path);
// The same for an option already read, wherever its value came from.
enum cnn_status cnn_reader_fail_option(const struct cnn_reader *reader, enum cnn_status status,
                                       const char *path);

// Loads YAML text into reader->document, refusing what is not one UTF-8 document within the limits above.
// `path` stands in the messages of a --set. On success the caller deletes the document.
enum cnn_status cnn_reader_load(struct cnn_reader *reader, const char *text, size_t bytes,
                                const char *path) CNN_MUST_CHECK;

// Reads `node` as the value of `path`: a section ("" is the file) or an option.
enum cnn_status cnn_reader_walk(struct cnn_reader *reader, yaml_node_t *node,
                                const char *path) CNN_MUST_CHECK;

// Reads `node` as a list of augmentations.
enum cnn_status cnn_reader_augments(struct cnn_reader *reader, struct cnn_augment_list *out,
                                    const yaml_node_t *node, const char *path) CNN_MUST_CHECK;

// One argument of them, whose values are numbers: all types but CNN_ARG_OPS; of CNN_ARG_WEIGHTS a single one.
enum cnn_status cnn_reader_augment_arg(struct cnn_reader *reader, const struct cnn_augment_arg *arg,
                                       const yaml_node_t *node, double out[3],
                                       const char *path) CNN_MUST_CHECK;
// Sets the message "found ...; allowed: ALLOWED" for a node of any kind.
enum cnn_status cnn_node_refuse(const yaml_node_t *node, const char *allowed);

// Reads `node` as the phases of training.
enum cnn_status cnn_reader_phases(struct cnn_reader *reader, const struct cnn_option *option,
                                  const yaml_node_t *node) CNN_MUST_CHECK;

// What one option alone cannot know: how it fits the others.
enum cnn_status cnn_reader_check(struct cnn_reader *reader) CNN_MUST_CHECK;

// "`abc`", "a list", "a mapping": what a message says was found.
void cnn_node_found(char out[CNN_FOUND_BYTES], const yaml_node_t *node);
struct cnn_scalar cnn_node_scalar(const yaml_node_t *node); // of a YAML_SCALAR_NODE
// Sets the message "unknown KIND `word`, did you mean `x`? Allowed: ...".
enum cnn_status cnn_fail_unknown(const char *kind, const char *word, size_t bytes, const char *const *names,
                                 size_t n);

static inline yaml_node_t *cnn_reader_node(const struct cnn_reader *reader, int index) {
    return yaml_document_get_node((yaml_document_t *)&reader->document, index);
}

#endif
