// What the tests of this folder share: cmocka, PyTorch's numbers (tests/golden/make_model_names.py) and quick
// models.
#ifndef TEST_MODEL_GOLDEN_H
#define TEST_MODEL_GOLDEN_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"

static inline FILE *golden_open(const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/golden/%s", CNN_SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s is missing", path);
    return file;
}

static inline struct cnn_model_options options_of(int h, int w, int c, int n_classes) {
    return (struct cnn_model_options){.input = {h, w, c}, .n_classes = n_classes, .dropout = -1};
}

static inline struct cnn_model *model_of(const char *arch, struct cnn_model_options options) {
    struct cnn_model *model = NULL;
    if (cnn_model_create(&model, arch, &options) != CNN_OK)
        fail_msg("%s: %s", arch, cnn_error_message());
    return model;
}

// Index of the node or parameter of that name; fails the test where there is none.
static inline int node_named(const struct cnn_model *model, const char *name) {
    for (int i = 0; i < model->n_nodes; i++)
        if (strcmp(model->nodes[i].name, name) == 0)
            return i;
    fail_msg("%s has no node '%s'", model->arch, name);
    return -1;
}

static inline int param_named(const struct cnn_model *model, const char *name) {
    for (int i = 0; i < model->n_params; i++)
        if (strcmp(model->params[i].name, name) == 0)
            return i;
    fail_msg("%s has no parameter '%s'", model->arch, name);
    return -1;
}

#endif
