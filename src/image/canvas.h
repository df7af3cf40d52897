// A picture in memory that pixel operations with every parameter decided are applied to, one after the other.
// What can wait does: operations on single levels add up in one table per channel, moves of the plane in one
// matrix, and each is done when something else needs its result, or at the end.
#ifndef CNN_IMAGE_CANVAS_H
#define CNN_IMAGE_CANVAS_H
#include "image/pixels.h"

// A map of the plane, in pixels with (0, 0) at the outer corner of the first one: [x y 1] goes to
// [u/w v/w], where u, v, w are the rows times [x y 1].
struct cnn_warp {
    double m[9];
};

struct cnn_canvas {
    uint8_t *pixels; // h * w * c contiguous bytes; c is 1 or 3
    int h, w, c;
    struct cnn_image_scratch *scratch;
    bool has_table;
    uint8_t table[3][256];
    bool has_warp;
    struct cnn_warp warp;
    enum cnn_augment_interpolation interpolation;
    uint8_t fill[3];
};

void cnn_canvas_init(struct cnn_canvas *canvas, uint8_t *pixels, int h, int w, int c,
                     struct cnn_image_scratch *scratch);
// Does what is waiting. Every operation below may be waiting until then. CNN_ERR_MEMORY only.
enum cnn_status cnn_canvas_finish(struct cnn_canvas *canvas) CNN_MUST_CHECK;

// --- the plane ---
// Moves the picture by `warp` (where its pixels go); `fill` shows where none comes from. Nearest: the pixel
// in which the source point lies; bilinear: of the four around it, `fill` beyond the edge.
enum cnn_status cnn_canvas_warp(struct cnn_canvas *canvas, const struct cnn_warp *warp,
                                enum cnn_augment_interpolation interpolation,
                                const uint8_t fill[3]) CNN_MUST_CHECK;
enum cnn_status cnn_canvas_flip(struct cnn_canvas *canvas, bool vertical) CNN_MUST_CHECK;
// torchvision's affine: around `centre` (x, y) scale, shear (degrees), turn clockwise (degrees), then shift.
struct cnn_affine {
    double degrees, shift[2], scale[2], shear[2], centre[2];
};
struct cnn_warp cnn_warp_affine(const struct cnn_affine *affine);
// The perspective that takes the corner pixels (top left, top right, bottom right, bottom left) of a w x h
// picture to `to` (x, y), as torchvision does: pixel numbers are taken for the plane's points. False where no
// map does.
bool cnn_warp_perspective(struct cnn_warp *out, int w, int h, const double to[4][2]);

// --- levels ---
// As Pillow's ImageEnhance and ImageOps of the same names; gamma as torchvision's. Saturation, hue, gray,
// order and the colour spaces leave a picture of one channel as it is.
enum cnn_status cnn_canvas_brightness(struct cnn_canvas *canvas, double factor) CNN_MUST_CHECK;
enum cnn_status cnn_canvas_contrast(struct cnn_canvas *canvas, double factor) CNN_MUST_CHECK;
enum cnn_status cnn_canvas_gamma(struct cnn_canvas *canvas, double gamma, double gain) CNN_MUST_CHECK;
enum cnn_status cnn_canvas_posterize(struct cnn_canvas *canvas, int bits) CNN_MUST_CHECK;
enum cnn_status cnn_canvas_solarize(struct cnn_canvas *canvas, double threshold) CNN_MUST_CHECK;
enum cnn_status cnn_canvas_invert(struct cnn_canvas *canvas) CNN_MUST_CHECK;
enum cnn_status cnn_canvas_equalize(struct cnn_canvas *canvas) CNN_MUST_CHECK;
enum cnn_status cnn_canvas_autocontrast(struct cnn_canvas *canvas) CNN_MUST_CHECK;
enum cnn_status cnn_canvas_saturation(struct cnn_canvas *canvas, double factor) CNN_MUST_CHECK;
enum cnn_status cnn_canvas_hue(struct cnn_canvas *canvas, double turn) CNN_MUST_CHECK; // -0.5..0.5
enum cnn_status cnn_canvas_gray(struct cnn_canvas *canvas) CNN_MUST_CHECK;
// Channel k becomes what channel order[k] was.
enum cnn_status cnn_canvas_permute(struct cnn_canvas *canvas, const int order[3]) CNN_MUST_CHECK;
// CIELab under D65: L * 255 / 100, a + 128, b + 128. HCL: the hue of (a, b), 256 for the circle; chroma * 255
// / 134 (of sRGB it ends at 133.8); L * 255 / 100.
enum cnn_status cnn_canvas_lab(struct cnn_canvas *canvas) CNN_MUST_CHECK;
enum cnn_status cnn_canvas_hcl(struct cnn_canvas *canvas) CNN_MUST_CHECK;

// --- neighbourhoods ---
enum cnn_status cnn_canvas_sharpness(struct cnn_canvas *canvas, double factor) CNN_MUST_CHECK;
// kernel_size is odd; the border is mirrored, as torchvision does.
enum cnn_status cnn_canvas_blur(struct cnn_canvas *canvas, int kernel_size, double sigma) CNN_MUST_CHECK;

// --- noise, from the blocks of `draws` not yet begun ---
enum cnn_status cnn_canvas_noise(struct cnn_canvas *canvas, double mean, double sigma,
                                 const struct cnn_draws *draws) CNN_MUST_CHECK; // of levels scaled to 0..1
enum cnn_status cnn_canvas_salt_pepper(struct cnn_canvas *canvas, double amount, double salt,
                                       const struct cnn_draws *draws) CNN_MUST_CHECK;
// Overwrites the part of `rect` that lies in the picture; with draws by random levels.
enum cnn_status cnn_canvas_erase(struct cnn_canvas *canvas, struct cnn_rect rect, const uint8_t value[3],
                                 const struct cnn_draws *draws) CNN_MUST_CHECK;

// --- between the files of the canvas ---
enum cnn_status cnn_canvas_do_table(struct cnn_canvas *canvas) CNN_MUST_CHECK;
enum cnn_status cnn_canvas_do_warp(struct cnn_canvas *canvas) CNN_MUST_CHECK;
// The picture as it is now, copied to the scratch.
enum cnn_status cnn_canvas_copy(struct cnn_canvas *canvas, const uint8_t **out) CNN_MUST_CHECK;
static inline size_t cnn_canvas_bytes(const struct cnn_canvas *canvas) {
    return (size_t)canvas->h * (size_t)canvas->w * (size_t)canvas->c;
}

#endif
