// Convolutions in numbers and words.
#include "backend/cuda/conv_graph.h"
#include <stdio.h>

struct cnn_conv_shape cnn_conv_shape_of(const struct cnn_conv *conv, const struct cnn_tensor *in,
                                        const struct cnn_tensor *out) {
    const int channels = (int)cnn_tensor_channels(in);
    return (struct cnn_conv_shape){
        .conv = *conv,
        .in = {in->n, channels, in->h, in->w},
        .weights = {conv->out_channels, channels / conv->groups, conv->kernel[0], conv->kernel[1]},
        .out = {in->n, conv->out_channels, out->h, out->w},
        .type = in->type,
    };
}

void cnn_conv_form_name(char out[CNN_CONV_FORM_BYTES], enum cnn_cudnn_pass pass, unsigned with) {
    static const char *const passes[] = {"fwd", "dgrad", "wgrad"};
    snprintf(out, CNN_CONV_FORM_BYTES, "%s%s%s%s%s%s", passes[pass], with & CNN_CONV_BIAS ? "+bias" : "",
             with & CNN_CONV_RESIDUAL ? "+add" : "", with & CNN_CONV_RELU ? "+relu" : "",
             with & CNN_CONV_MASK ? "+mask" : "", with & CNN_CONV_MOMENTS ? "+moments" : "");
}

void cnn_conv_shape_text(char *out, size_t out_bytes, const struct cnn_conv_shape *s) {
    static const char *const types[] = {"fp32", "bf16", "fp16"};
    const struct cnn_conv *c = &s->conv;
    snprintf(out, out_bytes, "%s n%d %dx%dx%d -> %dx%dx%d k%dx%d s%dx%d p%dx%d d%dx%d g%d", types[s->type],
             s->in.n, s->in.h, s->in.w, s->in.c, s->out.h, s->out.w, s->out.c, c->kernel[0], c->kernel[1],
             c->stride[0], c->stride[1], c->padding[0], c->padding[1], c->dilation[0], c->dilation[1],
             c->groups);
}
