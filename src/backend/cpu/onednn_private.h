// Between onednn.c and the file for the oneDNN version at hand.
#ifndef CNN_BACKEND_CPU_ONEDNN_PRIVATE_H
#define CNN_BACKEND_CPU_ONEDNN_PRIVATE_H
#include "backend/cpu/onednn.h"
#include <dnnl.h>

struct cnn_onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

// What the two major versions spell differently. Each function returns oneDNN's own status.
struct cnn_layout;
struct cnn_layout *cnn_dnnl_layout_wrap(const void *memory_desc); // copies; NULL when out of memory
const void *cnn_dnnl_layout_raw(
    const struct cnn_layout *layout); // const dnnl_memory_desc_t * in 2, dnnl_memory_desc_t in 3
dnnl_status_t cnn_dnnl_layout_by_tag(struct cnn_layout **out, int n_dims, const dnnl_dims_t dims,
                                     dnnl_data_type_t type, dnnl_format_tag_t tag);
dnnl_data_type_t cnn_dnnl_layout_type(const struct cnn_layout *layout);
// The same places for elements of another type; dnnl_unimplemented where that cannot be said.
dnnl_status_t cnn_dnnl_layout_retype(struct cnn_layout **out, const struct cnn_layout *layout,
                                     dnnl_data_type_t type);
dnnl_status_t cnn_dnnl_layout_dims(const struct cnn_layout *layout, int *n_dims, dnnl_dims_t dims);
dnnl_status_t cnn_dnnl_memory_create(dnnl_memory_t *out, const struct cnn_layout *layout,
                                     dnnl_engine_t engine);
dnnl_status_t cnn_dnnl_product_desc(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                    const struct cnn_product *product,
                                    const_dnnl_primitive_attr_t attributes);
dnnl_status_t cnn_dnnl_reorder_desc(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                    const struct cnn_layout *src, const struct cnn_layout *dst,
                                    const_dnnl_primitive_attr_t attributes);
dnnl_status_t cnn_dnnl_append_relu(dnnl_post_ops_t ops);
dnnl_status_t cnn_dnnl_append_residual(dnnl_post_ops_t ops, const struct cnn_layout *residual);
// Layout of an execution argument (DNNL_ARG_...), copied; NULL where the primitive has none.
struct cnn_layout *cnn_dnnl_argument_layout(const_dnnl_primitive_desc_t desc, int argument);
size_t cnn_dnnl_scratch_bytes(const_dnnl_primitive_desc_t desc);

// A backward product comes with a description of its forward one. The same product, but for its pass and its
// weights, which are made of what the input is made of, not of the floats their gradients are; `weights` is
// the caller's to destroy.
dnnl_status_t cnn_dnnl_forward_of(struct cnn_product *out, struct cnn_layout **weights,
                                  const struct cnn_product *backward);

// Kernel geometry of a convolution as oneDNN wants it: {strides, dilations (0 = dense), padding before,
// padding after}.
struct cnn_dnnl_window {
    dnnl_dims_t strides, dilates, before, after;
};
struct cnn_dnnl_window cnn_dnnl_window_of(const struct cnn_conv *conv);

#endif
