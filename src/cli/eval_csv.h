// The records of an evaluation as a CSV file: id, label, predicted, and the probability of every class.
#ifndef CNN_CLI_EVAL_CSV_H
#define CNN_CLI_EVAL_CSV_H
#include "train/class_names.h"
#include "train/observer.h"

struct cnn_eval_csv;
// Opens a temporary file beside `path` and writes the headings; the file appears, complete, at commit.
// Borrows the names.
enum cnn_status cnn_eval_csv_create(struct cnn_eval_csv **out, const char *path,
                                    const struct cnn_class_names *names) CNN_MUST_CHECK;
// An observer's `record`, with the struct as its context.
enum cnn_status cnn_eval_csv_record(void *csv, uint64_t id, int32_t label,
                                    const float *probabilities) CNN_MUST_CHECK;
enum cnn_status cnn_eval_csv_commit(struct cnn_eval_csv *csv) CNN_MUST_CHECK;
void cnn_eval_csv_destroy(struct cnn_eval_csv *csv); // without commit, nothing is left

#endif
