#include "config/augment.h"

#include <math.h>
#include <string.h>

static const char *const border_words[] = {"constant", "edge", "reflect", NULL};
static const char *const interpolation_words[] = {"nearest", "bilinear", NULL};
static const char *const content_words[] = {"constant", "noise", NULL};
static const char *const space_words[] = {"gray", "lab", "hcl", NULL};
static const char *const auto_words[] = {"imagenet", "cifar10", "svhn", NULL};

// clang-format off
#define REQUIRED {NAN, NAN, NAN}
#define ONE(x) {x, x, 0}
#define P(chance, what) \
    {.name = "p", .type = CNN_ARG_REAL, .fallback = ONE(chance), .least = 0, .most = 1, .doc = what}
#define P_APPLIED(chance) P(chance, "probability of applying it")
#define SIZE(what) \
    {.name = "size", .type = CNN_ARG_SIZE, .fallback = REQUIRED, .least = 1, .most = 4096, .whole = true, .doc = what}
#define COLOR(word, what) \
    {.name = word, .type = CNN_ARG_COLOR, .fallback = {0, 0, 0}, .least = 0, .most = 255, .whole = true, .doc = what}
#define FILL COLOR("fill", "value of the area outside the image: a level, or [red, green, blue]")
#define CHOICE(word, list, n, value, what) \
    {.name = word, .type = CNN_ARG_CHOICE, .fallback = ONE(value), .least = 0, .most = n - 1, .words = list, .doc = what}
#define BORDER CHOICE("padding_mode", border_words, 3, CNN_BORDER_CONSTANT, \
                      "content of the border: `fill`, the outermost pixels, or the mirrored image")
#define INTERPOLATION(value) CHOICE("interpolation", interpolation_words, 2, value, \
                                    "interpolation between pixels: nearest neighbour or bilinear")
#define RANGE(word, default, low, high, one, what) \
    {.name = word, .type = CNN_ARG_RANGE, .fallback = default, .least = low, .most = high, .spread = CNN_SPREAD_##one, \
     .doc = what}
#define BOTH(low, high) {low, high, 0}
#define INT(word, default, low, high, what) \
    {.name = word, .type = CNN_ARG_INT, .fallback = default, .least = low, .most = high, .whole = true, .doc = what}
#define REAL(word, default, low, high, what) \
    {.name = word, .type = CNN_ARG_REAL, .fallback = default, .least = low, .most = high, .doc = what}
#define TRANSLATE(default) \
    {.name = "translate", .type = CNN_ARG_PAIR, .fallback = default, .least = 0, .most = 1, \
     .doc = "largest shift in either direction, horizontally and vertically, as a fraction of width and height"}
#define BINS INT("num_magnitude_bins", ONE(31), 2, 1000, "number of strength levels")
#define OPS(what) \
    {.name = "transforms", .type = CNN_ARG_OPS, .fallback = REQUIRED, .least = 0, .most = CNN_AUGMENT_MAX_OPS, .doc = what}
#define NEAREST INTERPOLATION(CNN_INTERPOLATION_NEAREST)
#define BILINEAR INTERPOLATION(CNN_INTERPOLATION_BILINEAR)
#define FACTOR(what) RANGE("factor", REQUIRED, 0, 100, ONE, what)

const struct cnn_augment_info cnn_augment_table[CNN_N_AUGMENTS] = {
    [CNN_AUGMENT_RANDOM_CROP] = {
        "random_crop", "adds a border of `padding` pixels on every side, then crops at a random position",
        "RandomCrop", true, 4,
        {SIZE("size of the crop, in pixels"),
         INT("padding", ONE(0), 0, 4096, "width of the border, in pixels"), BORDER, FILL}},
    [CNN_AUGMENT_RANDOM_RESIZED_CROP] = {
        "random_resized_crop", "crops a rectangle of random area, aspect ratio and position, and resizes it",
        "RandomResizedCrop", true, 3,
        {SIZE("size of the result, in pixels"),
         RANGE("scale", BOTH(0.08, 1), 0.0001, 1, NONE, "area of the crop, as a fraction of the image's"),
         RANGE("ratio", BOTH(0.75, 1.3333), 0.01, 100, NONE, "aspect ratio of the crop, width / height")}},
    [CNN_AUGMENT_FLIP_HORIZONTAL] = {
        "flip_horizontal", "flips the image horizontally", "RandomHorizontalFlip", false, 1,
        {P(0.5, "probability of flipping")}},
    [CNN_AUGMENT_RESIZE] = {
        "resize", "resizes the image so that its shorter side is `side` pixels long; keeps the aspect ratio", "Resize(side)",
        false, 1, {INT("side", REQUIRED, 1, 4096, "length of the shorter side, in pixels")}},
    [CNN_AUGMENT_CENTER_CROP] = {
        "center_crop", "crops the centre of the image, padded with black if the image is smaller",
        "CenterCrop", false, 1, {SIZE("size of the crop, in pixels")}},
    [CNN_AUGMENT_CROP] = {
        "crop", "crops at a given position, padded with black if the image is smaller",
        "FiveCrop", false, 2,
        {SIZE("size of the crop, in pixels"),
         {.name = "at", .type = CNN_ARG_PAIR, .fallback = {0.5, 0.5, 0}, .least = 0, .most = 1,
          .doc = "position, horizontally and vertically: 0 is the left or upper edge, 1 the right or lower"}}},
    [CNN_AUGMENT_FIT] = {
        "fit", "resizes the image so that it just covers `size`, then crops its centre; keeps the aspect ratio", NULL,
        false, 1,
        {{.name = "size", .type = CNN_ARG_SIZE, .fallback = REQUIRED, .least = 1, .most = 32768, .whole = true,
          .doc = "size of the result, in pixels"}}},
    [CNN_AUGMENT_FLIP_VERTICAL] = {
        "flip_vertical", "flips the image vertically", "RandomVerticalFlip", false, 1,
        {P(0.5, "probability of flipping")}},
    [CNN_AUGMENT_RESIZE_EXACT] = {
        "resize_exact", "resizes the image to this height and width, changing the aspect ratio", "Resize([h, w])", false, 1,
        {SIZE("size of the result, in pixels")}},
    [CNN_AUGMENT_PAD] = {
        "pad", "adds a border around the image", "Pad", false, 3,
        {{.name = "padding", .type = CNN_ARG_PAIR, .fallback = REQUIRED, .least = 0, .most = 4096, .whole = true,
          .doc = "width of the border in pixels: left and right, top and bottom"}, BORDER, FILL}},

    [CNN_AUGMENT_ROTATION] = {
        "rotation", "rotates the image counter-clockwise around its centre; keeps its size", "RandomRotation", false, 4,
        {RANGE("degrees", REQUIRED, -360, 360, ZERO, "rotation angle"), NEAREST, FILL, P_APPLIED(1)}},
    [CNN_AUGMENT_SHIFT] = {
        "shift", "shifts the image by whole pixels", "RandomAffine(0, translate)", true, 4,
        {TRANSLATE(REQUIRED), NEAREST, FILL, P_APPLIED(1)}},
    [CNN_AUGMENT_SCALE] = {
        "scale", "zooms into or out of the centre of the image; keeps its size", "RandomAffine(0, scale)", false, 4,
        {RANGE("factor", REQUIRED, 0.01, 100, ONE, "zoom factor; above 1: larger"), NEAREST, FILL, P_APPLIED(1)}},
    [CNN_AUGMENT_STRETCH] = {
        "stretch", "zooms horizontally and vertically by different factors; keeps the size", NULL, false, 5,
        {RANGE("x", BOTH(1, 1), 0.01, 100, ONE, "horizontal factor; above 1: wider"),
         RANGE("y", BOTH(1, 1), 0.01, 100, ONE, "vertical factor; above 1: taller"), NEAREST, FILL, P_APPLIED(1)}},
    [CNN_AUGMENT_SHEAR] = {
        "shear", "shears the image around its centre", "RandomAffine(0, shear)", false, 5,
        {RANGE("degrees", REQUIRED, -80, 80, ZERO, "horizontal shear angle: by how much vertical lines lean"),
         RANGE("degrees_y", BOTH(0, 0), -80, 80, ZERO, "vertical shear angle: by how much horizontal lines lean"), NEAREST, FILL, P_APPLIED(1)}},
    [CNN_AUGMENT_AFFINE] = {
        "affine", "rotates (clockwise), zooms, shears and shifts the image in one step", "RandomAffine", true, 8,
        {RANGE("degrees", REQUIRED, -360, 360, ZERO, "rotation angle"), TRANSLATE(BOTH(0, 0)),
         RANGE("scale", BOTH(1, 1), 0.01, 100, ONE, "zoom factor"),
         RANGE("shear", BOTH(0, 0), -80, 80, ZERO, "horizontal shear angle: by how much vertical lines lean"),
         RANGE("shear_y", BOTH(0, 0), -80, 80, ZERO, "vertical shear angle: by how much horizontal lines lean"), NEAREST, FILL, P_APPLIED(1)}},
    [CNN_AUGMENT_PERSPECTIVE] = {
        "perspective", "moves the four corners inwards, as if the image were seen from an angle", "RandomPerspective", true,
        4, {REAL("distortion_scale", ONE(0.5), 0, 1, "largest displacement of a corner, as a fraction of half the side"), BILINEAR, FILL,
            P_APPLIED(0.5)}},

    [CNN_AUGMENT_BRIGHTNESS] = {
        "brightness", "multiplies all levels by a factor", "ColorJitter(brightness)", false, 2,
        {FACTOR("0: black, 1: unchanged, above 1: brighter"), P_APPLIED(1)}},
    [CNN_AUGMENT_CONTRAST] = {
        "contrast", "moves all levels away from or towards the mean of the image", "ColorJitter(contrast)", false, 2,
        {FACTOR("0: uniform gray, 1: unchanged, above 1: more contrast"), P_APPLIED(1)}},
    [CNN_AUGMENT_SATURATION] = {
        "saturation", "moves all colours away from or towards gray", "ColorJitter(saturation)", false, 2,
        {FACTOR("0: gray, 1: unchanged, above 1: more saturated"), P_APPLIED(1)}},
    [CNN_AUGMENT_HUE] = {
        "hue", "rotates the hue", "ColorJitter(hue)", false, 2,
        {RANGE("factor", REQUIRED, -0.5, 0.5, ZERO, "rotation; 0.5 is half the colour wheel"), P_APPLIED(1)}},
    [CNN_AUGMENT_COLOR_JITTER] = {
        "color_jitter", "changes brightness, contrast, saturation and hue, in random order", "ColorJitter", true, 5,
        {RANGE("brightness", BOTH(1, 1), 0, 100, ONE, "factor, as in brightness"),
         RANGE("contrast", BOTH(1, 1), 0, 100, ONE, "factor, as in contrast"),
         RANGE("saturation", BOTH(1, 1), 0, 100, ONE, "factor, as in saturation"),
         RANGE("hue", BOTH(0, 0), -0.5, 0.5, ZERO, "rotation, as in hue"), P_APPLIED(1)}},
    [CNN_AUGMENT_GRAYSCALE] = {
        "grayscale", "converts the image to gray; keeps the number of channels", "RandomGrayscale", false, 1, {P_APPLIED(0.1)}},
    [CNN_AUGMENT_CHANNEL_SHUFFLE] = {
        "channel_shuffle", "permutes red, green and blue at random", "RandomChannelPermutation", true, 1,
        {P_APPLIED(1)}},
    [CNN_AUGMENT_GAMMA] = {
        "gamma", "raises every level, as a fraction of 255, to a power", "functional.adjust_gamma", false, 3,
        {RANGE("gamma", REQUIRED, 0.01, 100, POINT, "exponent; above 1: darker shadows"),
         REAL("gain", ONE(1), 0, 100, "factor applied afterwards"), P_APPLIED(1)}},
    [CNN_AUGMENT_POSTERIZE] = {
        "posterize", "keeps only the highest bits of every level", "RandomPosterize", false, 2,
        {INT("bits", REQUIRED, 0, 8, "number of bits kept"), P_APPLIED(0.5)}},
    [CNN_AUGMENT_SOLARIZE] = {
        "solarize", "inverts all levels at or above a threshold", "RandomSolarize", false, 2,
        {REAL("threshold", REQUIRED, 0, 256, "lowest level that is inverted"), P_APPLIED(0.5)}},
    [CNN_AUGMENT_EQUALIZE] = {
        "equalize", "equalizes the histogram of each channel", "RandomEqualize", false, 1,
        {P_APPLIED(0.5)}},
    [CNN_AUGMENT_AUTOCONTRAST] = {
        "autocontrast", "stretches the levels of each channel to the full range", "RandomAutocontrast", false, 1,
        {P_APPLIED(0.5)}},
    [CNN_AUGMENT_INVERT] = {
        "invert", "inverts all levels", "RandomInvert", false, 1, {P_APPLIED(0.5)}},
    [CNN_AUGMENT_SHARPNESS] = {
        "sharpness", "sharpens or slightly smooths the image", "RandomAdjustSharpness", false, 2,
        {RANGE("factor", REQUIRED, 0, 100, POINT, "0: smoothed, 1: unchanged, above 1: sharper"), P_APPLIED(0.5)}},
    [CNN_AUGMENT_COLOR_SPACE] = {
        "color_space", "converts the image to another colour space with the same number of channels", NULL, false, 1,
        {CHOICE("to", space_words, 3, CNN_SPACE_GRAY, "gray in all channels, CIELab, or the hue, chroma and lightness of CIELab")}},

    [CNN_AUGMENT_GAUSSIAN_BLUR] = {
        "gaussian_blur", "blurs the image", "GaussianBlur", false, 3,
        {{.name = "kernel_size", .type = CNN_ARG_INT, .fallback = REQUIRED, .least = 1, .most = 127, .whole = true,
          .odd = true, .doc = "size of the kernel in pixels, an odd number"},
         RANGE("sigma", BOTH(0.1, 2), 0.01, 100, POINT, "standard deviation of the Gaussian, in pixels"), P_APPLIED(1)}},
    [CNN_AUGMENT_GAUSSIAN_NOISE] = {
        "gaussian_noise", "adds Gaussian noise, drawn separately for every pixel and channel", "GaussianNoise", true, 3,
        {RANGE("sigma", BOTH(0.1, 0.1), 0, 1, POINT, "standard deviation of the noise, for levels scaled to 0..1"),
         REAL("mean", ONE(0), -1, 1, "mean of the noise, for levels scaled to 0..1"), P_APPLIED(1)}},
    [CNN_AUGMENT_SALT_PEPPER_NOISE] = {
        "salt_pepper_noise", "sets random pixels to white or black", NULL, true, 3,
        {RANGE("amount", BOTH(0.05, 0.05), 0, 1, POINT, "fraction of pixels that are changed"),
         REAL("salt", ONE(0.5), 0, 1, "fraction of changed pixels that become white"), P_APPLIED(1)}},
    [CNN_AUGMENT_RANDOM_ERASING] = {
        "random_erasing", "erases a rectangle of random area, aspect ratio and position", "RandomErasing", true, 5,
        {P_APPLIED(0.5),
         RANGE("scale", BOTH(0.02, 0.33), 0.0001, 1, POINT, "area of the rectangle, as a fraction of the image's"),
         RANGE("ratio", BOTH(0.3, 3.3), 0.01, 100, POINT, "aspect ratio of the rectangle, height / width"),
         COLOR("value", "value of the erased pixels: a level, or [red, green, blue]"),
         CHOICE("content", content_words, 2, CNN_CONTENT_CONSTANT, "fill with `value`, or with uniform random levels")}},
    [CNN_AUGMENT_CUTOUT] = {
        "cutout", "erases rectangles of a fixed size whose centres are drawn anywhere in the image", NULL, true, 4,
        {SIZE("size of each rectangle, in pixels"), INT("holes", ONE(1), 1, 16, "number of rectangles"),
         COLOR("value", "value of the erased pixels: a level, or [red, green, blue]"), P_APPLIED(1)}},

    [CNN_AUGMENT_RAND_AUGMENT] = {
        "rand_augment", "applies several of 14 augmentations, drawn at random, with the same strength", "RandAugment", true, 5,
        {INT("num_ops", ONE(2), 0, 16, "number of augmentations applied"), INT("magnitude", ONE(9), 0, 999, "strength, less than `num_magnitude_bins`"),
         BINS, NEAREST, FILL}},
    [CNN_AUGMENT_TRIVIAL_AUGMENT] = {
        "trivial_augment_wide", "applies one of 14 augmentations; both the augmentation and its strength are drawn at random",
        "TrivialAugmentWide", true, 3, {BINS, NEAREST, FILL}},
    [CNN_AUGMENT_AUTO_AUGMENT] = {
        "auto_augment", "applies one of 25 pairs of augmentations learned on a dataset", "AutoAugment", true, 3,
        {CHOICE("policy", auto_words, 3, CNN_AUTO_IMAGENET, "dataset on which the policy was learned"), NEAREST, FILL}},

    [CNN_AUGMENT_COMPOSE] = {
        "compose", "applies all of its transforms in the order written", "Compose", false, 1,
        {OPS("augmentations to apply")}},
    [CNN_AUGMENT_RANDOM_APPLY] = {
        "random_apply", "applies all of its transforms or none of them", "RandomApply", false, 2,
        {OPS("augmentations to apply"), P(0.5, "probability of applying them")}},
    [CNN_AUGMENT_RANDOM_CHOICE] = {
        "random_choice", "applies one of its transforms, drawn at random", "RandomChoice", true, 2,
        {OPS("augmentations to choose from"),
         {.name = "p", .type = CNN_ARG_WEIGHTS, .fallback = {0, 0, 0}, .least = 0, .most = 1e6,
          .doc = "relative frequency of each; by default all are equally likely"}}},
};
// clang-format on

struct cnn_augment cnn_augment_default(enum cnn_augment_kind kind) {
    struct cnn_augment op;
    memset(&op, 0, sizeof op);
    op.kind = kind;
    for (int i = 0; i < cnn_augment_table[kind].n_args; i++)
        memcpy(op.args[i], cnn_augment_table[kind].args[i].fallback, sizeof op.args[i]);
    return op;
}

int cnn_augment_arg_index(enum cnn_augment_kind kind, const char *name) {
    for (int i = 0; i < cnn_augment_table[kind].n_args; i++)
        if (strcmp(cnn_augment_table[kind].args[i].name, name) == 0)
            return i;
    return -1;
}

int cnn_augment_span(const struct cnn_augment *op) {
    return cnn_augment_table[op->kind].args[0].type == CNN_ARG_OPS ? (int)op->args[0][0] : 0;
}

bool cnn_augment_is_random(const struct cnn_augment *op) {
    const struct cnn_augment_info *info = &cnn_augment_table[op->kind];
    if (info->is_random)
        return true;
    for (int i = 0; i < info->n_args; i++) {
        const double *value = op->args[i];
        if (info->args[i].type == CNN_ARG_RANGE && value[0] < value[1])
            return true;
        if (strcmp(info->args[i].name, "p") == 0 && value[0] > 0 && value[0] < 1)
            return true;
    }
    return false;
}
