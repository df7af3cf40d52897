// Philox4x32-10, the generator under all randomness (base/random.h), for host and device.
// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11.
#ifndef CNN_BASE_PHILOX_H
#define CNN_BASE_PHILOX_H
#include "base/host_device.h"
#include <stdint.h>

enum { CNN_PHILOX_ROUNDS = 10 };

static inline CNN_HOST_DEVICE void cnn_philox(const uint32_t counter[4], const uint32_t key[2],
                                              uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < CNN_PHILOX_ROUNDS; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        const uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u; // golden ratio
        k1 += 0xBB67AE85u; // sqrt(3) - 1
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

#endif
