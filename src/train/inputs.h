// The datasets of a run, opened and checked against the config, with their classes in the network's
// numbering.
#ifndef CNN_TRAIN_INPUTS_H
#define CNN_TRAIN_INPUTS_H
#include "config/config.h"
#include "data/dataset.h"
#include "train/class_names.h"
#include <cnn_dist/status.h>
#include <stdbool.h>

struct cnn_inputs {
    struct cnn_dataset *train, *val; // val: NULL where the config names none
    int channels;                    // of the images the network sees: 1 or 3
    int classes;                     // of the network
    struct cnn_class_names names;    // of these classes
    char *class_names;               // the same as a JSON list
    char *train_note, *val_note;     // what the log should say about their classes; NULL: nothing
};
// Opens data.train and data.val and resolves channels. Errors name the option. On failure nothing stays open.
// Not collective.
enum cnn_status cnn_inputs_open(struct cnn_inputs *out, const struct cnn_config *config) CNN_MUST_CHECK;
// Decides which classes the network has and puts both datasets into its numbering: those of data.train and
// model.classes; or, `resumed`, the checkpoint's, which are in inputs->names. A resumed run needs all of its
// classes in data.train, in any order. Classes the network does not know are CNN_ERR_INPUT. Not collective.
enum cnn_status cnn_inputs_match(struct cnn_inputs *inputs, const struct cnn_config *config,
                                 bool resumed) CNN_MUST_CHECK;
// Logs the notes as warnings.
void cnn_inputs_report(const struct cnn_inputs *inputs);
void cnn_inputs_close(struct cnn_inputs *inputs);

// One dataset to evaluate on; `option` stands for it in messages. Not collective.
enum cnn_status cnn_inputs_open_one(struct cnn_dataset **out, const char *option,
                                    const char *path) CNN_MUST_CHECK;
// Puts it into the numbering of a network. `reports`: logs what a reader should know.
enum cnn_status cnn_inputs_match_one(struct cnn_dataset *dataset, const char *option,
                                     const struct cnn_class_names *network, bool reports) CNN_MUST_CHECK;

#endif
