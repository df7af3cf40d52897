// The phases of a run (train.phases and what follows them): what each needs is tried out before step 0, and
// made anew where one begins.
#ifndef CNN_TRAIN_PHASES_H
#define CNN_TRAIN_PHASES_H
#include "train/events.h"
#include "train/setup.h"

// Makes the graph of every phase, and the present one's loader. Of those to come, loader and replica are made
// and thrown away: what is wrong with them is said now. Not collective.
enum cnn_status cnn_phases_prepare(struct cnn_run *run) CNN_MUST_CHECK;

// What a checkpoint says of the present phase.
void cnn_phase_set_facts(struct cnn_run *run);

// Worker and evaluator of the present phase; parameters are not set yet. All ranks succeed or fail together.
// Collective.
enum cnn_status cnn_phase_build(struct cnn_run *run) CNN_MUST_CHECK;

// From one phase into another, at the beginning of an epoch: loader, worker and evaluator are made anew;
// parameters and velocity are carried over, bit for bit. All ranks succeed or fail together. Collective.
enum cnn_status cnn_phase_enter(struct cnn_run *run, int phase) CNN_MUST_CHECK;

// "1 of 3: epochs 1 to 30, pictures of 128 x 128, ..., rate 0.2": one line for the log.
void cnn_phase_describe(const struct cnn_run *run, int phase, char *out, size_t out_bytes);
// That the present phase begins with the next step; `message` is borrowed.
struct cnn_event cnn_phase_event(const struct cnn_run *run, const char *message);

// Of the steps that are left, in the unit of cnn_run.step_cost.
double cnn_phases_cost_left(const struct cnn_run *run);

#endif
