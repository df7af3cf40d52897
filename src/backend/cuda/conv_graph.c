#include "backend/cuda/conv_graph.h"

// A chain: every operation takes the last one's result, and the last of all writes to memory.
struct chain {
    struct cnn_cudnn_graph *graph;
    const struct cnn_conv_shape *shape;
    struct cnn_cudnn_dims dims;
    cudnnDataType_t type;
    cudnnBackendDescriptor_t last, result;
    int left; // operations still to come
};

static cudnnBackendDescriptor_t next_result(struct chain *c) {
    return --c->left > 0 ? cnn_cudnn_inner(c->graph, c->dims) : c->result;
}

static struct cnn_cudnn_dims per_channel(struct cnn_cudnn_dims d) {
    return (struct cnn_cudnn_dims){1, d.c, 1, 1};
}

static void add_epilogue(struct chain *c, unsigned with) {
    struct cnn_cudnn_graph *g = c->graph;
    cudnnBackendDescriptor_t from = c->last;
    if (with & CNN_CONV_BIAS) {
        c->last = next_result(c);
        cnn_cudnn_add_sum(
            g, from, cnn_cudnn_tensor(g, CNN_CUDNN_BIAS, per_channel(c->dims), CUDNN_DATA_FLOAT), c->last);
        from = c->last;
    }
    if (with & CNN_CONV_RESIDUAL) {
        c->last = next_result(c);
        cnn_cudnn_add_sum(g, from, cnn_cudnn_tensor(g, CNN_CUDNN_RESIDUAL, c->dims, c->type), c->last);
        from = c->last;
    }
    if (with & CNN_CONV_RELU) {
        c->last = next_result(c);
        cnn_cudnn_add_relu(g, from, c->last);
        from = c->last;
    }
    if (with & CNN_CONV_MASK) {
        c->last = next_result(c);
        cnn_cudnn_add_relu_grad(g, from, cnn_cudnn_tensor(g, CNN_CUDNN_MASK, c->dims, c->type), c->last);
    }
}

static int count_epilogue(unsigned with) {
    int n = 0;
    for (unsigned bits = with & ~(unsigned)CNN_CONV_MOMENTS; bits; bits &= bits - 1)
        n++;
    return n;
}

static void add_forward(struct cnn_cudnn_graph *g, const struct cnn_conv_shape *s, unsigned with) {
    const cudnnDataType_t type = cnn_cudnn_type(s->type);
    cudnnBackendDescriptor_t x = cnn_cudnn_tensor(g, CNN_CUDNN_IN, s->in, type),
                             w = cnn_cudnn_tensor(g, CNN_CUDNN_WEIGHTS, s->weights, type),
                             y = cnn_cudnn_tensor(g, CNN_CUDNN_OUT, s->out, type);
    struct chain c = {g, s, s->out, type, NULL, y, count_epilogue(with) + 1};
    c.last = next_result(&c);
    cnn_cudnn_add_conv(g, CNN_CUDNN_FORWARD, &s->conv, x, w, c.last);
    add_epilogue(&c, with);
    if (with & CNN_CONV_MOMENTS)
        cnn_cudnn_add_moments(g, y, cnn_cudnn_tensor(g, CNN_CUDNN_SUM, per_channel(s->out), CUDNN_DATA_FLOAT),
                              cnn_cudnn_tensor(g, CNN_CUDNN_SQUARES, per_channel(s->out), CUDNN_DATA_FLOAT));
}

static void add_backward_data(struct cnn_cudnn_graph *g, const struct cnn_conv_shape *s, unsigned with) {
    const cudnnDataType_t type = cnn_cudnn_type(s->type);
    cudnnBackendDescriptor_t dy = cnn_cudnn_tensor(g, CNN_CUDNN_IN, s->out, type),
                             w = cnn_cudnn_tensor(g, CNN_CUDNN_WEIGHTS, s->weights, type),
                             dx = cnn_cudnn_tensor(g, CNN_CUDNN_OUT, s->in, type);
    struct chain c = {g, s, s->in, type, NULL, dx, count_epilogue(with) + 1};
    c.last = next_result(&c);
    cnn_cudnn_add_conv(g, CNN_CUDNN_BACKWARD_DATA, &s->conv, c.last, w, dy);
    add_epilogue(&c, with);
}

static void add_backward_weights(struct cnn_cudnn_graph *g, const struct cnn_conv_shape *s) {
    const cudnnDataType_t type = cnn_cudnn_type(s->type);
    cudnnBackendDescriptor_t x = cnn_cudnn_tensor(g, CNN_CUDNN_IN, s->in, type),
                             dy = cnn_cudnn_tensor(g, CNN_CUDNN_WEIGHTS, s->out, type),
                             dw = cnn_cudnn_tensor(g, CNN_CUDNN_OUT, s->weights, type);
    cnn_cudnn_add_conv(g, CNN_CUDNN_BACKWARD_WEIGHTS, &s->conv, x, dw, dy);
}

enum cnn_status cnn_conv_graph_build(struct cnn_cudnn_graph *out, const struct cnn_cudnn_target *target,
                                     const struct cnn_conv_shape *shape, enum cnn_cudnn_pass pass,
                                     unsigned with) {
    cnn_cudnn_graph_init(out, target);
    if (pass == CNN_CUDNN_FORWARD)
        add_forward(out, shape, with);
    else if (pass == CNN_CUDNN_BACKWARD_DATA)
        add_backward_data(out, shape, with);
    else
        add_backward_weights(out, shape);
    return cnn_cudnn_graph_close(out);
}
