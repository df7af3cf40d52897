#include "model/summary.h"
#include "base/clock.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define SHAPE_BYTES 40

// -- what is counted --------------------------------------------------------------------------------

static bool keeps_its_input(enum cnn_op op) {
    return op == CNN_OP_CONV || op == CNN_OP_LINEAR || op == CNN_OP_BATCH_NORM;
}

static bool a_reader_keeps(const struct cnn_model *model, int i) {
    for (int k = i + 1; k < model->n_nodes; k++)
        for (int j = 0; j < model->nodes[k].n_inputs; j++)
            if (model->nodes[k].inputs[j] == i && keeps_its_input(model->nodes[k].op))
                return true;
    return false;
}

// Bytes a sample that backward needs of what node i computed.
static size_t kept_bytes(const struct cnn_model *model, int i) {
    const struct cnn_node *node = &model->nodes[i];
    size_t n = (size_t)node->shape.h * (size_t)node->shape.w * (size_t)node->shape.c, bytes = 0;
    if (node->op == CNN_OP_RELU || i == model->output || a_reader_keeps(model, i))
        bytes += n * sizeof(float);
    if (node->op == CNN_OP_MAX_POOL || node->op == CNN_OP_DROPOUT)
        bytes += n;
    return bytes;
}

size_t cnn_model_activation_bytes(const struct cnn_model *model, int micro) {
    size_t bytes = 0;
    for (int i = 0; i < model->n_nodes; i++)
        bytes += kept_bytes(model, i);
    return bytes * (size_t)micro;
}

static size_t learnable(const struct cnn_model *model, const struct cnn_node *node) {
    size_t n = 0;
    for (int i = 0; i < node->n_params; i++) {
        const struct cnn_param *param = &model->params[node->first_param + i];
        if (!cnn_param_is_statistic(param))
            n += cnn_param_count(param);
    }
    return n;
}

static size_t statistics(const struct cnn_model *model) {
    size_t n = 0;
    for (int i = 0; i < model->n_params; i++)
        if (cnn_param_is_statistic(&model->params[i]))
            n += cnn_param_count(&model->params[i]);
    return n;
}

// -- text -------------------------------------------------------------------------------------------

static const char *shape_text(char out[SHAPE_BYTES], struct cnn_shape shape) {
    if (shape.h == 1 && shape.w == 1)
        snprintf(out, SHAPE_BYTES, "%d", shape.c);
    else
        snprintf(out, SHAPE_BYTES, "%dx%dx%d", shape.h, shape.w, shape.c);
    return out;
}

static int longest_name(const struct cnn_model *model) {
    size_t longest = strlen("layer");
    for (int i = 0; i < model->n_nodes; i++) {
        size_t length = strlen(model->nodes[i].name);
        longest = length > longest ? length : longest;
    }
    return (int)longest;
}

static void write_layers(FILE *to, const struct cnn_model *model) {
    int width = longest_name(model);
    char shape[SHAPE_BYTES];
    fprintf(to, "%-*s  %-17s  %-14s  %12s  %10s\n", width, "layer", "op", "output HxWxC", "parameters",
            "MFLOPs");
    for (int i = 0; i < model->n_nodes; i++) {
        const struct cnn_node *node = &model->nodes[i];
        fprintf(to, "%-*s  %-17s  %-14s  %12zu  %10.2f\n", width, node->name, cnn_op_name(node->op),
                shape_text(shape, node->shape), learnable(model, node), cnn_node_flops(model, i) / 1e6);
    }
}

static void write_totals(FILE *to, const struct cnn_model *model, int micro) {
    size_t n_learnable = cnn_model_count(model), n_statistics = statistics(model);
    char parameters[32], activations[32];
    cnn_format_bytes(parameters, sizeof parameters, (double)n_learnable * sizeof(float));
    cnn_format_bytes(activations, sizeof activations, (double)cnn_model_activation_bytes(model, micro));
    fprintf(to, "parameters   %zu, and %zu running statistics\n", n_learnable, n_statistics);
    fprintf(to,
            "compute      %.2f GFLOPs per sample forward (2 x multiply-adds); training takes about 3 x "
            "as many\n",
            cnn_model_flops(model) / 1e9);
    fprintf(to,
            "memory fp32  %s each for parameters, gradients and momentum; about %s for the activations of a "
            "micro-batch of %d\n",
            parameters, activations, micro);
}

static enum cnn_status check_micro(int micro) {
    if (micro < 1)
        return cnn_fail(CNN_ERR_INPUT, "invalid micro-batch size %d; at least 1 is required", micro);
    return CNN_OK;
}

enum cnn_status cnn_model_summary(char **out, const struct cnn_model *model, int micro) {
    CNN_TRY(check_micro(micro));
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    if (!to)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory for the summary of %s", model->arch);
    struct cnn_shape in = model->input;
    fprintf(to, "%s: input %dx%dx%d, %d classes\n\n", model->arch, in.h, in.w, in.c, model->n_classes);
    write_layers(to, model);
    fputc('\n', to);
    write_totals(to, model, micro);
    int failed = ferror(to);
    if (fclose(to) != 0 || failed) {
        free(text);
        return cnn_fail(CNN_ERR_MEMORY, "out of memory for the summary of %s", model->arch);
    }
    *out = text;
    return CNN_OK;
}

// -- JSON -------------------------------------------------------------------------------------------

static json_t *shape_json(struct cnn_shape shape) { return json_pack("[i,i,i]", shape.h, shape.w, shape.c); }

static json_t *layer_json(const struct cnn_model *model, int i) {
    const struct cnn_node *node = &model->nodes[i];
    json_t *inputs = json_array();
    for (int k = 0; k < node->n_inputs; k++)
        cnn_json_append(&inputs, cnn_json_string(model->nodes[node->inputs[k]].name));
    return json_pack("{s:s, s:s, s:o, s:o, s:I, s:f}", "name", node->name, "op", cnn_op_name(node->op),
                     "inputs", inputs, "output", shape_json(node->shape), "parameters",
                     (json_int_t)learnable(model, node), "flops", cnn_node_flops(model, i));
}

static json_t *layers_json(const struct cnn_model *model) {
    json_t *layers = json_array();
    for (int i = 0; i < model->n_nodes; i++)
        cnn_json_append(&layers, layer_json(model, i));
    return layers;
}

enum cnn_status cnn_model_summary_json(char **out, const struct cnn_model *model, int micro) {
    CNN_TRY(check_micro(micro));
    size_t n_learnable = cnn_model_count(model);
    json_t *root = json_pack("{s:s, s:o, s:i, s:o, s:I, s:I, s:f, s:i, s:I, s:I}", "arch", model->arch,
                             "input", shape_json(model->input), "classes", model->n_classes, "layers",
                             layers_json(model), "parameters", (json_int_t)n_learnable, "statistics",
                             (json_int_t)statistics(model), "flops", cnn_model_flops(model), "micro_batch",
                             micro, "activation_bytes", (json_int_t)cnn_model_activation_bytes(model, micro),
                             "parameter_bytes", (json_int_t)(n_learnable * sizeof(float)));
    return cnn_json_dump(out, root, JSON_INDENT(2));
}
