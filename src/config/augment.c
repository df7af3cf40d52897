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
#define P_APPLIED(chance) P(chance, "probability that it is applied")
#define SIZE(what) \
    {.name = "size", .type = CNN_ARG_SIZE, .fallback = REQUIRED, .least = 1, .most = 4096, .whole = true, .doc = what}
#define COLOR(word, what) \
    {.name = word, .type = CNN_ARG_COLOR, .fallback = {0, 0, 0}, .least = 0, .most = 255, .whole = true, .doc = what}
#define FILL COLOR("fill", "what shows where the picture does not reach: a level, or [red, green, blue]")
#define CHOICE(word, list, n, value, what) \
    {.name = word, .type = CNN_ARG_CHOICE, .fallback = ONE(value), .least = 0, .most = n - 1, .words = list, .doc = what}
#define BORDER CHOICE("padding_mode", border_words, 3, CNN_BORDER_CONSTANT, \
                      "what the border shows: `fill`, the outermost pixels, or the picture mirrored there")
#define INTERPOLATION(value) CHOICE("interpolation", interpolation_words, 2, value, \
                                    "how a pixel between pixels is read: the nearest one, or a blend of four")
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
     .doc = "furthest shift to either side, across and down, as a fraction of the width and the height"}
#define BINS INT("num_magnitude_bins", ONE(31), 2, 1000, "steps that the strengths are divided into")
#define OPS(what) \
    {.name = "transforms", .type = CNN_ARG_OPS, .fallback = REQUIRED, .least = 0, .most = CNN_AUGMENT_MAX_OPS, .doc = what}
#define NEAREST INTERPOLATION(CNN_INTERPOLATION_NEAREST)
#define BILINEAR INTERPOLATION(CNN_INTERPOLATION_BILINEAR)
#define FACTOR(what) RANGE("factor", REQUIRED, 0, 100, ONE, what)

const struct cnn_augment_info cnn_augment_table[CNN_N_AUGMENTS] = {
    [CNN_AUGMENT_RANDOM_CROP] = {
        "random_crop", "adds a border of `padding` pixels on every side, then cuts a rectangle at random",
        "RandomCrop", true, 4,
        {SIZE("size of the rectangle that is cut out, in pixels"),
         INT("padding", ONE(0), 0, 4096, "width of the border, in pixels"), BORDER, FILL}},
    [CNN_AUGMENT_RANDOM_RESIZED_CROP] = {
        "random_resized_crop", "cuts a rectangle of random area, shape and place, and resizes it",
        "RandomResizedCrop", true, 3,
        {SIZE("size of the result, in pixels"),
         RANGE("scale", BOTH(0.08, 1), 0.0001, 1, NONE, "area of the rectangle, as a fraction of the picture's"),
         RANGE("ratio", BOTH(0.75, 1.3333), 0.01, 100, NONE, "width of the rectangle divided by its height")}},
    [CNN_AUGMENT_FLIP_HORIZONTAL] = {
        "flip_horizontal", "mirrors the picture left to right", "RandomHorizontalFlip", false, 1,
        {P(0.5, "probability of mirroring")}},
    [CNN_AUGMENT_RESIZE] = {
        "resize", "resizes the picture until its shorter side is `side` pixels long; its shape stays", "Resize(side)",
        false, 1, {INT("side", REQUIRED, 1, 4096, "length of the shorter side, in pixels")}},
    [CNN_AUGMENT_CENTER_CROP] = {
        "center_crop", "cuts a rectangle from the middle of the picture, with a black border where it is smaller",
        "CenterCrop", false, 1, {SIZE("size of the rectangle, in pixels")}},
    [CNN_AUGMENT_CROP] = {
        "crop", "cuts a rectangle from a given place of the picture, with a black border where it is smaller",
        "FiveCrop", false, 2,
        {SIZE("size of the rectangle, in pixels"),
         {.name = "at", .type = CNN_ARG_PAIR, .fallback = {0.5, 0.5, 0}, .least = 0, .most = 1,
          .doc = "where it lies, across and down: 0 is the left or upper edge, 1 the right or lower"}}},
    [CNN_AUGMENT_FIT] = {
        "fit", "resizes the picture until it just covers `size`, then cuts the middle; its shape stays", NULL, false, 1,
        {{.name = "size", .type = CNN_ARG_SIZE, .fallback = REQUIRED, .least = 1, .most = 32768, .whole = true,
          .doc = "size of the result, in pixels"}}},
    [CNN_AUGMENT_FLIP_VERTICAL] = {
        "flip_vertical", "mirrors the picture top to bottom", "RandomVerticalFlip", false, 1,
        {P(0.5, "probability of mirroring")}},
    [CNN_AUGMENT_RESIZE_EXACT] = {
        "resize_exact", "resizes the picture to this height and width, whatever its shape", "Resize([h, w])", false, 1,
        {SIZE("size of the result, in pixels")}},
    [CNN_AUGMENT_PAD] = {
        "pad", "adds a border around the picture", "Pad", false, 3,
        {{.name = "padding", .type = CNN_ARG_PAIR, .fallback = REQUIRED, .least = 0, .most = 4096, .whole = true,
          .doc = "width of the border in pixels: on the left and right, above and below"}, BORDER, FILL}},

    [CNN_AUGMENT_ROTATION] = {
        "rotation", "turns the picture around its middle, counter-clockwise; its size stays", "RandomRotation", false, 4,
        {RANGE("degrees", REQUIRED, -360, 360, ZERO, "the angle"), NEAREST, FILL, P_APPLIED(1)}},
    [CNN_AUGMENT_SHIFT] = {
        "shift", "moves the picture by whole pixels", "RandomAffine(0, translate)", true, 4,
        {TRANSLATE(REQUIRED), NEAREST, FILL, P_APPLIED(1)}},
    [CNN_AUGMENT_SCALE] = {
        "scale", "zooms into or out of the middle of the picture; its size stays", "RandomAffine(0, scale)", false, 4,
        {RANGE("factor", REQUIRED, 0.01, 100, ONE, "above 1: larger"), NEAREST, FILL, P_APPLIED(1)}},
    [CNN_AUGMENT_STRETCH] = {
        "stretch", "zooms across and down by two different factors; the size stays", NULL, false, 5,
        {RANGE("x", BOTH(1, 1), 0.01, 100, ONE, "factor across; above 1: wider"),
         RANGE("y", BOTH(1, 1), 0.01, 100, ONE, "factor down; above 1: higher"), NEAREST, FILL, P_APPLIED(1)}},
    [CNN_AUGMENT_SHEAR] = {
        "shear", "slants the picture around its middle", "RandomAffine(0, shear)", false, 5,
        {RANGE("degrees", REQUIRED, -80, 80, ZERO, "angle by which upright lines lean"),
         RANGE("degrees_y", BOTH(0, 0), -80, 80, ZERO, "angle by which level lines lean"), NEAREST, FILL, P_APPLIED(1)}},
    [CNN_AUGMENT_AFFINE] = {
        "affine", "turns (clockwise), zooms, slants and shifts the picture in one", "RandomAffine", true, 8,
        {RANGE("degrees", REQUIRED, -360, 360, ZERO, "the angle of the turn"), TRANSLATE(BOTH(0, 0)),
         RANGE("scale", BOTH(1, 1), 0.01, 100, ONE, "factor of the zoom"),
         RANGE("shear", BOTH(0, 0), -80, 80, ZERO, "angle by which upright lines lean"),
         RANGE("shear_y", BOTH(0, 0), -80, 80, ZERO, "angle by which level lines lean"), NEAREST, FILL, P_APPLIED(1)}},
    [CNN_AUGMENT_PERSPECTIVE] = {
        "perspective", "moves the four corners inwards, as if the picture were seen from the side", "RandomPerspective", true,
        4, {REAL("distortion_scale", ONE(0.5), 0, 1, "how far at most, as a fraction of half the side"), BILINEAR, FILL,
            P_APPLIED(0.5)}},

    [CNN_AUGMENT_BRIGHTNESS] = {
        "brightness", "multiplies every level", "ColorJitter(brightness)", false, 2,
        {FACTOR("0: black, 1: as it is, above 1: brighter"), P_APPLIED(1)}},
    [CNN_AUGMENT_CONTRAST] = {
        "contrast", "moves every level away from or towards the picture's mean", "ColorJitter(contrast)", false, 2,
        {FACTOR("0: plain gray, 1: as it is, above 1: more contrast"), P_APPLIED(1)}},
    [CNN_AUGMENT_SATURATION] = {
        "saturation", "moves every colour away from or towards its gray", "ColorJitter(saturation)", false, 2,
        {FACTOR("0: gray, 1: as it is, above 1: more colour"), P_APPLIED(1)}},
    [CNN_AUGMENT_HUE] = {
        "hue", "turns the circle of colours", "ColorJitter(hue)", false, 2,
        {RANGE("factor", REQUIRED, -0.5, 0.5, ZERO, "the turn; 0.5 is half the circle"), P_APPLIED(1)}},
    [CNN_AUGMENT_COLOR_JITTER] = {
        "color_jitter", "changes brightness, contrast, saturation and hue, in random order", "ColorJitter", true, 5,
        {RANGE("brightness", BOTH(1, 1), 0, 100, ONE, "factor, as of brightness"),
         RANGE("contrast", BOTH(1, 1), 0, 100, ONE, "factor, as of contrast"),
         RANGE("saturation", BOTH(1, 1), 0, 100, ONE, "factor, as of saturation"),
         RANGE("hue", BOTH(0, 0), -0.5, 0.5, ZERO, "turn, as of hue"), P_APPLIED(1)}},
    [CNN_AUGMENT_GRAYSCALE] = {
        "grayscale", "takes the colour away; the number of channels stays", "RandomGrayscale", false, 1, {P_APPLIED(0.1)}},
    [CNN_AUGMENT_CHANNEL_SHUFFLE] = {
        "channel_shuffle", "puts red, green and blue in random order", "RandomChannelPermutation", true, 1,
        {P_APPLIED(1)}},
    [CNN_AUGMENT_GAMMA] = {
        "gamma", "raises every level, as a fraction of 255, to a power", "functional.adjust_gamma", false, 3,
        {RANGE("gamma", REQUIRED, 0.01, 100, POINT, "the power; above 1: shadows get darker"),
         REAL("gain", ONE(1), 0, 100, "factor afterwards"), P_APPLIED(1)}},
    [CNN_AUGMENT_POSTERIZE] = {
        "posterize", "keeps the highest bits of every level", "RandomPosterize", false, 2,
        {INT("bits", REQUIRED, 0, 8, "bits that stay"), P_APPLIED(0.5)}},
    [CNN_AUGMENT_SOLARIZE] = {
        "solarize", "inverts the levels from a threshold on", "RandomSolarize", false, 2,
        {REAL("threshold", REQUIRED, 0, 256, "the lowest level that is inverted"), P_APPLIED(0.5)}},
    [CNN_AUGMENT_EQUALIZE] = {
        "equalize", "spreads the levels of each channel so that all are equally frequent", "RandomEqualize", false, 1,
        {P_APPLIED(0.5)}},
    [CNN_AUGMENT_AUTOCONTRAST] = {
        "autocontrast", "stretches the levels of each channel to the whole range", "RandomAutocontrast", false, 1,
        {P_APPLIED(0.5)}},
    [CNN_AUGMENT_INVERT] = {
        "invert", "turns every level into its opposite", "RandomInvert", false, 1, {P_APPLIED(0.5)}},
    [CNN_AUGMENT_SHARPNESS] = {
        "sharpness", "sharpens the picture, or smooths it a little", "RandomAdjustSharpness", false, 2,
        {RANGE("factor", REQUIRED, 0, 100, POINT, "0: smoothed, 1: as it is, above 1: sharper"), P_APPLIED(0.5)}},
    [CNN_AUGMENT_COLOR_SPACE] = {
        "color_space", "writes the picture in another colour space, in the same number of channels", NULL, false, 1,
        {CHOICE("to", space_words, 3, CNN_SPACE_GRAY, "gray in all channels, CIELab, or hue, chroma and lightness of it")}},

    [CNN_AUGMENT_GAUSSIAN_BLUR] = {
        "gaussian_blur", "blurs the picture", "GaussianBlur", false, 3,
        {{.name = "kernel_size", .type = CNN_ARG_INT, .fallback = REQUIRED, .least = 1, .most = 127, .whole = true,
          .odd = true, .doc = "pixels across that are averaged, an odd number"},
         RANGE("sigma", BOTH(0.1, 2), 0.01, 100, POINT, "deviation of the Gaussian, in pixels"), P_APPLIED(1)}},
    [CNN_AUGMENT_GAUSSIAN_NOISE] = {
        "gaussian_noise", "adds noise, drawn for every pixel and channel", "GaussianNoise", true, 3,
        {RANGE("sigma", BOTH(0.1, 0.1), 0, 1, POINT, "deviation of the noise, of levels scaled to 0..1"),
         REAL("mean", ONE(0), -1, 1, "its mean, of levels scaled to 0..1"), P_APPLIED(1)}},
    [CNN_AUGMENT_SALT_PEPPER_NOISE] = {
        "salt_pepper_noise", "makes single pixels white or black", NULL, true, 3,
        {RANGE("amount", BOTH(0.05, 0.05), 0, 1, POINT, "fraction of the pixels"),
         REAL("salt", ONE(0.5), 0, 1, "fraction of these that are white"), P_APPLIED(1)}},
    [CNN_AUGMENT_RANDOM_ERASING] = {
        "random_erasing", "erases a rectangle of random area, shape and place", "RandomErasing", true, 5,
        {P_APPLIED(0.5),
         RANGE("scale", BOTH(0.02, 0.33), 0.0001, 1, POINT, "area of the rectangle, as a fraction of the picture's"),
         RANGE("ratio", BOTH(0.3, 3.3), 0.01, 100, POINT, "height of the rectangle divided by its width"),
         COLOR("value", "what it shows: a level, or [red, green, blue]"),
         CHOICE("content", content_words, 2, CNN_CONTENT_CONSTANT, "`value`, or every level drawn at random")}},
    [CNN_AUGMENT_CUTOUT] = {
        "cutout", "erases rectangles of one size, whose middles lie anywhere in the picture", NULL, true, 4,
        {SIZE("size of a rectangle, in pixels"), INT("holes", ONE(1), 1, 16, "how many"),
         COLOR("value", "what they show: a level, or [red, green, blue]"), P_APPLIED(1)}},

    [CNN_AUGMENT_RAND_AUGMENT] = {
        "rand_augment", "applies a few of 14 augmentations, drawn at random, with one strength", "RandAugment", true, 5,
        {INT("num_ops", ONE(2), 0, 16, "how many"), INT("magnitude", ONE(9), 0, 999, "the strength, below the number of bins"),
         BINS, NEAREST, FILL}},
    [CNN_AUGMENT_TRIVIAL_AUGMENT] = {
        "trivial_augment_wide", "applies one of 14 augmentations with a strength, both drawn at random",
        "TrivialAugmentWide", true, 3, {BINS, NEAREST, FILL}},
    [CNN_AUGMENT_AUTO_AUGMENT] = {
        "auto_augment", "applies one of 25 pairs of augmentations that were learnt on a dataset", "AutoAugment", true, 3,
        {CHOICE("policy", auto_words, 3, CNN_AUTO_IMAGENET, "the dataset they were learnt on"), NEAREST, FILL}},

    [CNN_AUGMENT_COMPOSE] = {
        "compose", "applies its transforms in the order written", "Compose", false, 1,
        {OPS("the augmentations")}},
    [CNN_AUGMENT_RANDOM_APPLY] = {
        "random_apply", "applies all of its transforms or none of them", "RandomApply", false, 2,
        {OPS("the augmentations"), P(0.5, "probability that they are applied")}},
    [CNN_AUGMENT_RANDOM_CHOICE] = {
        "random_choice", "applies one of its transforms, drawn at random", "RandomChoice", true, 2,
        {OPS("the augmentations to choose from"),
         {.name = "p", .type = CNN_ARG_WEIGHTS, .fallback = {0, 0, 0}, .least = 0, .most = 1e6,
          .doc = "how often each of them, relative to the others; without it all are equally frequent"}}},
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
