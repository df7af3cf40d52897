// The outside libraries the program runs on: the version it was built with beside the one it found at run
// time. Each folder that owns libraries adds them in a function of its own (cnn_FOLDER_libraries).
#ifndef CNN_BASE_LIBRARY_H
#define CNN_BASE_LIBRARY_H
#include <stdbool.h>

#define CNN_MAX_LIBRARIES 24

struct cnn_version {
    char text[24]; // "1.10.8"
};
struct cnn_version cnn_version_of(int major, int minor, int patch);

struct cnn_library {
    const char *name; // "HDF5", static
    struct cnn_version built;
    struct cnn_version found; // "": the library cannot be asked
    bool newer_is_fine;       // a driver: serves what was built for an older one
};

struct cnn_libraries {
    struct cnn_library items[CNN_MAX_LIBRARIES];
    int n;
};

// Adds one, and returns it. `found` NULL: the library cannot be asked. Not collective.
struct cnn_library *cnn_libraries_add(struct cnn_libraries *list, const char *name, const char *built,
                                      const char *found);
// NULL where there is none of this name.
const struct cnn_library *cnn_libraries_find(const struct cnn_libraries *list, const char *name);

enum cnn_library_match {
    CNN_LIBRARY_ALIKE,   // same major and minor version, or one that serves as well
    CNN_LIBRARY_MINOR,   // another minor version
    CNN_LIBRARY_MAJOR,   // another major version
    CNN_LIBRARY_UNKNOWN, // one of the versions is not known
};
enum cnn_library_match cnn_library_match(const struct cnn_library *library);

// Of this folder: isa-l, hwloc.
void cnn_base_libraries(struct cnn_libraries *list);

#endif
