#include "comm/watchdog.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "comm/table.h"
#include "comm/watchdog_state.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOKS_PER_S 10 // at what arrived
#define LEAST_PERIOD_S 0.05
#define MOST_SIGNS_PER_S 2000.0 // that rank 0 receives
#define FIRST_SIGN_S 2.0        // so long may the first sign of life be under way
#define SUSPENDED_S 2.0         // a thread that did not look for so long was suspended
#define TELL_S 0.2              // signs are sent for so long before the job is ended
#define FIRST_END_S 1.0    // after so long the listener learns of an end that the main thread has not noticed
#define FORCED_END_S 5.0   // ... and the process ends without it
#define ORDERLY_END_S 60.0 // so long may the main thread take to end the process once it knows
#define ABORT_S 5.0        // so long may MPI_Abort take

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
static const struct cnn_watchdog_wait *longest_wait(const struct cnn_watchdog *watchdog) {
    const struct cnn_watchdog_wait *longest = NULL;
    for (int i = 0; i < CNN_N_WAITS; i++)
        if (watchdog->waits[i].runs && (!longest || watchdog->waits[i].since_s < longest->since_s))
            longest = &watchdog->waits[i];
    return longest;
}

// With the lock held.
static void describe(const struct cnn_watchdog *watchdog, struct cnn_rank_sign *out, double now_s) {
    const struct cnn_watchdog_wait *wait = longest_wait(watchdog);
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

void cnn_watchdog_end_job(struct cnn_watchdog *watchdog, const char *reason, bool told) {
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
_Noreturn void cnn_watchdog_exit(struct cnn_watchdog *watchdog, int code) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, exit_late, (void *)(intptr_t)code) == 0)
        watchdog->comm->ops->abort(watchdog->comm, code);
    _exit(code);
}

void cnn_watchdog_tell_listener(struct cnn_watchdog *watchdog, const char *message) {
    pthread_mutex_lock(&watchdog->lock);
    const struct cnn_comm_listener listener = watchdog->listener;
    if (listener.lost)
        listener.lost(listener.context, message);
    pthread_mutex_unlock(&watchdog->lock);
}

// What is left to do once the job is over: the main thread ends the process, or else this one does. Rank 0
// ends the job, so the others give it time for that, as long as they hear of it.
static void wind_up(struct cnn_watchdog *watchdog, double now_s) {
    pthread_mutex_lock(&watchdog->lock);
    const double over_s = now_s - watchdog->over_s;
    const bool taken = watchdog->taken, aborting = watchdog->aborting;
    const struct cnn_watchdog_wait *wait = longest_wait(watchdog);
    const bool blocked = wait && wait->blocking;
    const int code = aborting ? watchdog->abort_code : 1;
    const double orderly_s =
        watchdog->task ? CNN_LATE_BUSY_LIMITS * watchdog->timeout_s + ORDERLY_END_S : ORDERLY_END_S;
    pthread_mutex_unlock(&watchdog->lock);
    const bool late = over_s > (taken ? orderly_s : blocked ? TELL_S : FORCED_END_S);
    if (!taken && !watchdog->listener_knows && (over_s > FIRST_END_S || late)) {
        cnn_watchdog_tell_listener(watchdog, watchdog->why.message);
        watchdog->listener_knows = true;
    }
    if ((!aborting && !late) || over_s < TELL_S)
        return;
    if (watchdog->rank > 0 && cnn_watchdog_hears_rank_0(watchdog, now_s) &&
        over_s < CNN_LATE_BUSY_LIMITS * watchdog->timeout_s + 2 * ORDERLY_END_S)
        return;
    if (!taken && !watchdog->told)
        cnn_log(CNN_LOG_ERROR, "%s", watchdog->why.message);
    cnn_watchdog_exit(watchdog, code);
}

// ---- the thread

// With the lock held.
static void change_heartbeat(struct cnn_watchdog *watchdog) {
    if (watchdog->joined_heartbeat) {
        watchdog->heartbeat = watchdog->joined_heartbeat;
        watchdog->signs = watchdog->joined_signs;
        watchdog->joined_heartbeat = NULL;
        watchdog->rank = watchdog->comm->rank;
        watchdog->least_period_s = fmax(LEAST_PERIOD_S, watchdog->comm->size / MOST_SIGNS_PER_S);
    }
    if (!watchdog->leaving || watchdog->alone)
        return;
    cnn_heartbeat_destroy(watchdog->heartbeat);
    watchdog->heartbeat = NULL;
    watchdog->alone = true;
    pthread_cond_broadcast(&watchdog->changed);
}

// A process that was suspended (a suspended job, SIGSTOP) did not wait meanwhile, and heard nothing. With the
// lock held.
static void skip_suspension(struct cnn_watchdog *watchdog, double now_s) {
    const double gap_s = watchdog->looked_s > 0 ? now_s - watchdog->looked_s : 0;
    watchdog->looked_s = now_s;
    if (gap_s < SUSPENDED_S)
        return;
    for (int i = 0; i < CNN_N_WAITS; i++)
        watchdog->waits[i].since_s = fmin(now_s, watchdog->waits[i].since_s + gap_s);
    watchdog->task_s = fmin(now_s, watchdog->task_s + gap_s);
    watchdog->active_s = fmin(now_s, watchdog->active_s + gap_s);
    const int n_signs = !watchdog->signs ? 0 : watchdog->rank == 0 ? watchdog->comm->size : 1;
    for (int i = 0; i < n_signs; i++)
        if (watchdog->signs[i].heard_s >= 0)
            watchdog->signs[i].heard_s += gap_s;
}

static void look(struct cnn_watchdog *watchdog) {
    struct cnn_rank_sign mine;
    const double now_s = cnn_clock_s();
    pthread_mutex_lock(&watchdog->lock);
    change_heartbeat(watchdog);
    skip_suspension(watchdog, now_s);
    describe(watchdog, &mine, now_s);
    pthread_mutex_unlock(&watchdog->lock);
    if (watchdog->heartbeat) {
        cnn_watchdog_receive(watchdog, now_s);
        if (watchdog->rank == 0)
            watchdog->signs[0] = mine;
    }
    if (atomic_load(&watchdog->over))
        wind_up(watchdog, now_s);
    else
        cnn_watchdog_judge(watchdog, &mine, now_s);
    if (watchdog->heartbeat)
        cnn_watchdog_send(watchdog, &mine, now_s);
}

static void *run(void *context) {
    struct cnn_watchdog *watchdog = context;
    pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->stop) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        const double pause_s = fmin(1.0 / LOOKS_PER_S, cnn_watchdog_period_s(watchdog));
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
    watchdog->least_period_s = LEAST_PERIOD_S;
    watchdog->active_s = cnn_clock_s();
    watchdog->stop_asked_s = INFINITY;
    watchdog->shortest_s = first_limit();
    watchdog->timeout_s = watchdog->shortest_s;
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
    pthread_mutex_unlock(&watchdog->lock);
    cnn_watchdog_send_beat(comm, heartbeat, &first);
    cnn_heartbeat_flush(heartbeat, FIRST_SIGN_S);
    pthread_mutex_lock(&watchdog->lock);
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
    watchdog->shortest_s = timeout_s;
    watchdog->timeout_s = watchdog->shortest_s;
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

void cnn_watchdog_renew_task(struct cnn_watchdog *watchdog) {
    pthread_mutex_lock(&watchdog->lock);
    watchdog->task_s = cnn_clock_s(); // which counts where there is a task
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
    watchdog->waits[wait] = (struct cnn_watchdog_wait){true, blocking, cnn_clock_s(), limit, -1};
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
    cnn_watchdog_end_job(watchdog, reason, false);
    pthread_mutex_lock(&watchdog->lock);
    watchdog->taken = watchdog->aborting = true;
    watchdog->abort_code = exit_code;
    watchdog->task = NULL;
    pthread_cond_broadcast(&watchdog->changed);
    pthread_mutex_unlock(&watchdog->lock);
    for (;;)
        pause();
}
