// What an augmentation list asks of one picture of known size once its draws are made: rectangles and
// resizes, no pixels yet. Crops, borders and mirrorings only move a window, so that nothing outside the final
// one is ever decoded.
#ifndef CNN_IMAGE_PLAN_H
#define CNN_IMAGE_PLAN_H
#include "image/border.h"

// A window on one picture, and what becomes of it.
struct cnn_stage {
    struct cnn_rect window;   // may reach outside `content`
    struct cnn_rect content;  // the part of the picture that shows
    struct cnn_border border; // what shows around it
    int h, w;                 // the window resized, the next stage's picture; unused in the last stage
};
struct cnn_plan {
    int n;
    struct cnn_stage stages[2 * CNN_AUGMENT_MAX_OPS + 1];
    bool flip;          // the last window is mirrored left to right
    bool flip_vertical; // and top to bottom
};

// Whether an augmentation only moves or resizes the window, and so belongs into a plan.
bool cnn_plan_takes(enum cnn_augment_kind kind);
// A picture of h x w as it is.
void cnn_plan_init(struct cnn_plan *plan, int h, int w);
// What `op` does next, with its draws. CNN_ERR_INPUT where it cannot be done.
enum cnn_status cnn_plan_add(struct cnn_plan *plan, const struct cnn_augment *op,
                             struct cnn_draws draws) CNN_MUST_CHECK;
// The size of the result.
void cnn_plan_output(const struct cnn_plan *plan, int *out_h, int *out_w);

#endif
