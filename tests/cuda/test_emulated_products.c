// Convolutions and linear layers of the CUDA backend around products by plain loops: what is fused and what
// is not, scratch, casts, accumulation, the order of weights, folded norms.
//   test_emulated_products fp32|bf16|fp16
#include "backend/cuda/cuda.h"
#include "emulated.h"
#include "reference/suite.h"

#include <stdio.h>
#include <string.h>

static int level; // of fusion

// In 16 bits, by the form that does everything; suite_moments looks at nothing elsewhere.
static bool moments_are_given(struct cnn_backend *backend) {
    const struct cnn_node node = {
        .op = CNN_OP_CONV,
        .name = "conv",
        .conv = {.out_channels = 8, .kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}, .groups = 1},
        .shape = {4, 4, 8}};
    const struct ref_shape shape = {2, 8, 4, 4};
    struct cnn_kernel_desc desc = {
        .kernel = CNN_KERNEL_CONV, .node = &node, .n_in = 1, .shape = node.shape, .training = true};
    struct rig rig;
    desc.in[0] = rig_tensor(backend, shape, false);
    desc.wants_moments = true;
    rig_open(&rig, backend, &desc, "moments");
    const bool given = rig.plan->gives_moments;
    rig_close(&rig);
    return given;
}

static void moments_depend_on_type_and_form(void **state) {
    struct cnn_backend *backend = *state;
    assert_true(moments_are_given(backend) == (level == 0 && backend->type != CNN_TYPE_F32));
}

static int run_level(struct cnn_backend *backend) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(suite_conv_training, backend),
        cmocka_unit_test_prestate(suite_conv_parts, backend),
        cmocka_unit_test_prestate(suite_conv_masked, backend),
        cmocka_unit_test_prestate(suite_conv_inference, backend),
        cmocka_unit_test_prestate(suite_conv_folded, backend),
        cmocka_unit_test_prestate(suite_linear, backend),
        cmocka_unit_test_prestate(suite_moments, backend),
        cmocka_unit_test_prestate(moments_depend_on_type_and_form, backend),
    };
    emulated_set_fusion(level);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv) {
    static const enum cnn_precision precisions[] = {CNN_PRECISION_FP32, CNN_PRECISION_BF16,
                                                    CNN_PRECISION_FP16};
    struct cnn_backend *backend = NULL;
    int failed = 0;
    for (size_t i = 0; argc == 2 && i < LENGTH(precisions); i++) {
        const struct cnn_backend_options options = {
            .threads = 1, .precision = precisions[i], .deterministic = true};
        if (strcmp(argv[1], cnn_precision_name(precisions[i])) == 0 &&
            cnn_backend_create(&backend, CNN_BACKEND_CUDA, &options) != CNN_OK)
            return 1;
    }
    if (!backend) {
        fprintf(stderr, "usage: test_emulated_products fp32|bf16|fp16\n");
        return 2;
    }
    rig_use(backend);
    for (level = 0; level < 3; level++)
        failed += run_level(backend);
    cnn_backend_destroy(backend);
    return failed != 0;
}
