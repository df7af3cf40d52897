// `model list`: the architectures.
#include "cli/args.h"
#include "cli/console.h"
#include "cli/json.h"
#include "cli/model.h"
#include "model/model.h"

#include <stdio.h>

static void print_list(void) {
    size_t n;
    const struct cnn_arch *archs = cnn_arch_list(&n);
    for (size_t i = 0; i < n; i++)
        printf("%-12s %3d x %3d x %d  %s\n", archs[i].name, archs[i].input.h, archs[i].input.w,
               archs[i].input.c, archs[i].doc);
}

static enum cnn_status print_list_json(void) {
    size_t n;
    const struct cnn_arch *archs = cnn_arch_list(&n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        cnn_json_append(&list, json_pack("{s:s, s:s, s:[i,i,i], s:i}", "name", archs[i].name, "doc",
                                         archs[i].doc, "input", archs[i].input.h, archs[i].input.w,
                                         archs[i].input.c, "classes", archs[i].n_classes));
    return cnn_json_print(json_pack("{s:o}", "models", list));
}

enum cnn_status cnn_cmd_model_list(int argc, char **argv, struct cnn_comm *comm) {
    bool json = false;
    const struct cnn_flag flags[] = {CNN_BOOL_FLAG("json", &json, "print the result as one JSON document")};
    const struct cnn_args args = {
        .usage = "cnn_dist model list [--json]",
        .summary = "Lists the architectures with their default input (height, width, channels).",
        .flags = flags,
        .n_flags = 1};
    struct cnn_args_given given;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help || cnn_comm_rank(comm) != 0)
        return CNN_OK;
    if (json)
        return print_list_json();
    print_list();
    return CNN_OK;
}
