#include "comm/segment.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// A look or two pays off where the other rank is just finishing; more would take the processor from compute
// threads.
#define LOOKS_BEFORE_SLEEP 64
// Nobody wakes a sleeper whose step was cancelled: it looks by itself this often.
#define LONGEST_SLEEP_S 0.1

static enum cnn_status map(struct cnn_segment_map *out, int descriptor, const char *name, size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (memory == MAP_FAILED)
        return cnn_fail(CNN_ERR_IO, "shared memory %s: cannot map %zu bytes: %s", name, bytes,
                        strerror(errno));
    *out = (struct cnn_segment_map){memory, bytes};
    return CNN_OK;
}

static enum cnn_status reserve(int descriptor, const char *name, size_t bytes) {
    int error = posix_fallocate(descriptor, 0, (off_t)bytes);
    if (error)
        return cnn_fail(CNN_ERR_IO, "shared memory %s: cannot reserve %zu bytes: %s", name, bytes,
                        strerror(error));
    return CNN_OK;
}

enum cnn_status cnn_segment_make(struct cnn_segment_map *out, char name[CNN_SEGMENT_NAME_BYTES],
                                 size_t bytes) {
    static atomic_uint made;
    int descriptor = -1;
    for (int tries = 0; tries < 100 && descriptor < 0; tries++) {
        snprintf(name, CNN_SEGMENT_NAME_BYTES, "/cnn_dist-%ld-%u-%u", (long)getpid(),
                 atomic_fetch_add(&made, 1), (unsigned)(cnn_clock_s() * 1e6));
        descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (descriptor < 0 && errno != EEXIST)
            break;
    }
    if (descriptor < 0)
        return cnn_fail(CNN_ERR_IO, "shared memory %s: cannot create: %s", name, strerror(errno));
    enum cnn_status status = reserve(descriptor, name, bytes);
    if (status == CNN_OK)
        status = map(out, descriptor, name, bytes);
    close(descriptor);
    if (status != CNN_OK)
        shm_unlink(name);
    return status;
}

enum cnn_status cnn_segment_open(struct cnn_segment_map *out, const char *name, size_t bytes) {
    int descriptor = shm_open(name, O_RDWR, 0);
    if (descriptor < 0)
        return cnn_fail(CNN_ERR_IO, "shared memory %s: cannot open: %s", name, strerror(errno));
    enum cnn_status status = map(out, descriptor, name, bytes);
    close(descriptor);
    return status;
}

void cnn_segment_unlink(const char *name) { shm_unlink(name); }

void cnn_segment_close(struct cnn_segment_map *segment) {
    if (segment->memory)
        munmap(segment->memory, segment->bytes);
    *segment = (struct cnn_segment_map){0};
}

void cnn_counter_post(struct cnn_counter *counter, uint32_t value) {
    atomic_store(&counter->value, value);
    syscall(SYS_futex, &counter->value, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static bool reached(uint32_t seen, uint32_t value) { return (int32_t)(seen - value) >= 0; }

bool cnn_counter_wait(struct cnn_counter *counter, uint32_t value, const struct cnn_patience *patience) {
    for (int i = 0; i < LOOKS_BEFORE_SLEEP; i++)
        if (reached(atomic_load(&counter->value), value))
            return true;
    for (;;) {
        uint32_t seen = atomic_load(&counter->value);
        if (reached(seen, value))
            return true;
        double left = patience->deadline_s - cnn_clock_s();
        if (left <= 0 || cnn_patience_is_over(patience))
            return false;
        struct timespec sleep = {0, (long)(1e9 * (left < LONGEST_SLEEP_S ? left : LONGEST_SLEEP_S))};
        syscall(SYS_futex, &counter->value, FUTEX_WAIT, seen, &sleep, NULL,
                0); // returns at once where it changed
    }
}
