// Private to the backend suite: what its files share.
#ifndef TESTS_REFERENCE_SUITE_H
#define TESTS_REFERENCE_SUITE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rig.h"

// Each is a cmocka test whose *state is the backend.
void suite_conv_training(void **state);
void suite_conv_parts(void **state);
void suite_conv_masked(void **state);
void suite_conv_inference(void **state);
void suite_conv_folded(void **state);
void suite_linear(void **state);
void suite_moments(void **state);
void suite_norm_training(void **state);
void suite_norm_inference(void **state);
void suite_norm_synced(void **state);
void suite_max_pool(void **state);
void suite_max_pool_of_odd_values(void **state);
void suite_avg_pool(void **state);
void suite_adaptive_pool(void **state);
void suite_add(void **state);
void suite_relu(void **state);
void suite_dropout(void **state);
void suite_normalize(void **state);
void suite_loss(void **state);
void suite_loss_of_odd_values(void **state);
void suite_loss_of_mixtures(void **state);
void suite_add_into(void **state);
void suite_sgd(void **state);
void suite_sgd_golden(void **state);
void suite_refusals(void **state);

#define LENGTH(array) (sizeof(array) / sizeof *(array))

#endif
