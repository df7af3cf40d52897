#include "data/import/shapes.h"

#include "base/random.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#define TAU 6.28318530717958647692f
#define SAMPLES 3 // per pixel and direction, for smooth edges
#define MAX_CLUTTER 3

const char *const cnn_shape_names[CNN_N_SHAPES] = {"circle", "square", "triangle", "star",  "cross",
                                                   "ring",   "heart",  "crescent", "arrow", "hourglass"};

struct colour {
    float rgb[3];
};

// ---- the shapes, each within the unit disc, y pointing down ----

static bool in_circle(float x, float y) { return x * x + y * y <= 0.85f * 0.85f; }

static bool in_square(float x, float y) { return fabsf(x) <= 0.74f && fabsf(y) <= 0.74f; }

static bool in_triangle(float x, float y) { return y <= 0.5f && 0.5f * y + 0.5f >= 0.8660254f * fabsf(x); }

// Five lines, each from tip to tip and across from the tip it cuts off: outside one of them lies that tip,
// outside two nothing.
static bool in_star(float x, float y) {
    static const float tips[5][2] = {{0, -1},
                                     {0.95105652f, -0.30901699f},
                                     {0.58778525f, 0.80901699f},
                                     {-0.58778525f, 0.80901699f},
                                     {-0.95105652f, -0.30901699f}};
    int outside = 0;
    for (int i = 0; i < 5; i++)
        outside += tips[i][0] * x + tips[i][1] * y > 0.30901699f;
    return outside <= 1 && x * x + y * y <= 1;
}

static bool in_cross(float x, float y) {
    float u = fabsf(x), v = fabsf(y);
    return (u <= 0.28f && v <= 0.95f) || (v <= 0.28f && u <= 0.95f);
}

static bool in_ring(float x, float y) {
    float squared = x * x + y * y;
    return squared <= 0.92f * 0.92f && squared >= 0.52f * 0.52f;
}

static bool in_heart(float x, float y) {
    float u = x * 1.25f, v = -y * 1.25f + 0.1f, s = u * u + v * v - 1;
    return s * s * s <= u * u * v * v * v;
}

static bool in_crescent(float x, float y) {
    float dx = x - 0.5f;
    return x * x + y * y <= 0.95f * 0.95f && dx * dx + y * y >= 0.75f * 0.75f;
}

static bool in_arrow(float x, float y) {
    bool head = y >= -0.95f && y <= -0.05f && fabsf(x) <= (y + 0.95f) * 0.83f;
    return head || (y >= -0.1f && y <= 0.95f && fabsf(x) <= 0.24f);
}

static bool in_hourglass(float x, float y) {
    return fabsf(y) <= 0.82f && fabsf(x) <= 0.06f + 0.72f * fabsf(y);
}

static bool (*const inside[CNN_N_SHAPES])(float, float) = {in_circle, in_square,   in_triangle, in_star,
                                                           in_cross,  in_ring,     in_heart,    in_crescent,
                                                           in_arrow,  in_hourglass};

// ---- colour and texture ----

static float between(struct cnn_draws *draws, double lo, double hi) {
    return (float)cnn_draw_between(draws, lo, hi);
}

static struct colour random_colour(struct cnn_draws *draws) {
    struct colour colour;
    for (int c = 0; c < 3; c++)
        colour.rgb[c] = between(draws, 0.05, 0.95);
    return colour;
}

static float distance(struct colour a, struct colour b) {
    float sum = 0;
    for (int c = 0; c < 3; c++)
        sum += (a.rgb[c] - b.rgb[c]) * (a.rgb[c] - b.rgb[c]);
    return sqrtf(sum);
}

// One that can be told from `other`; the tries are bounded, so the last one counts as it is.
static struct colour other_colour(struct cnn_draws *draws, struct colour other, float apart) {
    struct colour colour = random_colour(draws);
    for (int i = 0; i < 20 && distance(colour, other) < apart; i++)
        colour = random_colour(draws);
    return colour;
}

// A colour that varies over the picture: evenly, in stripes, or in soft blotches.
struct texture {
    struct colour base, swing;
    enum { PLAIN, GRADIENT, STRIPES, BLOTCHES, N_TEXTURES } kind;
    float ux, uy, vx, vy, phase, phase2;
};

static struct texture random_texture(struct cnn_draws *draws, struct colour base, float strength) {
    struct texture texture = {.base = base, .kind = (int)cnn_draw_below(draws, N_TEXTURES)};
    float angle = between(draws, 0, TAU), angle2 = between(draws, 0, TAU);
    float waves = between(draws, 2, 6) * TAU, waves2 = between(draws, 1, 4) * TAU;
    for (int c = 0; c < 3; c++)
        texture.swing.rgb[c] = between(draws, -strength, strength);
    if (texture.kind == GRADIENT)
        waves = 1.4f;
    texture.ux = waves * cosf(angle);
    texture.uy = waves * sinf(angle);
    texture.vx = waves2 * cosf(angle2);
    texture.vy = waves2 * sinf(angle2);
    texture.phase = between(draws, 0, TAU);
    texture.phase2 = between(draws, 0, TAU);
    return texture;
}

// x, y in 0..1.
static struct colour texture_at(const struct texture *texture, float x, float y) {
    float u = texture->ux * x + texture->uy * y, t = 0;
    struct colour colour;
    switch (texture->kind) {
    case GRADIENT:
        t = u - 0.5f * (texture->ux + texture->uy);
        break;
    case STRIPES:
        t = sinf(u + texture->phase) > 0 ? 1.0f : -1.0f;
        break;
    case BLOTCHES:
        t = sinf(u + texture->phase) * sinf(texture->vx * x + texture->vy * y + texture->phase2);
        break;
    default:
        break;
    }
    for (int c = 0; c < 3; c++)
        colour.rgb[c] = texture->base.rgb[c] + t * texture->swing.rgb[c];
    return colour;
}

// ---- painting; coordinates in 0..1 over the picture ----

struct canvas {
    uint8_t *pixels;
    int side;
};

static uint8_t to_byte(float value) { return (uint8_t)(fminf(fmaxf(value, 0), 1) * 255 + 0.5f); }

static void blend(uint8_t *pixel, struct colour colour, float cover) {
    for (int c = 0; c < 3; c++)
        pixel[c] = to_byte(pixel[c] / 255.0f * (1 - cover) + colour.rgb[c] * cover);
}

static uint8_t *pixel_at(const struct canvas *canvas, int row, int column) {
    return canvas->pixels + 3 * ((size_t)row * (size_t)canvas->side + (size_t)column);
}

static void fill(const struct canvas *canvas, const struct texture *texture) {
    for (int row = 0; row < canvas->side; row++)
        for (int column = 0; column < canvas->side; column++) {
            float x = ((float)column + 0.5f) / (float)canvas->side,
                  y = ((float)row + 0.5f) / (float)canvas->side;
            blend(pixel_at(canvas, row, column), texture_at(texture, x, y), 1);
        }
}

// A figure in its own coordinates, and where it stands: position, then turn and stretch.
struct placed {
    bool (*inside)(float, float);
    float x, y, ax, ay, bx, by; // own coordinates = (ax * dx + ay * dy, bx * dx + by * dy)
    float reach;                // nothing of it farther from (x, y) than this
};

static struct placed place(bool (*figure)(float, float), float x, float y, float half_w, float half_h,
                           float angle) {
    float c = cosf(angle), s = sinf(angle);
    return (struct placed){.inside = figure,
                           .x = x,
                           .y = y,
                           .ax = c / half_w,
                           .ay = s / half_w,
                           .bx = -s / half_h,
                           .by = c / half_h,
                           .reach = fmaxf(half_w, half_h) * 1.42f};
}

static float cover_of(const struct placed *placed, float x, float y, float pixel) {
    int hits = 0;
    for (int i = 0; i < SAMPLES * SAMPLES; i++) {
        float dx = x + ((float)(i % SAMPLES) + 0.5f) / SAMPLES * pixel - placed->x;
        float dy = y + ((float)(i / SAMPLES) + 0.5f) / SAMPLES * pixel - placed->y;
        hits += placed->inside(placed->ax * dx + placed->ay * dy, placed->bx * dx + placed->by * dy);
    }
    return (float)hits / (SAMPLES * SAMPLES);
}

static int clamp_index(float value, int side) {
    return value < 0 ? 0 : value > (float)side ? side : (int)value;
}

static void paint(const struct canvas *canvas, const struct placed *placed, const struct texture *texture,
                  float opacity) {
    float side = (float)canvas->side;
    int left = clamp_index((placed->x - placed->reach) * side, canvas->side),
        top = clamp_index((placed->y - placed->reach) * side, canvas->side);
    int right = clamp_index((placed->x + placed->reach) * side + 1, canvas->side),
        bottom = clamp_index((placed->y + placed->reach) * side + 1, canvas->side);
    for (int row = top; row < bottom; row++)
        for (int column = left; column < right; column++) {
            float x = (float)column / side, y = (float)row / side, cover = cover_of(placed, x, y, 1 / side);
            if (cover > 0)
                blend(pixel_at(canvas, row, column), texture_at(texture, x, y), cover * opacity);
        }
}

static bool in_bar(float x, float y) { return fabsf(x) <= 1 && fabsf(y) <= 1; }

// A dot or a stroke, small beside the shape.
static void paint_clutter(const struct canvas *canvas, struct cnn_draws *draws) {
    bool stroke = cnn_draw_below(draws, 2);
    float x = between(draws, 0, 1), y = between(draws, 0, 1), angle = between(draws, 0, TAU);
    float size = between(draws, 0.03, 0.07), length = stroke ? between(draws, 0.1, 0.3) : size;
    struct texture texture = random_texture(draws, random_colour(draws), 0);
    struct placed placed =
        place(stroke ? in_bar : in_circle, x, y, length, stroke ? 0.4f * size : size, angle);
    paint(canvas, &placed, &texture, between(draws, 0.5, 1));
}

static void add_noise(const struct canvas *canvas, uint64_t seed, uint64_t id, float strength) {
    struct cnn_draws draws = cnn_draws_of(seed, CNN_PURPOSE_SYNTH, 1, id);
    size_t n = 3 * (size_t)canvas->side * (size_t)canvas->side;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t word = cnn_draw_u32(&draws); // four bytes are four draws
        for (size_t k = i; k < n && k < i + 4; k++, word >>= 8)
            canvas->pixels[k] =
                to_byte(canvas->pixels[k] / 255.0f + strength * ((float)(word & 255) / 127.5f - 1));
    }
}

void cnn_shape_draw(uint8_t *pixels, int side, uint64_t seed, uint64_t id) {
    struct cnn_draws draws = cnn_draws_of(seed, CNN_PURPOSE_SYNTH, 0, id);
    struct canvas canvas = {pixels, side};
    struct colour behind = random_colour(&draws), front = other_colour(&draws, behind, 0.6f);
    struct texture background = random_texture(&draws, behind, 0.12f),
                   foreground = random_texture(&draws, front, 0.1f);
    float size = between(&draws, 0.27, 0.45), stretch = between(&draws, 0.9, 1.11),
          angle = between(&draws, -0.6, 0.6);
    float x = between(&draws, size, 1 - size), y = between(&draws, size, 1 - size),
          noise = between(&draws, 0, 0.06);
    struct placed shape = place(inside[id % CNN_N_SHAPES], x, y, size * stretch, size / stretch, angle);

    fill(&canvas, &background);
    for (uint32_t n = cnn_draw_below(&draws, MAX_CLUTTER + 1); n > 0; n--)
        paint_clutter(&canvas, &draws);
    paint(&canvas, &shape, &foreground, 1);
    if (cnn_draw_below(&draws, 2))
        paint_clutter(&canvas, &draws); // in front of the shape
    add_noise(&canvas, seed, id, noise);
}
