// An error carried from one thread to another.
#ifndef CNN_BASE_ERROR_H
#define CNN_BASE_ERROR_H
#include <cnn_dist/status.h>

struct cnn_error {
    enum cnn_status status;
    char message[1024];
};
// Copies this thread's last error, with its status, into *out.
void cnn_error_take(struct cnn_error *out, enum cnn_status status);
// Makes *error this thread's error and returns its status.
enum cnn_status cnn_error_give(const struct cnn_error *error);
// The status of work that has already changed something: CNN_ERR_INPUT and CNN_ERR_UNSUPPORTED promise that
// nothing was changed, and become CNN_ERR_FAILED (exit code 1 instead of 2). The message stays.
enum cnn_status cnn_error_after_changes(enum cnn_status status);

#endif
