// Any bytes as a picture: decoded or refused with a reason, never a crash; what decodes whole can be
// augmented too, and the same way twice.
#include "image/image.h"

#include <stdlib.h>
#include <string.h>

#define MAX_PIXELS (1 << 18) // larger ones only cost time
#define SIDE 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(int condition) {
    if (!condition)
        abort();
}

static struct cnn_policy *crop_policy(void) {
    struct cnn_augment_list list = {
        2,
        {{.kind = CNN_AUGMENT_RANDOM_RESIZED_CROP, .args = {{SIDE}, {0.01, 1}, {0.5, 2}}},
         {.kind = CNN_AUGMENT_FLIP_HORIZONTAL, .args = {{0.5}}}}};
    struct cnn_policy *policy = NULL;
    require(cnn_policy_create(&policy, &list, false, 0, 0) == CNN_OK);
    return policy;
}

static void augment(const uint8_t *data, size_t bytes, bool decodes) {
    static struct cnn_policy *policy;
    struct cnn_image_scratch scratch = {0};
    static uint8_t once[SIDE * SIDE * 3], again[SIDE * SIDE * 3];
    if (!policy)
        policy = crop_policy();
    for (uint64_t i = 0; i < 4; i++) {
        struct cnn_draws draws = cnn_draws_of(1, CNN_PURPOSE_TEST, 0, i);
        int channels = i % 2 ? 3 : 1;
        enum cnn_status first = cnn_policy_apply(policy, once, channels, data, bytes, NULL, draws, &scratch);
        enum cnn_status second =
            cnn_policy_apply(policy, again, channels, data, bytes, NULL, draws, &scratch);
        require(first == second && (first == CNN_OK || !decodes));
        require(first != CNN_OK || memcmp(once, again, (size_t)(SIDE * SIDE * channels)) == 0);
    }
    cnn_image_scratch_finish(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct cnn_image_info probed, info;
    uint8_t *pixels = NULL;
    if (cnn_image_probe(&probed, data, bytes) != CNN_OK) {
        require(cnn_error_message()[0] != '\0');
        return 0;
    }
    if ((size_t)probed.h * (size_t)probed.w > MAX_PIXELS)
        return 0;
    enum cnn_status status = cnn_image_decode(&pixels, &info, data, bytes, 3);
    require(status == CNN_OK || status == CNN_ERR_INPUT);
    require(status != CNN_OK || (info.h == probed.h && info.w == probed.w && info.c == probed.c));
    augment(data, bytes, status == CNN_OK);
    free(pixels);
    return 0;
}
