#include "image/auto_augment.h"

#include <math.h>

const struct cnn_auto_choice cnn_auto_policies[3][CNN_AUTO_PAIRS][2] =
    {
        [CNN_AUTO_IMAGENET] =
            {
                {{CNN_AUTO_POSTERIZE, 0.4, 8}, {CNN_AUTO_ROTATE, 0.6, 9}},
                {{CNN_AUTO_SOLARIZE, 0.6, 5}, {CNN_AUTO_AUTOCONTRAST, 0.6, 0}},
                {{CNN_AUTO_EQUALIZE, 0.8, 0}, {CNN_AUTO_EQUALIZE, 0.6, 0}},
                {{CNN_AUTO_POSTERIZE, 0.6, 7}, {CNN_AUTO_POSTERIZE, 0.6, 6}},
                {{CNN_AUTO_EQUALIZE, 0.4, 0}, {CNN_AUTO_SOLARIZE, 0.2, 4}},
                {{CNN_AUTO_EQUALIZE, 0.4, 0}, {CNN_AUTO_ROTATE, 0.8, 8}},
                {{CNN_AUTO_SOLARIZE, 0.6, 3}, {CNN_AUTO_EQUALIZE, 0.6, 0}},
                {{CNN_AUTO_POSTERIZE, 0.8, 5}, {CNN_AUTO_EQUALIZE, 1, 0}},
                {{CNN_AUTO_ROTATE, 0.2, 3}, {CNN_AUTO_SOLARIZE, 0.6, 8}},
                {{CNN_AUTO_EQUALIZE, 0.6, 0}, {CNN_AUTO_POSTERIZE, 0.4, 6}},
                {{CNN_AUTO_ROTATE, 0.8, 8}, {CNN_AUTO_COLOR, 0.4, 0}},
                {{CNN_AUTO_ROTATE, 0.4, 9}, {CNN_AUTO_EQUALIZE, 0.6, 0}},
                {{CNN_AUTO_EQUALIZE, 0, 0}, {CNN_AUTO_EQUALIZE, 0.8, 0}},
                {{CNN_AUTO_INVERT, 0.6, 0}, {CNN_AUTO_EQUALIZE, 1, 0}},
                {{CNN_AUTO_COLOR, 0.6, 4}, {CNN_AUTO_CONTRAST, 1, 8}},
                {{CNN_AUTO_ROTATE, 0.8, 8}, {CNN_AUTO_COLOR, 1, 2}},
                {{CNN_AUTO_COLOR, 0.8, 8}, {CNN_AUTO_SOLARIZE, 0.8, 7}},
                {{CNN_AUTO_SHARPNESS, 0.4, 7}, {CNN_AUTO_INVERT, 0.6, 0}},
                {{CNN_AUTO_SHEAR_X, 0.6, 5}, {CNN_AUTO_EQUALIZE, 1, 0}},
                {{CNN_AUTO_COLOR, 0.4, 0}, {CNN_AUTO_EQUALIZE, 0.6, 0}},
                {{CNN_AUTO_EQUALIZE, 0.4, 0}, {CNN_AUTO_SOLARIZE, 0.2, 4}},
                {{CNN_AUTO_SOLARIZE, 0.6, 5}, {CNN_AUTO_AUTOCONTRAST, 0.6, 0}},
                {{CNN_AUTO_INVERT, 0.6, 0}, {CNN_AUTO_EQUALIZE, 1, 0}},
                {{CNN_AUTO_COLOR, 0.6, 4}, {CNN_AUTO_CONTRAST, 1, 8}},
                {{CNN_AUTO_EQUALIZE, 0.8, 0}, {CNN_AUTO_EQUALIZE, 0.6, 0}},
            },
        [CNN_AUTO_CIFAR10] =
            {
                {{CNN_AUTO_INVERT, 0.1, 0}, {CNN_AUTO_CONTRAST, 0.2, 6}},
                {{CNN_AUTO_ROTATE, 0.7, 2}, {CNN_AUTO_TRANSLATE_X, 0.3, 9}},
                {{CNN_AUTO_SHARPNESS, 0.8, 1}, {CNN_AUTO_SHARPNESS, 0.9, 3}},
                {{CNN_AUTO_SHEAR_Y, 0.5, 8}, {CNN_AUTO_TRANSLATE_Y, 0.7, 9}},
                {{CNN_AUTO_AUTOCONTRAST, 0.5, 0}, {CNN_AUTO_EQUALIZE, 0.9, 0}},
                {{CNN_AUTO_SHEAR_Y, 0.2, 7}, {CNN_AUTO_POSTERIZE, 0.3, 7}},
                {{CNN_AUTO_COLOR, 0.4, 3}, {CNN_AUTO_BRIGHTNESS, 0.6, 7}},
                {{CNN_AUTO_SHARPNESS, 0.3, 9}, {CNN_AUTO_BRIGHTNESS, 0.7, 9}},
                {{CNN_AUTO_EQUALIZE, 0.6, 0}, {CNN_AUTO_EQUALIZE, 0.5, 0}},
                {{CNN_AUTO_CONTRAST, 0.6, 7}, {CNN_AUTO_SHARPNESS, 0.6, 5}},
                {{CNN_AUTO_COLOR, 0.7, 7}, {CNN_AUTO_TRANSLATE_X, 0.5, 8}},
                {{CNN_AUTO_EQUALIZE, 0.3, 0}, {CNN_AUTO_AUTOCONTRAST, 0.4, 0}},
                {{CNN_AUTO_TRANSLATE_Y, 0.4, 3}, {CNN_AUTO_SHARPNESS, 0.2, 6}},
                {{CNN_AUTO_BRIGHTNESS, 0.9, 6}, {CNN_AUTO_COLOR, 0.2, 8}},
                {{CNN_AUTO_SOLARIZE, 0.5, 2}, {CNN_AUTO_INVERT, 0, 0}},
                {{CNN_AUTO_EQUALIZE, 0.2, 0}, {CNN_AUTO_AUTOCONTRAST, 0.6, 0}},
                {{CNN_AUTO_EQUALIZE, 0.2, 0}, {CNN_AUTO_EQUALIZE, 0.6, 0}},
                {{CNN_AUTO_COLOR, 0.9, 9}, {CNN_AUTO_EQUALIZE, 0.6, 0}},
                {{CNN_AUTO_AUTOCONTRAST, 0.8, 0}, {CNN_AUTO_SOLARIZE, 0.2, 8}},
                {{CNN_AUTO_BRIGHTNESS, 0.1, 3}, {CNN_AUTO_COLOR, 0.7, 0}},
                {{CNN_AUTO_SOLARIZE, 0.4, 5}, {CNN_AUTO_AUTOCONTRAST, 0.9, 0}},
                {{CNN_AUTO_TRANSLATE_Y, 0.9, 9}, {CNN_AUTO_TRANSLATE_Y, 0.7, 9}},
                {{CNN_AUTO_AUTOCONTRAST, 0.9, 0}, {CNN_AUTO_SOLARIZE, 0.8, 3}},
                {{CNN_AUTO_EQUALIZE, 0.8, 0}, {CNN_AUTO_INVERT, 0.1, 0}},
                {{CNN_AUTO_TRANSLATE_Y, 0.7, 9}, {CNN_AUTO_AUTOCONTRAST, 0.9, 0}},
            },
        [CNN_AUTO_SVHN] =
            {
                {{CNN_AUTO_SHEAR_X, 0.9, 4}, {CNN_AUTO_INVERT, 0.2, 0}},
                {{CNN_AUTO_SHEAR_Y, 0.9, 8}, {CNN_AUTO_INVERT, 0.7, 0}},
                {{CNN_AUTO_EQUALIZE, 0.6, 0}, {CNN_AUTO_SOLARIZE, 0.6, 6}},
                {{CNN_AUTO_INVERT, 0.9, 0}, {CNN_AUTO_EQUALIZE, 0.6, 0}},
                {{CNN_AUTO_EQUALIZE, 0.6, 0}, {CNN_AUTO_ROTATE, 0.9, 3}},
                {{CNN_AUTO_SHEAR_X, 0.9, 4}, {CNN_AUTO_AUTOCONTRAST, 0.8, 0}},
                {{CNN_AUTO_SHEAR_Y, 0.9, 8}, {CNN_AUTO_INVERT, 0.4, 0}},
                {{CNN_AUTO_SHEAR_Y, 0.9, 5}, {CNN_AUTO_SOLARIZE, 0.2, 6}},
                {{CNN_AUTO_INVERT, 0.9, 0}, {CNN_AUTO_AUTOCONTRAST, 0.8, 0}},
                {{CNN_AUTO_EQUALIZE, 0.6, 0}, {CNN_AUTO_ROTATE, 0.9, 3}},
                {{CNN_AUTO_SHEAR_X, 0.9, 4}, {CNN_AUTO_SOLARIZE, 0.3, 3}},
                {{CNN_AUTO_SHEAR_Y, 0.8, 8}, {CNN_AUTO_INVERT, 0.7, 0}},
                {{CNN_AUTO_EQUALIZE, 0.9, 0}, {CNN_AUTO_TRANSLATE_Y, 0.6, 6}},
                {{CNN_AUTO_INVERT, 0.9, 0}, {CNN_AUTO_EQUALIZE, 0.6, 0}},
                {{CNN_AUTO_CONTRAST, 0.3, 3}, {CNN_AUTO_ROTATE, 0.8, 4}},
                {{CNN_AUTO_INVERT, 0.8, 0}, {CNN_AUTO_TRANSLATE_Y, 0, 2}},
                {{CNN_AUTO_SHEAR_Y, 0.7, 6}, {CNN_AUTO_SOLARIZE, 0.4, 8}},
                {{CNN_AUTO_INVERT, 0.6, 0}, {CNN_AUTO_ROTATE, 0.8, 4}},
                {{CNN_AUTO_SHEAR_Y, 0.3, 7}, {CNN_AUTO_TRANSLATE_X, 0.9, 3}},
                {{CNN_AUTO_SHEAR_X, 0.1, 6}, {CNN_AUTO_INVERT, 0.6, 0}},
                {{CNN_AUTO_SOLARIZE, 0.7, 2}, {CNN_AUTO_TRANSLATE_Y, 0.6, 7}},
                {{CNN_AUTO_SHEAR_Y, 0.8, 4}, {CNN_AUTO_INVERT, 0.8, 0}},
                {{CNN_AUTO_SHEAR_X, 0.7, 9}, {CNN_AUTO_TRANSLATE_Y, 0.8, 3}},
                {{CNN_AUTO_SHEAR_Y, 0.8, 5}, {CNN_AUTO_AUTOCONTRAST, 0.7, 0}},
                {{CNN_AUTO_SHEAR_X, 0.7, 2}, {CNN_AUTO_INVERT, 0.1, 0}},
            },
};

#define POLICY_BINS 10

// Where the strength goes from 0 to, for rand_augment and auto_augment, and for the wide ones.
static const struct {
    double most, most_wide;
    bool is_signed;
} strengths[] = {
    [CNN_AUTO_SHEAR_X] = {0.3, 0.99, true},
    [CNN_AUTO_SHEAR_Y] = {0.3, 0.99, true},
    [CNN_AUTO_TRANSLATE_X] = {150.0 / 331, 32, true}, // of the width; wide: pixels
    [CNN_AUTO_TRANSLATE_Y] = {150.0 / 331, 32, true},
    [CNN_AUTO_ROTATE] = {30, 135, true},
    [CNN_AUTO_BRIGHTNESS] = {0.9, 0.99, true},
    [CNN_AUTO_COLOR] = {0.9, 0.99, true},
    [CNN_AUTO_CONTRAST] = {0.9, 0.99, true},
    [CNN_AUTO_SHARPNESS] = {0.9, 0.99, true},
    [CNN_AUTO_POSTERIZE] = {4, 6, false}, // bits taken away
    [CNN_AUTO_SOLARIZE] = {255, 255, false},
    [CNN_AUTO_INVERT] = {0, 0, false},
};

double cnn_auto_strength(enum cnn_auto_kind kind, bool wide, int bin, int bins, int h, int w,
                         bool *is_signed) {
    double part = (double)bin / (bins - 1);
    double strength = part * (wide ? strengths[kind].most_wide : strengths[kind].most);
    *is_signed = strengths[kind].is_signed;
    switch (kind) {
    case CNN_AUTO_TRANSLATE_X:
        return wide ? strength : strength * w;
    case CNN_AUTO_TRANSLATE_Y:
        return wide ? strength : strength * h;
    case CNN_AUTO_POSTERIZE:
        return 8 - nearbyint(strength);
    case CNN_AUTO_SOLARIZE:
        return 255 - strength;
    default:
        return strength;
    }
}

static enum cnn_status move(struct cnn_canvas *canvas, struct cnn_affine affine,
                            enum cnn_augment_interpolation interpolation, const uint8_t fill[3]) {
    affine.scale[0] = affine.scale[1] = 1;
    struct cnn_warp warp = cnn_warp_affine(&affine);
    return cnn_canvas_warp(canvas, &warp, interpolation, fill);
}

enum cnn_status cnn_auto_perform(struct cnn_canvas *canvas, enum cnn_auto_kind kind, double strength,
                                 enum cnn_augment_interpolation interpolation, const uint8_t fill[3]) {
    double lean = atan(strength) * 180 / 3.14159265358979323846;
    double middle[2] = {canvas->w * 0.5, canvas->h * 0.5};
    switch (kind) {
    case CNN_AUTO_SHEAR_X: // from the corner, as the authors did
        return move(canvas, (struct cnn_affine){.shear = {lean, 0}}, interpolation, fill);
    case CNN_AUTO_SHEAR_Y:
        return move(canvas, (struct cnn_affine){.shear = {0, lean}}, interpolation, fill);
    case CNN_AUTO_TRANSLATE_X:
        return move(canvas, (struct cnn_affine){.shift = {trunc(strength), 0}}, interpolation, fill);
    case CNN_AUTO_TRANSLATE_Y:
        return move(canvas, (struct cnn_affine){.shift = {0, trunc(strength)}}, interpolation, fill);
    case CNN_AUTO_ROTATE:
        return move(canvas, (struct cnn_affine){.degrees = -strength, .centre = {middle[0], middle[1]}},
                    interpolation, fill);
    case CNN_AUTO_BRIGHTNESS:
        return cnn_canvas_brightness(canvas, 1 + strength);
    case CNN_AUTO_COLOR:
        return cnn_canvas_saturation(canvas, 1 + strength);
    case CNN_AUTO_CONTRAST:
        return cnn_canvas_contrast(canvas, 1 + strength);
    case CNN_AUTO_SHARPNESS:
        return cnn_canvas_sharpness(canvas, 1 + strength);
    case CNN_AUTO_POSTERIZE:
        return cnn_canvas_posterize(canvas, (int)strength);
    case CNN_AUTO_SOLARIZE:
        return cnn_canvas_solarize(canvas, strength);
    case CNN_AUTO_AUTOCONTRAST:
        return cnn_canvas_autocontrast(canvas);
    case CNN_AUTO_EQUALIZE:
        return cnn_canvas_equalize(canvas);
    case CNN_AUTO_INVERT:
        return cnn_canvas_invert(canvas);
    default:
        return CNN_OK;
    }
}

// Two draws were made, whatever the kind: a bin and whether it is negated.
static enum cnn_status perform(struct cnn_canvas *canvas, enum cnn_auto_kind kind, bool wide, int bin,
                               int bins, bool negate, const double *interpolation, const double color[3]) {
    bool is_signed;
    uint8_t fill[3];
    double strength = cnn_auto_strength(kind, wide, bin, bins, canvas->h, canvas->w, &is_signed);
    cnn_canvas_color(canvas, color, fill);
    return cnn_auto_perform(canvas, kind, is_signed && negate ? -strength : strength,
                            (enum cnn_augment_interpolation) * interpolation, fill);
}

enum cnn_status cnn_rand_augment(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                 struct cnn_draws *draws) {
    for (int i = 0; i < (int)op->args[0][0]; i++) {
        enum cnn_auto_kind kind = (enum cnn_auto_kind)cnn_draw_below(draws, CNN_N_DRAWN);
        bool negate = cnn_draw_below(draws, 2) == 1;
        CNN_TRY(perform(canvas, kind, false, (int)op->args[1][0], (int)op->args[2][0], negate, op->args[3],
                        op->args[4]));
    }
    return CNN_OK;
}

enum cnn_status cnn_trivial_augment(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                    struct cnn_draws *draws) {
    int bins = (int)op->args[0][0];
    enum cnn_auto_kind kind = (enum cnn_auto_kind)cnn_draw_below(draws, CNN_N_DRAWN);
    int bin = (int)cnn_draw_below(draws, (uint32_t)bins);
    bool negate = cnn_draw_below(draws, 2) == 1;
    return perform(canvas, kind, true, bin, bins, negate, op->args[1], op->args[2]);
}

enum cnn_status cnn_auto_augment(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                 struct cnn_draws *draws) {
    uint32_t pair = cnn_draw_below(draws, CNN_AUTO_PAIRS);
    for (int i = 0; i < 2; i++) {
        const struct cnn_auto_choice *choice = &cnn_auto_policies[(int)op->args[0][0]][pair][i];
        bool applies = cnn_draw_uniform(draws) < choice->p, negate = cnn_draw_below(draws, 2) == 1;
        if (applies)
            CNN_TRY(perform(canvas, choice->kind, false, choice->bin, POLICY_BINS, negate, op->args[1],
                            op->args[2]));
    }
    return CNN_OK;
}
