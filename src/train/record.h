// What a run is and where it stands at a step boundary: plain data, equal on every rank, kept in every
// checkpoint.
#ifndef CNN_TRAIN_RECORD_H
#define CNN_TRAIN_RECORD_H
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CNN_FINGERPRINT_BYTES 24

// Fixed from the first step on. A resumed run must have the same, but for `micro`.
struct cnn_run_facts {
    char arch[64];
    int64_t classes, channels, height, width; // height, width: of the training input
    int64_t global, micro;                    // samples of a step, and of a micro-batch
    int64_t seed, records;                    // records of the training set
    double mean[3], std[3];                   // of the input, pixels scaled to 0..1
    // Of the evaluated pictures as they are stored; 0: they differ in size, or an older version wrote this.
    int64_t picture_height, picture_width;
    // Fingerprints of data.train and data.val (cnn_dataset_fingerprint), 16 hexadecimal digits; "": unknown
    // or none.
    char train_fingerprint[CNN_FINGERPRINT_BYTES], val_fingerprint[CNN_FINGERPRINT_BYTES];
};

// Sums over the samples of the running epoch, for its line in metrics.jsonl. No times: a resumed run's
// checkpoints are those of the unbroken one, byte for byte.
struct cnn_epoch_sums {
    double loss, top1, top5, n;
};

struct cnn_run_state {
    int64_t step;           // steps done
    int64_t epoch;          // epoch of the next step, counted from 0
    int64_t position;       // records of that epoch already used
    int64_t evaluation_due; // 1: the evaluation of this boundary was put off
    int64_t best_step;      // -1: nothing evaluated yet
    double best_top1;
    int64_t
        evaluated_step; // of the last evaluation; 0: none yet. With its top1 the best of some files is found
    double evaluated_top1;
    struct cnn_epoch_sums sums;
    // Loss scaling; 0 where there is none.
    double loss_scale;
    int64_t good_steps, skipped_steps;
};

struct cnn_run_record {
    struct cnn_run_facts facts;
    struct cnn_run_state state;
};

// Enters the result of an evaluation at the state's step. True where it is the best so far: of equal ones the
// first stays the best, and one whose loss is not finite never is.
bool cnn_record_evaluation(struct cnn_run_state *state, double loss, double top1);

// The record as words for a checkpoint's metadata. values[i] belongs to cnn_record_key(i).
#define CNN_RECORD_FIELDS 32
#define CNN_RECORD_VALUE_BYTES 96
int cnn_record_n_fields(void);
const char *cnn_record_key(int field);
void cnn_record_write(const struct cnn_run_record *record, int field, char value[CNN_RECORD_VALUE_BYTES]);
// Reads one value back, exactly; CNN_ERR_INPUT names the key, also of a number that no run can reach, so that
// what is read can be multiplied. `value` NULL: absent, an error as well.
enum cnn_status cnn_record_read(struct cnn_run_record *record, int field, const char *value) CNN_MUST_CHECK;
// Whether the values that were read go together. CNN_ERR_INPUT names two that do not.
enum cnn_status cnn_record_check(const struct cnn_run_record *record) CNN_MUST_CHECK;

#endif
