// Drawing the pictures of the embedded dataset: one of ten shapes, in front of clutter.
#ifndef CNN_DATA_IMPORT_SHAPES_H
#define CNN_DATA_IMPORT_SHAPES_H
#include <stdint.h>

#define CNN_N_SHAPES 10
extern const char *const cnn_shape_names[CNN_N_SHAPES];

// Fills side x side x 3 pixels with picture `id`, whose label is id % 10. A pure function of its arguments.
void cnn_shape_draw(uint8_t *pixels, int side, uint64_t seed, uint64_t id);

#endif
