#include "image/perform.h"

#include "image/auto_augment.h"

#include <math.h>

typedef enum cnn_status (*performer)(struct cnn_canvas *, const struct cnn_augment *, struct cnn_draws *);

static double draw(struct cnn_draws *draws, const double range[3]) {
    return cnn_draw_between(draws, range[0], range[1]);
}

void cnn_canvas_color(const struct cnn_canvas *canvas, const double color[3], uint8_t out[3]) {
    const struct cnn_view view = {out, 3, 1, 1, 3};
    for (int k = 0; k < 3; k++)
        out[k] = (uint8_t)color[k];
    if (canvas->c == 1)
        cnn_pixels_copy(out, 1, 1, &view, false);
}

// --- the plane ---

// Moves by `affine`, around the middle, whose interpolation and fill are the arguments from `first` on.
static enum cnn_status move(struct cnn_canvas *canvas, const struct cnn_augment *op, int first,
                            struct cnn_affine affine) {
    uint8_t fill[3];
    affine.centre[0] = canvas->w * 0.5;
    affine.centre[1] = canvas->h * 0.5;
    struct cnn_warp warp = cnn_warp_affine(&affine);
    cnn_canvas_color(canvas, op->args[first + 1], fill);
    return cnn_canvas_warp(canvas, &warp, (enum cnn_augment_interpolation)op->args[first][0], fill);
}

static enum cnn_status flip_horizontal(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                       struct cnn_draws *draws) {
    return cnn_canvas_flip(canvas, false);
}

static enum cnn_status flip_vertical(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                     struct cnn_draws *draws) {
    return cnn_canvas_flip(canvas, true);
}

static enum cnn_status rotation(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                struct cnn_draws *draws) {
    double degrees = draw(draws, op->args[0]);
    return move(canvas, op, 1, (struct cnn_affine){.degrees = -degrees, .scale = {1, 1}});
}

static void draw_shift(double shift[2], const struct cnn_canvas *canvas, const double most[3],
                       struct cnn_draws *draws) {
    double x = most[0] * canvas->w, y = most[1] * canvas->h;
    shift[0] = nearbyint(cnn_draw_between(draws, -x, x));
    shift[1] = nearbyint(cnn_draw_between(draws, -y, y));
}

static enum cnn_status shift(struct cnn_canvas *canvas, const struct cnn_augment *op,
                             struct cnn_draws *draws) {
    struct cnn_affine affine = {.scale = {1, 1}};
    draw_shift(affine.shift, canvas, op->args[0], draws);
    return move(canvas, op, 1, affine);
}

static enum cnn_status scale(struct cnn_canvas *canvas, const struct cnn_augment *op,
                             struct cnn_draws *draws) {
    double factor = draw(draws, op->args[0]);
    return move(canvas, op, 1, (struct cnn_affine){.scale = {factor, factor}});
}

static enum cnn_status stretch(struct cnn_canvas *canvas, const struct cnn_augment *op,
                               struct cnn_draws *draws) {
    double x = draw(draws, op->args[0]), y = draw(draws, op->args[1]);
    return move(canvas, op, 2, (struct cnn_affine){.scale = {x, y}});
}

static enum cnn_status shear(struct cnn_canvas *canvas, const struct cnn_augment *op,
                             struct cnn_draws *draws) {
    double x = draw(draws, op->args[0]), y = draw(draws, op->args[1]);
    return move(canvas, op, 2, (struct cnn_affine){.scale = {1, 1}, .shear = {x, y}});
}

static enum cnn_status affine(struct cnn_canvas *canvas, const struct cnn_augment *op,
                              struct cnn_draws *draws) {
    struct cnn_affine affine = {.degrees = draw(draws, op->args[0])};
    draw_shift(affine.shift, canvas, op->args[1], draws);
    affine.scale[0] = affine.scale[1] = draw(draws, op->args[2]);
    affine.shear[0] = draw(draws, op->args[3]);
    affine.shear[1] = draw(draws, op->args[4]);
    return move(canvas, op, 5, affine);
}

// As torchvision: every corner at a whole pixel of its quarter, up to a fraction of the way to the middle.
static enum cnn_status perspective(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                   struct cnn_draws *draws) {
    static const bool right[4] = {false, true, true, false}, low[4] = {false, false, true, true};
    double to[4][2];
    uint8_t fill[3];
    struct cnn_warp warp;
    int w = canvas->w, h = canvas->h;
    uint32_t across = (uint32_t)(op->args[0][0] * (w / 2)) + 1,
             down = (uint32_t)(op->args[0][0] * (h / 2)) + 1;
    for (int i = 0; i < 4; i++) {
        int x = (int)cnn_draw_below(draws, across), y = (int)cnn_draw_below(draws, down);
        to[i][0] = right[i] ? w - 1 - x : x;
        to[i][1] = low[i] ? h - 1 - y : y;
    }
    if (!cnn_warp_perspective(&warp, w, h, to)) // corners in a line, of a picture few pixels large
        return CNN_OK;
    cnn_canvas_color(canvas, op->args[2], fill);
    return cnn_canvas_warp(canvas, &warp, (enum cnn_augment_interpolation)op->args[1][0], fill);
}

// --- levels ---

static enum cnn_status brightness(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                  struct cnn_draws *draws) {
    return cnn_canvas_brightness(canvas, draw(draws, op->args[0]));
}

static enum cnn_status contrast(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                struct cnn_draws *draws) {
    return cnn_canvas_contrast(canvas, draw(draws, op->args[0]));
}

static enum cnn_status saturation(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                  struct cnn_draws *draws) {
    return cnn_canvas_saturation(canvas, draw(draws, op->args[0]));
}

static enum cnn_status hue(struct cnn_canvas *canvas, const struct cnn_augment *op, struct cnn_draws *draws) {
    return cnn_canvas_hue(canvas, draw(draws, op->args[0]));
}

// Fisher and Yates's shuffle.
static void draw_order(int *order, int n, struct cnn_draws *draws) {
    for (int i = 0; i < n; i++)
        order[i] = i;
    for (int i = n - 1; i > 0; i--) {
        int other = (int)cnn_draw_below(draws, (uint32_t)i + 1), held = order[i];
        order[i] = order[other];
        order[other] = held;
    }
}

static enum cnn_status color_jitter(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                    struct cnn_draws *draws) {
    static enum cnn_status (*const parts[4])(struct cnn_canvas *, double) = {
        cnn_canvas_brightness, cnn_canvas_contrast, cnn_canvas_saturation, cnn_canvas_hue};
    int order[4];
    double factors[4];
    draw_order(order, 4, draws);
    for (int i = 0; i < 4; i++)
        factors[i] = draw(draws, op->args[i]);
    for (int i = 0; i < 4; i++)
        CNN_TRY(parts[order[i]](canvas, factors[order[i]]));
    return CNN_OK;
}

static enum cnn_status grayscale(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                 struct cnn_draws *draws) {
    return cnn_canvas_gray(canvas);
}

static enum cnn_status channel_shuffle(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                       struct cnn_draws *draws) {
    int order[3];
    draw_order(order, 3, draws);
    return cnn_canvas_permute(canvas, order);
}

static enum cnn_status gamma_curve(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                   struct cnn_draws *draws) {
    return cnn_canvas_gamma(canvas, draw(draws, op->args[0]), op->args[1][0]);
}

static enum cnn_status posterize(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                 struct cnn_draws *draws) {
    return cnn_canvas_posterize(canvas, (int)op->args[0][0]);
}

static enum cnn_status solarize(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                struct cnn_draws *draws) {
    return cnn_canvas_solarize(canvas, op->args[0][0]);
}

static enum cnn_status equalize(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                struct cnn_draws *draws) {
    return cnn_canvas_equalize(canvas);
}

static enum cnn_status autocontrast(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                    struct cnn_draws *draws) {
    return cnn_canvas_autocontrast(canvas);
}

static enum cnn_status invert(struct cnn_canvas *canvas, const struct cnn_augment *op,
                              struct cnn_draws *draws) {
    return cnn_canvas_invert(canvas);
}

static enum cnn_status color_space(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                   struct cnn_draws *draws) {
    switch ((enum cnn_augment_space)op->args[0][0]) {
    case CNN_SPACE_LAB:
        return cnn_canvas_lab(canvas);
    case CNN_SPACE_HCL:
        return cnn_canvas_hcl(canvas);
    default:
        return cnn_canvas_gray(canvas);
    }
}

// --- neighbourhoods and noise ---

static enum cnn_status sharpness(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                 struct cnn_draws *draws) {
    return cnn_canvas_sharpness(canvas, draw(draws, op->args[0]));
}

static enum cnn_status gaussian_blur(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                     struct cnn_draws *draws) {
    return cnn_canvas_blur(canvas, (int)op->args[0][0], draw(draws, op->args[1]));
}

static enum cnn_status gaussian_noise(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                      struct cnn_draws *draws) {
    double sigma = draw(draws, op->args[0]);
    return cnn_canvas_noise(canvas, op->args[1][0], sigma, draws);
}

static enum cnn_status salt_pepper_noise(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                         struct cnn_draws *draws) {
    double amount = draw(draws, op->args[0]);
    return cnn_canvas_salt_pepper(canvas, amount, op->args[1][0], draws);
}

#define TRIES 10

// Zhong et al., "Random erasing data augmentation", 2017; tries and rounding are torchvision's. Where no try
// fits, nothing is erased.
static enum cnn_status random_erasing(struct cnn_canvas *canvas, const struct cnn_augment *op,
                                      struct cnn_draws *draws) {
    double area = (double)canvas->h * canvas->w;
    double logs[2] = {log(op->args[2][0]), log(op->args[2][1])};
    uint8_t value[3];
    cnn_canvas_color(canvas, op->args[3], value);
    for (int i = 0; i < TRIES; i++) {
        double wanted = area * draw(draws, op->args[1]);
        double ratio = exp(cnn_draw_between(draws, logs[0], logs[1]));
        double h = nearbyint(sqrt(wanted * ratio)), w = nearbyint(sqrt(wanted / ratio));
        if (h >= canvas->h || w >= canvas->w)
            continue;
        int y = (int)cnn_draw_below(draws, (uint32_t)(canvas->h - (int)h) + 1);
        int x = (int)cnn_draw_below(draws, (uint32_t)(canvas->w - (int)w) + 1);
        return cnn_canvas_erase(canvas, (struct cnn_rect){x, y, (int)w, (int)h}, value,
                                op->args[4][0] == CNN_CONTENT_NOISE ? draws : NULL);
    }
    return CNN_OK;
}

// DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.
static enum cnn_status cutout(struct cnn_canvas *canvas, const struct cnn_augment *op,
                              struct cnn_draws *draws) {
    int h = (int)op->args[0][0], w = op->args[0][1] > 0 ? (int)op->args[0][1] : h;
    uint8_t value[3];
    cnn_canvas_color(canvas, op->args[2], value);
    for (int i = 0; i < (int)op->args[1][0]; i++) {
        int y = (int)cnn_draw_below(draws, (uint32_t)canvas->h);
        int x = (int)cnn_draw_below(draws, (uint32_t)canvas->w);
        CNN_TRY(cnn_canvas_erase(canvas, (struct cnn_rect){x - w / 2, y - h / 2, w, h}, value, NULL));
    }
    return CNN_OK;
}

enum cnn_status cnn_perform(struct cnn_canvas *canvas, const struct cnn_augment *op, struct cnn_draws draws) {
    static const performer table[CNN_N_AUGMENTS] = {
        [CNN_AUGMENT_FLIP_HORIZONTAL] = flip_horizontal,
        [CNN_AUGMENT_FLIP_VERTICAL] = flip_vertical,
        [CNN_AUGMENT_ROTATION] = rotation,
        [CNN_AUGMENT_SHIFT] = shift,
        [CNN_AUGMENT_SCALE] = scale,
        [CNN_AUGMENT_STRETCH] = stretch,
        [CNN_AUGMENT_SHEAR] = shear,
        [CNN_AUGMENT_AFFINE] = affine,
        [CNN_AUGMENT_PERSPECTIVE] = perspective,
        [CNN_AUGMENT_BRIGHTNESS] = brightness,
        [CNN_AUGMENT_CONTRAST] = contrast,
        [CNN_AUGMENT_SATURATION] = saturation,
        [CNN_AUGMENT_HUE] = hue,
        [CNN_AUGMENT_COLOR_JITTER] = color_jitter,
        [CNN_AUGMENT_GRAYSCALE] = grayscale,
        [CNN_AUGMENT_CHANNEL_SHUFFLE] = channel_shuffle,
        [CNN_AUGMENT_GAMMA] = gamma_curve,
        [CNN_AUGMENT_POSTERIZE] = posterize,
        [CNN_AUGMENT_SOLARIZE] = solarize,
        [CNN_AUGMENT_EQUALIZE] = equalize,
        [CNN_AUGMENT_AUTOCONTRAST] = autocontrast,
        [CNN_AUGMENT_INVERT] = invert,
        [CNN_AUGMENT_SHARPNESS] = sharpness,
        [CNN_AUGMENT_COLOR_SPACE] = color_space,
        [CNN_AUGMENT_GAUSSIAN_BLUR] = gaussian_blur,
        [CNN_AUGMENT_GAUSSIAN_NOISE] = gaussian_noise,
        [CNN_AUGMENT_SALT_PEPPER_NOISE] = salt_pepper_noise,
        [CNN_AUGMENT_RANDOM_ERASING] = random_erasing,
        [CNN_AUGMENT_CUTOUT] = cutout,
        [CNN_AUGMENT_RAND_AUGMENT] = cnn_rand_augment,
        [CNN_AUGMENT_TRIVIAL_AUGMENT] = cnn_trivial_augment,
        [CNN_AUGMENT_AUTO_AUGMENT] = cnn_auto_augment,
    };
    return table[op->kind](canvas, op, &draws);
}
