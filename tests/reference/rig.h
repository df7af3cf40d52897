// One kernel of a backend, run on plain tensors: packs and unpacks the backend's layouts, and breaks what a
// kernel must not rely on. Before a pass, everything it is to write holds NaN, and so does scratch and what
// its plan says it does not read. Every check fails the running cmocka test and names the case.
#ifndef TESTS_REFERENCE_RIG_H
#define TESTS_REFERENCE_RIG_H
#include "backend/ops.h"
#include "reference.h"

// Sets the type that values are drawn in and results are compared in: that of the backend.
void rig_use(struct cnn_backend *backend);
// Results may differ from the reference by this much of the largest magnitude in the reference's result:
// 1e-5, in 16 bits two roundings of the type.
double rig_tolerance(void);

struct rig {
    struct cnn_backend *backend;
    const char *label; // of the case, for messages
    const struct cnn_kernel_ops *ops;
    struct cnn_plan *plan;
    struct cnn_kernel_io io;
    void *in[2], *out, *d_out[2], *d_in[2], *compute[CNN_KERNEL_MAX_PARAMS];
    float *params[CNN_KERNEL_MAX_PARAMS], *d_params[CNN_KERNEL_MAX_PARAMS];
    struct cnn_control *control; // device
};

// Makes the plan and all its memory. Where the backend says no, fails the test.
void rig_open(struct rig *rig, struct cnn_backend *backend, const struct cnn_kernel_desc *desc,
              const char *label);
// The same for the last layer of a network: its output and the gradient of that are floats.
void rig_open_last(struct rig *rig, struct cnn_backend *backend, const struct cnn_kernel_desc *desc,
                   const char *label);
void rig_close(struct rig *rig);
// Runs with the other's parameters, which are laid out alike.
void rig_share_params(struct rig *rig, const struct rig *of);

// Channels a block of activations has on this backend; 0: all of them.
int rig_block(struct cnn_backend *backend);
// A tensor as other kernels of this backend would give it: blocked, or a row of values where it is one pixel
// and `row`.
struct cnn_tensor rig_tensor(struct cnn_backend *backend, struct ref_shape shape, bool row);

void rig_set_in(struct rig *rig, int j, const double *plain);
// Also checks that the parameter comes back bit for bit.
void rig_set_param(struct rig *rig, int param, const double *plain, size_t n);
void rig_set_d_param(struct rig *rig, int param, const double *plain, size_t n);
// Fills a gradient with NaN, which a backward that replaces it must not leave behind.
void rig_spoil_d_params(struct rig *rig);

// What dropout's draws depend on; step 3, position 40 unless set.
void rig_set_key(struct rig *rig, uint64_t step, uint64_t position);
struct cnn_kernel_run rig_run(bool accumulate); // forward and backward add the control block
void rig_forward(struct rig *rig, const struct cnn_kernel_run *run);
// d_out1 NULL: one gradient. `want`: input gradients to compute.
void rig_backward(struct rig *rig, const double *d_out0, const double *d_out1,
                  const struct cnn_kernel_run *run, const bool want[2]);
// Runs the plan's recompute over a spoiled output and expects the same bits.
void rig_recompute(struct rig *rig);

// Results as floats, malloc'ed, after a check that the padding between them is zero.
float *rig_out(const struct rig *rig);
float *rig_d_in(const struct rig *rig, int j);
float *rig_d_param(const struct rig *rig, int param, size_t n);

// Compares; `floor` stands in for the largest magnitude where that is smaller (a sum that cancels).
void rig_near(const char *label, const char *what, const float *got, const double *want, size_t n,
              double floor);
void rig_expect_out(const struct rig *rig, const double *want);
void rig_expect_d_in(const struct rig *rig, int j, const double *want, double floor);
void rig_expect_d_param(const struct rig *rig, int param, const double *want, size_t n);

// What the type under test makes of a value.
double rig_rounded(double value);
// n doubles, zeroed, freed with free().
double *rig_new(size_t n);
enum rig_draw { RIG_NORMAL, RIG_POSITIVE, RIG_COARSE }; // COARSE: few values, so that ties are common
// The same plus a fill with values that the type under test holds exactly; `key` tells draws apart.
double *rig_drawn(size_t n, enum rig_draw kind, uint64_t key);
double rig_rounded(double value); // what is left of it in the type under test

// Device memory from and to plain floats.
float *rig_upload(struct cnn_backend *backend, const float *values, size_t n);
float *rig_download(struct cnn_backend *backend, const float *device, size_t n);
void rig_spoil(struct cnn_backend *backend, void *device, size_t bytes);
float *rig_pack(const struct cnn_tensor *tensor, const double *plain);
void *rig_upload_bytes(struct cnn_backend *backend, const void *values, size_t bytes);
void *rig_upload_tensor(struct cnn_backend *backend, const struct cnn_tensor *tensor, const double *plain);
// A tensor of the backend's memory as plain floats, malloc'ed.
float *rig_tensor_values(struct cnn_backend *backend, const char *label, const struct cnn_tensor *tensor,
                         const void *device);
float *rig_unpack(const char *label, const struct cnn_tensor *tensor, const float *packed);

#endif
