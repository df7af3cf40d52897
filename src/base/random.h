// Randomness as a function: every draw is Philox4x32-10 of (seed, purpose, a, b), never of a hidden state.
// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11.
#ifndef CNN_BASE_RANDOM_H
#define CNN_BASE_RANDOM_H
#include <stdbool.h>
#include <stdint.h>

enum cnn_purpose {
    CNN_PURPOSE_ORDER = 1,
    CNN_PURPOSE_AUGMENT,
    CNN_PURPOSE_DROPOUT,
    CNN_PURPOSE_INIT,
    CNN_PURPOSE_SYNTH,
    CNN_PURPOSE_SPLIT,
    CNN_PURPOSE_TEST,
    CNN_PURPOSE_SUBSTITUTE, // of a record that cannot be read
    CNN_PURPOSE_SHARDS,     // their order in an epoch
    CNN_PURPOSE_WINDOW,     // records within some shards
    CNN_PURPOSE_CLASS,      // records within a class
    CNN_PURPOSE_SHOW,       // which pictures a person is shown
    CNN_PURPOSE_MIX,        // of pictures with others of their batch
};

// The bare generator: 128-bit counter, 64-bit key, 128 bits out.
void cnn_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

// A short sequence of draws belonging to one (seed, purpose, a, b), e.g. (run seed, AUGMENT, epoch, record).
// `a` uses its low 24 bits. Plain data: copy it freely, two with equal arguments give equal draws.
struct cnn_draws {
    uint32_t counter[4], key[2], block[4];
    int used;
    bool has_spare; // Box-Muller makes two
    double spare;
};
struct cnn_draws cnn_draws_of(uint64_t seed, enum cnn_purpose purpose, uint64_t a, uint64_t b);
uint32_t cnn_draw_u32(struct cnn_draws *draws);
double cnn_draw_uniform(struct cnn_draws *draws);                       // [0, 1)
double cnn_draw_between(struct cnn_draws *draws, double lo, double hi); // [lo, hi)
uint32_t cnn_draw_below(struct cnn_draws *draws, uint32_t n);           // 0..n-1, unbiased; n >= 1
double cnn_draw_normal(struct cnn_draws *draws);                        // mean 0, deviation 1 (Box-Muller)

// Where element i of 0..n-1 goes in the permutation keyed by (seed, purpose, a): a bijection on 0..n-1
// computed in O(1) time and memory by a balanced Feistel network with cycle walking. Requires i < n.
uint64_t cnn_permute(uint64_t seed, enum cnn_purpose purpose, uint64_t a, uint64_t n, uint64_t i);

#endif
