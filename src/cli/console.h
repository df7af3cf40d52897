// What the program says on stderr: log lines and the progress line, through one object so that they never
// mix.
#ifndef CNN_CLI_CONSOLE_H
#define CNN_CLI_CONSOLE_H
#include "report/progress.h"

// Before the rank is known: warnings.
enum cnn_status cnn_console_begin(void) CNN_MUST_CHECK;
// Rank 0 shows everything from info on; the other ranks only warnings, with their number before them.
enum cnn_status cnn_console_open(int rank, int size) CNN_MUST_CHECK;
void cnn_console_close(void);
struct cnn_progress *cnn_console_progress(void); // NULL but on rank 0
bool cnn_console_is_terminal(void);
// For --json and quiet commands: only warnings from now on.
void cnn_console_quiet(void);
// "cnn_dist: error: ..." on a line of its own, from whichever rank calls it.
void cnn_console_error(const char *message);

#endif
