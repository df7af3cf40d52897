// Plain loops: what they do a compiler turns into vector code.
#include "base/half_loops.h"

void cnn_bf16_pack(uint16_t *restrict out, const float *restrict in, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = cnn_bf16_from_float(in[i]);
}

void cnn_bf16_unpack(float *restrict out, const uint16_t *restrict in, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = cnn_bf16_to_float(in[i]);
}

void cnn_bf16_round(float *values, size_t n) {
    for (size_t i = 0; i < n; i++)
        values[i] = cnn_bf16_to_float(cnn_bf16_from_float(values[i]));
}

static void pack(uint16_t *restrict out, const float *restrict in, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = cnn_fp16_from_float(in[i]);
}

static void unpack(float *restrict out, const uint16_t *restrict in, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = cnn_fp16_to_float(in[i]);
}

static void round_in_place(float *values, size_t n) {
    for (size_t i = 0; i < n; i++)
        values[i] = cnn_fp16_to_float(cnn_fp16_from_float(values[i]));
}

const struct cnn_half_loops cnn_fp16_loops_portable = {pack, unpack, round_in_place};

void cnn_fp16_pack(uint16_t *out, const float *in, size_t n) { cnn_fp16_loops()->pack(out, in, n); }
void cnn_fp16_unpack(float *out, const uint16_t *in, size_t n) { cnn_fp16_loops()->unpack(out, in, n); }
void cnn_fp16_round(float *values, size_t n) { cnn_fp16_loops()->round(values, n); }
