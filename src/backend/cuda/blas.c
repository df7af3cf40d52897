#include "backend/cuda/blas.h"
#include <string.h>

#define MOST_WORKSPACE ((size_t)32 << 20)
#define LEAST_ALIGNMENT 16u // parameters lie this way in their 16-bit copy, and better elsewhere

static cudaDataType data_type(enum cnn_type type) {
    return type == CNN_TYPE_F32 ? CUDA_R_32F : type == CNN_TYPE_BF16 ? CUDA_R_16BF : CUDA_R_16F;
}

static cublasComputeType_t compute_type(const struct cnn_cuda *cuda) {
    return cuda->precision == CNN_PRECISION_TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

static cublasStatus_t set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t name, const void *value,
                          size_t bytes) {
    return cublasLtMatmulDescSetAttribute(desc, name, value, bytes);
}

static cublasStatus_t make_desc(struct cnn_matmul *m, const struct cnn_cuda *cuda) {
    const struct cnn_matmul_shape *s = &m->shape;
    const cublasOperation_t a = s->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N,
                            b = s->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasLtEpilogue_t epilogue = s->bias && s->relu ? CUBLASLT_EPILOGUE_RELU_BIAS
                                        : s->bias          ? CUBLASLT_EPILOGUE_BIAS
                                        : s->relu          ? CUBLASLT_EPILOGUE_RELU
                                                           : CUBLASLT_EPILOGUE_DEFAULT;
    const cudaDataType bias = data_type(s->out);
    // No address yet, but algorithms are picked by how well the bias lies.
    const void *aligned = (const void *)(uintptr_t)LEAST_ALIGNMENT;
    cublasStatus_t status = cublasLtMatmulDescCreate(&m->desc, compute_type(cuda), CUDA_R_32F);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = set(m->desc, CUBLASLT_MATMUL_DESC_TRANSA, &a, sizeof a);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = set(m->desc, CUBLASLT_MATMUL_DESC_TRANSB, &b, sizeof b);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = set(m->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
    if (status == CUBLAS_STATUS_SUCCESS && s->bias)
        status = set(m->desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &bias, sizeof bias);
    if (status == CUBLAS_STATUS_SUCCESS && s->bias)
        status = set(m->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &aligned, sizeof aligned);
    return status;
}

static cublasStatus_t make_layout(cublasLtMatrixLayout_t *out, enum cnn_type type, int rows, int columns) {
    return cublasLtMatrixLayoutCreate(out, data_type(type), (uint64_t)rows, (uint64_t)columns, rows);
}

static cublasStatus_t make_layouts(struct cnn_matmul *m) {
    const struct cnn_matmul_shape *s = &m->shape;
    cublasStatus_t status =
        make_layout(&m->a, s->in, s->transpose_a ? s->k : s->m, s->transpose_a ? s->m : s->k);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = make_layout(&m->b, s->in, s->transpose_b ? s->n : s->k, s->transpose_b ? s->k : s->n);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = make_layout(&m->d, s->out, s->m, s->n);
    return status;
}

// Sums that are cut up are put together in workspace, in order: the same bits every time. Never in 16 bits.
static cublasStatus_t make_preference(cublasLtMatmulPreference_t preference) {
    static const cublasLtMatmulPreferenceAttributes_t alignments[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    const uint64_t workspace = MOST_WORKSPACE;
    const uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, alignment = LEAST_ALIGNMENT;
    cublasStatus_t status = cublasLtMatmulPreferenceSetAttribute(
        preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                                      &reductions, sizeof reductions);
    for (size_t i = 0; i < sizeof alignments / sizeof *alignments && status == CUBLAS_STATUS_SUCCESS; i++)
        status =
            cublasLtMatmulPreferenceSetAttribute(preference, alignments[i], &alignment, sizeof alignment);
    return status;
}

static cublasStatus_t ask(struct cnn_matmul *m, const struct cnn_cuda *cuda,
                          cublasLtMatmulHeuristicResult_t *best) {
    cublasLtMatmulPreference_t preference = NULL;
    int n = 0;
    cublasStatus_t status = cublasLtMatmulPreferenceCreate(&preference);
    if (status != CUBLAS_STATUS_SUCCESS)
        return status;
    status = make_preference(preference);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = cublasLtMatmulAlgoGetHeuristic(cuda->blas, m->desc, m->a, m->b, m->d, m->d, preference, 1,
                                                best, &n);
    cublasLtMatmulPreferenceDestroy(preference);
    if (status != CUBLAS_STATUS_SUCCESS)
        return status;
    return n > 0 ? best->state : CUBLAS_STATUS_NOT_SUPPORTED;
}

static cublasStatus_t choose(struct cnn_matmul *m, const struct cnn_cuda *cuda) {
    cublasLtMatmulHeuristicResult_t best;
    memset(&best, 0, sizeof best);
    cublasStatus_t status = ask(m, cuda, &best);
    if (status != CUBLAS_STATUS_SUCCESS)
        return status;
    m->algorithm = best.algo;
    m->workspace_bytes = best.workspaceSize;
    return cublasLtMatmulAlgoConfigGetAttribute(&best.algo, CUBLASLT_ALGO_CONFIG_ID, &m->algorithm_number,
                                                sizeof m->algorithm_number, NULL);
}

enum cnn_status cnn_matmul_init(struct cnn_matmul *out, const struct cnn_cuda *cuda,
                                const struct cnn_matmul_shape *shape) {
    struct cnn_matmul m = {.shape = *shape};
    cublasStatus_t status = make_desc(&m, cuda);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = make_layouts(&m);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = choose(&m, cuda);
    if (status == CUBLAS_STATUS_SUCCESS) {
        *out = m;
        return CNN_OK;
    }
    cnn_matmul_finish(&m);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED && status != CUBLAS_STATUS_INVALID_VALUE)
        return cnn_cublas_check(status, "planning a product of matrices");
    return cnn_fail(CNN_ERR_UNSUPPORTED, "cuBLASLt has no algorithm for a product of %d x %d x %d", shape->m,
                    shape->n, shape->k);
}

void cnn_matmul_finish(struct cnn_matmul *m) {
    if (m->d)
        cublasLtMatrixLayoutDestroy(m->d);
    if (m->b)
        cublasLtMatrixLayoutDestroy(m->b);
    if (m->a)
        cublasLtMatrixLayoutDestroy(m->a);
    if (m->desc)
        cublasLtMatmulDescDestroy(m->desc);
    *m = (struct cnn_matmul){.algorithm_number = 0};
}

enum cnn_status cnn_matmul_run(const struct cnn_matmul *m, const struct cnn_cuda *cuda,
                               const struct cnn_matmul_memory *memory, const char *what) {
    const float alpha = 1, beta = memory->accumulate ? 1.0f : 0.0f;
    if (m->shape.bias)
        CNN_TRY(cnn_cublas_check(
            set(m->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &memory->bias, sizeof memory->bias), what));
    return cnn_cublas_check(cublasLtMatmul(cuda->blas, m->desc, &alpha, memory->a, m->a, memory->b, m->b,
                                           &beta, memory->d, m->d, memory->d, m->d, &m->algorithm,
                                           memory->workspace, m->workspace_bytes, cuda->compute),
                            what);
}
