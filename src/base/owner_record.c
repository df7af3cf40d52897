#include "base/owner_record.h"

#include "base/checksum.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FIRST_LINE "cnn_dist owner 1\n"

// ---- this process ----

// The first line of a small file of the kernel's; "" where it cannot be read.
static void read_line(char *out, size_t out_bytes, const char *path) {
    out[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, out, out_bytes - 1);
    close(fd);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

// State and start time of a process, fields 3 and 22 of /proc/PID/stat. The name before them may hold
// anything.
static bool read_process(long long process, char *state, unsigned long long *started) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%lld/stat", process);
    read_line(text, sizeof text, path);
    const char *at = strrchr(text, ')');
    return at &&
           sscanf(at + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
                  state, started) == 2;
}

static void draw_token(char out[CNN_OWNER_TOKEN_BYTES]) {
    static atomic_uint counter;
    unsigned long long drawn;
    struct timespec now;
    if (getrandom(&drawn, sizeof drawn, GRND_NONBLOCK) != sizeof drawn) {
        clock_gettime(CLOCK_REALTIME, &now);
        drawn = ((unsigned long long)now.tv_nsec << 32) ^ (unsigned long long)now.tv_sec ^
                ((unsigned long long)getpid() << 20) ^ atomic_fetch_add(&counter, 1);
    }
    snprintf(out, CNN_OWNER_TOKEN_BYTES, "%016llx", drawn);
}

// Words of the environment end up in a line of text.
static void copy_word(char *out, size_t out_bytes, const char *word) {
    snprintf(out, out_bytes, "%s", word ? word : "");
    for (; *out; out++)
        if ((unsigned char)*out <= ' ' || *out == 0x7f)
            *out = '?';
}

void cnn_owner_record_init(struct cnn_owner_record *out, double beat_s) {
    struct stat pids;
    char state, host[sizeof out->host] = "";
    *out = (struct cnn_owner_record){.process = getpid(), .beat_s = beat_s};
    draw_token(out->token);
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    copy_word(out->host, sizeof out->host, host);
    copy_word(out->job, sizeof out->job, getenv("SLURM_JOB_ID"));
    read_line(out->boot, sizeof out->boot, "/proc/sys/kernel/random/boot_id");
    if (stat("/proc/self/ns/pid", &pids) == 0)
        out->pids = pids.st_ino;
    read_process(out->process, &state, &out->started);
    cnn_owner_record_touch(out);
}

void cnn_owner_record_touch(struct cnn_owner_record *record) { cnn_clock_iso8601(record->time); }

// ---- as text ----

// A value that is empty is a dash, so that every line has two words.
static const char *word(const char *text) { return *text ? text : "-"; }

size_t cnn_owner_record_format(char out[CNN_OWNER_TEXT_BYTES], const struct cnn_owner_record *record) {
    int n =
        snprintf(out, CNN_OWNER_TEXT_BYTES,
                 FIRST_LINE "token %s\nhost %s\njob %s\nboot %s\npids %llu\nprocess %lld\nstarted %llu\n"
                            "file %020llu\n"
                            "beat_s %g\nbeat %012llu\ntime %-24s\n",
                 record->token, word(record->host), word(record->job), word(record->boot), record->pids,
                 record->process, record->started, record->file, record->beat_s, record->beat, record->time);
    return n > 0 ? (size_t)n : 0;
}

// The word behind `key` at the beginning of a line.
static bool find_word(char *out, size_t out_bytes, const char *text, const char *key) {
    size_t n_key = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, n_key) != 0 || line[n_key] != ' ')
            continue;
        size_t n = strcspn(line + n_key + 1, " \n");
        if (n == 0 || n >= out_bytes || line[n_key + 1 + n] == '\0')
            return false; // the line has no end: the file is being written
        memcpy(out, line + n_key + 1, n);
        out[n] = '\0';
        if (strcmp(out, "-") == 0)
            out[0] = '\0';
        return true;
    }
    return false;
}

static bool find_number(unsigned long long *out, const char *text, const char *key) {
    char digits[32], *end;
    if (!find_word(digits, sizeof digits, text, key))
        return false;
    errno = 0;
    *out = strtoull(digits, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool parse(struct cnn_owner_record *out, const char *text) {
    char beat_s[32], *end;
    unsigned long long process;
    bool whole = strncmp(text, FIRST_LINE, strlen(FIRST_LINE)) == 0 &&
                 find_word(out->token, sizeof out->token, text, "token") &&
                 find_word(out->host, sizeof out->host, text, "host") &&
                 find_word(out->job, sizeof out->job, text, "job") &&
                 find_word(out->boot, sizeof out->boot, text, "boot") &&
                 find_number(&out->pids, text, "pids") && find_number(&process, text, "process") &&
                 find_number(&out->started, text, "started") && find_number(&out->file, text, "file") &&
                 find_number(&out->beat, text, "beat") && find_word(beat_s, sizeof beat_s, text, "beat_s") &&
                 find_word(out->time, sizeof out->time, text, "time");
    if (!whole || out->token[strspn(out->token, "0123456789abcdef")] != '\0' || process > 1u << 30)
        return false;
    out->process = (long long)process;
    out->beat_s = strtod(beat_s, &end);
    return isfinite(out->beat_s) && out->beat_s >= 0.01 && out->beat_s <= 600 && *end == '\0';
}

int cnn_owner_record_read(struct cnn_owner_record *out, bool *out_found, const char *path) {
    char text[CNN_OWNER_TEXT_BYTES];
    *out = (struct cnn_owner_record){0};
    *out_found = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : errno;
    struct stat info;
    ssize_t n = fstat(fd, &info) == 0 ? read(fd, text, sizeof text - 1) : -1;
    int error = n < 0 ? errno : 0;
    close(fd);
    if (error != 0)
        return error == ESTALE ? 0 : error; // ESTALE: removed on another host meanwhile
    text[n] = '\0';
    *out_found = true;
    if (parse(out, text)) {
        out->read_from = info.st_ino;
        return 0;
    }
    *out = (struct cnn_owner_record){0};
    snprintf(out->token, sizeof out->token, "x%08x", (unsigned)cnn_crc32c(0, text, (size_t)n));
    return 0;
}

// ---- who that is ----

enum cnn_owner_life cnn_owner_record_life(const struct cnn_owner_record *record) {
    struct cnn_owner_record here;
    unsigned long long started;
    char state;
    cnn_owner_record_init(&here, record->beat_s);
    if (record->process <= 0 || record->boot[0] == '\0' || record->pids == 0 ||
        strcmp(record->boot, here.boot) != 0 || record->pids != here.pids)
        return CNN_OWNER_UNKNOWN;
    if (kill((pid_t)record->process, 0) != 0 && errno == ESRCH)
        return CNN_OWNER_GONE;
    if (!read_process(record->process, &state, &started))
        return CNN_OWNER_UNKNOWN;
    if (started != record->started || state == 'Z' || state == 'X')
        return CNN_OWNER_GONE;
    bool runs = state != 'T' && state != 't' && record->read_from == record->file;
    return runs ? CNN_OWNER_RUNS : CNN_OWNER_UNKNOWN;
}

void cnn_owner_record_describe(char *out, size_t out_bytes, const struct cnn_owner_record *record) {
    if (record->process <= 0) {
        snprintf(out, out_bytes, "an unknown process (its owner file is damaged)");
        return;
    }
    snprintf(out, out_bytes, "process %lld on %s%s%s%s, last sign of life %s", record->process,
             word(record->host), record->job[0] ? " (job " : "", record->job, record->job[0] ? ")" : "",
             record->time);
}
