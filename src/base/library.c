#include "base/library.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct cnn_version cnn_version_of(int major, int minor, int patch) {
    struct cnn_version version;
    snprintf(version.text, sizeof version.text, "%d.%d.%d", major, minor, patch);
    return version;
}

struct cnn_library *cnn_libraries_add(struct cnn_libraries *list, const char *name, const char *built,
                                      const char *found) {
    assert(list->n < CNN_MAX_LIBRARIES);
    struct cnn_library *library = &list->items[list->n++];
    *library = (struct cnn_library){.name = name};
    snprintf(library->built.text, sizeof library->built.text, "%s", built);
    snprintf(library->found.text, sizeof library->found.text, "%s", found ? found : "");
    return library;
}

const struct cnn_library *cnn_libraries_find(const struct cnn_libraries *list, const char *name) {
    for (int i = 0; i < list->n; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return &list->items[i];
    return NULL;
}

enum cnn_library_match cnn_library_match(const struct cnn_library *library) {
    int built[2], found[2];
    if (sscanf(library->built.text, "%d.%d", &built[0], &built[1]) != 2 ||
        sscanf(library->found.text, "%d.%d", &found[0], &found[1]) != 2)
        return CNN_LIBRARY_UNKNOWN;
    int part = built[0] != found[0] ? 0 : 1; // the first that may differ
    if (built[part] == found[part] || (library->newer_is_fine && found[part] > built[part]))
        return CNN_LIBRARY_ALIKE;
    return part == 0 ? CNN_LIBRARY_MAJOR : CNN_LIBRARY_MINOR;
}
