// Private to watchdog.c and watchdog_judge.c: what the watchdog knows.
#ifndef CNN_COMM_WATCHDOG_STATE_H
#define CNN_COMM_WATCHDOG_STATE_H
#include "base/error.h"
#include "comm/heartbeat.h"
#include "comm/watchdog.h"

#include <pthread.h>

struct cnn_watchdog_wait {
    bool runs, blocking;
    double since_s, limit_s;
    int expected;
};

struct cnn_watchdog {
    struct cnn_comm *comm;
    pthread_t thread;
    atomic_bool over;

    pthread_mutex_t lock; // guards what follows
    pthread_cond_t changed;
    bool stop, leaving, taken, told;
    int leaving_code; // of MPI_Finalize that takes too long
    bool aborting;
    int abort_code;
    double timeout_s;
    struct cnn_watchdog_wait waits[CNN_N_WAITS];
    enum cnn_stage stage;
    int64_t step;
    const char *task;
    double task_s, active_s; // since when
    struct cnn_error why;
    double over_s; // since when
    struct cnn_comm_listener listener;
    struct cnn_heartbeat *joined_heartbeat; // for the thread to take over, with the signs
    struct cnn_rank_sign *joined_signs;
    bool alone;                // the thread has given its heartbeat up
    _Atomic double shortest_s; // the shortest limit so far

    // The thread's own.
    struct cnn_heartbeat *heartbeat; // NULL: no signs of life
    struct cnn_rank_sign *signs;     // rank 0: of all ranks; the others: [0] rank 0's
    double least_period_s;           // so that rank 0 can read what all send
    double sent_s, noticed_s, stop_asked_s;
    double looked_s; // the last time; 0: never
    bool listener_knows;
    int rank;
};

// ---- watchdog_judge.c, for the watchdog's thread

// Takes what arrived.
void cnn_watchdog_receive(struct cnn_watchdog *watchdog, double now_s);
// Sends this rank's sign where it is due, or that the job is over.
void cnn_watchdog_send(struct cnn_watchdog *watchdog, const struct cnn_rank_sign *mine, double now_s);
void cnn_watchdog_send_beat(const struct cnn_comm *comm, struct cnn_heartbeat *heartbeat,
                            const struct cnn_beat *beat);
bool cnn_watchdog_hears_rank_0(const struct cnn_watchdog *watchdog, double now_s);
double cnn_watchdog_period_s(const struct cnn_watchdog *watchdog);
// Says whom the ranks wait for, and ends the job when that takes too long.
void cnn_watchdog_judge(struct cnn_watchdog *watchdog, const struct cnn_rank_sign *mine, double now_s);

// ---- watchdog.c

// Keeps the first reason only. `told`: another rank says it.
void cnn_watchdog_end_job(struct cnn_watchdog *watchdog, const char *reason, bool told);
_Noreturn void cnn_watchdog_exit(struct cnn_watchdog *watchdog, int code);
void cnn_watchdog_tell_listener(struct cnn_watchdog *watchdog, const char *message);

#endif
