#include "comm/late.h"

#include <math.h>
#include <stdio.h>

static bool is_silent(const struct cnn_rank_sign *sign, double now_s, double silent_s) {
    return sign->heard_s < 0 || now_s - sign->heard_s > silent_s;
}

// What a silent rank said last may have been that it waits; that is not so any more.
int cnn_late_waiter(const struct cnn_rank_sign *signs, int size, double now_s, double silent_s,
                    double *waits_s) {
    int waiter = -1;
    *waits_s = -1;
    for (int rank = 0; rank < size; rank++) {
        if (is_silent(&signs[rank], now_s, silent_s) || signs[rank].waits_s < 0)
            continue;
        const double waits = signs[rank].waits_s + now_s - signs[rank].heard_s;
        if (waits <= *waits_s)
            continue;
        waiter = rank;
        *waits_s = waits;
    }
    return waiter;
}

static enum cnn_late_kind kind_of(const struct cnn_rank_sign *sign, double now_s, double silent_s) {
    if (is_silent(sign, now_s, silent_s))
        return CNN_LATE_SILENT;
    if (sign->waits_s >= 0)
        return CNN_LATE_NOBODY;
    return sign->busy_s >= 0 ? CNN_LATE_BUSY : CNN_LATE_ACTIVE;
}

static double since(const struct cnn_rank_sign *sign, enum cnn_late_kind kind, double now_s) {
    if (kind == CNN_LATE_SILENT)
        return sign->heard_s < 0 ? INFINITY : now_s - sign->heard_s;
    return (kind == CNN_LATE_BUSY ? sign->busy_s : sign->active_s) + now_s - sign->heard_s;
}

// How long all of them have been waiting together.
static double shortest_wait(const struct cnn_rank_sign *signs, int size, double now_s) {
    double shortest = INFINITY;
    for (int rank = 0; rank < size; rank++)
        shortest = fmin(shortest, signs[rank].waits_s + now_s - signs[rank].heard_s);
    return shortest;
}

struct cnn_late cnn_late_find(const struct cnn_rank_sign *signs, int size, int waiter, double now_s,
                              double silent_s) {
    struct cnn_late found = {.kind = CNN_LATE_NOBODY, .rank = -1};
    for (int rank = 0; rank < size; rank++) {
        if (rank == waiter)
            continue;
        const enum cnn_late_kind kind = kind_of(&signs[rank], now_s, silent_s);
        if (kind == CNN_LATE_NOBODY || (found.kind != CNN_LATE_NOBODY && kind > found.kind))
            continue;
        const double since_s = since(&signs[rank], kind, now_s);
        const bool same = kind == found.kind;
        found.others = same ? found.others + 1 : 0;
        if (same && since_s <= found.since_s)
            continue;
        found = (struct cnn_late){kind, rank, found.others, since_s};
    }
    if (found.kind != CNN_LATE_NOBODY)
        return found;
    const int lacks = signs[waiter].waits_for;
    return (struct cnn_late){lacks < 0 ? CNN_LATE_NOBODY : CNN_LATE_UNREACHED, lacks, 0,
                             shortest_wait(signs, size, now_s)};
}

bool cnn_late_is_over(const struct cnn_late *late, double waits_s, double limit_s) {
    if (waits_s <= limit_s)
        return false;
    if (late->kind == CNN_LATE_BUSY)
        return late->since_s > CNN_LATE_BUSY_LIMITS * limit_s;
    return late->since_s > limit_s;
}

// ---- words

static void name_rank(char *out, size_t bytes, int rank, const struct cnn_rank_sign *sign) {
    const bool known = sign && sign->host[0];
    snprintf(out, bytes, "rank %d%s%s", rank, known ? " on " : "", known ? sign->host : "");
}

static void name_late(char *out, size_t bytes, const struct cnn_late *late,
                      const struct cnn_rank_sign *sign) {
    char name[128];
    if (late->rank < 0) {
        snprintf(out, bytes, "the other ranks");
        return;
    }
    name_rank(name, sizeof name, late->rank, sign);
    if (late->others)
        snprintf(out, bytes, "%s and %d more", name, late->others);
    else
        snprintf(out, bytes, "%s", name);
}

// What is known of the late rank.
static void describe(char *out, size_t bytes, const struct cnn_late *late, const struct cnn_rank_sign *sign) {
    out[0] = '\0';
    if (late->kind == CNN_LATE_SILENT && isfinite(late->since_s))
        snprintf(out, bytes, "no sign of life from it for %.3g s", late->since_s);
    else if (late->kind == CNN_LATE_SILENT)
        snprintf(out, bytes, "no sign of life from it so far");
    else if (late->kind == CNN_LATE_BUSY)
        snprintf(out, bytes, "it has been %s for %.3g s", sign->task, late->since_s);
    else if (late->kind == CNN_LATE_ACTIVE)
        snprintf(out, bytes, "it is alive, in %s", sign->stage);
    else if (late->kind == CNN_LATE_UNREACHED)
        snprintf(out, bytes, "it waits, too: messages do not arrive");
    else
        snprintf(out, bytes, "not all of them came");
}

void cnn_late_notice(char *out, size_t bytes, const struct cnn_late *late,
                     const struct cnn_rank_sign *of_late, int waiter, const struct cnn_rank_sign *of_waiter,
                     double waits_s, bool by_itself) {
    char name[160], waiter_name[128], detail[160];
    name_late(name, sizeof name, late, of_late);
    name_rank(waiter_name, sizeof waiter_name, waiter, of_waiter);
    describe(detail, sizeof detail, late, of_late);
    snprintf(out, bytes, "%s%swaiting %.3g s for %s, in %s (%s)", by_itself ? "" : waiter_name,
             by_itself ? "" : " is ", waits_s, name, of_waiter->stage, detail);
}

static const char *advice(enum cnn_late_kind kind) {
    switch (kind) {
    case CNN_LATE_SILENT:
        return ": it is stopped, lost or cut off";
    case CNN_LATE_BUSY:
        return ", more than 10 times comm.timeout_s";
    case CNN_LATE_ACTIVE:
    case CNN_LATE_NOBODY:
        return "; if it is only slow, raise comm.timeout_s";
    case CNN_LATE_UNREACHED:
        break;
    }
    return "";
}

void cnn_late_reason(char *out, size_t bytes, const struct cnn_late *late,
                     const struct cnn_rank_sign *of_late, int waiter, const struct cnn_rank_sign *of_waiter,
                     double waits_s) {
    char name[160], waiter_name[128], detail[160];
    name_late(name, sizeof name, late, of_late);
    name_rank(waiter_name, sizeof waiter_name, waiter, of_waiter);
    describe(detail, sizeof detail, late, of_late);
    snprintf(out, bytes, "%s waited %.3g s for %s, in %s; %s%s", waiter_name, waits_s, name, of_waiter->stage,
             detail, advice(late->kind));
}
