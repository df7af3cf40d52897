// Private to backend/cuda: the device as the exchange of gradients sees it (backend/exchange_device.h).
#ifndef CNN_BACKEND_CUDA_EXCHANGE_H
#define CNN_BACKEND_CUDA_EXCHANGE_H
#include "backend/cuda/cuda.h"
#include "backend/exchange_device.h"

#ifdef __cplusplus
extern "C" {
#endif

enum cnn_status cnn_cuda_exchange_device(struct cnn_exchange_device **out, struct cnn_backend *backend);

// ---- exchange.cu: n floats to 16 bits and back
enum cnn_status cnn_cuda_pack(const struct cnn_cuda *cuda, cudaStream_t stream, uint16_t *out,
                              const float *in, size_t n, enum cnn_precision precision) CNN_MUST_CHECK;
enum cnn_status cnn_cuda_unpack(const struct cnn_cuda *cuda, cudaStream_t stream, float *out,
                                const uint16_t *in, size_t n, enum cnn_precision precision) CNN_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
