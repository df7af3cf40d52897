// Signals that request a stop: SIGTERM, SIGINT, SIGUSR1 and SIGHUP. The handler only notes the signal; the
// run saves a checkpoint at the next step boundary and ends.
#ifndef CNN_CLI_SIGNALS_H
#define CNN_CLI_SIGNALS_H

// Call first in main, for a command that can save its work. A second SIGINT ends the process at once. SIGHUP
// stays ignored where it is (nohup). SIGPIPE is ignored: a run outlives the reader of its output.
void cnn_signals_install(void);
// "received SIGTERM"; NULL while no stop is requested. Fits cnn_train_options.stop_requested.
const char *cnn_signals_stop_requested(void *unused);

#endif
