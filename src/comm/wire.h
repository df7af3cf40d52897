// How gradients look on their way between ranks: 16 bits each, but for the spans of the arena that stay exact
// (statistics of batch norm are no gradients: what is lost of them stays lost), or floats as they are.
#ifndef CNN_COMM_WIRE_H
#define CNN_COMM_WIRE_H
#include "config/config.h"

// Elements first .. first + n - 1 of an arena.
struct cnn_span {
    size_t first, n;
};

struct cnn_wire {
    enum cnn_precision precision; // BF16 or FP16: rounded to it; anything else: floats
    const struct cnn_span *exact; // what is not rounded: ascending, disjoint, none empty
    size_t n_exact;
};

bool cnn_wire_rounds(const struct cnn_wire *wire);

// A span cut into pieces that are exact as a whole or not at all:
//   struct cnn_wire_walk walk = cnn_wire_walk(wire, span);
//   while (cnn_wire_next(wire, &walk, &piece)) ...
// Of a wire that does not round, everything is one exact piece.
struct cnn_wire_piece {
    struct cnn_span span;
    bool exact;
};
struct cnn_wire_walk {
    size_t at, end; // elements
    size_t next;    // the first of wire->exact that ends after `at`
};
struct cnn_wire_walk cnn_wire_walk(const struct cnn_wire *wire, struct cnn_span span);
bool cnn_wire_next(const struct cnn_wire *wire, struct cnn_wire_walk *walk, struct cnn_wire_piece *out);

// What a span takes as it travels.
size_t cnn_wire_bytes(const struct cnn_wire *wire, struct cnn_span span);
// Writes cnn_wire_bytes at `out`, aligned to 2 bytes, from arena[span.first], ...
void cnn_wire_pack(const struct cnn_wire *wire, void *out, const float *arena, struct cnn_span span);
// Back again: floats[0] is the span's first element.
void cnn_wire_unpack(const struct cnn_wire *wire, float *floats, const void *in, struct cnn_span span);
// Does to the arena what travelling would.
void cnn_wire_round(const struct cnn_wire *wire, float *arena, struct cnn_span span);

#endif
