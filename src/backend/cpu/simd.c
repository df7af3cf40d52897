#include "backend/cpu/simd.h"
#include <stdlib.h>
#include <string.h>

#if !defined(__x86_64__)
#error "the CPU backend supports only x86-64"
#endif

static bool has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

const struct cnn_simd *cnn_simd_best(void) {
    if (has_avx512())
        return &cnn_simd_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &cnn_simd_avx2;
    return &cnn_simd_baseline;
}

const struct cnn_simd *cnn_simd_best_bf16(void) {
    if (!has_avx512())
        return NULL;
    return __builtin_cpu_supports("avx512bf16") ? &cnn_simd_avx512bf16_bf16 : &cnn_simd_avx512_bf16;
}

int cnn_simd_block(void) {
    const char *most = getenv("ONEDNN_MAX_CPU_ISA");
    if (!most)
        most = getenv("DNNL_MAX_CPU_ISA");
    const bool held_back =
        most && (!strcasecmp(most, "AVX2") || !strcasecmp(most, "AVX") || !strcasecmp(most, "SSE41"));
    return has_avx512() && !held_back ? 16 : 8;
}
