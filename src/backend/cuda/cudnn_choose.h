// Which engine a product of a convolution runs on: those that cuDNN's heuristics name first are timed on the
// device, in every form the product may take, and the fastest is remembered (engine_cache.h). With
// CNN_CUDA_ENGINES=heuristic in the environment nothing is timed, and the first that works is taken.
#ifndef CNN_BACKEND_CUDA_CUDNN_CHOOSE_H
#define CNN_BACKEND_CUDA_CUDNN_CHOOSE_H
#include "backend/cuda/conv_engine.h"

struct cnn_cudnn_chooser;
// `device`: its name. CNN_ERR_INPUT: CNN_CUDA_ENGINES is neither heuristic nor timed.
enum cnn_status cnn_cudnn_chooser_create(struct cnn_cudnn_chooser **out, struct cnn_cuda *cuda,
                                         const char *device) CNN_MUST_CHECK;
void cnn_cudnn_chooser_destroy(struct cnn_cudnn_chooser *chooser);

// While plans are made: allocates, and waits for the device. CNN_ERR_UNSUPPORTED names layer, shape and what
// to do.
enum cnn_status cnn_cudnn_choose(struct cnn_conv_engine *out, struct cnn_cuda *cuda,
                                 const struct cnn_conv_product *product, const char *layer) CNN_MUST_CHECK;

// The same without a device: the first engine that can be made ready. For plans ahead of time and tests.
enum cnn_status cnn_cudnn_choose_first(struct cnn_conv_engine *out, const struct cnn_cudnn_target *target,
                                       const struct cnn_cudnn_rules *rules,
                                       const struct cnn_conv_product *product) CNN_MUST_CHECK;

#endif
