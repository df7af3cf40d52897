// The line that shows how training goes. On a terminal it is one line, redrawn in place and cut to the width;
// in a file it is a plain line every so many steps. Other lines go through the same object, so that they
// never mix with it.
#ifndef CNN_REPORT_PROGRESS_H
#define CNN_REPORT_PROGRESS_H
#include "base/log.h"
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// Where a run stands. A number that is not known is NAN: its field is left out.
struct cnn_progress_state {
    double epoch, epochs; // 3.42 of 90
    uint64_t step, total_steps;
    double loss, top1_percent, lr;
    double images_per_s, images_per_s_mean; // lately; since the start
    double data_wait, comm_wait;            // shares of the time, 0..1
    double eta_s;
};

// "epoch 3.42/90  step 1210/7000  17%  loss 0.4312  top1 84.1%  lr 0.0873  1523 img/s (mean 1490)  data 1%
// comm 4% eta 4:05". With `width` > 0 the least important fields are left out until the text has at most
// `width` characters.
void cnn_progress_format(char *out, size_t out_bytes, const struct cnn_progress_state *state, int width);

struct cnn_progress_options {
    bool terminal; // redraw in place
    int width;     // columns of the terminal; 0: ask it each time
    uint64_t
        every; // without a terminal: one line every `every` steps and one at the last; 0: at every update
    double interval_s; // on a terminal: redraw no sooner than this after the last time
};

struct cnn_progress;
// What suits `stream`: terminal where it is one that understands it, ten redraws a second.
struct cnn_progress_options cnn_progress_options_for(FILE *stream, uint64_t every);
// `stream` is borrowed. All calls below are thread-safe. Not collective.
enum cnn_status cnn_progress_create(struct cnn_progress **out, FILE *stream,
                                    const struct cnn_progress_options *options) CNN_MUST_CHECK;
void cnn_progress_destroy(struct cnn_progress *progress); // ends the line first
void cnn_progress_update(struct cnn_progress *progress, const struct cnn_progress_state *state);
// On a terminal, what the progress line says from now on, for other work than training; in a file, nothing.
void cnn_progress_text(struct cnn_progress *progress, const char *text);
// Writes a line of its own above the progress line.
void cnn_progress_print(struct cnn_progress *progress, const char *line);
// Leaves the progress line, as it last stood, behind and begins a new one at the next update.
void cnn_progress_end_line(struct cnn_progress *progress);
// Takes the progress line away, for others who write to the same terminal.
void cnn_progress_clear(struct cnn_progress *progress);
// A cnn_log_sink whose context is the progress: prints the line, with "warning: " or "error: " before it.
void cnn_progress_log(void *progress, enum cnn_log_level level, const char *line);

#endif
