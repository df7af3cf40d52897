#include "cli/disk_speed.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define BLOCK_BYTES ((size_t)4 << 20)
#define BLOCKS_PER_SYNC 4 // so that a slow disk is noticed before all lies in memory
#define PATIENCE_S 5.0
#define SMALL_BYTES 4096
#define SMALL_ROUNDS 5

static enum cnn_status fail_errno(const char *doing, const char *folder) {
    return cnn_fail(CNN_ERR_IO, "cannot %s in %s: %s", doing, folder, strerror(errno));
}

enum cnn_status cnn_disk_space(struct cnn_disk_space *out, const char *folder) {
    struct statvfs info;
    if (statvfs(folder, &info) != 0)
        return fail_errno("query the free space", folder);
    out->free_bytes = (double)info.f_bavail * (double)info.f_frsize;
    out->total_bytes = (double)info.f_blocks * (double)info.f_frsize;
    return CNN_OK;
}

// Its name is gone at once: what is left of it goes with the descriptor, however this process ends.
static enum cnn_status open_nameless(int *out, const char *folder) {
    char path[4096];
    CNN_TRY(cnn_path_format(path, sizeof path, "%s/.cnn_dist-doctor-XXXXXX", folder));
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return fail_errno("create a file", folder);
    unlink(path);
    *out = fd;
    return CNN_OK;
}

static enum cnn_status write_all(int fd, const char *folder, const char *data, size_t bytes) {
    for (size_t done = 0; done < bytes;) {
        ssize_t put = write(fd, data + done, bytes - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail_errno("write", folder);
        done += (size_t)put;
    }
    return CNN_OK;
}

static enum cnn_status sync_file(int fd, const char *folder) {
    return fsync(fd) == 0 ? CNN_OK : fail_errno("sync a file (fsync)", folder);
}

// *out_bytes: what came to lie on the disk.
static enum cnn_status try_writing(struct cnn_disk_speed *out, size_t *out_bytes, int fd, const char *folder,
                                   const char *block) {
    double start = cnn_clock_s(), seconds = 0;
    size_t bytes = 0;
    while (bytes < CNN_DISK_TRIAL_BYTES && seconds < PATIENCE_S) {
        for (int i = 0; i < BLOCKS_PER_SYNC; i++)
            CNN_TRY(write_all(fd, folder, block, BLOCK_BYTES));
        CNN_TRY(sync_file(fd, folder));
        bytes += BLOCKS_PER_SYNC * BLOCK_BYTES;
        seconds = cnn_clock_s() - start;
    }
    out->write_bytes_per_s = (double)bytes / seconds;
    *out_bytes = bytes;
    return CNN_OK;
}

static enum cnn_status try_reading(struct cnn_disk_speed *out, size_t bytes, int fd, const char *folder,
                                   char *block) {
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    double start = cnn_clock_s(), seconds = 0;
    size_t at = 0;
    for (; at < bytes && seconds < PATIENCE_S; at += BLOCK_BYTES) {
        CNN_TRY(cnn_file_pread(fd, folder, block, BLOCK_BYTES, at));
        seconds = cnn_clock_s() - start;
    }
    out->read_bytes_per_s = (double)at / seconds;
    return CNN_OK;
}

static enum cnn_status try_large(struct cnn_disk_speed *out, const char *folder, char *block) {
    int fd;
    size_t bytes = 0;
    CNN_TRY(open_nameless(&fd, folder));
    enum cnn_status status = try_writing(out, &bytes, fd, folder, block);
    if (status == CNN_OK)
        status = try_reading(out, bytes, fd, folder, block);
    close(fd);
    return status;
}

static enum cnn_status time_small(double *out_s, const char *folder, const char *block) {
    int fd;
    CNN_TRY(open_nameless(&fd, folder));
    double start = cnn_clock_s();
    enum cnn_status status = write_all(fd, folder, block, SMALL_BYTES);
    if (status == CNN_OK)
        status = sync_file(fd, folder);
    *out_s = cnn_clock_s() - start;
    close(fd);
    return status;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static enum cnn_status try_small(struct cnn_disk_speed *out, const char *folder, const char *block) {
    double seconds[SMALL_ROUNDS];
    for (int i = 0; i < SMALL_ROUNDS; i++)
        CNN_TRY(time_small(&seconds[i], folder, block));
    qsort(seconds, SMALL_ROUNDS, sizeof *seconds, ascending);
    out->fsync_s = seconds[SMALL_ROUNDS / 2];
    return CNN_OK;
}

// Bytes that no disk can make smaller.
static void draw(char *block) {
    struct cnn_draws draws = cnn_draws_of(1, CNN_PURPOSE_TEST, 0, 0);
    for (size_t i = 0; i < BLOCK_BYTES; i += 4) {
        uint32_t bits = cnn_draw_u32(&draws);
        memcpy(block + i, &bits, 4);
    }
}

enum cnn_status cnn_disk_try(struct cnn_disk_speed *out, const char *folder) {
    char *block;
    struct cnn_disk_speed speed = {0};
    CNN_TRY(cnn_malloc(&block, BLOCK_BYTES, 1));
    draw(block);
    enum cnn_status status = try_small(&speed, folder, block);
    if (status == CNN_OK)
        status = try_large(&speed, folder, block);
    free(block);
    if (status == CNN_OK)
        *out = speed;
    return status;
}
