// oneDNN 3.x: memory descriptors are handles, primitives are described in one call.
#include "backend/cpu/onednn_private.h"
#include <stdlib.h>

struct cnn_layout {
    dnnl_memory_desc_t desc;
};

struct cnn_layout *cnn_dnnl_layout_wrap(const void *memory_desc) {
    struct cnn_layout *layout = calloc(1, sizeof *layout);
    if (layout && dnnl_memory_desc_clone(&layout->desc, memory_desc) != dnnl_success) {
        free(layout);
        return NULL;
    }
    return layout;
}

const void *cnn_dnnl_layout_raw(const struct cnn_layout *layout) { return layout->desc; }

static const_dnnl_memory_desc_t raw(const struct cnn_layout *layout) { return layout ? layout->desc : NULL; }

dnnl_status_t cnn_dnnl_layout_by_tag(struct cnn_layout **out, int n_dims, const dnnl_dims_t dims,
                                     dnnl_data_type_t type, dnnl_format_tag_t tag) {
    struct cnn_layout *layout = calloc(1, sizeof *layout);
    if (!layout)
        return dnnl_out_of_memory;
    dnnl_status_t status = dnnl_memory_desc_create_with_tag(&layout->desc, n_dims, dims, type, tag);
    if (status != dnnl_success)
        free(layout);
    else
        *out = layout;
    return status;
}

dnnl_data_type_t cnn_dnnl_layout_type(const struct cnn_layout *layout) {
    dnnl_data_type_t type = dnnl_data_type_undef;
    dnnl_memory_desc_query(layout->desc, dnnl_query_data_type, &type);
    return type;
}

// Descriptors cannot be changed, and only tags say how blocks lie: the tag that gives this layout is looked
// for.
dnnl_status_t cnn_dnnl_layout_retype(struct cnn_layout **out, const struct cnn_layout *layout,
                                     dnnl_data_type_t type) {
    int n_dims = 0;
    dnnl_dims_t dims = {0};
    dnnl_status_t status = cnn_dnnl_layout_dims(layout, &n_dims, dims);
    for (int tag = dnnl_format_tag_any + 1; status == dnnl_success && tag < dnnl_format_tag_last; tag++) {
        struct cnn_layout *same = NULL;
        if (cnn_dnnl_layout_by_tag(&same, n_dims, dims, cnn_dnnl_layout_type(layout), tag) != dnnl_success)
            continue;
        const bool found = cnn_layout_equal(same, layout);
        cnn_layout_destroy(same);
        if (found)
            return cnn_dnnl_layout_by_tag(out, n_dims, dims, type, tag);
    }
    return status == dnnl_success ? dnnl_unimplemented : status;
}

bool cnn_layout_equal(const struct cnn_layout *a, const struct cnn_layout *b) {
    return dnnl_memory_desc_equal(a->desc, b->desc);
}

bool cnn_layout_is_any(const struct cnn_layout *layout) {
    dnnl_format_kind_t kind = dnnl_format_kind_undef;
    return dnnl_memory_desc_query(layout->desc, dnnl_query_format_kind, &kind) == dnnl_success &&
           kind == dnnl_format_kind_any;
}

size_t cnn_layout_bytes(const struct cnn_layout *layout) { return dnnl_memory_desc_get_size(layout->desc); }

void cnn_layout_destroy(struct cnn_layout *layout) {
    if (!layout)
        return;
    dnnl_memory_desc_destroy(layout->desc);
    free(layout);
}

dnnl_status_t cnn_dnnl_layout_dims(const struct cnn_layout *layout, int *n_dims, dnnl_dims_t dims) {
    const dnnl_dims_t *found = NULL;
    dnnl_status_t status = dnnl_memory_desc_query(layout->desc, dnnl_query_ndims_s32, n_dims);
    if (status == dnnl_success)
        status = dnnl_memory_desc_query(layout->desc, dnnl_query_dims, &found);
    for (int i = 0; status == dnnl_success && i < *n_dims; i++)
        dims[i] = (*found)[i];
    return status;
}

dnnl_status_t cnn_dnnl_memory_create(dnnl_memory_t *out, const struct cnn_layout *layout,
                                     dnnl_engine_t engine) {
    return dnnl_memory_create(out, layout->desc, engine, DNNL_MEMORY_NONE);
}

dnnl_status_t cnn_dnnl_append_relu(dnnl_post_ops_t ops) {
    return dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0.0f, 0.0f);
}

dnnl_status_t cnn_dnnl_append_residual(dnnl_post_ops_t ops, const struct cnn_layout *residual) {
    return dnnl_post_ops_append_binary(ops, dnnl_binary_add, residual->desc);
}

struct cnn_layout *cnn_dnnl_argument_layout(const_dnnl_primitive_desc_t desc, int argument) {
    const_dnnl_memory_desc_t md = dnnl_primitive_desc_query_md(desc, dnnl_query_exec_arg_md, argument);
    int n_dims = 0;
    if (!md || dnnl_memory_desc_query(md, dnnl_query_ndims_s32, &n_dims) != dnnl_success || n_dims == 0)
        return NULL;
    return cnn_dnnl_layout_wrap(md);
}

size_t cnn_dnnl_scratch_bytes(const_dnnl_primitive_desc_t desc) {
    const_dnnl_memory_desc_t md = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    return md ? dnnl_memory_desc_get_size(md) : 0;
}

dnnl_status_t cnn_dnnl_reorder_desc(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                    const struct cnn_layout *src, const struct cnn_layout *dst,
                                    const_dnnl_primitive_attr_t attributes) {
    return dnnl_reorder_primitive_desc_create(out, src->desc, engine, dst->desc, engine, attributes);
}

static dnnl_prop_kind_t forward_kind(enum cnn_pass pass) {
    return pass == CNN_PASS_INFERENCE ? dnnl_forward_inference : dnnl_forward_training;
}

static dnnl_status_t convolution_forward(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                         const struct cnn_product *p,
                                         const_dnnl_primitive_attr_t attributes) {
    const struct cnn_dnnl_window k = cnn_dnnl_window_of(p->conv);
    return dnnl_convolution_forward_primitive_desc_create(
        out, engine, forward_kind(p->pass), dnnl_convolution_direct, raw(p->src), raw(p->weights),
        raw(p->bias), raw(p->dst), k.strides, k.dilates, k.before, k.after, attributes);
}

static dnnl_status_t inner_product_forward(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                           const struct cnn_product *p,
                                           const_dnnl_primitive_attr_t attributes) {
    return dnnl_inner_product_forward_primitive_desc_create(out, engine, forward_kind(p->pass), raw(p->src),
                                                            raw(p->weights), raw(p->bias), raw(p->dst),
                                                            attributes);
}

static dnnl_status_t convolution_backward(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                          const struct cnn_product *p, const_dnnl_primitive_desc_t hint,
                                          const_dnnl_primitive_attr_t attributes) {
    const struct cnn_dnnl_window k = cnn_dnnl_window_of(p->conv);
    if (p->pass == CNN_PASS_BACKWARD_DATA)
        return dnnl_convolution_backward_data_primitive_desc_create(
            out, engine, dnnl_convolution_direct, raw(p->src), raw(p->weights), raw(p->dst), k.strides,
            k.dilates, k.before, k.after, hint, attributes);
    return dnnl_convolution_backward_weights_primitive_desc_create(
        out, engine, dnnl_convolution_direct, raw(p->src), raw(p->weights), raw(p->bias), raw(p->dst),
        k.strides, k.dilates, k.before, k.after, hint, attributes);
}

static dnnl_status_t inner_product_backward(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                            const struct cnn_product *p, const_dnnl_primitive_desc_t hint,
                                            const_dnnl_primitive_attr_t attributes) {
    if (p->pass == CNN_PASS_BACKWARD_DATA)
        return dnnl_inner_product_backward_data_primitive_desc_create(
            out, engine, raw(p->src), raw(p->weights), raw(p->dst), hint, attributes);
    return dnnl_inner_product_backward_weights_primitive_desc_create(
        out, engine, raw(p->src), raw(p->weights), raw(p->bias), raw(p->dst), hint, attributes);
}

dnnl_status_t cnn_dnnl_product_desc(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                    const struct cnn_product *p, const_dnnl_primitive_attr_t attributes) {
    if (p->pass == CNN_PASS_INFERENCE || p->pass == CNN_PASS_FORWARD)
        return p->conv ? convolution_forward(out, engine, p, attributes)
                       : inner_product_forward(out, engine, p, attributes);
    struct cnn_product forward;
    struct cnn_layout *weights = NULL;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_status_t status = cnn_dnnl_forward_of(&forward, &weights, p);
    if (status == dnnl_success)
        status = p->conv ? convolution_forward(&hint, engine, &forward, NULL)
                         : inner_product_forward(&hint, engine, &forward, NULL);
    cnn_layout_destroy(weights);
    if (status != dnnl_success)
        return status;
    status = p->conv ? convolution_backward(out, engine, p, hint, attributes)
                     : inner_product_backward(out, engine, p, hint, attributes);
    dnnl_primitive_desc_destroy(hint);
    return status;
}
