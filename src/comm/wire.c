#include "comm/wire.h"

#include "base/half.h"

#include <string.h>

static const struct {
    void (*pack)(uint16_t *out, const float *in, size_t n);
    void (*unpack)(float *out, const uint16_t *in, size_t n);
    void (*round)(float *values, size_t n);
} types[] = {
    [CNN_PRECISION_BF16] = {cnn_bf16_pack, cnn_bf16_unpack, cnn_bf16_round},
    [CNN_PRECISION_FP16] = {cnn_fp16_pack, cnn_fp16_unpack, cnn_fp16_round},
};

bool cnn_wire_rounds(const struct cnn_wire *wire) {
    return wire->precision == CNN_PRECISION_BF16 || wire->precision == CNN_PRECISION_FP16;
}

// ---- a span cut into pieces that are exact as a whole or not at all

struct walk {
    size_t at, end; // elements
    size_t next;    // the first of wire->exact that ends after `at`
};

struct piece {
    size_t first, n;
    bool exact;
};

static struct walk walk_begin(const struct cnn_wire *wire, struct cnn_span span) {
    size_t low = 0, high = wire->n_exact;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (wire->exact[middle].first + wire->exact[middle].n <= span.first)
            low = middle + 1;
        else
            high = middle;
    }
    return (struct walk){span.first, span.first + span.n, low};
}

static bool walk_next(const struct cnn_wire *wire, struct walk *walk, struct piece *out) {
    if (walk->at == walk->end)
        return false;
    const struct cnn_span none = {walk->end, 0};
    const struct cnn_span exact = walk->next < wire->n_exact ? wire->exact[walk->next] : none;
    const bool inside = !cnn_wire_rounds(wire) || exact.first <= walk->at;
    size_t stop = !cnn_wire_rounds(wire) ? walk->end : inside ? exact.first + exact.n : exact.first;
    if (stop > walk->end)
        stop = walk->end;
    *out = (struct piece){walk->at, stop - walk->at, inside};
    walk->at = stop;
    walk->next += inside;
    return true;
}

// ---- what is done with them

static size_t bytes_of(const struct piece *piece) {
    return piece->n * (piece->exact ? sizeof(float) : sizeof(uint16_t));
}

size_t cnn_wire_bytes(const struct cnn_wire *wire, struct cnn_span span) {
    struct walk walk = walk_begin(wire, span);
    struct piece piece;
    size_t bytes = 0;
    while (walk_next(wire, &walk, &piece))
        bytes += bytes_of(&piece);
    return bytes;
}

void cnn_wire_pack(const struct cnn_wire *wire, void *out, const float *arena, struct cnn_span span) {
    struct walk walk = walk_begin(wire, span);
    struct piece piece;
    for (char *to = out; walk_next(wire, &walk, &piece); to += bytes_of(&piece)) {
        if (piece.exact)
            memcpy(to, arena + piece.first, bytes_of(&piece));
        else
            types[wire->precision].pack((uint16_t *)to, arena + piece.first, piece.n);
    }
}

void cnn_wire_unpack(const struct cnn_wire *wire, float *floats, const void *in, struct cnn_span span) {
    struct walk walk = walk_begin(wire, span);
    struct piece piece;
    for (const char *from = in; walk_next(wire, &walk, &piece); from += bytes_of(&piece)) {
        if (piece.exact)
            memcpy(floats + piece.first - span.first, from, bytes_of(&piece));
        else
            types[wire->precision].unpack(floats + piece.first - span.first, (const uint16_t *)from, piece.n);
    }
}

void cnn_wire_round(const struct cnn_wire *wire, float *arena, struct cnn_span span) {
    struct walk walk = walk_begin(wire, span);
    struct piece piece;
    if (!cnn_wire_rounds(wire))
        return;
    while (walk_next(wire, &walk, &piece))
        if (!piece.exact)
            types[wire->precision].round(arena + piece.first, piece.n);
}
