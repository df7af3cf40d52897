#include "backend/libraries.h"

#include <dnnl.h>

void cnn_cpu_libraries(struct cnn_libraries *list) {
    const dnnl_version_t *v = dnnl_version();
    cnn_libraries_add(list, "oneDNN",
                      cnn_version_of(DNNL_VERSION_MAJOR, DNNL_VERSION_MINOR, DNNL_VERSION_PATCH).text,
                      cnn_version_of(v->major, v->minor, v->patch).text);
}
