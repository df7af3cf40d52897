// An augmentation of the list, done to a picture in memory: draws its parameters, always in the same order.
#ifndef CNN_IMAGE_PERFORM_H
#define CNN_IMAGE_PERFORM_H
#include "image/canvas.h"

// Not for those that change the picture's size (cnn_plan_moves_window), mirroring excepted.
enum cnn_status cnn_perform(struct cnn_canvas *canvas, const struct cnn_augment *op,
                            struct cnn_draws draws) CNN_MUST_CHECK;

#endif
