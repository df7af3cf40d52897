// `version`: of the program and of the libraries under it.
#include <cnn_dist/version.h>

#include "cli/args.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/libraries.h"

#include <stdio.h>

// What is here, or where that cannot be asked, what was built with.
static const char *version_of(const struct cnn_library *library) {
    return *library->found.text ? library->found.text : library->built.text;
}

static enum cnn_status print_json(const struct cnn_libraries *libraries) {
    json_t *versions = json_object();
    for (int i = 0; i < libraries->n; i++)
        cnn_json_set(&versions, libraries->items[i].name, cnn_json_string(version_of(&libraries->items[i])));
    return cnn_json_print(json_pack("{s:s, s:o}", "version", cnn_dist_version(), "libraries", versions));
}

enum cnn_status cnn_cmd_version(int argc, char **argv, struct cnn_comm *comm) {
    bool json = false;
    const struct cnn_flag flags[] = {CNN_BOOL_FLAG("json", &json, "print the result as one JSON document")};
    const struct cnn_args args = {.usage = "cnn_dist version [--json]",
                                  .summary = "Prints the version of the program and of its libraries.",
                                  .flags = flags,
                                  .n_flags = 1};
    struct cnn_args_given given;
    struct cnn_libraries libraries;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help || cnn_comm_rank(comm) != 0)
        return CNN_OK;
    cnn_libraries_gather(&libraries);
    if (json)
        return print_json(&libraries);
    printf("cnn_dist %s\n", cnn_dist_version());
    for (int i = 0; i < libraries.n; i++)
        printf("%s %s\n", libraries.items[i].name, version_of(&libraries.items[i]));
    return CNN_OK;
}
