// First values of parameters. LANES values share a Philox sequence addressed by (seed, parameter, element /
// LANES): any slice could be made alone, and the normal values of a sequence use its block whole.
#include "base/random.h"
#include "model/model.h"

#define LANES 4

static double draw(const struct cnn_init *init, struct cnn_draws *draws) {
    if (init->kind == CNN_INIT_NORMAL)
        return init->a + init->b * cnn_draw_normal(draws);
    return cnn_draw_between(draws, init->a, init->b);
}

static void fill_drawn(const struct cnn_init *init, uint64_t seed, int param, float *out, size_t n) {
    for (size_t at = 0; at < n; at += LANES) {
        struct cnn_draws draws = cnn_draws_of(seed, CNN_PURPOSE_INIT, (uint64_t)param, at / LANES);
        size_t end = n - at < LANES ? n : at + LANES;
        for (size_t i = at; i < end; i++)
            out[i] = (float)draw(init, &draws);
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
