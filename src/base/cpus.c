#include "base/cpus.h"

#include "base/cgroup.h"
#include "base/file.h"

#include <limits.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_PROCESSORS 16384

int cnn_cpus_online(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > INT_MAX ? INT_MAX : (int)n;
}

// The mask of a process (0: this one) and its count, or NULL. CPU_FREE it.
static cpu_set_t *mask_of(pid_t pid, int *out_n) {
    // The call fails while the set is smaller than the kernel's, so begin beyond the usual 1024.
    cpu_set_t *set = CPU_ALLOC(MAX_PROCESSORS);
    size_t bytes = CPU_ALLOC_SIZE(MAX_PROCESSORS);
    if (set && sched_getaffinity(pid, bytes, set) == 0) {
        *out_n = CPU_COUNT_S(bytes, set);
        return set;
    }
    if (set)
        CPU_FREE(set);
    return NULL;
}

static int cpus_in_mask(void) {
    int n = 0;
    cpu_set_t *set = mask_of(0, &n);
    if (!set)
        return cnn_cpus_online();
    CPU_FREE(set);
    return n < 1 ? 1 : n;
}

// cgroup v2: "max 100000" or "150000 100000".
static double quota_v2(const char *folder, const char *path) {
    double quota = INFINITY, period = 0;
    char *text = cnn_cgroup_text(folder, path, "/cpu.max");
    if (text && (sscanf(text, "%lf %lf", &quota, &period) != 2 || quota <= 0 || period <= 0))
        quota = INFINITY;
    free(text);
    return quota / (period > 0 ? period : 1);
}

// cgroup v1: quota -1 means none.
static double quota_v1(const char *folder, const char *path) {
    char *quota_text = cnn_cgroup_text(folder, path, "/cpu.cfs_quota_us");
    char *period_text = cnn_cgroup_text(folder, path, "/cpu.cfs_period_us");
    double quota = quota_text ? strtod(quota_text, NULL) : -1;
    double period = period_text ? strtod(period_text, NULL) : 0;
    free(quota_text);
    free(period_text);
    return quota > 0 && period > 0 ? quota / period : INFINITY;
}

double cnn_cpus_quota(const char *cgroup_file, const char *cgroup_mount) {
    static const struct cnn_cgroup_limit limit = {.controller = "cpu", .v1 = quota_v1, .v2 = quota_v2};
    return cnn_cgroup_least(&limit, cgroup_file, cgroup_mount);
}

int cnn_cpus_allowed(void) {
    int mask = cpus_in_mask();
    double quota = cnn_cpus_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    if (quota >= mask)
        return mask;
    return quota < 1 ? 1 : (int)(quota + 0.5);
}

// "PID (NAME) S PPID ...", where NAME may hold anything.
static bool read_process(pid_t pid, char name[16], pid_t *parent) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    size_t bytes;
    char *text = NULL;
    if (cnn_file_read(&text, &bytes, path, 1 << 20) != CNN_OK)
        return false;
    char *from = strchr(text, '('), *to = strrchr(text, ')');
    long number = 0;
    bool known = from && to && sscanf(to + 1, " %*c %ld", &number) == 1;
    if (known) {
        snprintf(name, 16, "%.*s", (int)(to - from - 1), from + 1);
        *parent = (pid_t)number;
    }
    free(text);
    return known;
}

static bool is_launcher(const char *name) {
    static const char *const launchers[] = {"mpirun",  "mpiexec", "orterun",         "orted",
                                            "prterun", "prted",   "hydra_pmi_proxy", "slurmstepd"};
    for (size_t i = 0; i < sizeof launchers / sizeof launchers[0]; i++)
        if (strcmp(name, launchers[i]) == 0)
            return true;
    return false;
}

static bool has_other_mask(pid_t pid, const cpu_set_t *own) {
    int n;
    cpu_set_t *set = mask_of(pid, &n);
    bool other = set && !CPU_EQUAL_S(CPU_ALLOC_SIZE(MAX_PROCESSORS), set, own);
    if (set)
        CPU_FREE(set);
    return other;
}

// Did the launcher give this process processors of its own? A mask that the launcher has too (a container's,
// a job's, taskset's) is shared by all its ranks; only what was narrowed below the launcher is this rank's
// own.
static bool bound_by_launcher(void) {
    int n;
    bool bound = false;
    cpu_set_t *own = mask_of(0, &n);
    pid_t pid = getppid(), parent;
    for (char name[16]; own && !bound && pid > 0 && read_process(pid, name, &parent); pid = parent) {
        bound = has_other_mask(pid, own);
        if (is_launcher(name))
            break;
    }
    if (own)
        CPU_FREE(own);
    return bound;
}

int cnn_cpus_share(int local_size) {
    int mask = cpus_in_mask(), allowed = cnn_cpus_allowed();
    if (local_size <= 1)
        return allowed;
    // A quota covers all ranks of its group, so it is divided even where the mask is this rank's own.
    int share =
        mask < cnn_cpus_online() && allowed == mask && bound_by_launcher() ? mask : allowed / local_size;
    return share < 1 ? 1 : share;
}
