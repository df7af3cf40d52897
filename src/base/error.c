#include "base/error.h"

#include <stdio.h>

void cnn_error_take(struct cnn_error *out, enum cnn_status status) {
    out->status = status;
    snprintf(out->message, sizeof out->message, "%s", cnn_error_message());
}

enum cnn_status cnn_error_give(const struct cnn_error *error) {
    return cnn_fail(error->status, "%s", error->message);
}

enum cnn_status cnn_error_after_changes(enum cnn_status status) {
    return status == CNN_ERR_INPUT || status == CNN_ERR_UNSUPPORTED ? CNN_ERR_FAILED : status;
}
