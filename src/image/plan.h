// What an augmentation list asks of one picture of known size once its draws are made: rectangles and
// resizes, no pixels yet. Crops, borders and mirrorings only move a window, so that nothing outside the final
// one is ever decoded.
#ifndef CNN_IMAGE_PLAN_H
#define CNN_IMAGE_PLAN_H
#include "image/pixels.h"

// A window on one picture, and what becomes of it.
struct cnn_stage {
    struct cnn_rect window;  // may reach outside `content`
    struct cnn_rect content; // the part of the picture that shows; black around it
    int h, w;                // the window resized, the next stage's picture; unused in the last stage
};
struct cnn_plan {
    int n;
    struct cnn_stage stages[CNN_AUGMENT_MAX_OPS + 1];
    bool flip; // the last window is mirrored left to right
};

// For a picture of h x w. CNN_ERR_INPUT where an augmentation cannot be done to it.
enum cnn_status cnn_plan_draw(struct cnn_plan *out, const struct cnn_augment_list *list, int h, int w,
                              struct cnn_draws draws) CNN_MUST_CHECK;
// The size of the result.
void cnn_plan_output(const struct cnn_plan *plan, int *out_h, int *out_w);

#endif
