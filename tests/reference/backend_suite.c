#include "backend_suite.h"
#include "suite.h"
#include <stdio.h>

static struct cnn_backend *under_test;

static int give_backend(void **state) {
    *state = under_test;
    return 0;
}

int backend_suite_run(struct cnn_backend *backend) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suite_conv_training),
        cmocka_unit_test(suite_conv_parts),
        cmocka_unit_test(suite_conv_masked),
        cmocka_unit_test(suite_conv_inference),
        cmocka_unit_test(suite_conv_folded),
        cmocka_unit_test(suite_linear),
        cmocka_unit_test(suite_moments),
        cmocka_unit_test(suite_norm_training),
        cmocka_unit_test(suite_norm_inference),
        cmocka_unit_test(suite_norm_synced),
        cmocka_unit_test(suite_max_pool),
        cmocka_unit_test(suite_max_pool_of_odd_values),
        cmocka_unit_test(suite_avg_pool),
        cmocka_unit_test(suite_adaptive_pool),
        cmocka_unit_test(suite_add),
        cmocka_unit_test(suite_relu),
        cmocka_unit_test(suite_dropout),
        cmocka_unit_test(suite_normalize),
        cmocka_unit_test(suite_loss),
        cmocka_unit_test(suite_loss_of_odd_values),
        cmocka_unit_test(suite_loss_of_mixtures),
        cmocka_unit_test(suite_add_into),
        cmocka_unit_test(suite_sgd),
        cmocka_unit_test(suite_sgd_golden),
        cmocka_unit_test(suite_refusals),
    };
    under_test = backend;
    rig_use(backend);
    fprintf(stderr, "%s\n", cnn_backend_description(backend));
    return cmocka_run_group_tests_name(cnn_backend_name(backend), tests, give_backend, NULL);
}
