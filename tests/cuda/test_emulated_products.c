// Convolutions and linear layers of the CUDA backend around products by plain loops: what is fused and what
// is not, scratch, casts, accumulation, the order of weights, folded norms.
//   test_emulated_products fp32|bf16|fp16
#include "backend/cuda/cuda.h"
#include "emulated.h"
#include "reference/suite.h"

#include <stdio.h>
#include <string.h>

static int run_level(int level, struct cnn_backend *backend) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(suite_conv_training, backend),
        cmocka_unit_test_prestate(suite_conv_parts, backend),
        cmocka_unit_test_prestate(suite_conv_masked, backend),
        cmocka_unit_test_prestate(suite_conv_inference, backend),
        cmocka_unit_test_prestate(suite_conv_folded, backend),
        cmocka_unit_test_prestate(suite_linear, backend),
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
    for (int level = 0; level < 3; level++)
        failed += run_level(level, backend);
    cnn_backend_destroy(backend);
    return failed != 0;
}
