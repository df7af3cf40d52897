// Status codes and the error message that travels with them.
// An error is set once, where it is found, in words a user can act on; every caller only passes the
// status up. Nothing in the library prints, exits or aborts.
#ifndef CNN_DIST_STATUS_H
#define CNN_DIST_STATUS_H

enum cnn_status {
    CNN_OK = 0,
    CNN_ERR_INPUT, // what the user gave (argument, config, dataset, checkpoint) is wrong; nothing was changed
    CNN_ERR_UNSUPPORTED, // valid, but not available on this machine, build or backend
    CNN_ERR_IO,          // the system refused to read or write
    CNN_ERR_MEMORY,      // out of memory
    CNN_ERR_BACKEND,     // the compute library failed
    CNN_ERR_COMM,        // another rank or the network failed
    CNN_ERR_FAILED,      // the work itself failed (loss not finite, too many bad records, ...)
    CNN_STOPPED,         // stopped on request with a checkpoint saved
};

#define CNN_MUST_CHECK __attribute__((warn_unused_result))
#define CNN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

// Sets this thread's error message and returns `status`, so that a failing function ends with
// `return cnn_fail(CNN_ERR_INPUT, "%s: ...", path)`. The message is one line: what, where, what was
// expected, what to do. Not collective.
enum cnn_status cnn_fail(enum cnn_status status, const char *format, ...) CNN_PRINTF(2, 3);

// Puts "context: " in front of this thread's message and returns `status` unchanged.
enum cnn_status cnn_fail_in(enum cnn_status status, const char *format, ...) CNN_PRINTF(2, 3);

// The message of the last error set by this thread; "" if none. Valid until the thread sets another.
const char *cnn_error_message(void);

// The process exit code for a status: 0, 1, 2 (INPUT, UNSUPPORTED) or 75 (STOPPED).
int cnn_status_exit_code(enum cnn_status status);

// Returns from the calling function when `call` does not return CNN_OK.
#define CNN_TRY(call)                                                                                        \
    do {                                                                                                     \
        enum cnn_status try_status = (call);                                                                 \
        if (try_status != CNN_OK)                                                                            \
            return try_status;                                                                               \
    } while (0)

#endif
