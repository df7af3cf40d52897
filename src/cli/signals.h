// SIGTERM, SIGINT and SIGUSR1 ask the run to save and stop; the handler only sets a flag.
#ifndef CNN_CLI_SIGNALS_H
#define CNN_CLI_SIGNALS_H
#include <stdbool.h>

// A second SIGINT ends the process at once.
void cnn_signals_install(void);
bool cnn_signals_stop_requested(void *unused); // fits cnn_train_options.stop_requested

#endif
