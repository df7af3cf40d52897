// x86-64 processors with F16C convert eight values in one instruction.
#include "base/half_loops.h"

#include <cpuid.h>
#include <immintrin.h>
#include <stdbool.h>

#define F16C __attribute__((target("avx,f16c")))
enum { LANES = 8 };

F16C static void pack(uint16_t *out, const float *in, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm_storeu_si128((__m128i *)(out + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
    cnn_fp16_loops_portable.pack(out + i, in + i, n - i);
}

F16C static void unpack(float *out, const uint16_t *in, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(in + i))));
    cnn_fp16_loops_portable.unpack(out + i, in + i, n - i);
}

F16C static void round_in_place(float *values, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(values + i), _MM_FROUND_TO_NEAREST_INT);
        _mm256_storeu_ps(values + i, _mm256_cvtph_ps(halves));
    }
    cnn_fp16_loops_portable.round(values + i, n - i);
}

static const struct cnn_half_loops f16c = {pack, unpack, round_in_place};

// __builtin_cpu_supports knows "f16c" only in some compilers (not in Clang 14); "avx" says that the system
// saves the registers.
static bool has_f16c(void) {
    unsigned eax, ebx, ecx, edx;
    return __builtin_cpu_supports("avx") && __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
}

const struct cnn_half_loops *cnn_fp16_loops(void) { return has_f16c() ? &f16c : &cnn_fp16_loops_portable; }
