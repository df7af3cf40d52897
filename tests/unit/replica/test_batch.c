// In inference, a picture's logits do not depend on the batch it is in, nor on its row there: bit for bit,
// for batches of 2 and more (train/network.h).
#include "run.h"

#include "base/random.h"

#define PICTURES 33

// Convolutions and large linear layers behind each other, as in VGG.
static struct cnn_model *build_like_vgg(void) {
    struct cnn_builder *b = start(14, 14, 3, 7);
    int node = cnn_build_relu(b, "relu1", conv3(b, "conv1", 0, 16));
    node = cnn_build_linear(b, "fc1", node, (struct cnn_linear){.out_features = 96, .bias = true});
    node = cnn_build_relu(b, "relu2", node);
    return finish(b, cnn_build_linear(b, "fc2", node, (struct cnn_linear){.out_features = 7, .bias = true}));
}

static struct cnn_model *build_gray(void) { return zoo("resnet20", 28, 1, 10); }
static struct cnn_model *build_wide(void) {
    const struct cnn_model_options options = {.input = {16, 48, 3}, .n_classes = 2, .dropout = -1};
    struct cnn_model *model = NULL;
    EXPECT_OK(cnn_model_create(&model, "resnet8", &options));
    return model;
}

static void classify(const struct cnn_model *model, struct cnn_backend *backend, int batch,
                     const uint8_t *pixels, float *logits) {
    const size_t bytes = (size_t)(model->input.h * model->input.w * model->input.c);
    struct cnn_replica_options options = options_for(model, backend, batch);
    struct cnn_replica *replica = NULL;
    uint8_t *rows = calloc((size_t)batch, bytes);
    options.training = false;
    EXPECT_OK(cnn_replica_create(&replica, &options));
    EXPECT_OK(cnn_replica_init(replica, 17));
    EXPECT_OK(cnn_replica_refresh(replica));
    for (int first = 0; first < PICTURES; first += batch) {
        const int n = PICTURES - first < batch ? PICTURES - first : batch;
        memcpy(rows, pixels + (size_t)first * bytes, (size_t)n * bytes);
        EXPECT_OK(cnn_replica_forward(replica, rows, n, (struct cnn_micro_key){0}));
        EXPECT_OK(cnn_replica_logits(replica, logits + first * model->n_classes, n));
    }
    cnn_replica_destroy(replica);
    free(rows);
}

static void check(struct cnn_model *model, int threads) {
    static const int batches[] = {2, 3, 5, 8, 16, 32, 33};
    const size_t bytes = (size_t)(model->input.h * model->input.w * model->input.c);
    const size_t n = (size_t)PICTURES * (size_t)model->n_classes;
    struct cnn_backend *backend = new_backend(threads);
    struct cnn_draws draws = cnn_draws_of(6, CNN_PURPOSE_TEST, 0, 2);
    uint8_t *pixels = malloc(PICTURES * bytes);
    float *first = malloc(n * sizeof *first), *logits = malloc(n * sizeof *logits);
    for (size_t i = 0; i < PICTURES * bytes; i++)
        pixels[i] = (uint8_t)cnn_draw_below(&draws, 256);
    memcpy(pixels + 31 * bytes, pixels, bytes); // the first picture again, in another row
    for (size_t i = 0; i < LENGTH(batches); i++) {
        classify(model, backend, batches[i], pixels, i == 0 ? first : logits);
        assert_memory_equal(first, i == 0 ? first : logits, n * sizeof *first);
        assert_memory_equal(first, first + 31 * model->n_classes, (size_t)model->n_classes * sizeof *first);
    }
    free(pixels);
    free(first);
    free(logits);
    cnn_backend_destroy(backend);
    cnn_model_destroy(model);
}

static void logits_do_not_depend_on_the_batch(void **state) {
    static struct cnn_model *(*const builds[])(void) = {build_like_vgg, build_gray, build_wide};
    (void)state;
    for (size_t i = 0; i < LENGTH(builds); i++)
        for (int threads = 1; threads <= 2; threads++)
            check(builds[i](), threads);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(logits_do_not_depend_on_the_batch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
