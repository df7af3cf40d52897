#include "base/shared_library.h"

#include <dlfcn.h>
#include <stdio.h>

static enum cnn_status open_locked(struct cnn_shared_library *library) {
    char problem[512];
    if (library->handle)
        return CNN_OK;
    library->handle = dlopen(library->file, RTLD_NOW | RTLD_LOCAL);
    if (library->handle)
        return CNN_OK;
    snprintf(problem, sizeof problem, "%s", dlerror());
    library->handle = dlopen(library->path, RTLD_NOW | RTLD_LOCAL);
    if (library->handle)
        return CNN_OK;
    return cnn_fail(CNN_ERR_UNSUPPORTED,
                    "%s cannot be loaded (%s): install it, or add its folder to LD_LIBRARY_PATH",
                    library->name, problem);
}

enum cnn_status cnn_shared_library_open(struct cnn_shared_library *library) {
    pthread_mutex_lock(&library->lock);
    const enum cnn_status status = open_locked(library);
    pthread_mutex_unlock(&library->lock);
    return status;
}

void *cnn_shared_library_find(struct cnn_shared_library *library, const char *function) {
    if (cnn_shared_library_open(library) != CNN_OK)
        return NULL;
    return dlsym(library->handle, function);
}
