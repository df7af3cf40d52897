// Private to backend/cpu: the backend object and the kernels its table names.
#ifndef CNN_BACKEND_CPU_CPU_H
#define CNN_BACKEND_CPU_CPU_H
#include "backend/cpu/elements.h"
#include "backend/cpu/onednn.h"
#include "backend/cpu/simd.h"
#include "backend/ops.h"

// The backend computes in floats, or with train.precision: bf16 in bf16 where the processor multiplies in it.
// In the environment, CNN_CPU_BF16=emulate allows bf16 wherever oneDNN can imitate it (AVX-512): for tests,
// as it is slow.
struct cnn_cpu {
    struct cnn_backend base;
    struct cnn_onednn *dnn;
    // By the type of tensors; that of bf16 is NULL unless it is used.
    const struct cnn_simd *simd[CNN_TYPE_BF16 + 1];
    int threads;
    int block; // channels a block of activations has: 8 or 16
};

extern const struct cnn_kernel_ops cnn_cpu_conv, cnn_cpu_linear, cnn_cpu_norm, cnn_cpu_max_pool,
    cnn_cpu_avg_pool, cnn_cpu_adaptive_avg_pool, cnn_cpu_add, cnn_cpu_relu, cnn_cpu_dropout;

enum cnn_status cnn_cpu_loss(struct cnn_backend *backend, const struct cnn_loss_args *args);
enum cnn_status cnn_cpu_normalize(struct cnn_backend *backend, void *out, const struct cnn_tensor *to,
                                  const uint8_t *pixels, int n, const float mean[3], const float std[3]);
enum cnn_status cnn_cpu_add_into(struct cnn_backend *backend, enum cnn_type type, void *into,
                                 const void *values, size_t n);
// d_in = d_out where out > 0, elsewhere 0; d_in may be d_out. All three have n elements of `type`.
void cnn_cpu_relu_grad(const struct cnn_cpu *cpu, enum cnn_type type, void *d_in, const void *d_out,
                       const void *out, size_t n);
enum cnn_status cnn_cpu_narrow(struct cnn_backend *backend, void *to, const float *from, size_t n);
enum cnn_status cnn_cpu_sgd(struct cnn_backend *backend, const struct cnn_sgd *sgd);

// Allocates a plan of `plan_bytes` whose first member is struct cnn_plan and fills in what all kernels share:
// desc, in (block chosen where it is 0), out (blocked like in, or a row of c values for 1 x 1 outputs of
// pools and products).
enum cnn_status cnn_cpu_plan_alloc(void *out_plan, size_t plan_bytes, struct cnn_backend *backend,
                                   const struct cnn_kernel_desc *desc);
// Whether two tensors of one shape have every element at the same place.
bool cnn_cpu_lie_alike(const struct cnn_tensor *a, const struct cnn_tensor *b);
// Parameters that lie in the arena as they lie in the model.
enum cnn_status cnn_cpu_param_copy_in(struct cnn_plan *plan, int param, float *arena, const float *values);
enum cnn_status cnn_cpu_param_copy_out(struct cnn_plan *plan, int param, const float *arena, float *values);
void cnn_cpu_plan_free(struct cnn_plan *plan);

// Channel blocks of a tensor, elements in one of them, and where it begins.
static inline int cnn_cpu_blocks(const struct cnn_tensor *t) { return (t->c + t->block - 1) / t->block; }
static inline size_t cnn_cpu_pixels(const struct cnn_tensor *t) { return (size_t)t->h * (size_t)t->w; }
static inline size_t cnn_cpu_at(const struct cnn_tensor *t, int n, int block) {
    return ((size_t)n * (size_t)cnn_cpu_blocks(t) + (size_t)block) * cnn_cpu_pixels(t) * (size_t)t->block;
}

#endif
