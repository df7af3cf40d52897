// In place of cuDNN and cuBLASLt: the same products by the plain loops of tests/reference, so that everything
// around them is what runs. Workspace is scribbled over, as a library would.
#include "backend/cuda/blas.h"
#include "backend/cuda/cudnn_choose.h"
#include "emulated.h"
#include "reference/rig.h"

#include <stdlib.h>
#include <string.h>

#define WORKSPACE_BYTES 1000

static int fusion;

void emulated_set_fusion(int level) { fusion = level; }

static void scribble(void *workspace) { memset(workspace, 0xff, WORKSPACE_BYTES); }

// ---- memory as plain doubles

static double *fetch(const void *memory, const struct cnn_tensor *tensor) {
    struct cnn_backend host = {.ops = &cnn_backend_cpu};
    double *out = rig_new(cnn_tensor_count(tensor));
    float *values = rig_tensor_values(&host, "a product", tensor, memory);
    for (size_t i = 0; i < cnn_tensor_count(tensor); i++)
        out[i] = (double)values[i];
    free(values);
    return out;
}

static void put(void *memory, const struct cnn_tensor *tensor, const double *plain) {
    struct cnn_backend host = {.ops = &cnn_backend_cpu};
    void *packed = rig_upload_tensor(&host, tensor, plain);
    memcpy(memory, packed, cnn_tensor_bytes(tensor));
    cnn_backend_free(&host, packed);
}

static struct cnn_tensor tensor_of(struct cnn_cudnn_dims d, enum cnn_type type) {
    return (struct cnn_tensor){d.n, d.h, d.w, d.c, d.c, type};
}

// ---- convolutions

// The level'th form, or the last one there is.
enum cnn_status cnn_cudnn_choose(struct cnn_conv_engine *out, struct cnn_cuda *cuda,
                                 const struct cnn_conv_product *product, const char *layer) {
    unsigned forms[CNN_CONV_MAX_FORMS];
    const int n = cnn_conv_forms(forms, product);
    (void)cuda;
    (void)layer;
    *out = (struct cnn_conv_engine){.product = *product, .with = forms[fusion < n ? fusion : n - 1]};
    out->plan.plan = out;
    out->plan.workspace_bytes = WORKSPACE_BYTES;
    strcpy(out->plan.tag, "1:2=3");
    return CNN_OK;
}

void cnn_cudnn_plan_finish(struct cnn_cudnn_plan *plan) { *plan = (struct cnn_cudnn_plan){0}; }

static void put_moments(const struct cnn_cudnn_memory *m, const struct cnn_tensor *out, const double *y) {
    float *sums = m->at[CNN_CUDNN_SUM], *squares = m->at[CNN_CUDNN_SQUARES];
    const size_t area = (size_t)out->h * (size_t)out->w, channels = (size_t)out->c;
    memset(sums, 0, channels * sizeof *sums);
    memset(squares, 0, channels * sizeof *squares);
    for (size_t i = 0; i < cnn_tensor_count(out); i++) {
        sums[i / area % channels] += (float)y[i];
        squares[i / area % channels] += (float)(y[i] * y[i]);
    }
}

static void run_forward(const struct cnn_conv_engine *e, const struct cnn_cudnn_memory *m) {
    const struct cnn_conv_shape *s = &e->product.shape;
    const struct cnn_tensor in = tensor_of(s->in, s->type), weights = tensor_of(s->weights, s->type),
                            out = tensor_of(s->out, s->type);
    const struct ref_shape shape = {in.n, in.c, in.h, in.w};
    const size_t n = cnn_tensor_count(&out);
    double *x = fetch(m->at[CNN_CUDNN_IN], &in), *w = fetch(m->at[CNN_CUDNN_WEIGHTS], &weights),
           *y = rig_new(n), *bias = rig_new((size_t)out.c), *residual = NULL;
    for (int i = 0; e->with & CNN_CONV_BIAS && i < out.c; i++)
        bias[i] = (double)((const float *)m->at[CNN_CUDNN_BIAS])[i];
    ref_conv(y, x, shape, &s->conv, w, bias);
    if (e->with & CNN_CONV_RESIDUAL) {
        residual = fetch(m->at[CNN_CUDNN_RESIDUAL], &out);
        ref_add(y, y, residual, n);
    }
    if (e->with & CNN_CONV_RELU)
        ref_relu(y, y, n);
    put(m->at[CNN_CUDNN_OUT], &out, y);
    if (e->with & CNN_CONV_MOMENTS)
        put_moments(m, &out, y);
    free(x);
    free(w);
    free(y);
    free(bias);
    free(residual);
}

// IN: x, or dy where x's gradient is made; WEIGHTS: w, or dy where w's is.
static void run_backward(const struct cnn_conv_engine *e, const struct cnn_cudnn_memory *m) {
    const struct cnn_conv_shape *s = &e->product.shape;
    const bool data = e->product.pass == CNN_CUDNN_BACKWARD_DATA;
    const struct cnn_tensor in = tensor_of(s->in, s->type), weights = tensor_of(s->weights, s->type),
                            out = tensor_of(s->out, s->type);
    const struct ref_shape shape = {in.n, in.c, in.h, in.w};
    double *dy = fetch(m->at[data ? CNN_CUDNN_IN : CNN_CUDNN_WEIGHTS], &out);
    double *x = data ? rig_new(cnn_tensor_count(&in)) : fetch(m->at[CNN_CUDNN_IN], &in);
    double *w = data ? fetch(m->at[CNN_CUDNN_WEIGHTS], &weights) : rig_new(cnn_tensor_count(&weights));
    double *dx = rig_new(cnn_tensor_count(&in)), *dw = rig_new(cnn_tensor_count(&weights));
    ref_conv_grad(dx, dw, NULL, dy, x, shape, &s->conv, w);
    if (e->with & CNN_CONV_MASK) {
        double *mask = fetch(m->at[CNN_CUDNN_MASK], &in);
        ref_relu_grad(dx, dx, mask, cnn_tensor_count(&in));
        free(mask);
    }
    put(m->at[CNN_CUDNN_OUT], data ? &in : &weights, data ? dx : dw);
    free(dy);
    free(x);
    free(w);
    free(dx);
    free(dw);
}

// Memory that the plan has no tensor for would be an error of cuDNN's.
static void check_slots(const struct cnn_conv_engine *e, const struct cnn_cudnn_memory *memory) {
    const struct cnn_conv_product done = {e->product.shape, e->product.pass, e->with};
    for (int slot = CNN_CUDNN_IN; slot < CNN_CUDNN_N_SLOTS; slot++)
        if ((memory->at[slot] != NULL) != (cnn_conv_slot_bytes(&done, (enum cnn_cudnn_slot)slot) != 0))
            abort();
}

enum cnn_status cnn_cudnn_plan_run(struct cnn_cudnn_plan *plan, cudnnHandle_t handle,
                                   const struct cnn_cudnn_memory *memory, void *workspace, const char *what) {
    const struct cnn_conv_engine *engine =
        (const struct cnn_conv_engine *)(const void *)((const char *)plan -
                                                       offsetof(struct cnn_conv_engine, plan));
    (void)handle;
    (void)what;
    check_slots(engine, memory);
    scribble(workspace);
    if (engine->product.pass == CNN_CUDNN_FORWARD)
        run_forward(engine, memory);
    else
        run_backward(engine, memory);
    return CNN_OK;
}

// ---- linear layers

enum cnn_status cnn_matmul_init(struct cnn_matmul *out, const struct cnn_cuda *cuda,
                                const struct cnn_matmul_shape *shape) {
    (void)cuda;
    if ((fusion >= 1 && shape->relu) || (fusion >= 2 && shape->bias))
        return cnn_fail(CNN_ERR_UNSUPPORTED, "not fused");
    *out = (struct cnn_matmul){.shape = *shape, .workspace_bytes = WORKSPACE_BYTES};
    return CNN_OK;
}

void cnn_matmul_finish(struct cnn_matmul *matmul) { (void)matmul; }

static struct cnn_tensor vector_of(size_t n, enum cnn_type type) {
    return (struct cnn_tensor){1, 1, 1, (int)n, (int)n, type};
}

// Element (row, column) of op(matrix); the matrix has `rows` numbers to a column before op.
static double element(const double *matrix, bool transpose, int rows, int row, int column) {
    return transpose ? matrix[(size_t)row * (size_t)rows + (size_t)column]
                     : matrix[(size_t)column * (size_t)rows + (size_t)row];
}

static void multiply(double *d, const struct cnn_matmul_shape *s, const double *a, const double *b) {
    const int a_rows = s->transpose_a ? s->k : s->m, b_rows = s->transpose_b ? s->n : s->k;
    for (int j = 0; j < s->n; j++)
        for (int i = 0; i < s->m; i++)
            for (int l = 0; l < s->k; l++)
                d[(size_t)j * (size_t)s->m + (size_t)i] +=
                    element(a, s->transpose_a, a_rows, i, l) * element(b, s->transpose_b, b_rows, l, j);
}

enum cnn_status cnn_matmul_run(const struct cnn_matmul *matmul, const struct cnn_cuda *cuda,
                               const struct cnn_matmul_memory *memory, const char *what) {
    const struct cnn_matmul_shape *s = &matmul->shape;
    const size_t n = (size_t)s->m * (size_t)s->n;
    const struct cnn_tensor ta = vector_of((size_t)s->m * (size_t)s->k, s->in),
                            tb = vector_of((size_t)s->k * (size_t)s->n, s->in), td = vector_of(n, s->out),
                            tbias = vector_of((size_t)s->m, s->out);
    double *a = fetch(memory->a, &ta), *b = fetch(memory->b, &tb),
           *d = memory->accumulate ? fetch(memory->d, &td) : rig_new(n),
           *bias = s->bias ? fetch(memory->bias, &tbias) : NULL;
    (void)cuda;
    (void)what;
    scribble(memory->workspace);
    multiply(d, s, a, b);
    for (size_t i = 0; bias && i < n; i++)
        d[i] += bias[i % (size_t)s->m];
    if (s->relu)
        ref_relu(d, d, n);
    put(memory->d, &td, d);
    free(a);
    free(b);
    free(d);
    free(bias);
    return CNN_OK;
}
