// What a network needs to be trained.
#include "train/network.h"
#include "train_fixture.h"

static struct cnn_model *model_of(const char *arch, int side) {
    struct cnn_model_options options = {.input = {side, side, 3}, .n_classes = 3, .dropout = -1};
    struct cnn_model *model = NULL;
    assert_int_equal(cnn_model_create(&model, arch, &options), CNN_OK);
    return model;
}

static void batch_norm_over_one_value_is_refused(void **state) {
    struct cnn_model *model = model_of("resnet18", 32); // 1 x 1 from layer4 on
    assert_int_equal(cnn_network_check_norms(model, 1, 1), CNN_ERR_INPUT);
    assert_says("layer4.0.bn1: batch norm would see a single value");
    assert_says("train.batch.micro");
    assert_int_equal(cnn_network_check_norms(model, 2, 1), CNN_OK);
    assert_int_equal(cnn_network_check_norms(model, 1, 2), CNN_OK); // summed over two ranks
    cnn_model_destroy(model);
    model = model_of("resnet18", 33); // 2 x 2
    assert_int_equal(cnn_network_check_norms(model, 1, 1), CNN_OK);
    cnn_model_destroy(model);
    model = model_of("vgg11", 32); // 1 x 1, and no batch norm
    assert_int_equal(cnn_network_check_norms(model, 1, 1), CNN_OK);
    cnn_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm_over_one_value_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
