#include "comm/watchdog.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "comm/heartbeat.h"
#include "comm/siblings.h"
#include "comm/table.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOKS_PER_S 10     // at what arrived
#define SIGNS_PER_LIMIT 80 // that are sent while a limit runs out
#define SIGNS_TO_SILENCE 4 // missing ones
#define LEAST_SILENCE_S 0.5
#define TELL_S 0.2         // signs are sent for so long before the job is ended
#define FIRST_END_S 1.0    // after so long the listener learns of an end that the main thread has not noticed
#define FORCED_END_S 5.0   // ... and the process ends without it
#define ORDERLY_END_S 60.0 // so long may the main thread take to end the process once it knows
#define ABORT_S 5.0        // so long may MPI_Abort take
#define BLIND_EXTRA_S 1.0
#define STUCK_STOP_S 0.4 // launchers give a process 1 s between SIGTERM and SIGKILL

struct wait {
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
    struct wait waits[CNN_N_WAITS];
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
    double sent_s, noticed_s, stop_asked_s;
    bool listener_knows;
    int rank;
};

static const char *const stage_words[] = {
    [CNN_STAGE_START_UP] = "start-up",
    [CNN_STAGE_COMMAND] = "command",
    [CNN_STAGE_STEP] = "step",
    [CNN_STAGE_SYNC_BATCH_NORM] = "sync batch norm",
    [CNN_STAGE_EVALUATION] = "evaluation",
    [CNN_STAGE_SAVING] = "saving",
    [CNN_STAGE_END] = "end",
};

// ---- what this rank does

static double now_unless(bool is, double since_s, double now_s) { return is ? now_s - since_s : -1; }

static void name_stage(const struct cnn_watchdog *watchdog, bool exchanges, char out[CNN_STAGE_BYTES]) {
    const char *word = exchanges ? "exchange" : stage_words[watchdog->stage];
    if (watchdog->step < 0 || (!exchanges && watchdog->stage > CNN_STAGE_SYNC_BATCH_NORM))
        snprintf(out, CNN_STAGE_BYTES, "%s", word);
    else if (watchdog->stage == CNN_STAGE_STEP && !exchanges)
        snprintf(out, CNN_STAGE_BYTES, "step %lld", (long long)watchdog->step);
    else
        snprintf(out, CNN_STAGE_BYTES, "%s of step %lld", word, (long long)watchdog->step);
}

// The wait that has taken longest; NULL: none.
static const struct wait *longest_wait(const struct cnn_watchdog *watchdog) {
    const struct wait *longest = NULL;
    for (int i = 0; i < CNN_N_WAITS; i++)
        if (watchdog->waits[i].runs && (!longest || watchdog->waits[i].since_s < longest->since_s))
            longest = &watchdog->waits[i];
    return longest;
}

// With the lock held.
static void describe(const struct cnn_watchdog *watchdog, struct cnn_rank_sign *out, double now_s) {
    const struct wait *wait = longest_wait(watchdog);
    *out = (struct cnn_rank_sign){
        .heard_s = now_s,
        .waits_s = now_unless(wait, wait ? wait->since_s : 0, now_s),
        .limit_s = wait ? wait->limit_s : 0,
        .busy_s = now_unless(watchdog->task, watchdog->task_s, now_s),
        .active_s = now_s - watchdog->active_s,
        .waits_for = wait ? wait->expected : -1,
    };
    snprintf(out->host, sizeof out->host, "%.*s", CNN_HOST_BYTES - 1, watchdog->comm->host);
    name_stage(watchdog, wait == &watchdog->waits[CNN_WAIT_EXCHANGE], out->stage);
    snprintf(out->task, sizeof out->task, "%s", watchdog->task ? watchdog->task : "");
}

// ---- the end of the job

// Keeps the first reason only.
static void end_job(struct cnn_watchdog *watchdog, const char *reason, bool told) {
    pthread_mutex_lock(&watchdog->lock);
    if (!atomic_load(&watchdog->over)) {
        (void)!cnn_fail(CNN_ERR_COMM, "%s", reason);
        cnn_error_take(&watchdog->why, CNN_ERR_COMM);
        watchdog->told = told;
        watchdog->over_s = cnn_clock_s();
        atomic_store(&watchdog->comm->broken, true);
        atomic_store(&watchdog->over, true);
    }
    pthread_mutex_unlock(&watchdog->lock);
}

static void *exit_late(void *code) {
    const struct timespec patience = {(time_t)ABORT_S, 0};
    nanosleep(&patience, NULL);
    _exit((int)(intptr_t)code);
}

// MPI_Abort may wait for a launcher that is cut off.
static _Noreturn void exit_now(struct cnn_watchdog *watchdog, int code) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, exit_late, (void *)(intptr_t)code) == 0)
        watchdog->comm->ops->abort(watchdog->comm, code);
    _exit(code);
}

static void tell_listener(struct cnn_watchdog *watchdog, const char *message) {
    pthread_mutex_lock(&watchdog->lock);
    const struct cnn_comm_listener listener = watchdog->listener;
    if (listener.lost)
        listener.lost(listener.context, message);
    pthread_mutex_unlock(&watchdog->lock);
}

static bool hears_rank_0(const struct cnn_watchdog *watchdog, double now_s);

// What is left to do once the job is over: the main thread ends the process, or else this one does. Rank 0
// ends the job, so the others give it time for that, as long as they hear of it.
static void wind_up(struct cnn_watchdog *watchdog, double now_s) {
    pthread_mutex_lock(&watchdog->lock);
    const double over_s = now_s - watchdog->over_s;
    const bool taken = watchdog->taken, aborting = watchdog->aborting;
    const struct wait *wait = longest_wait(watchdog);
    const bool blocked = wait && wait->blocking;
    const int code = aborting ? watchdog->abort_code : 1;
    const double orderly_s =
        watchdog->task ? CNN_LATE_BUSY_LIMITS * watchdog->timeout_s + ORDERLY_END_S : ORDERLY_END_S;
    pthread_mutex_unlock(&watchdog->lock);
    const bool late = over_s > (taken ? orderly_s : blocked ? TELL_S : FORCED_END_S);
    if (!taken && !watchdog->listener_knows && (over_s > FIRST_END_S || late)) {
        tell_listener(watchdog, watchdog->why.message);
        watchdog->listener_knows = true;
    }
    if ((!aborting && !late) || over_s < TELL_S)
        return;
    if (watchdog->rank > 0 && hears_rank_0(watchdog, now_s) &&
        over_s < CNN_LATE_BUSY_LIMITS * watchdog->timeout_s + 2 * ORDERLY_END_S)
        return;
    if (!taken && !watchdog->told)
        cnn_log(CNN_LOG_ERROR, "%s", watchdog->why.message);
    exit_now(watchdog, code);
}

// ---- signs of life

static double period_s(const struct cnn_watchdog *watchdog) {
    return fmin(1, fmax(0.05, watchdog->shortest_s / SIGNS_PER_LIMIT));
}

static double silence_s(const struct cnn_watchdog *watchdog) {
    return fmax(LEAST_SILENCE_S, SIGNS_TO_SILENCE * period_s(watchdog));
}

static bool hears_rank_0(const struct cnn_watchdog *watchdog, double now_s) {
    const double heard_s = watchdog->signs ? watchdog->signs[0].heard_s : -1;
    return watchdog->heartbeat && heard_s >= 0 && now_s - heard_s < 2 * silence_s(watchdog);
}

static void receive(struct cnn_watchdog *watchdog, double now_s) {
    struct cnn_beat beat;
    int from;
    while (cnn_heartbeat_next(watchdog->heartbeat, &beat, &from)) {
        struct cnn_rank_sign *sign = &watchdog->signs[watchdog->rank == 0 ? from : 0];
        *sign = beat.sign;
        sign->heard_s = now_s;
        if (beat.kind == CNN_BEAT_END)
            end_job(watchdog, beat.text, true);
    }
}

// Rank 0 to all, the others to rank 0.
static void send_beat(const struct cnn_comm *comm, struct cnn_heartbeat *heartbeat,
                      const struct cnn_beat *beat) {
    if (comm->rank != 0)
        cnn_heartbeat_send(heartbeat, 0, beat);
    for (int rank = 1; comm->rank == 0 && rank < comm->size; rank++)
        cnn_heartbeat_send(heartbeat, rank, beat);
}

static void send(struct cnn_watchdog *watchdog, const struct cnn_rank_sign *mine) {
    struct cnn_beat beat = {.kind = CNN_BEAT_ALIVE, .sign = *mine};
    if (atomic_load(&watchdog->over)) {
        beat.kind = CNN_BEAT_END;
        snprintf(beat.text, sizeof beat.text, "%s", watchdog->why.message);
    }
    send_beat(watchdog->comm, watchdog->heartbeat, &beat);
}

// ---- judging

struct judged {
    struct cnn_late late;
    const struct cnn_rank_sign *of_late, *of_waiter;
    int waiter;
    double waits_s, limit_s;
};

// Where rank 0 is silent, the lowest rank of each host speaks that is not rank 0.
static bool is_speaker(const struct cnn_watchdog *watchdog, const struct judged *judged) {
    const struct cnn_comm *comm = watchdog->comm;
    if (!watchdog->heartbeat || watchdog->rank == 0)
        return true;
    const bool shares_host =
        judged->of_late && strncmp(judged->of_late->host, comm->host, CNN_HOST_BYTES - 1) == 0;
    return comm->local_rank == (shares_host ? 1 : 0);
}

// The first time after a tenth of the limit, then more and more seldom.
static void notice(struct cnn_watchdog *watchdog, const struct judged *judged) {
    char text[512];
    const double first_s = fmax(judged->limit_s / 10, silence_s(watchdog));
    if (judged->waits_s < watchdog->noticed_s)
        watchdog->noticed_s = 0;
    if (judged->waits_s < fmax(first_s, 3 * watchdog->noticed_s))
        return;
    cnn_late_notice(text, sizeof text, &judged->late, judged->of_late, judged->waiter, judged->of_waiter,
                    judged->waits_s, judged->waiter == watchdog->rank);
    if (is_speaker(watchdog, judged))
        cnn_log_warn("%s", text);
    watchdog->noticed_s = judged->waits_s;
}

// A rank that was asked to stop and waits may have little time: the launcher ends ranks so when another one
// died.
static void notice_stop(struct cnn_watchdog *watchdog, const struct cnn_comm_listener *listener,
                        const struct judged *judged, double now_s) {
    char text[512], message[600];
    const char *reason = listener->asked_to_stop ? listener->asked_to_stop(listener->context) : NULL;
    if (!reason) {
        watchdog->stop_asked_s = -1;
        return;
    }
    if (watchdog->stop_asked_s < 0)
        watchdog->stop_asked_s = now_s;
    if (watchdog->listener_knows || judged->waits_s < STUCK_STOP_S ||
        now_s - watchdog->stop_asked_s < STUCK_STOP_S)
        return;
    cnn_late_notice(text, sizeof text, &judged->late, judged->of_late, judged->waiter, judged->of_waiter,
                    judged->waits_s, true);
    snprintf(message, sizeof message, "%s while %s", reason, text);
    tell_listener(watchdog, message);
    watchdog->listener_knows = true;
}

// With all signs of life, as on rank 0; false: nobody waits.
static bool judge_all(const struct cnn_watchdog *watchdog, struct judged *out, double now_s) {
    const struct cnn_rank_sign *signs = watchdog->signs;
    out->waiter = cnn_late_waiter(signs, watchdog->comm->size, now_s, silence_s(watchdog), &out->waits_s);
    if (out->waiter < 0)
        return false;
    out->of_waiter = &signs[out->waiter];
    out->limit_s = out->of_waiter->limit_s;
    out->late = cnn_late_find(signs, watchdog->comm->size, out->waiter, now_s, silence_s(watchdog));
    out->of_late = out->late.rank < 0 ? NULL : &signs[out->late.rank];
    return true;
}

// A rank that MPI_Init waits for cannot say anything yet. A rank that sees it on its own host speaks before
// those that do not.
static void look_at_siblings(struct judged *out, const struct cnn_rank_sign *mine) {
    const bool is_due = out->waits_s > out->limit_s / 10;
    const int stopped = is_due ? cnn_siblings_find_stopped(getenv("PMIX_NAMESPACE")) : -1;
    if (stopped >= 0) {
        out->late = (struct cnn_late){CNN_LATE_SILENT, stopped, 0, INFINITY};
        out->of_late = mine; // of the same host
    } else {
        out->limit_s += BLIND_EXTRA_S;
    }
}

// With none but this rank's own and rank 0's, if any. Rank 0 is silent, or there are no signs of life.
static void judge_alone(const struct cnn_watchdog *watchdog, struct judged *out,
                        const struct cnn_rank_sign *mine, double now_s) {
    *out = (struct judged){
        .late = {CNN_LATE_NOBODY, mine->waits_for, 0, mine->waits_s},
        .of_waiter = mine,
        .waiter = watchdog->rank,
        .waits_s = mine->waits_s,
        .limit_s = mine->limit_s,
    };
    if (!watchdog->heartbeat) {
        look_at_siblings(out, mine);
        return;
    }
    const double heard_s = watchdog->signs[0].heard_s;
    out->late = (struct cnn_late){CNN_LATE_SILENT, 0, 0, heard_s < 0 ? INFINITY : now_s - heard_s};
    out->of_late = &watchdog->signs[0];
    out->limit_s += SIGNS_TO_SILENCE * period_s(watchdog); // what rank 0 says comes first
}

static bool find_late(const struct cnn_watchdog *watchdog, struct judged *out,
                      const struct cnn_rank_sign *mine, double now_s) {
    if (watchdog->heartbeat && watchdog->rank == 0)
        return judge_all(watchdog, out, now_s);
    if (mine->waits_s < 0 || (watchdog->heartbeat && hears_rank_0(watchdog, now_s)))
        return false;
    judge_alone(watchdog, out, mine, now_s);
    return true;
}

static void judge(struct cnn_watchdog *watchdog, const struct cnn_rank_sign *mine, double now_s) {
    struct judged judged;
    char reason[1024];
    pthread_mutex_lock(&watchdog->lock);
    const struct cnn_comm_listener listener = watchdog->listener;
    const bool leaving = watchdog->leaving;
    pthread_mutex_unlock(&watchdog->lock);
    if (!find_late(watchdog, &judged, mine, now_s)) {
        watchdog->noticed_s = 0;
        watchdog->listener_knows = false;
        return;
    }
    notice_stop(watchdog, &listener, &judged, now_s);
    if (!cnn_late_is_over(&judged.late, judged.waits_s, judged.limit_s)) {
        notice(watchdog, &judged);
        return;
    }
    cnn_late_reason(reason, sizeof reason, &judged.late, judged.of_late, judged.waiter, judged.of_waiter,
                    judged.waits_s);
    if (leaving) { // everything is done and written
        cnn_log_warn("%s; leaving without them", reason);
        exit_now(watchdog, watchdog->leaving_code);
    }
    end_job(watchdog, reason, false);
}

// ---- the thread

// With the lock held.
static void change_heartbeat(struct cnn_watchdog *watchdog) {
    if (watchdog->joined_heartbeat) {
        watchdog->heartbeat = watchdog->joined_heartbeat;
        watchdog->signs = watchdog->joined_signs;
        watchdog->joined_heartbeat = NULL;
        watchdog->rank = watchdog->comm->rank;
    }
    if (!watchdog->leaving || watchdog->alone)
        return;
    cnn_heartbeat_destroy(watchdog->heartbeat);
    watchdog->heartbeat = NULL;
    watchdog->alone = true;
    pthread_cond_broadcast(&watchdog->changed);
}

static void look(struct cnn_watchdog *watchdog) {
    struct cnn_rank_sign mine;
    const double now_s = cnn_clock_s();
    pthread_mutex_lock(&watchdog->lock);
    change_heartbeat(watchdog);
    describe(watchdog, &mine, now_s);
    pthread_mutex_unlock(&watchdog->lock);
    if (watchdog->heartbeat) {
        receive(watchdog, now_s);
        if (watchdog->rank == 0)
            watchdog->signs[0] = mine;
    }
    if (atomic_load(&watchdog->over))
        wind_up(watchdog, now_s);
    else
        judge(watchdog, &mine, now_s);
    if (watchdog->heartbeat &&
        (now_s - watchdog->sent_s >= period_s(watchdog) || atomic_load(&watchdog->over))) {
        send(watchdog, &mine);
        watchdog->sent_s = now_s;
    }
}

static void *run(void *context) {
    struct cnn_watchdog *watchdog = context;
    pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->stop) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        const double pause_s = fmin(1.0 / LOOKS_PER_S, period_s(watchdog));
        until.tv_nsec += (long)(1e9 * pause_s);
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&watchdog->changed, &watchdog->lock, &until);
        if (watchdog->stop)
            break;
        pthread_mutex_unlock(&watchdog->lock);
        look(watchdog);
        pthread_mutex_lock(&watchdog->lock);
    }
    pthread_mutex_unlock(&watchdog->lock);
    return NULL;
}

static enum cnn_status start_thread(struct cnn_watchdog *watchdog) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); // signals are for the main thread
    const int error = pthread_create(&watchdog->thread, NULL, run, watchdog);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return cnn_fail(CNN_ERR_MEMORY, "cannot start the watchdog's thread: %s", strerror(error));
    pthread_setname_np(watchdog->thread, "cnn-watchdog");
    return CNN_OK;
}

// ---- making one

#define DEFAULT_LIMIT_S 600.0

// Before the config says comm.timeout_s.
static double first_limit(void) {
    const char *text = getenv("CNN_COMM_TIMEOUT_S");
    const double limit_s = text ? strtod(text, NULL) : 0;
    return limit_s > 0 ? limit_s : DEFAULT_LIMIT_S;
}

static void init_lock(struct cnn_watchdog *watchdog) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&watchdog->lock, NULL);
    pthread_cond_init(&watchdog->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

enum cnn_status cnn_watchdog_create(struct cnn_watchdog **out, struct cnn_comm *comm, int rank) {
    struct cnn_watchdog *watchdog;
    CNN_TRY(cnn_calloc(&watchdog, 1, sizeof *watchdog));
    watchdog->comm = comm;
    watchdog->rank = rank;
    watchdog->step = -1;
    watchdog->active_s = cnn_clock_s();
    watchdog->stop_asked_s = -1;
    watchdog->timeout_s = watchdog->shortest_s = first_limit();
    init_lock(watchdog);
    const enum cnn_status status = start_thread(watchdog);
    if (status != CNN_OK) {
        free(watchdog);
        return status;
    }
    *out = watchdog;
    return CNN_OK;
}

enum cnn_status cnn_watchdog_join(struct cnn_watchdog *watchdog) {
    const struct cnn_comm *comm = watchdog->comm;
    struct cnn_heartbeat *heartbeat = NULL;
    struct cnn_rank_sign *signs = NULL;
    if (!comm->threads || comm->size == 1)
        return CNN_OK;
    CNN_TRY(cnn_calloc(&signs, comm->rank == 0 ? (size_t)comm->size : 1, sizeof *signs));
    const enum cnn_status status = cnn_heartbeat_create(&heartbeat, comm->rank, comm->size);
    if (status != CNN_OK) {
        free(signs);
        return status;
    }
    for (int rank = 0; rank < (comm->rank == 0 ? comm->size : 1); rank++)
        signs[rank] = (struct cnn_rank_sign){.heard_s = -1, .waits_s = -1, .busy_s = -1, .waits_for = -1};
    struct cnn_beat first = {.kind = CNN_BEAT_ALIVE}; // at once, so that every host is known
    pthread_mutex_lock(&watchdog->lock);
    describe(watchdog, &first.sign, cnn_clock_s());
    send_beat(comm, heartbeat, &first);
    watchdog->joined_heartbeat = heartbeat;
    watchdog->joined_signs = signs;
    pthread_mutex_unlock(&watchdog->lock);
    return CNN_OK;
}

void cnn_watchdog_leave(struct cnn_watchdog *watchdog, int exit_code) {
    pthread_mutex_lock(&watchdog->lock);
    watchdog->leaving = true;
    watchdog->leaving_code = exit_code;
    pthread_cond_broadcast(&watchdog->changed);
    while (!watchdog->alone)
        pthread_cond_wait(&watchdog->changed, &watchdog->lock);
    pthread_mutex_unlock(&watchdog->lock);
}

void cnn_watchdog_destroy(struct cnn_watchdog *watchdog) {
    if (!watchdog)
        return;
    pthread_mutex_lock(&watchdog->lock);
    watchdog->stop = true;
    pthread_cond_broadcast(&watchdog->changed);
    pthread_mutex_unlock(&watchdog->lock);
    pthread_join(watchdog->thread, NULL);
    pthread_cond_destroy(&watchdog->changed);
    pthread_mutex_destroy(&watchdog->lock);
    free(watchdog->signs);
    free(watchdog);
}

// ---- what the other threads say

void cnn_watchdog_set_timeout(struct cnn_watchdog *watchdog, double timeout_s) {
    pthread_mutex_lock(&watchdog->lock);
    watchdog->timeout_s = watchdog->shortest_s = timeout_s;
    pthread_cond_broadcast(&watchdog->changed);
    pthread_mutex_unlock(&watchdog->lock);
}

void cnn_watchdog_set_stage(struct cnn_watchdog *watchdog, enum cnn_stage stage, int64_t step) {
    pthread_mutex_lock(&watchdog->lock);
    watchdog->stage = stage;
    watchdog->step = step;
    watchdog->active_s = cnn_clock_s();
    pthread_mutex_unlock(&watchdog->lock);
}

void cnn_watchdog_set_task(struct cnn_watchdog *watchdog, const char *task) {
    pthread_mutex_lock(&watchdog->lock);
    watchdog->task = task;
    watchdog->task_s = watchdog->active_s = cnn_clock_s();
    pthread_mutex_unlock(&watchdog->lock);
}

void cnn_watchdog_set_listener(struct cnn_watchdog *watchdog, const struct cnn_comm_listener *listener) {
    pthread_mutex_lock(&watchdog->lock);
    watchdog->listener = listener ? *listener : (struct cnn_comm_listener){0};
    pthread_mutex_unlock(&watchdog->lock);
}

void cnn_watchdog_begin(struct cnn_watchdog *watchdog, enum cnn_wait wait, double limit_s, bool blocking) {
    pthread_mutex_lock(&watchdog->lock);
    const double limit = limit_s > 0 ? limit_s : watchdog->timeout_s;
    watchdog->waits[wait] = (struct wait){true, blocking, cnn_clock_s(), limit, -1};
    if (limit < watchdog->shortest_s) {
        watchdog->shortest_s = limit;
        pthread_cond_broadcast(&watchdog->changed);
    }
    pthread_mutex_unlock(&watchdog->lock);
}

void cnn_watchdog_expect(struct cnn_watchdog *watchdog, enum cnn_wait wait, int rank) {
    pthread_mutex_lock(&watchdog->lock);
    watchdog->waits[wait].expected = rank;
    pthread_mutex_unlock(&watchdog->lock);
}

void cnn_watchdog_end(struct cnn_watchdog *watchdog, enum cnn_wait wait) {
    pthread_mutex_lock(&watchdog->lock);
    watchdog->waits[wait].runs = false;
    watchdog->active_s = cnn_clock_s();
    pthread_mutex_unlock(&watchdog->lock);
}

bool cnn_watchdog_is_over(const struct cnn_watchdog *watchdog) { return atomic_load(&watchdog->over); }

enum cnn_status cnn_watchdog_give(struct cnn_watchdog *watchdog) {
    pthread_mutex_lock(&watchdog->lock);
    watchdog->taken = true;
    const enum cnn_status status = cnn_error_give(&watchdog->why);
    pthread_mutex_unlock(&watchdog->lock);
    return status;
}

bool cnn_watchdog_was_told(struct cnn_watchdog *watchdog) {
    pthread_mutex_lock(&watchdog->lock);
    const bool told = atomic_load(&watchdog->over) && watchdog->told;
    pthread_mutex_unlock(&watchdog->lock);
    return told;
}

_Noreturn void cnn_watchdog_abort(struct cnn_watchdog *watchdog, const char *reason, int exit_code) {
    end_job(watchdog, reason, false);
    pthread_mutex_lock(&watchdog->lock);
    watchdog->taken = watchdog->aborting = true;
    watchdog->abort_code = exit_code;
    watchdog->task = NULL;
    pthread_cond_broadcast(&watchdog->changed);
    pthread_mutex_unlock(&watchdog->lock);
    for (;;)
        pause();
}
