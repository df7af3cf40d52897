#include "config/augment.h"
#include <math.h>

// clang-format off: the table reads by entry
#define REQUIRED                                                                                             \
    { NAN, NAN }
#define SIZE(what)                                                                                           \
    { .name = "size", .type = CNN_ARG_INT, .fallback = REQUIRED, .least = 1, .most = 4096, .doc = what }

const struct cnn_augment_info cnn_augment_table[CNN_N_AUGMENTS] = {
    [CNN_AUGMENT_RANDOM_CROP] =
        {
            .name = "random_crop",
            .doc = "adds a black border of `padding` pixels on every side, then cuts a square at random",
            .is_random = true,
            .n_args = 2,
            .args =
                {
                    SIZE("side of the square that is cut out, in pixels"),
                    {.name = "padding",
                     .type = CNN_ARG_INT,
                     .fallback = {0, 0},
                     .least = 0,
                     .most = 4096,
                     .doc = "width of the border, in pixels"},
                },
        },
    [CNN_AUGMENT_RANDOM_RESIZED_CROP] =
        {
            .name = "random_resized_crop",
            .doc = "cuts a rectangle of random area, shape and place, and resizes it to a square",
            .is_random = true,
            .n_args = 3,
            .args =
                {
                    SIZE("side of the resulting square, in pixels"),
                    {.name = "scale",
                     .type = CNN_ARG_RANGE,
                     .fallback = {0.08, 1},
                     .least = 0.0001,
                     .most = 1,
                     .doc = "area of the rectangle, as a fraction of the picture's"},
                    {.name = "ratio",
                     .type = CNN_ARG_RANGE,
                     .fallback = {0.75, 1.3333},
                     .least = 0.01,
                     .most = 100,
                     .doc = "width of the rectangle divided by its height"},
                },
        },
    [CNN_AUGMENT_FLIP_HORIZONTAL] =
        {
            .name = "flip_horizontal",
            .doc = "mirrors the picture left to right, or leaves it as it is",
            .is_random = true,
            .n_args = 1,
            .args = {{.name = "p",
                      .type = CNN_ARG_REAL,
                      .fallback = {0.5, 0.5},
                      .least = 0,
                      .most = 1,
                      .doc = "probability of mirroring"}},
        },
    [CNN_AUGMENT_RESIZE] =
        {
            .name = "resize",
            .doc = "resizes the picture until its shorter side is `side` pixels long; its shape stays",
            .n_args = 1,
            .args = {{.name = "side",
                      .type = CNN_ARG_INT,
                      .fallback = REQUIRED,
                      .least = 1,
                      .most = 4096,
                      .doc = "length of the shorter side, in pixels"}},
        },
    [CNN_AUGMENT_CENTER_CROP] =
        {
            .name = "center_crop",
            .doc = "cuts a square from the middle of the picture",
            .n_args = 1,
            .args = {SIZE("side of the square, in pixels")},
        },
};
