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

double *rig_new(size_t n) {
    double *values = calloc(n ? n : 1, sizeof *values);
    assert_non_null(values);
    return values;
}

double *rig_drawn(size_t n, enum rig_draw kind, uint64_t key) {
    double *values = rig_new(n);
    struct cnn_draws draws = cnn_draws_of(11, CNN_PURPOSE_TEST, key, n);
    for (size_t i = 0; i < n; i++)
        values[i] = kind == RIG_NORMAL     ? (double)(float)cnn_draw_normal(&draws)
                    : kind == RIG_POSITIVE ? (double)(float)cnn_draw_between(&draws, 0.5, 1.5)
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

static void put(struct cnn_backend *backend, float *device, const float *values, size_t n) {
    OK("upload", cnn_backend_upload(backend, device, values, n * sizeof *values));
    OK("upload", cnn_backend_synchronize(backend));
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

static float *alloc(struct rig *rig, size_t bytes) {
    void *memory = NULL;
    OK(rig->label, cnn_backend_alloc(rig->backend, &memory, bytes));
    return memory;
}

static void alloc_tensors(struct rig *rig) {
    const struct cnn_plan *plan = rig->plan;
    const size_t out_bytes = cnn_tensor_count(&plan->out) * sizeof(float);
    rig->out = alloc(rig, out_bytes);
    for (int j = 0; j < plan->desc.n_in; j++) {
        rig->in[j] = alloc(rig, cnn_tensor_count(in_tensor(rig, j)) * sizeof(float));
        rig->d_in[j] = alloc(rig, cnn_tensor_count(in_tensor(rig, j)) * sizeof(float));
        rig->io.in[j] = rig->in[j];
    }
    for (int j = 0; j < 2; j++)
        rig->d_out[j] = alloc(rig, out_bytes);
    for (int i = 0; i < plan->n_params; i++) {
        rig->io.params[i] = rig->params[i] = alloc(rig, plan->param_counts[i] * sizeof(float));
        rig->io.d_params[i] = rig->d_params[i] = alloc(rig, plan->param_counts[i] * sizeof(float));
    }
    rig->io.out = rig->out;
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
    }
    cnn_backend_free(rig->backend, rig->out);
    cnn_backend_free(rig->backend, rig->io.workspace);
    cnn_backend_free(rig->backend, rig->io.scratch);
    cnn_backend_free(rig->backend, rig->io.constants);
    rig->ops->plan_destroy(rig->plan);
}

int rig_block(struct cnn_backend *backend) {
    static const struct cnn_node node = {.op = CNN_OP_RELU, .name = "probe", .shape = {2, 2, 3}};
    const struct cnn_kernel_desc desc = {.kernel = CNN_KERNEL_RELU,
                                         .node = &node,
                                         .in = {{1, 2, 2, 3, 0}},
                                         .n_in = 1,
                                         .from_pixels = true,
                                         .shape = node.shape};
    struct cnn_plan *plan = NULL;
    OK("probe", backend->ops->kernels[CNN_KERNEL_RELU]->plan_create(&plan, backend, &desc));
    const int block = plan->in.block;
    backend->ops->kernels[CNN_KERNEL_RELU]->plan_destroy(plan);
    return block;
}

struct cnn_tensor rig_tensor(struct cnn_backend *backend, struct ref_shape s, bool row) {
    return (struct cnn_tensor){s.n, s.h, s.w, s.c, row && s.h == 1 && s.w == 1 ? s.c : rig_block(backend)};
}

void rig_set_in(struct rig *rig, int j, const double *plain) {
    float *packed = rig_pack(in_tensor(rig, j), plain);
    put(rig->backend, rig->in[j], packed, cnn_tensor_count(in_tensor(rig, j)));
    free(packed);
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
}

void rig_set_d_param(struct rig *rig, int param, const double *plain, size_t n) {
    set_in_arena(rig, param, rig->d_params[param], plain, n);
}

void rig_spoil_d_params(struct rig *rig) {
    for (int i = 0; i < rig->plan->n_params; i++)
        rig_spoil(rig->backend, rig->d_params[i], rig->plan->param_counts[i] * sizeof(float));
}

struct cnn_kernel_run rig_run(bool accumulate) {
    struct cnn_kernel_run run = {.accumulate = accumulate};
    run.key.step = 3;
    run.key.position = 40;
    return run;
}

static void spoil_scratch(struct rig *rig) {
    rig_spoil(rig->backend, rig->io.scratch, rig->plan->scratch_bytes);
}

void rig_forward(struct rig *rig, const struct cnn_kernel_run *run) {
    rig_spoil(rig->backend, rig->out, cnn_tensor_count(&rig->plan->out) * sizeof(float));
    rig_spoil(rig->backend, rig->io.workspace, rig->plan->workspace_bytes);
    spoil_scratch(rig);
    OK(rig->label, rig->ops->forward(rig->plan, &rig->io, run));
    OK(rig->label, cnn_backend_synchronize(rig->backend));
}

static void put_gradient(struct rig *rig, int i, const double *plain) {
    float *packed = rig_pack(&rig->plan->out, plain);
    put(rig->backend, rig->d_out[i], packed, cnn_tensor_count(&rig->plan->out));
    free(packed);
}

// What the memory plan may have given to others by the time backward runs.
static void spoil_unread(struct rig *rig) {
    const struct cnn_plan *plan = rig->plan;
    if (!plan->reads_in)
        rig_spoil(rig->backend, rig->in[0], cnn_tensor_count(&plan->in) * sizeof(float));
    if (plan->desc.n_in > 1)
        rig_spoil(rig->backend, rig->in[1], cnn_tensor_count(&plan->desc.in[1]) * sizeof(float));
    if (!plan->reads_out)
        rig_spoil(rig->backend, rig->out, cnn_tensor_count(&plan->out) * sizeof(float));
}

static void expect_unchanged(const struct rig *rig, const char *what, const float *device, float *before,
                             size_t n) {
    float *after = rig_download(rig->backend, device, n);
    if (memcmp(before, after, n * sizeof *after) != 0)
        fail_msg("%s: backward changed the forward's %s", rig->label, what);
    free(before);
    free(after);
}

void rig_backward(struct rig *rig, const double *d_out0, const double *d_out1,
                  const struct cnn_kernel_run *run, const bool want[2]) {
    const struct cnn_plan *plan = rig->plan;
    const size_t n_in = cnn_tensor_count(&plan->in), n_out = cnn_tensor_count(&plan->out);
    spoil_unread(rig);
    spoil_scratch(rig);
    put_gradient(rig, 0, d_out0);
    rig->io.d_out[0] = rig->d_out[0];
    rig->io.d_out[1] = d_out1 ? rig->d_out[1] : NULL;
    if (d_out1)
        put_gradient(rig, 1, d_out1);
    for (int j = 0; j < plan->desc.n_in; j++) {
        rig_spoil(rig->backend, rig->d_in[j], cnn_tensor_count(in_tensor(rig, j)) * sizeof(float));
        rig->io.d_in[j] = !want[j] ? NULL : plan->in_place == j ? rig->d_out[0] : rig->d_in[j];
    }
    float *in = rig_download(rig->backend, rig->in[0], n_in),
          *out = rig_download(rig->backend, rig->out, n_out);
    OK(rig->label, rig->ops->backward(rig->plan, &rig->io, run));
    OK(rig->label, cnn_backend_synchronize(rig->backend));
    expect_unchanged(rig, "input", rig->in[0], in, n_in);
    expect_unchanged(rig, "output", rig->out, out, n_out);
}

void rig_recompute(struct rig *rig) {
    const size_t n = cnn_tensor_count(&rig->plan->out);
    float *before = rig_download(rig->backend, rig->out, n);
    rig_spoil(rig->backend, rig->out, n * sizeof(float));
    spoil_scratch(rig);
    OK(rig->label, rig->ops->recompute(rig->plan, &rig->io));
    float *after = rig_download(rig->backend, rig->out, n);
    if (memcmp(before, after, n * sizeof *after) != 0)
        fail_msg("%s: recomputing gives other bits than the forward pass", rig->label);
    free(before);
    free(after);
}

static float *fetch(const struct rig *rig, const struct cnn_tensor *tensor, const float *device) {
    float *packed = rig_download(rig->backend, device, cnn_tensor_count(tensor));
    float *plain = rig_unpack(rig->label, tensor, packed);
    free(packed);
    return plain;
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
    if (worst > RIG_TOLERANCE * most)
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
