#include "rig.h"
#include "base/random.h"
#include "suite.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define OK(rig_label, call)                                                                                  \
    do {                                                                                                     \
        if ((call) != CNN_OK)                                                                                \
            fail_msg("%s: %s: %s", rig_label, #call, cnn_error_message());                                   \
    } while (0)

static enum cnn_type type_under_test;

void rig_use(struct cnn_backend *backend) { type_under_test = cnn_backend_type(backend); }

double rig_tolerance(void) {
    static const double tolerances[] = {
        [CNN_TYPE_F32] = 1e-5, [CNN_TYPE_BF16] = 1.0 / 128, [CNN_TYPE_F16] = 1.0 / 1024};
    return tolerances[type_under_test];
}

// To the nearest, ties to even; NaN stays NaN.
static uint16_t to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (isnan(value))
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float of_bf16(uint16_t half) {
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void encode(enum cnn_type type, void *out, const float *values, size_t n) {
    if (type == CNN_TYPE_F32)
        memcpy(out, values, n * sizeof *values);
    for (size_t i = 0; type == CNN_TYPE_BF16 && i < n; i++)
        ((uint16_t *)out)[i] = to_bf16(values[i]);
    for (size_t i = 0; type == CNN_TYPE_F16 && i < n; i++)
        ((_Float16 *)out)[i] = (_Float16)values[i];
}

static void decode(enum cnn_type type, float *out, const void *values, size_t n) {
    if (type == CNN_TYPE_F32)
        memcpy(out, values, n * sizeof *out);
    for (size_t i = 0; type == CNN_TYPE_BF16 && i < n; i++)
        out[i] = of_bf16(((const uint16_t *)values)[i]);
    for (size_t i = 0; type == CNN_TYPE_F16 && i < n; i++)
        out[i] = (float)((const _Float16 *)values)[i];
}

double rig_rounded(double value) {
    const float narrow = (float)value;
    uint32_t bits = 0;
    float back = 0;
    encode(type_under_test, &bits, &narrow, 1);
    decode(type_under_test, &back, &bits, 1);
    return (double)back;
}

double *rig_new(size_t n) {
    double *values = calloc(n ? n : 1, sizeof *values);
    assert_non_null(values);
    return values;
}

double *rig_drawn(size_t n, enum rig_draw kind, uint64_t key) {
    double *values = rig_new(n);
    struct cnn_draws draws = cnn_draws_of(11, CNN_PURPOSE_TEST, key, n);
    for (size_t i = 0; i < n; i++)
        values[i] = kind == RIG_NORMAL     ? rig_rounded(cnn_draw_normal(&draws))
                    : kind == RIG_POSITIVE ? rig_rounded(cnn_draw_between(&draws, 0.5, 1.5))
                                           : (double)cnn_draw_below(&draws, 5) - 2;
    return values;
}

static float *new_floats(size_t n) {
    float *values = calloc(n ? n : 1, sizeof *values);
    assert_non_null(values);
    return values;
}

static float *narrow(const double *values, size_t n) {
    float *floats = new_floats(n);
    for (size_t i = 0; i < n; i++)
        floats[i] = (float)values[i];
    return floats;
}

float *rig_upload(struct cnn_backend *backend, const float *values, size_t n) {
    float *device = NULL;
    OK("upload", cnn_backend_alloc(backend, (void **)&device, n * sizeof *values));
    OK("upload", cnn_backend_upload(backend, device, values, n * sizeof *values));
    OK("upload", cnn_backend_synchronize(backend));
    return device;
}

float *rig_download(struct cnn_backend *backend, const float *device, size_t n) {
    float *values = new_floats(n);
    OK("download", cnn_backend_download(backend, values, device, n * sizeof *values));
    OK("download", cnn_backend_synchronize(backend));
    return values;
}

static void put_bytes(struct cnn_backend *backend, void *device, const void *host, size_t bytes) {
    OK("upload", cnn_backend_upload(backend, device, host, bytes));
    OK("upload", cnn_backend_synchronize(backend));
}

static void *get_bytes(struct cnn_backend *backend, const void *device, size_t bytes) {
    void *host = calloc(bytes ? bytes : 1, 1);
    assert_non_null(host);
    OK("download", cnn_backend_download(backend, host, device, bytes));
    OK("download", cnn_backend_synchronize(backend));
    return host;
}

static void put_tensor(struct cnn_backend *backend, const struct cnn_tensor *t, void *device,
                       const double *plain) {
    float *packed = rig_pack(t, plain);
    void *encoded = calloc(cnn_tensor_count(t), sizeof(float));
    assert_non_null(encoded);
    encode(t->type, encoded, packed, cnn_tensor_count(t));
    put_bytes(backend, device, encoded, cnn_tensor_bytes(t));
    free(encoded);
    free(packed);
}

void *rig_upload_bytes(struct cnn_backend *backend, const void *values, size_t bytes) {
    void *device = NULL;
    OK("upload", cnn_backend_alloc(backend, &device, bytes));
    put_bytes(backend, device, values, bytes);
    return device;
}

void *rig_upload_tensor(struct cnn_backend *backend, const struct cnn_tensor *t, const double *plain) {
    void *device = NULL;
    OK("upload", cnn_backend_alloc(backend, &device, cnn_tensor_bytes(t)));
    put_tensor(backend, t, device, plain);
    return device;
}

float *rig_tensor_values(struct cnn_backend *backend, const char *label, const struct cnn_tensor *t,
                         const void *device) {
    void *encoded = get_bytes(backend, device, cnn_tensor_bytes(t));
    float *packed = new_floats(cnn_tensor_count(t));
    decode(t->type, packed, encoded, cnn_tensor_count(t));
    float *plain = rig_unpack(label, t, packed);
    free(encoded);
    free(packed);
    return plain;
}

void rig_spoil(struct cnn_backend *backend, void *device, size_t bytes) {
    if (!device || !bytes)
        return;
    void *nans = malloc(bytes);
    assert_non_null(nans);
    memset(nans, 0xff, bytes);
    OK("upload", cnn_backend_upload(backend, device, nans, bytes));
    OK("upload", cnn_backend_synchronize(backend));
    free(nans);
}

// Where element (n, c, pixel) of a tensor lies.
static size_t place(const struct cnn_tensor *t, size_t n, size_t c, size_t pixel) {
    const size_t block = (size_t)t->block, blocks = cnn_tensor_channels(t) / block,
                 area = (size_t)t->h * (size_t)t->w;
    return ((n * blocks + c / block) * area + pixel) * block + c % block;
}

static size_t plain_count(const struct cnn_tensor *t) {
    return (size_t)t->n * (size_t)t->c * (size_t)t->h * (size_t)t->w;
}

float *rig_pack(const struct cnn_tensor *t, const double *plain) {
    float *packed = new_floats(cnn_tensor_count(t));
    const size_t area = (size_t)t->h * (size_t)t->w, c = (size_t)t->c;
    for (size_t i = 0; i < plain_count(t); i++)
        packed[place(t, i / area / c, i / area % c, i % area)] = (float)plain[i];
    return packed;
}

float *rig_unpack(const char *label, const struct cnn_tensor *t, const float *packed) {
    float *plain = new_floats(plain_count(t));
    const size_t area = (size_t)t->h * (size_t)t->w, c = (size_t)t->c, padded = cnn_tensor_channels(t);
    for (size_t i = 0; i < (size_t)t->n * padded * area; i++) {
        const size_t n = i / area / padded, channel = i / area % padded, pixel = i % area;
        const float value = packed[place(t, n, channel, pixel)];
        if (channel < c)
            plain[(n * c + channel) * area + pixel] = value;
        else if (value != 0)
            fail_msg("%s: padding channel %zu of sample %zu holds %g", label, channel, n, (double)value);
    }
    return plain;
}

static const struct cnn_tensor *in_tensor(const struct rig *rig, int j) {
    return j == 0 ? &rig->plan->in : &rig->plan->desc.in[j];
}

static void *alloc(struct rig *rig, size_t bytes) {
    void *memory = NULL;
    OK(rig->label, cnn_backend_alloc(rig->backend, &memory, bytes));
    return memory;
}

static void alloc_tensors(struct rig *rig) {
    const struct cnn_plan *plan = rig->plan;
    const size_t out_bytes = cnn_tensor_bytes(&plan->out);
    rig->out = alloc(rig, out_bytes);
    for (int j = 0; j < plan->desc.n_in; j++) {
        rig->in[j] = alloc(rig, cnn_tensor_bytes(in_tensor(rig, j)));
        rig->d_in[j] = alloc(rig, cnn_tensor_bytes(in_tensor(rig, j)));
        rig->io.in[j] = rig->in[j];
    }
    for (int j = 0; j < 2; j++)
        rig->d_out[j] = alloc(rig, out_bytes);
    for (int i = 0; i < plan->n_params; i++) {
        rig->io.params[i] = rig->params[i] = alloc(rig, plan->param_counts[i] * sizeof(float));
        rig->io.d_params[i] = rig->d_params[i] = alloc(rig, plan->param_counts[i] * sizeof(float));
        rig->io.compute[i] = rig->params[i];
        if (rig->backend->type != CNN_TYPE_F32)
            rig->io.compute[i] = rig->compute[i] = alloc(rig, plan->param_counts[i] * sizeof(float));
    }
    rig->io.out = rig->out;
    rig->control = alloc(rig, sizeof *rig->control);
    rig_set_key(rig, 3, 40);
}

void rig_open(struct rig *rig, struct cnn_backend *backend, const struct cnn_kernel_desc *desc,
              const char *label) {
    *rig = (struct rig){.backend = backend, .label = label, .ops = backend->ops->kernels[desc->kernel]};
    if (!rig->ops)
        fail_msg("%s: the %s backend has no kernel %d", label, backend->ops->name, (int)desc->kernel);
    OK(label, rig->ops->plan_create(&rig->plan, backend, desc));
    const struct cnn_plan *plan = rig->plan;
    assert_int_equal(plan->out.n, plan->in.n);
    assert_int_equal(plan->out.h, desc->shape.h);
    assert_int_equal(plan->out.w, desc->shape.w);
    assert_int_equal(plan->out.c, desc->shape.c);
    assert_non_null(plan->implementation);
    alloc_tensors(rig);
    rig->io.workspace = plan->workspace_bytes ? alloc(rig, plan->workspace_bytes) : NULL;
    rig->io.scratch = alloc(rig, plan->scratch_bytes);
    rig->io.constants = plan->constant_bytes ? alloc(rig, plan->constant_bytes) : NULL;
}

void rig_close(struct rig *rig) {
    for (int i = 0; i < 2; i++) {
        cnn_backend_free(rig->backend, rig->in[i]);
        cnn_backend_free(rig->backend, rig->d_in[i]);
        cnn_backend_free(rig->backend, rig->d_out[i]);
    }
    for (int i = 0; i < CNN_KERNEL_MAX_PARAMS; i++) {
        cnn_backend_free(rig->backend, rig->params[i]);
        cnn_backend_free(rig->backend, rig->d_params[i]);
        cnn_backend_free(rig->backend, rig->compute[i]);
    }
    cnn_backend_free(rig->backend, rig->control);
    cnn_backend_free(rig->backend, rig->out);
    cnn_backend_free(rig->backend, rig->io.workspace);
    cnn_backend_free(rig->backend, rig->io.scratch);
    cnn_backend_free(rig->backend, rig->io.constants);
    rig->ops->plan_destroy(rig->plan);
}

int rig_block(struct cnn_backend *backend) {
    static const struct cnn_node node = {.op = CNN_OP_RELU, .name = "probe", .shape = {2, 2, 48}};
    const struct cnn_kernel_desc desc = {.kernel = CNN_KERNEL_RELU,
                                         .node = &node,
                                         .in = {{.n = 1, .h = 2, .w = 2, .c = 48}},
                                         .n_in = 1,
                                         .from_pixels = true,
                                         .shape = node.shape};
    struct cnn_plan *plan = NULL;
    OK("probe", backend->ops->kernels[CNN_KERNEL_RELU]->plan_create(&plan, backend, &desc));
    const int block = plan->in.block;
    backend->ops->kernels[CNN_KERNEL_RELU]->plan_destroy(plan);
    return block == 48 ? 0 : block;
}

struct cnn_tensor rig_tensor(struct cnn_backend *backend, struct ref_shape s, bool row) {
    const int block = row && s.h == 1 && s.w == 1 ? s.c : rig_block(backend);
    return (struct cnn_tensor){s.n, s.h, s.w, s.c, block > 0 ? block : s.c, backend->type};
}

void rig_set_in(struct rig *rig, int j, const double *plain) {
    put_tensor(rig->backend, in_tensor(rig, j), rig->in[j], plain);
}

static void set_in_arena(struct rig *rig, int param, float *arena, const double *plain, size_t n) {
    float *values = narrow(plain, n), *back = new_floats(n);
    rig_spoil(rig->backend, arena, rig->plan->param_counts[param] * sizeof(float));
    OK(rig->label, rig->ops->param_set(rig->plan, param, arena, values));
    OK(rig->label, rig->ops->param_get(rig->plan, param, arena, back));
    if (memcmp(values, back, n * sizeof *values) != 0)
        fail_msg("%s: parameter %d changes on its way through the arena", rig->label, param);
    free(values);
    free(back);
}

void rig_set_param(struct rig *rig, int param, const double *plain, size_t n) {
    set_in_arena(rig, param, rig->params[param], plain, n);
    if (rig->compute[param])
        OK(rig->label, rig->backend->ops->narrow(rig->backend, rig->compute[param], rig->params[param],
                                                 rig->plan->param_counts[param]));
}

void rig_set_d_param(struct rig *rig, int param, const double *plain, size_t n) {
    set_in_arena(rig, param, rig->d_params[param], plain, n);
}

void rig_spoil_d_params(struct rig *rig) {
    for (int i = 0; i < rig->plan->n_params; i++)
        rig_spoil(rig->backend, rig->d_params[i], rig->plan->param_counts[i] * sizeof(float));
}

struct cnn_kernel_run rig_run(bool accumulate) {
    return (struct cnn_kernel_run){.accumulate = accumulate};
}

static struct cnn_kernel_run controlled(const struct rig *rig, const struct cnn_kernel_run *run) {
    struct cnn_kernel_run with = *run;
    with.control = rig->control;
    return with;
}

void rig_set_key(struct rig *rig, uint64_t step, uint64_t position) {
    const struct cnn_control control = {.step = step, .position = position, .loss_scale = 1};
    put_bytes(rig->backend, rig->control, &control, sizeof control);
}

static void spoil_scratch(struct rig *rig) {
    rig_spoil(rig->backend, rig->io.scratch, rig->plan->scratch_bytes);
}

void rig_forward(struct rig *rig, const struct cnn_kernel_run *run) {
    rig_spoil(rig->backend, rig->out, cnn_tensor_bytes(&rig->plan->out));
    rig_spoil(rig->backend, rig->io.workspace, rig->plan->workspace_bytes);
    spoil_scratch(rig);
    const struct cnn_kernel_run with = controlled(rig, run);
    OK(rig->label, rig->ops->forward(rig->plan, &rig->io, &with));
    OK(rig->label, cnn_backend_synchronize(rig->backend));
}

static void put_gradient(struct rig *rig, int i, const double *plain) {
    put_tensor(rig->backend, &rig->plan->out, rig->d_out[i], plain);
}

// What the memory plan may have given to others by the time backward runs.
static void spoil_unread(struct rig *rig) {
    const struct cnn_plan *plan = rig->plan;
    if (!plan->reads_in)
        rig_spoil(rig->backend, rig->in[0], cnn_tensor_bytes(&plan->in));
    if (plan->desc.n_in > 1)
        rig_spoil(rig->backend, rig->in[1], cnn_tensor_bytes(&plan->desc.in[1]));
    if (!plan->reads_out)
        rig_spoil(rig->backend, rig->out, cnn_tensor_bytes(&plan->out));
}

static void expect_unchanged(const struct rig *rig, const char *what, const void *device, void *before,
                             size_t bytes) {
    void *after = get_bytes(rig->backend, device, bytes);
    if (memcmp(before, after, bytes) != 0)
        fail_msg("%s: backward changed the forward's %s", rig->label, what);
    free(before);
    free(after);
}

void rig_backward(struct rig *rig, const double *d_out0, const double *d_out1,
                  const struct cnn_kernel_run *run, const bool want[2]) {
    const struct cnn_plan *plan = rig->plan;
    const size_t in_bytes = cnn_tensor_bytes(&plan->in), out_bytes = cnn_tensor_bytes(&plan->out);
    spoil_unread(rig);
    spoil_scratch(rig);
    put_gradient(rig, 0, d_out0);
    rig->io.d_out[0] = rig->d_out[0];
    rig->io.d_out[1] = d_out1 ? rig->d_out[1] : NULL;
    if (d_out1)
        put_gradient(rig, 1, d_out1);
    for (int j = 0; j < plan->desc.n_in; j++) {
        rig_spoil(rig->backend, rig->d_in[j], cnn_tensor_bytes(in_tensor(rig, j)));
        rig->io.d_in[j] = !want[j] ? NULL : plan->in_place == j ? rig->d_out[0] : rig->d_in[j];
    }
    void *in = get_bytes(rig->backend, rig->in[0], in_bytes),
         *out = get_bytes(rig->backend, rig->out, out_bytes);
    const struct cnn_kernel_run with = controlled(rig, run);
    OK(rig->label, rig->ops->backward(rig->plan, &rig->io, &with));
    OK(rig->label, cnn_backend_synchronize(rig->backend));
    expect_unchanged(rig, "input", rig->in[0], in, in_bytes);
    expect_unchanged(rig, "output", rig->out, out, out_bytes);
}

void rig_recompute(struct rig *rig) {
    const size_t bytes = cnn_tensor_bytes(&rig->plan->out);
    void *before = get_bytes(rig->backend, rig->out, bytes);
    rig_spoil(rig->backend, rig->out, bytes);
    spoil_scratch(rig);
    OK(rig->label, rig->ops->recompute(rig->plan, &rig->io));
    void *after = get_bytes(rig->backend, rig->out, bytes);
    if (memcmp(before, after, bytes) != 0)
        fail_msg("%s: recomputing gives other bits than the forward pass", rig->label);
    free(before);
    free(after);
}

static float *fetch(const struct rig *rig, const struct cnn_tensor *tensor, const void *device) {
    return rig_tensor_values(rig->backend, rig->label, tensor, device);
}

float *rig_out(const struct rig *rig) { return fetch(rig, &rig->plan->out, rig->out); }

float *rig_d_in(const struct rig *rig, int j) { return fetch(rig, in_tensor(rig, j), rig->io.d_in[j]); }

float *rig_d_param(const struct rig *rig, int param, size_t n) {
    float *arena = rig_download(rig->backend, rig->d_params[param], rig->plan->param_counts[param]);
    for (size_t i = 0; i < rig->plan->param_counts[param]; i++)
        if (!isfinite(arena[i]))
            fail_msg("%s: gradient of parameter %d holds %g in the arena at %zu", rig->label, param,
                     (double)arena[i], i);
    float *plain = new_floats(n);
    OK(rig->label, rig->ops->param_get(rig->plan, param, rig->d_params[param], plain));
    free(arena);
    return plain;
}

void rig_near(const char *label, const char *what, const float *got, const double *want, size_t n,
              double floor) {
    double most = floor, worst = 0;
    size_t where = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(want[i]))
            most = fmax(most, fabs(want[i]));
    for (size_t i = 0; i < n; i++) {
        const bool same = (double)got[i] == want[i] || (isnan(got[i]) && isnan(want[i]));
        const double off = same ? 0 : fabs((double)got[i] - want[i]);
        if (!(off <= worst)) {
            worst = isnan(off) ? INFINITY : off;
            where = i;
        }
    }
    if (worst > rig_tolerance() * most)
        fail_msg("%s: %s [%zu of %zu] is %.9g, the reference says %.9g (off by %.2g of the largest, %.4g)",
                 label, what, where, n, (double)got[where], want[where], worst / most, most);
}

void rig_expect_out(const struct rig *rig, const double *want) {
    float *got = rig_out(rig);
    rig_near(rig->label, "output", got, want, plain_count(&rig->plan->out), 0);
    free(got);
}

void rig_expect_d_in(const struct rig *rig, int j, const double *want, double floor) {
    float *got = rig_d_in(rig, j);
    rig_near(rig->label, j ? "gradient of the second input" : "gradient of the input", got, want,
             plain_count(in_tensor(rig, j)), floor);
    free(got);
}

void rig_expect_d_param(const struct rig *rig, int param, const double *want, size_t n) {
    char what[48];
    float *got = rig_d_param(rig, param, n);
    snprintf(what, sizeof what, "gradient of parameter %d", param);
    rig_near(rig->label, what, got, want, n, 0);
    free(got);
}
