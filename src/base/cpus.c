#include "base/cpus.h"

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

// The text of a small file of /proc or /sys; NULL when it is not there. The caller frees.
static char *read_small(const char *folder, const char *path, const char *name) {
    char full[4096], *text = NULL;
    size_t bytes;
    if (cnn_path_format(full, sizeof full, "%s%s%s", folder, path, name) != CNN_OK)
        return NULL;
    return cnn_file_read(&text, &bytes, full, 1 << 20) == CNN_OK ? text : NULL;
}

// cgroup v2: "max 100000" or "150000 100000".
static double quota_v2(const char *folder, const char *path) {
    double quota = INFINITY, period = 0;
    char *text = read_small(folder, path, "/cpu.max");
    if (text && (sscanf(text, "%lf %lf", &quota, &period) != 2 || quota <= 0 || period <= 0))
        quota = INFINITY;
    free(text);
    return quota / (period > 0 ? period : 1);
}

// cgroup v1: quota -1 means none.
static double quota_v1(const char *folder, const char *path) {
    char *quota_text = read_small(folder, path, "/cpu.cfs_quota_us");
    char *period_text = read_small(folder, path, "/cpu.cfs_period_us");
    double quota = quota_text ? strtod(quota_text, NULL) : -1;
    double period = period_text ? strtod(period_text, NULL) : 0;
    free(quota_text);
    free(period_text);
    return quota > 0 && period > 0 ? quota / period : INFINITY;
}

// A group is bound by its own quota and by those of all groups around it. Inside a container the path may
// be the host's, which is not visible here: what cannot be read does not bind.
static double least_quota(double (*quota)(const char *, const char *), const char *folder,
                          const char *group) {
    char path[4096];
    double least = INFINITY;
    if (cnn_path_format(path, sizeof path, "%s", group) != CNN_OK)
        return least;
    for (;;) {
        least = fmin(least, quota(folder, strcmp(path, "/") == 0 ? "" : path));
        char *slash = strrchr(path, '/');
        if (!slash || path[0] == '\0')
            return least;
        *slash = '\0';
    }
}

static bool names_cpu(const char *controllers) {
    char list[256];
    snprintf(list, sizeof list, ",%s,", controllers);
    return strstr(list, ",cpu,") != NULL;
}

// `line` is one line of /proc/self/cgroup: "hierarchy:controllers:path".
static double quota_of_line(char *line, const char *cgroup_mount) {
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return INFINITY;
    *controllers++ = '\0';
    *path++ = '\0';
    if (*controllers == '\0') // version 2, alone or beside version 1
        return fmin(least_quota(quota_v2, cgroup_mount, path), quota_v2(cgroup_mount, "/unified"));
    if (!names_cpu(controllers))
        return INFINITY;
    char folder[4096];
    if (cnn_path_format(folder, sizeof folder, "%s/%s", cgroup_mount, controllers) != CNN_OK)
        return INFINITY;
    return least_quota(quota_v1, folder, path);
}

double cnn_cpus_quota(const char *cgroup_file, const char *cgroup_mount) {
    double least = INFINITY;
    char *text = read_small("", cgroup_file, ""), *rest = text, *line;
    while ((line = strsep(&rest, "\n")))
        least = fmin(least, quota_of_line(line, cgroup_mount));
    free(text);
    return least;
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
    char *text = read_small("", path, "");
    char *from = text ? strchr(text, '(') : NULL, *to = text ? strrchr(text, ')') : NULL;
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
