// What a run says of itself before its first step.
#ifndef CNN_TRAIN_BANNER_H
#define CNN_TRAIN_BANNER_H
#include "train/setup.h"

// Ranks, threads, backend, model, batch and its cut, data, memory and learning rate, to the log of rank 0.
void cnn_banner_log(const struct cnn_run *run);

#endif
