// The part of oneDNN the CPU backend uses, in words that do not change between oneDNN 2 and 3.
// Only onednn.c and onednn_v2.c / onednn_v3.c (chosen by CMake) include its headers.
#ifndef CNN_BACKEND_CPU_ONEDNN_H
#define CNN_BACKEND_CPU_ONEDNN_H
#include "backend/ops.h"

struct cnn_onednn; // an engine and a stream

enum cnn_status cnn_onednn_create(struct cnn_onednn **out) CNN_MUST_CHECK;
void cnn_onednn_destroy(struct cnn_onednn *dnn);
void cnn_onednn_describe(char *out, size_t out_bytes); // "oneDNN 2.6.3, AVX2"
// The instruction set oneDNN uses: what the processor has, unless ONEDNN_MAX_CPU_ISA holds it back. And
// whether bf16 is multiplied in it, or only by converting to floats and back.
const char *cnn_onednn_isa(void); // "AVX2"
enum cnn_onednn_bf16 { CNN_ONEDNN_NO_BF16, CNN_ONEDNN_BF16_EMULATED, CNN_ONEDNN_BF16 };
enum cnn_onednn_bf16 cnn_onednn_bf16(void);
bool cnn_onednn_has_amx(void);

// What a tensor is made of and how it lies in memory.
struct cnn_layout;
enum cnn_status cnn_layout_tensor(struct cnn_layout **out, const struct cnn_tensor *tensor) CNN_MUST_CHECK;
enum cnn_status cnn_layout_plain(struct cnn_layout **out, enum cnn_type type, int n_dims,
                                 const int *dims) CNN_MUST_CHECK; // row-major
enum cnn_status cnn_layout_any(struct cnn_layout **out, enum cnn_type type, int n_dims,
                               const int *dims) CNN_MUST_CHECK; // the primitive chooses
// The same dimensions of `type`, left for the primitive to lay out.
enum cnn_status cnn_layout_loosen(struct cnn_layout **out, const struct cnn_layout *layout,
                                  enum cnn_type type) CNN_MUST_CHECK;
// The same places for elements of `type`; CNN_ERR_UNSUPPORTED where oneDNN has no word for that.
enum cnn_status cnn_layout_retype(struct cnn_layout **out, const struct cnn_layout *layout,
                                  enum cnn_type type) CNN_MUST_CHECK;
enum cnn_type cnn_layout_type(const struct cnn_layout *layout);
bool cnn_layout_is_any(const struct cnn_layout *layout);
enum cnn_status cnn_layout_copy(struct cnn_layout **out, const struct cnn_layout *layout) CNN_MUST_CHECK;
bool cnn_layout_equal(const struct cnn_layout *a, const struct cnn_layout *b);
size_t cnn_layout_bytes(const struct cnn_layout *layout);
void cnn_layout_destroy(struct cnn_layout *layout);

enum cnn_slot { CNN_SLOT_SRC, CNN_SLOT_WEIGHTS, CNN_SLOT_BIAS, CNN_SLOT_DST, CNN_SLOT_RESIDUAL, CNN_N_SLOTS };

// An executable oneDNN primitive. In backward primitives a slot stands for the gradient where that is what is
// computed or given (backward data: SRC, DST; backward weights: WEIGHTS, BIAS, DST).
struct cnn_primitive;
size_t cnn_primitive_scratch_bytes(const struct cnn_primitive *primitive);
const char *cnn_primitive_name(const struct cnn_primitive *primitive); // implementation, "jit:avx2"
// How good the implementation is: 2 made for the shape, 1 through a matrix product, 0 plain loops (a thousand
// times slower).
int cnn_primitive_class(const struct cnn_primitive *primitive);
// The layout agreed on for a slot; owned by the primitive.
const struct cnn_layout *cnn_primitive_layout(const struct cnn_primitive *primitive, enum cnn_slot slot);
// Pointers by slot (NULL: unused); scratch of cnn_primitive_scratch_bytes.
enum cnn_status cnn_primitive_run(struct cnn_primitive *primitive, void *const slots[CNN_N_SLOTS],
                                  void *scratch) CNN_MUST_CHECK;
void cnn_primitive_destroy(struct cnn_primitive *primitive);

enum cnn_pass { CNN_PASS_INFERENCE, CNN_PASS_FORWARD, CNN_PASS_BACKWARD_DATA, CNN_PASS_BACKWARD_WEIGHTS };

// A convolution (conv set) or inner product (conv NULL). Layouts are borrowed; bias and residual NULL where
// there is none. Tensors may be of bf16, and then are weights; their gradients and the bias are floats. relu
// and residual (dst = relu(conv + residual)) only forward.
struct cnn_product {
    enum cnn_pass pass;
    const struct cnn_conv *conv;
    const struct cnn_layout *src, *weights, *bias, *dst, *residual;
    bool relu;
};
enum cnn_status cnn_product_create(struct cnn_primitive **out, struct cnn_onednn *dnn,
                                   const struct cnn_product *product) CNN_MUST_CHECK;

// Copies SRC into DST across layouts of equal dimensions.
enum cnn_status cnn_reorder_create(struct cnn_primitive **out, struct cnn_onednn *dnn,
                                   const struct cnn_layout *src, const struct cnn_layout *dst) CNN_MUST_CHECK;

#endif
