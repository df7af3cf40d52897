// Any list of augmentations with any arguments, also lists inside lists that do not fit: refused, or it gives
// the same pixels twice, and never a crash.
#include "image/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ENTRIES 8
#define MAX_PIXELS (1 << 16)
#define LARGEST 32 // of sizes and borders; larger ones only cost time

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(int condition) {
    if (!condition)
        abort();
}

struct input {
    const uint8_t *next, *end;
};

static int take(struct input *input) { return input->next < input->end ? *input->next++ : 0; }

static double value_of(const struct cnn_augment_arg *arg, int byte) {
    double most = arg->most > 4000 ? LARGEST : arg->most;
    double value = arg->least + (most - arg->least) * byte / 255;
    if (arg->whole || arg->type == CNN_ARG_CHOICE)
        value = floor(value);
    return arg->odd && fmod(value, 2) == 0 ? value + 1 : value;
}

static void fill_args(struct cnn_augment *op, struct input *input) {
    const struct cnn_augment_info *info = &cnn_augment_table[op->kind];
    for (int i = 0; i < info->n_args; i++) {
        const struct cnn_augment_arg *arg = &info->args[i];
        if (arg->type == CNN_ARG_OPS) {
            op->args[i][0] = take(input) % MAX_ENTRIES;
            continue;
        }
        for (int v = 0; v < 3; v++)
            op->args[i][v] = value_of(arg, take(input));
        if (arg->type == CNN_ARG_RANGE && op->args[i][1] < op->args[i][0])
            op->args[i][1] = op->args[i][0];
        if (op->kind == CNN_AUGMENT_RAND_AUGMENT && i == 1)
            op->args[1][0] = fmod(op->args[1][0], 2); // below any number of bins
    }
    op->weight = take(input);
}

static uint8_t *apply(const struct cnn_policy *policy, int channels, const uint8_t *in, int h, int w, int c,
                      uint64_t record, size_t out_bytes) {
    struct cnn_image_scratch scratch = {0};
    struct cnn_image_info stored = {CNN_ENCODING_RAW, h, w, c};
    uint8_t *out = malloc(out_bytes);
    require(out != NULL);
    memset(out, (int)record, out_bytes);
    enum cnn_status status = cnn_policy_apply(policy, out, channels, in, (size_t)(h * w * c), &stored,
                                              cnn_draws_of(1, CNN_PURPOSE_TEST, 0, record), &scratch);
    require(status == CNN_OK || (status == CNN_ERR_INPUT && cnn_error_message()[0] != '\0'));
    if (status != CNN_OK)
        memset(out, 0, out_bytes);
    cnn_image_scratch_finish(&scratch);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct input input = {data, data + bytes};
    struct cnn_augment_list list = {.n = 1 + take(&input) % MAX_ENTRIES};
    struct cnn_policy *policy = NULL;
    int h = 1 + take(&input) % 40, w = 1 + take(&input) % 40, c = take(&input) % 2 ? 3 : 1, out_h, out_w;
    for (int i = 0; i < list.n; i++) {
        list.ops[i].kind = (enum cnn_augment_kind)(take(&input) % CNN_N_AUGMENTS);
        fill_args(&list.ops[i], &input);
    }
    if (cnn_policy_create(&policy, &list, true, h, w) != CNN_OK) {
        require(policy == NULL && cnn_error_message()[0] != '\0');
        return 0;
    }
    cnn_policy_output(policy, &out_h, &out_w);
    uint8_t *in = malloc((size_t)(h * w * c));
    require(in != NULL);
    for (int i = 0; i < h * w * c; i++)
        in[i] = (uint8_t)(i * 37 + take(&input));
    for (uint64_t record = 0; record < 3 && (int64_t)out_h * out_w <= MAX_PIXELS; record++) {
        int channels = record % 2 ? 3 : 1;
        size_t out_bytes = (size_t)out_h * (size_t)out_w * (size_t)channels;
        uint8_t *once = apply(policy, channels, in, h, w, c, record, out_bytes);
        uint8_t *again = apply(policy, channels, in, h, w, c, record, out_bytes);
        require(memcmp(once, again, out_bytes) == 0);
        free(once);
        free(again);
    }
    free(in);
    cnn_policy_destroy(policy);
    return 0;
}
