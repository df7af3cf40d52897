// First values of parameters. Four values share one Philox block addressed by (seed, parameter, element / 4),
// so any slice could be made alone. Draws become normal values in chunks, by polynomials instead of libm's
// functions: the compiler vectorises them (several times faster, and VGG has 138 M values), and no libm can
// change a run.
#include "base/random.h"
#include "model/model.h"

#include <math.h>
#include <string.h>

#define LANES 4   // values of a block
#define CHUNK 256 // values drawn at a time; a multiple of LANES

// Natural logarithm of 0 < x <= 1 to about 1e-7: x = m 2^e with m near 1, and log m = 2 artanh((m - 1) / (m +
// 1)).
static inline float log_of(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int32_t exponent = (bits - 0x3f3504f3) >> 23; // m in [sqrt(1/2), sqrt(2))
    bits -= exponent * (1 << 23);
    float m;
    memcpy(&m, &bits, sizeof m);
    float s = (m - 1) / (m + 1), z = s * s;
    float log_m = 2 * s * (1 + z * (1 / 3.0f + z * (1 / 5.0f + z * (1 / 7.0f + z * (1 / 9.0f)))));
    return (float)exponent * 0.69314718f + log_m;
}

// Cosine and sine of a full turn x angle / 2^32: Taylor's polynomials within an eighth of a turn of the
// nearest quarter.
static inline void cos_sin_of(uint32_t angle, float *out_cos, float *out_sin) {
    uint32_t quarter = (angle + (1u << 29)) >> 30;
    float x = (float)(int32_t)(angle - (quarter << 30)) * 1.46291808e-9f, z = x * x; // 2 pi / 2^32
    float s = x * (1 + z * (-1 / 6.0f + z * (1 / 120.0f + z * (-1 / 5040.0f + z * (1 / 362880.0f)))));
    float c = 1 + z * (-1 / 2.0f + z * (1 / 24.0f + z * (-1 / 720.0f + z * (1 / 40320.0f))));
    float along = quarter & 1 ? -s : c, across = quarter & 1 ? c : s;
    *out_cos = quarter & 2 ? -along : along;
    *out_sin = quarter & 2 ? -across : across;
}

// Box and Muller 1958: two uniform draws become two independent normal values.
static void normal_chunk(const uint32_t raw[CHUNK], float out[CHUNK]) {
    for (int i = 0; i < CHUNK; i += 2) {
        float u =
            ((float)(int32_t)(raw[i] >> 1) + 0.5f) * 0x1p-31f; // never 0; the tail ends past 6.6 deviations
        float radius = sqrtf(-2 * log_of(u)), along, across;
        cos_sin_of(raw[i + 1], &along, &across);
        out[i] = radius * along;
        out[i + 1] = radius * across;
    }
}

static void uniform_chunk(const uint32_t raw[CHUNK], float out[CHUNK]) {
    for (int i = 0; i < CHUNK; i++)
        out[i] = (float)(int32_t)(raw[i] >> 8) * 0x1p-24f; // [0, 1)
}

static void draw_chunk(uint64_t seed, int param, size_t at, uint32_t raw[CHUNK]) {
    for (size_t i = 0; i < CHUNK; i += LANES) {
        struct cnn_draws draws = cnn_draws_of(seed, CNN_PURPOSE_INIT, (uint64_t)param, (at + i) / LANES);
        for (size_t lane = 0; lane < LANES; lane++)
            raw[i + lane] = cnn_draw_u32(&draws);
    }
}

static void fill_drawn(const struct cnn_init *init, uint64_t seed, int param, float *out, size_t n) {
    bool normal = init->kind == CNN_INIT_NORMAL;
    float offset = (float)init->a, scale = (float)(normal ? init->b : init->b - init->a);
    for (size_t at = 0; at < n; at += CHUNK) {
        uint32_t raw[CHUNK];
        float values[CHUNK];
        draw_chunk(seed, param, at, raw);
        (normal ? normal_chunk : uniform_chunk)(raw, values);
        size_t used = n - at < CHUNK ? n - at : CHUNK;
        for (size_t i = 0; i < used; i++)
            out[at + i] = offset + scale * values[i];
    }
}

void cnn_param_init(const struct cnn_model *model, int param, uint64_t seed, float *out) {
    const struct cnn_init *init = &model->params[param].init;
    size_t n = cnn_param_count(&model->params[param]);
    if (init->kind != CNN_INIT_CONSTANT) {
        fill_drawn(init, seed, param, out, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = (float)init->a;
}
