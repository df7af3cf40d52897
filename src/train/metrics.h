// metrics.jsonl: what happened in a run, one JSON object a line.
// Fields are listed in docs/formats.md; losses are written so that they read back to the same bits.
#ifndef CNN_TRAIN_METRICS_H
#define CNN_TRAIN_METRICS_H
#include "train/events.h"
#include <cnn_dist/status.h>

struct cnn_metrics_file;
// resumed_step < 0: a new file. Otherwise the file of the run so far, from which everything after that step,
// `end` lines and a last line without its newline are taken away first, so that it tells one story. Not
// collective.
enum cnn_status cnn_metrics_open(struct cnn_metrics_file **out, const char *path,
                                 int64_t resumed_step) CNN_MUST_CHECK;
void cnn_metrics_close(struct cnn_metrics_file *file);
// One line, handed to the system at once. Steps that are not `logged` are left out.
enum cnn_status cnn_metrics_write(struct cnn_metrics_file *file,
                                  const struct cnn_event *event) CNN_MUST_CHECK;

#endif
