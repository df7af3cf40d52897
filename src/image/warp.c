// Moves of the plane. Affine maps run along rows in fixed point, with the part of each row that lies inside
// the source found beforehand.
#include "image/canvas.h"

#include <math.h>
#include <string.h>

static struct cnn_warp product(const struct cnn_warp *a, const struct cnn_warp *b) {
    struct cnn_warp out;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            out.m[3 * i + j] =
                a->m[3 * i] * b->m[j] + a->m[3 * i + 1] * b->m[3 + j] + a->m[3 * i + 2] * b->m[6 + j];
    return out;
}

// The adjugate: the inverse up to a factor, which a map of the plane does not see. False where there is none.
static bool invert(struct cnn_warp *out, const struct cnn_warp *warp) {
    const double *m = warp->m;
    struct cnn_warp adjugate = {
        {m[4] * m[8] - m[5] * m[7], m[2] * m[7] - m[1] * m[8], m[1] * m[5] - m[2] * m[4],
         m[5] * m[6] - m[3] * m[8], m[0] * m[8] - m[2] * m[6], m[2] * m[3] - m[0] * m[5],
         m[3] * m[7] - m[4] * m[6], m[1] * m[6] - m[0] * m[7], m[0] * m[4] - m[1] * m[3]}};
    double determinant = m[0] * adjugate.m[0] + m[1] * adjugate.m[3] + m[2] * adjugate.m[6];
    if (!(fabs(determinant) > 1e-12))
        return false;
    double scale = fabs(adjugate.m[8]) > 1e-12 ? adjugate.m[8] : determinant;
    for (int i = 0; i < 9; i++)
        out->m[i] = adjugate.m[i] / scale;
    return true;
}

struct cnn_warp cnn_warp_affine(const struct cnn_affine *affine) {
    const double radian = 3.14159265358979323846 / 180;
    double turn = affine->degrees * radian, x = affine->shear[0] * radian, y = affine->shear[1] * radian;
    double a = cos(turn - y) / cos(y), b = -cos(turn - y) * tan(x) / cos(y) - sin(turn);
    double c = sin(turn - y) / cos(y), d = -sin(turn - y) * tan(x) / cos(y) + cos(turn);
    double sx = affine->scale[0], sy = affine->scale[1], cx = affine->centre[0], cy = affine->centre[1];
    a *= sx, b *= sy, c *= sx, d *= sy;
    return (struct cnn_warp){{a, b, cx + affine->shift[0] - a * cx - b * cy, c, d,
                              cy + affine->shift[1] - c * cx - d * cy, 0, 0, 1}};
}

// Gauss and Jordan's elimination; the last column is the right side, then the solution.
static bool solve(double rows[8][9]) {
    for (int i = 0; i < 8; i++) {
        int best = i;
        for (int r = i + 1; r < 8; r++)
            best = fabs(rows[r][i]) > fabs(rows[best][i]) ? r : best;
        double held[9], pivot = rows[best][i];
        if (fabs(pivot) < 1e-9)
            return false;
        memcpy(held, rows[i], sizeof held);
        for (int k = 0; k < 9; k++)
            rows[i][k] = rows[best][k] / pivot;
        if (best != i)
            memcpy(rows[best], held, sizeof held);
        for (int r = 0; r < 8; r++) {
            double factor = rows[r][i];
            for (int k = i; k < 9 && r != i; k++)
                rows[r][k] -= factor * rows[i][k];
        }
    }
    return true;
}

bool cnn_warp_perspective(struct cnn_warp *out, int w, int h, const double to[4][2]) {
    const double from[4][2] = {{0, 0}, {w - 1, 0}, {w - 1, h - 1}, {0, h - 1}};
    double rows[8][9];
    for (int i = 0; i < 4; i++) {
        double x = to[i][0], y = to[i][1], u = from[i][0], v = from[i][1];
        memcpy(rows[2 * i], (double[9]){x, y, 1, 0, 0, 0, -u * x, -u * y, u}, sizeof rows[0]);
        memcpy(rows[2 * i + 1], (double[9]){0, 0, 0, x, y, 1, -v * x, -v * y, v}, sizeof rows[0]);
    }
    if (!solve(rows))
        return false;
    struct cnn_warp backwards = {
        {rows[0][8], rows[1][8], rows[2][8], rows[3][8], rows[4][8], rows[5][8], rows[6][8], rows[7][8], 1}};
    return invert(out, &backwards);
}

enum cnn_status cnn_canvas_warp(struct cnn_canvas *canvas, const struct cnn_warp *warp,
                                enum cnn_augment_interpolation interpolation, const uint8_t fill[3]) {
    bool joins = canvas->has_warp && canvas->interpolation == interpolation &&
                 memcmp(canvas->fill, fill, sizeof canvas->fill) == 0;
    CNN_TRY(cnn_canvas_do_table(canvas));
    if (joins) {
        canvas->warp = product(warp, &canvas->warp);
        return CNN_OK;
    }
    CNN_TRY(cnn_canvas_do_warp(canvas));
    canvas->has_warp = true;
    canvas->warp = *warp;
    canvas->interpolation = interpolation;
    memcpy(canvas->fill, fill, sizeof canvas->fill);
    return CNN_OK;
}

// --- reading the source ---

struct source {
    const uint8_t *pixels;
    int h, w, c;
    const uint8_t *fill;
};

static const uint8_t *pixel_at(const struct source *source, int64_t x, int64_t y) {
    if (x < 0 || y < 0 || x >= source->w || y >= source->h)
        return source->fill;
    return source->pixels + (size_t)(y * source->w + x) * (size_t)source->c;
}

#define WEIGHT_BITS 11

// Source points in units of 2^-32 pixels.
typedef int64_t fixed;
#define FIXED_BITS 32
#define FIXED_HALF ((fixed)1 << (FIXED_BITS - 1))

static inline uint32_t weight_of(fixed at) {
    return (uint32_t)(at >> (FIXED_BITS - WEIGHT_BITS)) & ((1u << WEIGHT_BITS) - 1);
}

// Of a point between the pixels a and b, and c and d below them. In all, 22 fraction bits of weight.
static inline void blend(uint8_t *out, const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d,
                         int channels, fixed u, fixed v) {
    const uint32_t one = 1u << WEIGHT_BITS, half = 1u << (2 * WEIGHT_BITS - 1);
    uint32_t fx = weight_of(u), fy = weight_of(v), right = fx * (one - fy), both = fx * fy;
    uint32_t low = (one - fx) * fy, none = (one - fx) * (one - fy);
#define BLEND(k)                                                                                             \
    out[k] = (uint8_t)((a[k] * none + b[k] * right + c[k] * low + d[k] * both + half) >> (2 * WEIGHT_BITS))
    BLEND(0);
    if (channels == 3) {
        BLEND(1);
        BLEND(2);
    }
#undef BLEND
}

static void read_nearest(uint8_t *out, const struct source *source, fixed u, fixed v) {
    const uint8_t *from = pixel_at(source, u >> FIXED_BITS, v >> FIXED_BITS);
    out[0] = from[0];
    if (source->c == 3) {
        out[1] = from[1];
        out[2] = from[2];
    }
}

static void read_bilinear(uint8_t *out, const struct source *source, fixed u, fixed v) {
    u -= FIXED_HALF;
    v -= FIXED_HALF;
    int64_t x = u >> FIXED_BITS, y = v >> FIXED_BITS;
    const uint8_t *a = source->fill, *b = a, *c = a, *d = a;
    if (x >= 0 && y >= 0 && x < source->w - 1 && y < source->h - 1) {
        a = source->pixels + (size_t)(y * source->w + x) * (size_t)source->c;
        b = a + source->c;
        c = a + (size_t)source->w * (size_t)source->c;
        d = c + source->c;
    } else {
        a = pixel_at(source, x, y), b = pixel_at(source, x + 1, y);
        c = pixel_at(source, x, y + 1), d = pixel_at(source, x + 1, y + 1);
    }
    blend(out, a, b, c, d, source->c, u, v);
}

// One row of results: its first source point and the step to the next.
struct line {
    fixed u, v, du, dv;
};

static void inside_nearest(uint8_t *out, const struct source *source, struct line line, int n) {
    size_t c = (size_t)source->c, stride = (size_t)source->w * c;
    for (int i = 0; i < n; i++, line.u += line.du, line.v += line.dv, out += c) {
        const uint8_t *from =
            source->pixels + (size_t)(line.v >> FIXED_BITS) * stride + (size_t)(line.u >> FIXED_BITS) * c;
        out[0] = from[0];
        if (c == 3) {
            out[1] = from[1];
            out[2] = from[2];
        }
    }
}

static void inside_bilinear(uint8_t *out, const struct source *source, struct line line, int n) {
    size_t c = (size_t)source->c, stride = (size_t)source->w * c;
    line.u -= FIXED_HALF;
    line.v -= FIXED_HALF;
    for (int i = 0; i < n; i++, line.u += line.du, line.v += line.dv, out += c) {
        const uint8_t *from =
            source->pixels + (size_t)(line.v >> FIXED_BITS) * stride + (size_t)(line.u >> FIXED_BITS) * c;
        blend(out, from, from + c, from + stride, from + stride + c, source->c, line.u, line.v);
    }
}

static int64_t floor_divide(int64_t a, int64_t b) { // b > 0
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

// Narrows first..end-1 to the i for which low <= start + i * step <= high.
static void narrow(int64_t *first, int64_t *end, fixed start, fixed step, fixed low, fixed high) {
    int64_t from = *first, to = *end;
    if (step > 0) {
        from = -floor_divide(start - low, step);
        to = floor_divide(high - start, step) + 1;
    } else if (step < 0) {
        from = -floor_divide(high - start, -step);
        to = floor_divide(start - low, -step) + 1;
    } else if (start < low || start > high) {
        to = from;
    }
    *first = from > *first ? from : *first;
    *end = to < *end ? to : *end;
    *end = *end < *first ? *first : *end;
}

struct reader {
    void (*read)(uint8_t *out, const struct source *source, fixed u, fixed v);
    // The same for n points none of which needs a pixel that is not there: their coordinates keep `margin`
    // from both ends.
    void (*inside)(uint8_t *out, const struct source *source, struct line line, int n);
    fixed margin;
};
static const struct reader readers[] = {
    [CNN_INTERPOLATION_NEAREST] = {read_nearest, inside_nearest, 0},
    [CNN_INTERPOLATION_BILINEAR] = {read_bilinear, inside_bilinear, FIXED_HALF},
};

static void warp_line(uint8_t *out, const struct source *source, const struct reader *reader,
                      struct line line) {
    int64_t first = 0, end = source->w;
    size_t c = (size_t)source->c;
    fixed margin = reader->margin;
    narrow(&first, &end, line.u, line.du, margin, ((fixed)source->w << FIXED_BITS) - margin - 1);
    narrow(&first, &end, line.v, line.dv, margin, ((fixed)source->h << FIXED_BITS) - margin - 1);
    for (int64_t x = 0; x < source->w; x++) {
        if (x == first && end > first) {
            struct line at = {line.u + first * line.du, line.v + first * line.dv, line.du, line.dv};
            reader->inside(out + (size_t)first * c, source, at, (int)(end - first));
            x = end;
            if (x == source->w)
                break;
        }
        reader->read(out + (size_t)x * c, source, line.u + x * line.du, line.v + x * line.dv);
    }
}

static fixed fixed_of(double value) { return (fixed)llrint(value * 0x1p32); }

static void warp_affine(uint8_t *out, const struct source *source, const struct reader *reader,
                        const double back[9]) {
    for (int y = 0; y < source->h; y++) {
        double u = back[0] * 0.5 + back[1] * (y + 0.5) + back[2];
        double v = back[3] * 0.5 + back[4] * (y + 0.5) + back[5];
        struct line line = {fixed_of(u), fixed_of(v), fixed_of(back[0]), fixed_of(back[3])};
        warp_line(out + (size_t)y * (size_t)source->w * (size_t)source->c, source, reader, line);
    }
}

#define FAR 0x1p30 // pixels; what fixed point holds with room to spare

static void warp_any(uint8_t *out, const struct source *source, const struct reader *reader,
                     const double back[9]) {
    for (int y = 0; y < source->h; y++) {
        double v = y + 0.5;
        for (int x = 0; x < source->w; x++, out += source->c) {
            double u = x + 0.5, depth = back[6] * u + back[7] * v + back[8], scale = 1 / depth;
            double from_x = (back[0] * u + back[1] * v + back[2]) * scale;
            double from_y = (back[3] * u + back[4] * v + back[5]) * scale;
            if (depth > 0 && fabs(from_x) < FAR && fabs(from_y) < FAR)
                reader->read(out, source, fixed_of(from_x), fixed_of(from_y));
            else
                memcpy(out, source->fill, (size_t)source->c);
        }
    }
}

// Whether no point of a w x h picture comes from farther away than fixed point reaches.
static bool is_near(const double back[9], int w, int h) {
    double across = fabs(back[0]) * w + fabs(back[1]) * h + fabs(back[2]);
    double down = fabs(back[3]) * w + fabs(back[4]) * h + fabs(back[5]);
    return back[6] == 0 && back[7] == 0 && back[8] == 1 && across < FAR && down < FAR;
}

enum cnn_status cnn_canvas_do_warp(struct cnn_canvas *canvas) {
    struct source source = {.h = canvas->h, .w = canvas->w, .c = canvas->c, .fill = canvas->fill};
    struct cnn_warp back;
    if (!canvas->has_warp)
        return CNN_OK;
    const struct reader *reader = &readers[canvas->interpolation]; // of the warp: not set without one
    canvas->has_warp = false;
    CNN_TRY(cnn_canvas_copy(canvas, &source.pixels));
    if (!invert(&back, &canvas->warp))
        memset(back.m, 0, sizeof back.m); // squeezed to nothing: every point comes from nowhere
    if (is_near(back.m, canvas->w, canvas->h))
        warp_affine(canvas->pixels, &source, reader, back.m);
    else
        warp_any(canvas->pixels, &source, reader, back.m);
    return CNN_OK;
}
