// The datasets of a run, opened and checked against the config.
#ifndef CNN_TRAIN_INPUTS_H
#define CNN_TRAIN_INPUTS_H
#include "config/config.h"
#include "data/dataset.h"
#include <cnn_dist/status.h>

struct cnn_inputs {
    struct cnn_dataset *train, *val; // val: NULL where the config names none
    int channels;                    // of the pictures the network sees: 1 or 3
    int classes;
    char *class_names; // JSON list
};
// Opens data.train and data.val, resolves channels and classes, and checks every label. Errors
// name the option. On failure nothing stays open. Not collective.
enum cnn_status cnn_inputs_open(struct cnn_inputs *out, const struct cnn_config *config) CNN_MUST_CHECK;
void cnn_inputs_close(struct cnn_inputs *inputs);

// Opens one dataset to evaluate on: its labels must lie below `classes`. `option` stands for the path in
// messages.
enum cnn_status cnn_inputs_open_checked(struct cnn_dataset **out, const char *option, const char *path,
                                        int classes) CNN_MUST_CHECK;

#endif
