// metrics.jsonl of a run that resumes: it must tell one story.
#ifndef CNN_TRAIN_METRICS_REWIND_H
#define CNN_TRAIN_METRICS_REWIND_H
#include <cnn_dist/status.h>
#include <stdint.h>

// Removes the lines of steps after `step`, the `end` of the run so far, lines that are no JSON object or
// longer than any that is written, and a last line without its newline. The file is read from its end, back
// to the last `step` line that stays: what is before that stays unread, however large the file is. No-op
// where there is none. Not collective.
enum cnn_status cnn_metrics_rewind(const char *path, int64_t step) CNN_MUST_CHECK;

#endif
