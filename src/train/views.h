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
// Adds the softmax of n rows of logits to `sums`.
void cnn_views_add(double *sums, const float *logits, int n, int classes);

// Sums over samples of -log p[label], and of hits; ties go to the lower class, as everywhere.
struct cnn_view_scores {
    double loss, top1, top5, n;
};
// `sums` are of `views` views, n rows.
void cnn_views_score(struct cnn_view_scores *scores, const double *sums, int views, const int32_t *labels,
                     int n, int classes);

#endif
