// The emulator itself: barriers and shuffles do what they should, and what CUDA would not forgive ends the
// program.
#include <cuda_runtime.h>

#include <cstdio>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 96, BLOCKS = 5 };

// out of thread i of a block: what thread THREADS - 1 - i put in, plus the sum of its warp's lane numbers
static __global__ void reverse(int *out, bool forget) {
    __shared__ int values[THREADS];
    values[threadIdx.x] = (int)(blockIdx.x * 1000 + threadIdx.x);
    if (!forget)
        __syncthreads();
    const int other = values[THREADS - 1 - threadIdx.x];
    int sum = (int)(threadIdx.x % 32);
    for (int mask = 16; mask > 0; mask /= 2)
        sum += __shfl_xor_sync(0xffffffffu, sum, mask);
    out[blockIdx.x * THREADS + threadIdx.x] = other + sum;
    __syncthreads(); // the next block's values are the same memory only here
}

static __global__ void diverge(unsigned kind) {
    if (kind == 0 && threadIdx.x == 5)
        return;
    if (kind == 1 && threadIdx.x < 32)
        __syncthreads();
    else if (kind == 2 && threadIdx.x % 2)
        __shfl_xor_sync(0xffffffffu, 1, 1);
    else if (kind == 3)
        __shfl_xor_sync(0x0000ffffu, 1, 1);
    __syncthreads();
}

static __global__ void reach_past(int *end) { end[threadIdx.x == 40 ? 0 : -1] = 1; }

static int count_wrong(bool forget) {
    static int out[BLOCKS * THREADS];
    int wrong = 0;
    CNN_LAUNCH(reverse, BLOCKS, THREADS, 0, out, forget);
    for (int i = 0; i < BLOCKS * THREADS; i++)
        wrong += out[i] != i / THREADS * 1000 + THREADS - 1 - i % THREADS + 31 * 16;
    return wrong;
}

static void break_rule(unsigned kind) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = (char *)mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (kind < 4) {
        CNN_LAUNCH(diverge, 2, 64, 0, kind);
    } else if (kind == 4 && mprotect(pages + page, page, PROT_NONE) == 0) {
        CNN_LAUNCH(reach_past, 1, 64, 0, (int *)(void *)(pages + page));
    } else if (kind == 5) {
        CNN_LAUNCH(diverge, dim3(1, 70000), 64, 0, 9u);
    }
}

static bool ends_badly(unsigned kind) {
    const pid_t child = fork();
    int status = 0;
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(0);
        break_rule(kind);
        _exit(0);
    }
    return waitpid(child, &status, 0) == child && status != 0;
}

int main() {
    int failed = 0;
    if (count_wrong(false)) {
        fprintf(stderr, "barriers and shuffles give wrong results\n");
        failed++;
    }
    if (!count_wrong(true)) {
        fprintf(stderr, "a barrier that is missing is not noticed in any order of threads\n");
        failed++;
    }
    for (unsigned kind = 0; kind < 6; kind++)
        if (!ends_badly(kind)) {
            fprintf(stderr, "kernel error %u is not noticed\n", kind);
            failed++;
        }
    if (ends_badly(9)) {
        fprintf(stderr, "a kernel without errors fails\n");
        failed++;
    }
    return failed != 0;
}
