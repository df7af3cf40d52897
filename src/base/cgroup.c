#include "base/cgroup.h"

#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *cnn_cgroup_text(const char *folder, const char *path, const char *name) {
    char full[4096], *text = NULL;
    size_t bytes;
    if (cnn_path_format(full, sizeof full, "%s%s%s", folder, path, name) != CNN_OK)
        return NULL;
    return cnn_file_read(&text, &bytes, full, 1 << 20) == CNN_OK ? text : NULL;
}

// A group is bound by its own limit and by those of all groups around it. Inside a container the path may
// be the host's, which is not visible here: what cannot be read does not bind.
static double least_upwards(cnn_cgroup_reader read, const char *folder, const char *group) {
    char path[4096];
    double least = INFINITY;
    if (cnn_path_format(path, sizeof path, "%s", group) != CNN_OK)
        return least;
    for (;;) {
        least = fmin(least, read(folder, strcmp(path, "/") == 0 ? "" : path));
        char *slash = strrchr(path, '/');
        if (!slash || path[0] == '\0')
            return least;
        *slash = '\0';
    }
}

static bool is_named(const char *controllers, const char *name) {
    char list[256], word[64];
    snprintf(list, sizeof list, ",%s,", controllers);
    snprintf(word, sizeof word, ",%s,", name);
    return strstr(list, word) != NULL;
}

// `line` is one line of /proc/self/cgroup: "hierarchy:controllers:path".
static double limit_of_line(const struct cnn_cgroup_limit *limit, char *line, const char *cgroup_mount) {
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return INFINITY;
    *controllers++ = '\0';
    *path++ = '\0';
    if (*controllers == '\0') // version 2, alone or beside version 1
        return fmin(least_upwards(limit->v2, cgroup_mount, path), limit->v2(cgroup_mount, "/unified"));
    if (!is_named(controllers, limit->controller))
        return INFINITY;
    char folder[4096];
    if (cnn_path_format(folder, sizeof folder, "%s/%s", cgroup_mount, controllers) != CNN_OK)
        return INFINITY;
    return least_upwards(limit->v1, folder, path);
}

double cnn_cgroup_least(const struct cnn_cgroup_limit *limit, const char *cgroup_file,
                        const char *cgroup_mount) {
    double least = INFINITY;
    char *text = cnn_cgroup_text("", cgroup_file, ""), *rest = text, *line;
    while ((line = strsep(&rest, "\n")))
        least = fmin(least, limit_of_line(limit, line, cgroup_mount));
    free(text);
    return least;
}
