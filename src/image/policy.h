// A policy is its checked list and the size that every result has.
#ifndef CNN_IMAGE_POLICY_H
#define CNN_IMAGE_POLICY_H
#include "image/image.h"

struct cnn_policy {
    struct cnn_augment_list list;
    int out_h, out_w;
};

#endif
