// Whether cuDNN has an engine for every convolution of the networks that GPUs are bought for, in every pass
// and precision, under the rules that training sets. Asked for an H100 by its description, so it needs cuDNN
// and no GPU. Engines that are compiled when they are planned need a driver's library as well: without one,
// fewer forms are fused.
//   test_cudnn_plans fp32|tf32|bf16|fp16
#include "backend/cuda/cudnn_choose.h"
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SKIPPED 77
#define BATCH 64

static const char h100[] =
    "{\"cudaDeviceId\":0,\"deviceName\":\"NVIDIA H100 80GB HBM3\",\"deviceVer\":900,\"driverVer\":13000,"
    "\"isTccDriver\":0,\"l2CacheSize\":52428800,\"maxBlockSize\":[1024,1024,64],\"maxCtasPerSM\":32,"
    "\"maxGridSize\":[2147483647,65535,65535],\"maxRegistersPerSM\":65536,\"maxSharedMemoryPerBlock\":49152,"
    "\"maxSharedMemoryPerBlockOptin\":232448,\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,"
    "\"memClockRateKHz\":2619000,\"multiProcessorCount\":132,\"pciDeviceId\":0,\"regsPerBlock\":65536,"
    "\"reservedSharedMemoryPerBlock\":1024,\"smClockRateKHz\":1980000,\"supportCoopLaunch\":1,"
    "\"totalGlobalMem\":85029158912,\"warpSize\":32}";

struct asked {
    struct cnn_cudnn_target target;
    struct cnn_cudnn_rules rules;
    enum cnn_type type;
};
static struct asked asked;

static const struct {
    const char *name;
    enum cnn_type type;
    bool exact;
} precisions[] = {{"fp32", CNN_TYPE_F32, true},
                  {"tf32", CNN_TYPE_F32, false},
                  {"bf16", CNN_TYPE_BF16, false},
                  {"fp16", CNN_TYPE_F16, false}};

static cudnnStatus_t describe_device(struct cnn_cudnn_target *out) {
    out->heuristics_take = CUDNN_ATTR_ENGINEHEUR_DEVICEPROP;
    out->plan_takes = CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP;
    cudnnStatus_t status =
        cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &out->description);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(out->description, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                          CUDNN_TYPE_CHAR, sizeof h100, h100);
    return status == CUDNN_STATUS_SUCCESS ? cudnnBackendFinalize(out->description) : status;
}

static void expect_engine(const char *label, const struct cnn_conv_shape *shape, enum cnn_cudnn_pass pass,
                          unsigned wanted) {
    const struct cnn_conv_product product = {*shape, pass, wanted};
    struct cnn_conv_engine engine = {.with = 0};
    char form[CNN_CONV_FORM_BYTES], text[200];
    const enum cnn_status status = cnn_cudnn_choose_first(&engine, &asked.target, &asked.rules, &product);
    if (status != CNN_OK)
        fail_msg("%s: %s", label, cnn_error_message());
    cnn_conv_form_name(form, pass, engine.with);
    cnn_conv_shape_text(text, sizeof text, shape);
    print_message("%-24s %-18s %-60s engine %s, %zu bytes\n", label, form, text, engine.plan.tag,
                  engine.plan.workspace_bytes);
    assert_int_equal(engine.with & ~wanted, 0);
    assert_true(engine.plan.workspace_bytes <= asked.rules.workspace_bytes);
    cnn_conv_engine_finish(&engine);
}

static struct cnn_tensor tensor_of(struct cnn_shape shape, bool picture) {
    return (struct cnn_tensor){BATCH, shape.h, shape.w, shape.c, picture ? 4 : shape.c, asked.type};
}

static struct cnn_conv_shape shape_of(const struct cnn_model *model, const struct cnn_node *node) {
    const struct cnn_tensor in = tensor_of(model->nodes[node->inputs[0]].shape, node->inputs[0] == 0),
                            out = tensor_of(node->shape, false);
    return cnn_conv_shape_of(&node->conv, &in, &out);
}

static bool seen_before(const struct cnn_model *model, int i) {
    const struct cnn_conv_shape shape = shape_of(model, &model->nodes[i]);
    char text[200], other[200];
    cnn_conv_shape_text(text, sizeof text, &shape);
    for (int j = 1; j < i; j++) {
        if (model->nodes[j].op != CNN_OP_CONV)
            continue;
        const struct cnn_conv_shape before = shape_of(model, &model->nodes[j]);
        cnn_conv_shape_text(other, sizeof other, &before);
        if (strcmp(text, other) == 0)
            return true;
    }
    return false;
}

static void check_node(const struct cnn_model *model, int i) {
    const struct cnn_node *node = &model->nodes[i];
    const struct cnn_conv_shape shape = shape_of(model, node);
    const unsigned after = node->conv.bias              ? CNN_CONV_BIAS | CNN_CONV_RELU
                           : asked.type != CNN_TYPE_F32 ? CNN_CONV_MOMENTS
                                                        : 0u;
    expect_engine(node->name, &shape, CNN_CUDNN_FORWARD, after);
    if (node->inputs[0] != 0)
        expect_engine(node->name, &shape, CNN_CUDNN_BACKWARD_DATA, node->conv.bias ? CNN_CONV_MASK : 0u);
    expect_engine(node->name, &shape, CNN_CUDNN_BACKWARD_WEIGHTS, 0);
}

static void check_network(const char *arch, struct cnn_shape input) {
    const struct cnn_model_options options = {.input = input, .n_classes = 1000, .dropout = -1};
    struct cnn_model *model = NULL;
    assert_int_equal(cnn_model_create(&model, arch, &options), CNN_OK);
    for (int i = 0; i < model->n_nodes; i++)
        if (model->nodes[i].op == CNN_OP_CONV && !seen_before(model, i))
            check_node(model, i);
    cnn_model_destroy(model);
}

static void test_resnet50(void **state) {
    (void)state;
    check_network("resnet50", (struct cnn_shape){224, 224, 3});
}

static void test_vgg16(void **state) {
    (void)state;
    check_network("vgg16", (struct cnn_shape){224, 224, 3});
}

// Channels that fill no vector, one channel, groups, depthwise: where 16 bits are said to be picky.
static void test_odd_shapes(void **state) {
    static const int channels[] = {1, 3, 5, 6, 10, 20}, outputs[] = {1, 5, 8};
    (void)state;
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
        for (size_t j = 0; j <= sizeof outputs / sizeof *outputs; j++) {
            const bool depthwise = j == sizeof outputs / sizeof *outputs;
            const int c = channels[i], k = depthwise ? c : outputs[j];
            const struct cnn_conv conv = {.out_channels = k,
                                          .kernel = {3, 3},
                                          .stride = {1, 1},
                                          .padding = {1, 1},
                                          .dilation = {1, 1},
                                          .groups = depthwise ? c : 1};
            const struct cnn_tensor in = tensor_of((struct cnn_shape){9, 7, c}, false),
                                    out = tensor_of((struct cnn_shape){9, 7, k}, false);
            const struct cnn_conv_shape shape = cnn_conv_shape_of(&conv, &in, &out);
            expect_engine("odd", &shape, CNN_CUDNN_FORWARD, 0);
            expect_engine("odd", &shape, CNN_CUDNN_BACKWARD_DATA, 0);
            expect_engine("odd", &shape, CNN_CUDNN_BACKWARD_WEIGHTS, 0);
        }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_resnet50), cmocka_unit_test(test_vgg16),
                                       cmocka_unit_test(test_odd_shapes)};
    asked.rules = (struct cnn_cudnn_rules){.deterministic = true, .workspace_bytes = (size_t)1 << 30};
    size_t i = 0, n = sizeof precisions / sizeof *precisions;
    while (i < n && (argc != 2 || strcmp(argv[1], precisions[i].name) != 0))
        i++;
    if (i == n) {
        fprintf(stderr, "usage: test_cudnn_plans fp32|tf32|bf16|fp16\n");
        return 2;
    }
    asked.type = precisions[i].type;
    asked.rules.exact = precisions[i].exact;
    if (cnn_cuda_load_libraries() != CNN_OK || describe_device(&asked.target) != CUDNN_STATUS_SUCCESS) {
        fprintf(stderr, "skipped: no cuDNN here that plans for a device it does not see: %s\n",
                cnn_error_message());
        return SKIPPED;
    }
    const int failed = cmocka_run_group_tests_name(argv[1], tests, NULL, NULL);
    cudnnBackendDestroyDescriptor(asked.target.description);
    return failed;
}
