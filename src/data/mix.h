// Batches whose pictures are mixtures of two: mixup (Zhang et al. 2018, arXiv:1710.09412) and CutMix (Yun et
// al. 2019, arXiv:1905.04899). Every picture of a micro-batch is mixed with the one before it (the first with
// the last), by one weight drawn for the micro-batch, as torchvision does.
#ifndef CNN_DATA_MIX_H
#define CNN_DATA_MIX_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cnn_mix {
    double mixup,
        cutmix; // alpha of the Beta distribution the weight comes from; 0: never. Both: each half of the time
    double p;   // of a micro-batch being mixed at all
};
bool cnn_mix_wanted(const struct cnn_mix *mix);

// A micro-batch: n pictures of h x w x c bytes, one behind the other.
struct cnn_mix_batch {
    uint8_t *pixels;
    int n, h, w, c;
    const int32_t *labels;
    int32_t *partners; // n, written
    float *weights;    // n, written: of the picture's own label; 1 where nothing was mixed
};
// A pure function of the pictures and (seed, epoch, position). `spare` has room for one picture.
void cnn_mix_pictures(const struct cnn_mix *mix, const struct cnn_mix_batch *batch, uint64_t seed,
                      uint64_t epoch, uint64_t position, uint8_t *spare);

#endif
