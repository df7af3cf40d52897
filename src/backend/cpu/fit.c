#include "backend/cpu/fit.h"
#include "base/memory.h"
#include <string.h>

static bool is_output(enum cnn_pass pass, enum cnn_slot slot) {
    switch (pass) {
    case CNN_PASS_BACKWARD_DATA:
        return slot == CNN_SLOT_SRC;
    case CNN_PASS_BACKWARD_WEIGHTS:
        return slot == CNN_SLOT_WEIGHTS || slot == CNN_SLOT_BIAS;
    default:
        return slot == CNN_SLOT_DST;
    }
}

// The product with its weights, or with every tensor, left for oneDNN to lay out.
static enum cnn_status loose_product_create(struct cnn_primitive **out, struct cnn_onednn *dnn,
                                            const struct cnn_product *wanted, bool all) {
    struct cnn_product product = *wanted;
    struct cnn_layout *src = NULL, *weights = NULL, *dst = NULL;
    enum cnn_status status = cnn_layout_loosen(&weights, wanted->weights, cnn_layout_type(wanted->weights));
    product.weights = weights;
    if (status == CNN_OK && all)
        status = cnn_layout_loosen(&src, wanted->src, cnn_layout_type(wanted->src));
    if (status == CNN_OK && all)
        status = cnn_layout_loosen(&dst, wanted->dst, cnn_layout_type(wanted->dst));
    if (all) {
        product.src = src;
        product.dst = dst;
    }
    if (status == CNN_OK)
        status = cnn_product_create(out, dnn, &product);
    cnn_layout_destroy(src);
    cnn_layout_destroy(weights);
    cnn_layout_destroy(dst);
    return status;
}

// oneDNN's products of bf16 through matrix products (2.6) take a residual to lie like their output, whatever
// its layout says.
static bool is_wrong(const struct cnn_primitive *product, const struct cnn_product *wanted) {
    return wanted->residual && cnn_layout_type(wanted->src) == CNN_TYPE_BF16 &&
           !cnn_layout_equal(cnn_primitive_layout(product, CNN_SLOT_DST), wanted->dst);
}

// The best of: layouts as wanted, other weights, all layouts free; of equals the first.
static enum cnn_status choose(struct cnn_primitive **out, struct cnn_onednn *dnn,
                              const struct cnn_product *wanted) {
    struct cnn_primitive *best = NULL;
    enum cnn_status status = CNN_OK;
    for (int attempt = 0; attempt < 3; attempt++) {
        struct cnn_primitive *next = NULL;
        status = attempt == 0 ? cnn_product_create(&next, dnn, wanted)
                              : loose_product_create(&next, dnn, wanted, attempt == 2);
        if (status == CNN_OK && is_wrong(next, wanted))
            status = cnn_fail(CNN_ERR_UNSUPPORTED, "oneDNN: a primitive cannot add a residual in its memory "
                                                   "layout");
        if (status == CNN_OK && (!best || cnn_primitive_class(next) > cnn_primitive_class(best))) {
            cnn_primitive_destroy(best);
            best = next;
        } else {
            cnn_primitive_destroy(next);
        }
        if (best && cnn_primitive_class(best) == 2)
            break;
    }
    if (!best)
        return status;
    *out = best;
    return CNN_OK;
}

static enum cnn_status add_reorders(struct cnn_fit *fit, struct cnn_onednn *dnn,
                                    const struct cnn_product *wanted) {
    const struct cnn_layout *outside[CNN_N_SLOTS] = {wanted->src, wanted->weights, wanted->bias, wanted->dst,
                                                     NULL};
    fit->scratch_bytes = cnn_align_up(cnn_primitive_scratch_bytes(fit->product), CNN_ALIGN);
    for (int slot = 0; slot < CNN_N_SLOTS; slot++) {
        const struct cnn_layout *inside = cnn_primitive_layout(fit->product, slot);
        if (!inside || !outside[slot] || cnn_layout_is_any(outside[slot]) ||
            cnn_layout_equal(inside, outside[slot]))
            continue;
        if (is_output(fit->pass, slot))
            CNN_TRY(cnn_reorder_create(&fit->reorders[slot], dnn, inside, outside[slot]));
        else
            CNN_TRY(cnn_reorder_create(&fit->reorders[slot], dnn, outside[slot], inside));
        fit->offsets[slot] = fit->scratch_bytes;
        fit->scratch_bytes += cnn_align_up(cnn_layout_bytes(inside), CNN_ALIGN);
    }
    size_t reorder_bytes = 0;
    for (int slot = 0; slot < CNN_N_SLOTS; slot++)
        if (fit->reorders[slot] && cnn_primitive_scratch_bytes(fit->reorders[slot]) > reorder_bytes)
            reorder_bytes = cnn_primitive_scratch_bytes(fit->reorders[slot]);
    fit->scratch_bytes += reorder_bytes;
    return CNN_OK;
}

enum cnn_status cnn_fit_create(struct cnn_fit *out, struct cnn_onednn *dnn,
                               const struct cnn_product *wanted) {
    struct cnn_fit fit = {.pass = wanted->pass};
    CNN_TRY(choose(&fit.product, dnn, wanted));
    const enum cnn_status status = add_reorders(&fit, dnn, wanted);
    if (status != CNN_OK) {
        cnn_fit_finish(&fit);
        return status;
    }
    *out = fit;
    return CNN_OK;
}

void cnn_fit_finish(struct cnn_fit *fit) {
    cnn_primitive_destroy(fit->product);
    for (int slot = 0; slot < CNN_N_SLOTS; slot++)
        cnn_primitive_destroy(fit->reorders[slot]);
    memset(fit, 0, sizeof *fit);
}

static enum cnn_status reorder(struct cnn_primitive *primitive, void *from, void *to, void *scratch) {
    void *slots[CNN_N_SLOTS] = {0};
    slots[CNN_SLOT_SRC] = from;
    slots[CNN_SLOT_DST] = to;
    return cnn_primitive_run(primitive, slots, scratch);
}

enum cnn_status cnn_fit_run(const struct cnn_fit *fit, void *const slots[CNN_N_SLOTS], void *scratch) {
    void *inside[CNN_N_SLOTS];
    memcpy(inside, slots, sizeof inside);
    // a reorder's own scratch is the product's, which is idle then, or lies behind the copies
    size_t reorder_scratch = cnn_align_up(cnn_primitive_scratch_bytes(fit->product), CNN_ALIGN);
    for (int slot = 0; slot < CNN_N_SLOTS; slot++)
        if (fit->reorders[slot])
            reorder_scratch =
                fit->offsets[slot] +
                cnn_align_up(cnn_layout_bytes(cnn_primitive_layout(fit->product, slot)), CNN_ALIGN);
    char *base = scratch;
    for (int slot = 0; slot < CNN_N_SLOTS; slot++) {
        if (!fit->reorders[slot])
            continue;
        inside[slot] = base + fit->offsets[slot];
        if (!is_output(fit->pass, slot))
            CNN_TRY(reorder(fit->reorders[slot], slots[slot], inside[slot], base + reorder_scratch));
    }
    CNN_TRY(cnn_primitive_run(fit->product, inside, scratch));
    for (int slot = 0; slot < CNN_N_SLOTS; slot++)
        if (fit->reorders[slot] && is_output(fit->pass, slot))
            CNN_TRY(reorder(fit->reorders[slot], inside[slot], slots[slot], base + reorder_scratch));
    return CNN_OK;
}
