// Events in words, for log.txt and the console. Steps are left to the progress line.
#ifndef CNN_TRAIN_ANNOUNCE_H
#define CNN_TRAIN_ANNOUNCE_H
#include "train/events.h"

void cnn_announce(const struct cnn_event *event);

#endif
