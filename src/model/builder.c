#include "model/builder.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/node.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct cnn_builder {
    struct cnn_model *model;
    int nodes_room, params_room;
    char scope[CNN_NAME_BYTES]; // "" or "layer1.0."
    struct cnn_error error;     // the first; status CNN_OK while there is none
};

int cnn_builder_stick(struct cnn_builder *builder, enum cnn_status status) {
    (void)cnn_fail_in(status, "%s", builder->model->arch);
    cnn_error_take(&builder->error, status);
    return -1;
}

bool cnn_builder_broken(const struct cnn_builder *builder) { return builder->error.status != CNN_OK; }

const struct cnn_model *cnn_builder_model(const struct cnn_builder *builder) { return builder->model; }

static enum cnn_status grow(void *array_pointer, int *room, int used, size_t element_bytes) {
    if (used < *room)
        return CNN_OK;
    if (*room > INT_MAX / 2)
        return cnn_fail(CNN_ERR_MEMORY, "the network has more than %d nodes", *room);
    int more = *room ? *room * 2 : 64;
    size_t bytes;
    CNN_TRY(cnn_multiply(&bytes, (size_t)more, element_bytes));
    void *array;
    memcpy(&array, array_pointer, sizeof array);
    array = realloc(array, bytes);
    if (!array)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory (%zu bytes for a network's graph)", bytes);
    memcpy(array_pointer, &array, sizeof array);
    *room = more;
    return CNN_OK;
}

static int set_name(struct cnn_builder *builder, struct cnn_node *node, const char *name) {
    char made[32];
    if (!name) {
        snprintf(made, sizeof made, "%s%d", cnn_op_name(node->op), builder->model->n_nodes);
        name = made;
    }
    size_t room = sizeof node->name;
    int wrote = snprintf(node->name, room, "%s%s", builder->scope, name);
    if (wrote < 0 || (size_t)wrote >= room)
        return cnn_builder_stick(builder,
                                 cnn_fail(CNN_ERR_INPUT, "the layer name '%s%s' is longer than %zu bytes",
                                          builder->scope, name, room - 1));
    for (int i = 0; i < builder->model->n_nodes; i++)
        if (strcmp(builder->model->nodes[i].name, node->name) == 0)
            return CNN_NODE_FAIL(builder, node, "duplicate layer name, already used by node %d", i);
    return 0;
}

bool cnn_node_begin(struct cnn_builder *builder, struct cnn_node *node, enum cnn_op op, const char *name,
                    int a, int b) {
    *node = (struct cnn_node){.op = op, .first_param = builder->model->n_params};
    if (cnn_builder_broken(builder) || set_name(builder, node, name) < 0)
        return false;
    int inputs[2] = {a, b}, n_inputs = op == CNN_OP_ADD ? 2 : op == CNN_OP_INPUT ? 0 : 1;
    for (int i = 0; i < n_inputs; i++) {
        if (inputs[i] < 0 || inputs[i] >= builder->model->n_nodes) {
            CNN_NODE_FAIL(builder, node, "input %d is not a node of the network, which has %d nodes",
                          inputs[i], builder->model->n_nodes);
            return false;
        }
        node->inputs[node->n_inputs++] = inputs[i];
    }
    if (node->n_inputs)
        node->shape = builder->model->nodes[a].shape;
    return true;
}

static bool volume_fits(const int *dims, int n) {
    int64_t volume = 1;
    for (int i = 0; i < n; i++) {
        volume *= dims[i]; // both below 2^31
        if (volume > INT_MAX)
            return false;
    }
    return true;
}

int cnn_node_append(struct cnn_builder *builder, const struct cnn_node *node) {
    struct cnn_model *model = builder->model;
    struct cnn_shape s = node->shape;
    if (!volume_fits((int[]){s.h, s.w, s.c}, 3))
        return CNN_NODE_FAIL(builder, node, "the output %dx%dx%d has more than 2^31 elements per sample", s.h,
                             s.w, s.c);
    enum cnn_status status = grow(&model->nodes, &builder->nodes_room, model->n_nodes, sizeof *model->nodes);
    if (status != CNN_OK)
        return cnn_builder_stick(builder, status);
    model->nodes[model->n_nodes] = *node;
    return model->n_nodes++;
}

static const char *const role_names[] = {
    [CNN_PARAM_WEIGHT] = "weight",
    [CNN_PARAM_BIAS] = "bias",
    [CNN_PARAM_NORM_SCALE] = "weight",
    [CNN_PARAM_NORM_SHIFT] = "bias",
    [CNN_PARAM_RUNNING_MEAN] = "running_mean",
    [CNN_PARAM_RUNNING_VAR] = "running_var",
};

bool cnn_node_add_param(struct cnn_builder *builder, struct cnn_node *node, struct cnn_param param) {
    struct cnn_model *model = builder->model;
    int wrote = snprintf(param.name, sizeof param.name, "%s.%s", node->name, role_names[param.role]);
    if (wrote < 0 || (size_t)wrote >= sizeof param.name) {
        CNN_NODE_FAIL(builder, node, "its parameter names are longer than %zu bytes", sizeof param.name - 1);
        return false;
    }
    if (!volume_fits(param.dims, param.n_dims)) {
        CNN_NODE_FAIL(builder, node, "%s has more than 2^31 elements", role_names[param.role]);
        return false;
    }
    enum cnn_status status =
        grow(&model->params, &builder->params_room, model->n_params, sizeof *model->params);
    if (status != CNN_OK) {
        cnn_builder_stick(builder, status);
        return false;
    }
    param.node = model->n_nodes;
    model->params[model->n_params++] = param;
    node->n_params++;
    return true;
}

static enum cnn_status check_options(const char *arch, const struct cnn_model_options *options) {
    struct cnn_shape in = options->input;
    if (in.h < 1 || in.w < 1 || in.c < 1)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s: invalid input of %dx%d with %d channels; all three must be at "
                        "least 1",
                        arch, in.h, in.w, in.c);
    if (options->n_classes < 1)
        return cnn_fail(CNN_ERR_INPUT, "%s: invalid number of classes %d; at least 1 is required", arch,
                        options->n_classes);
    if (!(options->dropout < 1))
        return cnn_fail(CNN_ERR_INPUT, "%s: dropout is %g; it must be below 1", arch, options->dropout);
    return CNN_OK;
}

static void builder_destroy(struct cnn_builder *builder) {
    cnn_model_destroy(builder->model);
    free(builder);
}

enum cnn_status cnn_builder_create(struct cnn_builder **out, const char *arch,
                                   const struct cnn_model_options *options) {
    CNN_TRY(check_options(arch, options));
    struct cnn_builder *builder = NULL;
    CNN_TRY(cnn_calloc(&builder, 1, sizeof *builder));
    enum cnn_status status = cnn_calloc(&builder->model, 1, sizeof *builder->model);
    if (status != CNN_OK) {
        builder_destroy(builder);
        return status;
    }
    snprintf(builder->model->arch, sizeof builder->model->arch, "%s", arch);
    builder->model->input = options->input;
    builder->model->n_classes = options->n_classes;
    struct cnn_node input;
    if (cnn_node_begin(builder, &input, CNN_OP_INPUT, "input", CNN_NO_INPUT, CNN_NO_INPUT)) {
        input.shape = options->input;
        cnn_node_append(builder, &input);
    }
    *out = builder; // an error here is reported by finish, like all others
    return CNN_OK;
}

void cnn_build_scope(struct cnn_builder *builder, const char *format, ...) {
    if (cnn_builder_broken(builder))
        return;
    va_list args;
    va_start(args, format);
    int wrote = vsnprintf(builder->scope, sizeof builder->scope - 1, format, args);
    va_end(args);
    if (wrote < 0 || (size_t)wrote >= sizeof builder->scope - 1) {
        cnn_builder_stick(builder, cnn_fail(CNN_ERR_INPUT, "the scope '%s...' is longer than %zu bytes",
                                            builder->scope, sizeof builder->scope - 2));
        return;
    }
    strcat(builder->scope, ".");
}

void cnn_build_scope_end(struct cnn_builder *builder) { builder->scope[0] = '\0'; }

struct cnn_shape cnn_build_shape(const struct cnn_builder *builder, int node) {
    if (cnn_builder_broken(builder) || node < 0 || node >= builder->model->n_nodes)
        return (struct cnn_shape){1, 1, 1};
    return builder->model->nodes[node].shape;
}

void cnn_build_init(struct cnn_builder *builder, int node, enum cnn_param_role role, struct cnn_init init) {
    if (cnn_builder_broken(builder))
        return;
    const struct cnn_model *model = builder->model;
    if (node >= 0 && node < model->n_nodes)
        for (int i = 0; i < model->nodes[node].n_params; i++) {
            struct cnn_param *param = &model->params[model->nodes[node].first_param + i];
            if (param->role == role) {
                param->init = init;
                return;
            }
        }
    cnn_builder_stick(builder, cnn_fail(CNN_ERR_FAILED, "node %d has no parameter with role %d to initialize",
                                        node, (int)role));
}

static void check_output(struct cnn_builder *builder, int output) {
    const struct cnn_model *model = builder->model;
    if (output < 0 || output >= model->n_nodes) {
        cnn_builder_stick(builder, cnn_fail(CNN_ERR_FAILED, "output node %d does not exist", output));
        return;
    }
    const struct cnn_node *node = &model->nodes[output];
    if (node->shape.h != 1 || node->shape.w != 1 || node->shape.c != model->n_classes)
        CNN_NODE_FAIL(builder, node, "the output of the network is %dx%dx%d, but %d classes need 1x1x%d",
                      node->shape.h, node->shape.w, node->shape.c, model->n_classes, model->n_classes);
}

enum cnn_status cnn_builder_finish(struct cnn_model **out, struct cnn_builder *builder, int output) {
    if (!cnn_builder_broken(builder))
        check_output(builder, output);
    enum cnn_status status = CNN_OK;
    if (cnn_builder_broken(builder)) {
        status = cnn_error_give(&builder->error);
    } else {
        builder->model->output = output;
        *out = builder->model;
        builder->model = NULL;
    }
    builder_destroy(builder);
    return status;
}
