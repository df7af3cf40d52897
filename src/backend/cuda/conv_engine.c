#include "backend/cuda/conv_engine.h"
#include "backend/cuda/product.h"

int cnn_conv_forms(unsigned out[CNN_CONV_MAX_FORMS], const struct cnn_conv_product *product) {
    int n = 0;
    out[n++] = product->wanted;
    if ((product->wanted & CNN_CONV_BIAS) && product->wanted != CNN_CONV_BIAS)
        out[n++] = CNN_CONV_BIAS;
    if (product->wanted)
        out[n++] = 0;
    return n;
}

static size_t count_of(struct cnn_cudnn_dims d) {
    return (size_t)d.n * (size_t)d.c * (size_t)d.h * (size_t)d.w;
}

static struct cnn_cudnn_dims result_of(const struct cnn_conv_product *p) {
    return p->pass == CNN_CUDNN_FORWARD         ? p->shape.out
           : p->pass == CNN_CUDNN_BACKWARD_DATA ? p->shape.in
                                                : p->shape.weights;
}

size_t cnn_conv_slot_bytes(const struct cnn_conv_product *p, enum cnn_cudnn_slot slot) {
    const struct cnn_conv_shape *s = &p->shape;
    const size_t element = cnn_type_bytes(s->type), result = count_of(result_of(p)) * element;
    switch (slot) {
    case CNN_CUDNN_IN:
        return count_of(p->pass == CNN_CUDNN_BACKWARD_DATA ? s->out : s->in) * element;
    case CNN_CUDNN_WEIGHTS:
        return count_of(p->pass == CNN_CUDNN_BACKWARD_WEIGHTS ? s->out : s->weights) * element;
    case CNN_CUDNN_OUT:
        return result;
    case CNN_CUDNN_BIAS:
        return p->wanted & CNN_CONV_BIAS ? (size_t)s->out.c * sizeof(float) : 0;
    case CNN_CUDNN_RESIDUAL:
        return p->wanted & CNN_CONV_RESIDUAL ? result : 0;
    case CNN_CUDNN_MASK:
        return p->wanted & CNN_CONV_MASK ? result : 0;
    case CNN_CUDNN_SUM:
    case CNN_CUDNN_SQUARES:
        return p->wanted & CNN_CONV_MOMENTS ? (size_t)s->out.c * sizeof(float) : 0;
    default:
        return 0;
    }
}

// A plan is given the memory of its own tensors only.
static struct cnn_cudnn_memory memory_of_plan(const struct cnn_conv_engine *e,
                                              const struct cnn_cudnn_memory *memory) {
    const struct cnn_conv_product done = {e->product.shape, e->product.pass, e->with};
    struct cnn_cudnn_memory own = {{NULL}};
    for (int slot = CNN_CUDNN_IN; slot < CNN_CUDNN_N_SLOTS; slot++)
        if (cnn_conv_slot_bytes(&done, (enum cnn_cudnn_slot)slot))
            own.at[slot] = memory->at[slot];
    return own;
}

static enum cnn_status run_rest(const struct cnn_conv_engine *e, struct cnn_cuda *cuda,
                                const struct cnn_cudnn_memory *memory) {
    const struct cnn_cudnn_dims d = result_of(&e->product);
    const enum cnn_type type = e->product.shape.type;
    const unsigned rest = e->product.wanted & ~e->with;
    void *out = memory->at[CNN_CUDNN_OUT];
    if (rest & CNN_CONV_MASK)
        return cnn_cuda_relu_grad(cuda, type, out, out, memory->at[CNN_CUDNN_MASK], count_of(d));
    if (!(rest & (CNN_CONV_BIAS | CNN_CONV_RESIDUAL | CNN_CONV_RELU)))
        return CNN_OK;
    const struct cnn_epilogue epilogue = {
        .bias = rest & CNN_CONV_BIAS ? memory->at[CNN_CUDNN_BIAS] : NULL,
        .residual = rest & CNN_CONV_RESIDUAL ? memory->at[CNN_CUDNN_RESIDUAL] : NULL,
        .relu = rest & CNN_CONV_RELU,
    };
    return cnn_cuda_epilogue(cuda, type, out, count_of(d) / (size_t)d.c, d.c, &epilogue);
}

enum cnn_status cnn_conv_engine_run(struct cnn_conv_engine *e, struct cnn_cuda *cuda,
                                    const struct cnn_cudnn_memory *memory, void *workspace,
                                    const char *what) {
    const struct cnn_cudnn_memory own = memory_of_plan(e, memory);
    CNN_TRY(cnn_cudnn_plan_run(&e->plan, cuda->dnn, &own, workspace, what));
    return run_rest(e, cuda, memory);
}

void cnn_conv_engine_finish(struct cnn_conv_engine *e) {
    cnn_cudnn_plan_finish(&e->plan);
    *e = (struct cnn_conv_engine){0};
}
