// The augmentations that draw augmentations, with the strengths of torchvision. Cubuk et al., "RandAugment",
// 2020; Mueller and Hutter, "TrivialAugment", 2021; Cubuk et al., "AutoAugment", 2019.
#ifndef CNN_IMAGE_AUTO_AUGMENT_H
#define CNN_IMAGE_AUTO_AUGMENT_H
#include "image/canvas.h"

enum cnn_auto_kind {
    CNN_AUTO_IDENTITY,
    CNN_AUTO_SHEAR_X,
    CNN_AUTO_SHEAR_Y,
    CNN_AUTO_TRANSLATE_X,
    CNN_AUTO_TRANSLATE_Y,
    CNN_AUTO_ROTATE,
    CNN_AUTO_BRIGHTNESS,
    CNN_AUTO_COLOR,
    CNN_AUTO_CONTRAST,
    CNN_AUTO_SHARPNESS,
    CNN_AUTO_POSTERIZE,
    CNN_AUTO_SOLARIZE,
    CNN_AUTO_AUTOCONTRAST,
    CNN_AUTO_EQUALIZE,
    CNN_N_DRAWN, // the kinds above are those that rand_augment and trivial_augment_wide draw from
    CNN_AUTO_INVERT = CNN_N_DRAWN
};

// One of a policy's pair.
struct cnn_auto_choice {
    enum cnn_auto_kind kind;
    double p;
    int bin; // of 10
};
#define CNN_AUTO_PAIRS 25
extern const struct cnn_auto_choice cnn_auto_policies[3][CNN_AUTO_PAIRS][2]; // by enum cnn_augment_auto

// The strength of bin 0..bins-1 on a picture of h x w; `wide` for TrivialAugment. *is_signed: it may be
// negated.
double cnn_auto_strength(enum cnn_auto_kind kind, bool wide, int bin, int bins, int h, int w,
                         bool *is_signed);
// Does one of them with a strength as above, negated or not.
enum cnn_status cnn_auto_perform(struct cnn_canvas *canvas, enum cnn_auto_kind kind, double strength,
                                 enum cnn_augment_interpolation interpolation,
                                 const uint8_t fill[3]) CNN_MUST_CHECK;

// The three augmentations; draws are made in fixed number.
enum cnn_status cnn_rand_augment(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                 struct cnn_draws *draws) CNN_MUST_CHECK;
enum cnn_status cnn_trivial_augment(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                    struct cnn_draws *draws) CNN_MUST_CHECK;
enum cnn_status cnn_auto_augment(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                 struct cnn_draws *draws) CNN_MUST_CHECK;

// `color` of an argument in the channels of `canvas`: its luma where there is one.
void cnn_canvas_color(const struct cnn_canvas *canvas, const double color[3], uint8_t out[3]);

#endif
