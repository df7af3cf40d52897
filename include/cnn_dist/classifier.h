// A trained network, ready to name pictures: loads a checkpoint or exported weights and turns pixels into
// probabilities.
#ifndef CNN_DIST_CLASSIFIER_H
#define CNN_DIST_CLASSIFIER_H
#include <cnn_dist/status.h>
#include <stddef.h>
#include <stdint.h>

struct cnn_classifier;

// `run_or_checkpoint`: a checkpoint file, or a run folder, of which the best checkpoint is taken (the newest
// where none was evaluated). `threads` 0: as many as this process has processors. Not collective.
enum cnn_status cnn_classifier_open(struct cnn_classifier **out, const char *run_or_checkpoint,
                                    int threads) CNN_MUST_CHECK;
void cnn_classifier_close(struct cnn_classifier *classifier);

const char *cnn_classifier_path(const struct cnn_classifier *classifier); // the file it came from
int cnn_classifier_classes(const struct cnn_classifier *classifier);
const char *cnn_classifier_class_name(const struct cnn_classifier *classifier,
                                      int label); // NULL: has no name
// What evaluation shows the network: pixels high and wide, and channels (1 or 3).
void cnn_classifier_input(const struct cnn_classifier *classifier, int *out_h, int *out_w, int *out_channels);

// One picture of h x w x channels bytes, rows close together, not normalised. `probabilities`:
// cnn_classifier_classes floats that add up to 1. Any size the network accepts will do; a change of size
// plans anew and takes a moment. Not thread-safe: one classifier per thread.
enum cnn_status cnn_classifier_run(struct cnn_classifier *classifier, const uint8_t *pixels, int h, int w,
                                   float *probabilities) CNN_MUST_CHECK;
// n such pictures of the size of cnn_classifier_input, one after the other, at once: faster than one by one.
// `probabilities`: n rows of cnn_classifier_classes floats.
enum cnn_status cnn_classifier_run_batch(struct cnn_classifier *classifier, const uint8_t *pixels, int n,
                                         float *probabilities) CNN_MUST_CHECK;
// A JPEG or PNG file in memory: decoded, and prepared as evaluation prepares the pictures of a dataset.
enum cnn_status cnn_classifier_run_file(struct cnn_classifier *classifier, const void *data, size_t bytes,
                                        float *probabilities) CNN_MUST_CHECK;

#endif
