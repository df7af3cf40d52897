// Private to comm/: which rank holds the others up, found from the last sign of life of every rank. Pure.
#ifndef CNN_COMM_LATE_H
#define CNN_COMM_LATE_H
#include <stdbool.h>
#include <stddef.h>

#define CNN_STAGE_BYTES 64
#define CNN_HOST_BYTES 64

// What a rank last said about itself. Durations in seconds, negative where they do not apply.
struct cnn_rank_sign {
    double heard_s;  // when it was received, by the receiver's clock; negative: never
    double waits_s;  // how long it had been waiting for other ranks
    double limit_s;  // how long that wait may take
    double busy_s;   // how long it had been busy with something that may take long
    double active_s; // how long it had been neither waiting nor busy, in the same stage
    int waits_for;   // the rank whose message it lacks; -1: not known
    char host[CNN_HOST_BYTES];
    char stage[CNN_STAGE_BYTES]; // of its wait where it waits: "step 12"
    char task[CNN_STAGE_BYTES];  // what it is busy with: "saving a checkpoint"
};

enum cnn_late_kind {
    CNN_LATE_NOBODY,
    CNN_LATE_SILENT,    // no sign of life: stopped, lost or cut off
    CNN_LATE_ACTIVE,    // alive, computes or reads, and has not come
    CNN_LATE_BUSY,      // alive and said that it is busy
    CNN_LATE_UNREACHED, // alive and waiting, like all others: its messages do not arrive
};
struct cnn_late {
    enum cnn_late_kind kind;
    int rank;       // the one to name
    int others;     // further ranks of the same kind
    double since_s; // for how long it has been late in this way
};

// The rank that waits longest, of those that are not silent; -1: none. *waits_s: for how long by now.
int cnn_late_waiter(const struct cnn_rank_sign *signs, int size, double now_s, double silent_s,
                    double *waits_s);
// Whom that rank waits for in the end. A rank is silent after silent_s. Ranks that are silent come before
// those that are active, those before busy ones; of each kind the one that is so for longest.
struct cnn_late cnn_late_find(const struct cnn_rank_sign *signs, int size, int waiter, double now_s,
                              double silent_s);
// How often the limit applies: busy ranks get more time.
#define CNN_LATE_BUSY_LIMITS 10
// Whether the job must be ended: the wait has taken its limit, and the late rank has been late for as long.
bool cnn_late_is_over(const struct cnn_late *late, double waits_s, double limit_s);

// One line each. The late rank's sign may be NULL where nothing is known of it.
// `by_itself`: the rank that waits says so. "waiting 60 s for rank 37 on node12, in evaluation"
void cnn_late_notice(char *out, size_t bytes, const struct cnn_late *late,
                     const struct cnn_rank_sign *of_late, int waiter, const struct cnn_rank_sign *of_waiter,
                     double waits_s, bool by_itself);
// "rank 0 on node1 waited 600 s for rank 37 on node12, in evaluation; ..."
void cnn_late_reason(char *out, size_t bytes, const struct cnn_late *late,
                     const struct cnn_rank_sign *of_late, int waiter, const struct cnn_rank_sign *of_waiter,
                     double waits_s);

#endif
