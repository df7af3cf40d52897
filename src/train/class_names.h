// What a network calls its classes: taken from the dataset it is trained on, kept in its checkpoints as a
// JSON list, and compared with every other dataset it meets (data/class_map.h).
#ifndef CNN_TRAIN_CLASS_NAMES_H
#define CNN_TRAIN_CLASS_NAMES_H
#include "comm/comm.h"
#include "data/class_map.h"
#include "data/dataset.h"
#include <cnn_dist/status.h>

struct cnn_class_names {
    int n;
    char **names; // n; NULL for a class without a name
};
// The list borrows the names.
struct cnn_class_list cnn_class_names_list(const struct cnn_class_names *names);

// Of a network with `n` classes that is trained on `dataset`: the dataset's first n names; further classes
// have none.
enum cnn_status cnn_class_names_of_dataset(struct cnn_class_names *out, const struct cnn_dataset *dataset,
                                           int n) CNN_MUST_CHECK;
// From a checkpoint's `class_names`: a JSON list of n strings or nulls, or an empty one. Anything else is
// CNN_ERR_INPUT.
enum cnn_status cnn_class_names_parse(struct cnn_class_names *out, const char *json, int n) CNN_MUST_CHECK;
// ["cat",null]; [] where no class has a name. *out is freed by the caller.
enum cnn_status cnn_class_names_json(char **out, const struct cnn_class_names *names) CNN_MUST_CHECK;
// Replaces the names of every rank by those of rank 0. Collective.
enum cnn_status cnn_class_names_broadcast(struct cnn_class_names *names,
                                          struct cnn_comm *comm) CNN_MUST_CHECK;
void cnn_class_names_finish(struct cnn_class_names *names);

// Puts `dataset` into the network's numbering, matched by name. *note: one line for the log about what a
// reader should know (classes renumbered, without images, compared by number), or NULL; freed by the caller.
// Not collective.
enum cnn_status cnn_class_names_match(const struct cnn_class_names *network, struct cnn_dataset *dataset,
                                      char **note) CNN_MUST_CHECK;

#endif
