// The numbers a run follows from: how a step is cut into micro-batches and over ranks, phase by phase, how
// many steps there are, and how many threads this rank may have.
#ifndef CNN_TRAIN_PLAN_H
#define CNN_TRAIN_PLAN_H
#include "config/config.h"
#include "data/sampler.h"
#include "train/timeline.h"
#include <cnn_dist/status.h>
#include <stdint.h>

// Where this rank stands in the job.
struct cnn_place {
    int rank, size, local_rank, local_size;
};

// A stretch of the timeline: its steps are alike.
struct cnn_phase_plan {
    struct cnn_sampler sampler; // global, micro, rank and size among it
    int micros, all_micros;     // micro-batches of a step: of this rank, of all ranks
    int64_t steps_per_epoch;
};

// phases[i] is stretch i of the timeline and number i of train.phases, where that many are; the last one may
// be what follows them. Phases that begin when training is over are left out.
struct cnn_plan {
    struct cnn_phase_plan phases[CNN_MAX_PHASES + 1];
    struct cnn_timeline timeline;
    int eval_batch; // eval.batch, or the micro-batch of the last phase
};

// How a checkpoint was made, for micro `auto`: it is cut so again where it can be cut over these ranks.
// `global` 0: there is none.
struct cnn_earlier_cut {
    int global, micro;
};

// A batch that does not divide and a dataset smaller than a step are CNN_ERR_INPUT with numbers that would
// do.
enum cnn_status cnn_plan_make(struct cnn_plan *out, const struct cnn_config *config, struct cnn_place place,
                              uint64_t n_records, struct cnn_earlier_cut earlier) CNN_MUST_CHECK;

// Puts the micro-batches of the plan where the config says `auto`.
void cnn_plan_resolve(const struct cnn_plan *plan, struct cnn_config *config);

// Threads of this rank, from the config or its share of the host.
struct cnn_thread_plan {
    int compute, loader;
    int allowed, online, share; // processors in this rank's mask, of its host, and what is its part
};
struct cnn_thread_plan cnn_plan_threads(const struct cnn_config *config, int local_size);
// A sentence into `out` when a mask, a quota or the number of ranks starves the threads. True: they do.
bool cnn_plan_judge_threads(char *out, size_t out_bytes, const struct cnn_thread_plan *threads,
                            struct cnn_place place);
// Writes it to the log, once per host. True: it did.
bool cnn_plan_report_threads(const struct cnn_thread_plan *threads, struct cnn_place place);

#endif
