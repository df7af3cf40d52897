// What the watchdog concludes from the signs of life of the ranks.
#include "base/clock.h"
#include "base/log.h"
#include "comm/siblings.h"
#include "comm/table.h"
#include "comm/watchdog_state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNS_PER_LIMIT 80 // that are sent while a limit runs out
#define MOST_PERIOD_S 0.25
#define SIGNS_TO_SILENCE 4 // missing ones
#define LEAST_SILENCE_S 0.5
#define BLIND_EXTRA_S 1.0
#define STUCK_STOP_S 0.4 // launchers give a process 1 s between SIGTERM and SIGKILL

// ---- signs of life

double cnn_watchdog_period_s(const struct cnn_watchdog *watchdog) {
    return fmax(watchdog->least_period_s, fmin(MOST_PERIOD_S, watchdog->shortest_s / SIGNS_PER_LIMIT));
}

static double silence_s(const struct cnn_watchdog *watchdog) {
    return fmax(LEAST_SILENCE_S, SIGNS_TO_SILENCE * cnn_watchdog_period_s(watchdog));
}

bool cnn_watchdog_hears_rank_0(const struct cnn_watchdog *watchdog, double now_s) {
    const double heard_s = watchdog->signs ? watchdog->signs[0].heard_s : -1;
    return watchdog->heartbeat && heard_s >= 0 && now_s - heard_s < 2 * silence_s(watchdog);
}

void cnn_watchdog_receive(struct cnn_watchdog *watchdog, double now_s) {
    struct cnn_beat beat;
    int from;
    while (cnn_heartbeat_next(watchdog->heartbeat, &beat, &from)) {
        struct cnn_rank_sign *sign = &watchdog->signs[watchdog->rank == 0 ? from : 0];
        *sign = beat.sign;
        sign->heard_s = now_s;
        if (beat.kind == CNN_BEAT_END)
            cnn_watchdog_end_job(watchdog, beat.text, true);
    }
}

// Rank 0 to all, the others to rank 0.
void cnn_watchdog_send_beat(const struct cnn_comm *comm, struct cnn_heartbeat *heartbeat,
                            const struct cnn_beat *beat) {
    if (comm->rank != 0)
        cnn_heartbeat_send(heartbeat, 0, beat);
    for (int rank = 1; comm->rank == 0 && rank < comm->size; rank++)
        cnn_heartbeat_send(heartbeat, rank, beat);
}

void cnn_watchdog_send(struct cnn_watchdog *watchdog, const struct cnn_rank_sign *mine, double now_s) {
    if (now_s - watchdog->sent_s < cnn_watchdog_period_s(watchdog) && !atomic_load(&watchdog->over))
        return;
    watchdog->sent_s = now_s;
    struct cnn_beat beat = {.kind = CNN_BEAT_ALIVE, .sign = *mine};
    if (atomic_load(&watchdog->over)) {
        beat.kind = CNN_BEAT_END;
        snprintf(beat.text, sizeof beat.text, "%s", watchdog->why.message);
    }
    cnn_watchdog_send_beat(watchdog->comm, watchdog->heartbeat, &beat);
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
    if (watchdog->rank <= 0 || !watchdog->heartbeat)
        return watchdog->rank <= 0 || judged->late.rank >= 0;
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

// With all signs of life, as on rank 0; false: nobody waits.
static void judge_waiter(const struct cnn_watchdog *watchdog, struct judged *out, double now_s,
                         double silent_s) {
    const struct cnn_rank_sign *signs = watchdog->signs;
    out->of_waiter = &signs[out->waiter];
    out->limit_s = out->of_waiter->limit_s;
    out->late = cnn_late_find(signs, watchdog->comm->size, out->waiter, now_s, silent_s);
    out->of_late = out->late.rank < 0 ? NULL : &signs[out->late.rank];
}

static bool judge_all(const struct cnn_watchdog *watchdog, struct judged *out, double now_s) {
    const double silent_s = silence_s(watchdog);
    out->waiter = cnn_late_waiter(watchdog->signs, watchdog->comm->size, now_s, silent_s, &out->waits_s);
    if (out->waiter >= 0)
        judge_waiter(watchdog, out, now_s, silent_s);
    return out->waiter >= 0;
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
    out->limit_s += SIGNS_TO_SILENCE * cnn_watchdog_period_s(watchdog); // what rank 0 says comes first
}

// A rank that was asked to stop and waits may have little time: launchers end ranks so when another one died.
static void notice_stop(struct cnn_watchdog *watchdog, const struct cnn_comm_listener *listener,
                        const struct cnn_rank_sign *mine, double now_s) {
    char text[512], message[600];
    struct judged judged;
    const char *reason = listener->asked_to_stop ? listener->asked_to_stop(listener->context) : NULL;
    if (!reason)
        watchdog->stop_asked_s = INFINITY;
    else if (watchdog->stop_asked_s > now_s)
        watchdog->stop_asked_s = now_s;
    if (mine->waits_s < 0)
        watchdog->listener_knows = false;
    if (watchdog->listener_knows || mine->waits_s < STUCK_STOP_S ||
        now_s - watchdog->stop_asked_s < STUCK_STOP_S)
        return;
    judge_alone(watchdog, &judged, mine, now_s);
    if (watchdog->heartbeat && watchdog->rank == 0)
        judge_waiter(watchdog, &judged, now_s, STUCK_STOP_S);
    cnn_late_notice(text, sizeof text, &judged.late, judged.of_late, judged.waiter, judged.of_waiter,
                    judged.waits_s, true);
    snprintf(message, sizeof message, "%s while %s", reason, text);
    cnn_watchdog_tell_listener(watchdog, message);
    watchdog->listener_knows = true;
}

static bool find_late(const struct cnn_watchdog *watchdog, struct judged *out,
                      const struct cnn_rank_sign *mine, double now_s) {
    if (watchdog->heartbeat && watchdog->rank == 0)
        return judge_all(watchdog, out, now_s);
    if (mine->waits_s < 0 || (watchdog->heartbeat && cnn_watchdog_hears_rank_0(watchdog, now_s)))
        return false;
    judge_alone(watchdog, out, mine, now_s);
    return true;
}

void cnn_watchdog_judge(struct cnn_watchdog *watchdog, const struct cnn_rank_sign *mine, double now_s) {
    struct judged judged;
    char reason[1024];
    pthread_mutex_lock(&watchdog->lock);
    const struct cnn_comm_listener listener = watchdog->listener;
    const bool leaving = watchdog->leaving;
    pthread_mutex_unlock(&watchdog->lock);
    notice_stop(watchdog, &listener, mine, now_s);
    if (!find_late(watchdog, &judged, mine, now_s)) {
        watchdog->noticed_s = 0;
        return;
    }
    if (!cnn_late_is_over(&judged.late, judged.waits_s, judged.limit_s)) {
        notice(watchdog, &judged);
        return;
    }
    cnn_late_reason(reason, sizeof reason, &judged.late, judged.of_late, judged.waiter, judged.of_waiter,
                    judged.waits_s);
    if (leaving) { // everything is done and written
        cnn_log_warn("%s; leaving without them", reason);
        cnn_watchdog_exit(watchdog, watchdog->leaving_code);
    }
    cnn_watchdog_end_job(watchdog, reason, false);
}
