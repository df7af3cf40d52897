// One product of a convolution, ready to run: an engine of cuDNN, which may do what follows the product
// itself, and our own kernels for what it leaves over.
#ifndef CNN_BACKEND_CUDA_CONV_ENGINE_H
#define CNN_BACKEND_CUDA_CONV_ENGINE_H
#include "backend/cuda/conv_graph.h"
#include "backend/cuda/cudnn_engine.h"

struct cnn_conv_product {
    struct cnn_conv_shape shape;
    enum cnn_cudnn_pass pass;
    unsigned wanted; // CNN_CONV_...: what is to follow the product
};

struct cnn_conv_engine {
    struct cnn_conv_product product;
    unsigned with; // what of it the plan does
    struct cnn_cudnn_plan plan;
};

// The forms a product may take, best first: all that follows in one kernel, some of it, none.
#define CNN_CONV_MAX_FORMS 3
int cnn_conv_forms(unsigned out[CNN_CONV_MAX_FORMS], const struct cnn_conv_product *product);

// Queued on cuda->compute. Memory is by slot; MASK and RESIDUAL may not be OUT. `what` names layer and pass.
enum cnn_status cnn_conv_engine_run(struct cnn_conv_engine *engine, struct cnn_cuda *cuda,
                                    const struct cnn_cudnn_memory *memory, void *workspace,
                                    const char *what) CNN_MUST_CHECK;
void cnn_conv_engine_finish(struct cnn_conv_engine *engine); // accepts a zeroed one
// Bytes of what stands in a slot of the product; 0 where there is nothing.
size_t cnn_conv_slot_bytes(const struct cnn_conv_product *product, enum cnn_cudnn_slot slot);

#endif
