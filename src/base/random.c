#include "base/random.h"

#include "base/philox.h"

#include <math.h>
#include <string.h>

void cnn_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    cnn_philox(counter, key, out);
}

// Counter: the block's number, b, and a with the purpose in its low byte. Key: the seed.
struct cnn_draws cnn_draws_of(uint64_t seed, enum cnn_purpose purpose, uint64_t a, uint64_t b) {
    struct cnn_draws draws = {
        .counter = {0, (uint32_t)b, (uint32_t)(b >> 32), (uint32_t)(a << 8) | (uint32_t)purpose},
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .used = 4,
    };
    return draws;
}

uint32_t cnn_draw_u32(struct cnn_draws *draws) {
    if (draws->used == 4) {
        cnn_philox4x32(draws->counter, draws->key, draws->block);
        draws->counter[0]++;
        draws->used = 0;
    }
    return draws->block[draws->used++];
}

double cnn_draw_uniform(struct cnn_draws *draws) {
    uint64_t high = cnn_draw_u32(draws) >> 5, low = cnn_draw_u32(draws) >> 6; // 27 + 26 bits
    return (double)(high << 26 | low) * 0x1p-53;
}

double cnn_draw_between(struct cnn_draws *draws, double lo, double hi) {
    double value = lo + (hi - lo) * cnn_draw_uniform(draws);
    return value < hi || hi <= lo ? value : nextafter(hi, lo); // rounding may reach hi
}

// Lemire, "Fast random integer generation in an interval", 2019.
uint32_t cnn_draw_below(struct cnn_draws *draws, uint32_t n) {
    uint64_t product = (uint64_t)cnn_draw_u32(draws) * n;
    if ((uint32_t)product < n) {
        uint32_t biased = -n % n;
        while ((uint32_t)product < biased)
            product = (uint64_t)cnn_draw_u32(draws) * n;
    }
    return (uint32_t)(product >> 32);
}

double cnn_draw_normal(struct cnn_draws *draws) {
    if (draws->has_spare) {
        draws->has_spare = false;
        return draws->spare;
    }
    // 32 bits each are enough: the tail ends past 6.6 deviations. The half keeps the logarithm finite.
    double radius = sqrt(-2 * log((cnn_draw_u32(draws) + 0.5) * 0x1p-32));
    double angle = cnn_draw_u32(draws) * (2 * 3.14159265358979323846 * 0x1p-32);
    draws->spare = radius * sin(angle);
    draws->has_spare = true;
    return radius * cos(angle);
}

#define FEISTEL_ROUNDS 12
#define LEAST_HALF_BITS 3 // smaller networks reach too few of their permutations

struct feistel {
    int half_bits;
    uint64_t half_mask, key, step;
};

// Stafford's variant 13 of the 64-bit finalizer: every input bit moves every output bit.
static uint64_t mix(uint64_t x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

static uint64_t feistel_apply(const struct feistel *network, uint64_t x) {
    uint64_t left = x >> network->half_bits, right = x & network->half_mask;
    uint64_t key = network->key;
    for (int round = 0; round < FEISTEL_ROUNDS; round++) {
        uint64_t next = left ^ (mix(right + key) & network->half_mask);
        left = right;
        right = next;
        key += network->step;
    }
    return left << network->half_bits | right;
}

// The smallest network that holds 0..n-1: it has at most four times as many places, so that at most four
// walks are to be expected.
static int half_bits_for(uint64_t n) {
    int bits = LEAST_HALF_BITS;
    while (bits < 32 && n > (uint64_t)1 << (2 * bits))
        bits++;
    return bits;
}

uint64_t cnn_permute(uint64_t seed, enum cnn_purpose purpose, uint64_t a, uint64_t n, uint64_t i) {
    struct cnn_draws draws = cnn_draws_of(seed, purpose, a, n);
    cnn_philox4x32(draws.counter, draws.key, draws.block);
    struct feistel network = {
        .half_bits = half_bits_for(n),
        .key = (uint64_t)draws.block[0] << 32 | draws.block[1],
        .step = ((uint64_t)draws.block[2] << 32 | draws.block[3]) | 1,
    };
    network.half_mask = ((uint64_t)1 << network.half_bits) - 1;
    if (n <= 1 || i >= n)
        return i;
    do
        i = feistel_apply(&network, i);
    while (i >= n);
    return i;
}
