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

struct cnn_wire_walk cnn_wire_walk(const struct cnn_wire *wire, struct cnn_span span) {
    size_t low = 0, high = wire->n_exact;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (wire->exact[middle].first + wire->exact[middle].n <= span.first)
            low = middle + 1;
        else
            high = middle;
    }
    return (struct cnn_wire_walk){span.first, span.first + span.n, low};
}

bool cnn_wire_next(const struct cnn_wire *wire, struct cnn_wire_walk *walk, struct cnn_wire_piece *out) {
    if (walk->at == walk->end)
        return false;
    const struct cnn_span none = {walk->end, 0};
    const struct cnn_span exact = walk->next < wire->n_exact ? wire->exact[walk->next] : none;
    const bool inside = !cnn_wire_rounds(wire) || exact.first <= walk->at;
    size_t stop = !cnn_wire_rounds(wire) ? walk->end : inside ? exact.first + exact.n : exact.first;
    if (stop > walk->end)
        stop = walk->end;
    *out = (struct cnn_wire_piece){{walk->at, stop - walk->at}, inside};
    walk->at = stop;
    walk->next += inside;
    return true;
}

static size_t bytes_of(const struct cnn_wire_piece *piece) {
    return piece->span.n * (piece->exact ? sizeof(float) : sizeof(uint16_t));
}

size_t cnn_wire_bytes(const struct cnn_wire *wire, struct cnn_span span) {
    struct cnn_wire_walk walk = cnn_wire_walk(wire, span);
    struct cnn_wire_piece piece;
    size_t bytes = 0;
    while (cnn_wire_next(wire, &walk, &piece))
        bytes += bytes_of(&piece);
    return bytes;
}

void cnn_wire_pack(const struct cnn_wire *wire, void *out, const float *arena, struct cnn_span span) {
    struct cnn_wire_walk walk = cnn_wire_walk(wire, span);
    struct cnn_wire_piece piece;
    for (char *to = out; cnn_wire_next(wire, &walk, &piece); to += bytes_of(&piece)) {
        if (piece.exact)
            memcpy(to, arena + piece.span.first, bytes_of(&piece));
        else
            types[wire->precision].pack((uint16_t *)to, arena + piece.span.first, piece.span.n);
    }
}

void cnn_wire_unpack(const struct cnn_wire *wire, float *floats, const void *in, struct cnn_span span) {
    struct cnn_wire_walk walk = cnn_wire_walk(wire, span);
    struct cnn_wire_piece piece;
    for (const char *from = in; cnn_wire_next(wire, &walk, &piece); from += bytes_of(&piece)) {
        if (piece.exact)
            memcpy(floats + piece.span.first - span.first, from, bytes_of(&piece));
        else
            types[wire->precision].unpack(floats + piece.span.first - span.first, (const uint16_t *)from,
                                          piece.span.n);
    }
}

void cnn_wire_round(const struct cnn_wire *wire, float *arena, struct cnn_span span) {
    struct cnn_wire_walk walk = cnn_wire_walk(wire, span);
    struct cnn_wire_piece piece;
    if (!cnn_wire_rounds(wire))
        return;
    while (cnn_wire_next(wire, &walk, &piece))
        if (!piece.exact)
            types[wire->precision].round(arena + piece.span.first, piece.span.n);
}
