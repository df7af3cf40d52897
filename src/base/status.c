#include <cnn_dist/status.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_BYTES 1024

static _Thread_local char error_message[MESSAGE_BYTES];

// A message is one line whatever a file name or a library put into it.
static void flatten(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = ' ';
}

enum cnn_status cnn_fail(enum cnn_status status, const char *format, ...) {
    char text[MESSAGE_BYTES]; // apart from error_message, which may itself be an argument
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    flatten(text);
    memcpy(error_message, text, sizeof text);
    return status;
}

enum cnn_status cnn_fail_in(enum cnn_status status, const char *format, ...) {
    char context[MESSAGE_BYTES], text[2 * MESSAGE_BYTES + 2];
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    snprintf(text, sizeof text, "%s: %s", context, error_message);
    text[MESSAGE_BYTES - 1] = '\0';
    flatten(text);
    memcpy(error_message, text, MESSAGE_BYTES);
    return status;
}

const char *cnn_error_message(void) { return error_message; }

int cnn_status_exit_code(enum cnn_status status) {
    switch (status) {
    case CNN_OK:
        return 0;
    case CNN_ERR_INPUT:
    case CNN_ERR_UNSUPPORTED:
        return 2;
    case CNN_STOPPED:
        return 75;
    default:
        return 1;
    }
}
