// Threads of a block are fibers. One runs until it waits or ends; then another one. When none can run, those
// that wait at a barrier that all have reached go on; if there is no such barrier, the kernel is wrong.
#include "../emulated.h"
#include <cuda_runtime.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace {

const size_t stack_bytes = 256 * 1024;
const unsigned warp_size = 32, most_threads = 1024; // of a block

enum state { NEW, READY, AT_BLOCK, AT_WARP, DONE };

struct thread {
    state is;
    const char *where;
    uint64_t given, got;
    unsigned from;
    int fiber;
};

struct fiber {
    ucontext_t context;
    bool free;
};

fiber fibers[most_threads];
size_t n_fibers = 0;
std::vector<thread> threads;
ucontext_t scheduler;
const std::function<void()> *body;
const char *kernel_name;
int running = -1;     // thread
unsigned started = 0; // threads begun in this block
bool backwards =
    false; // every other block runs its threads from the last to the first: order must not matter
unsigned n_launches = 0;

unsigned nth(unsigned i) { return backwards ? (unsigned)threads.size() - 1 - i : i; }

void become(unsigned t) {
    running = (int)t;
    threadIdx = dim3(t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y);
}

[[noreturn]] void give_up(const char *what) {
    fprintf(stderr, "kernel %s, block %u,%u: %s\n", kernel_name, blockIdx.x, blockIdx.y, what);
    for (size_t t = 0; t < threads.size(); t++)
        if (t == 0 || threads[t].is != threads[t - 1].is || threads[t].where != threads[t - 1].where)
            fprintf(stderr, "  from thread %zu on: %s %s\n", t,
                    threads[t].is == DONE      ? "ended"
                    : threads[t].is == AT_WARP ? "in a shuffle at"
                                               : "waits at",
                    threads[t].is == DONE ? "" : threads[t].where);
    abort();
}

// A fiber runs threads from the list of those not begun yet, as long as they end without waiting.
void run_threads() {
    for (;;) {
        const int mine = threads[(size_t)running].fiber;
        (*body)();
        threads[(size_t)running].is = DONE;
        if (started < threads.size()) {
            become(nth(started++));
            threads[(size_t)running].fiber = mine;
            continue;
        }
        fibers[(size_t)mine].free = true;
        swapcontext(&fibers[(size_t)mine].context, &scheduler);
    }
}

int take_fiber() {
    for (size_t i = 0; i < n_fibers; i++)
        if (fibers[i].free) {
            fibers[i].free = false;
            return (int)i;
        }
    ucontext_t *context = &fibers[n_fibers].context;
    void *stack = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED || getcontext(context) != 0)
        give_up("no memory for another thread");
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = stack_bytes;
    context->uc_link = nullptr;
    makecontext(context, run_threads, 0);
    return (int)n_fibers++;
}

void resume(unsigned t) {
    become(t);
    swapcontext(&scheduler, &fibers[(size_t)threads[t].fiber].context);
}

void wait(state how, const char *where) {
    thread &mine = threads[(size_t)running];
    const unsigned me = (unsigned)running;
    mine.is = how;
    mine.where = where;
    swapcontext(&fibers[(size_t)mine.fiber].context, &scheduler);
    become(me);
}

// Whether threads first ... first + n - 1 all wait in this way, for the same.
bool all_wait(size_t first, size_t n, state how) {
    for (size_t t = first; t < first + n; t++)
        if (threads[t].is != how || threads[t].where != threads[first].where)
            return false;
    return true;
}

bool release_warps() {
    bool any = false;
    for (size_t first = 0; first + warp_size <= threads.size(); first += warp_size) {
        if (!all_wait(first, warp_size, AT_WARP))
            continue;
        for (size_t t = first; t < first + warp_size; t++) {
            threads[t].got = threads[first + threads[t].from].given;
            threads[t].is = READY;
        }
        any = true;
    }
    return any;
}

bool release_block() {
    if (!all_wait(0, threads.size(), AT_BLOCK))
        return false;
    for (thread &t : threads)
        t.is = READY;
    return true;
}

bool all_done() {
    for (const thread &t : threads)
        if (t.is != DONE)
            return false;
    return true;
}

void resume_ready() {
    for (unsigned i = 0; i < threads.size(); i++)
        if (threads[nth(i)].is == READY)
            resume(nth(i));
}

// A warp goes as far as it can before the next one begins.
void begin_all() {
    while (started < threads.size()) {
        const unsigned t = nth(started++);
        threads[t].fiber = take_fiber();
        resume(t);
        while ((started % warp_size == 0 || started == threads.size()) && release_warps())
            resume_ready();
    }
}

void run_block() {
    started = 0;
    threads.assign(threads.size(), thread());
    begin_all();
    while (!all_done()) {
        if (!release_warps() && !release_block())
            give_up("threads wait for others that do not come");
        resume_ready();
    }
}

} // namespace

void emulator::launch(const char *name, dim3 grid, dim3 block, const std::function<void()> &kernel) {
    kernel_name = name;
    body = &kernel;
    gridDim = grid;
    blockDim = block;
    threads.resize((size_t)block.x * block.y * block.z);
    if (grid.y > 65535 || grid.z > 65535 || threads.empty() || threads.size() > most_threads ||
        grid.x * grid.y * grid.z == 0)
        give_up("CUDA would not launch this");
    for (unsigned i = 0; i < grid.x * grid.y * grid.z; i++) {
        blockIdx = dim3(i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y);
        run_block();
        backwards = !backwards;
    }
    n_launches++;
}

extern "C" unsigned emulated_launches(void) { return n_launches; }

void emulator::wait_for_block(const char *where) { wait(AT_BLOCK, where); }

uint64_t emulator::exchange(const char *where, uint64_t mine, unsigned from) {
    if (!where)
        give_up("a shuffle of some lanes only");
    const size_t me = (size_t)running;
    threads[me].given = mine;
    threads[me].from = from;
    wait(AT_WARP, where);
    return threads[me].got;
}
