// Stands in for CUDA's header of this name: what kernels are written in, as plain C++. Blocks run one after
// the other, a block's threads as fibers (emulator.cpp), so that every access is a host access that
// sanitizers and guard pages see. Threads that miss a barrier others wait at end the program.
#ifndef TESTS_CUDA_EMULATOR_CUDA_RUNTIME_H
#define TESTS_CUDA_EMULATOR_CUDA_RUNTIME_H
#include "cuda_runtime_api.h"

#include <functional>
#include <math.h>
#include <stdint.h>

#define __global__
#define __device__
#define __host__
#define __shared__ static // one block at a time
#define __launch_bounds__(...)
#define __restrict__ __restrict

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct float2 {
    float x, y;
};

extern dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {
// Runs `kernel` once per thread of the grid.
void launch(const char *name, dim3 grid, dim3 block, const std::function<void()> &kernel);
// Until every thread of the block is here, or every lane of the warp; `where` tells barriers apart.
void wait_for_block(const char *where);
// Each lane gives 8 bytes and gets those of lane `from`.
uint64_t exchange(const char *where, uint64_t mine, unsigned from);

template <typename V> V shuffle(const char *where, V mine, unsigned from) {
    uint64_t bits = 0;
    static_assert(sizeof mine <= sizeof bits, "too wide to shuffle");
    memcpy(&bits, &mine, sizeof mine);
    bits = exchange(where, bits, from);
    memcpy(&mine, &bits, sizeof mine);
    return mine;
}
} // namespace emulator

#define EMULATOR_TEXT_OF(line) #line
#define EMULATOR_TEXT(line) EMULATOR_TEXT_OF(line)
#define EMULATOR_HERE __FILE__ ":" EMULATOR_TEXT(__LINE__)
#define __syncthreads() emulator::wait_for_block(EMULATOR_HERE)
#define __shfl_xor_sync(lanes, value, mask)                                                                  \
    emulator::shuffle((lanes) == 0xffffffffu ? EMULATOR_HERE : nullptr, (value),                             \
                      (threadIdx.x ^ (unsigned)(mask)) % 32)

#define CNN_LAUNCH(kernel, grid, block, stream, ...)                                                         \
    emulator::launch(#kernel, (grid), (block), [=] { kernel(__VA_ARGS__); })

#endif
