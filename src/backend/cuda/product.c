#include "backend/cuda/product.h"
#include "base/memory.h"
#include <stdlib.h>

#define SCRATCH_ALIGN ((size_t)256)

// ---- weights ----

static size_t at_in_model(const struct cnn_weight_order *o, size_t output, size_t channel, size_t pixel) {
    const size_t pixels = (size_t)o->h * (size_t)o->w;
    return (output * (size_t)o->channels + channel) * pixels + pixel;
}

static size_t at_in_arena(const struct cnn_weight_order *o, size_t output, size_t channel, size_t pixel) {
    const size_t pixels = (size_t)o->h * (size_t)o->w;
    return (output * pixels + pixel) * (size_t)o->padded + channel;
}

// Calls `move` for every weight of the model.
static void for_each_weight(const struct cnn_weight_order *o, float *to, const float *from, bool into_arena) {
    const size_t pixels = (size_t)o->h * (size_t)o->w;
    for (size_t k = 0; k < (size_t)o->outputs; k++)
        for (size_t c = 0; c < (size_t)o->channels; c++)
            for (size_t p = 0; p < pixels; p++) {
                const size_t model = at_in_model(o, k, c, p), arena = at_in_arena(o, k, c, p);
                to[into_arena ? arena : model] = from[into_arena ? model : arena];
            }
}

enum cnn_status cnn_cuda_weights_in(struct cnn_plan *plan, const struct cnn_weight_order *order, float *arena,
                                    const float *values) {
    float *ordered = NULL;
    CNN_TRY(cnn_calloc(&ordered, cnn_weight_count(order), sizeof *ordered));
    for_each_weight(order, ordered, values, true);
    const enum cnn_status status = cnn_cuda_param_copy_in(plan, 0, arena, ordered);
    free(ordered);
    return status;
}

enum cnn_status cnn_cuda_weights_out(struct cnn_plan *plan, const struct cnn_weight_order *order,
                                     const float *arena, float *values) {
    float *ordered = NULL;
    CNN_TRY(cnn_malloc(&ordered, cnn_weight_count(order), sizeof *ordered));
    const enum cnn_status status = cnn_cuda_param_copy_out(plan, 0, arena, ordered);
    if (status == CNN_OK)
        for_each_weight(order, values, ordered, false);
    free(ordered);
    return status;
}

// ---- scratch ----

struct cnn_product_scratch cnn_product_scratch_of(size_t workspace_bytes, size_t cast_bytes,
                                                  size_t d_weights_bytes) {
    struct cnn_product_scratch s = {.workspace_bytes = workspace_bytes};
    s.cast_at = cnn_align_up(workspace_bytes, SCRATCH_ALIGN);
    s.d_weights_at = s.cast_at + cnn_align_up(cast_bytes, SCRATCH_ALIGN);
    s.bytes = s.d_weights_at + d_weights_bytes;
    return s;
}

enum cnn_status cnn_product_take_gradient(struct cnn_cuda *cuda, const struct cnn_plan *plan,
                                          const struct cnn_kernel_io *io, void *cast, void **out) {
    const size_t n = cnn_tensor_count(&plan->out);
    if (plan->reads_out)
        CNN_TRY(cnn_cuda_relu_grad(cuda, plan->out.type, io->d_out[0], io->d_out[0], io->out, n));
    *out = io->d_out[0];
    if (plan->out.type == cuda->base.type)
        return CNN_OK;
    *out = cast;
    return cnn_cuda_narrow(&cuda->base, cast, io->d_out[0], n);
}
