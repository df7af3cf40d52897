// What the program needs of a classifier beyond the public API.
#ifndef CNN_TRAIN_CLASSIFIER_H
#define CNN_TRAIN_CLASSIFIER_H
#include "train/preparation.h"
#include <cnn_dist/classifier.h>
#include <stdbool.h>

struct cnn_classifier_options {
    int threads;            // 0: as many as `eval` computes with
    bool latest;            // of a run folder, the newest checkpoint instead of the best
    const char *const *set; // KEY=VALUE, override the run's config
    size_t n_set;
};
// As cnn_classifier_open.
enum cnn_status cnn_classifier_open_with(struct cnn_classifier **out, const char *run_or_checkpoint,
                                         const struct cnn_classifier_options *options) CNN_MUST_CHECK;
// The config it was trained with.
const struct cnn_config *cnn_classifier_config(const struct cnn_classifier *classifier);
// How it turns a picture into its input.
const struct cnn_preparation *cnn_classifier_preparation(const struct cnn_classifier *classifier);
// How many of n pictures cnn_classifier_run_batch computes at once.
int cnn_classifier_batch(const struct cnn_classifier *classifier, int n);

#endif
