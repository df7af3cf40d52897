#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAX_SINKS 8
#define LINE_BYTES 4096

struct sink {
    cnn_log_sink call;
    void *context;
    enum cnn_log_level least;
};

static struct sink sinks[MAX_SINKS];
static pthread_mutex_t sinks_lock = PTHREAD_MUTEX_INITIALIZER;
// A sink that logs would wait for itself: such lines are dropped.
static _Thread_local bool inside_sink;

enum cnn_status cnn_log_add_sink(cnn_log_sink sink, void *context, enum cnn_log_level least) {
    enum cnn_status status = CNN_ERR_FAILED;
    pthread_mutex_lock(&sinks_lock);
    for (int i = 0; i < MAX_SINKS && status != CNN_OK; i++)
        if (!sinks[i].call) {
            sinks[i] = (struct sink){sink, context, least};
            status = CNN_OK;
        }
    pthread_mutex_unlock(&sinks_lock);
    return status == CNN_OK ? status : cnn_fail(status, "all %d log sinks are in use", MAX_SINKS);
}

void cnn_log_remove_sink(cnn_log_sink sink, void *context) {
    pthread_mutex_lock(&sinks_lock);
    for (int i = 0; i < MAX_SINKS; i++)
        if (sinks[i].call == sink && sinks[i].context == context)
            sinks[i] = (struct sink){0};
    pthread_mutex_unlock(&sinks_lock);
}

// Ends a line that did not fit with "..." and turns control characters into spaces.
static void tidy(char *line, int length) {
    if (length >= LINE_BYTES)
        memcpy(line + LINE_BYTES - 4, "...", 4);
    for (; *line; line++)
        if ((unsigned char)*line < ' ' || *line == 0x7f)
            *line = ' ';
}

void cnn_log(enum cnn_log_level level, const char *format, ...) {
    if (inside_sink)
        return;
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (length < 0)
        return;
    tidy(line, length);

    pthread_mutex_lock(&sinks_lock);
    inside_sink = true;
    for (int i = 0; i < MAX_SINKS; i++)
        if (sinks[i].call && level >= sinks[i].least)
            sinks[i].call(sinks[i].context, level, line);
    inside_sink = false;
    pthread_mutex_unlock(&sinks_lock);
}
