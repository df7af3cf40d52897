// Operation graphs of cuDNN, built call by call: tensors, a convolution, and what is done to its result on
// the way to memory. Building never fails half-way: the first error is kept, later calls do nothing, and
// cnn_cudnn_graph_close gives it. So a form of a layer that cuDNN does not know is told from one that broke.
#ifndef CNN_BACKEND_CUDA_CUDNN_GRAPH_H
#define CNN_BACKEND_CUDA_CUDNN_GRAPH_H
#include "backend/cuda/cuda.h"
#include <cudnn_graph.h>

// What graphs are made for: the device of a handle; or, without one, a device that is only described, for
// plans ahead of time and tests. The attributes that take the description are newer than the oldest cuDNN
// this compiles with, so whoever has a description brings them along.
struct cnn_cudnn_target {
    cudnnHandle_t handle;
    cudnnBackendDescriptor_t description; // with handle NULL
    cudnnBackendAttributeName_t heuristics_take, plan_takes;
    struct cnn_plan_store *plans; // where plans that had to be compiled are kept; NULL: nowhere
    const char *place;            // and of which device, driver and library they are
};

// To be raised with every change to what graphs are made of, slots included: plans that were kept are of the
// graphs of their time.
#define CNN_CUDNN_GRAPHS 1

// Which memory a tensor stands for when a plan is run.
enum cnn_cudnn_slot {
    CNN_CUDNN_IN = 1,
    CNN_CUDNN_WEIGHTS,
    CNN_CUDNN_OUT,
    CNN_CUDNN_BIAS,
    CNN_CUDNN_RESIDUAL,
    CNN_CUDNN_MASK,
    CNN_CUDNN_SUM,
    CNN_CUDNN_SQUARES,
    CNN_CUDNN_N_SLOTS
};

// NHWC always; weights are n = output channels, c = input channels of a group, h x w = the kernel.
struct cnn_cudnn_dims {
    int n, c, h, w;
};

#define CNN_CUDNN_MAX_OWNED 48
#define CNN_CUDNN_MAX_OPERATIONS 8
struct cnn_cudnn_graph {
    const struct cnn_cudnn_target *target; // borrowed
    cudnnBackendDescriptor_t owned[CNN_CUDNN_MAX_OWNED], operations[CNN_CUDNN_MAX_OPERATIONS], whole;
    int n_owned, n_operations, n_inner;
    cudnnStatus_t error; // the first
    const char *error_at;
};

void cnn_cudnn_graph_init(struct cnn_cudnn_graph *out, const struct cnn_cudnn_target *target);
void cnn_cudnn_graph_finish(struct cnn_cudnn_graph *graph); // accepts a zeroed one

// Tensors; the graph owns them. `inner` ones are results that go to no memory.
cudnnBackendDescriptor_t cnn_cudnn_tensor(struct cnn_cudnn_graph *graph, enum cnn_cudnn_slot slot,
                                          struct cnn_cudnn_dims dims, cudnnDataType_t type);
cudnnBackendDescriptor_t cnn_cudnn_inner(struct cnn_cudnn_graph *graph, struct cnn_cudnn_dims dims);

enum cnn_cudnn_pass { CNN_CUDNN_FORWARD, CNN_CUDNN_BACKWARD_DATA, CNN_CUDNN_BACKWARD_WEIGHTS };
// Sums in floats. The pass says which of the three is made from the other two (x and y being gradients then).
void cnn_cudnn_add_conv(struct cnn_cudnn_graph *graph, enum cnn_cudnn_pass pass, const struct cnn_conv *conv,
                        cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t w, cudnnBackendDescriptor_t y);
// y = a + b, b's dimensions of 1 repeated.
void cnn_cudnn_add_sum(struct cnn_cudnn_graph *graph, cudnnBackendDescriptor_t a, cudnnBackendDescriptor_t b,
                       cudnnBackendDescriptor_t y);
void cnn_cudnn_add_product(struct cnn_cudnn_graph *graph, cudnnBackendDescriptor_t a,
                           cudnnBackendDescriptor_t b, cudnnBackendDescriptor_t y);
void cnn_cudnn_add_relu(struct cnn_cudnn_graph *graph, cudnnBackendDescriptor_t x,
                        cudnnBackendDescriptor_t y);
// dx = dy where x > 0, elsewhere 0.
void cnn_cudnn_add_relu_grad(struct cnn_cudnn_graph *graph, cudnnBackendDescriptor_t dy,
                             cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t dx);
// Sums of x and of its squares over n, h, w: c floats each.
void cnn_cudnn_add_moments(struct cnn_cudnn_graph *graph, cudnnBackendDescriptor_t x,
                           cudnnBackendDescriptor_t sum, cudnnBackendDescriptor_t squares);

// Ends the building. CNN_ERR_UNSUPPORTED where cuDNN does not know such a graph.
enum cnn_status cnn_cudnn_graph_close(struct cnn_cudnn_graph *graph) CNN_MUST_CHECK;

// "cannot do this" as CNN_ERR_UNSUPPORTED, everything else as cnn_cudnn_check has it.
enum cnn_status cnn_cudnn_check_support(cudnnStatus_t status, const char *what) CNN_MUST_CHECK;
cudnnDataType_t cnn_cudnn_type(enum cnn_type type);

#endif
