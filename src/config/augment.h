// The list of augmentations a config may name, and their arguments, as one table.
// config/ checks the YAML against it; image/ gives every entry its pixels.
#ifndef CNN_CONFIG_AUGMENT_H
#define CNN_CONFIG_AUGMENT_H
#include <stdbool.h>
#include <stddef.h>

enum cnn_augment_kind {
    CNN_AUGMENT_RANDOM_CROP,         // size, padding
    CNN_AUGMENT_RANDOM_RESIZED_CROP, // size, scale, ratio
    CNN_AUGMENT_FLIP_HORIZONTAL,     // p
    CNN_AUGMENT_RESIZE,              // side (shorter side)
    CNN_AUGMENT_CENTER_CROP,         // size
    CNN_N_AUGMENTS
};

#define CNN_AUGMENT_MAX_ARGS 6
#define CNN_AUGMENT_MAX_OPS 32

enum cnn_augment_arg_type { CNN_ARG_INT, CNN_ARG_REAL, CNN_ARG_RANGE }; // a range takes two values: [lo, hi]

struct cnn_augment_arg {
    const char *name;
    enum cnn_augment_arg_type type;
    double fallback[2]; // default; NAN where the argument must be given
    double least, most; // of each value, both allowed
    const char *doc;
};
struct cnn_augment_info {
    const char *name; // as in YAML
    const char *doc;
    bool is_random; // draws random numbers: allowed in augment.train only
    int n_args;
    struct cnn_augment_arg args[CNN_AUGMENT_MAX_ARGS];
};
extern const struct cnn_augment_info cnn_augment_table[CNN_N_AUGMENTS];

// One entry of a list; args[i] are the values of cnn_augment_table[kind].args[i].
struct cnn_augment {
    enum cnn_augment_kind kind;
    double args[CNN_AUGMENT_MAX_ARGS][2];
};
struct cnn_augment_list {
    int n;
    struct cnn_augment ops[CNN_AUGMENT_MAX_OPS];
};

#endif
