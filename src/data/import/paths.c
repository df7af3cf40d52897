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

static bool is_hidden_name(const char *name, size_t length) {
    static const char *const names[] = {"__MACOSX", "Thumbs.db", "ehthumbs.db",  "desktop.ini",
                                        "@eaDir",   "#recycle",  "$RECYCLE.BIN", "System Volume Information",
                                        "Icon\r",   "lost+found"};
    if (length > 0 && name[0] == '.')
        return length > 2 || strspn(name, ".") < length; // not "." and ".."
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == length && strncasecmp(names[i], name, length) == 0)
            return true;
    return false;
}

bool cnn_path_is_hidden(const char *path) {
    for (const char *at = path; *at;) {
        size_t length = strcspn(at, "/");
        if (is_hidden_name(at, length))
            return true;
        at += length;
        at += strspn(at, "/");
    }
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
