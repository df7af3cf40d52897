// Log lines go to the sinks the program installs; with none installed they go nowhere.
#ifndef CNN_BASE_LOG_H
#define CNN_BASE_LOG_H
#include <cnn_dist/status.h>

enum cnn_log_level { CNN_LOG_DEBUG, CNN_LOG_INFO, CNN_LOG_WARN, CNN_LOG_ERROR };

// `line` has no newline. May be called from any thread; calls are serialised.
typedef void (*cnn_log_sink)(void *context, enum cnn_log_level level, const char *line);

// Adds a sink that receives lines of `least` and above. Returns CNN_ERR_FAILED when all slots are taken.
enum cnn_status cnn_log_add_sink(cnn_log_sink sink, void *context, enum cnn_log_level least);
void cnn_log_remove_sink(cnn_log_sink sink, void *context);

// Thread-safe. Not collective.
void cnn_log(enum cnn_log_level level, const char *format, ...) CNN_PRINTF(2, 3);

#define cnn_log_info(...) cnn_log(CNN_LOG_INFO, __VA_ARGS__)
#define cnn_log_warn(...) cnn_log(CNN_LOG_WARN, __VA_ARGS__)

#endif
