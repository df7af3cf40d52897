// Private to comm/: which way gradients go, from what the ranks know of themselves.
#ifndef CNN_COMM_WAY_H
#define CNN_COMM_WAY_H
#include "config/config.h"

enum cnn_way {
    CNN_WAY_HOST,   // gradients are host memory
    CNN_WAY_STAGED, // from a device through the host's memory
    CNN_WAY_NCCL,   // from device to device
};

struct cnn_way_facts { // of one rank; all of it travels
    int32_t has_device, has_nccl;
    char host[256], place[32]; // place: of the device in the host; empty without one
    char why[256];             // there is no NCCL
};

struct cnn_way_choice {
    enum cnn_way way;
    char why[512]; // NCCL is not possible, where auto would have taken it; else empty
};

// `facts`: of all ranks, in their order. CNN_ERR_INPUT or CNN_ERR_UNSUPPORTED where comm.backend, `wanted`,
// is not possible. The same on all ranks.
enum cnn_status cnn_way_choose(struct cnn_way_choice *out, enum cnn_comm_kind wanted,
                               const struct cnn_way_facts *facts, int size) CNN_MUST_CHECK;

#endif
