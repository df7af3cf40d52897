// A folder for one test, a tiny network, and a filled snapshot of it.
#ifndef CNN_TESTS_TRAIN_FIXTURE_H
#define CNN_TESTS_TRAIN_FIXTURE_H
#include "base/file.h"
#include "model/model.h"
#include "train/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define N_CLASSES 10

static const struct cnn_checkpoint_texts fixture_texts = {
    .config = "run: {name: fixture}\n", .class_names = "[\"a\",\"b\"]", .version = "9.8.7"};

static inline int make_folder(void **state) {
    char *path = strdup("/tmp/cnn-train-test-XXXXXX");
    *state = path;
    return path && mkdtemp(path) ? 0 : -1;
}

static inline int remove_folder(void **state) {
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", (char *)*state);
    free(*state);
    return system(command);
}

static inline char *in_folder(const char *folder, const char *name) {
    static char path[4][512]; // a few at a time
    static int next;
    char *out = path[next++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", folder, name);
    return out;
}

static inline struct cnn_model *make_model(const char *arch, int classes) {
    struct cnn_model_options options = {.input = {32, 32, 3}, .n_classes = classes, .dropout = -1};
    struct cnn_model *model = NULL;
    assert_int_equal(cnn_model_create(&model, arch, &options), CNN_OK);
    return model;
}

// Every value differs, and depends on `salt`.
static inline void fill(struct cnn_snapshot *snapshot, const struct cnn_model *model, float salt) {
    float value = salt;
    for (int i = 0; i < model->n_params; i++) {
        size_t n = cnn_param_count(&model->params[i]);
        float *parameter = cnn_snapshot_parameter(snapshot, i),
              *velocity = cnn_snapshot_velocity(snapshot, i);
        for (size_t j = 0; j < n; j++)
            parameter[j] = value += 0.25f;
        for (size_t j = 0; velocity && j < n; j++)
            velocity[j] = -(value += 0.25f);
    }
}

static inline struct cnn_run_record make_record(const struct cnn_model *model, int64_t step) {
    struct cnn_run_record record = {
        .facts = {.classes = model->n_classes,
                  .channels = 3,
                  .height = 32,
                  .width = 32,
                  .global = 32,
                  .micro = 8,
                  .seed = 5,
                  .records = 1000,
                  .mean = {0.1, 1.0 / 3, 0.3},
                  .std = {0.2, 0.25, 0.7}},
        .state = {.step = step,
                  .epoch = step / 31,
                  .position = step % 31 * 32,
                  .best_step = -1,
                  .sums = {.loss = 12.345678901234567, .top1 = 3, .top5 = 9, .n = 64}},
    };
    snprintf(record.facts.arch, sizeof record.facts.arch, "%s", model->arch);
    return record;
}

static inline void assert_says(const char *word) {
    if (!strstr(cnn_error_message(), word))
        fail_msg("'%s' is not in: %s", word, cnn_error_message());
}

static inline void flip_byte(const char *path, long offset) { // negative: from the end
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, offset < 0 ? SEEK_END : SEEK_SET), 0);
    int byte = fgetc(file);
    fseek(file, -1, SEEK_CUR);
    fputc(byte ^ 0x10, file);
    fclose(file);
}

#endif
