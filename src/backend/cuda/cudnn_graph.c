#include "backend/cuda/cudnn_graph.h"
#include <string.h>

cudnnDataType_t cnn_cudnn_type(enum cnn_type type) {
    return type == CNN_TYPE_F32    ? CUDNN_DATA_FLOAT
           : type == CNN_TYPE_BF16 ? CUDNN_DATA_BFLOAT16
                                   : CUDNN_DATA_HALF;
}

// Statuses come in thousands; attributes that do not go together are cuDNN's other way to say no.
enum cnn_status cnn_cudnn_check_support(cudnnStatus_t status, const char *what) {
    const int category = (int)status / 1000;
    if (category != CUDNN_STATUS_NOT_SUPPORTED / 1000 && category != CUDNN_STATUS_BAD_PARAM / 1000)
        return cnn_cudnn_check(status, what);
    return cnn_fail(CNN_ERR_UNSUPPORTED, "%s: cuDNN: %s", what, cudnnGetErrorString(status));
}

void cnn_cudnn_graph_init(struct cnn_cudnn_graph *out, const struct cnn_cudnn_target *target) {
    *out = (struct cnn_cudnn_graph){.target = target};
}

void cnn_cudnn_graph_finish(struct cnn_cudnn_graph *g) {
    if (g->whole)
        cudnnBackendDestroyDescriptor(g->whole);
    while (g->n_owned > 0)
        cudnnBackendDestroyDescriptor(g->owned[--g->n_owned]);
    *g = (struct cnn_cudnn_graph){0};
}

// ---- building ----

static void note(struct cnn_cudnn_graph *g, cudnnStatus_t status, const char *at) {
    if (status == CUDNN_STATUS_SUCCESS || g->error != CUDNN_STATUS_SUCCESS)
        return;
    g->error = status;
    g->error_at = at;
}

static bool broken(const struct cnn_cudnn_graph *g) { return g->error != CUDNN_STATUS_SUCCESS; }

static cudnnBackendDescriptor_t begin(struct cnn_cudnn_graph *g, cudnnBackendDescriptorType_t type,
                                      const char *what) {
    cudnnBackendDescriptor_t made = NULL;
    if (broken(g))
        return NULL;
    if (g->n_owned == CNN_CUDNN_MAX_OWNED) {
        note(g, CUDNN_STATUS_INTERNAL_ERROR, "too many parts of a graph");
        return NULL;
    }
    note(g, cudnnBackendCreateDescriptor(type, &made), what);
    if (made)
        g->owned[g->n_owned++] = made;
    return made;
}

static void set(struct cnn_cudnn_graph *g, cudnnBackendDescriptor_t part, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t n, const void *values) {
    if (!broken(g))
        note(g, cudnnBackendSetAttribute(part, name, type, n, values), "setting an attribute");
}

static void set_part(struct cnn_cudnn_graph *g, cudnnBackendDescriptor_t part,
                     cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t value) {
    set(g, part, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

static void set_type(struct cnn_cudnn_graph *g, cudnnBackendDescriptor_t part,
                     cudnnBackendAttributeName_t name, cudnnDataType_t value) {
    set(g, part, name, CUDNN_TYPE_DATA_TYPE, 1, &value);
}

static void set_pair(struct cnn_cudnn_graph *g, cudnnBackendDescriptor_t part,
                     cudnnBackendAttributeName_t name, const int values[2]) {
    const int64_t wide[2] = {values[0], values[1]};
    set(g, part, name, CUDNN_TYPE_INT64, 2, wide);
}

static void end(struct cnn_cudnn_graph *g, cudnnBackendDescriptor_t part, const char *what) {
    if (!broken(g))
        note(g, cudnnBackendFinalize(part), what);
}

static void end_operation(struct cnn_cudnn_graph *g, cudnnBackendDescriptor_t operation, const char *what) {
    end(g, operation, what);
    if (broken(g))
        return;
    if (g->n_operations == CNN_CUDNN_MAX_OPERATIONS) {
        note(g, CUDNN_STATUS_INTERNAL_ERROR, "too many operations in a graph");
        return;
    }
    g->operations[g->n_operations++] = operation;
}

// ---- tensors ----

static cudnnBackendDescriptor_t tensor(struct cnn_cudnn_graph *g, int64_t id, struct cnn_cudnn_dims d,
                                       cudnnDataType_t type, bool inner) {
    cudnnBackendDescriptor_t made = begin(g, CUDNN_BACKEND_TENSOR_DESCRIPTOR, "a tensor");
    const int64_t dims[4] = {d.n, d.c, d.h, d.w},
                  strides[4] = {(int64_t)d.c * d.h * d.w, 1, (int64_t)d.c * d.w, d.c}, alignment = 16;
    set_type(g, made, CUDNN_ATTR_TENSOR_DATA_TYPE, type);
    set(g, made, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims);
    set(g, made, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides);
    set(g, made, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
    set(g, made, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    set(g, made, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &inner);
    end(g, made, "a tensor");
    return made;
}

cudnnBackendDescriptor_t cnn_cudnn_tensor(struct cnn_cudnn_graph *g, enum cnn_cudnn_slot slot,
                                          struct cnn_cudnn_dims dims, cudnnDataType_t type) {
    return tensor(g, (int64_t)slot, dims, type, false);
}

cudnnBackendDescriptor_t cnn_cudnn_inner(struct cnn_cudnn_graph *g, struct cnn_cudnn_dims dims) {
    return tensor(g, (int64_t)CNN_CUDNN_N_SLOTS + g->n_inner++, dims, CUDNN_DATA_FLOAT, true);
}

// ---- operations ----

static cudnnBackendDescriptor_t convolution(struct cnn_cudnn_graph *g, const struct cnn_conv *conv) {
    const int64_t n_dims = 2;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    cudnnBackendDescriptor_t made = begin(g, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "a convolution");
    set(g, made, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &n_dims);
    set_type(g, made, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
    set(g, made, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    set_pair(g, made, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, conv->padding);
    set_pair(g, made, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, conv->padding);
    set_pair(g, made, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, conv->stride);
    set_pair(g, made, CUDNN_ATTR_CONVOLUTION_DILATIONS, conv->dilation);
    end(g, made, "a convolution");
    return made;
}

struct conv_names {
    cudnnBackendDescriptorType_t operation;
    cudnnBackendAttributeName_t conv, x, w, y, alpha, beta;
};

static const struct conv_names conv_names[] = {
    [CNN_CUDNN_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [CNN_CUDNN_BACKWARD_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [CNN_CUDNN_BACKWARD_WEIGHTS] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

void cnn_cudnn_add_conv(struct cnn_cudnn_graph *g, enum cnn_cudnn_pass pass, const struct cnn_conv *conv,
                        cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t w, cudnnBackendDescriptor_t y) {
    const struct conv_names *names = &conv_names[pass];
    const float one = 1, zero = 0;
    cudnnBackendDescriptor_t how = convolution(g, conv), made = begin(g, names->operation, "a convolution");
    set_part(g, made, names->conv, how);
    set_part(g, made, names->x, x);
    set_part(g, made, names->w, w);
    set_part(g, made, names->y, y);
    set(g, made, names->alpha, CUDNN_TYPE_FLOAT, 1, &one);
    set(g, made, names->beta, CUDNN_TYPE_FLOAT, 1, &zero);
    end_operation(g, made, "a convolution");
}

static cudnnBackendDescriptor_t begin_pointwise(struct cnn_cudnn_graph *g, cudnnPointwiseMode_t mode) {
    cudnnBackendDescriptor_t how = begin(g, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, "a pointwise operation");
    set(g, how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    set_type(g, how, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
    end(g, how, "a pointwise operation");
    cudnnBackendDescriptor_t made =
        begin(g, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, "a pointwise operation");
    set_part(g, made, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
    return made;
}

static void add_binary(struct cnn_cudnn_graph *g, cudnnPointwiseMode_t mode, cudnnBackendDescriptor_t a,
                       cudnnBackendDescriptor_t b, cudnnBackendDescriptor_t y) {
    cudnnBackendDescriptor_t made = begin_pointwise(g, mode);
    set_part(g, made, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, a);
    set_part(g, made, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
    set_part(g, made, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    end_operation(g, made, "a pointwise operation");
}

void cnn_cudnn_add_sum(struct cnn_cudnn_graph *g, cudnnBackendDescriptor_t a, cudnnBackendDescriptor_t b,
                       cudnnBackendDescriptor_t y) {
    add_binary(g, CUDNN_POINTWISE_ADD, a, b, y);
}

void cnn_cudnn_add_product(struct cnn_cudnn_graph *g, cudnnBackendDescriptor_t a, cudnnBackendDescriptor_t b,
                           cudnnBackendDescriptor_t y) {
    add_binary(g, CUDNN_POINTWISE_MUL, a, b, y);
}

void cnn_cudnn_add_relu(struct cnn_cudnn_graph *g, cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t y) {
    cudnnBackendDescriptor_t made = begin_pointwise(g, CUDNN_POINTWISE_RELU_FWD);
    set_part(g, made, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    set_part(g, made, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    end_operation(g, made, "relu");
}

void cnn_cudnn_add_relu_grad(struct cnn_cudnn_graph *g, cudnnBackendDescriptor_t dy,
                             cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t dx) {
    cudnnBackendDescriptor_t made = begin_pointwise(g, CUDNN_POINTWISE_RELU_BWD);
    set_part(g, made, CUDNN_ATTR_OPERATION_POINTWISE_DYDESC, dy);
    set_part(g, made, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    set_part(g, made, CUDNN_ATTR_OPERATION_POINTWISE_DXDESC, dx);
    end_operation(g, made, "relu's gradient");
}

void cnn_cudnn_add_moments(struct cnn_cudnn_graph *g, cudnnBackendDescriptor_t x,
                           cudnnBackendDescriptor_t sum, cudnnBackendDescriptor_t squares) {
    const cudnnGenStatsMode_t mode = CUDNN_GENSTATS_SUM_SQSUM;
    cudnnBackendDescriptor_t made = begin(g, CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR, "moments");
    set(g, made, CUDNN_ATTR_OPERATION_GENSTATS_MODE, CUDNN_TYPE_GENSTATS_MODE, 1, &mode);
    set_type(g, made, CUDNN_ATTR_OPERATION_GENSTATS_MATH_PREC, CUDNN_DATA_FLOAT);
    set_part(g, made, CUDNN_ATTR_OPERATION_GENSTATS_XDESC, x);
    set_part(g, made, CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC, sum);
    set_part(g, made, CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC, squares);
    end_operation(g, made, "moments");
}

enum cnn_status cnn_cudnn_graph_close(struct cnn_cudnn_graph *g) {
    if (!broken(g))
        note(g, cudnnBackendCreateDescriptor(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, &g->whole),
             "a graph of operations");
    if (g->target->handle)
        set(g, g->whole, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &g->target->handle);
    set(g, g->whole, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, g->n_operations,
        g->operations);
    end(g, g->whole, "a graph of operations");
    return cnn_cudnn_check_support(g->error, g->error_at);
}
