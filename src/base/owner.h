// One folder, one process that writes to it. The owner keeps a small text file in the folder and renews a
// counter in it (its heartbeat); others read from it who the owner is and whether it is alive. Locks of the
// file system are not enough: on network file systems those of one host are often invisible on another.
// Environment, for tests: CNN_OWNER_BEAT_S, seconds between heartbeats (1).
#ifndef CNN_BASE_OWNER_H
#define CNN_BASE_OWNER_H
#include <cnn_dist/status.h>
#include <stdbool.h>

struct cnn_owner_options {
    const char *folder; // exists
    const char *name;   // of the file in it, "owner"
    const char *what;   // for messages: "run folder"
    const char *advice; // what to do when somebody else is the owner: "choose another run.name"
};

// Becomes the owner of the folder. Of several processes that try at the same moment exactly one succeeds.
// CNN_ERR_INPUT where another process is the owner, with its host, process, job and last sign of life. An
// owner is replaced at once when its process no longer exists on this machine, and otherwise when its counter
// stands still for thirty heartbeats, measured with this process's own clock: those of two hosts may differ.
// Not collective.
struct cnn_owner;
enum cnn_status cnn_owner_take(struct cnn_owner **out,
                               const struct cnn_owner_options *options) CNN_MUST_CHECK;
// Removes the file, if this process is still the owner. Accepts NULL.
void cnn_owner_release(struct cnn_owner *owner);
// Whom it was taken over from and why, one line for the log; NULL where there was no earlier owner.
const char *cnn_owner_taken_from(const struct cnn_owner *owner);

// Whether this process still is the owner: CNN_ERR_FAILED names the process that took over, as happens to one
// that was suspended. After that nothing more may be written. CNN_ERR_IO where the file cannot be read. NULL
// is CNN_OK. Thread-safe.
enum cnn_status cnn_owner_check(const struct cnn_owner *owner) CNN_MUST_CHECK;
// The same without a message.
bool cnn_owner_holds(const struct cnn_owner *owner);
// cnn_owner_check for the owner of the folder that `path` lies in, CNN_OK where this process owns none.
// cnn_file_writer_commit calls it before it renames.
enum cnn_status cnn_owner_check_path(const char *path) CNN_MUST_CHECK;

#endif
