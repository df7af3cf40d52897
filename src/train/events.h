// What a run tells while it goes: one struct per kind of event, handed to a callback on rank 0. metrics.jsonl
// and log.txt are written from the same events, so a progress line and the files never disagree.
#ifndef CNN_TRAIN_EVENTS_H
#define CNN_TRAIN_EVENTS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cnn_event_kind {
    CNN_EVENT_START,
    CNN_EVENT_STEP,
    CNN_EVENT_EPOCH,
    CNN_EVENT_EVAL,
    CNN_EVENT_CHECKPOINT,
    CNN_EVENT_PHASE, // also "event" in metrics.jsonl: a phase of train.phases, or what follows them, begins
    CNN_EVENT_NOTE,  // "event" in metrics.jsonl: resumed, stop requested, checkpoint failed, ...
    CNN_EVENT_END,
    CNN_N_EVENTS
};

// Accuracies are percentages. Losses are means over samples.
struct cnn_event_start {
    const char *name, *arch, *backend, *version;
    uint64_t parameters, train_records, val_records, steps_per_epoch, total_steps;
    double epochs;
    int ranks, hosts, compute_threads, loader_threads; // threads: of each rank
    int global_batch, micro_batch, classes;
    const char *host_ranks; // "node1 0-3, node2 4-7"
    const char *job;        // of SLURM; NULL: none
};
struct cnn_event_step {
    double loss; // mean over the global batch of this step
    double top1, lr;
    double images_per_s;      // over all ranks, since the last logged step
    double images_per_s_mean; // since this process began training
    double step_s;            // mean time of a step since the last logged one, over ranks
    double data_wait_s;       // of those step_s, spent waiting for the loader; mean over ranks
    double comm_wait_s;       // of those step_s, spent waiting for the exchange to end; mean over ranks
    double loss_scale;        // after the step; 0 without loss scaling
    int64_t skipped_steps;    // of the run, whose gradients overflowed
    double eta_s;
    uint64_t total_steps;
    double epochs_done, epochs;
    bool logged; // one of the steps that metrics.jsonl records; the others are for a progress line
};
struct cnn_event_epoch {
    double loss, top1, top5, train_s,
        images_per_s;   // over the training samples of the epoch, as they were met
    double bad_records; // that were replaced, since the start of this process
};
struct cnn_event_eval {
    double loss, top1, top5, seconds;
    uint64_t n;
    bool best;
};
struct cnn_event_checkpoint {
    const char *file; // name inside checkpoints/
    uint64_t bytes;
    double seconds; // in the background
    bool best;
};
struct cnn_event_phase {
    const char *message;
    int height, width; // of training pictures
    int global_batch, micro_batch;
    uint64_t steps_per_epoch;
    double rate; // after warm-up, scaled with the batch
};
struct cnn_event_note {
    const char *name; // "resumed", "stopping", "checkpoint_failed", "bad_records", "overflow"
    const char *message;
    bool warning;
};
struct cnn_event_end {
    const char *status; // "done", "stopped", "failed"
    const char *message;
    double best_top1, seconds;
    int64_t best_step; // of the best checkpoint on disk; -1: none was evaluated
};

struct cnn_event {
    enum cnn_event_kind kind;
    uint64_t epoch; // counted from 1: the epoch that `step` belongs to; 0 before the first
    uint64_t step;  // steps done; of a phase its first step
    union {
        struct cnn_event_start start;
        struct cnn_event_step progress;
        struct cnn_event_epoch whole_epoch;
        struct cnn_event_eval eval;
        struct cnn_event_checkpoint checkpoint;
        struct cnn_event_phase phase;
        struct cnn_event_note note;
        struct cnn_event_end end;
    };
};

// Called on rank 0, on the thread that trains. What the event points to is valid during the call.
typedef void (*cnn_event_call)(void *context, const struct cnn_event *event);

#endif
