// metrics.jsonl: what happened in a run, one JSON object a line.
// Fields are listed in docs/formats.md; losses are written so that they read back to the same bits.
#ifndef CNN_TRAIN_METRICS_H
#define CNN_TRAIN_METRICS_H
#include "base/owner.h"
#include "train/events.h"
#include <cnn_dist/status.h>

struct cnn_metrics_file;
// resumed_step < 0: a new file. Otherwise the file of the run so far, rewound to that step
// (metrics_rewind.h). Not collective. `owner`: of the run folder, borrowed; NULL: nobody else writes there.
enum cnn_status cnn_metrics_open(struct cnn_metrics_file **out, const char *path, int64_t resumed_step,
                                 const struct cnn_owner *owner) CNN_MUST_CHECK;
// Whether the last line of a file, if there is one, is an `end`: else nobody could write it. Not collective.
bool cnn_metrics_is_ended(const char *path);
void cnn_metrics_close(struct cnn_metrics_file *file);
// One line, handed to the system at once. Steps that are not `logged` are left out. CNN_ERR_IO where it could
// not be written: the next line that can be is preceded by an event "metrics_gap" with the number of lines
// missing. CNN_ERR_FAILED where the run folder belongs to another process by now. An `end` that another event
// follows is taken back.
enum cnn_status cnn_metrics_write(struct cnn_metrics_file *file,
                                  const struct cnn_event *event) CNN_MUST_CHECK;

#endif
