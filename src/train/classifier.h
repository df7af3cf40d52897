// What the program needs of a classifier beyond the public API.
#ifndef CNN_TRAIN_CLASSIFIER_H
#define CNN_TRAIN_CLASSIFIER_H
#include "config/config.h"
#include <cnn_dist/classifier.h>
#include <stdbool.h>

// As cnn_classifier_open; `latest`: the newest checkpoint of a run folder instead of the best.
enum cnn_status cnn_classifier_open_latest(struct cnn_classifier **out, const char *run_or_checkpoint,
                                           int threads, bool latest) CNN_MUST_CHECK;
// The config it was trained with.
const struct cnn_config *cnn_classifier_config(const struct cnn_classifier *classifier);

#endif
