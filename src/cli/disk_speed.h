// How fast a folder's disk takes and gives bytes, tried with a file that has no name and so cannot stay
// behind.
#ifndef CNN_CLI_DISK_SPEED_H
#define CNN_CLI_DISK_SPEED_H
#include <cnn_dist/status.h>

#define CNN_DISK_TRIAL_BYTES ((size_t)64 << 20)

struct cnn_disk_space {
    double free_bytes, total_bytes; // free: for this user
};
enum cnn_status cnn_disk_space(struct cnn_disk_space *out, const char *folder) CNN_MUST_CHECK;

struct cnn_disk_speed {
    double write_bytes_per_s; // until it is on the disk (fsync)
    double read_bytes_per_s;  // after the system was asked to forget it
    double fsync_s;           // of a small file, median
};
// Writes and reads CNN_DISK_TRIAL_BYTES, fewer on a disk that needs many seconds for them.
enum cnn_status cnn_disk_try(struct cnn_disk_speed *out, const char *folder) CNN_MUST_CHECK;

#endif
