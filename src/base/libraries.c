#include "base/library.h"

#include <hwloc.h>
#include <isa-l.h>

static struct cnn_version hwloc_version(unsigned api) {
    return cnn_version_of((int)(api >> 16), (int)(api >> 8 & 0xff), (int)(api & 0xff));
}

void cnn_base_libraries(struct cnn_libraries *list) {
    cnn_libraries_add(list, "hwloc", hwloc_version(HWLOC_API_VERSION).text,
                      hwloc_version(hwloc_get_api_version()).text);
    cnn_libraries_add(list, "isa-l",
                      cnn_version_of(ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION, ISAL_PATCH_VERSION).text, NULL);
}
