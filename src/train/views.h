// Test-time augmentation: a picture is looked at several times, and the probabilities are averaged.
#ifndef CNN_TRAIN_VIEWS_H
#define CNN_TRAIN_VIEWS_H
#include "config/config.h"

enum cnn_tta {
    CNN_TTA_NONE,
    CNN_TTA_FLIP,      // as it is and mirrored
    CNN_TTA_FIVE_CROP, // the four corners and the middle (Krizhevsky et al. 2012)
    CNN_TTA_TEN_CROP,  // those, and all five mirrored
};
#define CNN_TTA_MOST_CROPS 5

// "none", "flip", "five_crop", "ten_crop"; CNN_ERR_INPUT names them.
enum cnn_status cnn_tta_parse(enum cnn_tta *out, const char *word) CNN_MUST_CHECK;
int cnn_tta_crops(enum cnn_tta tta); // 1 or 5
bool cnn_tta_flips(enum cnn_tta tta);
// augment.eval with its last crop moved to where crop `index` of the five lies. CNN_ERR_INPUT where it has no
// crop.
enum cnn_status cnn_tta_list(struct cnn_augment_list *out, const struct cnn_augment_list *eval,
                             enum cnn_tta tta, int index) CNN_MUST_CHECK;

// The probabilities of n logits, in their place.
void cnn_softmax(float *values, int n);
// Mirrors n pictures of h x w x c bytes left to right, in place.
void cnn_views_mirror(uint8_t *pixels, int n, int h, int w, int c);

// Probabilities of the records of one batch, added up over the views. A record is found by its id, since
// views may miss different records: one may fail to be read for the second view only.
struct cnn_view_sums {
    int capacity, classes;
    int n;        // records that were in any view so far
    int view;     // views added since the start
    double *sums; // n x classes
    uint64_t *ids;
    int32_t *labels;
    int *seen, *last; // of each record: views it was in, and the last of them
};
// finish frees, also what a failed init leaves.
enum cnn_status cnn_view_sums_init(struct cnn_view_sums *out, int capacity, int classes) CNN_MUST_CHECK;
void cnn_view_sums_finish(struct cnn_view_sums *sums);
void cnn_view_sums_start(struct cnn_view_sums *sums); // of the next batch
// Adds the softmax of n rows of logits as one view. All views of a batch together hold at most `capacity`
// records.
void cnn_view_sums_add(struct cnn_view_sums *sums, const uint64_t *ids, const int32_t *labels,
                       const float *logits, int n);
// Drops the records that were not in all of the views.
void cnn_view_sums_complete(struct cnn_view_sums *sums, int views);

// Sums over samples of -log p[label], and of hits; ties go to the lower class, as everywhere.
struct cnn_view_scores {
    double loss, top1, top5, n;
};
// Adds the scores of a batch whose records are complete: each was in `views` views.
void cnn_views_score(struct cnn_view_scores *scores, const struct cnn_view_sums *sums, int views);

#endif
