// oneDNN 2.x: memory descriptors are plain structs, operations have descriptors of their own.
#include "backend/cpu/onednn_private.h"
#include <stdlib.h>

struct cnn_layout {
    dnnl_memory_desc_t desc;
};

struct cnn_layout *cnn_dnnl_layout_wrap(const void *memory_desc) {
    struct cnn_layout *layout = malloc(sizeof *layout);
    if (layout)
        layout->desc = *(const dnnl_memory_desc_t *)memory_desc;
    return layout;
}

const void *cnn_dnnl_layout_raw(const struct cnn_layout *layout) { return &layout->desc; }

static const dnnl_memory_desc_t *raw(const struct cnn_layout *layout) {
    return layout ? &layout->desc : NULL;
}

dnnl_status_t cnn_dnnl_layout_by_tag(struct cnn_layout **out, int n_dims, const dnnl_dims_t dims,
                                     dnnl_data_type_t type, dnnl_format_tag_t tag) {
    dnnl_memory_desc_t desc;
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(&desc, n_dims, dims, type, tag);
    if (status != dnnl_success)
        return status;
    *out = cnn_dnnl_layout_wrap(&desc);
    return *out ? dnnl_success : dnnl_out_of_memory;
}

dnnl_data_type_t cnn_dnnl_layout_type(const struct cnn_layout *layout) { return layout->desc.data_type; }

dnnl_status_t cnn_dnnl_layout_retype(struct cnn_layout **out, const struct cnn_layout *layout,
                                     dnnl_data_type_t type) {
    dnnl_memory_desc_t desc = layout->desc; // strides and blocks count elements
    desc.data_type = type;
    *out = cnn_dnnl_layout_wrap(&desc);
    return *out ? dnnl_success : dnnl_out_of_memory;
}

bool cnn_layout_equal(const struct cnn_layout *a, const struct cnn_layout *b) {
    return dnnl_memory_desc_equal(&a->desc, &b->desc);
}
bool cnn_layout_is_any(const struct cnn_layout *layout) {
    return layout->desc.format_kind == dnnl_format_kind_any;
}
size_t cnn_layout_bytes(const struct cnn_layout *layout) { return dnnl_memory_desc_get_size(&layout->desc); }
void cnn_layout_destroy(struct cnn_layout *layout) { free(layout); }

dnnl_status_t cnn_dnnl_layout_dims(const struct cnn_layout *layout, int *n_dims, dnnl_dims_t dims) {
    *n_dims = layout->desc.ndims;
    for (int i = 0; i < layout->desc.ndims; i++)
        dims[i] = layout->desc.dims[i];
    return dnnl_success;
}

dnnl_status_t cnn_dnnl_memory_create(dnnl_memory_t *out, const struct cnn_layout *layout,
                                     dnnl_engine_t engine) {
    return dnnl_memory_create(out, &layout->desc, engine, DNNL_MEMORY_NONE);
}

dnnl_status_t cnn_dnnl_append_relu(dnnl_post_ops_t ops) {
    return dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f);
}

dnnl_status_t cnn_dnnl_append_residual(dnnl_post_ops_t ops, const struct cnn_layout *residual) {
    return dnnl_post_ops_append_binary(ops, dnnl_binary_add, &residual->desc);
}

struct cnn_layout *cnn_dnnl_argument_layout(const_dnnl_primitive_desc_t desc, int argument) {
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(desc, dnnl_query_exec_arg_md, argument);
    return md && md->ndims > 0 ? cnn_dnnl_layout_wrap(md) : NULL;
}

size_t cnn_dnnl_scratch_bytes(const_dnnl_primitive_desc_t desc) {
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    return md ? dnnl_memory_desc_get_size(md) : 0;
}

dnnl_status_t cnn_dnnl_reorder_desc(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                    const struct cnn_layout *src, const struct cnn_layout *dst,
                                    const_dnnl_primitive_attr_t attributes) {
    return dnnl_reorder_primitive_desc_create(out, &src->desc, engine, &dst->desc, engine, attributes);
}

static dnnl_prop_kind_t forward_kind(enum cnn_pass pass) {
    return pass == CNN_PASS_INFERENCE ? dnnl_forward_inference : dnnl_forward_training;
}

static dnnl_status_t convolution_hint(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                      const struct cnn_product *p) {
    struct cnn_dnnl_window k = cnn_dnnl_window_of(p->conv);
    dnnl_convolution_desc_t op;
    dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
        &op, forward_kind(p->pass), dnnl_convolution_direct, raw(p->src), raw(p->weights), raw(p->bias),
        raw(p->dst), k.strides, k.dilates, k.before, k.after);
    return status != dnnl_success ? status : dnnl_primitive_desc_create(out, &op, NULL, engine, NULL);
}

static dnnl_status_t convolution_op(dnnl_convolution_desc_t *op, const struct cnn_product *p) {
    struct cnn_dnnl_window k = cnn_dnnl_window_of(p->conv);
    switch (p->pass) {
    case CNN_PASS_BACKWARD_DATA:
        return dnnl_dilated_convolution_backward_data_desc_init(op, dnnl_convolution_direct, raw(p->src),
                                                                raw(p->weights), raw(p->dst), k.strides,
                                                                k.dilates, k.before, k.after);
    case CNN_PASS_BACKWARD_WEIGHTS:
        return dnnl_dilated_convolution_backward_weights_desc_init(op, dnnl_convolution_direct, raw(p->src),
                                                                   raw(p->weights), raw(p->bias), raw(p->dst),
                                                                   k.strides, k.dilates, k.before, k.after);
    default:
        return dnnl_dilated_convolution_forward_desc_init(
            op, forward_kind(p->pass), dnnl_convolution_direct, raw(p->src), raw(p->weights), raw(p->bias),
            raw(p->dst), k.strides, k.dilates, k.before, k.after);
    }
}

static dnnl_status_t inner_product_hint(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                        const struct cnn_product *p) {
    dnnl_inner_product_desc_t op;
    dnnl_status_t status = dnnl_inner_product_forward_desc_init(&op, forward_kind(p->pass), raw(p->src),
                                                                raw(p->weights), raw(p->bias), raw(p->dst));
    return status != dnnl_success ? status : dnnl_primitive_desc_create(out, &op, NULL, engine, NULL);
}

static dnnl_status_t inner_product_op(dnnl_inner_product_desc_t *op, const struct cnn_product *p) {
    switch (p->pass) {
    case CNN_PASS_BACKWARD_DATA:
        return dnnl_inner_product_backward_data_desc_init(op, raw(p->src), raw(p->weights), raw(p->dst));
    case CNN_PASS_BACKWARD_WEIGHTS:
        return dnnl_inner_product_backward_weights_desc_init(op, raw(p->src), raw(p->weights), raw(p->bias),
                                                             raw(p->dst));
    default:
        return dnnl_inner_product_forward_desc_init(op, forward_kind(p->pass), raw(p->src), raw(p->weights),
                                                    raw(p->bias), raw(p->dst));
    }
}

static dnnl_status_t forward_hint(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                  const struct cnn_product *p) {
    struct cnn_product forward;
    struct cnn_layout *weights = NULL;
    dnnl_status_t status = cnn_dnnl_forward_of(&forward, &weights, p);
    if (status == dnnl_success)
        status =
            p->conv ? convolution_hint(out, engine, &forward) : inner_product_hint(out, engine, &forward);
    cnn_layout_destroy(weights);
    return status;
}

dnnl_status_t cnn_dnnl_product_desc(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                    const struct cnn_product *p, const_dnnl_primitive_attr_t attributes) {
    dnnl_convolution_desc_t convolution;
    dnnl_inner_product_desc_t inner_product;
    const bool backward = p->pass == CNN_PASS_BACKWARD_DATA || p->pass == CNN_PASS_BACKWARD_WEIGHTS;
    const void *op = p->conv ? (const void *)&convolution : &inner_product;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_status_t status = p->conv ? convolution_op(&convolution, p) : inner_product_op(&inner_product, p);
    if (status == dnnl_success && backward)
        status = forward_hint(&hint, engine, p);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(out, op, attributes, engine, hint);
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    return status;
}
