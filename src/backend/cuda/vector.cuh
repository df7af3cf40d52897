// Memory is read and written 16 bytes at a time, arithmetic is done in floats, whatever the type.
#ifndef CNN_BACKEND_CUDA_VECTOR_CUH
#define CNN_BACKEND_CUDA_VECTOR_CUH
#include "backend/cuda/launch.cuh"

// Elements of 16 bytes.
template <typename T> constexpr int cnn_width = 16 / (int)sizeof(T);

// N elements as they lie in memory, and as floats in registers.
template <typename T, int N> struct alignas(sizeof(T) * N) cnn_packed { T at[N]; };
template <int N> struct cnn_floats { float at[N]; };

static __device__ inline float cnn_widened(float v) { return v; }
static __device__ inline float cnn_widened(__half v) { return __half2float(v); }
static __device__ inline float cnn_widened(__nv_bfloat16 v) { return __bfloat162float(v); }

static __device__ inline void cnn_narrow_one(float *to, float v) { *to = v; }
static __device__ inline void cnn_narrow_one(__half *to, float v) { *to = __float2half_rn(v); }
static __device__ inline void cnn_narrow_one(__nv_bfloat16 *to, float v) { *to = __float2bfloat16_rn(v); }

// Two at once are one instruction.
static __device__ inline void cnn_narrow_two(float *to, float a, float b) {
    to[0] = a;
    to[1] = b;
}
static __device__ inline void cnn_narrow_two(__half *to, float a, float b) {
    const __half2 both = __floats2half2_rn(a, b);
    to[0] = both.x;
    to[1] = both.y;
}
static __device__ inline void cnn_narrow_two(__nv_bfloat16 *to, float a, float b) {
    const __nv_bfloat162 both = __floats2bfloat162_rn(a, b);
    to[0] = both.x;
    to[1] = both.y;
}

template <int N, typename T> static __device__ inline cnn_packed<T, N> cnn_fetch(const T *from) {
    return *reinterpret_cast<const cnn_packed<T, N> *>(from);
}

template <int N, typename T>
static __device__ inline cnn_floats<N> cnn_unpack(const cnn_packed<T, N> &packed) {
    cnn_floats<N> out;
#pragma unroll
    for (int i = 0; i < N; i++)
        out.at[i] = cnn_widened(packed.at[i]);
    return out;
}

template <typename T, int N> static __device__ inline cnn_packed<T, N> cnn_pack(const cnn_floats<N> &values) {
    cnn_packed<T, N> out;
#pragma unroll
    for (int i = 0; i + 1 < N; i += 2)
        cnn_narrow_two(&out.at[i], values.at[i], values.at[i + 1]);
    if (N % 2)
        cnn_narrow_one(&out.at[N - 1], values.at[N - 1]);
    return out;
}

template <int N, typename T> static __device__ inline cnn_floats<N> cnn_load(const T *from) {
    return cnn_unpack<N>(cnn_fetch<N>(from));
}

template <int N, typename T> static __device__ inline void cnn_store(T *to, const cnn_floats<N> &values) {
    *reinterpret_cast<cnn_packed<T, N> *>(to) = cnn_pack<T>(values);
}

template <int N> static __device__ inline cnn_floats<N> cnn_filled(float value) {
    cnn_floats<N> out;
#pragma unroll
    for (int i = 0; i < N; i++)
        out.at[i] = value;
    return out;
}

// NaN stays NaN, so that a run that diverges is seen to.
static __device__ inline float cnn_relu(float v) { return v < 0.0f ? 0.0f : v; }

// Whether all of these can be accessed 16 bytes at a time.
template <typename... P> static inline bool cnn_aligned(const P *...pointers) {
    return ((uintptr_t)0 | ... | (uintptr_t)pointers) % 16 == 0;
}

#endif
