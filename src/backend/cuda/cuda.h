// Private to backend/cuda: the backend object and the kernels its table names. Included by C and by CUDA C++.
//
// Tensors are NHWC: block = c, except pictures of 3 channels, which are padded to 4 (block 4). Ops are queued
// on `compute`, inputs are copied on `copy`. Nothing here waits for the device but create, destroy, alloc,
// free, param_set, param_get, stage_finish and synchronize.
#ifndef CNN_BACKEND_CUDA_CUDA_H
#define CNN_BACKEND_CUDA_CUDA_H
#include "backend/ops.h"

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#ifdef __cplusplus
extern "C" {
#endif

// Memory that was given out.
struct cnn_cuda_block {
    void *memory;
    size_t bytes;
};

struct cnn_cuda {
    struct cnn_backend base;
    int device, processors; // streaming multiprocessors
    int capability;         // 90 for 9.0
    cudaStream_t compute, copy;
    cudaEvent_t staged, used; // what was staged has arrived; has been read
    cudnnHandle_t dnn;
    cublasLtHandle_t blas;
    struct cnn_cudnn_chooser *chooser; // of cuDNN's engines (cudnn_choose.h)
    enum cnn_precision precision;      // fp32, tf32, bf16 or fp16
    bool deterministic, recompute;
    bool recording;          // between record_begin and record_end
    double *loss_sums;       // device memory: three of each block of the loss
    struct cnn_tiles *tiles; // what updates were made of
    struct cnn_cuda_block *blocks;
    size_t n_blocks, block_room, taken_bytes, peak_bytes;
};

static inline struct cnn_cuda *cnn_cuda_of(struct cnn_backend *backend) { return (struct cnn_cuda *)backend; }

// The libraries' errors as statuses; `what` says what was being done. Running out of device memory is
// CNN_ERR_MEMORY, everything else CNN_ERR_BACKEND.
enum cnn_status cnn_cuda_check(cudaError_t error, const char *what) CNN_MUST_CHECK;
enum cnn_status cnn_cudnn_check(cudnnStatus_t status, const char *what) CNN_MUST_CHECK;
enum cnn_status cnn_cublas_check(cublasStatus_t status, const char *what) CNN_MUST_CHECK;
#define CNN_CUDA_TRY(call, what) CNN_TRY(cnn_cuda_check((call), (what)))

// lazy.c: cuDNN and cuBLASLt, which this program is not linked with. CNN_ERR_UNSUPPORTED says which is
// missing.
enum cnn_status cnn_cuda_load_libraries(void) CNN_MUST_CHECK;

// ---- memory.c, stage.c, record.c: as in struct cnn_backend_ops
enum cnn_status cnn_cuda_alloc(struct cnn_backend *backend, void **out, size_t bytes) CNN_MUST_CHECK;
void cnn_cuda_free(struct cnn_backend *backend, void *memory);
enum cnn_status cnn_cuda_alloc_host(struct cnn_backend *backend, void **out, size_t bytes) CNN_MUST_CHECK;
void cnn_cuda_free_host(struct cnn_backend *backend, void *memory);
enum cnn_status cnn_cuda_upload(struct cnn_backend *backend, void *device, const void *host, size_t bytes);
enum cnn_status cnn_cuda_download(struct cnn_backend *backend, void *host, const void *device, size_t bytes);
enum cnn_status cnn_cuda_copy(struct cnn_backend *backend, float *to, const float *from, size_t n);
enum cnn_status cnn_cuda_synchronize(struct cnn_backend *backend);
bool cnn_cuda_is_busy(const struct cnn_backend *backend);
size_t cnn_cuda_peak_bytes(const struct cnn_backend *backend);
enum cnn_status cnn_cuda_memory_left(struct cnn_backend *backend, size_t *out);
enum cnn_status cnn_cuda_stage(struct cnn_backend *backend, void *device, const void *host, size_t bytes);
enum cnn_status cnn_cuda_stage_wait(struct cnn_backend *backend);
enum cnn_status cnn_cuda_stage_used(struct cnn_backend *backend);
enum cnn_status cnn_cuda_stage_finish(struct cnn_backend *backend);
enum cnn_status cnn_cuda_record_begin(struct cnn_backend *backend);
enum cnn_status cnn_cuda_record_end(struct cnn_backend *backend, struct cnn_recording **out);
enum cnn_status cnn_cuda_replay(struct cnn_backend *backend, struct cnn_recording *recording);
void cnn_cuda_recording_destroy(struct cnn_recording *recording); // accepts NULL

extern const struct cnn_kernel_ops cnn_cuda_conv, cnn_cuda_linear, cnn_cuda_norm, cnn_cuda_max_pool,
    cnn_cuda_avg_pool, cnn_cuda_adaptive_avg_pool, cnn_cuda_add, cnn_cuda_relu, cnn_cuda_dropout;

// Allocates a plan of `plan_bytes` whose first member is struct cnn_plan and fills in what all kernels share:
// desc, in (block chosen where it is 0), out (block = c), types.
enum cnn_status cnn_cuda_plan_alloc(void *out_plan, size_t plan_bytes, struct cnn_backend *backend,
                                    const struct cnn_kernel_desc *desc) CNN_MUST_CHECK;
void cnn_cuda_plan_free(struct cnn_plan *plan);
// Parameters that lie in the arena as they lie in the model. Both wait for the device.
enum cnn_status cnn_cuda_param_copy_in(struct cnn_plan *plan, int param, float *arena, const float *values);
enum cnn_status cnn_cuda_param_copy_out(struct cnn_plan *plan, int param, const float *arena, float *values);

// ---- elementwise.cu: floats of arenas and elements of tensors. n may be 0.
enum cnn_status cnn_cuda_add_into(struct cnn_backend *backend, enum cnn_type type, void *into,
                                  const void *values, size_t n);
enum cnn_status cnn_cuda_narrow(struct cnn_backend *backend, void *to, const float *from, size_t n);
enum cnn_status cnn_cuda_check_finite(struct cnn_backend *backend, const float *values, size_t n,
                                      struct cnn_control *control);
// d_in = d_out where out > 0, elsewhere 0; d_in may be d_out.
enum cnn_status cnn_cuda_relu_grad(struct cnn_cuda *cuda, enum cnn_type type, void *d_in, const void *d_out,
                                   const void *out, size_t n) CNN_MUST_CHECK;
// to = from, or to += from, n elements of `type` into floats.
enum cnn_status cnn_cuda_widen(struct cnn_cuda *cuda, float *to, enum cnn_type type, const void *from,
                               size_t n, bool accumulate) CNN_MUST_CHECK;
// out[c] = (or +=) the sum of rows x c elements (of a tensor: aligned) over rows, in an order that does not
// change.
enum cnn_status cnn_cuda_sum_rows(struct cnn_cuda *cuda, float *out, enum cnn_type type, const void *values,
                                  size_t rows, int c, bool accumulate, void *scratch) CNN_MUST_CHECK;
size_t cnn_cuda_sum_rows_scratch(const struct cnn_cuda *cuda, size_t rows, int c);

// ---- ends.cu
enum cnn_status cnn_cuda_normalize(struct cnn_backend *backend, void *out, const struct cnn_tensor *to,
                                   const uint8_t *pixels, int n, const float mean[3], const float std[3]);
enum cnn_status cnn_cuda_loss(struct cnn_backend *backend, const struct cnn_loss_args *args);

// Blocks that share the rows of a loss.
enum { CNN_CUDA_LOSS_BLOCKS = 256 };

// ---- update.cu, tiles.c
enum cnn_status cnn_cuda_sgd(struct cnn_backend *backend, const struct cnn_sgd *sgd);
void cnn_cuda_forget_tiles(struct cnn_cuda *cuda);

extern const struct cnn_backend_ops cnn_backend_cuda;

#ifdef __cplusplus
}
#endif
#endif
