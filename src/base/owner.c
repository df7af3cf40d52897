#include "base/owner.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/owner_record.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BEAT_S 1.0
#define SILENT_BEATS 30 // after so many heartbeats that did not come an owner is considered dead

struct cnn_owner {
    char folder[4096], path[4300], what[64];
    char taken_from[512];
    struct cnn_owner_record record; // the heartbeat's thread alone changes it
    int fd;                         // of the file this process made, wherever that is now
    pthread_t thread;
    bool has_thread, leaving;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct cnn_owner *next; // of this process
};

// ---- those of this process ----

static struct cnn_owner *owned;
static pthread_mutex_t owned_lock = PTHREAD_MUTEX_INITIALIZER;

static void enlist(struct cnn_owner *owner) {
    pthread_mutex_lock(&owned_lock);
    owner->next = owned;
    owned = owner;
    pthread_mutex_unlock(&owned_lock);
}

static void delist(struct cnn_owner *owner) {
    pthread_mutex_lock(&owned_lock);
    for (struct cnn_owner **at = &owned; *at; at = &(*at)->next)
        if (*at == owner) {
            *at = owner->next;
            break;
        }
    pthread_mutex_unlock(&owned_lock);
}

// ---- still the owner? ----

static enum cnn_status fail_lost(const struct cnn_owner *owner, bool found,
                                 const struct cnn_owner_record *other) {
    char who[512];
    cnn_owner_record_describe(who, sizeof who, other);
    if (found)
        return cnn_fail(
            CNN_ERR_FAILED,
            "%s %s was taken over by %s, because this process gave no sign of life; it writes nothing more",
            owner->what, owner->folder, who);
    return cnn_fail(
        CNN_ERR_FAILED,
        "%s %s was taken over by a process that has ended since, or %s was removed; this process writes "
        "nothing more",
        owner->what, owner->folder, owner->path);
}

static enum cnn_status read_record(struct cnn_owner_record *out, bool *out_found, const char *path) {
    int error = cnn_owner_record_read(out, out_found, path);
    return error == 0 ? CNN_OK : cnn_fail(CNN_ERR_IO, "cannot read %s: %s", path, strerror(error));
}

enum cnn_status cnn_owner_check(const struct cnn_owner *owner) {
    struct cnn_owner_record now;
    bool found;
    if (!owner)
        return CNN_OK;
    CNN_TRY(read_record(&now, &found, owner->path));
    if (found && strcmp(now.token, owner->record.token) == 0)
        return CNN_OK;
    if (!found && !cnn_folder_exists(owner->folder))
        return cnn_fail(CNN_ERR_IO, "%s %s cannot be found", owner->what, owner->folder);
    return fail_lost(owner, found, &now);
}

bool cnn_owner_holds(const struct cnn_owner *owner) {
    struct cnn_owner_record now;
    bool found;
    return !owner || (cnn_owner_record_read(&now, &found, owner->path) == 0 && found &&
                      strcmp(now.token, owner->record.token) == 0);
}

enum cnn_status cnn_owner_check_path(const char *path) {
    enum cnn_status status = CNN_OK;
    pthread_mutex_lock(&owned_lock);
    for (const struct cnn_owner *owner = owned; owner && status == CNN_OK; owner = owner->next) {
        size_t n = strlen(owner->folder);
        if (strncmp(path, owner->folder, n) == 0 && path[n] == '/')
            status = cnn_owner_check(owner);
    }
    pthread_mutex_unlock(&owned_lock);
    return status;
}

// ---- heartbeat ----

// In place, so that an owner that was replaced meanwhile writes to a file that no longer has a name. A write
// that fails is tried again with the next heartbeat.
static void beat(struct cnn_owner *owner) {
    char text[CNN_OWNER_TEXT_BYTES];
    owner->record.beat++;
    cnn_owner_record_touch(&owner->record);
    size_t n = cnn_owner_record_format(text, &owner->record);
    if (pwrite(owner->fd, text, n, 0) == (ssize_t)n)
        (void)fdatasync(owner->fd);
}

static void *keep_beating(void *context) {
    struct cnn_owner *owner = context;
    pthread_mutex_lock(&owner->lock);
    while (!owner->leaving) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        long long ns = until.tv_nsec + (long long)(owner->record.beat_s * 1e9);
        until.tv_sec += (time_t)(ns / 1000000000);
        until.tv_nsec = (long)(ns % 1000000000);
        if (pthread_cond_timedwait(&owner->changed, &owner->lock, &until) != ETIMEDOUT)
            continue;
        pthread_mutex_unlock(&owner->lock);
        beat(owner);
        pthread_mutex_lock(&owner->lock);
    }
    pthread_mutex_unlock(&owner->lock);
    return NULL;
}

static enum cnn_status start_beating(struct cnn_owner *owner) {
    if (pthread_create(&owner->thread, NULL, keep_beating, owner) != 0)
        return cnn_fail(CNN_ERR_FAILED, "cannot start the thread that keeps %s", owner->path);
    owner->has_thread = true;
    return CNN_OK;
}

// ---- taking it ----

static enum cnn_status fail_write(const char *path, int error) {
    enum cnn_status status =
        error == EACCES || error == EPERM || error == EROFS || error == ENOENT ? CNN_ERR_INPUT : CNN_ERR_IO;
    return cnn_fail(status, "cannot write %s: %s", path, strerror(error));
}

static int write_record(int fd, struct cnn_owner_record *record) {
    char text[CNN_OWNER_TEXT_BYTES];
    struct stat info;
    if (fstat(fd, &info) != 0)
        return errno;
    record->file = info.st_ino;
    size_t n = cnn_owner_record_format(text, record);
    ssize_t written = pwrite(fd, text, n, 0);
    if (written == (ssize_t)n)
        return 0;
    return written < 0 ? errno : ENOSPC;
}

// For file systems without hard links. Readers may see the file before it is whole; they wait until it is.
static int create_named(struct cnn_owner *owner, const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return errno;
    int error = write_record(fd, &owner->record);
    if (error != 0) {
        unlink(path);
        close(fd);
        return error;
    }
    owner->fd = fd;
    return 0;
}

// Makes the file `path` with this process's record, whole from the start: EEXIST where there is one already.
static int create_exclusive(struct cnn_owner *owner, const char *path) {
    char temporary[4400];
    struct stat info;
    snprintf(temporary, sizeof temporary, "%s/.owner.tmp-%s", owner->folder, owner->record.token);
    int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return errno;
    int error = write_record(fd, &owner->record);
    if (error == 0 && link(temporary, path) != 0)
        error = errno;
    // Over a network the answer to a link that was made may be lost, and the repeated request then fails.
    if (error == EEXIST && fstat(fd, &info) == 0 && info.st_nlink == 2)
        error = 0;
    unlink(temporary);
    if (error == 0) {
        owner->fd = fd;
        return 0;
    }
    close(fd);
    return error == EPERM || error == ENOTSUP || error == ENOSYS ? create_named(owner, path) : error;
}

// A process that takes over from the owner with token T first makes NAME.after-T, which only one can, and
// then renames it to NAME. One that dies in between has a successor of its own: NAME.after-ITS_TOKEN, and so
// on.
static enum cnn_status claim_path(char out[4400], const struct cnn_owner *owner, const char *token) {
    return cnn_path_format(out, 4400, "%s.after-%s", owner->path, token);
}

// The present owner: the last of the chain. *out_found: whether there is one.
static enum cnn_status find_owner(struct cnn_owner_record *out, bool *out_found,
                                  const struct cnn_owner *owner) {
    char path[4400];
    struct cnn_owner_record next;
    bool more = true;
    CNN_TRY(read_record(out, out_found, owner->path));
    while (*out_found && more) {
        CNN_TRY(claim_path(path, owner, out->token));
        CNN_TRY(read_record(&next, &more, path));
        if (more)
            *out = next;
    }
    return CNN_OK;
}

enum verdict { ALIVE, DEAD, CHANGED };

static double beat_of(const struct cnn_owner *owner, const struct cnn_owner_record *other) {
    return other->beat_s > 0 ? other->beat_s : owner->record.beat_s;
}

// Watches an owner until it gives a sign of life, is replaced, or has been silent for too long.
static enum cnn_status judge(enum verdict *out, const struct cnn_owner *owner,
                             const struct cnn_owner_record *seen) {
    struct cnn_owner_record now;
    char who[512];
    bool found, told = false;
    const double beat_s = beat_of(owner, seen), limit_s = SILENT_BEATS * beat_s, start_s = cnn_clock_s();
    for (;;) {
        enum cnn_owner_life life = cnn_owner_record_life(seen);
        *out = life == CNN_OWNER_RUNS ? ALIVE : DEAD;
        if (life != CNN_OWNER_UNKNOWN || cnn_clock_s() - start_s >= limit_s)
            return CNN_OK;
        if (!told && cnn_clock_s() - start_s > 1 + beat_s) {
            cnn_owner_record_describe(who, sizeof who, seen);
            cnn_log_info("%s %s belongs to %s; waiting up to %.0f s for another one", owner->what,
                         owner->folder, who, limit_s);
            told = true;
        }
        cnn_clock_sleep(beat_s < 0.4 ? beat_s / 4 : 0.1);
        CNN_TRY(find_owner(&now, &found, owner));
        if (!found || strcmp(now.token, seen->token) != 0) {
            *out = CHANGED;
            return CNN_OK;
        }
        if (now.beat != seen->beat) {
            *out = ALIVE;
            return CNN_OK;
        }
    }
}

static enum cnn_status refuse(const struct cnn_owner_options *options, const struct cnn_owner *owner,
                              const struct cnn_owner_record *other) {
    struct cnn_owner_record now;
    char who[512];
    bool found;
    if (cnn_owner_record_read(&now, &found, owner->path) != 0 || !found ||
        strcmp(now.token, other->token) != 0)
        now = *other; // gone meanwhile
    cnn_owner_record_describe(who, sizeof who, &now);
    return cnn_fail(CNN_ERR_INPUT, "%s %s is in use by %s; %s", owner->what, owner->folder, who,
                    options->advice);
}

static void note_predecessor(struct cnn_owner *owner, const struct cnn_owner_record *dead) {
    char who[400];
    cnn_owner_record_describe(who, sizeof who, dead);
    if (cnn_owner_record_life(dead) == CNN_OWNER_GONE)
        snprintf(owner->taken_from, sizeof owner->taken_from, "%s, which no longer runs", who);
    else
        snprintf(owner->taken_from, sizeof owner->taken_from, "%s, and none in the last %.0f s", who,
                 SILENT_BEATS * beat_of(owner, dead));
}

// *out_done stays false where another process was faster.
static enum cnn_status replace(struct cnn_owner *owner, const struct cnn_owner_record *dead, bool *out_done) {
    char claim[4400];
    struct cnn_owner_record last;
    bool found;
    CNN_TRY(claim_path(claim, owner, dead->token));
    int error = create_exclusive(owner, claim);
    if (error == EEXIST || error == ENOENT)
        return CNN_OK;
    if (error != 0)
        return fail_write(claim, error);
    // The claim counts only while the one it follows still is the owner.
    enum cnn_status status = find_owner(&last, &found, owner);
    bool mine = status == CNN_OK && found && strcmp(last.token, owner->record.token) == 0;
    if (mine && rename(claim, owner->path) != 0) {
        mine = false;
        status = errno == ENOENT ? CNN_OK : fail_write(owner->path, errno);
    }
    if (mine) {
        note_predecessor(owner, dead);
        *out_done = true;
        return CNN_OK;
    }
    unlink(claim);
    close(owner->fd);
    owner->fd = -1;
    return status;
}

// Where there is an owner already nothing is written.
static enum cnn_status take(struct cnn_owner *owner, const struct cnn_owner_options *options) {
    for (bool done = false; !done;) {
        struct cnn_owner_record other;
        enum verdict verdict = DEAD;
        bool found;
        CNN_TRY(find_owner(&other, &found, owner));
        if (found) {
            CNN_TRY(judge(&verdict, owner, &other));
            if (verdict == ALIVE)
                return refuse(options, owner, &other);
            if (verdict == DEAD)
                CNN_TRY(replace(owner, &other, &done));
            continue;
        }
        int error = create_exclusive(owner, owner->path);
        done = error == 0;
        bool again =
            error == EEXIST || (error == ENOENT && cnn_folder_exists(owner->folder)); // swept meanwhile
        if (!done && !again)
            return fail_write(owner->path, error);
    }
    return CNN_OK;
}

// What processes that were killed while they took over have left.
static void sweep(const struct cnn_owner *owner, const char *name) {
    char prefix[256], **names;
    size_t n;
    snprintf(prefix, sizeof prefix, "%s.after-", name);
    if (cnn_folder_list(&names, &n, owner->folder, prefix, "") != CNN_OK)
        return;
    for (size_t i = 0; i < n; i++) {
        char path[8400];
        if (cnn_path_format(path, sizeof path, "%s/%s", owner->folder, names[i]) == CNN_OK)
            unlink(path);
    }
    cnn_names_free(names, n);
}

static double beat_seconds(void) {
    const char *given = getenv("CNN_OWNER_BEAT_S");
    double seconds = given ? strtod(given, NULL) : BEAT_S;
    return seconds >= 0.01 && seconds <= 600 ? seconds : BEAT_S;
}

static void destroy(struct cnn_owner *owner) {
    if (owner->fd >= 0)
        close(owner->fd);
    pthread_cond_destroy(&owner->changed);
    pthread_mutex_destroy(&owner->lock);
    free(owner);
}

static enum cnn_status create(struct cnn_owner **out, const struct cnn_owner_options *options) {
    struct cnn_owner *owner = NULL;
    pthread_condattr_t monotonic;
    CNN_TRY(cnn_calloc(&owner, 1, sizeof *owner));
    owner->fd = -1;
    pthread_mutex_init(&owner->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&owner->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    cnn_owner_record_init(&owner->record, beat_seconds());
    snprintf(owner->what, sizeof owner->what, "%s", options->what);
    enum cnn_status status = cnn_path_format(owner->folder, sizeof owner->folder, "%s", options->folder);
    if (status == CNN_OK)
        status = cnn_path_format(owner->path, sizeof owner->path, "%s/%s", options->folder, options->name);
    if (status != CNN_OK) {
        destroy(owner);
        return status;
    }
    *out = owner;
    return CNN_OK;
}

enum cnn_status cnn_owner_take(struct cnn_owner **out, const struct cnn_owner_options *options) {
    struct cnn_owner *owner;
    CNN_TRY(create(&owner, options));
    enum cnn_status status = take(owner, options);
    if (status != CNN_OK) {
        destroy(owner);
        return status;
    }
    sweep(owner, options->name);
    enlist(owner);
    status = start_beating(owner);
    if (status != CNN_OK) {
        cnn_owner_release(owner);
        return status;
    }
    *out = owner;
    return CNN_OK;
}

void cnn_owner_release(struct cnn_owner *owner) {
    if (!owner)
        return;
    if (owner->has_thread) {
        pthread_mutex_lock(&owner->lock);
        owner->leaving = true;
        pthread_cond_broadcast(&owner->changed);
        pthread_mutex_unlock(&owner->lock);
        pthread_join(owner->thread, NULL);
    }
    delist(owner);
    if (cnn_owner_holds(owner))
        unlink(owner->path);
    destroy(owner);
}

const char *cnn_owner_taken_from(const struct cnn_owner *owner) {
    return owner && owner->taken_from[0] ? owner->taken_from : NULL;
}
