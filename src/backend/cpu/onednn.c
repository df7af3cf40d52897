#include "backend/cpu/onednn_private.h"
#include "base/memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cnn_primitive {
    struct cnn_onednn *dnn;
    dnnl_primitive_t primitive;
    struct cnn_layout *layouts[CNN_N_SLOTS];
    dnnl_memory_t memories[CNN_N_SLOTS], scratchpad;
    void *bound[CNN_N_SLOTS], *bound_scratch;
    int arguments[CNN_N_SLOTS];
    size_t scratch_bytes;
    char name[48];
};

static enum cnn_status check(dnnl_status_t status, const char *what) {
    if (status == dnnl_success)
        return CNN_OK;
    if (status == dnnl_out_of_memory)
        return cnn_fail(CNN_ERR_MEMORY, "oneDNN: %s: out of memory", what);
    if (status == dnnl_unimplemented)
        return cnn_fail(CNN_ERR_UNSUPPORTED, "oneDNN: %s: not implemented for this shape on this processor",
                        what);
    return cnn_fail(CNN_ERR_BACKEND, "oneDNN: %s failed (status %d)", what, (int)status);
}

enum cnn_status cnn_onednn_create(struct cnn_onednn **out) {
    struct cnn_onednn *dnn = NULL;
    CNN_TRY(cnn_calloc(&dnn, 1, sizeof *dnn));
    enum cnn_status status = check(dnnl_engine_create(&dnn->engine, dnnl_cpu, 0), "creating the CPU engine");
    if (status == CNN_OK)
        status = check(dnnl_stream_create(&dnn->stream, dnn->engine, dnnl_stream_default_flags),
                       "creating a stream");
    if (status != CNN_OK) {
        cnn_onednn_destroy(dnn);
        return status;
    }
    *out = dnn;
    return CNN_OK;
}

void cnn_onednn_destroy(struct cnn_onednn *dnn) {
    if (!dnn)
        return;
    if (dnn->stream)
        dnnl_stream_destroy(dnn->stream);
    if (dnn->engine)
        dnnl_engine_destroy(dnn->engine);
    free(dnn);
}

// An instruction set's bits say which it includes.
static bool has_all(int isa, int of) { return (isa & of) == of; }

const char *cnn_onednn_isa(void) {
    static const struct {
        int isa;
        const char *name;
    } names[] = {
        {dnnl_cpu_isa_sse41, "SSE4.1"},
        {dnnl_cpu_isa_avx, "AVX"},
        {dnnl_cpu_isa_avx2, "AVX2"},
        {dnnl_cpu_isa_avx2_vnni, "AVX2 VNNI"},
        {dnnl_cpu_isa_avx512_core, "AVX-512"},
        {dnnl_cpu_isa_avx512_core_vnni, "AVX-512 VNNI"},
        {dnnl_cpu_isa_avx512_core_bf16, "AVX-512 BF16"},
    };
    int isa = (int)dnnl_get_effective_cpu_isa();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].isa == isa)
            return names[i].name;
    return has_all(isa, dnnl_cpu_isa_avx512_core_bf16) ? "AMX or later" : "other instruction set";
}

enum cnn_onednn_bf16 cnn_onednn_bf16(void) {
    const int isa = (int)dnnl_get_effective_cpu_isa();
    return has_all(isa, dnnl_cpu_isa_avx512_core_bf16) ? CNN_ONEDNN_BF16
           : has_all(isa, dnnl_cpu_isa_avx512_core)    ? CNN_ONEDNN_BF16_EMULATED
                                                       : CNN_ONEDNN_NO_BF16;
}

bool cnn_onednn_has_amx(void) {
    return has_all((int)dnnl_get_effective_cpu_isa(), dnnl_cpu_isa_avx512_core_amx);
}

void cnn_onednn_describe(char *out, size_t out_bytes) {
    const dnnl_version_t *v = dnnl_version();
    snprintf(out, out_bytes, "oneDNN %d.%d.%d, %s", v->major, v->minor, v->patch, cnn_onednn_isa());
}

static dnnl_data_type_t data_type(enum cnn_type type) {
    return type == CNN_TYPE_BF16 ? dnnl_bf16 : type == CNN_TYPE_F16 ? dnnl_f16 : dnnl_f32;
}

enum cnn_type cnn_layout_type(const struct cnn_layout *layout) {
    const dnnl_data_type_t type = cnn_dnnl_layout_type(layout);
    return type == dnnl_bf16 ? CNN_TYPE_BF16 : type == dnnl_f16 ? CNN_TYPE_F16 : CNN_TYPE_F32;
}

enum cnn_status cnn_layout_tensor(struct cnn_layout **out, const struct cnn_tensor *t) {
    const dnnl_dims_t dims = {t->n, t->c, t->h, t->w};
    dnnl_format_tag_t tag = t->block == 1    ? dnnl_nchw
                            : t->block == 8  ? dnnl_nChw8c
                            : t->block == 16 ? dnnl_nChw16c
                                             : dnnl_nhwc;
    if (t->block == t->c)
        tag = t->c == 8 ? dnnl_nChw8c : t->c == 16 ? dnnl_nChw16c : dnnl_nhwc;
    return check(cnn_dnnl_layout_by_tag(out, 4, dims, data_type(t->type), tag), "describing a tensor");
}

static enum cnn_status layout_by_tag(struct cnn_layout **out, enum cnn_type type, int n_dims, const int *dims,
                                     dnnl_format_tag_t tag) {
    dnnl_dims_t d = {0};
    for (int i = 0; i < n_dims; i++)
        d[i] = dims[i];
    return check(cnn_dnnl_layout_by_tag(out, n_dims, d, data_type(type), tag), "describing a tensor");
}

enum cnn_status cnn_layout_plain(struct cnn_layout **out, enum cnn_type type, int n_dims, const int *dims) {
    static const dnnl_format_tag_t tags[] = {0, dnnl_a, dnnl_ab, dnnl_abc, dnnl_abcd, dnnl_abcde};
    return layout_by_tag(out, type, n_dims, dims, tags[n_dims]);
}

enum cnn_status cnn_layout_any(struct cnn_layout **out, enum cnn_type type, int n_dims, const int *dims) {
    return layout_by_tag(out, type, n_dims, dims, dnnl_format_tag_any);
}

enum cnn_status cnn_layout_loosen(struct cnn_layout **out, const struct cnn_layout *layout,
                                  enum cnn_type type) {
    int n_dims;
    dnnl_dims_t dims;
    CNN_TRY(check(cnn_dnnl_layout_dims(layout, &n_dims, dims), "reading a layout"));
    return check(cnn_dnnl_layout_by_tag(out, n_dims, dims, data_type(type), dnnl_format_tag_any),
                 "describing a tensor");
}

enum cnn_status cnn_layout_retype(struct cnn_layout **out, const struct cnn_layout *layout,
                                  enum cnn_type type) {
    if (cnn_layout_type(layout) == type)
        return cnn_layout_copy(out, layout);
    return check(cnn_dnnl_layout_retype(out, layout, data_type(type)), "describing weights of another type");
}

enum cnn_status cnn_layout_copy(struct cnn_layout **out, const struct cnn_layout *layout) {
    struct cnn_layout *copy = cnn_dnnl_layout_wrap(cnn_dnnl_layout_raw(layout));
    if (!copy)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory");
    *out = copy;
    return CNN_OK;
}

// The argument a slot stands for, by pass: gradients have their own.
static int argument_of(enum cnn_pass pass, enum cnn_slot slot) {
    static const int forward[CNN_N_SLOTS] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST,
                                             DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1};
    static const int data[CNN_N_SLOTS] = {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, 0, DNNL_ARG_DIFF_DST, 0};
    static const int weights[CNN_N_SLOTS] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS,
                                             DNNL_ARG_DIFF_DST, 0};
    return pass == CNN_PASS_BACKWARD_DATA      ? data[slot]
           : pass == CNN_PASS_BACKWARD_WEIGHTS ? weights[slot]
                                               : forward[slot];
}

static enum cnn_status primitive_finish(struct cnn_primitive *p, const_dnnl_primitive_desc_t desc) {
    const char *name = "";
    if (dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name) == dnnl_success)
        snprintf(p->name, sizeof p->name, "%s", name);
    p->scratch_bytes = cnn_dnnl_scratch_bytes(desc);
    CNN_TRY(check(dnnl_primitive_create(&p->primitive, desc), "creating a primitive"));
    for (int slot = 0; slot < CNN_N_SLOTS; slot++) {
        if (!p->layouts[slot])
            continue;
        CNN_TRY(check(cnn_dnnl_memory_create(&p->memories[slot], p->layouts[slot], p->dnn->engine),
                      "creating a memory"));
    }
    if (!p->scratch_bytes)
        return CNN_OK;
    struct cnn_layout *scratch = cnn_dnnl_argument_layout(desc, DNNL_ARG_SCRATCHPAD);
    if (!scratch)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory");
    enum cnn_status status =
        check(cnn_dnnl_memory_create(&p->scratchpad, scratch, p->dnn->engine), "creating a memory");
    cnn_layout_destroy(scratch);
    return status;
}

static enum cnn_status product_attributes(dnnl_primitive_attr_t *out, const struct cnn_product *product) {
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t ops = NULL;
    enum cnn_status status = check(dnnl_primitive_attr_create(&attributes), "creating attributes");
    if (status == CNN_OK)
        status = check(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user),
                       "setting the scratchpad mode");
    if (status == CNN_OK)
        status = check(dnnl_post_ops_create(&ops), "creating post-ops");
    if (status == CNN_OK && product->residual)
        status = check(cnn_dnnl_append_residual(ops, product->residual), "appending a residual");
    if (status == CNN_OK && product->relu)
        status = check(cnn_dnnl_append_relu(ops), "appending relu");
    if (status == CNN_OK)
        status = check(dnnl_primitive_attr_set_post_ops(attributes, ops), "setting post-ops");
    if (ops)
        dnnl_post_ops_destroy(ops);
    if (status == CNN_OK)
        *out = attributes;
    else if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    return status;
}

static enum cnn_status product_layouts(struct cnn_primitive *p, const_dnnl_primitive_desc_t desc,
                                       const struct cnn_product *product) {
    const bool used[CNN_N_SLOTS] = {true, true, product->bias && product->pass != CNN_PASS_BACKWARD_DATA,
                                    true, product->residual != NULL};
    for (int slot = 0; slot < CNN_N_SLOTS; slot++) {
        if (!used[slot])
            continue;
        p->arguments[slot] = argument_of(product->pass, slot);
        if (slot == CNN_SLOT_RESIDUAL)
            CNN_TRY(cnn_layout_copy(&p->layouts[slot], product->residual));
        else if (!(p->layouts[slot] = cnn_dnnl_argument_layout(desc, p->arguments[slot])))
            return cnn_fail(CNN_ERR_BACKEND, "oneDNN: a primitive does not report its layouts");
    }
    return CNN_OK;
}

enum cnn_status cnn_product_create(struct cnn_primitive **out, struct cnn_onednn *dnn,
                                   const struct cnn_product *product) {
    struct cnn_primitive *p = NULL;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t desc = NULL;
    CNN_TRY(cnn_calloc(&p, 1, sizeof *p));
    p->dnn = dnn;
    enum cnn_status status = product_attributes(&attributes, product);
    if (status == CNN_OK)
        status = check(cnn_dnnl_product_desc(&desc, dnn->engine, product, attributes),
                       product->conv ? "planning a convolution" : "planning an inner product");
    if (status == CNN_OK)
        status = product_layouts(p, desc, product);
    if (status == CNN_OK)
        status = primitive_finish(p, desc);
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    if (status != CNN_OK) {
        cnn_primitive_destroy(p);
        return status;
    }
    *out = p;
    return CNN_OK;
}

enum cnn_status cnn_reorder_create(struct cnn_primitive **out, struct cnn_onednn *dnn,
                                   const struct cnn_layout *src, const struct cnn_layout *dst) {
    struct cnn_primitive *p = NULL;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t desc = NULL;
    CNN_TRY(cnn_calloc(&p, 1, sizeof *p));
    p->dnn = dnn;
    p->arguments[CNN_SLOT_SRC] = DNNL_ARG_FROM;
    p->arguments[CNN_SLOT_DST] = DNNL_ARG_TO;
    enum cnn_status status = check(dnnl_primitive_attr_create(&attributes), "creating attributes");
    if (status == CNN_OK)
        status = check(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user),
                       "setting the scratchpad mode");
    if (status == CNN_OK)
        status = check(cnn_dnnl_reorder_desc(&desc, dnn->engine, src, dst, attributes), "planning a reorder");
    if (status == CNN_OK)
        status = cnn_layout_copy(&p->layouts[CNN_SLOT_SRC], src);
    if (status == CNN_OK)
        status = cnn_layout_copy(&p->layouts[CNN_SLOT_DST], dst);
    if (status == CNN_OK)
        status = primitive_finish(p, desc);
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    if (status != CNN_OK) {
        cnn_primitive_destroy(p);
        return status;
    }
    *out = p;
    return CNN_OK;
}

size_t cnn_primitive_scratch_bytes(const struct cnn_primitive *p) { return p->scratch_bytes; }
const char *cnn_primitive_name(const struct cnn_primitive *p) { return p->name; }
const struct cnn_layout *cnn_primitive_layout(const struct cnn_primitive *p, enum cnn_slot slot) {
    return p->layouts[slot];
}

int cnn_primitive_class(const struct cnn_primitive *p) {
    if (strncmp(p->name, "jit", 3) == 0 || strncmp(p->name, "brg", 3) == 0)
        return 2;
    return strstr(p->name, "gemm") ? 1 : 0;
}

// Binding a pointer makes oneDNN clear the padding behind it, so it is done only when the pointer is new.
static enum cnn_status bind(dnnl_memory_t memory, void **bound, void *pointer) {
    if (*bound == pointer)
        return CNN_OK;
    CNN_TRY(check(dnnl_memory_set_data_handle(memory, pointer), "binding a memory"));
    *bound = pointer;
    return CNN_OK;
}

enum cnn_status cnn_primitive_run(struct cnn_primitive *p, void *const slots[CNN_N_SLOTS], void *scratch) {
    dnnl_exec_arg_t arguments[CNN_N_SLOTS + 1];
    int n = 0;
    for (int slot = 0; slot < CNN_N_SLOTS; slot++) {
        if (!p->memories[slot])
            continue;
        CNN_TRY(bind(p->memories[slot], &p->bound[slot], slots[slot]));
        arguments[n++] = (dnnl_exec_arg_t){p->arguments[slot], p->memories[slot]};
    }
    if (p->scratchpad) {
        CNN_TRY(bind(p->scratchpad, &p->bound_scratch, scratch));
        arguments[n++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, p->scratchpad};
    }
    return check(dnnl_primitive_execute(p->primitive, p->dnn->stream, n, arguments), p->name);
}

void cnn_primitive_destroy(struct cnn_primitive *p) {
    if (!p)
        return;
    for (int slot = 0; slot < CNN_N_SLOTS; slot++) {
        if (p->memories[slot])
            dnnl_memory_destroy(p->memories[slot]);
        cnn_layout_destroy(p->layouts[slot]);
    }
    if (p->scratchpad)
        dnnl_memory_destroy(p->scratchpad);
    if (p->primitive)
        dnnl_primitive_destroy(p->primitive);
    free(p);
}

dnnl_status_t cnn_dnnl_forward_of(struct cnn_product *out, struct cnn_layout **weights,
                                  const struct cnn_product *backward) {
    const dnnl_data_type_t type = cnn_dnnl_layout_type(backward->src);
    dnnl_status_t status = dnnl_success;
    *out = *backward;
    out->pass = CNN_PASS_FORWARD;
    if (type == cnn_dnnl_layout_type(backward->weights))
        return status;
    int n_dims;
    dnnl_dims_t dims;
    status = cnn_dnnl_layout_dims(backward->weights, &n_dims, dims);
    if (status == dnnl_success)
        status = cnn_dnnl_layout_by_tag(weights, n_dims, dims, type, dnnl_format_tag_any);
    out->weights = *weights;
    return status;
}

struct cnn_dnnl_window cnn_dnnl_window_of(const struct cnn_conv *conv) {
    struct cnn_dnnl_window window = {{0}, {0}, {0}, {0}};
    for (int i = 0; i < 2; i++) {
        window.strides[i] = conv->stride[i];
        window.dilates[i] = conv->dilation[i] - 1;
        window.before[i] = window.after[i] = conv->padding[i];
    }
    return window;
}
