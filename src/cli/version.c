// `version`: of the program and of the libraries under it.
#include <cnn_dist/version.h>

#include "backend/backend.h"
#include "base/cpus.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/json.h"

#include <stdio.h>

enum cnn_status cnn_cmd_version(int argc, char **argv, struct cnn_comm *comm) {
    bool json = false;
    const struct cnn_flag flags[] = {CNN_BOOL_FLAG("json", &json, "print one JSON document")};
    const struct cnn_args args = {.usage = "cnn_dist version [--json]",
                                  .summary = "Prints the version of the program and of what it runs on.",
                                  .flags = flags,
                                  .n_flags = 1};
    struct cnn_args_given given;
    struct cnn_backend *backend = NULL;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help || cnn_comm_rank(comm) != 0)
        return CNN_OK;
    struct cnn_backend_options options = {.threads = cnn_cpus_allowed(), .local_size = 1};
    CNN_TRY(cnn_backend_create(&backend, CNN_BACKEND_AUTO, &options));
    enum cnn_status status = CNN_OK;
    if (json)
        status = cnn_json_print(json_pack("{s:s, s:s, s:s}", "version", cnn_dist_version(), "backend",
                                          cnn_backend_description(backend), "comm", cnn_comm_library(comm)));
    else
        printf("cnn_dist %s\n%s\n%s\n", cnn_dist_version(), cnn_backend_description(backend),
               cnn_comm_library(comm));
    cnn_backend_destroy(backend);
    return status;
}
