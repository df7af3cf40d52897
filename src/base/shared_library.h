// Libraries opened when they are first needed, for what a machine may lack: a program linked with them would
// not even start there.
#ifndef CNN_BASE_SHARED_LIBRARY_H
#define CNN_BASE_SHARED_LIBRARY_H
#include <cnn_dist/status.h>
#include <pthread.h>

struct cnn_shared_library {
    const char *name; // for people: "cuDNN"
    const char *file; // as the system finds it: "libcudnn.so.9"
    const char *path; // where it was when this was built; tried next
    pthread_mutex_t lock;
    void *handle;
};
#define CNN_SHARED_LIBRARY(name, file, path)                                                                 \
    { name, file, path, PTHREAD_MUTEX_INITIALIZER, NULL }

// Opens the library; it stays open. CNN_ERR_UNSUPPORTED says what the system said. May be called again, from
// any thread. Not collective.
enum cnn_status cnn_shared_library_open(struct cnn_shared_library *library) CNN_MUST_CHECK;
// A function of it, or NULL where there is no such library or function. Opens it where that is left to do.
void *cnn_shared_library_find(struct cnn_shared_library *library, const char *function);

#endif
