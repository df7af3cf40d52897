// What the program is made of: how it was built, which libraries are under it.
#include "backend/backend.h"
#include "cli/doctor.h"
#include "cli/judge.h"
#include "cli/libraries.h"
#include <cnn_dist/version.h>

#include <string.h>

// CNN_BUILD_COMPILER, CNN_BUILD_TYPE and CNN_BUILD_SANITIZER are CMake's words.
enum cnn_status cnn_check_build(const struct cnn_doctor *doctor, struct cnn_findings *out) {
    struct cnn_libraries libraries;
    cnn_libraries_gather(&libraries);
    cnn_found_ok(out, "cnn_dist %s, built by %s", cnn_dist_version(), CNN_BUILD_COMPILER);
    if (strcmp(CNN_BUILD_TYPE, "Debug") == 0)
        cnn_found_warn(out, "build with CMAKE_BUILD_TYPE=Release for training",
                       "Debug build, without optimization");
    else
        cnn_found_ok(out, "%s build", CNN_BUILD_TYPE);
    if (*CNN_BUILD_SANITIZER)
        cnn_found_warn(out, "build without CNN_SANITIZE for training; sanitizers make it many times slower",
                       "built with sanitizers: %s", CNN_BUILD_SANITIZER);
    cnn_found_ok(out, "backends: cpu%s", cnn_backend_built(CNN_BACKEND_CUDA) ? ", cuda" : "; without cuda");
    cnn_found_ok(out, "exchange: MPI%s",
                 cnn_libraries_find(&libraries, "NCCL") ? ", NCCL" : "; without NCCL");
    return CNN_OK;
}

enum cnn_status cnn_check_libraries(const struct cnn_doctor *doctor, struct cnn_findings *out) {
    struct cnn_libraries libraries;
    cnn_libraries_gather(&libraries);
    for (int i = 0; i < libraries.n; i++)
        cnn_judge_library(out, &libraries.items[i]);
    return CNN_OK;
}
