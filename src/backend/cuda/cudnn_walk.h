// Goes through cuDNN's engines for a product of a convolution, form by form, each made ready to run; and
// tells which of them is the fastest.
#ifndef CNN_BACKEND_CUDA_CUDNN_WALK_H
#define CNN_BACKEND_CUDA_CUDNN_WALK_H
#include "backend/cuda/conv_engine.h"
#include "base/error.h"

// ---- cudnn_walk.c
// May keep the plan, by cnn_conv_engine_take.
typedef enum cnn_status (*cnn_engine_visitor)(void *context, struct cnn_conv_engine *engine, bool *enough);

struct cnn_engine_walk {
    const struct cnn_cudnn_target *target;
    const struct cnn_cudnn_rules *rules;
    const struct cnn_conv_product *product;
    const char *tag; // only this engine, where not NULL
    cnn_engine_visitor visit;
    void *context;
    int most_compiled;        // engines of a form that are compiled for it; 0: as many as it takes
    struct cnn_error trouble; // the first that was more than "not supported"
};
// The engines of one form, in order, until the visitor has had enough. What does not work is passed over; the
// result is an error of the visitor.
enum cnn_status cnn_engine_walk_form(struct cnn_engine_walk *walk, unsigned with,
                                     bool *enough) CNN_MUST_CHECK;
// `out` is finished and has what `from` had.
void cnn_conv_engine_take(struct cnn_conv_engine *out, struct cnn_conv_engine *from);
// Keeps a plan that was compiled in target->plans, if there are any. Fails only for want of memory.
enum cnn_status cnn_conv_engine_keep(struct cnn_conv_engine *engine,
                                     const struct cnn_cudnn_target *target) CNN_MUST_CHECK;

// ---- cudnn_race.c
// The first candidates of every form are timed on the device, together with what our own kernels do of the
// rest. Where the memory is too small for that nothing wins, and *out stays empty.
enum cnn_status cnn_cudnn_fastest(struct cnn_conv_engine *out, struct cnn_cuda *cuda,
                                  const struct cnn_cudnn_target *target, const struct cnn_cudnn_rules *rules,
                                  const struct cnn_conv_product *product) CNN_MUST_CHECK;

#endif
