#include "data/import/paths.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

const char *cnn_path_last(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool cnn_path_is_picture(const char *path) {
    static const char *const endings[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".png",  ".gif",  ".bmp", ".webp",
                                          ".tif", ".tiff", ".ppm", ".pgm",  ".heic", ".avif", ".jxl", ".jp2"};
    const char *dot = strrchr(cnn_path_last(path), '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return false;
}

enum cnn_status cnn_path_normalize(char out[8192], const char *path) {
    size_t n = 0, n_removable = 0; // components that a ".." takes away
    if (strlen(path) >= 8192 - 1)
        return cnn_fail(CNN_ERR_INPUT, "path too long: %.200s...", path);
    if (*path == '/')
        out[n++] = '/';
    for (const char *at = path + strspn(path, "/"); *at; at += strspn(at, "/")) {
        size_t length = strcspn(at, "/"), root = *path == '/';
        bool up = length == 2 && strncmp(at, "..", 2) == 0;
        if (up && n_removable > 0) {
            while (n > root && out[n - 1] != '/')
                n--;
            n -= n > root;
            n_removable--;
        } else if (!(length == 1 && *at == '.')) {
            if (n > root)
                out[n++] = '/';
            memcpy(out + n, at, length);
            n += length;
            n_removable += !up;
        }
        at += length;
    }
    out[n] = '\0';
    return CNN_OK;
}
