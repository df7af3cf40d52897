// The list of augmentations a config may name, and their arguments, as one table.
// config/ checks the YAML against it; image/ gives every entry its pixels.
#ifndef CNN_CONFIG_AUGMENT_H
#define CNN_CONFIG_AUGMENT_H
#include <stdbool.h>
#include <stddef.h>

enum cnn_augment_kind {
    CNN_AUGMENT_RANDOM_CROP,         // size, padding, padding_mode, fill
    CNN_AUGMENT_RANDOM_RESIZED_CROP, // size, scale, ratio
    CNN_AUGMENT_FLIP_HORIZONTAL,     // p
    CNN_AUGMENT_RESIZE,              // side (shorter side)
    CNN_AUGMENT_CENTER_CROP,         // size
    CNN_AUGMENT_FLIP_VERTICAL,       // p
    CNN_AUGMENT_RESIZE_EXACT,        // size
    CNN_AUGMENT_PAD,                 // padding, padding_mode, fill
    CNN_AUGMENT_ROTATION,            // degrees, interpolation, fill, p
    CNN_AUGMENT_SHIFT,               // translate, interpolation, fill, p
    CNN_AUGMENT_SCALE,               // factor, interpolation, fill, p
    CNN_AUGMENT_STRETCH,             // x, y, interpolation, fill, p
    CNN_AUGMENT_SHEAR,               // degrees, degrees_y, interpolation, fill, p
    CNN_AUGMENT_AFFINE,              // degrees, translate, scale, shear, shear_y, interpolation, fill, p
    CNN_AUGMENT_PERSPECTIVE,         // distortion_scale, interpolation, fill, p
    CNN_AUGMENT_BRIGHTNESS,          // factor, p
    CNN_AUGMENT_CONTRAST,            // factor, p
    CNN_AUGMENT_SATURATION,          // factor, p
    CNN_AUGMENT_HUE,                 // factor, p
    CNN_AUGMENT_COLOR_JITTER,        // brightness, contrast, saturation, hue, p
    CNN_AUGMENT_GRAYSCALE,           // p
    CNN_AUGMENT_CHANNEL_SHUFFLE,     // p
    CNN_AUGMENT_GAMMA,               // gamma, gain, p
    CNN_AUGMENT_POSTERIZE,           // bits, p
    CNN_AUGMENT_SOLARIZE,            // threshold, p
    CNN_AUGMENT_EQUALIZE,            // p
    CNN_AUGMENT_AUTOCONTRAST,        // p
    CNN_AUGMENT_INVERT,              // p
    CNN_AUGMENT_SHARPNESS,           // factor, p
    CNN_AUGMENT_COLOR_SPACE,         // to
    CNN_AUGMENT_GAUSSIAN_BLUR,       // kernel_size, sigma, p
    CNN_AUGMENT_GAUSSIAN_NOISE,      // sigma, mean, p
    CNN_AUGMENT_SALT_PEPPER_NOISE,   // amount, salt, p
    CNN_AUGMENT_RANDOM_ERASING,      // p, scale, ratio, value, content
    CNN_AUGMENT_CUTOUT,              // size, holes, value, p
    CNN_AUGMENT_RAND_AUGMENT,        // num_ops, magnitude, num_magnitude_bins, interpolation, fill
    CNN_AUGMENT_TRIVIAL_AUGMENT,     // num_magnitude_bins, interpolation, fill
    CNN_AUGMENT_AUTO_AUGMENT,        // policy, interpolation, fill
    CNN_AUGMENT_COMPOSE,             // transforms
    CNN_AUGMENT_RANDOM_APPLY,        // transforms, p
    CNN_AUGMENT_RANDOM_CHOICE,       // transforms, p
    CNN_AUGMENT_CROP,                // size, at
    CNN_AUGMENT_FIT,                 // size
    CNN_N_AUGMENTS
};

#define CNN_AUGMENT_MAX_ARGS 8
#define CNN_AUGMENT_MAX_OPS 64  // of a list, those inside others included
#define CNN_AUGMENT_MAX_DEPTH 4 // of lists inside lists: compose, random_apply, random_choice

enum cnn_augment_arg_type {
    CNN_ARG_INT,
    CNN_ARG_REAL,
    CNN_ARG_RANGE,   // [low, high], a value is drawn from it
    CNN_ARG_PAIR,    // [across, down]; one number is both
    CNN_ARG_SIZE,    // [height, width]; one number is a square. Width 0: as the height
    CNN_ARG_COLOR,   // a level for all channels, or [red, green, blue]
    CNN_ARG_CHOICE,  // an index into `words`
    CNN_ARG_OPS,     // a list of augmentations; value 0 is how many entries lie inside, value 1 how many of
                     // them directly
    CNN_ARG_WEIGHTS, // a number for each of them, in their `weight`; value 0 is 1 where given
};

// What one number x stands for where a range is wanted.
enum cnn_augment_spread {
    CNN_SPREAD_NONE,  // not allowed
    CNN_SPREAD_POINT, // [x, x]
    CNN_SPREAD_ZERO,  // [-x, x]
    CNN_SPREAD_ONE,   // [1 - x, 1 + x], cut off at `least`
};

// Words of choices, in the order of their values.
enum cnn_augment_border { CNN_BORDER_CONSTANT, CNN_BORDER_EDGE, CNN_BORDER_REFLECT };
enum cnn_augment_interpolation { CNN_INTERPOLATION_NEAREST, CNN_INTERPOLATION_BILINEAR };
enum cnn_augment_content { CNN_CONTENT_CONSTANT, CNN_CONTENT_NOISE };
enum cnn_augment_space { CNN_SPACE_GRAY, CNN_SPACE_LAB, CNN_SPACE_HCL };
enum cnn_augment_auto { CNN_AUTO_IMAGENET, CNN_AUTO_CIFAR10, CNN_AUTO_SVHN };

struct cnn_augment_arg {
    const char *name;
    enum cnn_augment_arg_type type;
    double fallback[3]; // default; NAN where the argument must be given
    double least, most; // of each value, both allowed
    const char *doc;
    enum cnn_augment_spread spread; // RANGE
    const char *const *words;       // CHOICE, NULL at the end
    bool whole, odd;                // the values are whole, odd numbers
};
struct cnn_augment_info {
    const char *name; // as in YAML
    const char *doc;
    const char *peer; // what torchvision.transforms.v2 calls it, or NULL
    bool is_random;   // whatever its arguments are: allowed in augment.train only
    int n_args;
    struct cnn_augment_arg args[CNN_AUGMENT_MAX_ARGS];
};
extern const struct cnn_augment_info cnn_augment_table[CNN_N_AUGMENTS];

// One entry of a list; args[i] are the values of cnn_augment_table[kind].args[i].
struct cnn_augment {
    enum cnn_augment_kind kind;
    double args[CNN_AUGMENT_MAX_ARGS][3];
    double weight; // inside a random_choice with weights
};
// The entries in the order written; those inside another one follow it.
struct cnn_augment_list {
    int n;
    struct cnn_augment ops[CNN_AUGMENT_MAX_OPS];
};

// `kind` with every argument at its default (NAN where there is none).
struct cnn_augment cnn_augment_default(enum cnn_augment_kind kind);
// The index of an argument of `kind`, -1 where it has none of that name.
int cnn_augment_arg_index(enum cnn_augment_kind kind, const char *name);
// How many entries lie inside `op`.
int cnn_augment_span(const struct cnn_augment *op);
// Whether `op` itself (not what lies inside it) draws: it always does, its `p` is neither 0 nor 1, or a range
// is wider than a point.
bool cnn_augment_is_random(const struct cnn_augment *op);

#endif
