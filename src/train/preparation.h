// How a stored picture becomes the network's input outside training. Evaluation, prediction and the views of
// test-time augmentation all take it from here, so that a network sees a picture in the same way in each.
#ifndef CNN_TRAIN_PREPARATION_H
#define CNN_TRAIN_PREPARATION_H
#include "config/config.h"
#include "data/dataset.h"
#include "image/image.h"
#include "train/record.h"

struct cnn_preparation {
    struct cnn_augment_list list; // turns a picture of any size into one of height x width
    int height, width, channels;  // of the network's input
};

// From the config and the facts of a checkpoint. Where augment.eval sets a size of its own, the list is
// augment.eval. Where it does not (an empty list, a flip), it relies on the size in which pictures were
// stored: `fit` to that size comes first, which leaves pictures of that size as they are. `dataset`: what is
// evaluated; NULL in prediction. CNN_ERR_INPUT where no size is known. Not collective.
enum cnn_status cnn_preparation_make(struct cnn_preparation *out, const struct cnn_config *config,
                                     const struct cnn_run_facts *facts,
                                     const struct cnn_dataset *dataset) CNN_MUST_CHECK;

// The size in which the pictures of a run are stored, for its facts: that of `val`, or of `train` where val
// is NULL. 0 x 0 where they differ in size.
void cnn_preparation_note_size(struct cnn_run_facts *facts, const struct cnn_dataset *train,
                               const struct cnn_dataset *val);

#endif
